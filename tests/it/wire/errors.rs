//! Every refusal as bytes: status, headers, body, and what becomes of the connection (P1-P4).

use alewife::crypto::encoding;

use super::strict::StrictOrigin;
use super::{DECRYPT, HEADERS, assert_error, fill};
use crate::support::{Sidecar, TestKey};

const SPENT: &str = "valid_until = 2020-01-01T00:00:00Z\n";
const COMING: &str = "valid_after = 2999-01-01T00:00:00Z\n";

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

/// After the refusal the connection serves the next request, and nothing of the first reached the application.
#[track_caller]
fn refused_and_alive(sidecar: &Sidecar, origin: &StrictOrigin, key: &TestKey, raw: &[u8], body: &str) {
    let before = origin.requests().len();
    let mut connection = sidecar.connect();
    let reply = connection.exchange(raw);
    assert_error(&reply, 400, body, false);
    assert_eq!(origin.requests().len(), before);
    let next = connection.exchange(&key.request("POST", "/next", "", b"next"));
    assert_eq!((next.status, next.open(key).as_deref()), (200, Some(&b"next"[..])));
    assert_eq!(origin.last().target(), "/next");
}

#[test]
fn wrong_security_headers_are_error_code_1_on_a_connection_that_stays() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let iv = [7; 16];
    let good = encoding::base64_encode(&iv);
    assert_eq!(&good[20..], "Bw==");
    let print = &key.fingerprint;
    let zero = encoding::base64_encode(&[0; 16]);
    let zero_12 = encoding::base64_encode(&[0; 12]);
    let ivs = [
        String::new(),
        good.replace("Bw==", "Bx=="),
        good.replace("Bw==", "Bw="),
        good.replace("Bw==", "Bw"),
        good.replace("Bw==", "Bw==="),
        good.replace("BwcH", "Bw cH"),
        good.replace("Bw==", "Bw= ="),
        good.replace('B', "_"),
        good.replace('B', "-"),
        format!("{good}, {good}"),
        format!("{good},"),
        format!("\"{good}\""),
        "07".repeat(16),
        "\u{ff}".to_owned(),
        encoding::base64_encode(&iv[..11]),
        encoding::base64_encode(&iv[..13]),
        encoding::base64_encode(&iv[..15]),
        encoding::base64_encode(&[7; 17]),
        encoding::base64_encode(&[7; 32]),
        zero,
        zero_12,
    ];
    let mut envelopes: Vec<String> =
        ivs.iter().map(|iv| format!("sec-iv: {iv}\r\nsec-fingerprint: {print}\r\n")).collect();
    let prints = [String::new(), "f".repeat(256), "f\u{e9}".to_owned(), "f f".to_owned(), "f\tf".to_owned()];
    envelopes.extend(prints.iter().map(|print| format!("sec-iv: {good}\r\nsec-fingerprint: {print}\r\n")));
    envelopes.extend([
        String::new(),
        format!("sec-iv: {good}\r\n"),
        format!("sec-fingerprint: {print}\r\n"),
        format!("sec-iv: {good}\r\nsec-iv: {good}\r\nsec-fingerprint: {print}\r\n"),
        format!("sec-iv: {good}\r\nSEC-IV:\r\nsec-fingerprint: {print}\r\n"),
        format!("sec-iv: {good}\r\nsec-fingerprint: {print}\r\nSec-Fingerprint: {print}\r\n"),
        format!("connection: sec-iv\r\nsec-iv: {good}\r\nsec-fingerprint: {print}\r\n"),
        format!("connection: close-not, Sec-Fingerprint\r\nsec-iv: {good}\r\nsec-fingerprint: {print}\r\n"),
        format!(
            "sec-iv: {good}\r\nsec-fingerprint: {print}\r\ncontent-encoding: gzip\r\nx-ale-content-encoding: br\r\n"
        ),
    ]);
    let body: String = key.seal_with(&iv, b"order").iter().map(|&byte| char::from(byte)).collect();
    for envelope in envelopes {
        let pattern = format!(
            "POST /orders HTTP/1.1\r\nhost: a\r\n{envelope}content-length: {}\r\n\r\n{body}",
            body.chars().count()
        );
        refused_and_alive(&sidecar, &origin, &key, &fill(&pattern, &key, b""), HEADERS);
    }
    // The same with nothing wrong.
    let pattern = format!(
        "POST /orders HTTP/1.1\r\nhost: a\r\nsec-iv: \t{good} \r\nsec-fingerprint: {print}\r\ncontent-length: {}\r\n\r\n{body}",
        body.chars().count()
    );
    assert_eq!(sidecar.connect().exchange(&fill(&pattern, &key, b"")).open(&key).unwrap(), b"order");
}

#[test]
fn a_fingerprint_of_255_visible_characters_is_taken_and_compared_exactly() {
    let origin = StrictOrigin::echo();
    let mut key = gcm();
    key.fingerprint = "aZ~!".repeat(63) + "xyz";
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"x")).open(&key).unwrap(), b"x");
    let mut other = key.clone();
    other.fingerprint.make_ascii_lowercase();
    refused_and_alive(&sidecar, &origin, &key, &other.request("POST", "/", "", b"x"), DECRYPT);
}

#[test]
fn fingerprints_that_open_nothing_now_are_error_code_2() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let (spent, coming, unknown) = (
        TestKey::numbered("AES-256-GCM", 1),
        TestKey::numbered("AES-256-CTR", 2),
        TestKey::new("AES-128-GCM"),
    );
    let file = format!("{}{}{SPENT}{}{COMING}", key.entry(), spent.entry(), coming.entry());
    let sidecar = Sidecar::inbound().key_file(&file).upstream(origin.address()).start();
    for key_gone in [&spent, &coming, &unknown] {
        for method in ["POST", "GET"] {
            let raw = key_gone.request(method, "/", "", b"order");
            refused_and_alive(&sidecar, &origin, &key, &raw, DECRYPT);
        }
        refused_and_alive(&sidecar, &origin, &key, &key_gone.bodyless("GET", "/", ""), DECRYPT);
    }
}

#[test]
fn credential_mismatch_tells_an_unknown_fingerprint_apart_and_no_other() {
    let (origin, key, spent) = (StrictOrigin::echo(), gcm(), TestKey::numbered("AES-256-GCM", 1));
    let sidecar = Sidecar::inbound()
        .key_file(&format!("{}{}{SPENT}", key.entry(), spent.entry()))
        .proxy("credential_mismatch = true")
        .upstream(origin.address())
        .start();
    let unknown = TestKey::numbered("AES-256-GCM", 2);
    let mismatch = r#"{"errorCode":3,"message":"Security credential mismatch"}"#;
    refused_and_alive(&sidecar, &origin, &key, &unknown.request("POST", "/", "", b"x"), mismatch);
    refused_and_alive(&sidecar, &origin, &key, &spent.request("POST", "/", "", b"x"), DECRYPT);
    refused_and_alive(&sidecar, &origin, &key, &key.bodyless("POST", "/", ""), DECRYPT);
}

#[test]
fn an_unknown_fingerprint_is_answered_before_its_body_is_sent() {
    let (origin, key, unknown) = (StrictOrigin::echo(), gcm(), TestKey::new("AES-128-CTR"));
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let head = fill("POST / HTTP/1.1\r\nhost: a\r\n{E}content-length: 1000000\r\n\r\n", &unknown, b"");
    let mut connection = sidecar.connect();
    assert_error(&connection.exchange(&head), 400, DECRYPT, false);
    connection.send(&vec![b'x'; 1_000_000]);
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"next")).open(&key).unwrap(), b"next");
    assert_eq!(origin.only().body, b"next");
}

#[test]
fn an_iv_of_12_bytes_is_taken_under_gcm_and_answered_with_12() {
    let origin = StrictOrigin::echo();
    let keys = ["AES-128-GCM", "AES-256-GCM", "AES-256-CFB", "AES-256-CFB8", "AES-256-CTR"].map(TestKey::new);
    let sidecar = Sidecar::inbound().keys(&keys.each_ref()).upstream(origin.address()).start();
    for key in &keys {
        let is_gcm = key.algorithm.to_string().ends_with("GCM");
        let iv = [9; 12];
        let sealed = if is_gcm { key.seal_with(&iv, b"order") } else { b"order".to_vec() };
        let mut raw = format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{}content-length: {}\r\n\r\n",
            key.envelope(&iv),
            sealed.len()
        )
        .into_bytes();
        raw.extend(sealed);
        if is_gcm {
            let reply = sidecar.connect().exchange(&raw);
            assert_eq!(
                encoding::base64_decode(reply.header("sec-iv").unwrap().as_bytes()).unwrap().len(),
                12
            );
            assert_ne!(reply.header("sec-iv").unwrap(), encoding::base64_encode(&iv));
            assert_eq!(reply.open(key).unwrap(), b"order");
        } else {
            refused_and_alive(&sidecar, &origin, &keys[0], &raw, HEADERS);
        }
    }
}

#[test]
fn a_gcm_body_truncated_anywhere_or_with_any_bit_flipped_is_refused_in_the_same_bytes() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let iv = key.fresh_iv();
    let sealed = key.seal_with(&iv, b"order");
    let mut bodies: Vec<Vec<u8>> = (0..sealed.len()).map(|length| sealed[..length].to_vec()).collect();
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        bodies.push(flipped);
    }
    bodies.push([&sealed[..], b"\0"].concat());
    bodies.push(sealed.iter().rev().copied().collect());
    assert_eq!(bodies.len(), 21 + 168 + 2);
    let mut connection = sidecar.connect();
    for (number, body) in bodies.iter().enumerate() {
        let lines = if number % 2 == 0 {
            format!("content-length: {}\r\n\r\n", body.len())
        } else {
            format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len())
        };
        let mut raw =
            format!("POST /{number} HTTP/1.1\r\nhost: a\r\n{}{lines}", key.envelope(&iv)).into_bytes();
        raw.extend(body);
        if number % 2 == 1 {
            raw.extend(b"\r\n0\r\n\r\n");
        }
        if body.is_empty() {
            raw = fill(
                "POST / HTTP/1.1\r\nhost: a\r\n{E}transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                &key,
                b"",
            );
        }
        assert_error(&connection.exchange(&raw), 400, DECRYPT, false);
    }
    assert!(origin.requests().is_empty());
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"good")).open(&key).unwrap(), b"good");
}

/// The request with one more field.
fn with_field(request: &[u8], line: &str) -> Vec<u8> {
    let end = request.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
    [&request[..end], line.as_bytes(), b"\r\n", &request[end..]].concat()
}

#[test]
fn failures_under_a_known_gcm_key_are_the_same_bytes_whatever_their_cause() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let other = TestKey { secret: vec![1; 32], ..key.clone() };
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let causes = [
        other.request("POST", "/", "", b"order"),
        key.bodyless("POST", "/", ""),
        key.bodyless("PATCH", "/", "content-length: 0\r\n"),
        fill("PUT / HTTP/1.1\r\nhost: a\r\n{E}content-length: 3\r\n\r\nabc", &key, b""),
        fill("GET / HTTP/1.1\r\nhost: a\r\n{E}content-length: 16\r\n\r\n0123456789abcdef", &key, b""),
        other.request("DELETE", "/", "expect: 100-continue\r\n", &[0; 100_000]),
    ];
    for raw in causes {
        let mut connection = sidecar.connect();
        // The id apart, which is another each time unless it is given.
        let raw = with_field(&raw, "x-request-id: one");
        connection.send(&raw);
        if raw.windows(6).any(|window| window == b"expect") {
            assert_eq!(connection.read_head().unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let head = connection.read_head().unwrap();
        let expected =
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 53\r\nx-request-id: one\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&head), String::from_utf8_lossy(expected));
        assert_eq!(connection.read_some(53).unwrap(), DECRYPT.as_bytes());
        assert_eq!(connection.exchange(&key.request("POST", "/", "", b"n")).open(&key).unwrap(), b"n");
    }
    assert!(origin.requests().iter().all(|request| request.body == b"n"));
}

#[test]
fn requests_without_a_body_pass_by_method_under_gcm_and_always_without_a_tag() {
    let origin = StrictOrigin::echo();
    let keys = ["AES-256-GCM", "AES-256-CTR", "AES-128-CFB", "AES-192-CFB8"].map(TestKey::new);
    let sidecar = Sidecar::inbound().keys(&keys.each_ref()).upstream(origin.address()).start();
    for (number, key) in keys.iter().enumerate() {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH", "TRACE", "ORDER"] {
            let passes = number > 0 || ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method);
            for (framing, body) in
                [("", ""), ("content-length: 0\r\n", ""), ("transfer-encoding: chunked\r\n", "0\r\n\r\n")]
            {
                let before = origin.requests().len();
                let raw = [key.bodyless(method, "/empty", framing), body.into()].concat();
                let reply = sidecar.connect().exchange(&raw);
                if !passes {
                    assert_error(&reply, 400, DECRYPT, false);
                    assert_eq!(origin.requests().len(), before);
                    continue;
                }
                assert_eq!(reply.status, 200, "{method} {reply:?}");
                let seen = origin.last();
                assert_eq!((seen.method(), seen.target(), &seen.body[..]), (method, "/empty", &b""[..]));
                if method != "HEAD" {
                    assert_eq!(reply.open(key).unwrap(), b"");
                }
            }
        }
    }
    // An empty plaintext that is sealed is the tag alone.
    let reply = sidecar.connect().exchange(&keys[0].request("POST", "/", "", b""));
    assert_eq!((reply.status, reply.body.len(), reply.open(&keys[0]).unwrap()), (200, 16, Vec::new()));
    assert_eq!(origin.last().header("content-length"), Some("0"));
}

#[test]
fn a_required_header_that_is_missing_is_error_code_1() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .proxy("required_headers = [\"authorization\", \"x-site\"]")
        .upstream(origin.address())
        .start();
    let mut connection = sidecar.connect();
    for headers in [
        "",
        "authorization: a\r\n",
        "X-Site: 1\r\n",
        "authorization: a\r\nx-site: 1\r\nconnection: x-site\r\n",
    ] {
        assert_error(&connection.exchange(&key.request("POST", "/", headers, b"x")), 400, HEADERS, false);
    }
    assert!(origin.requests().is_empty());
    let reply = connection.exchange(&key.request("POST", "/", "Authorization: a\r\nX-Site: 1\r\n", b"x"));
    assert_eq!(reply.open(&key).unwrap(), b"x");
    assert_eq!(origin.only().header("authorization"), Some("a"));
}

#[test]
fn a_body_beyond_max_body_is_413_and_closes_and_one_just_as_long_passes() {
    let (origin, key) = (StrictOrigin::echo(), gcm());
    let sidecar =
        Sidecar::inbound().keys(&[&key]).proxy("max_body = 1000").upstream(origin.address()).start();
    let too_large = r#"{"errorCode":101,"message":"Payload too large"}"#;
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", &[1; 1000])).status, 200);
    let chunked =
        "POST / HTTP/1.1\r\nhost: a\r\n{E}transfer-encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n";
    assert_eq!(sidecar.connect().exchange(&fill(chunked, &key, &[1; 1000])).status, 200);
    for raw in [key.request("POST", "/", "", &[1; 1001]), fill(chunked, &key, &[1; 1001])] {
        let reply = sidecar.connect().exchange(&raw);
        assert_eq!((reply.status, reply.text()), (413, too_large));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    assert_eq!(origin.requests().len(), 2);
}
