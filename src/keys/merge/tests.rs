//! Several sources to one ring, and what they may contradict each other in.

use super::*;
use crate::keys::{
    Company, Derivations, DocumentFormat, MemberNames, ValueEncoding, ValueForm, read_document, read_key_file,
};
use crate::payload::Pointer;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// A key file with these entries: fingerprint, algorithm, secret, and whatever else.
fn file(head: &str, entries: &[[&str; 4]]) -> SourceKeys {
    let entry = |[fingerprint, algorithm, secret, rest]: &[&str; 4]| {
        format!(
            "[[key]]\nfingerprint = \"{fingerprint}\"\nalgorithm = \"{algorithm}\"\nsecret = \"utf8:{secret}\"\n{rest}\n"
        )
    };
    let text = format!("{head}\n{}", entries.iter().map(entry).collect::<String>());
    let (policy, derivations) = (RingPolicy::default(), &mut Derivations::default());
    read_key_file(&text, "keys.toml", None, Company::Others, policy, now(), derivations).unwrap()
}

fn format() -> DocumentFormat {
    DocumentFormat {
        keys_pointer: "/pos/keys".parse().unwrap(),
        members: MemberNames { algorithm: Some("cipher".to_owned()), ..MemberNames::default() },
        algorithm: Some("AES-128-GCM".parse().unwrap()),
        value: ValueForm::Encoded(ValueEncoding::Utf8),
        encryption: "/pos/keys".parse::<Pointer>().unwrap().sibling("encryption"),
    }
}

/// A portal's document with these keys: fingerprint, value, and whatever else.
fn portal(encryption: &str, keys: &[[&str; 3]]) -> SourceKeys {
    let key = |[fingerprint, value, rest]: &[&str; 3]| {
        format!("{{\"fingerprint\":\"{fingerprint}\",\"value\":\"{value}\"{rest}}}")
    };
    let keys: Vec<_> = keys.iter().map(key).collect();
    let text = format!("{{\"pos\":{{{encryption}\"keys\":[\n{}]}}}}", keys.join(",\n"));
    let (policy, derivations) = (RingPolicy::default(), &mut Derivations::default());
    read_document(&text, "https://portal", &format(), policy, now(), derivations).unwrap()
}

fn merged(sources: &[&SourceKeys]) -> Result<ParsedRing, Vec<String>> {
    merge(sources, RingPolicy::default(), now()).map_err(|faults| short(faults.iter()))
}

/// Each fault without its remedy.
fn short<'a>(faults: impl IntoIterator<Item = &'a Fault>) -> Vec<String> {
    faults
        .into_iter()
        .map(|fault| fault.to_string().split("\n    remedy").next().unwrap().to_owned())
        .collect()
}

fn refused(sources: &[&SourceKeys]) -> Vec<String> {
    merged(sources).err().expect("they make no ring")
}

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";
const GCM: &str = "AES-128-GCM";

#[test]
fn sources_make_one_ring_that_shares_their_keys() {
    let (file, portal) = (file("", &[["a", GCM, A, ""]]), portal("", &[["b", B, ""]]));
    let parsed = merged(&[&file, &portal]).ok().unwrap();
    assert_eq!(parsed.ring.len(), 2);
    assert!(parsed.warnings.is_empty());
    assert!(Arc::ptr_eq(parsed.ring.key("a").unwrap(), &file.keys[0]));
    assert!(Arc::ptr_eq(parsed.ring.key("b").unwrap(), &portal.keys[0]));
    assert_eq!(
        parsed.ring.sealing_key(now()).unwrap().fingerprint.as_str(),
        "b",
        "a later source wins a tie"
    );
}

#[test]
fn same_key_in_two_sources_is_one_key() {
    let file = file("", &[["a", GCM, A, "valid_after = 2026-01-01T00:00:00Z"]]);
    let portal = portal("", &[["a", A, r#","valid_after":"2026-01-01T02:00:00+02:00","valid_until":null"#]]);
    let parsed = merged(&[&file, &portal]).ok().unwrap();
    assert_eq!((parsed.ring.len(), parsed.warnings.len()), (1, 0));
    assert!(Arc::ptr_eq(parsed.ring.key("a").unwrap(), &file.keys[0]), "the first source's");
}

#[test]
fn fingerprint_that_two_sources_define_differently_is_told_with_both() {
    let file = file("", &[["c", GCM, "cccccccccccccccc", ""], ["a", GCM, A, ""]]);
    for (value, rest, differences) in [
        (B, "", "another secret"),
        (A, r#","valid_until":"2027-01-01T00:00:00Z""#, "another window"),
        (B, r#","valid_until":"2027-01-01T00:00:00Z""#, "another secret and another window"),
        (B, r#","cipher":"AES-128-CTR""#, "another algorithm and another secret"),
    ] {
        let portal = portal("", &[["b", "dddddddddddddddd", ""], ["a", value, rest]]);
        assert_eq!(
            refused(&[&file, &portal]),
            [format!(
                "https://portal:3:16: /pos/keys/1/fingerprint: keys.toml:8:15 defines this fingerprint with {differences}"
            )]
        );
        assert_eq!(
            refused(&[&portal, &file]),
            [format!(
                "keys.toml:8:15: key[1].fingerprint: https://portal:3:16 defines this fingerprint with {differences}"
            )]
        );
    }
}

#[test]
fn key_of_one_source_twice_stays_a_fault_of_that_source() {
    let (file, portal) = (file("", &[["a", GCM, A, ""]]), portal("", &[["b", B, ""], ["b", B, ""]]));
    let expected =
        "https://portal:3:16: /pos/keys/1/fingerprint: two keys have this fingerprint, the first in line 2";
    assert_eq!(refused(&[&file, &portal]), [expected]);
    assert_eq!(refused(&[&portal]), [expected]);
}

#[test]
fn all_keys_are_examined_together_and_told_source_by_source() {
    let file = file(
        "",
        &[["a", "AES-128-CTR", A, "valid_after = 2026-01-01T00:00:00Z\nvalid_until = 2025-01-01T00:00:00Z"]],
    );
    let portal = portal(
        "",
        &[
            ["b", A, ""],
            ["c", B, r#","valid_after":"2026-01-01T00:00:00Z","valid_until":"2026-01-01T00:00:00Z""#],
        ],
    );
    let policy = RingPolicy { require_authenticated: true, ..RingPolicy::default() };
    let faults = merge(&[&file, &portal], policy, now()).err().unwrap();
    assert_eq!(
        short(faults.iter()),
        [
            "keys.toml:4:13: key[0].algorithm: the algorithm does not authenticate, and require_authenticated is set",
            "keys.toml:7:15: key[0].valid_until: the window ends before it begins",
            "https://portal:2:28: /pos/keys/0/value: the same key stands under two algorithms, the first in keys.toml:5:10",
            "https://portal:3:98: /pos/keys/1/valid_until: the window ends before it begins",
        ]
    );
}

#[test]
fn same_secret_in_two_sources_under_two_names_is_a_warning() {
    let (file, portal) = (file("", &[["a", GCM, A, ""]]), portal("", &[["b", A, ""]]));
    assert_eq!(
        short(&merged(&[&file, &portal]).ok().unwrap().warnings),
        [
            "https://portal:2:28: /pos/keys/0/value: the same key stands under two fingerprints, the first in keys.toml:5:10"
        ]
    );
}

#[test]
fn primary_may_be_a_key_of_another_source() {
    let younger = r#","valid_after":"2026-05-01T00:00:00Z""#;
    let portal = portal("", &[["a", A, ""], ["b", B, younger]]);
    let named = |name: &str| file(&format!("primary = \"{name}\""), &[]);
    let parsed = merged(&[&named("a"), &portal]).ok().unwrap();
    assert_eq!(parsed.ring.sealing_key(now()).unwrap().fingerprint.as_str(), "a");
    assert_eq!(
        refused(&[&named("z"), &portal]),
        ["keys.toml:1:11: primary: no key has the fingerprint that `primary` names"]
    );
    assert_eq!(
        refused(&[&portal, &named("a"), &named("b")]),
        ["keys.toml:1:11: primary: keys.toml names another key to seal"]
    );
    assert!(merged(&[&named("a"), &portal, &named("a")]).is_ok());
}

#[test]
fn sources_without_any_key_make_no_ring() {
    assert_eq!(refused(&[&file("", &[]), &file("", &[])]), ["keys.toml: key: there is no key at all"]);
    assert_eq!(refused(&[]), ["keys: there is no key at all"]);
}

#[test]
fn switch_of_a_source_is_not_the_rings() {
    let off = portal("\"encryption\":false,", &[["a", A, ""]]);
    assert_eq!(off.encryption, Some(false));
    let ring = merged(&[&off]).ok().unwrap().ring;
    assert!(ring.encryption());
    assert!(!ring.with_encryption(false).encryption());
}

#[test]
fn warnings_of_the_sources_come_before_those_of_the_ring() {
    let mut odd = portal("", &[["a", A, r#","valid_after":"2027-01-01T00:00:00Z""#]]);
    odd.warnings.push(no_source());
    assert_eq!(
        short(&merged(&[&odd]).ok().unwrap().warnings),
        ["keys: there is no key at all", "https://portal: /pos/keys: no key is valid for sealing now"]
    );
}

#[test]
fn key_that_is_named_to_seal_is_waited_for_while_a_source_has_not_spoken() {
    let some = |sources: &[&SourceKeys]| merge_some(sources, RingPolicy::default(), now());
    assert!(some(&[]).ok().unwrap().ring.is_empty());
    let (named, both) = (file("primary = \"b\"", &[]), file("primary = \"b\"", &[["a", GCM, A, ""]]));
    assert!(some(&[&named]).ok().unwrap().ring.is_empty());
    let ring = some(&[&both]).ok().unwrap().ring;
    assert!(ring.opening_key("a", now()).is_ok());
    // Not `a`, which nobody named.
    assert!(ring.sealing_key(now()).is_none());
    let portal = portal("", &[["b", B, ""]]);
    for file in [&named, &both] {
        let ring = merged(&[file, &portal]).ok().unwrap().ring;
        assert_eq!(ring.sealing_key(now()).unwrap().fingerprint.as_str(), "b");
    }
    // What is wrong whoever else speaks is told all the same.
    let twice = file("", &[["a", GCM, A, ""], ["a", GCM, B, ""]]);
    assert!(some(&[&twice]).is_err());
    assert!(merged(&[&both]).is_err());
}
