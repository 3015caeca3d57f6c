//! Passphrases in key files, and JSON documents in place of TOML.

use super::*;
use crate::crypto::encoding::hex_encode;
use crate::crypto::{Iterations, Pbkdf2, Prf};
use crate::keys::{MemberNames, ValueEncoding, ValueForm};
use crate::payload::Pointer;

const PHRASE: &str = "pbkdf2:correct horse";

/// An entry with a passphrase and these parameters.
fn derived(parameters: &str) -> String {
    format!("{}pbkdf2 = {{ {parameters} }}\n", key("a", "AES-128-GCM", PHRASE))
}

#[test]
fn passphrase_becomes_a_key_of_the_algorithms_length() {
    for (parameters, prf, salt) in [
        ("hash = \"sha256\", iterations = 1000, salt = \"utf8:sält\"", Prf::Sha256, "sält".as_bytes()),
        ("hash = \"sha1\", iterations = 1000, salt = \"hex:00ff\"", Prf::Sha1, &[0, 255]),
        ("hash = \"sha512\", iterations = 1000, salt = \"base64:\"", Prf::Sha512, &[]),
    ] {
        for (algorithm, length) in [("AES-128-GCM", 16), ("AES-192-CTR", 24), ("AES-256-CFB", 32)] {
            let text = derived(parameters).replace("AES-128-GCM", algorithm).replace("horse", "hörse\\\"");
            let ring = parse(&text).unwrap().ring;
            let secret = &ring.sealing_key(now()).unwrap().secret;
            let pbkdf2 = Pbkdf2::new(prf, Iterations::try_from(1000).unwrap(), salt.to_vec());
            let expected = pbkdf2.derive("correct hörse\"".as_bytes(), length);
            assert_eq!(hex_encode(secret.bytes()), hex_encode(&expected), "{parameters} for {algorithm}");
        }
    }
}

#[test]
fn parameters_may_stand_in_a_table_of_their_own() {
    let entry = key("a", "AES-128-GCM", PHRASE);
    let text = format!(
        "{entry}[key.pbkdf2]\nhash = \"sha1\"\niterations = 100000\nsalt = \"utf8:\"\n{}",
        key("b", "AES-128-GCM", UTF8)
    );
    let parsed = parse(&text).unwrap();
    assert_eq!((parsed.ring.len(), parsed.warnings.len()), (2, 0));
}

#[test]
fn few_iterations_are_a_warning() {
    let with = |iterations: u32| {
        parse(&derived(&format!("hash = \"sha256\", salt = \"utf8:s\", iterations = {iterations}"))).unwrap()
    };
    assert_eq!(
        short(&with(99_999).warnings),
        ["5:59: key[0].pbkdf2.iterations: with fewer than 100000 iterations the passphrase is soon guessed"]
    );
    assert!(with(100_000).warnings.is_empty());
}

#[test]
fn parameters_are_required_one_by_one_and_told_where_they_are_wrong() {
    assert_eq!(
        faults(&derived("")),
        [
            "5:10: key[0].pbkdf2.hash: missing",
            "5:10: key[0].pbkdf2.iterations: missing",
            "5:10: key[0].pbkdf2.salt: missing",
        ]
    );
    let table = [
        (
            "hash = \"md5\"",
            "5:19: key[0].pbkdf2.hash: unknown hash; one of sha1, sha256 and sha512 is expected",
        ),
        ("hash = 1", "5:19: key[0].pbkdf2.hash: expected the name of a hash, found an integer"),
        ("iterations = 0", "5:25: key[0].pbkdf2.iterations: a derivation takes 1 to 10000000 iterations"),
        (
            "iterations = 10000001",
            "5:25: key[0].pbkdf2.iterations: a derivation takes 1 to 10000000 iterations",
        ),
        (
            "iterations = \"9\"",
            "5:25: key[0].pbkdf2.iterations: expected a number of iterations, found a string",
        ),
        ("salt = \"pepper\"", "5:19: key[0].pbkdf2.salt: the salt does not name its encoding"),
        ("salt = \"pbkdf2:x\"", "5:19: key[0].pbkdf2.salt: the salt does not name its encoding"),
        (
            "salt = \"hex:0\"",
            "5:19: key[0].pbkdf2.salt: what follows `hex:` is not pairs of hexadecimal digits",
        ),
        (
            "salt = \"base64:AA\"",
            "5:19: key[0].pbkdf2.salt: what follows `base64:` is not standard base64 with its padding",
        ),
        ("rounds = 1", "5:12: key[0].pbkdf2: unknown key"),
    ];
    for (wrong, fault) in table {
        let name = wrong.split(' ').next().unwrap();
        let right = ["hash = \"sha1\"", "iterations = 100000", "salt = \"utf8:s\""];
        let rest: Vec<_> = right.into_iter().filter(|right| !right.starts_with(name)).collect();
        assert_eq!(faults(&derived(&format!("{wrong}, {}", rest.join(", ")))), [fault], "for {wrong}");
    }
}

#[test]
fn passphrase_and_parameters_go_together() {
    let parameters = "pbkdf2 = { hash = \"sha1\", iterations = 100000, salt = \"utf8:s\" }\n";
    assert_eq!(
        faults(&key("a", "AES-128-GCM", PHRASE)),
        ["4:10: key[0].pbkdf2: missing, and the secret is a passphrase"]
    );
    assert_eq!(
        faults(&(key("a", "AES-128-GCM", UTF8) + parameters)),
        ["5:10: key[0].pbkdf2: the secret is no passphrase"]
    );
    assert_eq!(
        faults(&(key("a", "AES-128-GCM", "pbkdf2:") + parameters)),
        ["4:10: key[0].secret: the passphrase after `pbkdf2:` is empty"]
    );
    assert_eq!(
        faults(&(key("a", "AES-128-GCM", PHRASE) + "pbkdf2 = 1\n")),
        ["5:10: key[0].pbkdf2: expected a table, found a value of type integer"]
    );
    let without_a_secret = format!("[[key]]\nfingerprint = \"a\"\nalgorithm = \"AES-128-GCM\"\n{parameters}");
    assert_eq!(faults(&without_a_secret), ["1:1: key[0].secret: missing"]);
}

#[test]
fn nothing_is_derived_for_a_file_with_faults_and_the_keys_are_examined_all_the_same() {
    let policy = RingPolicy { require_authenticated: true, ..RingPolicy::default() };
    let mut derivations = Derivations::default();
    let right = derived("hash = \"sha1\", iterations = 10000000, salt = \"utf8:s\"").replace("GCM", "CTR");
    let text = format!("{right}{right}other = 1\n");
    let read = read_key_file(&text, "keys.toml", None, Company::Others, policy, now(), &mut derivations);
    assert_eq!(
        short(read.err().unwrap().iter()),
        [
            "3:13: key[0].algorithm: the algorithm does not authenticate, and require_authenticated is set",
            "7:15: key[1].fingerprint: two keys have this fingerprint, the first in line 2",
            "8:13: key[1].algorithm: the algorithm does not authenticate, and require_authenticated is set",
            "11:1: key[1]: unknown key",
        ]
    );
    assert_eq!(derivations.made(), 0);
}

#[test]
fn file_in_company_is_not_blamed_for_what_another_source_may_hold() {
    let read = |company| {
        let (policy, derivations) = (RingPolicy::default(), &mut Derivations::default());
        let text = "primary = \"z\"\nother = 1\n";
        short(
            read_key_file(text, "keys.toml", None, company, policy, now(), derivations).err().unwrap().iter(),
        )
    };
    assert_eq!(read(Company::Others), ["2:1: unknown key"]);
    assert_eq!(
        read(Company::Alone),
        [
            "1:11: primary: no key has the fingerprint that `primary` names",
            "2:1: unknown key",
            " key: there is no key at all",
        ]
    );
}

fn format() -> DocumentFormat {
    DocumentFormat {
        keys_pointer: Pointer::default(),
        members: MemberNames::default(),
        algorithm: Some("AES-128-GCM".parse().unwrap()),
        value: ValueForm::Encoded(ValueEncoding::Utf8),
        encryption: None,
    }
}

fn read(text: &str, format: Option<&DocumentFormat>) -> Result<SourceKeys, Faults> {
    let (policy, derivations) = (RingPolicy::default(), &mut Derivations::default());
    read_key_file(text, "keys.toml", format, Company::Alone, policy, now(), derivations)
}

#[test]
fn document_in_place_of_toml_is_read_as_its_format_says() {
    for before in ["", "\u{feff}", "\n \t", "\u{feff}\r\n"] {
        let text = format!(r#"{before}[{{"fingerprint":"a","value":"0123456789abcdef"}}]"#);
        let source = read(&text, Some(&format())).unwrap();
        assert_eq!(source.keys[0].secret.bytes(), b"0123456789abcdef");
        let format = DocumentFormat { keys_pointer: "/keys".parse().unwrap(), ..format() };
        let text = format!(r#"{before}{{"keys":{}}}"#, text.trim_start_matches(before));
        assert_eq!(read(&text, Some(&format)).unwrap().keys.len(), 1);
    }
}

#[test]
fn document_without_a_format_is_a_fault_with_its_remedy() {
    for text in ["{", "{}", "[{}]", "[]", " [ ] ", "[[{", "[\n{\"fingerprint\":1}]", "\u{feff}{}"] {
        let told = read(text, None).err().unwrap().to_string();
        let before =
            text.trim_start_matches('\u{feff}').len() - text.trim_start_matches(['\u{feff}', ' ']).len();
        let expected = format!(
            "keys.toml:1:{}: the file is a JSON document, and nothing says how it is laid out\n    remedy: \
             describe the document in [keys.document], or write the keys as TOML",
            before + 1
        );
        assert_eq!(told, expected, "for {text:?}");
    }
}

#[test]
fn toml_stays_toml_whatever_is_known_of_documents() {
    let entry = key("a", "AES-128-GCM", UTF8);
    for text in [
        entry.clone(),
        format!("\n# [{{\n{entry}"),
        entry.replace("[[key]]", "[ [key] ]"),
        entry.replace("[[key]]", "[[ \"key\" ]]"),
    ] {
        let told =
            |format| read(&text, format).map(|source| source.keys.len()).map_err(|faults| faults.to_string());
        assert_eq!(told(Some(&format())), told(None), "for {text}");
    }
    assert_eq!(read(&entry, Some(&format())).unwrap().keys.len(), 1);
}

proptest! {
    // However an entry with a passphrase is broken, nothing of the passphrase or the salt is told.
    #[test]
    fn no_fault_quotes_a_passphrase(at in 0usize..170, gone in 0usize..12, piece in "[\"'\\[\\]{},:=.#\n\\\\a-z é]{0,4}") {
        let whole = key("a", "AES-128-GCM", "pbkdf2:QZXJVWKYQ")
            + "pbkdf2 = { hash = \"sha1\", iterations = 1, salt = \"utf8:QZXJVWKYQ\" }\n[key]";
        let text: String = whole.chars().take(at).chain(piece.chars()).chain(whole.chars().skip(at + gone)).collect();
        if let Err(faults) = parse(&text) {
            // The one word with these letters that is ours.
            let told = format!("{faults}{faults:?}").replace("JSON", "");
            prop_assert!(!told.contains(['Q', 'J', 'V']), "{}", told);
        }
    }
}
