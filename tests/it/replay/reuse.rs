//! Clients that seal several messages under one IV: counted and named, with a replay window or without.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::support::{Origin, Peer, TestKey, eventually, reply_of};

fn sealed_under(key: &TestKey, iv: &[u8], plain: &[u8]) -> Vec<u8> {
    let body = key.seal_with(iv, plain);
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: kitchen.test\r\n{}content-length: {}\r\n\r\n",
        key.envelope(iv),
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// The series with their values.
fn reuses(sidecar: &Sidecar) -> Vec<String> {
    let (_, text) = sidecar.admin_page("/metrics");
    text.lines().filter(|line| line.starts_with("alewife_iv_reuses_total")).map(str::to_owned).collect()
}

const NOBODY: &str = "alewife_iv_reuses_total{proxy=\"kitchen\",key=\"other\",network=\"other\"} 0";
const SOMEBODY: &str = "somebody seals several messages under one iv";

#[test]
fn client_with_one_iv_for_all_is_counted_and_named_once_in_the_log() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let iv = key.fresh_iv();
    let mut connection = sidecar.connect();
    for dish in ["soup", "fish", "bread"] {
        assert_eq!(connection.exchange(&sealed_under(&key, &iv, dish.as_bytes())).status, 200);
    }
    // printf %s fp-AES-256-GCM-0 | sha256sum
    let named = "alewife_iv_reuses_total{proxy=\"kitchen\",key=\"944e5bb2\",network=\"127.0.0.0/24\"} 2";
    let found = reuses(&sidecar);
    assert!(found.len() == 2 && found.contains(&named.to_owned()), "{found:?}");
    let status: serde_json::Value = serde_json::from_str(&sidecar.admin_page("/status").1).unwrap();
    let named = &status["iv_reuses"]["named"];
    assert_eq!(named.as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(
        (&named[0]["fingerprint"], &named[0]["id"]),
        (&key.fingerprint.clone().into(), &"944e5bb2".into())
    );
    assert_eq!((&named[0]["network"], &named[0]["count"]), (&"127.0.0.0/24".into(), &2.into()));
    assert_eq!(status["iv_reuses"]["others"]["count"], 0);
    eventually("it is logged", || sidecar.log().contains(SOMEBODY));
    let log = sidecar.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(SOMEBODY)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("127.0.0.0/24") && lines[0].contains(&key.fingerprint), "{}", lines[0]);
}

#[test]
fn retry_of_the_very_same_message_breaks_nothing() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let order = key.request("POST", "/orders", "", b"soup");
    for _ in 0..3 {
        assert_eq!(sidecar.connect().exchange(&order).status, 200);
    }
    assert_eq!(reuses(&sidecar), [NOBODY]);
}

#[test]
fn nobody_is_blamed_for_what_proves_nothing() {
    let (gcm, ctr, origin) = (TestKey::new(GCM), TestKey::new("AES-256-CTR"), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&gcm, &ctr]).upstream(origin.address()).start();
    let iv = gcm.fresh_iv();
    for (key, plain, status) in [(&ctr, "soup", 200), (&ctr, "fish", 200), (&gcm, "soup", 200)] {
        assert_eq!(sidecar.connect().exchange(&sealed_under(key, &iv, plain.as_bytes())).status, status);
    }
    let mut forged = sealed_under(&gcm, &iv, b"fish");
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(sidecar.connect().exchange(&forged).status, 400);
    assert_eq!(reuses(&sidecar), [NOBODY]);
}

#[test]
fn with_a_window_the_second_message_is_refused_and_counted_all_the_same() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address());
    let sidecar = sidecar.proxy("replay_window = \"1h\"").start();
    let iv = key.fresh_iv();
    assert_eq!(sidecar.connect().exchange(&sealed_under(&key, &iv, b"soup")).status, 200);
    assert_eq!(sidecar.connect().exchange(&sealed_under(&key, &iv, b"fish")).status, 400);
    assert_eq!((replayed(&sidecar), reuses(&sidecar).len()), (1.0, 2));
}

#[test]
fn peer_that_seals_its_replies_under_one_iv_is_the_upstream() {
    let key = TestKey::new(GCM);
    let (own, iv, number) = (key.clone(), key.fresh_iv(), AtomicUsize::new(0));
    let peer = Peer::answering(&key, move |_, stream| {
        let plain = format!("receipt {}", number.fetch_add(1, Ordering::Relaxed));
        stream.write_all(&reply_of("200 OK", &own.envelope(&iv), &own.seal_with(&iv, plain.as_bytes())))
    });
    let sidecar = Sidecar::outbound().keys(&[&key]).upstream(peer.address()).start();
    for _ in 0..2 {
        let order = b"POST /orders HTTP/1.1\r\nhost: kitchen.local\r\ncontent-length: 4\r\n\r\nsoup";
        assert_eq!(sidecar.connect().exchange(order).status, 200);
    }
    let found = reuses(&sidecar);
    assert!(found.iter().any(|line| line.ends_with("network=\"upstream\"} 1")), "{found:?}");
}
