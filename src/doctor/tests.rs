mod vendor;

use std::time::Duration;

use proptest::prelude::*;

use self::vendor::{Right, Vendor};
use super::*;
use crate::crypto::encoding::Encoding;
use crate::profile::{IvLengths, Padding};

/// As many captures as the command is shown by.
const CAPTURES: u64 = 200;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// Time without end, except for derivations that take long.
fn ample() -> Duration {
    Duration::from_millis(40)
}

fn examined(vendor: &Vendor) -> Diagnosis {
    let capture = Capture::read(&vendor.capture).unwrap();
    let Vendor { key, iv, aad, .. } = vendor;
    let case = Case { capture: &capture, key, iv: iv.as_deref(), salt: None, aad: aad.as_deref() };
    examine(&case, &ample, now())
}

/// Two encodings of which nothing in a text tells which it is.
fn is_encoding(right: Encoding, found: Encoding) -> bool {
    let is_base64 = |encoding| matches!(encoding, Encoding::Base64 | Encoding::Base64Url);
    right == found || is_base64(right) && is_base64(found)
}

/// In what a finding is not what is right.
fn differences(right: &Right, finding: &Finding) -> Vec<&'static str> {
    let draft = finding.draft();
    let length = match draft.iv_length {
        // Then the message says it.
        IvLengths::Any => right.iv_length,
        IvLengths::Only(length) => length.bytes(),
    };
    let is_gcm = right.algorithm.is_authenticated();
    let mut plain: Vec<&[u8]> = finding.plaintexts().map(|(_, plain)| plain).collect();
    let mut sealed: Vec<&[u8]> = right.plain.iter().map(|plain| &plain[..]).collect();
    plain.sort_unstable();
    sealed.sort_unstable();
    let checks = [
        ("algorithm", finding.algorithm() == right.algorithm),
        ("scope", draft.scope.to_string() == right.scope),
        ("encoding", is_encoding(right.encoding, draft.encoding)),
        ("iv", draft.iv.to_string() == right.iv),
        ("iv_length", length == right.iv_length),
        ("iv_encoding", right.iv_encoding.is_none_or(|right| is_encoding(right, draft.iv_encoding))),
        ("tag", !is_gcm || draft.tag.to_string() == right.tag),
        ("tag_length", !is_gcm || draft.tag_length.bytes() == right.tag_length),
        ("tag_encoding", right.tag_encoding.is_none_or(|right| is_encoding(right, draft.tag_encoding))),
        ("aad", !is_gcm || draft.aad.to_string() == right.aad),
        ("padding", (draft.padding == Padding::Pkcs7) == right.is_padded),
        ("plaintext", plain == sealed),
        ("include", draft.include.is_empty()),
    ];
    checks.into_iter().filter(|(_, is_right)| !is_right).map(|(name, _)| name).collect()
}

#[test]
fn right_profile_is_found_for_each_generated_capture_and_no_wrong_one_is_proven() {
    for seed in 0..CAPTURES {
        let vendor = vendor::capture(seed);
        let diagnosis = examined(&vendor);
        let right = &vendor.right;
        let told: Vec<_> =
            diagnosis.findings.iter().map(|finding| (finding.proof(), differences(right, finding))).collect();
        if right.algorithm.is_authenticated() {
            assert!(!told.is_empty(), "{seed}: nothing is found; {right:?} {:?}", diagnosis.hints);
            for (proof, wrong) in &told {
                assert_eq!(*proof, Proof::Proven(right.tag_length), "{seed}: {right:?}");
                assert_eq!(*wrong, [""; 0], "{seed}: {right:?}");
            }
        } else {
            assert!(!diagnosis.findings.iter().any(Finding::is_proven), "{seed}: {right:?}");
            assert!(
                told.iter().any(|(_, wrong)| wrong.is_empty()),
                "{seed}: {told:?} {right:?} {:?}",
                diagnosis.hints
            );
        }
    }
}

#[test]
fn captures_under_another_key_are_in_no_profile() {
    // Each goes through everything there is to try, which takes its time.
    for seed in (0..CAPTURES).step_by(5) {
        let vendor = vendor::capture(seed);
        let other = Vendor { key: b"ZYXWVUTSRQPONMLKJIHGFEDCBA987654".to_vec(), ..vendor };
        let diagnosis = examined(&other);
        assert!(diagnosis.findings.is_empty(), "{seed}: {:?}", diagnosis.findings[0].table());
        assert!(!diagnosis.hints.is_empty(), "{seed}");
    }
}

fn diagnose(capture: &[u8], key: &[u8]) -> Diagnosis {
    let capture = Capture::read(capture).unwrap();
    examine(&Case { capture: &capture, key, iv: None, salt: None, aad: None }, &ample, now())
}

#[test]
fn published_example_of_payon_is_the_preset_and_nothing_else() {
    let capture = b"POST /hook HTTP/1.1\nHost: shop\nContent-Type: text/plain\nX-Initialization-Vector: 000000000000000000000000\n\
        X-Authentication-Tag: CE573FB7A41AB78E743180DC83FF09BD\n\n0A3471C72D9BE49A8520F79C66BBD9A12FF9\n";
    let diagnosis = diagnose(capture, b"000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\n");
    assert_eq!(diagnosis.findings.len(), 1);
    assert_eq!(diagnosis.findings[0].table(), ["[profile.vendor]", "preset = \"payon\""]);
    assert_eq!(diagnosis.findings[0].plaintexts().next().unwrap().1, b"{\"type\":\"PAYMENT\"}");
}

/// AES-256-GCM under the 32 characters, with a fixed IV of 12 bytes.
fn sealed(plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let algorithm = "AES-256-GCM".parse().unwrap();
    let key = crate::crypto::SecretKey::new(algorithm, KEY).unwrap();
    crate::crypto::seal(&key, &[7; 12], aad, plain).unwrap().to_vec()
}

const KEY: &[u8] = b"a key of thirty-two characters!!";

fn hints(capture: &[u8], key: &[u8]) -> String {
    let diagnosis = diagnose(capture, key);
    assert!(diagnosis.findings.is_empty(), "{:?}", diagnosis.findings[0].table());
    diagnosis.hints.join("\n")
}

#[test]
fn near_misses_are_told_with_what_keeps_them_from_opening() {
    let text = "{\"dish\":\"soup of the day\",\"table\":4}";
    let base64 = |bytes: &[u8]| String::from_utf8(Encoding::Base64.encode(bytes)).unwrap();
    let whole = sealed(text.as_bytes(), b"");
    let request = |iv: &str, body: &str| format!("POST / HTTP/1.1\nx-iv: {iv}\n\n{body}").into_bytes();
    let iv = base64(&[7; 12]);
    let told = base64(&whole);
    let cases = [
        (request(&iv, &format!("{}\n{}", &told[..20], &told[20..])), "white space or line ends"),
        (request(&iv, &format!("0x{}", crate::crypto::encoding::hex_encode(&whole))), "begins with 0x"),
        (request(&iv, &base64(&whole[..whole.len() - 8])), "tag of 8 bytes"),
        (
            request(&base64(&[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 9, 9, 9, 9]), &told),
            "first 12 of the 16 bytes",
        ),
        (request(&iv, &base64(&sealed(text.as_bytes(), b"secret context"))), "additional data is missing"),
        (request("none", &told), "nothing in the capture is an iv"),
    ];
    for (capture, hint) in cases {
        let hints = hints(&capture, KEY);
        assert!(hints.contains(hint), "{hint:?} is not in {hints}");
    }
    let short = hints(&request(&iv, &told), b"a key of thirty-one characters!");
    assert!(short.contains("the key has 31 characters"), "{short}");
    let cut = format!("POST / HTTP/1.1\nx-iv: {iv}\ncontent-length: 999\n\n{}", &told[..40]);
    assert!(hints(cut.as_bytes(), KEY).contains("content-length says 999"));
}

#[test]
fn key_that_is_derived_anew_for_each_message_is_a_near_miss_and_no_profile() {
    let iterations = crate::crypto::Iterations::try_from(1000).unwrap();
    let bytes = crate::crypto::Pbkdf2::new(Prf::Sha256, iterations, vec![7; 12]).derive(b"sesame", 32);
    let key = crate::crypto::SecretKey::new("AES-256-GCM".parse().unwrap(), &bytes).unwrap();
    let body = crate::crypto::seal(&key, &[7; 12], b"", b"{\"dish\":\"soup\"}").unwrap();
    let capture = format!("x-iv: {}\n\n{}", "07".repeat(12), crate::crypto::encoding::hex_encode(&body));
    assert!(hints(capture.as_bytes(), b"sesame").contains("a key of its own, derived with its iv as salt"));
}

#[test]
fn message_of_a_websocket_is_in_the_preset_of_its_stream() {
    let message = crate::crypto::encoding::base64_encode(&sealed(b"{\"order\":1}", b""));
    let capture =
        format!("{{\"iv\":\"BwcHBwcHBwcHBwcH\",\"fingerprint\":\"pos-1\",\"message\":\"{message}\"}}\n");
    let diagnosis = diagnose(capture.as_bytes(), KEY);
    assert_eq!(diagnosis.findings.len(), 1);
    assert_eq!(diagnosis.findings[0].table(), ["[profile.vendor]", "preset = \"ale\""]);
}

#[test]
fn nothing_is_told_of_plaintext_or_key_unless_it_is_asked_for() {
    let vendor = vendor::capture(0);
    let capture = Capture::read(&vendor.capture).unwrap();
    let diagnosis = examined(&vendor);
    let quiet = diagnosis.lines(&capture, false).join("\n");
    assert!(!quiet.contains("PAYMENT") && !quiet.contains("Pier 39"), "{quiet}");
    let key = String::from_utf8_lossy(&vendor.key);
    assert!(!quiet.contains(key.trim()) && quiet.contains(":…\""), "{quiet}");
    let plain = String::from_utf8(vendor.right.plain[0].clone()).unwrap();
    assert!(diagnosis.lines(&capture, true).join("\n").contains(&plain));
}

#[test]
fn what_could_steer_a_terminal_is_escaped() {
    let body = crate::crypto::encoding::base64_encode(&sealed("{\"a\":\"\u{202e}\u{7f}\"}".as_bytes(), b""));
    let capture = format!("{{\"iv\":\"BwcHBwcHBwcHBwcH\",\"\u{9b}31m\\u001b[2J\":\"{body}\"}}");
    let capture = Capture::read(capture.as_bytes()).unwrap();
    let case = Case { capture: &capture, key: KEY, iv: None, salt: None, aad: None };
    let lines = examine(&case, &ample, now()).lines(&capture, true);
    assert!(lines.iter().any(|line| line.contains("\\u001b[2J")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.chars().any(|c| c.is_control() || c == '\u{202e}')), "{lines:?}");
}

#[test]
fn no_time_is_told_and_nothing_is_tried() {
    let capture = Capture::read(&vendor::capture(0).capture).unwrap();
    let case = Case { capture: &capture, key: KEY, iv: None, salt: None, aad: None };
    let diagnosis = examine(&case, &|| Duration::ZERO, now());
    assert!(diagnosis.is_cut_short && diagnosis.findings.is_empty());
}

#[test]
fn what_is_no_capture_is_refused() {
    let fault = |text: &[u8]| Capture::read(text).err();
    assert_eq!(fault(b" \r\n"), Some(CaptureFault::Empty));
    assert_eq!(fault(&vec![b'a'; Capture::MOST + 1]), Some(CaptureFault::TooLong));
    assert_eq!(fault(b"GET / HTTP/1.1\nno header\n\n"), Some(CaptureFault::NotAHeader { line: 2 }));
    assert_eq!(fault(b"GET /\xff\xfe HTTP/1.1\n\n"), Some(CaptureFault::Target));
}

#[test]
fn captures_are_taken_for_what_they_are() {
    let cases: [(&[u8], CaptureKind, &[u8]); 8] = [
        (b"POST /a HTTP/1.1\r\nx: y\r\n\r\n\x00\n", CaptureKind::Request, b"\x00"),
        (b"POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\n\x00\n", CaptureKind::Request, b"\x00\n"),
        (
            b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
            CaptureKind::Request,
            b"abc",
        ),
        (b"x-iv: 00\nx-tag: 11\n\nbody\n", CaptureKind::Headers, b"body"),
        (b"{\"a\":\"b\"}\n", CaptureKind::Json, b"{\"a\":\"b\"}"),
        (b"a=1&b=2\n", CaptureKind::Form, b"a=1&b=2"),
        (b"/callback?a=1\n", CaptureKind::Query, b""),
        (b"c291cA==\n", CaptureKind::Bytes, b"c291cA=="),
    ];
    for (text, kind, body) in cases {
        let capture = Capture::read(text).unwrap();
        assert_eq!((capture.kind(), &capture.body[..]), (kind, body), "{}", String::from_utf8_lossy(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_cut_or_changed_ends_and_proves_nothing_else(
        seed in 0..CAPTURES,
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        is_cut in any::<bool>(),
    ) {
        let mut vendor = vendor::capture(seed);
        let at = at.index(vendor.capture.len());
        if is_cut { vendor.capture.truncate(at) } else { vendor.capture[at] ^= 1 << bit }
        if let Ok(capture) = Capture::read(&vendor.capture) {
            let Vendor { key, iv, aad, right, .. } = &vendor;
            let case = Case { capture: &capture, key, iv: iv.as_deref(), salt: Some("salt"), aad: aad.as_deref() };
            let diagnosis = examine(&case, &ample, now());
            prop_assert!(!diagnosis.lines(&capture, true).is_empty());
            for finding in diagnosis.findings.iter().filter(|finding| finding.is_proven()) {
                prop_assert!(finding.plaintexts().all(|(_, plain)| right.plain.iter().any(|right| right == plain)));
            }
        }
    }

    #[test]
    fn any_bytes_end_and_prove_nothing(text in prop::collection::vec(any::<u8>(), 0..200), key in prop::collection::vec(any::<u8>(), 1..40)) {
        if let Ok(capture) = Capture::read(&text) {
            let case = Case { capture: &capture, key: &key, iv: None, salt: Some(""), aad: None };
            let diagnosis = examine(&case, &ample, now());
            prop_assert!(!diagnosis.findings.iter().any(Finding::is_proven));
            prop_assert!(!diagnosis.lines(&capture, true).is_empty());
        }
    }
}
