//! `alewife doctor` as an operator calls it.

use std::time::{Duration, Instant};

use alewife::crypto::{Iterations, Pbkdf2, Prf, SecretKey, encoding, seal};

use super::{Ended, alewife, run};

/// AES-256-GCM in the format `ale` under these 32 characters.
const KEY: &str = "a key of thirty-two characters!!";

fn request(key: &[u8], aad: &[u8]) -> Vec<u8> {
    let key = SecretKey::new("AES-256-GCM".parse().unwrap(), key).unwrap();
    let body = seal(&key, &[7; 16], aad, br#"{"dish":"secret soup"}"#).unwrap();
    let iv = encoding::base64_encode(&[7; 16]);
    let head = format!(
        "POST /orders HTTP/1.1\r\nsec-iv: {iv}\r\nsec-fingerprint: pos-1\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Runs it with the key in a file.
fn doctor(capture: &[u8], key: &str, args: &[&str]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vendor.key");
    std::fs::write(&path, key).unwrap();
    run([&["doctor", "--key-file", path.to_str().unwrap()], args].concat(), capture)
}

#[test]
fn sealed_order_is_found_to_be_the_default_format_and_stays_secret() {
    let ended = doctor(&request(KEY.as_bytes(), b""), &format!("{KEY}\n"), &[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let text = ended.text();
    assert!(text.contains("1. proven: a tag of 16 bytes verifies") && !text.contains("2. "), "{text}");
    assert!(text.contains("   preset = \"ale\"\n\n") && text.contains("fingerprint = \"pos-1\""), "{text}");
    assert!(!text.contains("soup") && !text.contains("thirty-two"), "{text}");
    let shown = doctor(&request(KEY.as_bytes(), b""), KEY, &["--show", "-"]);
    assert!(shown.text().contains("body: {\"dish\":\"secret soup\"}"));
}

#[test]
fn passphrase_and_additional_data_are_found_within_five_seconds() {
    let derivation = Pbkdf2::new(Prf::Sha256, Iterations::try_from(10_000).unwrap(), b"kitchen".to_vec());
    let capture = request(&derivation.derive(b"open sesame", 32), b"version 1");
    let started = Instant::now();
    let ended = doctor(&capture, "open sesame\n", &["--salt", "kitchen", "--aad", "version 1"]);
    assert!(started.elapsed() < Duration::from_secs(5));
    let text = ended.ok();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("aad = \"literal:version 1\""), "{text}");
    assert!(
        text.contains("pbkdf2 = { hash = \"sha256\", iterations = 10000, salt = \"utf8:kitchen\" }"),
        "{text}"
    );
}

#[test]
fn nothing_that_opens_it_is_1_within_five_seconds() {
    let started = Instant::now();
    let ended = doctor(&request(KEY.as_bytes(), b""), "another key", &[]);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    assert!(ended.text().contains("Nothing opens it.") && ended.text().contains("the key has 11 characters"));
}

#[test]
fn near_miss_is_told_however_long_the_derivations_take() {
    let sealed = request(KEY.as_bytes(), b"");
    let body = encoding::base64_encode(&sealed[sealed.len() - 38..]);
    let iv = encoding::base64_encode(&[7; 16]);
    let capture = format!("x-iv: {iv}\n\n{}\r\n{}\n", &body[..20], &body[20..]);
    let ended = doctor(capture.as_bytes(), KEY, &[]);
    assert_eq!(ended.status, 1);
    let expected =
        "body opens, and its tag is right under AES-256-GCM, but its text has white space or line ends in it";
    assert!(ended.text().contains(expected), "{}", ended.text());
}

#[test]
fn what_cannot_be_read_is_2_and_a_wrong_command_line_64() {
    let refused = |ended: Ended, status, message: &str| {
        assert_eq!((ended.status, ended.text()), (status, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    };
    refused(doctor(b"", KEY, &[]), 2, "nothing was captured");
    refused(doctor(b"x", "\n", &[]), 2, "the key is empty");
    refused(doctor(b"x", &"k".repeat(5000), &[]), 2, "which is no key");
    refused(doctor(b"x", KEY, &["no-such-file"]), 2, "no-such-file");
    refused(run(["doctor", "--key-env", "ALEWIFE_NO_SUCH_KEY"], b"x"), 2, "no variable ALEWIFE_NO_SUCH_KEY");
    refused(run(["doctor"], b"x"), 64, "--key-file");
}

#[test]
fn key_may_stand_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("captured");
    std::fs::write(&path, request(KEY.as_bytes(), b"")).unwrap();
    let args = ["doctor", path.to_str().unwrap(), "--key-env", "VENDOR_KEY"];
    let child = alewife(args).env("VENDOR_KEY", KEY).spawn().unwrap();
    assert_eq!(Ended::of(child).status, 0);
}
