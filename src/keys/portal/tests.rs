//! Documents that are right, and every way to be wrong.

mod any_input;

use super::*;
use crate::crypto::{Iterations, Prf};
use crate::keys::merge;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// The vendor's site object, with one level of services.
fn format() -> DocumentFormat {
    let keys_pointer: Pointer = "/services/pos/keys".parse().unwrap();
    DocumentFormat {
        encryption: keys_pointer.sibling("encryption"),
        keys_pointer,
        members: MemberNames::default(),
        algorithm: Some("AES-128-GCM".parse().unwrap()),
        value: ValueForm::Encoded(ValueEncoding::Base64),
    }
}

fn read_as(format: &DocumentFormat, text: &str) -> Result<SourceKeys, Faults> {
    read_document(text, "portal", format, RingPolicy::default(), now(), &mut Derivations::default())
}

fn read(text: &str) -> Result<SourceKeys, Faults> {
    read_as(&format(), text)
}

/// Place, path and problem of each fault.
fn short(faults: &Faults) -> Vec<String> {
    let short = |fault: &Fault| {
        assert!(!fault.remedy.is_empty());
        let text = fault.to_string();
        text.split_once("\n    remedy: ").unwrap().0["portal:".len()..].to_owned()
    };
    faults.iter().map(short).collect()
}

fn faults_as(format: &DocumentFormat, text: &str) -> Vec<String> {
    short(&read_as(format, text).err().expect("the document has faults"))
}

/// The faults of these members as the only key, without the part of the path that they share.
fn faults_of_key(members: &str) -> Vec<String> {
    let format = DocumentFormat { keys_pointer: Pointer::default(), encryption: None, ..format() };
    faults_as(&format, &format!("[{{{members}}}]"))
}

const SITE: &str = r#"{"id":17,"name":"caf\u00e9","services":{
 "kitchen":{"encryption":false,"keys":[]},
 "pos":{"keys":[
  {"fingerprint":"old","value":"MDEyMzQ1Njc4OWFiY2RlZg==","valid_after":"2026-01-01T00:00:00Z","valid_until":"2026-07-01T00:00:00.000+02:00"},
  {"id":[{},1e9,null],"valid_after":"2026-05-01T00:00:00Z","value":"ZmVkY2JhOTg3NjU0MzIxMA==","valid_until":null,"fingerprint":"ne\/w"}],
  "encryption":true}}}"#;

#[test]
fn site_object_of_the_vendor_is_read() {
    let source = read(SITE).unwrap();
    assert_eq!((&*source.name, source.encryption, source.primary.is_none()), ("portal", Some(true), true));
    let [old, new] = &source.keys[..] else { panic!("two keys") };
    assert_eq!((old.fingerprint.as_str(), new.fingerprint.as_str()), ("old", "ne/w"));
    assert_eq!(
        (old.secret.bytes(), new.secret.bytes()),
        (&b"0123456789abcdef"[..], &b"fedcba9876543210"[..])
    );
    assert_eq!(old.validity.after, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(old.validity.until, Some("2026-06-30T22:00:00Z".parse().unwrap()));
    assert_eq!(
        (new.validity.after, new.validity.until),
        (Some("2026-05-01T00:00:00Z".parse().unwrap()), None)
    );
    let ring = merge(&[&source], RingPolicy::default(), now()).unwrap().ring;
    assert_eq!(ring.sealing_key(now()).unwrap().fingerprint.as_str(), "ne/w");
}

#[test]
fn vault_of_the_second_version_is_read() {
    let text = r#"{"request_id":"1","data":{"data":{"keys":[{"fp":"a","key":"30313233343536373839616263646566","cipher":"aes-128-ctr"},
        {"fp":"b","key":"30313233343536373839616263646566"}]},"metadata":{"version":3}}}"#;
    let members = MemberNames {
        fingerprint: "fp".to_owned(),
        value: "key".to_owned(),
        algorithm: Some("cipher".to_owned()),
        ..MemberNames::default()
    };
    let value = ValueForm::Encoded(ValueEncoding::Hex);
    let format =
        DocumentFormat { keys_pointer: "/data/data/keys".parse().unwrap(), members, value, ..format() };
    let source = read_as(&format, text).unwrap();
    let algorithms: Vec<_> = source.keys.iter().map(|key| key.secret.algorithm().to_string()).collect();
    assert_eq!(algorithms, ["AES-128-CTR", "AES-128-GCM"]);
}

#[test]
fn passphrases_are_derived_once_and_forgotten_when_no_source_uses_them() {
    let pbkdf2 = Pbkdf2::new(Prf::Sha256, Iterations::try_from(2).unwrap(), b"salt".to_vec());
    let value = ValueForm::Derived(pbkdf2.clone());
    let format = DocumentFormat { keys_pointer: Pointer::default(), encryption: None, value, ..format() };
    let mut derivations = Derivations::default();
    let read = |text: &str, derivations: &mut Derivations| {
        read_document(text, "portal", &format, RingPolicy::default(), now(), derivations).ok()
    };
    let (a, b) = (r#"{"fingerprint":"a","value":"caf\u00e9 1"}"#, r#"{"fingerprint":"b","value":"café 2"}"#);
    let first = read(&format!("[{a}]"), &mut derivations).unwrap();
    assert_eq!(first.keys[0].secret.bytes(), &**pbkdf2.derive("café 1".as_bytes(), 16));
    assert_eq!((derivations.made(), derivations.len()), (1, 1));
    let both = read(&format!("[{a},{b}]"), &mut derivations).unwrap();
    assert_eq!((derivations.made(), derivations.len()), (2, 2));
    derivations.retain(&[&first, &both]);
    assert_eq!(derivations.len(), 2);
    derivations.retain(&[&first]);
    assert_eq!(derivations.len(), 1);
    read(&format!("[{a}]"), &mut derivations).unwrap();
    assert_eq!(derivations.made(), 2);
    read(&format!("[{b}]"), &mut derivations).unwrap();
    assert_eq!(derivations.made(), 3, "it was forgotten");
    // One that is wrong otherwise takes no time.
    assert!(read(r#"[{"fingerprint":"c","value":"3"},{"fingerprint":"d"}]"#, &mut derivations).is_none());
    assert!(read(r#"[{"fingerprint":"c","value":""}]"#, &mut derivations).is_none());
    assert_eq!(derivations.made(), 3);
    derivations.retain(&[]);
    assert!(derivations.is_empty());
}

#[test]
fn texts_that_are_no_json_are_told_with_their_place() {
    for (text, fault) in [
        ("", "1:1: the document is empty"),
        (" \n ", "2:1: the document is empty"),
        ("{\"é\":1,\n\"é\": }", "2:6: not JSON: expected value"),
        ("{} {}", "1:4: not JSON: trailing characters"),
        ("<html>", "1:1: not JSON: expected value"),
        ("{\"a\":\"b", "1:7: the document ends in the middle"),
        (
            "{\"a\":\"\u{1}\"}",
            "1:6: not JSON: control character (\\u0000-\\u001F) found while parsing a string",
        ),
        ("{\"a\":nul}", "1:9: not JSON: expected ident"),
    ] {
        assert_eq!(faults_as(&format(), text), [fault], "for {text:?}");
    }
}

#[test]
fn pointer_that_leads_nowhere_is_told_as_far_as_it_leads() {
    let no_list = " /services/pos/keys: expected a list of keys, found ";
    for (text, fault) in [
        ("{}", "1:1: /services: missing in what stands here".to_owned()),
        ("{\"services\":{\"kds\":{}}}", "1:13: /services/pos: missing in what stands here".to_owned()),
        ("[]", "1:1: /services: missing in what stands here".to_owned()),
        ("17", "1:1: /services: a number stands here, which holds nothing".to_owned()),
        ("{\"services\":null}", "1:13: /services/pos: null stands here, which holds nothing".to_owned()),
        (
            "{\"services\":{\"pos\":\"x\"}}",
            "1:20: /services/pos/keys: a string stands here, which holds nothing".to_owned(),
        ),
        ("{\"services\":{},\"services\":{}}", "1:16: /services: this member stands twice".to_owned()),
        ("{\"services\":{\"pos\":{\"keys\":{}}}}", format!("1:28:{no_list}an object")),
        ("{\"services\":{\"pos\":{\"keys\":null}}}", format!("1:28:{no_list}null")),
        ("{\"services\":{\"pos\":{\"keys\":true}}}", format!("1:28:{no_list}a boolean")),
        (
            "{\"services\":{\"pos\":{\"keys\":[ ]}}}",
            "1:28: /services/pos/keys: there is no key in the list".to_owned(),
        ),
    ] {
        let format = DocumentFormat { encryption: None, ..format() };
        assert_eq!(faults_as(&format, text), [fault], "for {text}");
    }
}

#[test]
fn pointer_may_lead_through_lists() {
    let format = |pointer: &str| DocumentFormat {
        keys_pointer: pointer.parse().unwrap(),
        encryption: None,
        ..format()
    };
    let text = r#"[0,[{"fingerprint":"a","value":"MDEyMzQ1Njc4OWFiY2RlZg=="}]]"#;
    assert_eq!(read_as(&format("/1"), text).unwrap().keys.len(), 1);
    for pointer in ["/2", "/01", "/-", "/a", "/18446744073709551616"] {
        let expected = format!("1:1: {pointer}: missing in what stands here");
        assert_eq!(faults_as(&format(pointer), text), [expected]);
    }
}

#[test]
fn switch_is_read_where_there_is_one() {
    let switch = |said: &str| {
        let text = SITE.replace("  \"encryption\":true", said).replace("],\n}", "]}");
        read(&text).map(|source| source.encryption).map_err(|faults| short(&faults))
    };
    assert_eq!(switch("\"encryption\":false"), Ok(Some(false)));
    assert_eq!(switch("\"encryption\":null"), Ok(None));
    assert_eq!(switch("\"other\":1"), Ok(None));
    let wrong = "6:14: /services/pos/encryption: expected true or false, found a string".to_owned();
    assert_eq!(switch("\"encryption\":\"no\""), Err(vec![wrong]));
    let twice = "6:19: /services/pos/encryption: this member stands twice".to_owned();
    assert_eq!(switch("\"encryption\":true,\"encryption\":false"), Err(vec![twice]));
    let on_the_way = SITE.replace("\"id\":17", "\"services\":{}");
    assert_eq!(faults_as(&format(), &on_the_way), ["1:35: /services: this member stands twice"]);
    let elsewhere = DocumentFormat { encryption: Some("/a/b".parse().unwrap()), ..format() };
    let text = SITE.replace("\"id\":17", "\"a\":{\"b\":false},\"a\":{}");
    assert_eq!(faults_as(&elsewhere, &text), ["1:18: /a: this member stands twice"]);
    let format = DocumentFormat { encryption: None, ..format() };
    assert_eq!(read_as(&format, SITE).unwrap().encryption, None);
}

#[test]
fn switch_is_known_of_a_document_that_is_wrong_elsewhere() {
    let switch = |text: &str| switch_of(text, &format());
    assert_eq!(switch(SITE), Some(true));
    let wrong = |switch: &str| format!("{{\"services\":{{\"pos\":{{\"encryption\":{switch},\"keys\":7}}}}}}");
    assert_eq!(switch(&wrong("true")), Some(true));
    assert_eq!(switch(&format!("\u{feff}{}", wrong("false"))), Some(false));
    for nothing in ["null", "\"true\"", "1", "true,\"encryption\":true"] {
        assert_eq!(switch(&wrong(nothing)), None, "{nothing}");
    }
    for text in ["", "{", "[]", "{}", "<html>"] {
        assert_eq!(switch(text), None, "{text}");
    }
    assert_eq!(switch_of(SITE, &DocumentFormat { encryption: None, ..format() }), None);
}

#[test]
fn each_wrong_member_is_told_with_its_place() {
    let right = [r#""fingerprint":"a""#, r#""value":"MDEyMzQ1Njc4OWFiY2RlZg==""#];
    for (wrong, fault) in [
        (r#""fingerprint":17"#, "1:17: /0/fingerprint: expected a string, found a number"),
        (
            r#""fingerprint":"a b""#,
            "1:17: /0/fingerprint: not a fingerprint: a fingerprint is 1 to 255 visible ASCII characters without spaces",
        ),
        (r#""fingerprint":null"#, "1:2: /0/fingerprint: missing"),
        (r#""value":["x"]"#, "1:11: /0/value: expected a string, found a list"),
        (r#""value":null"#, "1:2: /0/value: missing"),
        (r#""value":"MDEy""#, "1:11: /0/value: AES-128-GCM takes 16 bytes, but this base64 value has 3"),
        (
            r#""value":"MDEyMzQ1Njc4OWFiY2RlZg""#,
            "1:11: /0/value: the 22 characters of the value are not standard base64 with its padding",
        ),
        (r#""value":"\ud800""#, "1:11: /0/value: a \\u in this string is half of a surrogate pair"),
    ] {
        let name = wrong.split(':').next().unwrap();
        let rest: Vec<_> = right.into_iter().filter(|right| !right.starts_with(name)).collect();
        assert_eq!(faults_of_key(&format!("{wrong},{}", rest.join(","))), [fault], "for {wrong}");
    }
    for (wrong, fault) in [
        (r#""valid_after":"2026-01-01T00:00:00""#, "1:70: /0/valid_after: not a time with an offset"),
        (r#""valid_after":"2026-01-01""#, "1:70: /0/valid_after: not a time with an offset"),
        (r#""valid_until":1767225600"#, "1:70: /0/valid_until: expected a string, found a number"),
        (r#""value":"""#, "1:56: /0/value: this member stands twice"),
        (r#""valu\u0065":null"#, "1:56: /0/value: this member stands twice"),
        (
            r#""valid_after":null,"valid_after":"2026-01-01T00:00:00Z""#,
            "1:75: /0/valid_after: this member stands twice",
        ),
    ] {
        assert_eq!(faults_of_key(&format!("{},{wrong}", right.join(","))), [fault], "for {wrong}");
    }
}

#[test]
fn faults_of_all_keys_are_told_together_and_with_those_among_the_keys() {
    let format =
        DocumentFormat { keys_pointer: Pointer::default(), encryption: None, algorithm: None, ..format() };
    assert_eq!(
        faults_as(&format, "[7,\n{\"fingerprint\":\"a\"},\n{\"fingerprint\":\"a\",\"value\":\"x\"}]"),
        [
            "1:2: /0: expected a key, which is an object, found a number",
            "2:1: /1/value: missing",
            "2:1: /1: there is no algorithm for this key",
            "3:1: /2: there is no algorithm for this key",
            "3:16: /2/fingerprint: two keys have this fingerprint, the first in line 2",
        ]
    );
}

#[test]
fn names_with_signs_of_pointers_are_escaped_in_paths() {
    let members = MemberNames { value: "a/~b".to_owned(), ..MemberNames::default() };
    let format = DocumentFormat { keys_pointer: Pointer::default(), encryption: None, members, ..format() };
    assert_eq!(faults_as(&format, r#"[{"fingerprint":"a"}]"#), ["1:2: /0/a~1~0b: missing"]);
}

#[test]
fn members_that_are_nobodys_are_passed_over() {
    let text = SITE.replace("\"id\":17", "\"\\ud800\":\"\\ud800\",\"id\":1,\"id\":[[[{\"a\":0,\"a\":1}]]]");
    assert_eq!(read(&text).unwrap().keys.len(), 2);
}

#[test]
fn documents_of_great_depth_are_faults_or_passed_over() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let whole = DocumentFormat { keys_pointer: Pointer::default(), encryption: None, ..format() };
    assert_eq!(faults_as(&whole, &deep), ["1:2: /0: expected a key, which is an object, found a list"]);
    assert_eq!(faults_as(&format(), &deep), ["1:1: /services: missing in what stands here"]);
    assert_eq!(faults_as(&format(), &"[".repeat(100_000)), ["1:100000: the document ends in the middle"]);
    assert_eq!(
        faults_as(&format(), &"{\"a\":".repeat(100_000)),
        ["1:500000: the document ends in the middle"]
    );
    assert_eq!(read(&SITE.replace("[{},1e9,null]", &deep)).unwrap().keys.len(), 2);
    let value = SITE.replace("\"MDEyMzQ1Njc4OWFiY2RlZg==\"", &deep);
    let [fault] = &faults_as(&format(), &value)[..] else { panic!("one fault") };
    assert!(fault.ends_with("/services/pos/keys/0/value: expected a string, found a list"), "{fault}");
}

#[test]
fn large_document_in_one_line_is_read_and_its_faults_are_told_one_by_one() {
    let key = |number: usize| format!(r#"{{"fingerprint":"é-{number}","value":"MDEyMzQ1Njc4OWFiY2RlZg=="}}"#);
    let keys: Vec<_> = (0..5_000).map(key).collect();
    let text = format!(r#"{{"services":{{"pos":{{"keys":[{}]}}}}}}"#, keys.join(","));
    let faults = read(&text).err().unwrap();
    let last = faults.iter().last().unwrap();
    let column = text[..text.rfind("\"é").unwrap()].chars().count() + 1;
    assert_eq!((faults.iter().len(), last.place.unwrap().column), (5_000, column));
    let source = read(&text.replace('é', "e")).unwrap();
    assert_eq!(source.keys.len(), 5_000);
}

#[test]
fn list_of_more_than_100_000_is_one_fault() {
    let format = DocumentFormat { keys_pointer: Pointer::default(), encryption: None, ..format() };
    let list = |length: usize| format!("[{}]", vec!["0"; length].join(","));
    assert_eq!(faults_as(&format, &list(100_001)), ["1:1: more than 100000 keys"]);
    assert_eq!(faults_as(&format, &list(100_000)).len(), 100_000);
}
