//! Parameter values (`scope = "values"`).

use super::*;
use crate::crypto::Iv;
use crate::crypto::encoding::{Encoding, base64_encode};
use crate::profile::{IvPlace, ScopePlace, StaticIv, TagPlace};

const KEY: &[u8] = b"0123456789abcdef";
const IV: &[u8; 16] = b"fedcba9876543210";

fn kaleyra(algorithm: &str) -> (Draft, KeyRing) {
    let static_iv = Iv::from_slice(IV).map(StaticIv);
    let key = [KEY, KEY].concat();
    let length = algorithm.parse::<Algorithm>().unwrap().key_size.bytes();
    (Draft { static_iv, ..preset("kaleyra") }, ring(&[("k", algorithm, &key[..length])]))
}

/// A value as the vendor seals it.
fn sealed(ring: &KeyRing, plain: &str) -> String {
    base64_encode(&crate::crypto::seal(&ring.key("k").unwrap().secret, IV, b"", plain.as_bytes()).unwrap())
}

fn listed(draft: Draft, include: &[&str]) -> Draft {
    Draft { include: include.iter().map(|selector| selector.parse().unwrap()).collect(), ..draft }
}

#[test]
fn values_of_a_query_open_wherever_their_plus_signs_went_and_the_rest_stays() {
    for algorithm in
        ["AES-128-CFB", "AES-192-CFB", "AES-256-CFB", "AES-128-GCM", "AES-192-GCM", "AES-256-GCM"]
    {
        let (draft, ring) = kaleyra(algorithm);
        let profile = whole(listed(draft, &["query:phone", "query:note"]));
        let (phone, note) = (sealed(&ring, "+49 30 1234"), sealed(&ring, "a&b=ü%"));
        for escape in ["+", "%2B", "%2b", " ", "%20"] {
            let text = |value: &str| value.replace('+', escape).replace(' ', "+").replace('/', "%2F");
            let target = format!(
                "/hook?x=%7e+1&phone={}&&phone={}&note={}&empty=&flag",
                text(&phone),
                text(&phone),
                text(&note)
            );
            let mut request = head("GET", &target, &[("x-other", "stays")]);
            assert_eq!(opened(&profile, &ring, &mut request, b""), Ok(String::new()), "{algorithm} {target}");
            assert_eq!(
                request.uri,
                "/hook?x=%7e+1&phone=%2B49%2030%201234&&phone=%2B49%2030%201234&note=a%26b%3D%C3%BC%25&empty=&flag"
            );
            assert_eq!(request.headers.len(), 1);
        }
    }
}

#[test]
fn forms_and_documents_open_value_by_value_and_keep_every_other_byte() {
    let (draft, ring) = kaleyra("AES-256-GCM");
    let draft = listed(draft, &["form:phone", "json:/call/phone", "json:/items/*/n"]);
    let profile = whole(Draft { literal: vec!["/items/*/n".parse().unwrap()], ..draft });
    let value = |plain| sealed(&ring, plain);
    let mut form = head("POST", "/", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
    let body = format!("b=%zz&phone={}&a+b=1", value("1 2").replace('+', "%2B"));
    assert_eq!(opened(&profile, &ring, &mut form, body.as_bytes()).unwrap(), "b=%zz&phone=1%202&a+b=1");

    let mut json = head("PUT", "/", &[("content-type", "application/vnd.vendor+json")]);
    let body = format!(
        "{{ \"z\" : 1.0e1,\"call\":{{\"phone\":\"{}\"}},\n\"items\":[{{\"n\":\"{}\"}},{{\"n\" :\"{}\"}}] }}\n",
        value("\"quoted\"\n"),
        value("12"),
        value("null"),
    );
    assert_eq!(
        opened(&profile, &ring, &mut json, body.as_bytes()).unwrap(),
        "{ \"z\" : 1.0e1,\"call\":{\"phone\":\"\\\"quoted\\\"\\n\"},\n\"items\":[{\"n\":12},{\"n\" :null}] }\n"
    );
    let no_number = format!(r#"{{"call":{{"phone":"{}"}},"items":[{{"n":"{}"}}]}}"#, value("1"), value("x"));
    assert_eq!(opened(&profile, &ring, &mut json, no_number.as_bytes()), Err(AleReason::BadValue));
}

#[test]
fn listed_value_that_is_missing_empty_or_does_not_open_refuses_the_whole() {
    let (draft, ring) = kaleyra("AES-256-GCM");
    let optional = vec!["query:note".parse().unwrap()];
    let profile = whole(Draft { optional, ..listed(draft, &["query:phone", "query:note"]) });
    let (good, mut bad) = (sealed(&ring, "1"), sealed(&ring, "2"));
    bad.replace_range(0..1, if bad.starts_with('A') { "B" } else { "A" });
    let cases = [
        (format!("/?note={good}"), AleReason::MissingValue),
        (format!("/?phone=&note={good}"), AleReason::EmptyValue),
        (format!("/?phone&note={good}"), AleReason::EmptyValue),
        (format!("/?phone={good}&phone={bad}"), AleReason::NotAuthentic),
        ("/?phone=plain".to_owned(), AleReason::BadMessage),
        (format!("/?phone={good}&note=%zz"), AleReason::BadValue),
    ];
    for (target, reason) in cases {
        let mut request = head("DELETE", &target.replace('+', "%2B"), &[]);
        let before = request.uri.clone();
        assert_eq!(opened(&profile, &ring, &mut request, b""), Err(reason), "{target}");
        assert_eq!(request.uri, before);
    }
    for (target, after) in [("/?phone=X", "/?phone=1"), ("/?phone=X&note=", "/?phone=1&note=")] {
        let mut request = head("DELETE", &target.replace('X', &good.replace('+', "%2B")), &[]);
        assert!(opened(&profile, &ring, &mut request, b"").is_ok());
        assert_eq!(request.uri, after);
    }
}

#[test]
fn body_in_which_no_values_can_be_found_is_refused_if_any_may_be_there() {
    let (draft, ring) = kaleyra("AES-256-GCM");
    let value = sealed(&ring, "1");
    let (all, query) = (whole(draft.clone()), whole(listed(draft.clone(), &["query:*"])));
    let form = whole(listed(draft, &["form:a"]));
    for (content_type, body) in [
        ("application/xml", "<a/>"),
        ("text/plain", "a"),
        ("application/json", "{"),
        ("multipart/form-data", "a"),
    ] {
        let mut request = head("POST", "/", &[("content-type", content_type)]);
        assert_eq!(opened(&all, &ring, &mut request, body.as_bytes()), Err(AleReason::UnsupportedBody));
        assert_eq!(opened(&query, &ring, &mut request, body.as_bytes()), Ok(body.to_owned()));
    }
    let none = &mut head("POST", "/", &[]);
    assert_eq!(opened(&all, &ring, none, b"a=1"), Err(AleReason::UnsupportedBody));
    let json = &mut head("POST", "/", &[("content-type", "application/json")]);
    assert_eq!(opened(&form, &ring, json, br#"{"a":"1"}"#), Err(AleReason::UnsupportedBody));
    assert_eq!(opened(&form, &ring, json, b""), Err(AleReason::MissingValue));
    let coded = [("content-type", "application/x-www-form-urlencoded"), ("content-encoding", "gzip")];
    let body = format!("a={}", value.replace('+', "%2B"));
    assert_eq!(
        opened(&form, &ring, &mut head("POST", "/", &coded), body.as_bytes()),
        Err(AleReason::UnsupportedBody)
    );
}

#[test]
fn object_or_array_in_the_place_of_a_listed_value_passes_neither_way() {
    let (draft, ring) = kaleyra("AES-256-GCM");
    let optional = vec!["json:/phone".parse().unwrap()];
    let draft =
        Draft { danger_static_iv: true, optional, ..listed(draft, &["json:/phone", "json:/items/*"]) };
    let profile = whole(draft);
    let good = sealed(&ring, "1");
    for body in [
        r#"{"phone":{"x":"plain"}}"#.to_owned(),
        r#"{"phone":[]}"#.to_owned(),
        r#"{"items":[["plain"]]}"#.to_owned(),
        format!(r#"{{"phone":"{good}","phone":{{"a":"plain"}}}}"#),
        format!(r#"{{"phone":"{good}","\u0070hone":["plain"]}}"#),
    ] {
        let mut request = head("POST", "/", &[("content-type", "application/json")]);
        assert_eq!(
            opened(&profile, &ring, &mut request, body.as_bytes()),
            Err(AleReason::BadValue),
            "{body}"
        );
        let key = ring.key("k").unwrap();
        let sealing = seal_whole(&profile, &mut request, body.as_bytes(), key, at(NOW), &mut rand::rng());
        let reason = sealing.err().map(|fault| fault.refusal.reason);
        assert_eq!(reason, Some(AleReason::BadValue), "{body}");
    }
}

#[test]
fn opened_header_that_could_end_its_line_is_refused() {
    let (draft, ring) = kaleyra("AES-128-CFB");
    let profile = whole(listed(draft, &["header:x-caller"]));
    for (plain, is_right) in
        [("+49", true), ("a b", true), ("a\r\nx: y", false), ("a\0", false), ("\n", false), (" a", false)]
    {
        let mut request = head("GET", "/", &[("x-caller", &sealed(&ring, plain))]);
        let opened = opened(&profile, &ring, &mut request, b"");
        assert_eq!(opened, if is_right { Ok(String::new()) } else { Err(AleReason::BadValue) }, "{plain:?}");
        if is_right {
            assert_eq!(request.headers["x-caller"], plain);
        }
    }
}

#[test]
fn value_that_no_tag_vouches_for_is_never_refused_for_what_it_says() {
    let (draft, ring) = kaleyra("AES-128-CFB");
    let literal = vec!["/n".parse().unwrap()];
    let profile = whole(Draft { literal, ..listed(draft, &["json:/n", "json:/s"]) });
    let secret = &ring.key("k").unwrap().secret;
    let value = |plain: &[u8]| base64_encode(&crate::crypto::seal(secret, IV, b"", plain).unwrap());
    let body = format!(r#"{{"n":"{}","s":"{}"}}"#, value(b"no number"), value(b"a\xffb"));
    let mut request = head("POST", "/", &[("content-type", "application/json")]);
    let opened = opened(&profile, &ring, &mut request, body.as_bytes());
    assert_eq!(opened.unwrap(), "{\"n\":\"no number\",\"s\":\"a\u{fffd}b\"}");
}

#[test]
fn each_value_has_an_iv_of_its_own_unless_the_profile_says_otherwise() {
    let (_, ring) = kaleyra("AES-256-GCM");
    let draft = Draft {
        iv: IvPlace::Prefix,
        scope: ScopePlace::Values,
        encoding: Encoding::Base64,
        ..preset("kaleyra")
    };
    let profile = whole(draft);
    let mut request = head("GET", "/?a=1&b=1", &[]);
    let key = ring.key("k").unwrap();
    seal_whole(&profile, &mut request, b"", key, at(NOW), &mut rand::rng()).unwrap();
    let values: Vec<_> = request.uri.query().unwrap().split('&').map(|pair| pair[2..].to_owned()).collect();
    assert!(values[0][..20] != values[1][..20]);
    assert!(opened(&profile, &ring, &mut request, b"").is_ok());
    assert_eq!(request.uri, "/?a=1&b=1");

    let (draft, _) = kaleyra("AES-256-GCM");
    assert!(whole(draft).shares_iv() && !profile.shares_iv());
}

#[test]
fn value_that_would_not_come_back_as_it_was_is_not_sealed() {
    let (draft, ring) = kaleyra("AES-128-CFB");
    let profile = whole(Draft { danger_static_iv: true, literal: vec!["/n".parse().unwrap()], ..draft });
    let key = ring.key("k").unwrap();
    let seal = |target: &str, body: &str| {
        let mut request = head("POST", target, &[("content-type", "application/json")]);
        let sealed = seal_whole(&profile, &mut request, body.as_bytes(), key, at(NOW), &mut rand::rng());
        sealed.map(|_| ()).map_err(|fault| (fault.refusal.reason, fault.at.map(String::from)))
    };
    let fault = |reason, at: &str| Err((reason, Some(at.to_owned())));
    assert_eq!(seal("/", r#"{"n":1,"s":"x"}"#), Ok(()));
    assert_eq!(seal("/", r#"{"n":"1"}"#), fault(AleReason::BadValue, "json:/**"));
    assert_eq!(seal("/", r#"{"a":[true]}"#), fault(AleReason::BadValue, "json:/**"));
    assert_eq!(seal("/?a=", "{}"), fault(AleReason::EmptyValue, "query:*"));
    let before = key.usage().is_none();
    assert!(before, "an account is kept for rings that are in force");
}

#[test]
fn gcm_without_a_tag_opens_only_where_that_danger_is_named() {
    let (draft, ring) = kaleyra("AES-256-GCM");
    let without = Draft { tag: TagPlace::None, ..draft };
    assert!(without.clone().build("x").is_err());
    let profile = whole(Draft { danger_no_tag: true, ..without });
    let sealed = crate::crypto::seal(&ring.key("k").unwrap().secret, IV, b"", b"+49").unwrap();
    let target = format!("/?phone={}", base64_encode(&sealed[..3]).replace('+', "%2B"));
    let mut request = head("GET", &target, &[]);
    assert!(opened(&profile, &ring, &mut request, b"").is_ok());
    assert_eq!(request.uri, "/?phone=%2B49");
}

#[test]
fn target_that_outgrows_a_target_when_it_is_opened_is_refused_and_not_forwarded_sealed() {
    let (draft, ring) = kaleyra("AES-128-CFB");
    let profile = whole(draft);
    let value =
        sealed(&ring, &"\u{1}".repeat(30_000)).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let mut request = head("GET", &format!("/?a={value}"), &[]);
    let before = request.uri.clone();
    assert_eq!(opened(&profile, &ring, &mut request, b""), Err(AleReason::BadValue));
    assert_eq!(request.uri, before);
}
