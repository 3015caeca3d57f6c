mod applications;
mod orders;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    AdminConfig, AdminError, AdminServer, AdminState, Applications, Conditions, Given, MAX_CONNECTIONS,
    NotReady, NotTaken, Readiness, Reload, ReloadReport, Status, StatusReport, Why, orders,
};
use crate::metrics::{Metrics, ReloadOutcome, SourceKind};

/// Long enough for any machine; reached only where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

struct Admin {
    address: SocketAddr,
    readiness: Arc<Readiness>,
    applications: Arc<Applications>,
    metrics: Arc<Metrics>,
    key_is_valid: Arc<AtomicBool>,
    /// What was ordered.
    given: Given,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Admin {
    async fn start() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = AdminServer::bind(&AdminConfig { listen: Some(listen), probes: None }).await.unwrap();
        let address = server.address().unwrap();
        let key_is_valid = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&key_is_valid);
        let readiness = Conditions::new().requiring("keys", move |_| match asked.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(NotReady::NoSealingKey { key_set: None }),
        });
        let readiness = Arc::new(Readiness::under(readiness));
        let metrics = Arc::new(Metrics::new());
        let status = Status::of(Vec::new()).with("told", |_| serde_json::json!(["by", "others"]));
        let (orders, given) = orders();
        let (shown, counted) = (Arc::clone(&readiness), Arc::clone(&metrics));
        let applications = Arc::<Applications>::default();
        let state = AdminState {
            readiness: shown,
            applications: Arc::clone(&applications),
            metrics: counted,
            status: Arc::new(status),
            orders,
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(state, stop.clone()));
        Self { address, readiness, applications, metrics, key_is_valid, given, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` on a connection of its own and reads to the end of it.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn page(&self, method: &str, path: &str) -> (u16, String) {
        let reply =
            self.exchange(&format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut reply = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut reply)).await.expect("the connection is closed").unwrap();
    reply
}

/// Reads one reply whose body is `ok\n`, and leaves the connection open.
async fn read_ok(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\nok\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("a reply").unwrap();
        reply.push(byte);
    }
    String::from_utf8(reply).unwrap()
}

#[tokio::test]
async fn the_process_is_alive_whatever_else_it_is() {
    let admin = Admin::start().await;
    assert_eq!(admin.page("GET", "/livez").await, (200, "ok\n".to_owned()));
    admin.key_is_valid.store(false, Ordering::SeqCst);
    admin.readiness.stopping();
    assert_eq!(admin.page("GET", "/livez?verbose").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn readiness_names_each_obstacle_on_a_line_of_its_own() {
    let admin = Admin::start().await;
    assert_eq!(admin.page("GET", "/readyz").await, (503, "listeners not bound\n".to_owned()));
    admin.readiness.listeners_bound();
    assert_eq!(admin.page("GET", "/readyz").await, (200, "ok\n".to_owned()));
    admin.key_is_valid.store(false, Ordering::SeqCst);
    assert_eq!(admin.page("GET", "/readyz").await, (503, "no key that seals is valid\n".to_owned()));
    admin.readiness.stopping();
    let both = "no key that seals is valid\nstopping\n".to_owned();
    assert_eq!(admin.page("GET", "/readyz").await, (503, both));
    admin.key_is_valid.store(true, Ordering::SeqCst);
    assert_eq!(admin.page("GET", "/readyz").await, (503, "stopping\n".to_owned()));
}

#[test]
fn condition_may_tell_something_where_it_holds_and_names_its_set_where_it_does_not() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let stale = |set: Option<&str>| NotReady::Stale {
        source_kind: SourceKind::Portal,
        key_set: set.map(Into::into),
        age: 8 * DAY,
        max_stale: 7 * DAY,
    };
    let told = "the portal has not confirmed the keys for 8d, and max_stale is 168h";
    assert_eq!(stale(None).to_string(), told);
    let told = "the portal has not confirmed the keys in the key set bar for 8d, and max_stale is 168h";
    assert_eq!(stale(Some("bar")).to_string(), told);
    let readiness = Conditions::new()
        .requiring_and_telling("young", |_| Ok("confirmed 1s ago".to_owned()))
        .requiring_and_telling("old", move |_| Err(stale(None)));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let readiness = Readiness::under(readiness);
    let conditions = readiness.conditions(now);
    assert_eq!(conditions[0], ("young".into(), Ok(Some("confirmed 1s ago".to_owned()))));
    assert!(matches!(&conditions[1], (name, Err(NotReady::Stale { .. })) if **name == *"old"));
    assert_eq!(readiness.obstacles(now).len(), 2, "and the listeners are not bound");
}

#[tokio::test]
async fn each_condition_is_told_where_somebody_asks_for_all() {
    let admin = Admin::start().await;
    let page = "[+]keys ok\n[-]listeners listeners not bound\n[+]shutdown ok\n".to_owned();
    assert_eq!(admin.page("GET", "/readyz?verbose").await, (503, page));
    admin.readiness.listeners_bound();
    let page = "[+]keys ok\n[+]listeners ok\n[+]shutdown ok\n".to_owned();
    assert_eq!(admin.page("GET", "/readyz?a=1&verbose=true").await, (200, page));
    admin.key_is_valid.store(false, Ordering::SeqCst);
    admin.readiness.stopping();
    let page = "[-]keys no key that seals is valid\n[+]listeners ok\n[-]shutdown stopping\n".to_owned();
    assert_eq!(admin.page("GET", "/readyz?verbose").await, (503, page));
    for plain in ["/readyz?verbosely", "/readyz?quiet=verbose"] {
        assert_eq!(
            admin.page("GET", plain).await,
            (503, "no key that seals is valid\nstopping\n".to_owned())
        );
    }
}

#[tokio::test]
async fn status_is_for_this_machine_alone() {
    let admin = Admin::start().await;
    let (code, body) = admin.page("GET", "/status").await;
    let refusal = "this page answers to the names localhost, 127.0.0.1 and [::1] only\n";
    assert_eq!((code, body.as_str()), (403, refusal));
    let request = |host: &str| format!("GET /status HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let reply = admin.exchange(&request(&admin.address.to_string())).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{head}");
    let report: StatusReport = serde_json::from_str(body).unwrap();
    assert_eq!((report.version.as_str(), report.keysets), (env!("CARGO_PKG_VERSION"), vec![]));
    assert_eq!(report.more["told"], serde_json::json!(["by", "others"]));
    assert!(report.now.parse::<jiff::Timestamp>().is_ok(), "{}", report.now);
    let reply = admin.exchange("GET /status HTTP/1.0\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.0 403 Forbidden\r\n"), "{reply}");
}

#[tokio::test]
async fn metrics_come_with_their_media_type_and_the_age_of_the_ring() {
    let admin = Admin::start().await;
    admin.metrics.proxy("kitchen").request_bytes(7);
    let keys = admin.metrics.key_set("default", &[], jiff::Timestamp::UNIX_EPOCH);
    keys.ring_loaded(1, jiff::Timestamp::UNIX_EPOCH);
    let reply = admin.exchange("GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(
        reply.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{reply}"
    );
    assert!(
        reply.contains("\nalewife_body_bytes_total{proxy=\"kitchen\",direction=\"request\"} 7\n"),
        "{reply}"
    );
    let series = "alewife_key_ring_age_seconds{keyset=\"default\"} ";
    let age = reply.lines().find_map(|line| line.strip_prefix(series)).unwrap();
    assert!(age.parse::<f64>().unwrap() > 1e9, "{age}");
    assert!(reply.ends_with("# EOF\n"));
}

#[tokio::test]
async fn head_is_answered_with_the_length_and_no_body() {
    let admin = Admin::start().await;
    for (path, start, length) in
        [("/livez", "HTTP/1.1 200 OK\r\n", 3), ("/readyz", "HTTP/1.1 503 Service Unavailable\r\n", 20)]
    {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let reply = admin.exchange(&request).await;
        assert!(reply.starts_with(start), "{reply}");
        assert!(reply.contains(&format!("content-length: {length}\r\n")), "{reply}");
        assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    }
    assert_eq!(admin.page("HEAD", "/metrics").await, (200, String::new()));
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let admin = Admin::start().await;
    for path in ["/index.html", "/livez/", "//livez", "/LIVEZ", "/metrics/x", "/%6civez"] {
        assert_eq!(admin.page("GET", path).await, (404, "not found\n".to_owned()), "{path}");
    }
    assert_eq!(admin.page("POST", "/nowhere").await, (404, "not found\n".to_owned()));
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    let admin = Admin::start().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let reply = admin
            .exchange(&format!("{method} /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
            .await;
        assert!(reply.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{reply}");
        assert!(reply.contains("\r\nallow: GET, HEAD\r\n"), "{reply}");
    }
}

#[tokio::test]
async fn a_body_is_not_waited_for_and_ends_the_connection() {
    let admin = Admin::start().await;
    for (method, status) in [("GET", "200 OK"), ("POST", "405 Method Not Allowed")] {
        let reply = admin
            .exchange(&format!("{method} /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n"))
            .await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{reply}");
        assert!(reply.contains("\r\nconnection: close\r\n"), "{reply}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let admin = Admin::start().await;
    let mut stream = admin.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(read_ok(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2).as_slice()).await.unwrap();
    read_ok(&mut stream).await;
    read_ok(&mut stream).await;
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_client_is_served() {
    let admin = Admin::start().await;
    for garbage in [
        "\0\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "GET /livez HTTP/9.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
    ] {
        let reply = admin.exchange(garbage).await;
        assert!(
            reply.is_empty() || reply.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{garbage:?}: {reply}"
        );
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(super::BUFFER));
    let mut stream = admin.connect().await;
    // It may be refused before it is written whole.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut reply = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut reply)).await.expect("the connection is closed");
    assert!(!reply.starts_with(b"HTTP/1.1 200"));
    assert_eq!(admin.page("GET", "/livez").await, (200, "ok\n".to_owned()));
}

/// The clock of these tests stands still and jumps to the next deadline as soon as every task waits.
mod under_a_paused_clock {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_cut_after_five_seconds() {
        let admin = Admin::start().await;
        for beginning in ["", "GET /livez HTTP/1.1\r\nhost: a\r\n"] {
            let mut stream = admin.connect().await;
            let start = Instant::now();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).await.unwrap();
            assert!(!reply.starts_with(b"HTTP/1.1 200"), "{beginning:?}");
            assert_eq!(start.elapsed().as_secs(), 5, "{beginning:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_and_never_reads_is_cut_in_the_end() {
        let admin = Admin::start().await;
        let mut stream = admin.connect().await;
        let start = Instant::now();
        while stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.is_ok() {}
        assert_eq!(start.elapsed().as_secs(), 31);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_clients_that_hold_every_place_do_not_keep_a_probe_out() {
        let admin = Admin::start().await;
        let mut silent = Vec::new();
        for _ in 0..MAX_CONNECTIONS + 10 {
            silent.push(admin.connect().await);
        }
        let start = Instant::now();
        let mut probe = admin.connect().await;
        probe.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_ok(&mut probe).await;
        assert_eq!(start.elapsed().as_secs(), 0);
        drop(silent);
    }
}

#[tokio::test]
async fn it_answers_while_the_process_drains_and_ends_when_told() {
    let admin = Admin::start().await;
    admin.readiness.listeners_bound();
    let mut kept = admin.connect().await;
    kept.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_ok(&mut kept).await;
    admin.readiness.stopping();
    assert_eq!(admin.page("GET", "/readyz").await.0, 503);
    assert_eq!(admin.page("GET", "/livez").await.0, 200);
    admin.stop.cancel();
    timeout(PATIENCE, admin.serving).await.expect("it ends").unwrap();
    assert_eq!(read_to_end(&mut kept).await, "", "the idle connection was closed");
    assert!(TcpStream::connect(admin.address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_named_in_the_error() {
    let admin = Admin::start().await;
    let error =
        AdminServer::bind(&AdminConfig { listen: Some(admin.address), probes: None }).await.unwrap_err();
    let AdminError::Bind { listen, key: "listen", source } = &error else { panic!("{error}") };
    assert_eq!((*listen, source.kind()), (admin.address, std::io::ErrorKind::AddrInUse));
    assert!(error.to_string().starts_with(&format!("the admin listener cannot bind {listen}: ")));
}
