//! What may be told to be done, and by whom.

use super::*;

/// Sends `POST` with these lines of head.
async fn post(admin: &Admin, path: &str, lines: &str) -> String {
    let request = format!("POST {path} HTTP/1.1\r\n{lines}content-length: 0\r\nconnection: close\r\n\r\n");
    admin.exchange(&request).await
}

#[tokio::test]
async fn reload_is_ordered_and_what_came_of_it_is_told() {
    let mut admin = Admin::start().await;
    for (outcome, status) in [
        (ReloadOutcome::Swapped, "200 OK"),
        (ReloadOutcome::Unchanged, "200 OK"),
        (ReloadOutcome::Refused, "422 Unprocessable Entity"),
    ] {
        let report =
            ReloadReport { faults: vec!["config.toml:3:1: a fault".to_owned()], ..ReloadReport::of(outcome) };
        let answering = async {
            let Some(Reload { told: Some(told), .. }) = admin.given.reloads.recv().await else {
                panic!("no reload was ordered")
            };
            told.send(report.clone()).unwrap();
        };
        let asking = async {
            let mut stream = TcpStream::connect(admin.address).await.unwrap();
            let head =
                "POST /reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            read_to_end(&mut stream).await
        };
        let ((), reply) = tokio::join!(answering, asking);
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert_eq!(serde_json::from_str::<ReloadReport>(body).unwrap(), report);
    }
}

#[tokio::test]
async fn shutdown_is_ordered_and_not_waited_for() {
    let admin = Admin::start().await;
    let reply = post(&admin, "/shutdown", "host: 127.0.0.1\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 202 Accepted\r\n"), "{reply}");
    assert!(admin.given.stop.is_cancelled());
    // Who asks twice has what he wants.
    let reply = post(&admin, "/shutdown", "host: 127.0.0.1\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 202 Accepted\r\n"), "{reply}");
}

#[tokio::test]
async fn nothing_is_ordered_by_browsers_by_other_names_or_by_looking() {
    let mut admin = Admin::start().await;
    for path in ["/reload", "/shutdown"] {
        for lines in [
            "host: rebound.example\r\n",
            "host: localhost\r\norigin: http://localhost:9180\r\n",
            "host: localhost\r\norigin: null\r\n",
            "host: localhost\r\nsec-fetch-site: cross-site\r\n",
        ] {
            let reply = post(&admin, path, lines).await;
            assert!(reply.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{lines}: {reply}");
        }
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let reply = admin
                .exchange(&format!(
                    "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
                ))
                .await;
            assert!(reply.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{reply}");
            assert!(reply.contains("\r\nallow: POST\r\n"), "{reply}");
        }
    }
    assert!(
        admin.given.reloads.try_recv().is_err() && !admin.given.stop.is_cancelled(),
        "something was ordered"
    );
}

#[tokio::test]
async fn reload_that_nobody_takes_any_more_is_answered_so() {
    let admin = Admin::start().await;
    admin.given.stop.cancel();
    let reply = post(&admin, "/reload", "host: localhost\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{reply}");
    assert!(reply.ends_with("the process is stopping\n"), "{reply}");
}

#[tokio::test]
async fn stop_waits_behind_no_reload_and_reloads_beyond_those_that_may_wait_are_refused() {
    let (orders, mut given) = orders();
    let reload = || Reload { why: Why::Signal, told: None };
    let waiting = std::iter::from_fn(|| orders.try_reload(reload()).ok()).count();
    assert!(waiting > 1);
    assert_eq!(orders.try_reload(reload()), Err(NotTaken::TooMany));
    orders.stop();
    assert!(given.stop.is_cancelled());
    assert_eq!(orders.try_reload(reload()), Err(NotTaken::Stopping));
    assert!(given.reloads.try_recv().is_ok());
}

#[tokio::test]
async fn listener_for_probes_has_no_page_that_is_for_this_machine_alone() {
    let any = || Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = AdminServer::bind(&AdminConfig { listen: None, probes: any() }).await.unwrap();
    assert_eq!(server.address(), None);
    let address = server.probes().unwrap();
    let (orders, _given) = orders();
    let state = AdminState {
        readiness: Arc::new(Readiness::default()),
        applications: Arc::default(),
        metrics: Arc::new(Metrics::new()),
        status: Arc::new(Status::of(Vec::new())),
        orders,
    };
    tokio::spawn(server.serve(state, CancellationToken::new()));
    let mut seen = Vec::new();
    for (method, path) in [
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/startupz"),
        ("GET", "/metrics"),
        ("GET", "/status"),
        ("POST", "/reload"),
        ("POST", "/shutdown"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        seen.push(read_to_end(&mut stream).await[9..12].to_owned());
    }
    assert_eq!(seen, ["200", "503", "503", "200", "404", "404", "404"]);
}

#[tokio::test]
async fn start_is_over_once_the_process_was_ready_and_stays_so() {
    let admin = Admin::start().await;
    assert_eq!(admin.page("GET", "/startupz").await, (503, "listeners not bound\n".to_owned()));
    admin.readiness.listeners_bound();
    assert_eq!(admin.page("GET", "/startupz").await, (200, "ok\n".to_owned()));
    admin.key_is_valid.store(false, Ordering::SeqCst);
    admin.readiness.stopping();
    assert_eq!(admin.page("GET", "/startupz").await, (200, "ok\n".to_owned()));
    assert_eq!(admin.page("GET", "/readyz").await.0, 503);
}

#[tokio::test]
async fn start_is_over_as_well_if_nobody_asked_before_the_stop_began() {
    let admin = Admin::start().await;
    admin.readiness.listeners_bound();
    admin.readiness.stopping();
    assert_eq!(admin.page("GET", "/startupz").await, (200, "ok\n".to_owned()));
}
