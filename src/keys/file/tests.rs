//! Key files that are right, and every way to be wrong.

mod other_forms;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::crypto::{Algorithm, SecretKey};
use crate::keys::{Key, KeyRing, KeyUnavailable, RingFault, Validity};

/// 16 bytes, in each encoding.
const BASE64: &str = "base64:MDEyMzQ1Njc4OWFiY2RlZg==";
const HEX: &str = "hex:30313233343536373839616263646566";
const UTF8: &str = "utf8:0123456789abcdef";
/// Another 16 bytes.
const OTHER: &str = "utf8:fedcba9876543210";

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn parse(text: &str) -> Result<ParsedRing, Faults> {
    parse_key_file(text, "keys.toml", RingPolicy::default(), now())
}

/// One entry of a key file in three lines of its own.
fn key(fingerprint: &str, algorithm: &str, secret: &str) -> String {
    format!("[[key]]\nfingerprint = \"{fingerprint}\"\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\"\n")
}

/// Place, key path and problem of each fault.
fn short<'a>(faults: impl IntoIterator<Item = &'a Fault>) -> Vec<String> {
    let short = |fault: &Fault| {
        let text = fault.to_string();
        text.split_once("\n    remedy: ").unwrap().0["keys.toml:".len()..].to_owned()
    };
    faults.into_iter().map(short).collect()
}

fn faults(text: &str) -> Vec<String> {
    short(parse(text).err().expect("the text has faults").iter())
}

#[test]
fn one_secret_reads_alike_in_each_encoding() {
    for secret in [BASE64, HEX, UTF8] {
        let ring = parse(&key("a", "AES-128-GCM", secret)).unwrap().ring;
        let key = ring.opening_key("a", now()).unwrap();
        assert_eq!(key.secret.bytes(), b"0123456789abcdef");
        assert_eq!(key.secret.algorithm().to_string(), "AES-128-GCM");
    }
}

#[test]
fn every_algorithm_has_a_key() {
    for algorithm in Algorithm::ALL {
        let secret = format!("hex:{}", "5a".repeat(algorithm.key_size.bytes()));
        let ring = parse(&key("a", &algorithm.to_string(), &secret)).unwrap().ring;
        assert_eq!(ring.sealing_key(now()).unwrap().secret.algorithm(), algorithm);
    }
}

#[test]
fn windows_read_as_times_and_as_quoted_times() {
    for (after, until) in [
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00+02:00"),
        ("\"2026-01-01T00:00:00Z\"", "\"2027-01-01T00:00:00+02:00\""),
    ] {
        let text = format!("{}valid_after = {after}\nvalid_until = {until}\n", key("a", "AES-128-GCM", UTF8));
        let ring = parse(&text).unwrap().ring;
        let validity = ring.opening_key("a", now()).unwrap().validity;
        assert_eq!(validity.after, Some("2026-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(validity.until, Some("2026-12-31T22:00:00Z".parse().unwrap()));
    }
}

#[test]
fn each_wrong_line_is_told_with_its_place() {
    let table = [
        (
            "fingerprint = \"\"",
            "2:15: key[0].fingerprint: not a fingerprint: a fingerprint is 1 to 255 visible ASCII characters without spaces",
        ),
        ("fingerprint = 5", "2:15: key[0].fingerprint: expected a fingerprint in quotes, found an integer"),
        (
            "algorithm = \"AES-128-XTS\"",
            "3:13: key[0].algorithm: unknown algorithm; one of AES-128, AES-192 or AES-256 with -GCM, -CFB, -CFB8 or -CTR is expected",
        ),
        (
            "algorithm = \"AES-256-GCM\"",
            "4:10: key[0].secret: AES-256-GCM takes 32 bytes, but this utf8 secret has 16",
        ),
        (
            "secret = \"0123456789abcdef\"",
            "4:10: key[0].secret: the secret of 16 characters does not name its encoding",
        ),
        (
            "secret = \"BASE64:AAAA\"",
            "4:10: key[0].secret: the secret of 11 characters does not name its encoding",
        ),
        (
            "secret = \"base64:MDEyMzQ1Njc4OWFiY2RlZg\"",
            "4:10: key[0].secret: the 22 characters after `base64:` are not standard base64 with its padding",
        ),
        (
            "secret = \"base64:MDEyMzQ1Njc4OWFiY2RlZh==\"",
            "4:10: key[0].secret: the 24 characters after `base64:` are not standard base64 with its padding",
        ),
        (
            "secret = \"hex:0x3031\"",
            "4:10: key[0].secret: the 6 characters after `hex:` are not pairs of hexadecimal digits",
        ),
        (
            "secret = \"hex:303\"",
            "4:10: key[0].secret: the 3 characters after `hex:` are not pairs of hexadecimal digits",
        ),
        (
            "secret = \"utf8:0123456789abcdé\"",
            "4:10: key[0].secret: the 15 characters after `utf8:` are not ASCII",
        ),
        ("secret = \"utf8:\"", "4:10: key[0].secret: AES-128-GCM takes 16 bytes, but this utf8 secret has 0"),
        ("secret = 5", "4:10: key[0].secret: expected a secret in quotes, found an integer"),
        ("valid_after = 2026-01-01T00:00:00", "5:15: key[0].valid_after: a time without an offset"),
        ("valid_after = 2026-01-01", "5:15: key[0].valid_after: a time without an offset"),
        ("valid_after = \"2026-01-01T00:00:00\"", "5:15: key[0].valid_after: not a time with an offset"),
        (
            "valid_after = 1767225600",
            "5:15: key[0].valid_after: expected a time with an offset, found an integer",
        ),
        ("valid_untli = 2026-01-01T00:00:00Z", "5:1: key[0]: unknown key"),
    ];
    for (line, fault) in table {
        let name = line.split('=').next().unwrap();
        let entry = key("a", "AES-128-GCM", UTF8);
        let mut lines: Vec<_> =
            entry.lines().map(|old| if old.starts_with(name) { line } else { old }).collect();
        if !lines.contains(&line) {
            lines.push(line);
        }
        assert_eq!(faults(&lines.join("\n")), [fault], "for the line {line}");
    }
}

#[test]
fn window_that_ends_before_it_begins_is_a_fault() {
    for until in ["2026-01-01T00:00:00Z", "2025-12-31T00:00:00Z"] {
        let entry = key("a", "AES-128-GCM", UTF8);
        let text = format!("{entry}valid_after = 2026-01-01T00:00:00Z\nvalid_until = {until}\n");
        assert_eq!(faults(&text), ["6:15: key[0].valid_until: the window ends before it begins"]);
    }
}

#[test]
fn file_without_a_key_is_a_fault() {
    assert_eq!(faults(""), [" key: there is no key at all"]);
    assert_eq!(faults("key = []"), [" key: there is no key at all"]);
    assert_eq!(
        faults("[key]\nfingerprint = \"a\""),
        ["1:1: key: expected a list of tables, found a value of type table"]
    );
}

#[test]
fn same_bytes_under_two_algorithms_are_a_fault() {
    let text = key("a", "AES-128-GCM", UTF8) + &key("b", "AES-128-CTR", BASE64);
    assert_eq!(
        faults(&text),
        ["8:10: key[1].secret: the same key stands under two algorithms, the first in line 4"]
    );
}

#[test]
fn same_bytes_under_one_algorithm_are_a_warning() {
    let text = key("a", "AES-128-GCM", UTF8) + &key("b", "AES-128-GCM", HEX);
    let parsed = parse(&text).unwrap();
    assert_eq!(
        short(&parsed.warnings),
        ["8:10: key[1].secret: the same key stands under two fingerprints, the first in line 4"]
    );
    assert_eq!(parsed.ring.len(), 2);
}

#[test]
fn duplicate_fingerprint_is_told_even_if_the_entry_is_wrong_otherwise() {
    let text = key("a", "AES-128-GCM", UTF8) + &key("a", "AES-256-GCM", OTHER);
    assert_eq!(
        faults(&text),
        [
            "6:15: key[1].fingerprint: two keys have this fingerprint, the first in line 2",
            "8:10: key[1].secret: AES-256-GCM takes 32 bytes, but this utf8 secret has 16",
        ]
    );
}

#[test]
fn unauthenticated_keys_are_refused_where_that_is_asked_for() {
    let policy = RingPolicy { require_authenticated: true, ..RingPolicy::default() };
    let parse = |text: &str| parse_key_file(text, "keys.toml", policy, now());
    assert!(parse(&key("a", "AES-128-GCM", UTF8)).is_ok());
    for mode in ["CFB", "CFB8", "CTR"] {
        let refused = parse(&key("a", &format!("AES-128-{mode}"), UTF8)).err().unwrap();
        assert_eq!(
            short(refused.iter()),
            ["3:13: key[0].algorithm: the algorithm does not authenticate, and require_authenticated is set"]
        );
    }
}

#[test]
fn primary_must_be_a_key_inside_its_window() {
    let past = "valid_until = 2026-01-01T00:00:00Z\n";
    let entry = key("a", "AES-128-GCM", UTF8);
    let primary = |name: &str| format!("primary = \"{name}\"\n");
    let unknown = ["1:11: primary: no key has the fingerprint that `primary` names"];
    assert_eq!(faults(&(primary("b") + &entry)), unknown);
    let outside = ["1:11: primary: the primary key is outside its window"];
    assert_eq!(faults(&(primary("a") + &entry + past)), outside);
    let younger = key("b", "AES-128-GCM", OTHER) + "valid_after = 2026-05-01T00:00:00Z\n";
    let ring = parse(&(primary("a") + &entry + &younger)).unwrap().ring;
    assert_eq!(ring.sealing_key(now()).unwrap().fingerprint.as_str(), "a");
}

#[test]
fn ring_in_which_nothing_seals_now_is_a_warning() {
    let text = key("a", "AES-128-GCM", UTF8) + "valid_after = 2026-06-01T00:00:01Z\n";
    let parsed = parse(&text).unwrap();
    assert_eq!(short(&parsed.warnings), [" key: no key is valid for sealing now"]);
    assert!(parsed.ring.sealing_key(now()).is_none());
}

#[test]
fn youngest_key_inside_its_window_seals_and_a_later_entry_wins_a_tie() {
    let entry = |name: &str, window: &str| {
        let secret = format!("utf8:{}", name.repeat(16));
        format!("{}{window}\n", key(name, "AES-128-GCM", &secret))
    };
    let text = entry("a", "valid_after = 2026-01-01T00:00:00Z")
        + &entry("b", "valid_after = 2026-05-01T00:00:00Z\nvalid_until = 2026-07-01T00:00:00Z")
        + &entry("c", "valid_after = 2026-05-01T00:00:00Z\nvalid_until = 2026-06-15T00:00:00Z")
        + &entry("d", "")
        + &entry("e", "valid_after = 2026-08-01T00:00:00Z");
    let ring = parse(&text).unwrap().ring;
    let seals = |at: &str| ring.sealing_key(at.parse().unwrap()).unwrap().fingerprint.to_string();
    assert_eq!(seals("2025-06-01T00:00:00Z"), "d", "absent counts as oldest");
    assert_eq!(seals("2026-01-01T00:00:59Z"), "d", "the other side has a minute to get a key");
    assert_eq!(seals("2026-01-01T00:01:00Z"), "a");
    assert_eq!(seals("2026-06-01T00:00:00Z"), "c", "the later entry wins");
    assert_eq!(seals("2026-06-15T00:00:00Z"), "b", "a window ends before its last moment");
    assert_eq!(seals("2026-07-01T00:00:00Z"), "a");
    assert_eq!(seals("2026-08-01T00:00:59Z"), "a");
    assert_eq!(seals("2026-08-01T00:01:00Z"), "e");
}

#[test]
fn key_seals_at_once_if_no_other_could_or_if_it_is_named() {
    let entry = |name: &str, window: &str| {
        let secret = format!("utf8:{}", name.repeat(16));
        format!("{}{window}\n", key(name, "AES-128-GCM", &secret))
    };
    let (old, fresh, fresher) = (
        entry("a", "valid_until = 2026-06-01T00:00:00Z"),
        entry("b", "valid_after = 2026-05-31T23:59:58Z"),
        entry("c", "valid_after = 2026-05-31T23:59:59Z"),
    );
    let seals = |text: &str, at: &str| {
        let ring = parse(text).unwrap().ring;
        ring.sealing_key(at.parse().unwrap()).map(|key| key.fingerprint.to_string())
    };
    let all = format!("{old}{fresh}{fresher}");
    assert_eq!(seals(&all, "2026-05-31T23:59:59Z").as_deref(), Some("a"));
    assert_eq!(seals(&all, "2026-06-01T00:00:00Z").as_deref(), Some("c"), "the newest of those that hold");
    assert_eq!(seals(&all, "2026-06-01T00:00:58Z").as_deref(), Some("b"), "the first that has waited");
    assert_eq!(seals(&all, "2026-06-01T00:00:59Z").as_deref(), Some("c"));
    assert_eq!(seals(&fresher, "2026-05-31T23:59:58Z"), None, "nothing seals outside its window");
    // `now()` of these tests is the beginning of June.
    let named = format!("primary = \"b\"\n{all}");
    assert_eq!(seals(&named, "2026-05-31T23:59:58Z").as_deref(), Some("b"));
}

#[test]
fn opening_grants_the_clock_skew_at_both_ends() {
    let window = "valid_after = 2026-06-01T00:00:00Z\nvalid_until = 2026-07-01T00:00:00Z\n";
    let ring = parse(&(key("a", "AES-128-GCM", UTF8) + window)).unwrap().ring;
    let open = |at: &str| ring.opening_key("a", at.parse().unwrap()).map(|_| ());
    assert_eq!(open("2026-05-31T23:59:29Z"), Err(KeyUnavailable::NotYetValid));
    assert_eq!(open("2026-05-31T23:59:30Z"), Ok(()));
    assert_eq!(open("2026-07-01T00:00:29Z"), Ok(()));
    assert_eq!(open("2026-07-01T00:00:30Z"), Err(KeyUnavailable::Expired));
    assert_eq!(ring.opening_key("b", now()).map(|_| ()), Err(KeyUnavailable::Unknown));
}

#[test]
fn several_faults_are_told_in_the_order_of_the_file() {
    let text = "primary = \"a b\"\nother = 1\n[[key]]\nsecret = \"x\"\n[[key]]\nfingerprint = \"f\"\n";
    assert_eq!(
        faults(text),
        [
            "1:11: primary: not a fingerprint: a fingerprint is 1 to 255 visible ASCII characters without spaces",
            "2:1: unknown key",
            "3:1: key[0].fingerprint: missing",
            "3:1: key[0].algorithm: missing",
            "4:10: key[0].secret: the secret of 1 characters does not name its encoding",
            "5:1: key[1].algorithm: missing",
            "5:1: key[1].secret: missing",
        ]
    );
}

#[test]
fn ring_made_of_keys_is_checked_as_well() {
    let make = |name: &str| {
        let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[7; 16]).unwrap();
        let validity = Validity { after: None, until: Some(now() + Duration::from_secs(1)) };
        Key::new(name.parse().unwrap(), secret, validity)
    };
    let ring = |keys, primary: Option<&str>, at| {
        let primary = primary.map(|name| name.parse().unwrap());
        KeyRing::new(keys, primary.as_ref(), RingPolicy::default(), at).map(|ring| ring.len())
    };
    assert_eq!(ring(vec![], None, now()), Err(vec![RingFault::NoKeys]));
    assert_eq!(ring(vec![make("a"), make("b")], Some("b"), now()), Ok(2));
    assert_eq!(
        ring(vec![make("a"), make("a")], Some("c"), now()),
        Err(vec![RingFault::DuplicateFingerprint { first: 0, second: 1 }, RingFault::UnknownPrimary])
    );
    let later = now() + Duration::from_secs(1);
    assert_eq!(ring(vec![make("a")], Some("a"), later), Err(vec![RingFault::PrimaryOutsideWindow]));
}

#[test]
fn large_file_reads_and_its_faults_are_told_one_by_one() {
    let entry = |index: usize| key(&format!("key-{index}"), "AES-128-GCM", &format!("hex:{index:032x}"));
    let text: String = (0..2_000).map(entry).collect();
    let parsed = parse(&text).unwrap();
    assert_eq!((parsed.ring.len(), parsed.warnings.len()), (2_000, 0));
    let twice = faults(&text.repeat(2));
    assert_eq!(twice.len(), 2_000);
    assert_eq!(
        twice[1_999],
        "15998:15: key[3999].fingerprint: two keys have this fingerprint, the first in line 7998"
    );
}

proptest! {
    // However a key file is broken, nothing of what stands in it as a secret is told.
    #[test]
    fn no_fault_quotes_a_secret(at in 0usize..90, gone in 0usize..12, piece in "[\"'\\[\\]=.#{}\n\\\\a-z é]{0,4}") {
        let whole = key("a", "AES-128-GCM", "utf8:QZXJVWKYQZXJVWKYQ") + "[key]";
        let text: String = whole.chars().take(at).chain(piece.chars()).chain(whole.chars().skip(at + gone)).collect();
        if let Err(faults) = parse(&text) {
            // The one word with these letters that is ours.
            let told = format!("{faults}{faults:?}").replace("JSON", "");
            prop_assert!(!told.contains(['Q', 'J', 'V']), "{}", told);
        }
    }
}
