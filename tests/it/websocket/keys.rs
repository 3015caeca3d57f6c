//! Which key seals towards a client, and what a reload does to a session.

use super::*;
use crate::support::eventually;

fn reload(stage: &Stage, keys: &str) {
    let before = stage.sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}");
    std::fs::write(stage.sidecar.key_file(), keys).unwrap();
    eventually("the keys are reloaded", || {
        stage.sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") > before
    });
}

fn entry(key: &TestKey, window: &str) -> String {
    format!("{}{window}\n", key.entry())
}

#[test]
fn handshake_s_key_seals_though_the_ring_has_a_later_one() {
    let (old, new) = (TestKey::numbered("AES-256-GCM", 1), TestKey::numbered("AES-256-GCM", 2));
    let stage = Stage::with("AES-256-GCM", |builder| {
        let old = entry(&old, "valid_after = 2024-01-01T00:00:00Z");
        builder.key_file(&(old + &entry(&new, "valid_after = 2025-01-01T00:00:00Z")))
    });
    let (mut client, mut application) = stage.open_with(&old, "");
    for _ in 0..3 {
        application.text("under the old one");
        client.gets_sealed(&old, &text("under the old one"));
    }
    // It moves to the later one once a message under that has opened, and not back.
    client.text(&sealed(&new, b"new"));
    application.gets_text("new");
    application.text("under the new one");
    client.gets_sealed(&new, &text("under the new one"));
    client.text(&sealed(&old, b"old again"));
    application.gets_text("old again");
    application.text("still under the new one");
    client.gets_sealed(&new, &text("still under the new one"));
    // A message that does not open moves nothing; in another session nothing has moved.
    let (mut other, mut application) = stage.open_with(&old, "");
    application.text("other");
    other.gets_sealed(&old, &text("other"));
}

#[test]
fn message_that_does_not_open_moves_no_key() {
    let (old, new) = (TestKey::numbered("AES-256-GCM", 1), TestKey::numbered("AES-256-GCM", 2));
    let stage = Stage::with("AES-256-GCM", |builder| {
        let old = entry(&old, "valid_after = 2024-01-01T00:00:00Z");
        let keys = old + &entry(&new, "valid_after = 2025-01-01T00:00:00Z");
        builder.key_file(&keys).proxy("[proxy.websocket]\non_bad_message = \"reply\"")
    });
    let (mut client, mut application) = stage.open_with(&old, "");
    let forged = TestKey { secret: vec![7; 32], ..new.clone() };
    client.text(&sealed(&forged, b"forged"));
    client.gets_text(r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#);
    application.text("as before");
    client.gets_sealed(&old, &text("as before"));
}

#[test]
fn at_the_end_of_its_window_the_ring_s_sealing_key_takes_over() {
    let (old, new) = (TestKey::numbered("AES-256-GCM", 1), TestKey::numbered("AES-256-GCM", 2));
    let stage = Stage::with("AES-256-GCM", |builder| builder.key_file(&old.entry()));
    let (mut client, mut application) = stage.open_with(&old, "");
    application.text("one");
    client.gets_sealed(&old, &text("one"));
    // The skew of the clocks still lets it open, but nothing is sealed with it any more.
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(2);
    reload(&stage, &(entry(&old, &format!("valid_until = {past}")) + &new.entry()));
    client.text(&sealed(&old, b"opens"));
    application.gets_text("opens");
    application.text("two");
    client.gets_sealed(&new, &text("two"));
}

#[test]
fn reload_cuts_no_session_and_a_key_that_is_gone_opens_nothing() {
    let (old, new) = (TestKey::numbered("AES-256-GCM", 1), TestKey::numbered("AES-256-GCM", 2));
    let stage = Stage::with("AES-256-GCM", |builder| builder.key_file(&old.entry()));
    let (mut client, mut application) = stage.open_with(&old, "");
    client.text(&sealed(&old, b"one"));
    application.gets_text("one");
    reload(&stage, &new.entry());
    application.text("two");
    client.gets_sealed(&new, &text("two"));
    client.text(&sealed(&new, b"three"));
    application.gets_text("three");
    client.text(&sealed(&old, b"four"));
    client.gets_close(Some((1008, "errorCode 2")));
    application.gets_close(Some((1001, "")));
}

#[test]
fn message_for_which_there_is_no_key_closes_with_1011() {
    let key = TestKey::numbered("AES-256-GCM", 1);
    let stage = Stage::with("AES-256-GCM", |builder| builder.key_file(&key.entry()));
    let (mut client, mut application) = stage.open_with(&key, "");
    // Within the skew of the clocks it opens still, but nothing seals.
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(2);
    reload(&stage, &entry(&key, &format!("valid_until = {past}")));
    client.text(&sealed(&key, b"opens"));
    application.gets_text("opens");
    application.text("nobody can seal this");
    application.gets_close(Some((1011, "")));
    client.gets_close(Some((1001, "")));
    assert_eq!(stage.metric("messages_refused_total", "reason=\"no_key\""), 1.0);
}

#[test]
fn session_goes_on_under_its_key_where_the_proxy_has_other_keys_by_now() {
    let bar = "[keyset.bar]\nfile = \"bar.toml\"\n";
    let other = TestKey::numbered("AES-128-GCM", 2);
    let stage = Stage::with("AES-256-GCM", |sidecar| {
        sidecar.tables(bar).proxy("keys = \"bar\"").file("bar.toml", other.entry())
    });
    let (mut client, mut application) = stage.open_with(&other, "");
    client.text(&sealed(&other, b"one"));
    application.gets_text("one");
    stage.sidecar.reconfigure(|text| text.replace("keys = \"bar\"\n", "").replace(bar, ""));
    eventually("the other keys are gone", || {
        stage.sidecar.status()["keysets"].as_array().unwrap().len() == 1
    });
    client.text(&sealed(&other, b"two"));
    application.gets_text("two");
    application.text("three");
    client.gets_sealed(&other, &text("three"));
}
