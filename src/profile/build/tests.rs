//! What works, and each thing that keeps a description from working.

use crate::crypto::Iv;
use crate::crypto::encoding::Encoding;
use crate::crypto::{IvLength, TagLength};
use crate::profile::{
    Aad, Becomes, Draft, IvLengths, IvPlace, KeyNaming, PRESETS, Padding, Preset, Profile, ScopePlace,
    StaticIv, TagPlace,
};

fn static_iv(bytes: &[u8]) -> Option<StaticIv> {
    Iv::from_slice(bytes).map(StaticIv)
}

/// What is wrong, one line each: key and problem.
fn faults(draft: Draft) -> Vec<String> {
    let faults = draft.build("x").expect_err("it cannot work");
    assert!(
        faults.iter().all(|fault| !fault.remedy.is_empty() && crate::profile::about(fault.key).is_some())
    );
    faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect()
}

fn works(draft: Draft) -> bool {
    draft.build("x").is_ok()
}

/// Nothing of `ale` but its errors: a body in base64, whose key no message names.
fn plainest() -> Draft {
    Draft { encoding: Encoding::Base64, fingerprint: KeyNaming::SealingKey, ..Draft::default() }
}

fn values(include: &[&str]) -> Draft {
    let include = include.iter().map(|selector| selector.parse().unwrap()).collect();
    Draft { scope: ScopePlace::Values, iv: IvPlace::Prefix, include, ..plainest() }
}

fn of<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn cfb() -> Option<crate::crypto::Algorithm> {
    Some(of("AES-256-CFB"))
}

#[test]
fn every_preset_builds_once_what_only_its_user_knows_is_given() {
    for preset in PRESETS {
        let mut draft = preset.draft();
        if draft.iv == IvPlace::Static {
            let without = faults(draft.clone());
            assert_eq!(
                without,
                ["static_iv: the iv is nowhere: no message bears it, and no static one is given"]
            );
            draft.static_iv = static_iv(b"0123456789abcdef");
        }
        let streams = draft.streams();
        let profile = draft.build(preset.name).unwrap_or_else(|faults| panic!("{}: {faults:?}", preset.name));
        assert_eq!(&**profile.name(), preset.name);
        assert_eq!(matches!(profile, Profile::Stream(_)), streams, "{}", preset.name);
        assert_eq!(streams, ["ale", "enterprise-kitchen"].contains(&preset.name), "{}", preset.name);
    }
    assert_eq!(PRESETS.len(), 7);
}

#[test]
fn presets_are_found_by_name_and_each_says_whose_it_is() {
    for preset in PRESETS {
        assert_eq!(Preset::named(preset.name).unwrap().about, preset.about);
        assert!(
            preset.about.ends_with('.')
                && preset.notes.iter().chain(preset.assumed).all(|text| !text.is_empty())
        );
    }
    assert!(Preset::named("ALE").is_none());
}

#[test]
fn static_iv_beside_one_that_each_message_bears_is_a_fault() {
    for iv in [IvPlace::Prefix, of("header:x-iv")] {
        let draft = Draft { iv, static_iv: static_iv(&[1; 16]), ..plainest() };
        assert_eq!(faults(draft), ["static_iv: the messages bear an iv of their own"]);
    }
}

#[test]
fn static_iv_of_another_length_than_is_said_is_a_fault() {
    let draft = |length, bytes: &[u8]| Draft {
        iv: IvPlace::Static,
        iv_length: IvLengths::Only(length),
        static_iv: static_iv(bytes),
        ..plainest()
    };
    assert_eq!(
        faults(draft(IvLength::Sixteen, &[1; 12])),
        ["static_iv: it has 12 bytes, and iv_length says 16"]
    );
    assert!(works(draft(IvLength::Twelve, &[1; 12])));
}

#[test]
fn twelve_bytes_of_iv_without_gcm_are_a_fault_however_they_are_said() {
    let twelve = IvLengths::Only(IvLength::Twelve);
    let said = Draft { iv_length: twelve, algorithm: cfb(), ..plainest() };
    let given = Draft { iv: IvPlace::Static, static_iv: static_iv(&[1; 12]), algorithm: cfb(), ..plainest() };
    for draft in [said.clone(), given] {
        assert_eq!(faults(draft), ["iv_length: only GCM takes an iv of 12 bytes"]);
    }
    // Of keys that each have their own algorithm, those of GCM can.
    assert!(works(Draft { algorithm: None, ..said }));
}

#[test]
fn danger_that_is_in_nothing_is_a_fault() {
    let draft = Draft { danger_static_iv: true, ..plainest() };
    assert_eq!(faults(draft.clone()), ["danger_static_iv: no two values or messages share an iv"]);
    assert_eq!(faults(Draft { danger_static_iv: true, ..values(&[]) }).len(), 1);
    assert!(works(Draft { danger_static_iv: true, iv: of("header:x-iv"), ..values(&[]) }));
    let no_tag = "danger_no_tag: no tag is left out";
    assert_eq!(faults(Draft { danger_no_tag: true, ..plainest() }), [no_tag]);
    let cfb = Draft { danger_no_tag: true, tag: TagPlace::None, algorithm: cfb(), ..plainest() };
    assert_eq!(faults(cfb), [no_tag]);
}

#[test]
fn sealing_under_a_shared_iv_needs_somebody_who_said_so() {
    let built = |danger_static_iv| {
        let draft = Draft { danger_static_iv, iv: of("header:x-iv"), ..values(&[]) };
        match draft.build("x").unwrap() {
            Profile::Whole(whole) => whole,
            Profile::Stream(_) => panic!("values are held"),
        }
    };
    assert!(!built(false).may_seal() && built(true).may_seal());
}

#[test]
fn gcm_without_a_tag_is_a_fault_unless_somebody_said_so() {
    let draft = Draft { tag: TagPlace::None, ..plainest() };
    assert!(faults(draft.clone())[0].starts_with("tag: GCM without a tag: "));
    assert!(works(Draft { danger_no_tag: true, ..draft.clone() }));
    assert!(works(Draft { algorithm: cfb(), ..draft }));
}

#[test]
fn tag_of_an_algorithm_that_has_none_is_a_fault_at_a_place_of_its_own() {
    let draft = Draft { tag: of("header:x-tag"), algorithm: cfb(), ..plainest() };
    assert_eq!(faults(draft), ["tag: the algorithm has no tag"]);
    assert!(works(Draft { algorithm: cfb(), ..plainest() }));
}

#[test]
fn raw_tag_at_a_place_of_its_own_is_a_fault() {
    let draft = Draft { tag: of("header:x-tag"), tag_encoding: Encoding::Raw, ..plainest() };
    assert_eq!(faults(draft), ["tag_encoding: raw bytes cannot stand there"]);
    assert!(works(Draft { tag_encoding: Encoding::Raw, ..plainest() }));
}

#[test]
fn what_no_tag_authenticates_is_a_fault() {
    let aad = Aad::Literal("text".into());
    let fault = ["aad: nothing is authenticated without a tag"];
    assert_eq!(faults(Draft { aad: aad.clone(), algorithm: cfb(), ..plainest() }), fault);
    let untagged = Draft { aad, tag: TagPlace::None, danger_no_tag: true, ..plainest() };
    assert_eq!(faults(untagged), fault);
}

#[test]
fn padding_of_anything_but_cfb_is_a_fault() {
    let padded = |algorithm| Draft { padding: Padding::Pkcs7, algorithm, ..plainest() };
    let fault = ["padding: only clients of CFB add a padding that their cipher does not need"];
    for algorithm in [None, Some(of("AES-256-GCM")), Some(of("AES-128-CTR"))] {
        assert_eq!(faults(padded(algorithm)), fault);
    }
    assert!(works(padded(cfb())) && works(padded(Some(of("AES-256-CFB8")))));
}

#[test]
fn context_is_a_fault_where_something_is_sealed_or_carried_in_the_query() {
    let in_query = Draft { iv: of("query:iv"), seal_replies: false, ..plainest() };
    for draft in [values(&[]), in_query] {
        let faults = faults(Draft { aad: Aad::Context, ..draft });
        assert!(faults[0].starts_with("aad: the context has the target in it") && faults.len() == 1);
    }
}

#[test]
fn raw_ciphertext_in_a_text_is_a_fault() {
    let fault = ["encoding: raw ciphertext cannot stand in a text"];
    for draft in [values(&[]), Draft { scope: of("field:sealed"), ..plainest() }] {
        assert_eq!(faults(Draft { encoding: Encoding::Raw, ..draft }), fault);
    }
}

#[test]
fn plaintext_that_cannot_become_what_is_said_is_a_fault() {
    let json = Draft { becomes: Becomes::Json, ..plainest() };
    assert_eq!(
        faults(Draft { scope: of("field:sealed"), ..json.clone() }),
        ["becomes: a form has no JSON values"]
    );
    assert_eq!(faults(json.clone()), ["becomes: only one member or field can become something else"]);
    assert!(works(Draft { scope: of("member:/sealed"), ..json }));
}

#[test]
fn lists_of_values_where_no_values_are_sealed_are_faults_each() {
    let draft = Draft {
        include: vec![of("query:a")],
        exclude: vec![of("query:b")],
        optional: vec![of("query:c")],
        literal: vec![of("/d")],
        ..plainest()
    };
    let expected = ["include", "exclude", "optional", "literal"]
        .map(|key| format!("{key}: no values are sealed one by one"));
    assert_eq!(faults(draft), expected);
}

#[test]
fn content_type_of_a_body_that_stays_what_it_is_is_a_fault() {
    let typed = |draft| Draft { content_type: Some("text/plain".parse().unwrap()), ..draft };
    let stays = Draft { scope: of("member:/sealed"), becomes: Becomes::Text, ..plainest() };
    for draft in [values(&[]), stays] {
        assert_eq!(faults(typed(draft)), ["content_type: the body stays what it is"]);
    }
    assert!(works(typed(plainest())));
}

#[test]
fn part_in_a_body_that_has_no_place_for_it_is_a_fault() {
    let at = |scope: &str| Draft { iv: of("member:/iv"), scope: of(scope), ..plainest() };
    for (scope, is) in [
        ("body", "is ciphertext"),
        ("field:sealed", "is a form"),
        ("values", "bears no more than its values"),
    ] {
        assert_eq!(faults(at(scope)), [format!("iv: member:/iv is in the body, which {is}")]);
    }
    assert!(works(at("member:/sealed")));
    let field = Draft { iv: of("field:iv"), scope: of("member:/sealed"), ..plainest() };
    assert_eq!(faults(field), ["iv: field:iv is in the body, which is a JSON document"]);
}

#[test]
fn header_that_frames_a_message_or_has_a_purpose_bears_no_part() {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "x-ale-content-encoding",
        "host",
    ] {
        let draft = Draft { iv: of(&format!("header:{name}")), ..plainest() };
        assert_eq!(faults(draft), [format!("iv: {name} has a meaning of its own")]);
    }
    let authenticated = |name: &str| Draft { aad: of(&format!("header:{name}")), ..plainest() };
    assert_eq!(faults(authenticated("content-length")), ["aad: content-length has a meaning of its own"]);
    assert!(works(authenticated("date")), "a date may be authenticated where it stands");
}

#[test]
fn place_that_two_parts_have_is_a_fault() {
    let header = Draft { iv: of("header:x-a"), tag: of("header:x-a"), ..plainest() };
    assert_eq!(faults(header), ["tag: header:x-a is used for iv already"]);
    let inside = Draft { scope: of("member:/sealed"), iv: of("member:/sealed/iv"), ..plainest() };
    assert_eq!(faults(inside), ["iv: member:/sealed/iv is used for scope already"]);
    let around = Draft { scope: of("member:/a/sealed"), aad: of("member:/a"), ..plainest() };
    assert_eq!(faults(around), ["aad: member:/a is used for scope already"]);
    let key = Draft { iv: of("header:x-a"), fingerprint: of("header:x-a"), ..plainest() };
    assert_eq!(faults(key), ["fingerprint: header:x-a is used for iv already"]);
}

#[test]
fn one_tag_for_many_values_is_a_fault() {
    let draft = Draft { tag: of("header:x-tag"), ..values(&[]) };
    assert_eq!(faults(draft), ["tag: each value has a tag of its own"]);
}

#[test]
fn listed_header_that_frames_or_routes_is_a_fault() {
    for name in ["host", "content-type", "transfer-encoding", "te", "upgrade", "http2-settings"] {
        let problem = format!("include: {name} frames or routes the message, or changes on its way");
        assert_eq!(faults(values(&[&format!("header:{name}")])), [problem]);
    }
    assert!(works(values(&["header:x-phone", "header:authorization"])));
}

#[test]
fn listed_value_that_is_a_part_of_the_envelope_is_a_fault() {
    let with_iv =
        |place: &str, include: &[&str]| Draft { iv: of(place), seal_replies: false, ..values(include) };
    assert_eq!(
        faults(with_iv("header:x-iv", &["header:X-IV"])),
        ["include: header:x-iv is used for iv already"]
    );
    assert_eq!(faults(with_iv("query:iv", &["query:iv"])), ["include: query:iv is used for iv already"]);
    let aad = Draft { aad: of("header:x-id"), ..values(&["header:x-id"]) };
    assert_eq!(faults(aad), ["include: header:x-id is used for aad already"]);
    assert!(works(with_iv("query:iv", &["query:*", "header:iv"])), "any other parameter is sealed");
}

#[test]
fn replies_that_would_have_a_query_are_a_fault() {
    let draft = Draft { iv: of("query:iv"), ..plainest() };
    assert_eq!(faults(draft.clone()), ["iv: replies are sealed, and have no query:iv"]);
    assert!(works(Draft { seal_replies: false, ..draft }));
}

#[test]
fn faults_are_told_all_at_once() {
    let draft = Draft {
        padding: Padding::Pkcs7,
        becomes: Becomes::Json,
        tag: TagPlace::None,
        static_iv: static_iv(&[1; 12]),
        ..plainest()
    };
    let keys: Vec<_> = draft.build("x").unwrap_err().iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["static_iv", "tag", "padding", "becomes"]);
}

#[test]
fn only_the_one_shape_streams_and_each_other_knob_holds_messages() {
    assert!(Draft::default().streams());
    assert!(Draft { iv: of("header:x-iv"), aad: Aad::Context, ..Draft::default() }.streams());
    let held = [
        Draft { iv: IvPlace::Prefix, ..Draft::default() },
        Draft { iv: of("query:iv"), seal_replies: false, ..Draft::default() },
        Draft { iv_length: IvLengths::Only(IvLength::Sixteen), ..Draft::default() },
        Draft { iv_encoding: Encoding::Hex, ..Draft::default() },
        Draft { tag: TagPlace::Before, ..Draft::default() },
        Draft { tag_length: TagLength::new(12).unwrap(), ..Draft::default() },
        Draft { fingerprint: KeyNaming::SealingKey, ..Draft::default() },
        Draft { aad: of("header:x-id"), ..Draft::default() },
        Draft { padding: Padding::Pkcs7, algorithm: cfb(), ..Draft::default() },
        Draft { scope: ScopePlace::Values, encoding: Encoding::Hex, ..Draft::default() },
        Draft { encoding: Encoding::Base64, ..Draft::default() },
        Draft { content_type: Some("text/plain".parse().unwrap()), ..Draft::default() },
    ];
    for draft in held {
        assert!(!draft.streams(), "{draft:?}");
        assert!(matches!(draft.build("x"), Ok(Profile::Whole(_))));
    }
}
