//! What a description prints of itself reads back as the same description.

use std::fmt::Write;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

use crate::config::profile::read_draft;
use crate::crypto::encoding::Encoding;
use crate::crypto::{Algorithm, IvLength, TagLength};
use crate::document::{Disclosure, Document};
use crate::profile::{
    Aad, Becomes, Draft, ErrorText, Errors, IvLengths, IvPlace, KeyNaming, PRESETS, Padding, Place, Preset,
    ScopePlace, Selector, TagPlace,
};

fn place() -> impl Strategy<Value = Place> {
    let pointer = "(/[a-z~\"\\\\ü]{0,3}){1,3}";
    prop_oneof![
        "x-[a-z]{1,8}".prop_map(|name| Place::Header(name.parse().unwrap())),
        "\\PC{1,8}".prop_map(|name| Place::Query(name.into())),
        any::<String>()
            .prop_filter("a field has a name", |name| !name.is_empty())
            .prop_map(|name| Place::Field(name.into())),
        pointer.prop_map(|text| Place::Member(text.replace('~', "~1").parse().unwrap())),
    ]
}

fn in_body() -> impl Strategy<Value = Place> {
    place().prop_filter("it is in the body", |place| matches!(place, Place::Field(_) | Place::Member(_)))
}

fn header_or_member() -> impl Strategy<Value = Place> {
    place().prop_filter("it is authenticated", |place| matches!(place, Place::Header(_) | Place::Member(_)))
}

fn selector() -> impl Strategy<Value = Selector> {
    let texts = prop_oneof![
        "query:\\PC{1,6}",
        "form:(\\*|[ -~]{1,6})",
        "header:x-[a-z]{1,3}",
        "json:/(a|\\*)/(b|\\*\\*)",
        "query:\\*"
    ];
    texts.prop_map(|text| text.parse().unwrap())
}

fn selectors() -> impl Strategy<Value = Vec<Selector>> {
    proptest::collection::vec(selector(), 0..3)
}

fn error_text() -> impl Strategy<Value = ErrorText> {
    (400u16..600, "[a-z]{1,4}/[a-z]{1,4}(; [a-z\"=]{1,4})?", any::<String>()).prop_map(
        |(status, content_type, body)| ErrorText {
            status: status.try_into().unwrap(),
            content_type: content_type.parse().unwrap(),
            body: body.into(),
        },
    )
}

prop_compose! {
    fn whereabouts()(
        iv in prop_oneof![place().prop_map(IvPlace::At), Just(IvPlace::Prefix), Just(IvPlace::Static)],
        tag in prop_oneof![place().prop_map(TagPlace::At), Just(TagPlace::Appended), Just(TagPlace::Before), Just(TagPlace::None)],
        fingerprint in prop_oneof![
            place().prop_map(KeyNaming::At), Just(KeyNaming::SealingKey),
            "[!-~]{1,12}".prop_map(|name| KeyNaming::Fixed(name.parse().unwrap())),
        ],
        aad in prop_oneof![
            Just(Aad::None), Just(Aad::Context), any::<String>().prop_map(|text| Aad::Literal(text.into())),
            header_or_member().prop_map(Aad::At),
        ],
        scope in prop_oneof![Just(ScopePlace::Body), Just(ScopePlace::Values), in_body().prop_map(ScopePlace::At)],
    ) -> Draft {
        Draft { iv, tag, fingerprint, aad, scope, ..Draft::default() }
    }
}

prop_compose! {
    /// Descriptions, of which most do not work.
    fn draft()(
        places in whereabouts(),
        algorithm in proptest::option::of(select(Algorithm::ALL.to_vec())),
        iv_length in select(vec![IvLengths::Any, IvLengths::Only(IvLength::Twelve), IvLengths::Only(IvLength::Sixteen)]),
        encodings in proptest::array::uniform3(select(Encoding::ALL.to_vec())),
        tag_length in 12usize..=16,
        padding in select(Padding::ALL.to_vec()),
        becomes in select(Becomes::ALL.to_vec()),
        content_type in proptest::option::of("[a-z]{1,4}/[a-z]{1,4}(; [a-z\"\\\\]{1,4})?"),
        lists in proptest::array::uniform3(selectors()),
        literal in proptest::collection::vec(select(vec!["/a", "/a/*/b", "/**", "/~0~1/ü"]), 0..3),
        flags: [bool; 4],
        bodyless_methods in proptest::collection::vec(select(vec!["GET", "PURGE", "M-SEARCH"]), 0..3),
        errors in proptest::array::uniform3(error_text()),
    ) -> Draft {
        let [include, exclude, optional] = lists;
        let [headers, decrypt, unknown_key] = errors;
        Draft {
            algorithm, iv_length, padding, becomes, include, exclude, optional,
            encoding: encodings[0], iv_encoding: encodings[1], tag_encoding: encodings[2],
            tag_length: TagLength::new(tag_length).unwrap(),
            content_type: content_type.map(|text| text.parse().unwrap()),
            literal: literal.into_iter().map(|text| text.parse().unwrap()).collect(),
            danger_static_iv: flags[0], danger_no_tag: flags[1], seal_replies: flags[2], credential_mismatch: flags[3],
            bodyless_methods: bodyless_methods.into_iter().map(|method| method.parse().unwrap()).collect(),
            errors: Errors { headers, decrypt, unknown_key },
            ..places
        }
    }
}

/// What differs from a preset, and all answers.
fn written(draft: &Draft, preset: &Preset) -> String {
    let mut text = format!("[profile.own]\npreset = \"{}\"\n", preset.name);
    for (key, value) in draft.differences(&preset.draft()) {
        writeln!(text, "{key} = {value}").unwrap();
    }
    for (class, error) in draft.errors.classes() {
        writeln!(text, "[profile.own.errors.{class}]").unwrap();
        for (key, value) in error.settings() {
            writeln!(text, "{key} = {value}").unwrap();
        }
    }
    text
}

fn read(text: &str) -> Draft {
    let (mut document, mut root) =
        Document::parse("c", text, Disclosure::Quotable).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    let section = document.table(&mut root, "profile");
    let (name, section) = document.members(section, "").pop().unwrap();
    let read = read_draft(&mut document, &name, section, Path::new(""));
    if let Err(faults) = document.finish() {
        panic!("{faults}\n{text}");
    }
    read.draft
}

proptest! {
    #[test]
    fn differences_from_any_preset_read_back_as_the_same_description(draft in draft(), preset in 0..PRESETS.len()) {
        let preset = &PRESETS[preset];
        let text = written(&draft, preset);
        let read = read(&text);
        prop_assert_eq!(read.settings(), draft.settings(), "{}", text);
        prop_assert_eq!(&read.errors, &draft.errors, "{}", text);
        prop_assert!(written(&read, preset) == text);
    }
}
