//! `alewife ping` through two real sidecars.

use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use super::{Ended, run};
use crate::support::{Origin, Sidecar, SidecarBuilder, TestKey};

fn key() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn near(key: &TestKey, far: SocketAddr) -> SidecarBuilder {
    Sidecar::outbound().keys(&[key]).upstream(far)
}

fn far(key: &TestKey, application: &Origin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(application.address())
}

/// Asks through `near`, by its own configuration with the port that it really got, and more lines for the proxy.
fn ping_with(near: &Sidecar, lines: &str, args: &[&str]) -> Ended {
    let config = near.directory().join("asked.toml");
    let text = format!(
        "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"pos\"\nmode = \"outbound\"\nlisten = \"{}\"\nupstream = \
         \"http://kitchen.test\"\n{lines}\n",
        near.address()
    );
    std::fs::write(&config, text).unwrap();
    run([&["ping", "--config", config.to_str().unwrap(), "--count", "3"], args].concat(), b"")
}

fn ping(near: &Sidecar) -> Ended {
    ping_with(near, "", &[])
}

fn assert_failed(ended: &Ended, expected: &str) {
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""), "{}", ended.text());
    assert!(ended.text().contains(expected), "{}", ended.text());
    assert!(ended.text().ends_with("  not well\n"), "{}", ended.text());
}

#[test]
fn bridge_that_works_is_well() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR", "AES-128-CFB8"] {
        let (key, application) = (TestKey::new(algorithm), Origin::echo());
        let far = far(&key, &application).start();
        let near = near(&key, far.address()).start();
        let ended = ping(&near);
        let text = ended.text();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{text}");
        assert!(text.starts_with(&format!("proxy pos: http://{} -> ", near.address())), "{text}");
        for part in [
            "\n  http: 3 of 3 came back, in ",
            "\n  websocket: 3 of 3 came back, in ",
            "\n  far side: proxy kitchen, alewife ",
            &format!("\n  key: {} ({algorithm})\n", key.fingerprint),
            "\n  wire format: an IV of 16 bytes, replies sealed\n",
            "\n  clocks: ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("\n  all is well\n"), "{text}");
        assert_eq!(application.count(), 0);
    }
}

#[test]
fn json_of_a_bridge_that_works_has_its_numbers() {
    let (key, application) = (key(), Origin::echo());
    let far = far(&key, &application).start();
    let near = near(&key, far.address()).start();
    let ended = ping_with(&near, "", &["--json", "--proxy", "pos"]);
    assert_eq!(ended.status, 0, "{}", ended.text());
    let told: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let bridge = &told[0];
    assert_eq!((&bridge["well"], &bridge["differs"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    assert_eq!(bridge["far"]["fingerprint"], *key.fingerprint);
    assert_eq!((&bridge["far"]["ivBytes"], &bridge["far"]["sealsReplies"]), (&16.into(), &true.into()));
    for leg in [&bridge["http"], &bridge["websocket"]] {
        let ms = |name: &str| leg[name].as_f64().unwrap();
        assert_eq!(leg["count"], 3);
        assert!(0.0 < ms("minMs") && ms("minMs") <= ms("medianMs") && ms("medianMs") <= ms("maxMs"), "{leg}");
    }
}

#[test]
fn keys_that_differ_are_told() {
    let application = Origin::echo();
    let mut other = key();
    other.secret[5] ^= 1;
    let far = far(&other, &application).start();
    let near = near(&key(), far.address()).start();
    assert_failed(
        &ping(&near),
        "  http: the far side refused with 400 Bad Request, errorCode 2: it cannot open what this side seals\n    \
         remedy: give both sides the same key, and see that both clocks are inside its window\n",
    );
}

#[test]
fn keys_that_differ_and_prove_nothing_are_told() {
    let (application, key) = (Origin::echo(), TestKey::new("AES-256-CTR"));
    let mut other = key.clone();
    other.secret[5] ^= 1;
    let far = far(&other, &application).start();
    let near = near(&key, far.address()).start();
    assert_failed(&ping(&near), "  http: the answer (200 OK) is not that of a sidecar\n");
}

#[test]
fn key_that_the_far_side_lacks_is_told() {
    let application = Origin::echo();
    let far =
        far(&TestKey::numbered("AES-256-GCM", 1), &application).proxy("credential_mismatch = true").start();
    let near = near(&key(), far.address()).start();
    assert_failed(&ping(&near), "errorCode 3: it does not know the key that this side seals with\n");
}

#[test]
fn clock_outside_the_window_is_told() {
    let application = Origin::echo();
    let later = format!("{}valid_after = 2999-01-01T00:00:00Z\n", key().entry());
    let open = TestKey::numbered("AES-256-GCM", 1).entry();
    let far = Sidecar::inbound().key_file(&(later + &open)).upstream(application.address()).start();
    let near = near(&key(), far.address()).start();
    assert_failed(&ping(&near), "errorCode 2: it cannot open what this side seals\n");
}

#[test]
fn far_side_that_is_down_is_told() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let near = near(&key(), down).start();
    assert_failed(
        &ping(&near),
        "  http: the near sidecar does not reach the far side\n    remedy: start the far side",
    );
}

#[test]
fn far_side_that_is_no_alewife_is_told() {
    let stranger = Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let asked = near(&key(), stranger.address()).start();
    assert_failed(&ping(&asked), "  http: the near sidecar does not believe the far side's reply: ");
    let stranger = Origin::fixed(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno");
    let asked = near(&key(), stranger.address()).start();
    assert_failed(
        &ping(&asked),
        "  http: the far side refused with 404 Not Found\n    remedy: see whether an Alewife",
    );
}

#[test]
fn far_side_that_answers_no_pings_is_told() {
    let (key, application) = (key(), Origin::echo());
    let far = far(&key, &application).proxy("answer_ping = false").start();
    let near = near(&key, far.address()).start();
    assert_failed(
        &ping(&near),
        "  http: the answer (200 OK) is not that of a sidecar\n    remedy: see that ",
    );
    assert_eq!(application.count(), 1);
}

#[test]
fn replies_that_are_plain_must_be_expected() {
    let (key, application) = (key(), Origin::echo());
    let far = far(&key, &application).proxy("seal_replies = false").start();
    let strict = near(&key, far.address()).start();
    assert_failed(&ping(&strict), "  http: the near sidecar does not believe the far side's reply: ");
    let expecting = near(&key, far.address()).proxy("replies = \"plain\"").start();
    let ended = ping_with(&expecting, "replies = \"plain\"", &[]);
    assert_eq!(ended.status, 0, "{}", ended.text());
    assert!(ended.text().contains("replies plain, so nothing was echoed\n"), "{}", ended.text());
}

#[test]
fn near_side_without_a_key_that_seals_is_told() {
    let (key, application) = (key(), Origin::echo());
    let far = far(&key, &application).start();
    let later = format!("{}valid_after = 2999-01-01T00:00:00Z\n", key.entry());
    let near = Sidecar::outbound().key_file(&later).upstream(far.address()).start();
    assert_failed(&ping(&near), "  http: the near sidecar has no key that seals now\n");
}

#[test]
fn near_side_that_seals_with_another_key_than_its_file_says_is_told() {
    let (old, new, application) = (key(), TestKey::numbered("AES-256-GCM", 1), Origin::echo());
    let far = far(&old, &application).start();
    let near = near(&old, far.address()).start();
    // Another file than the one that the near sidecar follows.
    std::fs::write(near.directory().join("other.toml"), new.entry()).unwrap();
    let config = near.directory().join("other.config.toml");
    let text = format!(
        "[keys]\nfile = \"other.toml\"\n[[proxy]]\nname = \"pos\"\nmode = \"outbound\"\nlisten = \"{}\"\nupstream = \
         \"http://kitchen.test\"\n",
        near.address()
    );
    std::fs::write(&config, text).unwrap();
    let ended = run(["ping", "--config", config.to_str().unwrap()], b"");
    let expected = format!(
        "  differs: the far side opened with {} (AES-256-GCM), but by this side's key file {} (AES-256-GCM) seals\n",
        old.fingerprint, new.fingerprint
    );
    assert_failed(&ended, &expected);
}
