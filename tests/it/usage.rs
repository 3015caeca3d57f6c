//! What each key is used for, as the sidecar tells it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    Bridge, Connection, Event, Frame, Message, Opcode, Origin, Peer, Sidecar, TestKey, WebSocketOrigin,
    eventually,
};

const GCM: &str = "AES-256-GCM";

/// Count and failures of opening, then of sealing.
fn counts(sidecar: &Sidecar, key: &TestKey) -> [u64; 4] {
    let told = sidecar.key_status(&key.fingerprint);
    let count = |direction: &str, what: &str| told[direction][what].as_u64().unwrap();
    [
        count("opened", "count"),
        count("opened", "failures"),
        count("sealed", "count"),
        count("sealed", "failures"),
    ]
}

fn entry(key: &TestKey, window: &str) -> String {
    format!("{}{window}\n", key.entry())
}

/// Of an old key, which is valid, and a young one, which seals.
fn two_keys(old: &TestKey, young: &TestKey) -> String {
    entry(old, "valid_after = 2024-01-01T00:00:00Z") + &entry(young, "valid_after = 2025-01-01T00:00:00Z")
}

fn reload(sidecar: &Sidecar, keys: &str) {
    let before = sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}");
    std::fs::write(sidecar.key_file(), keys).unwrap();
    eventually("the keys are reloaded", || {
        sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") > before
    });
}

#[test]
fn exchanges_across_a_bridge_count_on_both_sides() {
    for algorithm in [GCM, "AES-256-CTR"] {
        let (key, application) = (TestKey::new(algorithm), Origin::echo());
        let bridge = Bridge::before(application.address()).keys(&[&key]).start();
        let mut client = bridge.connect();
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nsoup";
        for request in [post, post, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
            assert_eq!(client.exchange(request.as_bytes()).status, 200);
        }
        // Without a body there is nothing to seal: the reply bears no key.
        assert_eq!(client.exchange(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
        let counted = |sidecar: &Sidecar, expected: [u64; 4]| {
            eventually(&format!("{algorithm} counts {expected:?}"), || counts(sidecar, &key) == expected);
        };
        counted(&bridge.inbound, [4, 0, 3, 0]);
        counted(&bridge.outbound, [3, 0, 4, 0]);
    }
}

#[test]
fn handshake_and_messages_of_a_session_count_on_both_sides() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let bridge = Bridge::before(application.address()).keys(&[&key]).start();
    let mut client = bridge.connect();
    let handshake = "GET /orders HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.send(handshake.as_bytes());
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    for text in ["one", "two", "three"] {
        client.send_frame(&Frame::new(Opcode::Text, text).masked());
        assert_eq!(client.read_event(&mut None).unwrap(), Event::Message(Message::Text(text.into())));
    }
    assert_eq!(counts(&bridge.outbound, &key), [3, 0, 4, 0]);
    assert_eq!(counts(&bridge.inbound, &key), [4, 0, 3, 0]);
}

#[test]
fn what_does_not_open_is_a_failure_of_the_key_that_it_names() {
    let (key, over, to_come) = (TestKey::new(GCM), TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let keys = key.entry()
        + &entry(&over, "valid_until = 2025-01-01T00:00:00Z")
        + &entry(&to_come, "valid_after = 2100-01-01T00:00:00Z");
    let application = Origin::echo();
    let sidecar = Sidecar::inbound().key_file(&keys).upstream(application.address()).start();
    let forged = TestKey { secret: vec![7; 32], ..key.clone() };
    let stranger = TestKey { fingerprint: "stranger".to_owned(), ..key.clone() };
    for sender in [&forged, &over, &over, &to_come, &stranger] {
        assert_eq!(sidecar.connect().exchange(&sender.request("POST", "/", "", b"soup")).status, 400);
    }
    assert_eq!(counts(&sidecar, &key), [0, 1, 0, 0]);
    assert_eq!(counts(&sidecar, &over), [0, 2, 0, 0]);
    assert_eq!(counts(&sidecar, &to_come), [0, 1, 0, 0]);
    let (over, to_come) = (sidecar.key_status(&over.fingerprint), sidecar.key_status(&to_come.fingerprint));
    assert_eq!((&over["state"], &over["opened"]["last"]), (&json!("expired"), &Value::Null));
    assert!(over["opened"]["last_failure"].is_string(), "{over}");
    assert_eq!(to_come["state"], "not_yet_valid");
    assert_eq!(to_come["retire"], json!({ "safe": false, "reason": "it is not yet valid" }));
}

#[test]
fn reply_that_is_forged_is_a_failure_of_opening() {
    let key = TestKey::new(GCM);
    let forger = TestKey { secret: vec![7; 32], ..key.clone() };
    let peer = Peer::answering(&key, move |_, stream| {
        std::io::Write::write_all(stream, &crate::support::sealed_reply(&forger, "200 OK", "", b"soup"))
    });
    let sidecar = Sidecar::outbound().keys(&[&key]).upstream(peer.address()).start();
    assert_eq!(sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 502);
    assert_eq!(counts(&sidecar, &key), [0, 1, 1, 0]);
}

#[test]
fn counts_survive_a_reload_and_another_secret_starts_afresh() {
    let (key, other, application) = (TestKey::new(GCM), TestKey::numbered(GCM, 1), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key, &other]).upstream(application.address()).start();
    let mut client = sidecar.connect();
    for sender in [&key, &key, &other] {
        assert_eq!(client.exchange(&sender.request("POST", "/", "", b"soup")).status, 200);
    }
    let before = sidecar.key_status(&key.fingerprint);
    let changed = TestKey { secret: vec![7; 32], ..other.clone() };
    reload(&sidecar, &(entry(&key, "valid_until = 2100-01-01T00:00:00Z") + &changed.entry()));
    let after = sidecar.key_status(&key.fingerprint);
    assert_eq!((&after["opened"], &after["sealed"]), (&before["opened"], &before["sealed"]));
    assert_eq!(after["watched_since"], before["watched_since"]);
    assert_eq!(after["valid_until"], "2100-01-01T00:00:00Z");
    assert_eq!(counts(&sidecar, &other), [0; 4]);
    assert_eq!(client.exchange(&key.request("POST", "/", "", b"soup")).status, 200);
    assert_eq!(counts(&sidecar, &key), [3, 0, 3, 0]);
}

#[test]
fn old_key_is_not_judged_before_it_was_watched_for_the_observation_time() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let application = Origin::echo();
    let sidecar =
        Sidecar::inbound().key_file(&two_keys(&old, &young)).upstream(application.address()).start();
    let told = sidecar.key_status(&old.fingerprint);
    assert_eq!((&told["state"], &told["retire"]["safe"]), (&json!("accepting"), &json!(false)));
    let reason = told["retire"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("watched ") && reason.ends_with("s of 24h"), "{reason}");
    let told = sidecar.key_status(&young.fingerprint);
    assert_eq!(
        (&told["state"], &told["retire"]),
        (&json!("sealing"), &json!({ "safe": false, "reason": "it seals" }))
    );
    sidecar.connect().exchange(&old.request("POST", "/", "", b"soup"));
    let reason = sidecar.key_status(&old.fingerprint)["retire"]["reason"].clone();
    assert!(reason.as_str().unwrap().starts_with("used "), "{reason}");
}

#[test]
fn old_key_may_go_once_nobody_has_used_it_for_the_observation_time() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let application = Origin::echo();
    let sidecar = Sidecar::inbound()
        .key_file(&two_keys(&old, &young))
        .keys_section("observation = \"500ms\"")
        .upstream(application.address())
        .start();
    let mut client = sidecar.connect();
    let safe = json!({ "safe": true, "reason": "not used for 500ms" });
    eventually("the unused key may go", || sidecar.key_status(&old.fingerprint)["retire"] == safe);
    client.exchange(&old.request("POST", "/", "", b"soup"));
    assert_eq!(sidecar.key_status(&old.fingerprint)["retire"]["safe"], false);
    eventually("the key may go again", || sidecar.key_status(&old.fingerprint)["retire"] == safe);
    assert_eq!(sidecar.key_status(&young.fingerprint)["retire"]["safe"], false);
}

#[test]
fn times_are_those_of_the_first_and_the_last_use() {
    let (key, application) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let send = || sidecar.connect().exchange(&key.request("POST", "/", "", b"soup"));
    send();
    let first = sidecar.key_status(&key.fingerprint)["opened"]["first"].clone();
    let moved_on = || {
        send();
        sidecar.key_status(&key.fingerprint)["opened"]["last"] != first
    };
    eventually("a use in another second", moved_on);
    let told = sidecar.key_status(&key.fingerprint);
    assert_eq!(told["opened"]["first"], first);
    let last: Timestamp = told["opened"]["last"].as_str().unwrap().parse().unwrap();
    let age = Timestamp::now().duration_since(last);
    assert!(age >= SignedDuration::ZERO && age < SignedDuration::from_secs(60), "{age}");
}

#[test]
fn status_is_refused_to_names_that_are_not_this_machines_and_bears_no_secret() {
    let (key, application) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let ask = |host: &str| {
        let request = format!("GET /status HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        Connection::to(sidecar.admin()).exchange(request.as_bytes())
    };
    let refused = ask("evil.example");
    assert_eq!((refused.status, refused.text().contains("fingerprint")), (403, false));
    let told = ask(&sidecar.admin().to_string());
    assert_eq!((told.status, told.header("content-type")), (200, Some("application/json")));
    let text = told.text();
    assert!(text.contains(&key.fingerprint) && !text.contains(&key.secret_base64()), "{text}");
    // Probes answer to any name.
    let probe = "GET /readyz?verbose HTTP/1.1\r\nhost: pod.example\r\nconnection: close\r\n\r\n";
    let probed = Connection::to(sidecar.admin()).exchange(probe.as_bytes());
    let conditions: Vec<_> =
        probed.text().lines().map(|line| line.split([' ', ',']).next().unwrap()).collect();
    let expected = ["[+]keys", "[+]source-file", "[+]listeners", "[+]shutdown", "[~]upstream-kitchen"];
    assert_eq!(conditions, expected, "{}", probed.text());
}
