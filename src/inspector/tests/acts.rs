//! What is sent, copied and examined.

use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use super::*;
use crate::ale::{Opened, open_request};
use crate::crypto::encoding;
use crate::profile::Preset;

/// What came to the stand-in.
#[derive(Clone)]
struct Came {
    head: http::request::Parts,
    sealed: Bytes,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        self.head.headers[name].to_str().unwrap()
    }

    /// The plaintext, opened as a sidecar would.
    fn plain(&self, keys: &KeyStore) -> Vec<u8> {
        let (mut head, profile) = (self.head.clone(), Arc::new(StreamProfile::ale()));
        let opened = open_request(&profile, &mut head, &keys.snapshot(), Timestamp::now());
        let (mut opening, mut plain) = (opened.ok().unwrap().body, BytesMut::new());
        opening.update(&self.sealed, &mut plain).unwrap();
        assert!(matches!(opening.finish(), Ok(Opened::Body(_))));
        plain.to_vec()
    }
}

/// Stands in for a proxy: keeps what comes as the real one does, and answers 204.
async fn stand_in(capture: Arc<Capture>) -> (SocketAddr, Arc<Mutex<Vec<Came>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let came = Arc::<Mutex<Vec<Came>>>::default();
    let told = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (capture, told) = (Arc::clone(&capture), Arc::clone(&told));
            let service = service_fn(move |request: Request<Incoming>| {
                let (capture, told) = (Arc::clone(&capture), Arc::clone(&told));
                async move {
                    let (head, body) = request.into_parts();
                    let sealed = body.collect().await?.to_bytes();
                    let id = head.headers["x-request-id"].to_str().unwrap().to_owned();
                    told.lock().unwrap().push(Came { head: head.clone(), sealed });
                    drop(begin(&capture, &head, &id));
                    Ok::<_, hyper::Error>(
                        Response::builder().status(204).body(Full::new(Bytes::new())).unwrap(),
                    )
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, came)
}

async fn with_proxy(wish: Wish) -> (Site, Arc<Mutex<Vec<Came>>>) {
    let capture = Capture::new(wish.limits);
    let (address, came) = stand_in(Arc::clone(&capture)).await;
    let site = Site::over(capture, key_store(), Wish { reach: Some(address), ..wish }).await;
    (site, came)
}

#[tokio::test]
async fn repeated_request_is_sealed_anew_under_a_fresh_iv() {
    let (site, came) = with_proxy(Wish::default()).await;
    let id = site.keep_order("first");
    let (status, begun) = site.json("POST", &format!("api/exchanges/{id}/repeat"), "{}").await;
    assert_eq!((status, &begun), (200, &serde_json::json!({"id": id + 1})));
    let again = came.lock().unwrap()[0].clone();
    assert_eq!(again.plain(&site.keys), ORDER.as_bytes());
    assert_eq!((again.head.method.as_str(), &again.head.uri.to_string()[..]), ("POST", "/orders?table=7"));
    assert_eq!((again.header("content-type"), again.header("host")), ("application/json", "127.0.0.1:7080"));
    assert_ne!(again.header("x-request-id"), "first");
    let (_, detail) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
    assert_ne!(detail["request"]["envelope"]["iv"], again.header("sec-iv"));
    let (_, list) = site.json("GET", "api/exchanges", "").await;
    assert_eq!(list["exchanges"][1]["repeats"], id);
}

#[tokio::test]
async fn request_that_is_repeated_exactly_has_the_very_bytes() {
    let (site, came) = with_proxy(Wish::default()).await;
    let id = site.keep_order("first");
    let (status, _) = site.json("POST", &format!("api/exchanges/{id}/repeat"), r#"{"exactly": true}"#).await;
    assert_eq!(status, 200);
    let again = came.lock().unwrap()[0].clone();
    let (_, detail) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
    assert_eq!(detail["request"]["envelope"]["iv"], again.header("sec-iv"));
    assert_eq!(detail["request"]["sealed"]["body"]["base64"], encoding::base64_encode(&again.sealed));
}

#[tokio::test]
async fn outbound_request_is_repeated_in_the_clear_in_which_it_came() {
    let (site, came) = with_proxy(Wish { mode: Direction::Outbound, ..Wish::default() }).await;
    let order = serde_json::json!({"proxy": "dev", "method": "PUT", "target": "/x", "body": "ZGluZw=="});
    assert_eq!(site.json("POST", "api/send", &order.to_string()).await.0, 200);
    let sent = came.lock().unwrap()[0].clone();
    assert_eq!((&sent.sealed[..], sent.head.headers.get("sec-iv")), (&b"ding"[..], None));
}

#[tokio::test]
async fn written_request_is_sealed_and_sent_without_the_headers_of_a_connection() {
    let (site, came) = with_proxy(Wish::default()).await;
    let order = serde_json::json!({
        "proxy": "dev", "method": "POST", "target": "/orders",
        "headers": [["content-type", "text/plain"], ["Content-Length", "9999"], ["connection", "x-hop"], ["x-hop", "1"]],
        "body": encoding::base64_encode(b"two soups"),
    });
    let (status, begun) = site.json("POST", "api/send", &order.to_string()).await;
    assert_eq!((status, &begun["id"]), (200, &1.into()));
    let sent = came.lock().unwrap()[0].clone();
    assert_eq!(sent.plain(&site.keys), b"two soups");
    assert_eq!(sent.header("content-type"), "text/plain");
    assert_eq!(sent.head.headers.get("x-hop"), None);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_words() {
    let (site, came) = with_proxy(Wish::default()).await;
    let written = |proxy: &str, method: &str, target: &str, header: (&str, &str), body: &str| {
        let headers = [[header.0, header.1]];
        let (proxy, method) = (proxy.to_owned(), method.to_owned());
        serde_json::json!({"proxy": proxy, "method": method, "target": target, "headers": headers, "body": body}).to_string()
    };
    for (order, expected) in [
        (written("other", "GET", "/", ("a", "b"), ""), 409),
        (written("dev", "G T", "/", ("a", "b"), ""), 400),
        (written("dev", "CONNECT", "/", ("a", "b"), ""), 400),
        (written("dev", "GET", "no slash", ("a", "b"), ""), 400),
        (written("dev", "GET", "*", ("a", "b"), ""), 400),
        (written("dev", "GET", "/", ("a b", "b"), ""), 400),
        (written("dev", "GET", "/", ("a", "b\r\nx: y"), ""), 400),
        (written("dev", "GET", "/", ("a", "b"), "not base64"), 400),
        ("{}".to_owned(), 400),
    ] {
        let (status, told) = site.json("POST", "api/send", &order).await;
        assert_eq!(status, expected, "{order}");
        assert!(!told["error"].as_str().unwrap().is_empty());
    }
    assert!(came.lock().unwrap().is_empty());
}

#[tokio::test]
async fn message_that_is_held_whole_is_repeated_anew_or_exactly() {
    let Profile::Whole(profile) = Preset::named("payon").unwrap().draft().build("payon").unwrap() else {
        panic!("it streams");
    };
    let secret = SecretKey::new("AES-256-GCM".parse().unwrap(), &[7; 32]).unwrap();
    let key = Key::new("k".parse().unwrap(), secret, Validity::default());
    let now = Timestamp::now();
    let keys = KeyRing::new(vec![key], None, RingPolicy::default(), now).ok().unwrap();
    let keys = Arc::new(KeyStore::new(keys, now));
    let capture = Capture::new(CaptureLimits::default());
    let (address, came) = stand_in(Arc::clone(&capture)).await;
    let wire = Some(Profile::Whole(Arc::clone(&profile)));
    let wish = Wish { wire, reach: Some(address), ..Wish::default() };
    let site = Site::over(Arc::clone(&capture), Arc::clone(&keys), wish).await;
    let plain = Request::post("/notify").header("content-type", "application/json");
    let (mut head, ()) = plain.body(()).unwrap().into_parts();
    let ring = keys.snapshot();
    let key = ale::whole_sealing_key(&profile, &ring, now).unwrap();
    let sealed = ale::seal_whole(&profile, &mut head, ORDER.as_bytes(), &key, now, &mut rand::rng());
    let sealed = sealed.ok().unwrap().body;
    let tap = begin(&capture, &head, "first");
    tap.piece(Half::Request, Side::Client, &sealed);
    tap.keyed(&key);
    tap.ended(|summary, _| summary.done = true);
    let id = capture.list().0.last().unwrap().id;
    // It has no line of a tool that would seal it otherwise.
    let (status, told) = site.json("GET", &format!("api/exchanges/{id}/copy?as=send"), "").await;
    assert_eq!(status, 409);
    assert!(
        told["error"].as_str().unwrap().contains("the profile ale only, and this proxy has payon"),
        "{told}"
    );
    let (_, shown) = site.json("GET", &format!("api/exchanges/{id}"), "").await;
    let envelope = &shown["request"]["envelope"];
    let hex = |name: &str| {
        encoding::base64_decode(envelope[name].as_str().unwrap().as_bytes())
            .map(|bytes| encoding::hex_encode(&bytes))
    };
    let header = |name: &str| head.headers[name].to_str().unwrap().to_lowercase();
    assert_eq!(hex("iv").unwrap(), header("x-initialization-vector"));
    assert_eq!(hex("tag").unwrap(), header("x-authentication-tag"));
    let repeat = format!("api/exchanges/{id}/repeat");
    assert_eq!(site.json("POST", &repeat, "{}").await.0, 200);
    assert_eq!(site.json("POST", &repeat, r#"{"exactly": true}"#).await.0, 200);
    let written = serde_json::json!({
        "proxy": "dev", "method": "POST", "target": "/notify", "headers": [["content-type", "application/json"]],
        "body": encoding::base64_encode(ORDER.as_bytes()),
    });
    assert_eq!(site.json("POST", "api/send", &written.to_string()).await.0, 200);
    let came = came.lock().unwrap().clone();
    for came in &came {
        let mut head = came.head.clone();
        let opened = ale::open_whole(&profile, &mut head, &came.sealed, &ring, Timestamp::now());
        assert_eq!(&**opened.ok().unwrap().body, ORDER.as_bytes());
    }
    let iv = "x-initialization-vector";
    assert_ne!(came[0].header(iv), head.headers[iv]);
    assert_eq!(came[1].header(iv), head.headers[iv]);
    assert_eq!(came[1].sealed, sealed);
}

#[tokio::test]
async fn proxy_that_nobody_can_reach_is_told_as_such() {
    // A port that was just given back.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let site = Site::start(Wish { reach: Some(gone), ..Wish::default() }).await;
    let id = site.keep_order("first");
    assert_eq!(site.json("POST", &format!("api/exchanges/{id}/repeat"), "{}").await.0, 502);
    let site = Site::start(Wish::default()).await;
    let id = site.keep_order("first");
    assert_eq!(site.json("POST", &format!("api/exchanges/{id}/repeat"), "{}").await.0, 409);
}

#[tokio::test]
async fn copied_lines_ask_the_proxy_sealed_and_the_application_plain() {
    let site = Site::start(Wish::default()).await;
    let id = site.keep_order("first");
    let copy = |tool| format!("api/exchanges/{id}/copy?as={tool}");
    let rest = r#"-X 'POST' -H 'content-type: application/json' --data-raw '{"dish":"soup; it'\''s hot"}'"#;
    let sends =
        format!("alewife send --keys 'dev keys.toml' {rest} 'http://127.0.0.1:7080/orders?table=7'\n");
    assert_eq!(site.ask("GET", &copy("send"), "").await, (200, sends));
    let curls = format!("curl -sS -i -g --path-as-is {rest} 'http://127.0.0.1:3000/orders?table=7'\n");
    assert_eq!(site.ask("GET", &copy("curl"), "").await, (200, curls));
    assert_eq!(site.json("GET", &copy("wget"), "").await.0, 400);
}

#[tokio::test]
async fn body_that_is_no_text_goes_through_a_pipe_in_a_copied_line() {
    let site = Site::start(Wish::default()).await;
    let request = Request::put("/picture").header("x-empty", "").body(()).unwrap();
    let (head, ()) = request.clone().into_parts();
    let tap = begin(&site.capture, &head, "picture");
    tap.request_head(Side::Upstream, &request);
    tap.piece(Half::Request, Side::Upstream, &[0, 159, 27, 10]);
    let (_, line) = site.ask("GET", "api/exchanges/1/copy?as=curl", "").await;
    let expected = "printf %s 'AJ8bCg==' | base64 -d | curl -sS -i -g --path-as-is -X 'PUT' -H 'x-empty;' -H 'content-type:' \
                    --data-binary @- 'http://127.0.0.1:3000/picture'\n";
    assert_eq!(line, expected);
}

#[tokio::test]
async fn doctor_proves_what_opens_a_captured_request_and_shows_neither_key_nor_plaintext() {
    let site = Site::start(Wish::default()).await;
    let id = site.keep_order("first");
    let (status, told) = site.json("POST", &format!("api/exchanges/{id}/doctor"), "").await;
    let report = told["report"].as_str().unwrap();
    assert_eq!(status, 200);
    assert!(report.starts_with("With the key dev-1 (AES-128-GCM):\n"), "{report}");
    assert!(report.contains("proven: a tag of 16 bytes verifies"), "{report}");
    for secret in
        ["soup", "kept to itself", &encoding::hex_encode(&SECRET), &encoding::base64_encode(&SECRET)]
    {
        assert!(!report.contains(secret), "{report}");
    }
}
