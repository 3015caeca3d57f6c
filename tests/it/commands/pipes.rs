//! `alewife seal` and `alewife open`, each other's inverse.

use std::io::Write;

use alewife::crypto::{Algorithm, encoding};
use proptest::prelude::*;

use super::{Ended, KeyFile, alewife, first_bytes, run};
use crate::support::TestKey;

const GCM: &str = "AES-256-GCM";

fn seal(keys: &KeyFile, fingerprint: &str, message: &[u8]) -> Ended {
    run(["seal", "--keys", &keys.path(), "--fingerprint", fingerprint], message)
}

fn open(keys: &KeyFile, message: &[u8]) -> Ended {
    run(["open", "--keys", &keys.path()], message)
}

fn all_keys() -> Vec<TestKey> {
    Algorithm::ALL.iter().map(|algorithm| TestKey::new(&algorithm.to_string())).collect()
}

/// Splits behind the first empty line, whichever line ends the head has: the body may hold the other kind.
fn split(message: &[u8]) -> (String, Vec<u8>) {
    let behind = |empty: &[u8]| {
        message.windows(empty.len()).position(|bytes| bytes == empty).map(|at| at + empty.len())
    };
    let end = [behind(b"\n\n"), behind(b"\r\n\r\n")].into_iter().flatten().min().unwrap();
    (String::from_utf8(message[..end].to_vec()).unwrap(), message[end..].to_vec())
}

fn value<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// A message as someone may write it: any order, letter case, line ends, repeated headers, any body.
fn message() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let start = prop_oneof![
        Just(None),
        Just(Some("POST /orders?a=b HTTP/1.1")),
        Just(Some("HTTP/1.1 201 Created")),
        Just(Some("HTTP/1.1 200"))
    ];
    let field = prop_oneof![
        "[xX]-[a-zA-Z0-9]{1,12}:[ ]{0,2}[!-~é]{0,20}[ ]{0,2}",
        Just("content-encoding: gzip".to_owned()),
        Just("content-encoding:br, gzip".to_owned()),
        Just("transfer-encoding: chunked".to_owned()),
    ];
    let fields = proptest::collection::vec(field, 0..6);
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    (start, fields, body, any::<bool>(), any::<bool>()).prop_map(|(start, mut fields, body, length, crlf)| {
        if length {
            fields.insert(fields.len() / 2, format!("Content-Length: {}", body.len()));
        }
        let end = if crlf { "\r\n" } else { "\n" };
        let lines = start.into_iter().map(str::to_owned).chain(fields);
        let head: String = lines.map(|line| line + end).collect::<String>() + end;
        (head.into_bytes(), body)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sealed_opens_to_the_same_bytes(
        (head, body) in message(),
        number in 0..Algorithm::ALL.len(),
    ) {
        let keys = all_keys();
        let file = KeyFile::of(&keys.iter().collect::<Vec<_>>());
        let plain = [head, body].concat();
        let sealed = seal(&file, &keys[number].fingerprint, &plain).ok();
        prop_assert_ne!(&sealed, &plain);
        let opened = open(&file, &sealed).ok();
        prop_assert_eq!(opened.escape_ascii().to_string(), plain.escape_ascii().to_string());
    }
}

#[test]
fn every_algorithm_seals_what_its_key_opens() {
    let keys = all_keys();
    let file = KeyFile::of(&keys.iter().collect::<Vec<_>>());
    for key in &keys {
        let sealed = seal(&file, &key.fingerprint, b"\ntwo soups").ok();
        let (head, body) = split(&[b"\n", &sealed[..]].concat());
        assert_eq!(value(&head, "sec-fingerprint"), key.fingerprint);
        let iv = encoding::base64_decode(value(&head, "sec-iv").as_bytes()).unwrap();
        assert_eq!((iv.len(), body.len()), (16, 9 + key.algorithm.tag_len()), "{}", key.algorithm);
        assert_eq!(key.open_with(&iv, &body).unwrap(), b"two soups", "{}", key.algorithm);
        assert_eq!(open(&file, &sealed).ok(), b"\ntwo soups", "{}", key.algorithm);
    }
}

#[test]
fn sealed_message_keeps_every_line_but_those_of_the_envelope_and_the_length() {
    let key = TestKey::new(GCM);
    let file = KeyFile::of(&[&key]);
    let plain =
        b"POST /orders HTTP/1.1\r\nHost:  a\r\nsec-iv: old\r\nSec-Fingerprint: old\r\nContent-Length: 4\r\n\
        x-ale-content-encoding: old\r\nContent-Encoding: gzip\r\nx-b: c\r\n\r\nsoup";
    let sealed = seal(&file, &key.fingerprint, plain).ok();
    let (head, body) = split(&sealed);
    let iv = value(&head, "sec-iv");
    let expected = format!(
        "POST /orders HTTP/1.1\r\nHost:  a\r\nContent-Length: 20\r\nx-ale-content-encoding: gzip\r\nx-b: c\r\n\
         sec-iv: {iv}\r\nsec-fingerprint: {}\r\n\r\n",
        key.fingerprint
    );
    assert_eq!(head, expected);
    assert_eq!(body.len(), 20);
}

#[test]
fn key_that_seals_is_the_rings_unless_another_is_named() {
    let (first, second) = (TestKey::new(GCM), TestKey::new("AES-128-CTR"));
    let file =
        KeyFile::with(&format!("primary = \"{}\"\n{}{}", first.fingerprint, first.entry(), second.entry()));
    let sealed = run(["seal", "--keys", &file.path()], b"\nx").ok();
    assert!(sealed.windows(first.fingerprint.len()).any(|window| window == first.fingerprint.as_bytes()));
    let sealed = seal(&file, &second.fingerprint, b"\nx").ok();
    assert!(sealed.windows(second.fingerprint.len()).any(|window| window == second.fingerprint.as_bytes()));
    let ended = seal(&file, "nobody", b"\nx");
    assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]));
    assert_eq!(
        ended.stderr,
        format!(
            "alewife seal: {}: nobody: no key has this fingerprint; append its entry to the file, or leave \
             --fingerprint out\n",
            file.path()
        )
    );
}

#[test]
fn message_that_was_changed_or_cut_shows_nothing_and_names_the_error() {
    let key = TestKey::new(GCM);
    let file = KeyFile::of(&[&key]);
    let sealed = seal(&file, &key.fingerprint, b"x-a: b\n\nsoup").ok();
    let body = sealed.len() - 20;
    let refused = |message: &[u8], what: &str| {
        let ended = open(&file, message);
        assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]), "{what}");
        assert_eq!(
            ended.stderr, "alewife open: the message does not open: errorCode 2: not_authentic\n",
            "{what}"
        );
    };
    for place in body..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1 << (place % 8);
        refused(&changed, &format!("byte {place} changed"));
        refused(&sealed[..place], &format!("cut at {place}"));
    }
    refused(&[&sealed[..], b"x"].concat(), "one byte more");
}

#[test]
fn message_whose_envelope_is_wrong_names_the_error_and_the_reason() {
    let key = TestKey::new(GCM);
    let expired = TestKey::new("AES-128-GCM");
    let window = "valid_until = 2001-01-01T00:00:00Z\n";
    let file = KeyFile::with(&format!("{}{}{window}", key.entry(), expired.entry()));
    let (iv, fingerprint) =
        ("sec-iv: AQAAAAAAAAAAAAAAAAAAAA==\n", format!("sec-fingerprint: {}\n", key.fingerprint));
    let cases = [
        (fingerprint.clone(), "1: missing_iv"),
        (iv.to_owned(), "1: missing_fingerprint"),
        (format!("{iv}{iv}{fingerprint}"), "1: bad_iv"),
        (format!("sec-iv: AAAAAAAAAAAAAAAAAAAAAA==\n{fingerprint}"), "1: bad_iv"),
        (format!("{iv}{fingerprint}{fingerprint}"), "1: bad_fingerprint"),
        (format!("{iv}sec-fingerprint: other\n"), "2: unknown_fingerprint"),
        (format!("{iv}sec-fingerprint: {}\n", expired.fingerprint), "2: expired"),
        (
            format!("{iv}{fingerprint}content-encoding: gzip\nx-ale-content-encoding: gzip\n"),
            "1: conflicting_encoding",
        ),
    ];
    for (head, reason) in cases {
        let ended = open(&file, format!("{head}\n0123456789abcdef").as_bytes());
        assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]), "{reason}");
        assert_eq!(ended.stderr, format!("alewife open: the message does not open: errorCode {reason}\n"));
    }
}

#[test]
fn only_a_method_that_may_be_bodyless_opens_without_a_byte_under_gcm() {
    let key = TestKey::new(GCM);
    let file = KeyFile::of(&[&key]);
    let envelope = key.envelope(&key.fresh_iv());
    let bodyless = |line: &str| open(&file, format!("{line}{envelope}\r\n").as_bytes());
    assert_eq!(bodyless("GET /menu HTTP/1.1\r\n").ok(), b"GET /menu HTTP/1.1\r\n\r\n");
    for line in ["POST /orders HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", ""] {
        assert_eq!(bodyless(line).status, 1, "{line:?}");
    }
}

#[test]
fn message_under_another_key_than_the_named_one_is_refused() {
    let (first, second) = (TestKey::new(GCM), TestKey::new("AES-256-CTR"));
    let file = KeyFile::of(&[&first, &second]);
    let sealed = seal(&file, &first.fingerprint, b"\nsoup").ok();
    let named =
        |key: &TestKey| run(["open", "--keys", &file.path(), "--fingerprint", &key.fingerprint], &sealed);
    assert_eq!(named(&first).ok(), b"\nsoup");
    let ended = named(&second);
    assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]));
    let (actual, wanted) = (&first.fingerprint, &second.fingerprint);
    assert_eq!(
        ended.stderr,
        format!("alewife open: the message is sealed with the key {actual}, not with {wanted}\n")
    );
}

#[test]
fn input_that_is_no_message_is_told() {
    let key = TestKey::new(GCM);
    let file = KeyFile::of(&[&key]);
    let cases: [(&[u8], &str); 6] = [
        (b"", "no empty line ends the headers; a body without headers begins with an empty line"),
        (b"x-a: b\n", "no empty line ends the headers; a body without headers begins with an empty line"),
        (b"x-a: b\n{\"dish\":1}\n\n", "line 2 is not a header such as content-type: application/json"),
        (b"x-a: b\n folded\n\n", "line 2 is not a header such as content-type: application/json"),
        (b"content-length: 4\ncontent-length: 4\n\nsoup", "content-length is not one number"),
        (b"content-length: 5\n\nsoup", "content-length says 5, but the body has 4 bytes"),
    ];
    for (input, fault) in cases {
        let ended = seal(&file, &key.fingerprint, input);
        assert_eq!((ended.status, ended.stderr), (1, format!("alewife seal: {fault}\n")));
    }
    let sealed = seal(&file, &key.fingerprint, b"content-length: 4\n\nsoup").ok();
    let ended = open(&file, &sealed[..sealed.len() - 1]);
    assert_eq!((ended.status, &ended.stdout[..]), (1, &b""[..]));
    assert_eq!(ended.stderr, "alewife open: content-length says 20, but the body has 19 bytes\n");
}

#[test]
fn wrong_key_file_or_command_line_has_its_number() {
    let file = KeyFile::with("[[key]]\nfingerprint = \"a\"\n");
    for command in ["seal", "open"] {
        let ended = run([command, "--keys", &file.path()], b"\n");
        assert_eq!(ended.status, 78);
        assert!(ended.stderr.contains("algorithm"), "{}", ended.stderr);
        assert_eq!(run([command], b"\n").status, 64);
    }
}

#[test]
fn stream_ciphers_are_sealed_and_opened_while_the_input_still_comes() {
    let key = TestKey::new("AES-256-CFB");
    let file = KeyFile::of(&[&key]);
    let shown = |command: &str, input: &[u8], wanted: usize| {
        let mut child = alewife([command, "--keys", &file.path()]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        stdin.flush().unwrap();
        let output = first_bytes(&mut child, wanted);
        drop(stdin);
        assert_eq!(Ended::of(child).status, 0);
        output
    };
    let iv = key.fresh_iv();
    let sealed = [key.envelope(&iv).as_bytes(), b"\r\n", &key.seal_with(&iv, b"soup")].concat();
    assert_eq!(shown("open", &sealed, 6), b"\r\nsoup");
    let head = key.envelope(&iv).len() + 2;
    assert_eq!(shown("seal", b"\r\nsoup", head + 4).len(), head + 4);
}
