//! The handshake: what passes, what is refused, and where IV and fingerprint may stand.

use super::*;
use crate::support::{Origin, eventually};

const HEADERS: &str = r#"{"errorCode":1,"message":"Incorrect security headers"}"#;
const DECRYPT: &str = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
const MALFORMED: &str = r#"{"errorCode":100,"message":"Malformed request"}"#;
const ORIGIN: &str = r#"{"errorCode":112,"message":"Origin not allowed"}"#;

/// An application that must not be reached.
fn unreached() -> (TestKey, Origin) {
    (TestKey::new("AES-256-GCM"), Origin::echo())
}

fn refusal(sidecar: &Sidecar, request: &str) -> (u16, String) {
    let reply = sidecar.connect().exchange(request.as_bytes());
    assert_eq!(reply.header("content-type"), Some("application/json"), "{request}\n{reply:?}");
    (reply.status, reply.text().to_owned())
}

#[test]
fn envelope_that_is_missing_or_wrong_is_refused_as_on_any_request_before_the_upgrade() {
    let (key, application) = unreached();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let (iv, zero) = (encoding::base64_encode(&[1; 16]), encoding::base64_encode(&[0; 16]));
    let fingerprint = &key.fingerprint;
    let cases = [
        (String::new(), HEADERS),
        (format!("sec-iv: {iv}\r\n"), HEADERS),
        (format!("sec-fingerprint: {fingerprint}\r\n"), HEADERS),
        (format!("sec-iv: {iv}\r\nsec-iv: {iv}\r\nsec-fingerprint: {fingerprint}\r\n"), HEADERS),
        (format!("sec-iv: {zero}\r\nsec-fingerprint: {fingerprint}\r\n"), HEADERS),
        (format!("sec-iv: nonsense\r\nsec-fingerprint: {fingerprint}\r\n"), HEADERS),
        (format!("sec-iv: {iv}\r\nsec-fingerprint: unknown\r\n"), DECRYPT),
    ];
    for (headers, body) in cases {
        assert_eq!(refusal(&sidecar, &handshake(&headers)), (400, body.to_owned()), "{headers}");
    }
    // The connection serves on, and a handshake may come on it still.
    let mut connection = sidecar.connect();
    assert_eq!(connection.exchange(handshake("").as_bytes()).status, 400);
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"x")).open(&key).unwrap(), b"x");
    assert_eq!(application.count(), 1);
}

#[test]
fn handshake_with_a_body_or_without_its_one_key_is_malformed() {
    let (key, application) = unreached();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let envelope = key.envelope(&key.fresh_iv());
    let no_key = handshake(&envelope).replace("sec-websocket-key", "sec-websocket-no-key");
    let two_keys = handshake(&format!("{envelope}sec-websocket-key: {KEY}\r\n"));
    let with_body = handshake(&format!("{envelope}content-length: 4\r\n")) + "body";
    for request in [no_key, two_keys, with_body] {
        assert_eq!(refusal(&sidecar, &request), (400, MALFORMED.to_owned()), "{request}");
    }
    assert_eq!(application.count(), 0);
}

#[test]
fn required_headers_are_required_of_handshakes() {
    let (key, application) = unreached();
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .proxy("required_headers = [\"authorization\"]")
        .upstream(application.address())
        .start();
    let request = handshake(&key.envelope(&key.fresh_iv()));
    assert_eq!(refusal(&sidecar, &request), (400, HEADERS.to_owned()));
    assert_eq!(application.count(), 0);
}

#[test]
fn headers_of_the_handshake_pass_and_those_of_envelope_and_extensions_do_not() {
    let stage = Stage::set("AES-256-GCM");
    let mut client = stage.sidecar.connect();
    let headers = "Origin: https://pos.test\r\nCookie: a=1; b=2\r\nsec-websocket-protocol: kds.v2, kds.v1\r\n\
                   X-Site: 7\r\nauthorization: Bearer t\r\n\
                   sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n";
    let envelope = stage.key.envelope(&stage.key.fresh_iv());
    client.send(handshake_to("/orders?site=7&x=%20+", &format!("{headers}{envelope}")).as_bytes());
    let (_application, head) = stage.agree("sec-websocket-protocol: kds.v1\r\nset-cookie: c=3\r\n");
    assert!(head.starts_with("GET /orders?site=7&x=%20+ HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("Origin", "https://pos.test"),
        ("Cookie", "a=1; b=2"),
        ("sec-websocket-protocol", "kds.v2, kds.v1"),
        ("X-Site", "7"),
        ("authorization", "Bearer t"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("host", "kitchen.test"),
    ] {
        assert!(head.contains(&format!("\r\n{name}: {value}\r\n")), "{name} is not in {head}");
    }
    assert!(field(&head, "upgrade").unwrap().eq_ignore_ascii_case("websocket"));
    assert!(field(&head, "connection").unwrap().eq_ignore_ascii_case("upgrade"));
    for name in ["sec-iv", "sec-fingerprint", "sec-websocket-extensions", "content-length"] {
        assert_eq!(field(&head, name), None, "{head}");
    }
    let answer = String::from_utf8(client.read_head().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    let accept = accept_of(KEY);
    let passed = [
        ("sec-websocket-protocol", "kds.v1"),
        ("set-cookie", "c=3"),
        ("sec-websocket-accept", accept.as_str()),
    ];
    for (name, value) in passed {
        assert_eq!(field(&answer, name), Some(value), "{answer}");
    }
    for name in ["sec-iv", "sec-fingerprint", "sec-websocket-extensions", "content-length"] {
        assert_eq!(field(&answer, name), None, "{answer}");
    }
}

#[test]
fn answer_of_the_application_that_is_none_is_error_104() {
    let stage = Stage::set("AES-256-GCM");
    let accept = accept_of(KEY);
    let good = format!("upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n");
    let answers = [
        format!("connection: upgrade\r\nsec-websocket-accept: {accept}\r\n"),
        format!("upgrade: h2c\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n"),
        format!("upgrade: websocket\r\nsec-websocket-accept: {accept}\r\n"),
        "upgrade: websocket\r\nconnection: upgrade\r\n".to_owned(),
        "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: AAAA\r\n".to_owned(),
        format!("{good}sec-websocket-accept: {accept}\r\n"),
        format!("{good}sec-websocket-extensions: permessage-deflate\r\n"),
        format!("{good}sec-websocket-protocol: kds.v3\r\n"),
        format!("{good}sec-websocket-protocol: kds.v1, kds.v2\r\n"),
        format!("{good}sec-websocket-protocol: kds.v1\r\nsec-websocket-protocol: kds.v1\r\n"),
    ];
    for answer in answers {
        let mut client = stage.sidecar.connect();
        let offer =
            "sec-websocket-protocol: kds.v1,kds.v2\r\nsec-websocket-extensions: permessage-deflate\r\n";
        let envelope = stage.key.envelope(&stage.key.fresh_iv());
        client.send(handshake(&format!("{envelope}{offer}")).as_bytes());
        let (mut application, _) = stage.take();
        application.send(format!("HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n").as_bytes());
        let reply = client.reply("GET");
        assert_eq!((reply.status, &reply.text()[..17]), (502, r#"{"errorCode":104,"#), "{answer}");
        // The application is left alone.
        assert!(application.closed().unwrap(), "{answer}");
        assert_eq!(client.exchange(&stage.key.request("GET", "*", "", b"")).status, 400);
    }
}

#[test]
fn application_s_refusal_of_the_upgrade_reaches_the_client_sealed() {
    let stage = Stage::set("AES-256-GCM");
    for (status, body) in [(403, "not you"), (200, "not a websocket"), (426, "")] {
        let mut client = stage.sidecar.connect();
        client.send(handshake(&stage.key.envelope(&stage.key.fresh_iv())).as_bytes());
        let (mut application, _) = stage.take();
        let reply = format!(
            "HTTP/1.1 {status} Whatever\r\nx-why: {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        application.send(reply.as_bytes());
        let reply = client.reply("GET");
        assert_eq!((reply.status, reply.reason.as_str()), (status, "Whatever"));
        assert_eq!(reply.header("x-why"), Some(status.to_string().as_str()));
        assert_eq!(reply.open(&stage.key).unwrap(), body.as_bytes());
    }
    assert_eq!(stage.metric("sessions_opened_total", ""), 0.0);
}

#[test]
fn application_that_is_not_there_is_error_103() {
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).start();
    let (status, body) = refusal(&sidecar, &handshake(&key.envelope(&key.fresh_iv())));
    assert_eq!((status, &body[..17]), (502, r#"{"errorCode":103,"#));
}

#[test]
fn application_that_does_not_answer_a_handshake_is_error_107() {
    let stage = Stage::with("AES-256-GCM", |builder| builder.proxy("timeouts = { reply = \"200ms\" }"));
    let mut client = stage.sidecar.connect();
    client.send(handshake(&stage.key.envelope(&stage.key.fresh_iv())).as_bytes());
    let (mut application, _) = stage.take();
    let reply = client.reply("GET");
    assert_eq!((reply.status, &reply.text()[..17]), (504, r#"{"errorCode":107,"#));
    assert!(application.closed().unwrap());
}

#[test]
fn upgrade_to_anything_else_and_other_methods_are_ordinary_requests() {
    let (key, application) = unreached();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    for (method, headers) in [
        ("GET", "upgrade: h2c\r\nconnection: upgrade\r\n"),
        ("GET", "upgrade: websocket\r\n"),
        ("GET", "connection: upgrade\r\n"),
        ("POST", "upgrade: websocket\r\nconnection: upgrade\r\n"),
    ] {
        let mut connection = sidecar.connect();
        let reply = connection.exchange(&key.request(method, "/", headers, b"x"));
        assert_eq!((reply.status, reply.open(&key).unwrap()), (200, b"x".to_vec()), "{headers}");
        assert_eq!(application.received().last().unwrap().header("upgrade"), None);
        // And the connection serves on.
        assert_eq!(connection.exchange(&key.request("POST", "/", "", b"y")).open(&key).unwrap(), b"y");
    }
}

#[test]
fn refusal_of_a_request_that_wanted_an_upgrade_is_not_lost_in_a_reset() {
    let (key, application) = unreached();
    let sidecar =
        Sidecar::inbound().keys(&[&key]).proxy("max_body = 1000").upstream(application.address()).start();
    for _ in 0..20 {
        let mut connection = sidecar.connect();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n{}content-length: 9999999\r\n\r\n",
            key.envelope(&key.fresh_iv())
        );
        connection.send(&[head.into_bytes(), vec![b'x'; 9_999_999]].concat());
        let reply = connection.reply("POST");
        assert_eq!((reply.status, &reply.text()[..17]), (413, r#"{"errorCode":101,"#));
        connection.close_write();
        assert!(connection.closed().unwrap());
    }
}

#[test]
fn x_ale_headers_carry_the_envelope_of_requests_and_handshakes_once_they_are_allowed() {
    let stage = Stage::with("AES-256-GCM", |builder| builder.proxy("carriers = [\"x-ale\"]"));
    let x_ale = |key: &TestKey| key.envelope(&key.fresh_iv()).replace("sec-", "x-ale-");
    let mut client = stage.sidecar.connect();
    client.send(handshake(&x_ale(&stage.key)).as_bytes());
    let (mut application, head) = stage.agree("");
    assert!(!head.contains("x-ale-"), "{head}");
    client.read_head().unwrap();
    let mut client = Peer { wire: client, masks: true, partial: None };
    client.text(&sealed(&stage.key, b"hello"));
    application.gets_text("hello");
    // And a request, which has no session to reach.
    let (key, other) = unreached();
    let sidecar =
        Sidecar::inbound().keys(&[&key]).proxy("carriers = [\"x-ale\"]").upstream(other.address()).start();
    let (iv, plain) = (key.fresh_iv(), b"order");
    let body = key.seal_with(&iv, plain);
    let envelope = key.envelope(&iv);
    for (lines, status) in [
        (envelope.replace("sec-", "x-ale-"), 200),
        (envelope.clone(), 200),
        (envelope.clone() + &envelope.replace("sec-", "x-ale-"), 400),
        (envelope.replace("sec-iv", "x-ale-iv"), 400),
    ] {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}content-length: {}\r\n\r\n", body.len());
        let reply = sidecar.connect().exchange(&[head.as_bytes(), &body].concat());
        assert_eq!(reply.status, status, "{lines}");
        if status == 200 {
            assert_eq!(reply.open(&key).unwrap(), plain);
        } else {
            assert_eq!(reply.text(), HEADERS);
        }
    }
    assert!(other.received().iter().all(|received| received.header("x-ale-iv").is_none()));
    let conflicts = "alewife_ale_errors_total{proxy=\"kitchen\",code=\"1\",reason=\"conflicting_carriers\"}";
    assert_eq!(sidecar.metric(conflicts), 2.0);
}

#[test]
fn carrier_that_is_not_named_carries_nothing() {
    let (key, application) = unreached();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let x_ale = key.envelope(&key.fresh_iv()).replace("sec-", "x-ale-");
    assert_eq!(refusal(&sidecar, &handshake(&x_ale)), (400, HEADERS.to_owned()));
    let target = query_target("/", &key);
    assert_eq!(refusal(&sidecar, &handshake_to(&target, "")), (400, HEADERS.to_owned()));
    assert_eq!(application.count(), 0);
}

/// Parameters with an IV that has every trap in it: `+`, `/` and `=`, the last two percent-encoded.
fn query_target(before: &str, key: &TestKey) -> String {
    let iv = encoding::base64_encode(&[0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert!(iv.contains('+') && iv.contains('/') && iv.contains('='));
    let iv = iv.replace('/', "%2F").replace('=', "%3d");
    format!("{before}?a=%7e+&x-ale-iv={iv}&&x-ale-fingerprint={}&b", key.fingerprint)
}

#[test]
fn query_carries_the_envelope_of_a_page_s_handshake_and_is_taken_out() {
    let stage = Stage::with("AES-256-GCM", |builder| {
        builder.proxy("carriers = [\"query\"]\norigins = [\"https://pos.test\"]")
    });
    let mut client = stage.sidecar.connect();
    let target = query_target("/orders", &stage.key);
    client.send(handshake_to(&target, "origin: HTTPS://POS.test\r\n").as_bytes());
    let (mut application, head) = stage.agree("");
    assert!(head.starts_with("GET /orders?a=%7e+&&b HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "origin"), Some("HTTPS://POS.test"));
    client.read_head().unwrap();
    let mut client = Peer { wire: client, masks: true, partial: None };
    client.text(&sealed(&stage.key, b"hello"));
    application.gets_text("hello");
    drop((client, application));
    let _line = stage.session_line();
    let log = stage.sidecar.log();
    assert!(!log.contains("x-ale-iv") && !log.contains("%2F"), "{log}");
}

#[test]
fn query_is_no_carrier_of_ordinary_requests_nor_beside_another() {
    let (key, application) = unreached();
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .proxy("carriers = [\"x-ale\", \"query\"]\norigins = [\"https://pos.test\"]")
        .upstream(application.address())
        .start();
    let target = query_target("/", &key);
    let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(refusal(&sidecar, &request), (400, HEADERS.to_owned()));
    let origin = "origin: https://pos.test\r\n";
    let envelope = key.envelope(&key.fresh_iv());
    for beside in [envelope.clone(), envelope.replace("sec-", "x-ale-")] {
        let request = handshake_to(&target, &format!("{origin}{beside}"));
        assert_eq!(refusal(&sidecar, &request), (400, HEADERS.to_owned()), "{beside}");
    }
    // On an ordinary request it is a query like any other, and passes.
    let reply = sidecar.connect().exchange(&key.bodyless("GET", &target, ""));
    assert_eq!(reply.status, 200);
    assert_eq!(application.only().target(), target);
}

#[test]
fn origins_that_are_not_listed_open_nothing() {
    let stage = Stage::with("AES-256-GCM", |builder| {
        builder.proxy("carriers = [\"query\"]\norigins = [\"https://pos.test\", \"https://kds.test\"]")
    });
    let envelope = stage.key.envelope(&stage.key.fresh_iv());
    let target = query_target("/", &stage.key);
    let refused = [
        handshake(&format!("{envelope}origin: https://evil.test\r\n")),
        handshake(&format!("{envelope}origin: null\r\n")),
        handshake(&format!("{envelope}origin: http://pos.test\r\n")),
        handshake(&format!("{envelope}origin: https://pos.test\r\norigin: https://pos.test\r\n")),
        handshake_to(&target, "origin: https://evil.test\r\n"),
        // A page has an origin, and nobody else has a use for the query.
        handshake_to(&target, ""),
    ];
    for request in refused {
        assert_eq!(refusal(&stage.sidecar, &request), (403, ORIGIN.to_owned()), "{request}");
    }
    let outcome = "alewife_requests_total{proxy=\"kitchen\",outcome=\"origin\"}";
    assert_eq!(stage.sidecar.metric(outcome), 6.0);
    for headers in ["origin: https://kds.test\r\n", ""] {
        let (mut client, mut application) = stage.open_with(&stage.key, headers);
        client.text(&sealed(&stage.key, b"hello"));
        application.gets_text("hello");
    }
}

#[test]
fn handshake_is_an_exchange_of_its_own_in_log_and_metrics() {
    let stage = Stage::set("AES-256-GCM");
    let (client, application) = stage.open();
    let answered = "alewife_requests_total{proxy=\"kitchen\",outcome=\"answered\"}";
    eventually("the handshake is counted", || stage.sidecar.metric(answered) == 1.0);
    assert_eq!(stage.sidecar.metric("alewife_requests_in_flight{proxy=\"kitchen\"}"), 0.0);
    assert_eq!(stage.sidecar.metric("alewife_connections{proxy=\"kitchen\"}"), 1.0);
    assert!(stage.sidecar.log().contains("\"status\":101"), "{}", stage.sidecar.log());
    drop((client, application));
    eventually("the connection has ended", || {
        stage.sidecar.metric("alewife_connections{proxy=\"kitchen\"}") == 0.0
    });
}
