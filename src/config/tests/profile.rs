//! `[profile.NAME]`.

mod read_back;

use http::StatusCode;

use super::{SMALLEST, faults, parse};
use crate::config::OwnProfile;
use crate::config::profile::Profiles;
use crate::document::{Disclosure, Document, Heading};
use crate::profile::{Draft, PRESETS, Profile};

/// A configuration with a profile of these lines, the first of which is the ninth.
fn with(lines: &str) -> String {
    format!("{SMALLEST}[profile.own]\n{lines}\n")
}

fn own(lines: &str) -> OwnProfile {
    let config = parse(&with(lines)).unwrap_or_else(|faults| panic!("{faults}"));
    let [own] = &config.profiles[..] else { panic!("one profile") };
    assert_eq!(&**own.profile.name(), "own");
    own.clone()
}

/// What a profile of these lines changes of `ale`, and of its preset.
fn changes(lines: &str) -> Vec<(&'static str, String)> {
    own(lines).draft.differences(&Draft::default())
}

/// The one fault of such lines: place, key path and problem; and its remedy.
fn fault(lines: &str) -> (String, String) {
    let text = with(lines);
    let told = faults(&text);
    assert_eq!(told.len(), 1, "{told:?}");
    (told[0].clone(), parse(&text).unwrap_err().iter().next().unwrap().remedy.clone())
}

/// A file with this content, in a directory of its own.
fn file(content: &[u8]) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("iv");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn profile_without_a_line_is_ale() {
    let own = own("");
    assert_eq!((own.name.as_str(), own.preset), ("own", None));
    assert!(own.draft.differences(&Draft::default()).is_empty());
    assert!(matches!(own.profile, Profile::Stream(_)));
}

#[test]
fn preset_alone_is_the_preset() {
    for preset in PRESETS.iter().filter(|preset| preset.name != "kaleyra") {
        let own = own(&format!("preset = \"{}\"", preset.name));
        assert_eq!(own.preset, Some(preset.name));
        assert!(own.draft.differences(&preset.draft()).is_empty(), "{}", preset.name);
    }
}

#[test]
fn every_key_reaches_its_place_over_a_preset() {
    let one_member = [
        ("algorithm", "\"AES-192-GCM\""),
        ("iv", "\"query:iv\""),
        ("iv_length", "12"),
        ("iv_encoding", "\"hex\""),
        ("tag", "\"member:/resource/tag\""),
        ("tag_length", "13"),
        ("tag_encoding", "\"base64url\""),
        ("fingerprint", "\"key:mine\""),
        ("aad", "\"literal:text\""),
        ("scope", "\"member:/resource/sealed\""),
        ("becomes", "\"json\""),
        ("encoding", "\"base64\""),
        ("seal_replies", "false"),
        ("credential_mismatch", "true"),
        ("bodyless_methods", "[\"GET\", \"PURGE\"]"),
    ];
    let of_values = [
        ("algorithm", "\"AES-128-CFB\""),
        ("iv", "\"header:x-iv\""),
        ("danger_static_iv", "true"),
        ("padding", "\"pkcs7\""),
        ("scope", "\"values\""),
        ("encoding", "\"hex\""),
        ("include", "[\"query:a\", \"json:/b/**\", \"header:x-c\", \"form:*\"]"),
        ("exclude", "[\"form:d\"]"),
        ("optional", "[\"query:a\"]"),
        ("literal", "[\"/b/*/n\"]"),
    ];
    let no_tag = [
        ("tag", "\"none\""),
        ("danger_no_tag", "true"),
        ("encoding", "\"base64\""),
        ("content_type", "\"application/json\""),
    ];
    for expected in [&one_member[..], &of_values, &no_tag] {
        let lines: Vec<_> = expected.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let expected: Vec<_> = expected.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        assert_eq!(changes(&lines.join("\n")), expected);
        // What a preset says is written over in the same way.
        let over = own(&format!("preset = \"ccavenue-gcm\"\n{}", lines.join("\n").replace("pkcs7", "none")));
        for (key, value) in expected.iter().filter(|(key, _)| *key != "padding") {
            assert!(over.draft.settings().contains(&(key, value.clone())), "{key}");
        }
    }
}

#[test]
fn answers_of_one_class_change_and_those_of_the_others_stay() {
    let own =
        own("[profile.own.errors.decrypt]\nstatus = 422\ncontent_type = \"text/plain\"\nbody = \"no\"\n\
                   [profile.own.errors.unknown_key]\nstatus = 503");
    let (errors, ale) = (own.draft.errors, Draft::default().errors);
    assert_eq!(errors.headers, ale.headers);
    assert_eq!(errors.decrypt.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (errors.decrypt.content_type.as_bytes(), &errors.decrypt.body[..]),
        (&b"text/plain"[..], &b"no"[..])
    );
    assert_eq!(errors.unknown_key.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(errors.unknown_key.body, ale.unknown_key.body);
    assert_eq!(own.profile.terms().errors.decrypt.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn each_wrong_value_is_told_with_its_place_and_what_to_write() {
    let places = "is no place";
    let table = [
        (
            "preset = \"payone\"",
            "10",
            "\"payone\" is no preset",
            "write one of ale, enterprise-kitchen, kaleyra, payon, sibs, wechatpay-v3, ccavenue-gcm",
        ),
        (
            "algorithm = \"AES-256\"",
            "13",
            "\"AES-256\" is no algorithm",
            "write AES-128, AES-192 or AES-256 with -GCM, -CFB, -CFB8 or -CTR, or \"key\" for each key's own",
        ),
        ("iv = \"sec-iv\"", "6", "\"sec-iv\" ", crate::profile::IvPlace::EXPECTED),
        ("iv_length = 13", "13", "13 is no length of an iv", "write 12, 16 or \"any\""),
        ("iv_length = \"16\"", "13", "\"16\" is no length of an iv", "write 12, 16 or \"any\""),
        (
            "iv_encoding = \"utf8\"",
            "15",
            "\"utf8\" is no encoding",
            "write \"raw\", \"base64\", \"base64url\" or \"hex\"",
        ),
        ("tag = \"behind\"", "7", places, crate::profile::TagPlace::EXPECTED),
        ("tag_length = 8", "14", "8 is no length of a tag", "write 12 to 16; a shorter tag can be guessed"),
        ("fingerprint = \"key:\"", "15", places, crate::profile::KeyNaming::EXPECTED),
        ("aad = \"query:a\"", "7", places, crate::profile::Aad::EXPECTED),
        ("padding = \"zeros\"", "11", "\"zeros\" is no padding", "write \"none\" or \"pkcs7\""),
        ("scope = \"header:x\"", "9", places, crate::profile::ScopePlace::EXPECTED),
        (
            "becomes = \"xml\"",
            "11",
            "\"xml\" is nothing that plaintext can become",
            "write \"body\", \"text\" or \"json\"",
        ),
        ("encoding = 64", "12", "expected an encoding in quotes, found an integer", ""),
        (
            "content_type = \"json\"",
            "16",
            "\"json\" is no content-type",
            "write for example \"application/json\"",
        ),
        ("include = [\"cookie:a\"]", "11", places, crate::profile::Selector::EXPECTED),
        (
            "literal = [\"a\"]",
            "11",
            "\"a\" is no JSON pointer",
            "write \"/MEMBER/MEMBER\", where * is any member and ** at the end any path",
        ),
        ("seal_replies = \"no\"", "16", "expected true or false, found a string", ""),
        (
            "bodyless_methods = [\"get\"]",
            "20",
            "\"get\" is not a method",
            "write methods in capitals, for example \"GET\"",
        ),
    ];
    for (line, column, problem, remedy) in table {
        let key = line.split(' ').next().unwrap();
        let (told, advised) = fault(line);
        assert!(told.starts_with(&format!("9:{column}: profile.own.{key}: ")), "{told}");
        assert!(told.contains(problem), "{told}");
        assert!(advised.contains(remedy) && !advised.is_empty(), "{advised}");
    }
}

#[test]
fn wrong_answers_are_told_with_their_place() {
    let table = [
        (
            "errors.decrypt.status = 200",
            "9:25: profile.own.errors.decrypt.status: 200 is no status of an error",
        ),
        (
            "errors.decrypt.content_type = \"no\"",
            "9:31: profile.own.errors.decrypt.content_type: \"no\" is no content-type",
        ),
        ("errors.decrypt.text = \"no\"", "9:16: profile.own.errors.decrypt.text: unknown key"),
        ("errors.replay.status = 400", "9:8: profile.own.errors.replay: there is no such class of failures"),
        ("errors = 400", "9:10: profile.own.errors: expected a table, found a value of type integer"),
    ];
    for (line, expected) in table {
        assert_eq!(fault(line).0, expected);
    }
}

#[test]
fn what_cannot_work_is_told_where_it_is_written() {
    let (told, remedy) = fault("algorithm = \"AES-256-CFB\"\nencoding = \"hex\"\ntag = \"header:x-tag\"");
    assert_eq!(told, "11:7: profile.own.tag: the algorithm has no tag");
    assert_eq!(remedy, "remove it, or name an algorithm with GCM");
    // Where nothing is written, at the heading.
    let (told, remedy) = fault("iv = \"static\"");
    assert!(told.starts_with("8:1: profile.own.static_iv: the iv is nowhere"), "{told}");
    assert_eq!(remedy, "write static_iv = { file = \"PATH\" } or { env = \"VARIABLE\" }");
    let (told, _) = fault("scope = \"values\"\nencoding = \"hex\"\ninclude = [\"query:a\", \"header:host\"]");
    assert!(told.starts_with("11:11: profile.own.include: host frames or routes"), "{told}");
}

#[test]
fn unknown_key_and_profile_that_is_no_table_are_told() {
    assert_eq!(fault("tags = 1").0, "9:1: profile.own.tags: unknown key");
    let text = format!("profile.own = 1\n{SMALLEST}");
    assert_eq!(faults(&text), ["1:15: profile.own: expected a table, found a value of type integer"]);
}

#[test]
fn profile_of_its_own_that_is_named_like_a_preset_or_is_no_name_is_a_fault() {
    let text = format!("{SMALLEST}[profile.payon]\npreset = \"payon\"");
    assert_eq!(faults(&text), ["8:1: profile.payon: \"payon\" is the name of a preset"]);
    let remedy = parse(&text).unwrap_err().iter().next().unwrap().remedy.clone();
    assert_eq!(remedy, "give it another name, and write preset = \"payon\" in it");
    let text = format!("{SMALLEST}[profile.\"a b\"]\n");
    assert_eq!(faults(&text).len(), 1);
    assert!(faults(&text)[0].ends_with("\"a b\" is not a name"));
}

#[test]
fn static_iv_is_read_from_its_file_as_its_encoding_says() {
    for (content, encoding) in [
        (&b"0123456789abcdef\n"[..], "raw"),
        (b"MDEyMzQ1Njc4OWFiY2RlZg==\n", "base64"),
        (b"30313233343536373839616263646566", "hex"),
    ] {
        let (_directory, path) = file(content);
        let lines = format!(
            "preset = \"kaleyra\"\niv_encoding = \"{encoding}\"\nstatic_iv = {{ file = \"{path}\" }}"
        );
        let own = own(&lines);
        assert_eq!(own.draft.static_iv.unwrap().0.as_bytes(), b"0123456789abcdef");
        assert_eq!(own.static_iv.as_ref().unwrap().to_string(), path);
        assert!(!format!("{own:?}").contains("456789"), "an iv that both sides keep to themselves is shown");
    }
}

#[test]
fn static_iv_that_is_not_there_or_too_short_is_a_fault_that_says_nothing_of_it() {
    let static_iv = |source: &str| fault(&format!("preset = \"kaleyra\"\nstatic_iv = {{ {source} }}"));
    let (_directory, path) = file(b"0123456789abcde\n");
    let (told, remedy) = static_iv(&format!("file = \"{path}\""));
    assert_eq!(told, format!("10:13: profile.own.static_iv: {path} holds no iv of 12 or 16 bytes in raw"));
    assert_eq!(remedy, "iv_encoding says how it is written: raw is the characters themselves");
    let (told, remedy) = static_iv("file = \"none/such\"");
    assert!(told.contains("none/such cannot be read: "), "{told}");
    assert_eq!(remedy, "put the vendor's iv there");
    let (told, _) = static_iv("env = \"ALEWIFE_TEST_HAS_NO_SUCH_VARIABLE\"");
    assert!(told.ends_with("the environment has no ALEWIFE_TEST_HAS_NO_SUCH_VARIABLE"), "{told}");
    let (told, _) = static_iv("env = \"PATH\"");
    assert!(told.ends_with("the environment's PATH holds no iv of 12 or 16 bytes in raw"), "{told}");
}

#[test]
fn static_iv_of_twelve_bytes_where_sixteen_are_said_is_a_fault() {
    let (_directory, path) = file(b"0123456789ab");
    let (told, _) = fault(&format!("preset = \"kaleyra\"\nstatic_iv = {{ file = \"{path}\" }}"));
    assert_eq!(told, "10:13: profile.own.static_iv: it has 12 bytes, and iv_length says 16");
}

#[test]
fn static_iv_that_says_no_place_or_two_is_a_fault() {
    let (told, _) = fault("preset = \"kaleyra\"\nstatic_iv = \"0123456789abcdef\"");
    assert!(told.starts_with("10:13: profile.own.static_iv: expected a table"), "{told}");
    assert!(!told.contains("0123456789abcdef"));
    for source in ["{}", "{ file = \"a\", env = \"B\" }"] {
        let told = faults(&with(&format!("preset = \"kaleyra\"\nstatic_iv = {source}")));
        assert!(told[0].contains("profile.own.static_iv"), "{told:?}");
    }
}

/// What comes of naming `name` where there is a profile `own` and another that is faulty.
fn named(name: &str) -> (Option<Profile>, Vec<String>) {
    let text = "[profile.own]\npreset = \"payon\"\n[profile.faulty]\ntag = 1";
    let (mut document, mut root) = Document::parse("c", text, Disclosure::Quotable).unwrap();
    let section = document.table(&mut root, "profile");
    let profiles = Profiles::read(&mut document, section, std::path::Path::new(""));
    let told = document.fault_count();
    let profile = profiles.named(&mut document, &Heading::default(), name, None);
    let faults = document.into_faults();
    (profile, faults[told..].iter().map(|fault| format!("{}; {}", fault.problem, fault.remedy)).collect())
}

#[test]
fn profile_is_named_by_its_own_name_or_a_presets() {
    for name in ["own", "sibs", "ale"] {
        let (profile, faults) = named(name);
        assert_eq!((&**profile.unwrap().name(), faults), (name, vec![]));
    }
}

#[test]
fn faulty_profile_is_told_once_and_not_again_where_it_is_named() {
    let (profile, faults) = named("faulty");
    assert!(profile.is_none() && faults.is_empty(), "{faults:?}");
}

#[test]
fn name_that_no_profile_has_is_a_fault_with_those_that_there_are() {
    let (profile, faults) = named("payone");
    assert!(profile.is_none());
    assert_eq!(
        faults,
        [
            "there is no profile \"payone\"; there are faulty, own, ale, enterprise-kitchen, kaleyra, payon, sibs, \
          wechatpay-v3, ccavenue-gcm; write [profile.payone], or one of these"
        ]
    );
}

#[test]
fn preset_that_lacks_what_only_its_user_knows_is_a_fault_where_it_is_named() {
    let (profile, faults) = named("kaleyra");
    assert!(profile.is_none());
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert!(fault.starts_with("the preset lacks what only you know: the iv is nowhere"), "{fault}");
    assert!(
        fault.ends_with("write [profile.NAME] with preset = \"kaleyra\" and static_iv, and name that"),
        "{fault}"
    );
}
