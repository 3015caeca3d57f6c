//! Over all knobs: sealed and opened by one profile, a message is what it was.

use http::HeaderName;
use proptest::prelude::*;

use super::*;
use crate::crypto::encoding::Encoding;
use crate::crypto::{IvLength, TagLength};
use crate::profile::{
    Becomes, IvLengths, IvPlace, KeyNaming, Padding, Place, ScopePlace, Selector, TagPlace, Values,
};

fn place(what: &'static str) -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Header(HeaderName::from_static(what))),
        Just(Place::Query(what.into())),
        Just(Place::Member(format!("/own/{what}").parse().unwrap())),
        Just(Place::Field(what.into())),
    ]
}

fn scope() -> impl Strategy<Value = ScopePlace> {
    prop_oneof![
        Just(ScopePlace::Body),
        Just(ScopePlace::Values),
        Just(ScopePlace::At(Place::Field("sealed".into()))),
        Just(ScopePlace::At(Place::Member("/sealed".parse().unwrap()))),
    ]
}

fn any_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all.to_vec())
}

prop_compose! {
    /// Descriptions, of which many do not work.
    fn draft()(
        algorithm in any_of(&["AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "AES-256-CFB", "AES-128-CFB8", "AES-256-CTR"]),
        iv in prop_oneof![place("x-iv").prop_map(IvPlace::At), Just(IvPlace::Prefix)],
        iv_length in any_of(&[IvLengths::Any, IvLengths::Only(IvLength::Twelve), IvLengths::Only(IvLength::Sixteen)]),
        encodings in proptest::array::uniform3(any_of(&Encoding::ALL)),
        tag in prop_oneof![place("x-tag").prop_map(TagPlace::At), Just(TagPlace::Appended), Just(TagPlace::Before), Just(TagPlace::None)],
        tag_length in (12usize..=16).prop_map(|bytes| TagLength::new(bytes).unwrap()),
        fingerprint in prop_oneof![place("x-key").prop_map(KeyNaming::At), Just(KeyNaming::SealingKey), Just(KeyNaming::Fixed("k".parse().unwrap()))],
        aad in prop_oneof![
            Just(Aad::None), Just(Aad::Context), Just(Aad::Literal("text".into())),
            Just(Aad::At("header:x-aad".parse().unwrap())), Just(Aad::At("member:/aad".parse().unwrap())),
        ],
        padding in any_of(&Padding::ALL),
        scope in scope(),
        becomes in any_of(&Becomes::ALL),
        flags: [bool; 2],
    ) -> (Draft, &'static str) {
        let [encoding, iv_encoding, tag_encoding] = encodings;
        let draft = Draft {
            algorithm: flags[0].then(|| algorithm.parse().unwrap()),
            iv, iv_length, iv_encoding, tag, tag_length, tag_encoding, fingerprint, aad, padding, scope, encoding,
            becomes: if flags[1] { becomes } else { Becomes::Body },
            danger_no_tag: true,
            danger_static_iv: true,
            seal_replies: true,
            bodyless_methods: Vec::new(),
            ..Draft::default()
        };
        (draft, algorithm)
    }
}

/// The description as far as it works, each danger only where there is one, and replies plain where they cannot be sealed.
fn working(draft: &Draft) -> Option<Profile> {
    [(true, true), (true, false), (false, true), (false, false)].into_iter().find_map(
        |(no_tag, static_iv)| {
            [true, false].into_iter().find_map(|seal_replies| {
                let draft = Draft {
                    danger_no_tag: no_tag,
                    danger_static_iv: static_iv,
                    seal_replies,
                    ..draft.clone()
                };
                draft.build("any").ok()
            })
        },
    )
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A message that `profile` can seal: its body, and what it is.
fn message(profile: &WholeProfile, text: &str, is_form: bool) -> (String, &'static str) {
    let json = |value: serde_json::Value| (value.to_string(), "application/json");
    let pair = |name: &str| format!("{name}={}", String::from_utf8_lossy(&form(text)));
    match &profile.scope {
        Scope::Body => (text.to_owned(), "text/plain"),
        Scope::Member(_, Becomes::Body) => json(serde_json::json!({ "any": text })),
        Scope::Field(_, Becomes::Body) => (pair("any"), FORM),
        Scope::Member(_, Becomes::Text) => {
            json(serde_json::json!({ "aad": "x", "b": 1, "own": {}, "sealed": text, "z": [] }))
        }
        Scope::Member(_, Becomes::Json) => {
            json(serde_json::json!({ "b": 1, "own": { "x": 1 }, "sealed": { "in": [text, 2] } }))
        }
        Scope::Field(..) => (format!("a=%7e&{}&z", pair("sealed")), FORM),
        Scope::Values(_) if is_form => (format!("{}&b=1", pair("a")), FORM),
        Scope::Values(_) => json(serde_json::json!({ "a": { "b": text, "c": ["1", text] } })),
    }
}

fn form(text: &str) -> Vec<u8> {
    crate::payload::form::encode(text.as_bytes()).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_profile_that_works_opens_what_it_sealed_and_the_message_is_what_it_was(
        (draft, algorithm) in draft(),
        text in "[^\\x00]{1,20}",
        is_form: bool,
        flipped in any::<proptest::sample::Index>(),
    ) {
        let Some(Profile::Whole(profile)) = working(&draft) else { return Ok(()) };
        let length = algorithm.parse::<Algorithm>().unwrap().key_size.bytes();
        let keys = ring(&[("k", algorithm, &[7; 32][..length])]);
        let key = keys.key("k").unwrap();
        // 12 bytes of IV under a key without a tag work under no profile that leaves the algorithm open.
        let twelve = draft.iv_length == IvLengths::Only(IvLength::Twelve);
        prop_assume!(!twelve || key.secret.algorithm().is_authenticated());
        let (body, content_type) = message(&profile, &text, is_form);
        let plain = head("POST", "/orders?b=%7E1&c=x", &[("content-type", content_type), ("x-aad", "1")]);
        let mut request = plain.clone();
        let sealed = seal_whole(&profile, &mut request, body.as_bytes(), key, at(NOW), &mut rand::rng());
        let SealedWhole { body: sealed, reply } = sealed.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert!(sealed != body.as_bytes(), "nothing of it was sealed");

        if profile.is_told_by_its_parts() || profile.encoding_tells() {
            prop_assert!(bears_sealed(&profile, &request, &sealed), "it passes for a plain one");
        }
        let refused = would_refuse(&profile, &request, &sealed, &keys, at(NOW));
        prop_assert!(refused.is_none(), "{refused:?}");

        let mut opened_head = request.clone();
        let answer = open_whole(&profile, &mut opened_head, &sealed, &keys, at(NOW));
        let answer = answer.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(String::from_utf8_lossy(&answer.body), body.clone());
        let target = if profile.values().is_some() { "/orders?b=~1&c=x" } else { "/orders?b=%7E1&c=x" };
        prop_assert_eq!(opened_head.uri.to_string(), target);
        let names = |head: &Parts| head.headers.keys().map(|name| name.to_string()).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(names(&opened_head), names(&plain));

        // Where a tag vouches for it, no bit of the sealed body can be another.
        if cipher::is_vouched_for(&profile, key) && profile.tag_length == TagLength::WHOLE && matches!(profile.scope, Scope::Body) {
            let mut changed = sealed.clone();
            changed[flipped.index(sealed.len())] ^= 1;
            let changed_opens = open_whole(&profile, &mut request.clone(), &changed, &keys, at(NOW)).is_ok();
            // Hex is read in either case, and a letter's case is one bit.
            prop_assert!(!changed_opens || profile.encoding == Encoding::Hex);
        }
        if profile.seal_replies {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", content_type.parse().unwrap());
            headers.insert("x-aad", "1".parse().unwrap());
            let sealed = answer.reply.seal(&Method::POST, StatusCode::OK, &mut headers, body.as_bytes(), at(NOW), &mut rand::rng());
            let sealed = Bytes::from(sealed.map_err(|fault| TestCaseError::fail(fault.to_string()))?.unwrap());
            let opened = reply.open(&Method::POST, StatusCode::OK, &mut headers, &sealed, at(NOW));
            let opened = opened.map_err(|fault| TestCaseError::fail(fault.to_string()))?.unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&opened.body), body);
        }
    }

    #[test]
    fn values_that_are_not_listed_never_change(
        names in proptest::collection::vec("[a-d]|[a-d%+=~]{1,4}", 1..8),
        values in proptest::collection::vec("[!$'-;=?-Z_a-z~]{1,8}", 8),
        listed in proptest::collection::vec("[a-d]", 1..3),
    ) {
        let pairs: Vec<_> = names.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
        let target = format!("/?{}", pairs.join("&"));
        prop_assume!(target.parse::<http::Uri>().is_ok());
        let include: Vec<Selector> = listed.iter().map(|name| format!("query:{name}").parse().unwrap()).collect();
        let optional = include.clone();
        let draft = Draft { include, optional, iv: IvPlace::Prefix, ..preset("kaleyra") };
        let profile = whole(draft);
        let keys = ring(&[("k", "AES-128-GCM", &[1; 16])]);
        let mut request = head("GET", &target, &[]);
        let sealed = seal_whole(&profile, &mut request, b"", keys.key("k").unwrap(), at(NOW), &mut rand::rng());
        prop_assume!(sealed.is_ok());
        let is_listed = |pair: &str| {
            let pair = crate::payload::form::pairs(pair.as_bytes()).next().unwrap();
            listed.iter().any(|name| pair.name_is(name))
        };
        let query = request.uri.query().unwrap().to_owned();
        for (before, after) in pairs.iter().zip(query.split('&')) {
            prop_assert_eq!(is_listed(before), before != after, "{} {}", before, after);
        }
        prop_assert!(open_whole(&profile, &mut request, b"", &keys, at(NOW)).is_ok());
        for (before, after) in pairs.iter().zip(request.uri.query().unwrap().split('&')) {
            let value = |pair: &str| crate::payload::form::decode(pair.split_once('=').unwrap().1.as_bytes()).map(|text| text.to_vec());
            if is_listed(before) {
                prop_assert_eq!(value(before), value(after));
            } else {
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn whatever_comes_nothing_panics_and_a_refusal_changes_nothing(
        (draft, algorithm) in draft(),
        target in "/(\\?[a-z=&%+0-9A-F-]{0,30})?",
        body in proptest::collection::vec(any::<u8>(), 0..60),
        texts in proptest::array::uniform3("[ -~]{0,24}"),
        content_type in any_of(&["application/json", FORM, "text/plain"]),
    ) {
        let Some(Profile::Whole(profile)) = working(&draft) else { return Ok(()) };
        prop_assume!(target.parse::<http::Uri>().is_ok());
        let length = algorithm.parse::<Algorithm>().unwrap().key_size.bytes();
        let keys = ring(&[("k", algorithm, &[7; 32][..length])]);
        let [iv, tag, key] = &texts;
        let headers = [("content-type", content_type), ("x-iv", iv), ("x-tag", tag), ("x-key", if key.len() > 12 { "k" } else { key })];
        let before = head("POST", &target, &headers);
        let mut request = before.clone();
        if open_whole(&profile, &mut request, &body, &keys, at(NOW)).is_err() {
            prop_assert_eq!(&request.headers, &before.headers);
            prop_assert_eq!(&request.uri, &before.uri);
        }
    }
}

#[test]
fn every_value_is_every_one_of_query_form_and_document() {
    let all: Vec<_> = Values::all().iter().map(ToString::to_string).collect();
    assert_eq!(all, ["query:*", "form:*", "json:/**"]);
}
