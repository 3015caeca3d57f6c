//! Who may ask.

use super::*;

#[tokio::test]
async fn address_beyond_loopback_is_refused() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let refused = Inspector::bind(address.parse().unwrap()).await.err().unwrap();
        assert!(matches!(refused, InspectorError::NotLoopback(_)), "{refused}");
    }
}

#[tokio::test]
async fn token_is_new_for_each_and_has_32_digits() {
    let mut urls = Vec::new();
    for _ in 0..2 {
        let inspector = Inspector::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        urls.push(inspector.url());
    }
    let token = |url: &str| url.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    let tokens: Vec<_> = urls.iter().map(|url| token(url)).collect();
    assert!(tokens.iter().all(|token| token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit())));
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn every_path_without_the_token_gets_the_same_404() {
    let site = Site::start(Wish::default()).await;
    let host = site.address.to_string();
    let right = site.path("api/about");
    let token = right[1..33].to_owned();
    let wrong = format!("/{}/api/about", "0".repeat(32));
    let paths =
        ["/", "/api/about", &wrong, &right[..33], &format!("/{}/", &token[..31]), &format!("//{token}/")];
    let mut bodies = Vec::new();
    for path in paths {
        for method in ["GET", "POST"] {
            let (status, _, body) = site.raw(method, path, &[("host", &host)], "").await;
            assert_eq!(status, 404, "{method} {path}");
            bodies.push(body);
        }
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(site.raw("GET", &right, &[("host", &host)], "").await.0, 200);
}

#[tokio::test]
async fn host_that_is_not_this_machine_or_has_another_port_is_refused() {
    let site = Site::start(Wish::default()).await;
    let port = site.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("LocalHost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        (format!("127.0.0.1:{}", port ^ 1), 403),
        ("127.0.0.1".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
        (format!("127.0.0.1.evil.example:{port}"), 403),
        (format!("localhost@evil.example:{port}"), 403),
        (format!("evil.example@localhost:{port}"), 403),
        (String::new(), 403),
    ] {
        let got = site.raw("GET", &site.path(""), &[("host", &host)], "").await.0;
        assert_eq!(got, status, "{host}");
    }
    let right = site.address.to_string();
    assert_eq!(site.raw("GET", &site.path(""), &[("host", &right), ("host", &right)], "").await.0, 403);
    let absolute = format!("http://evil.example:{port}{}", site.path(""));
    assert_eq!(site.raw("GET", &absolute, &[("host", &right)], "").await.0, 403);
}

#[tokio::test]
async fn pages_of_others_are_refused_and_its_own_is_not() {
    let site = Site::start(Wish::default()).await;
    let host = site.address.to_string();
    let own = format!("http://{host}");
    let other_port = format!("http://127.0.0.1:{}", site.address.port() ^ 1);
    for (name, value, status) in [
        ("origin", &*own, 200),
        ("origin", "null", 403),
        ("origin", "http://evil.example", 403),
        ("origin", &other_port, 403),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "none", 200),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "cross-site", 403),
    ] {
        let got = site.raw("GET", &site.path("api/about"), &[("host", &host), (name, value)], "").await.0;
        assert_eq!(got, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn change_needs_what_no_form_of_another_page_can_send() {
    let site = Site::start(Wish::default()).await;
    let host = site.address.to_string();
    let own = format!("http://{host}");
    for (method, headers, status) in [
        ("DELETE", &[("host", &*host)][..], 403),
        ("DELETE", &[("host", &host), ("content-type", "text/plain")], 403),
        ("DELETE", &[("host", &host), ("content-type", "application/json; charset=utf-8")], 204),
        ("DELETE", &[("host", &host), ("origin", &own)], 204),
        ("DELETE", &[("host", &host), ("content-type", "application/json"), ("origin", "null")], 403),
        ("POST", &[("host", &host)], 403),
    ] {
        let got = site.raw(method, &site.path("api/faults"), headers, "").await.0;
        assert_eq!(got, status, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn every_answer_keeps_other_pages_out() {
    let site = Site::start(Wish::default()).await;
    let host = site.address.to_string();
    let mut policies = Vec::new();
    for path in [site.path(""), site.path("api/about"), "/".to_owned()] {
        let (_, head, body) = site.raw("GET", &path, &[("host", &host)], "").await;
        for line in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "x-frame-options: DENY",
        ] {
            assert!(head.contains(line), "{path} lacks {line}: {head}");
        }
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:")).unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(!body.contains("{{nonce}}"));
        if path == site.path("") {
            assert!(body.contains(&format!("nonce=\"{nonce}\"")) && body.contains("Alewife"), "{body}");
        }
        policies.push(policy.to_owned());
    }
    assert!(policies[0] != policies[1] && policies[1] != policies[2], "{policies:?}");
}

#[tokio::test]
async fn method_that_a_path_does_not_take_is_told_which_it_does() {
    let site = Site::start(Wish::default()).await;
    let host = site.address.to_string();
    let headers = [("host", &*host), ("content-type", "application/json")];
    let (status, head, _) = site.raw("DELETE", &site.path("api/keys"), &headers, "").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: GET"), "{head}");
    assert_eq!(site.ask("GET", "api/nothing", "").await.0, 404);
}

#[tokio::test]
async fn where_it_only_shows_nothing_is_done() {
    let site = Site::start(Wish { can_act: false, ..Wish::default() }).await;
    let id = site.keep_order("one");
    let repeat = format!("api/exchanges/{id}/repeat");
    for (method, below) in [
        ("POST", &*repeat),
        ("POST", "api/send"),
        ("POST", "api/faults"),
        ("DELETE", "api/faults"),
        ("POST", "api/keys/rotate"),
    ] {
        assert_eq!(site.json(method, below, "{}").await.0, 403, "{below}");
    }
    assert_eq!(site.json("GET", "api/about", "").await.1["can_act"], false);
    assert_eq!(site.json("GET", "api/faults", "").await.0, 200);
    assert_eq!(site.ask("DELETE", "api/exchanges", "").await.0, 204);
}

#[tokio::test]
async fn stop_ends_it_although_somebody_listens_for_events() {
    let site = Site::start(Wish::default()).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", site.path("api/events"), site.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    site.stop.cancel();
    timeout(PATIENCE, site.serving).await.expect("it ends").unwrap();
}
