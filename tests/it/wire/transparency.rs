//! What the application and the client see of each other, byte for byte.

use super::strict::StrictOrigin;
use super::{HEADERS, assert_error, fill};
use crate::support::{Connection, Received, Reply, Sidecar, TestKey};

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn sidecar(origin: &StrictOrigin, key: &TestKey) -> Sidecar {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).start()
}

/// What the application got of one request with these header lines.
fn sent(headers: &str) -> Received {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = sidecar(&origin, &key);
    let raw = fill(
        &format!(
            "POST /o HTTP/1.1\r\nHost: Kitchen.Test\r\n{{E}}{headers}Content-Length: {{L}}\r\n\r\n{{B}}"
        ),
        &key,
        b"x",
    );
    let reply = sidecar.connect().exchange(&raw);
    assert_eq!(reply.open(&key).unwrap(), b"x", "{reply:?}");
    origin.only()
}

/// What a client got of this reply of the application, to a GET with `te: trailers`.
fn answered(reply: &'static [u8]) -> Reply {
    let (origin, key) = (StrictOrigin::fixed(reply), gcm());
    sidecar(&origin, &key).connect().exchange(&key.bodyless("GET", "/", "te: trailers\r\n"))
}

fn lines(headers: &[(String, String)]) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

#[test]
fn method_and_target_pass_byte_for_byte() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = sidecar(&origin, &key);
    let mut connection = sidecar.connect();
    let long = format!("/{}?{}", "p".repeat(20_000), "q=%20&".repeat(5_000));
    let targets = [
        "/",
        "/?",
        "/a?",
        "/a?b=c?d=e",
        "//",
        "//other.test/a",
        "/a//b/../c/./d/..",
        "/..",
        "/%2e%2E/%2F%00%ff",
        "/a;b=1;c",
        "/a%zz%",
        "/?a=b&a=b+c%20d",
        "/~!$&'()*+,;=:@-._",
        "/\"{}|^\\[]",
        "/?`",
        "/a:80/b@c",
        "/http://x/",
        &long,
    ];
    for target in targets {
        let reply = connection.exchange(&key.request("POST", target, "", b"x"));
        assert_eq!(reply.status, 200, "{target} {reply:?}");
        assert_eq!(origin.last().request_line, format!("POST {target} HTTP/1.1"));
    }
    for method in ["get", "Post", "M-SEARCH", "PROPFIND", "ORDER", "x", "!#$%&'*+-.^_`|~09", "PATCH", "TRACE"]
    {
        let reply = connection.exchange(&key.request(method, "/m", "", b"x"));
        assert_eq!(reply.open(&key).unwrap(), b"x", "{method}");
        assert_eq!(origin.last().request_line, format!("{method} /m HTTP/1.1"));
    }
    let reply = connection.exchange(&key.bodyless("OPTIONS", "*", ""));
    assert_eq!(reply.open(&key).unwrap(), b"");
    assert_eq!(origin.last().request_line, "OPTIONS * HTTP/1.1");
}

#[test]
fn a_target_in_absolute_form_becomes_a_path_and_its_authority_the_host() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = sidecar(&origin, &key);
    let cases = [
        ("http://Other.test:8080/a?b", "/a?b", "Other.test:8080"),
        ("http://kitchen.test", "/", "kitchen.test"),
        ("https://[::1]:9/x%20y?", "/x%20y?", "[::1]:9"),
    ];
    for (target, path, host) in cases {
        let reply = sidecar.connect().exchange(&key.request("POST", target, "", b"x"));
        assert_eq!(reply.status, 200, "{target}");
        let seen = origin.last();
        assert_eq!((seen.target(), seen.header_all("host")), (path, vec![host]));
    }
}

#[test]
fn request_headers_keep_case_bytes_and_order_among_repeated_ones() {
    let seen = sent(
        "X-Multi: 1\r\nAUTHORIZATION: Bearer a b  c\r\nx-multi: 2\r\nX-Empty:\r\nx-obs: \u{80}\u{e9}\u{ff}\r\nX-MULTI: , 3,\r\n\
         Cookie: a=1; b=\"2\"\r\nx-tab: a\tb\r\nIf-None-Match: W/\"e\"\r\nx-ALE-content-encoding: gzip\r\n\
         X-Content-Encoding: z\r\nAccept: */*\r\nForwarded: for=x\r\nTraceparent: 00-1\r\nx-request-id: till-7\r\n",
    );
    let mut expected = vec![
        "X-Multi: 1",
        "X-Multi: 2",
        "X-Multi: , 3,",
        "AUTHORIZATION: Bearer a b  c",
        "X-Empty: ",
        "x-obs: \u{80}\u{e9}\u{ff}",
        "Cookie: a=1; b=\"2\"",
        "x-tab: a\tb",
        "If-None-Match: W/\"e\"",
        "content-encoding: gzip",
        "X-Content-Encoding: z",
        "Accept: */*",
        "Forwarded: for=x",
        "Traceparent: 00-1",
        "Host: Kitchen.Test",
        "Content-Length: 1",
        "accept-encoding: identity",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: Kitchen.Test",
        "x-request-id: till-7",
    ];
    let multi: Vec<_> = seen.header_all("x-multi");
    assert_eq!(multi, ["1", "2", ", 3,"]);
    let mut found: Vec<String> = lines(&seen.headers)
        .into_iter()
        .map(|line| {
            if line.starts_with("x-multi") || line.starts_with("X-MULTI") {
                format!("X-Multi{}", &line[7..])
            } else {
                line
            }
        })
        .collect();
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let names: Vec<&str> = seen
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.eq_ignore_ascii_case("x-multi"))
        .collect();
    assert_eq!(names, ["X-Multi", "x-multi", "X-MULTI"]);
}

#[test]
fn fields_of_the_connection_and_of_the_sealed_body_end_here() {
    let seen = sent(
        "Connection: keep-alive, X-Private ,x-other\r\nconnection: te, upgrade\r\nX-Private: 1\r\nx-OTHER: 2\r\nKeep-Alive: 5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip, trailers;q=1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nRange: bytes=0-1\r\n\
         If-Range: \"e\"\r\nDigest: sha=1\r\nContent-Digest: a\r\nRepr-Digest: b\r\nContent-MD5: c\r\nWant-Content-Digest: d\r\n\
         Want-Repr-Digest: e\r\nWant-Digest: g\r\nContent-Range: bytes 0-1/2\r\nAccept-Encoding: gzip, br\r\naccept-encoding: x\r\nX-Kept: 1\r\n\
         X-Request-Id: till-7\r\n",
    );
    let mut found = lines(&seen.headers);
    found.sort();
    let expected = [
        "Accept-Encoding: identity",
        "Content-Length: 1",
        "Host: Kitchen.Test",
        "X-Kept: 1",
        "X-Request-Id: till-7",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: Kitchen.Test",
        "x-forwarded-proto: http",
    ];
    assert_eq!(found, expected);
}

#[test]
fn te_trailers_is_passed_on_as_a_field_of_the_next_connection() {
    let seen = sent("TE: trailers\r\nConnection: TE\r\n");
    assert_eq!(seen.header_all("te"), ["trailers"]);
    assert_eq!(seen.header_all("connection").join(",").to_ascii_lowercase(), "te");
}

#[test]
fn connection_cannot_take_host_or_the_framing_away() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = sidecar(&origin, &key);
    let reply = sidecar.connect().exchange(&key.request("POST", "/", "connection: content-length\r\n", b"x"));
    assert_eq!(reply.open(&key).unwrap(), b"x");
    assert_eq!(origin.only().header("content-length"), Some("1"));
    let mut connection = sidecar.connect();
    assert_error(
        &connection.exchange(&key.request("POST", "/", "connection: host\r\n", b"x")),
        400,
        super::MALFORMED,
        true,
    );
    assert!(connection.closed().unwrap());
    let mut connection = sidecar.connect();
    let reply = connection.exchange(&key.request("POST", "/", "connection: sec-iv\r\n", b"x"));
    assert_error(&reply, 400, HEADERS, false);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn x_forwarded_fields_follow_the_policy() {
    let headers = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n\
                   X-Forwarded-Port: 8443\r\n";
    let own: [&[&str]; 4] = [&["127.0.0.1"], &["http"], &["kitchen.test"], &[]];
    let came: [&[&str]; 4] = [&["192.0.2.1"], &["https"], &["shop.test"], &["8443"]];
    let both: [&[&str]; 4] = [&["192.0.2.1", "127.0.0.1"], came[1], came[2], came[3]];
    for (policy, trusted, headers, expected) in [
        ("append", "127.0.0.0/8", headers, both),
        ("append", "127.0.0.0/8", "", own),
        // Nobody is trusted with them unless the configuration says so.
        ("append", "", headers, own),
        ("append", "10.0.0.0/8", headers, own),
        ("replace", "127.0.0.0/8", headers, own),
        ("replace", "", "", own),
        ("off", "", headers, came),
        ("off", "", "", [&[][..]; 4]),
    ] {
        let (origin, key) = (StrictOrigin::echo(), gcm());
        let trusted = if trusted.is_empty() { "[]".to_owned() } else { format!("{trusted:?}") };
        let sidecar = Sidecar::inbound()
            .keys(&[&key])
            .proxy(&format!("forwarded = \"{policy}\"\ntrust_forwarded_from = {trusted}"))
            .upstream(origin.address())
            .start();
        assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", headers, b"x")).status, 200);
        let seen = origin.only();
        for (field, expected) in ["for", "proto", "host", "port"].into_iter().zip(expected) {
            let found = seen.header_all(&format!("x-forwarded-{field}"));
            assert_eq!(found, expected, "{policy} {trusted}: {field}");
        }
    }
}

#[test]
fn declared_trailers_of_a_request_arrive_and_forbidden_ones_do_not() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        let sidecar = sidecar(&origin, &key);
        let pattern = "POST / HTTP/1.1\r\nhost: a\r\n{E}Trailer: x-sum, sec-iv, content-length\r\ntransfer-encoding: chunked\r\n\r\n\
                       {X}\r\n{B}\r\n0\r\nx-sum: 12\r\nsec-iv: AA\r\ncontent-length: 5\r\nhost: b\r\ntransfer-encoding: gzip\r\n\r\n";
        let mut connection = sidecar.connect();
        assert_eq!(connection.exchange(&fill(pattern, &key, b"order")).open(&key).unwrap(), b"order");
        let seen = origin.last();
        assert_eq!((lines(&seen.trailers), &seen.body[..]), (vec!["x-sum: 12".to_owned()], &b"order"[..]));
        assert_eq!(connection.exchange(&key.request("POST", "/", "", b"n")).open(&key).unwrap(), b"n");
    }
}

#[test]
fn declared_trailers_of_a_reply_arrive_where_the_client_takes_them() {
    let raw: &[u8] = b"HTTP/1.1 200 OK\r\ntrailer: x-sum, sec-iv\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 12\r\nsec-iv: AA\r\n\r\n";
    let reply = answered(raw);
    assert_eq!((reply.open(&gcm()).unwrap(), reply.is_whole()), (b"hello".to_vec(), true));
    assert_eq!(lines(&reply.trailers), ["x-sum: 12"]);
    let (origin, key) = (StrictOrigin::fixed(raw), gcm());
    let reply = sidecar(&origin, &key).connect().exchange(&key.bodyless("GET", "/", ""));
    assert_eq!(
        (reply.open(&key).unwrap(), reply.is_whole(), reply.trailers.len()),
        (b"hello".to_vec(), true, 0)
    );
}

#[test]
fn expect_100_continue_is_answered_here() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        let sidecar = sidecar(&origin, &key);
        let mut raw = key.request("POST", "/", "Expect: 100-continue\r\n", b"order");
        let body = raw.split_off(raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4);
        let mut connection = sidecar.connect();
        connection.send(&raw);
        assert_eq!(connection.read_head().unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
        connection.send(&body);
        assert_eq!(connection.reply("POST").open(&key).unwrap(), b"order");
        assert_eq!(origin.only().header("expect"), None);
    }
}

#[test]
fn ten_requests_in_one_write_are_answered_in_order() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        let sidecar = sidecar(&origin, &key);
        let mut raw = Vec::new();
        for number in 0..10 {
            if number == 5 {
                raw.extend(key.bodyless("GET", "/5", ""));
            } else {
                raw.extend(key.request("POST", &format!("/{number}"), "", number.to_string().as_bytes()));
            }
        }
        let mut connection = sidecar.connect();
        connection.send(&raw);
        for number in 0..10 {
            let expected = if number == 5 { String::new() } else { number.to_string() };
            assert_eq!(connection.reply("POST").open(&key).unwrap(), expected.as_bytes());
        }
        let targets: Vec<_> = origin.requests().iter().map(|request| request.target().to_owned()).collect();
        assert_eq!(targets, (0..10).map(|number| format!("/{number}")).collect::<Vec<_>>());
        assert_eq!(origin.connections(), 1);
    }
}

#[test]
fn http_1_0_is_served_with_and_without_keep_alive() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = sidecar(&origin, &key);
    let once = "POST /0 HTTP/1.0\r\nhost: old.test\r\n{E}content-length: {L}\r\n\r\n{B}";
    let mut connection = sidecar.connect();
    connection.send(&fill(once, &key, b"old"));
    let head = connection.read_head().unwrap();
    assert!(head.starts_with(b"HTTP/1.0 200 OK\r\n"), "{}", String::from_utf8_lossy(&head));
    assert_eq!(connection.read_some(19).unwrap().len(), 19);
    assert!(connection.closed().unwrap());
    let kept = once.replace("{E}", "connection: keep-alive\r\n{E}");
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        let reply = connection.exchange(&fill(&kept, &key, b"old"));
        assert_eq!(
            (reply.open(&key).unwrap(), reply.header("connection")),
            (b"old".to_vec(), Some("keep-alive"))
        );
    }
    assert!(origin.requests().iter().all(|request| request.header("host") == Some("old.test")));
}

#[test]
fn an_http_1_0_request_without_host_reaches_the_application_with_one() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = sidecar(&origin, &key);
    let mut connection = Connection::to(sidecar.address());
    let reply =
        connection.exchange(&fill("POST /0 HTTP/1.0\r\n{E}content-length: {L}\r\n\r\n{B}", &key, b"old"));
    assert_eq!(reply.open(&key).unwrap(), b"old");
    let seen = origin.only();
    assert_eq!(seen.header_all("host"), [origin.address().to_string()]);
    assert_eq!(seen.header("x-forwarded-host"), None);
}
