//! The reserved path of `alewife ping`, asked by hand.

use alewife::proxy::{PING_PATH, PingReport};

use super::{DECRYPT, HEADERS, assert_error};
use crate::support::{Origin, Reply, Sidecar, SidecarBuilder, TestKey};

fn house(key: &TestKey, application: &Origin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(application.address())
}

fn report(plain: &[u8]) -> PingReport {
    serde_json::from_slice(plain).unwrap()
}

/// What a sidecar of this version answers to `payload`, but for its clock.
fn expected(key: &TestKey, payload: &[u8]) -> PingReport {
    PingReport {
        alewife: env!("CARGO_PKG_VERSION").to_owned(),
        proxy: "kitchen".to_owned(),
        fingerprint: key.fingerprint.clone(),
        algorithm: key.algorithm.to_string(),
        iv_bytes: 16,
        seals_replies: true,
        time: String::new(),
        echo: Some(alewife::crypto::encoding::base64_encode(payload)),
    }
}

fn assert_reported(reply: &Reply, key: &TestKey, payload: &[u8]) {
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(reply.is_whole());
    let told = report(&reply.open(key).unwrap());
    assert!(told.time.parse::<jiff::Timestamp>().is_ok(), "{}", told.time);
    assert_eq!(PingReport { time: String::new(), ..told }, expected(key, payload));
}

#[test]
fn ping_is_echoed_in_a_sealed_report_and_the_application_never_sees_it() {
    for algorithm in ["AES-256-GCM", "AES-128-CTR", "AES-192-CFB"] {
        let (key, application) = (TestKey::new(algorithm), Origin::echo());
        let sidecar = house(&key, &application).start();
        let mut connection = sidecar.connect();
        let payload: Vec<u8> = (0..=255).collect();
        for payload in [&payload[..], b"x"] {
            let reply = connection.exchange(&key.request("POST", PING_PATH, "", payload));
            assert_reported(&reply, &key, payload);
        }
        assert_eq!(application.count(), 0);
        let answered = "alewife_requests_total{proxy=\"kitchen\",outcome=\"answered\"}";
        assert_eq!(sidecar.metric(answered), 2.0);
    }
}

#[test]
fn ping_needs_no_header_that_only_the_application_asks_for() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let sidecar = house(&key, &application).proxy("required_headers = [\"authorization\"]").start();
    let reply = sidecar.connect().exchange(&key.request("POST", PING_PATH, "", b"x"));
    assert_reported(&reply, &key, b"x");
    let reply = sidecar.connect().exchange(&key.request("POST", "/orders", "", b"x"));
    assert_error(&reply, 400, HEADERS, false);
}

#[test]
fn ping_must_be_sealed() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let sidecar = house(&key, &application).start();
    let clear = format!("POST {PING_PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
    assert_error(&sidecar.connect().exchange(clear.as_bytes()), 400, HEADERS, false);
    let stranger = TestKey::numbered("AES-256-GCM", 1);
    let reply = sidecar.connect().exchange(&stranger.request("POST", PING_PATH, "", b"x"));
    assert_error(&reply, 400, DECRYPT, false);
}

#[test]
fn report_in_clear_bears_no_echo() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let sidecar = house(&key, &application).proxy("seal_replies = false").start();
    let reply = sidecar.connect().exchange(&key.request("POST", PING_PATH, "", b"a recorded order"));
    assert_eq!((reply.status, reply.header("sec-iv")), (200, None));
    let told = report(&reply.body);
    assert_eq!((told.echo, told.seals_replies), (None, false));
}

#[test]
fn other_methods_on_the_path_are_told_which_one_is_answered() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let sidecar = house(&key, &application).start();
    let mut connection = sidecar.connect();
    for method in ["GET", "HEAD", "DELETE"] {
        let reply = connection.exchange(&key.bodyless(method, PING_PATH, ""));
        assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(application.count(), 0);
    assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"answered\"}"), 3.0);
}

#[test]
fn too_long_a_ping_is_refused() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (key, application) = (TestKey::new(algorithm), Origin::echo());
        let sidecar = house(&key, &application).start();
        let longest = vec![b'x'; 16 * 1024];
        let reply = sidecar.connect().exchange(&key.request("POST", PING_PATH, "", &longest));
        assert_reported(&reply, &key, &longest);
        let reply = sidecar.connect().exchange(&key.request("POST", PING_PATH, "", &[b'x'; 16 * 1024 + 1]));
        assert_error(&reply, 413, r#"{"errorCode":101,"message":"Payload too large"}"#, true);
        assert_eq!(application.count(), 0);
    }
}

#[test]
fn where_pings_are_not_answered_the_path_is_the_applications() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let sidecar = house(&key, &application).proxy("answer_ping = false").start();
    let reply = sidecar.connect().exchange(&key.request("POST", PING_PATH, "", b"x"));
    assert_eq!(reply.open(&key).unwrap(), b"x");
    assert_eq!(application.only().target(), PING_PATH);
}

#[test]
fn paths_that_only_look_alike_are_the_applications() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let sidecar = house(&key, &application).start();
    let others = [format!("{PING_PATH}/"), format!("/{PING_PATH}"), PING_PATH.to_uppercase()];
    for path in &others {
        assert_eq!(
            sidecar.connect().exchange(&key.request("POST", path, "", b"x")).open(&key).unwrap(),
            b"x"
        );
    }
    let received = application.received();
    assert_eq!(received.iter().map(|request| request.target()).collect::<Vec<_>>(), others);
}
