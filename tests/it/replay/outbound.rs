//! Replies that come a second time, to an outbound sidecar.

use std::io::Write;
use std::sync::Mutex;

use super::*;
use crate::support::{Bridge, Origin, Peer, TestKey, reply_of};

const UNBELIEVED: &str = r#"{"errorCode":108,"message":"Reply not believed"}"#;

fn order() -> &'static [u8] {
    b"POST /orders HTTP/1.1\r\nhost: kitchen.local\r\ncontent-length: 4\r\n\r\nsoup"
}

/// A peer that answers every request with the reply that it made for the first.
fn recorded(key: &TestKey) -> Peer {
    let (own, first) = (key.clone(), Mutex::new(None));
    Peer::answering(key, move |_, stream| {
        let mut first = first.lock().unwrap();
        let reply = first.get_or_insert_with(|| {
            let iv = own.fresh_iv();
            reply_of("200 OK", &own.envelope(&iv), &own.seal_with(&iv, b"cooking"))
        });
        stream.write_all(reply)
    })
}

#[test]
fn reply_that_was_recorded_is_not_believed_a_second_time() {
    for algorithm in [GCM, "AES-256-CTR"] {
        let key = TestKey::new(algorithm);
        let peer = recorded(&key);
        let sidecar = Sidecar::outbound().keys(&[&key]).upstream(peer.address());
        let sidecar = sidecar.proxy("replay_window = \"1h\"").start();
        let mut connection = sidecar.connect();
        assert_eq!(connection.exchange(order()).text(), "cooking");
        let reply = connection.exchange(order());
        assert_eq!((reply.status, reply.text()), (502, UNBELIEVED), "{algorithm}");
        let refused = "alewife_replies_refused_total{proxy=\"kitchen\",reason=\"replayed\"}";
        assert_eq!(sidecar.metric(refused), 1.0);
    }
}

#[test]
fn without_a_window_a_recorded_reply_is_believed() {
    let key = TestKey::new(GCM);
    let peer = recorded(&key);
    let sidecar = Sidecar::outbound().keys(&[&key]).upstream(peer.address()).start();
    for _ in 0..2 {
        assert_eq!(sidecar.connect().exchange(order()).text(), "cooking");
    }
}

#[test]
fn bridge_with_windows_at_both_ends_carries_orders_on() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let window = "replay_window = \"1h\"";
    let bridge = Bridge::before(origin.address()).keys(&[&key]).outbound(window).inbound(window).start();
    for _ in 0..20 {
        assert_eq!(bridge.outbound.connect().exchange(order()).text(), "soup");
    }
    assert_eq!((origin.count(), replayed(&bridge.inbound)), (20, 0.0));
    for end in [&bridge.outbound, &bridge.inbound] {
        assert_eq!(end.metric("alewife_replay_entries{proxy=\"kitchen\"}"), 20.0);
    }
}
