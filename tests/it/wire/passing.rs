//! Replies on their way to the client: what passes, what is added, what ends here (P5, P6).

use std::io::Write;

use super::strict::StrictOrigin;
use crate::support::{Reply, Sidecar, TestKey};

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn start(origin: &StrictOrigin, key: &TestKey) -> Sidecar {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).start()
}

/// What a client got of this reply of the application.
fn answered(method: &str, algorithm: &str, reply: &'static [u8]) -> Reply {
    let (origin, key) = (StrictOrigin::fixed(reply), TestKey::new(algorithm));
    start(&origin, &key).connect().exchange(&key.request(method, "/", "", b"x"))
}

fn sorted(reply: &Reply) -> Vec<String> {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| name != "sec-iv")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.sort();
    lines
}

#[test]
fn reply_headers_keep_case_and_bytes_and_what_is_not_the_clients_ends_here() {
    let key = gcm();
    let reply = answered(
        "POST",
        "AES-256-GCM",
        b"HTTP/1.1 200 Fine by me\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\nX-Empty:\r\nSET-COOKIE: b=2; Path=/\r\n\
          Connection: keep-alive, x-private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: a\r\nUpgrade: h2c\r\n\
          TE: trailers\r\nset-cookie: c=3\r\nsec-iv: AAAA\r\nSec-IV: BBBB\r\nSec-Fingerprint: mine\r\n\
          X-Ale-Content-Encoding: forged\r\nContent-Encoding: gzip\r\nETag: W/\"1\"\r\nLast-Modified: x\r\n\
          Accept-Ranges: bytes\r\nDigest: a\r\nContent-MD5: b\r\nContent-Digest: c\r\nRepr-Digest: d\r\n\
          Content-Type: text/plain\r\nX-Case: Kept\r\nVary: *\r\n\r\nhello",
    );
    assert_eq!((reply.status, reply.reason.as_str()), (200, "Fine by me"));
    assert_eq!(reply.open(&key).unwrap(), b"hello");
    let cookies: Vec<&str> = reply.header_all("set-cookie").collect();
    assert_eq!(cookies, ["a=1", "b=2; Path=/", "c=3"]);
    assert_eq!(reply.header_all("sec-iv").count(), 1);
    let lower: Vec<String> = {
        let mut lines: Vec<String> = sorted(&reply)
            .into_iter()
            .filter(|line| {
                !line.to_ascii_lowercase().starts_with("sec-")
                    && !line.to_ascii_lowercase().starts_with("x-ale")
            })
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(
        lower,
        [
            "Content-Length: 21",
            "Content-Type: text/plain",
            "ETag: W/\"1\"",
            "Last-Modified: x",
            "SET-COOKIE: b=2; Path=/",
            "Set-Cookie: a=1",
            "Vary: *",
            "X-Case: Kept",
            "X-Empty: ",
            "set-cookie: c=3",
        ]
    );
    assert_eq!(reply.header_all("x-ale-content-encoding").collect::<Vec<_>>(), ["gzip"]);
}

#[test]
fn obs_text_in_a_reply_passes_byte_for_byte() {
    let (origin, key) =
        (StrictOrigin::fixed(b"HTTP/1.1 200 OK\r\nX-Obs: \x80\xe9\xff\r\ncontent-length: 0\r\n\r\n"), gcm());
    let sidecar = start(&origin, &key);
    let mut connection = sidecar.connect();
    connection.send(&key.bodyless("GET", "/", ""));
    let head = connection.read_head().unwrap();
    assert!(head.windows(12).any(|window| window == b"X-Obs: \x80\xe9\xff\r\n"), "{head:?}");
}

#[test]
fn nothing_is_added_to_a_reply_but_the_envelope() {
    let reply = answered("POST", "AES-256-CTR", b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(reply.open(&TestKey::new("AES-256-CTR")).unwrap(), b"no");
    assert_eq!(sorted(&reply), ["content-length: 2", "sec-fingerprint: fp-AES-256-CTR-0"]);
}

#[test]
fn every_status_passes_with_its_reply_sealed() {
    let (origin, key) = (
        StrictOrigin::answering(|received, stream| {
            let status = &received.target()[1..];
            let body = if status == "204" || status == "304" { "" } else { "content-length: 2\r\n\r\nno" };
            let end = if body.is_empty() { "\r\n" } else { "" };
            write!(stream, "HTTP/1.1 {status} Odd Reason {status}\r\nx-a: b\r\n{body}{end}")
        }),
        gcm(),
    );
    let sidecar = start(&origin, &key);
    let mut connection = sidecar.connect();
    for status in (200..600).chain([600, 799, 999]) {
        let reply = connection.exchange(&key.request("POST", &format!("/{status}"), "", b"x"));
        assert_eq!((reply.status, reply.reason.as_str()), (status, format!("Odd Reason {status}").as_str()));
        if status == 204 || status == 304 {
            assert_eq!(reply.headers, [("x-a".to_owned(), "b".to_owned())]);
        } else {
            assert_eq!(reply.open(&key).unwrap(), b"no");
        }
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn replies_without_a_body_bear_no_envelope_and_the_length_that_a_body_would_have() {
    let cases: [(&str, &[u8], Option<&str>); 8] = [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\netag: \"e\"\r\n\r\n", Some("1016")),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: \"e\"\r\n\r\n", Some("16")),
        ("HEAD", b"HTTP/1.1 200 OK\r\netag: \"e\"\r\n\r\n", None),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\netag: \"e\"\r\n\r\n", None),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551613\r\netag: \"e\"\r\n\r\n", None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\netag: \"e\"\r\n\r\n", None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\netag: \"e\"\r\n\r\n", None),
        ("GET", b"HTTP/1.1 204 No Content\r\netag: \"e\"\r\n\r\n", None),
    ];
    for (method, raw, length) in cases {
        let (origin, key) = (StrictOrigin::fixed(raw), gcm());
        let sidecar = start(&origin, &key);
        let mut connection = sidecar.connect();
        for _ in 0..2 {
            let reply = connection.exchange(&key.bodyless(method, "/", "if-none-match: \"e\"\r\n"));
            assert_eq!(reply.header("content-length"), length, "{method} {reply:?}");
            assert_eq!((reply.header("sec-iv"), reply.header("sec-fingerprint")), (None, None));
            assert_eq!(reply.header("etag"), Some("\"e\""));
            let names = if length.is_some() { 2 } else { 1 };
            assert_eq!(reply.headers.len(), names, "{reply:?}");
        }
        assert_eq!(origin.last().header("if-none-match"), Some("\"e\""));
        assert_eq!(origin.connections(), 1, "{method}");
    }
}

#[test]
fn an_empty_reply_is_sealed_and_its_connection_kept() {
    for (algorithm, length) in [("AES-256-GCM", 16), ("AES-256-CTR", 0), ("AES-128-CFB", 0)] {
        let (origin, key) =
            (StrictOrigin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), TestKey::new(algorithm));
        let sidecar = start(&origin, &key);
        let mut connection = sidecar.connect();
        for _ in 0..3 {
            let reply = connection.exchange(&key.request("POST", "/", "", b"x"));
            assert_eq!((reply.body.len(), reply.open(&key).unwrap()), (length, Vec::new()));
        }
        assert_eq!(origin.connections(), 1, "{algorithm}");
        assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"answered\"}"), 3.0);
    }
}

#[test]
fn replies_stay_plain_where_they_are_not_to_be_sealed() {
    let raw: &[u8] =
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nsec-iv: AAAA\r\ncontent-length: 5\r\n\r\nplain";
    let (origin, key) = (StrictOrigin::fixed(raw), gcm());
    let sidecar =
        Sidecar::inbound().keys(&[&key]).proxy("seal_replies = false").upstream(origin.address()).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        let reply = connection.exchange(&key.request("POST", "/", "", b"x"));
        assert_eq!((reply.status, reply.text()), (201, "plain"));
        assert_eq!(sorted(&reply), ["Content-Encoding: gzip", "content-length: 5"]);
    }
    assert_eq!(origin.last().body, b"x");
}

#[test]
fn the_coding_of_a_reply_is_named_alike_whether_its_body_comes_or_not() {
    let raw: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n";
    let reply = answered("HEAD", "AES-256-GCM", raw);
    assert_eq!(
        (reply.header("x-ale-content-encoding"), reply.header("content-encoding")),
        (Some("gzip"), None)
    );
    assert_eq!((reply.header("sec-iv"), reply.header("content-length")), (None, Some("18")));
}

#[test]
fn an_application_that_speaks_http_1_0_is_read_to_its_end() {
    let origin = StrictOrigin::answering(|_, stream| {
        stream.write_all(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nhello")?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let key = gcm();
    let sidecar = start(&origin, &key);
    let reply = sidecar.connect().exchange(&key.bodyless("GET", "/", ""));
    assert_eq!((reply.open(&key).unwrap(), reply.is_whole()), (b"hello".to_vec(), true));
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    let mut old = sidecar.connect();
    let reply = old.exchange(&super::fill("GET / HTTP/1.0\r\nconnection: keep-alive\r\n{E}\r\n", &key, b""));
    assert_eq!((reply.open(&key).unwrap(), reply.is_whole()), (b"hello".to_vec(), true));
    assert_eq!((reply.header("connection"), reply.header("transfer-encoding")), (None, None));
}

#[test]
fn connection_close_of_a_client_is_its_own_and_not_the_applications() {
    let (origin, key) = (StrictOrigin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), gcm());
    let sidecar = start(&origin, &key);
    for _ in 0..2 {
        let mut connection = sidecar.connect();
        let reply = connection.exchange(&key.request("POST", "/", "connection: close\r\n", b"x"));
        assert_eq!((reply.open(&key).unwrap(), reply.header("connection")), (b"ok".to_vec(), Some("close")));
        assert!(connection.closed().unwrap());
    }
    assert_eq!(origin.last().header("connection"), None);
}
