//! `alewife seal --form message` and `alewife open --form message`, each other's inverse.

use alewife::crypto::{Algorithm, encoding};
use serde_json::{Value, json};

use super::{Ended, KeyFile, run};
use crate::support::TestKey;

const GCM: &str = "AES-256-GCM";

fn seal(keys: &KeyFile, plain: &[u8]) -> Vec<u8> {
    run(["seal", "--form", "message", "--keys", &keys.path()], plain).ok()
}

fn open(keys: &KeyFile, envelope: &[u8]) -> Ended {
    run(["open", "--form", "message", "--keys", &keys.path()], envelope)
}

fn member(envelope: &Value, name: &str) -> Vec<u8> {
    encoding::base64_decode(envelope[name].as_str().unwrap().as_bytes()).unwrap()
}

/// An envelope as somebody else writes it.
fn envelope(key: &TestKey, plain: &[u8]) -> Value {
    let iv = key.fresh_iv();
    json!({
        "message": encoding::base64_encode(&key.seal_with(&iv, plain)),
        "fingerprint": key.fingerprint,
        "iv": encoding::base64_encode(&iv),
    })
}

#[test]
fn every_algorithm_seals_to_one_line_of_json_and_opens_it_again() {
    for algorithm in Algorithm::ALL {
        let key = TestKey::new(&algorithm.to_string());
        let file = KeyFile::of(&[&key]);
        for plain in [&b"two soups\n"[..], b"", b"\xff\x00\r\n\xfe", &[b'x'; 100_000]] {
            let sealed = seal(&file, plain);
            assert_eq!(sealed.iter().position(|byte| *byte == b'\n'), Some(sealed.len() - 1));
            let read: Value = serde_json::from_slice(&sealed).unwrap();
            assert_eq!((read.as_object().unwrap().len(), &read["fingerprint"]), (3, &json!(key.fingerprint)));
            let (iv, ciphertext) = (member(&read, "iv"), member(&read, "message"));
            assert_eq!((iv.len(), key.open_with(&iv, &ciphertext).as_deref()), (16, Some(plain)));
            assert_eq!(open(&file, &sealed).ok(), plain, "{algorithm}");
        }
    }
}

#[test]
fn envelope_from_elsewhere_opens_however_it_is_laid_out() {
    let key = TestKey::new(GCM);
    let file = KeyFile::of(&[&key]);
    let mut written = envelope(&key, b"soup");
    written["more"] = json!({"iv": [1, null]});
    let spread = serde_json::to_string_pretty(&written).unwrap();
    for text in [written.to_string(), spread.clone(), spread.replace('/', "\\/").replace("iv", "\\u0069v")] {
        assert_eq!(open(&file, text.as_bytes()).ok(), b"soup", "{text}");
    }
}

#[test]
fn envelope_that_does_not_open_shows_nothing_and_names_the_error_and_the_reason() {
    let (key, stranger) = (TestKey::new(GCM), TestKey::numbered(GCM, 1));
    let file = KeyFile::of(&[&key]);
    let refused = |envelope: &str, reason: &str| {
        let ended = open(&file, envelope.as_bytes());
        assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]), "{reason}");
        assert_eq!(ended.stderr, format!("alewife open: the message does not open: errorCode {reason}\n"));
    };
    let altered = |name: &str, value: Value| {
        let mut envelope = envelope(&key, b"soup");
        envelope[name] = value;
        envelope.to_string()
    };
    for text in ["", "isAlive?", "[]", "\"x\"", "{} {}"] {
        refused(text, "1: bad_envelope");
    }
    refused(&altered("message", json!(7)), "1: bad_envelope");
    refused("{}", "1: missing_iv");
    refused(&altered("message", Value::Null), "1: missing_message");
    refused(&altered("iv", json!("AAAAAAAAAAAAAAAAAAAAAA==")), "1: bad_iv");
    refused(&altered("fingerprint", json!("a b")), "1: bad_fingerprint");
    refused(&altered("message", json!("Zh==")), "2: bad_message");
    refused(&altered("message", json!("Zg==")), "2: not_authentic");
    refused(&envelope(&stranger, b"soup").to_string(), "2: unknown_fingerprint");
}

#[test]
fn error_in_clear_is_called_by_its_name() {
    let file = KeyFile::of(&[&TestKey::new(GCM)]);
    let ended = open(&file, br#"{"errorCode":2,"message":"Unable to decrypt payload"}"#);
    assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]));
    assert_eq!(
        ended.stderr,
        "alewife open: the message is no envelope but an error in clear, errorCode 2: Unable to decrypt payload\n"
    );
    let ended = open(&file, b"{\"errorCode\":3,\"message\":\"\\u001b[31m\\u009b\"}");
    let harmless = "the message is no envelope but an error in clear, errorCode 3: \u{fffd}[31m\u{fffd}\n";
    assert_eq!(ended.stderr, format!("alewife open: {harmless}"));
}

#[test]
fn envelope_under_another_key_than_the_named_one_is_refused() {
    let (first, second) = (TestKey::new(GCM), TestKey::new("AES-256-CTR"));
    let file = KeyFile::of(&[&first, &second]);
    let sealed = envelope(&first, b"soup").to_string();
    let named = |key: &TestKey| {
        let args = ["open", "--form", "message", "--keys", &file.path(), "--fingerprint", &key.fingerprint];
        run(args, sealed.as_bytes())
    };
    assert_eq!(named(&first).ok(), b"soup");
    let ended = named(&second);
    assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]));
    let (actual, wanted) = (&first.fingerprint, &second.fingerprint);
    assert_eq!(
        ended.stderr,
        format!("alewife open: the message is sealed with the key {actual}, not with {wanted}\n")
    );
}

#[test]
fn form_that_does_not_exist_is_a_wrong_command_line() {
    let file = KeyFile::of(&[&TestKey::new(GCM)]);
    for command in ["seal", "open"] {
        let ended = run([command, "--keys", &file.path(), "--form", "letter"], b"");
        assert_eq!((ended.status, &ended.stdout[..]), (64, &b""[..]));
        assert!(ended.stderr.contains("http, message"), "{}", ended.stderr);
    }
}
