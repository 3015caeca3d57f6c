//! Any text at all: no panic, no secret in a fault, and nothing passes that should not.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::keys::{Key, KeyRing};

/// What a merged ring must hold, whatever text it is from.
fn assert_checked(text: &str) {
    let policy = RingPolicy { require_authenticated: true, ..RingPolicy::default() };
    let read = read_document(text, "portal", &format(), policy, now(), &mut Derivations::default());
    let Ok(ring) = read.and_then(|source| merge(&[&source], policy, now())).map(|parsed| parsed.ring) else {
        return;
    };
    assert!(!ring.is_empty());
    let keys: Vec<_> = ring.keys().cloned().collect();
    for key in &keys {
        assert!(key.secret.algorithm().is_authenticated() && !key.validity.is_empty());
    }
    let anew = keys.iter().map(|key| copy(key)).collect();
    assert!(KeyRing::new(anew, None, policy, now()).is_ok());
}

fn copy(key: &Key) -> Key {
    let secret = crate::crypto::SecretKey::new(key.secret.algorithm(), key.secret.bytes()).unwrap();
    Key::new(key.fingerprint.clone(), secret, key.validity)
}

#[test]
fn document_that_is_cut_off_anywhere_is_a_fault() {
    for at in (0..SITE.len()).filter(|at| SITE.is_char_boundary(*at)) {
        assert!(read(&SITE[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn document_with_any_bit_flipped_is_a_fault_or_a_checked_ring() {
    let mut taken = 0;
    for at in 0..SITE.len() {
        for bit in 0..8 {
            let mut bytes = SITE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                assert_checked(&text);
                taken += usize::from(read(&text).is_ok());
            }
        }
    }
    assert!(taken > 0, "a flip in a name or a value is another document");
}

/// Any JSON, with the names that the format knows among its members.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1.5e3".to_owned()),
        Just("\"MDEyMzQ1Njc4OWFiY2RlZg==\"".to_owned()),
        Just("\"2026-01-01T00:00:00Z\"".to_owned()),
        "\"[a-z é/]{0,5}(\\\\/|\\\\u00e9|\\\\ud800)?\"",
    ];
    let name = prop_oneof![
        Just("services"),
        Just("pos"),
        Just("keys"),
        Just("encryption"),
        Just("fingerprint"),
        Just("value"),
        Just("valid_after"),
        Just("valid_until"),
    ];
    leaf.prop_recursive(8, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(|all| format!("[{}]", all.join(" , "))),
            proptest::collection::vec((name.clone(), inner), 0..6).prop_map(|all| {
                let all: Vec<_> =
                    all.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
                format!("{{{}}}", all.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_a_fault_or_a_checked_ring(json in any_json(), under_keys in any::<bool>()) {
        let text = if under_keys { format!("{{\"services\":{{\"pos\":{{\"keys\":[{json}]}}}}}}") } else { json };
        assert_checked(&text);
    }

    #[test]
    fn any_text_is_a_fault_or_a_checked_ring(text in "\\PC{0,60}") {
        assert_checked(&text);
    }

    #[test]
    fn altered_document_is_a_fault_or_a_checked_ring(
        changes in proptest::collection::vec((any::<Index>(), 0usize..8, "[\\[\\]{}\",:\\\\a-z0-9é]{0,3}"), 1..4),
    ) {
        let mut text: Vec<char> = SITE.chars().collect();
        for (at, gone, piece) in changes {
            let at = at.index(text.len());
            let end = text.len().min(at + gone);
            text.splice(at..end, piece.chars());
        }
        assert_checked(&text.into_iter().collect::<String>());
    }

    // However a document is broken, and whatever its values are, nothing of them is told.
    #[test]
    fn no_fault_quotes_a_value(
        value in "[QZXJVWKY]{12,30}",
        at in any::<Index>(),
        gone in 0usize..12,
        piece in "[\\[\\]{}\",:\\\\/a-z é]{0,4}",
        form in 0usize..4,
    ) {
        let forms = [ValueEncoding::Base64, ValueEncoding::Hex, ValueEncoding::Utf8].map(ValueForm::Encoded);
        let derived = || ValueForm::Derived(Pbkdf2::new(Prf::Sha1, Iterations::try_from(1).unwrap(), Vec::new()));
        let format = DocumentFormat { value: forms.get(form).cloned().unwrap_or_else(derived), ..format() };
        let whole = SITE.replace("MDEyMzQ1Njc4OWFiY2RlZg==", &value).replace("old", &value).replace("caf", &value);
        let whole: Vec<char> = whole.chars().collect();
        let at = at.index(whole.len());
        let text: String = whole[..at].iter().copied().chain(piece.chars()).chain(whole.iter().skip(at + gone).copied()).collect();
        if let Err(faults) = read_as(&format, &text) {
            let told = format!("{faults}{faults:?}").replace("JSON", "");
            prop_assert!(!told.contains(['Q', 'X', 'J', 'V', 'W', 'K', 'Y']), "{}", told);
        }
    }
}
