//! Readers of what a peer wrote, against everything that it could write.

use proptest::prelude::*;

use super::*;
use crate::ale::ClearError;

#[test]
fn an_error_in_clear_is_an_object_with_a_code() {
    let read = |text: &str| ClearError::in_message(text.as_bytes());
    let error = |code, message: &str| Some(ClearError { code, message: message.to_owned() });
    assert_eq!(
        read(r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#),
        error(2, "Unable to decrypt payload")
    );
    assert_eq!(read(" {\"more\":[],\"errorCode\":3}\n"), error(3, ""));
    for no_error in [
        "",
        "2",
        "[2,\"\"]",
        "{}",
        r#"{"errorCode":"2"}"#,
        r#"{"errorCode":-1}"#,
        r#"{"errorCode":1.5}"#,
        r#"{"errorCode":2,"errorCode":2}"#,
        r#"{"errorCode":2,"message":3}"#,
        r#"{"errorCode":2}x"#,
        r#"{"message":"soup"}"#,
    ] {
        assert_eq!(read(no_error), None, "{no_error}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_comes_out_again(
        plaintext in proptest::collection::vec(any::<u8>(), 0..20_000),
        algorithm in 0..12usize,
        fingerprint in "[!-~]{1,40}",
        short: bool,
    ) {
        let key = || key(Algorithm::ALL[algorithm], &fingerprint);
        let wanted = if short { IvLength::Twelve } else { IvLength::Sixteen };
        let envelope = sealed(key(), iv_length(&key(), wanted), &plaintext);
        prop_assert_eq!(open(&envelope, key()), Ok(plaintext));
    }

    #[test]
    fn no_bytes_at_all_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open(&bytes, gcm()).is_err());
        prop_assert_eq!(ClearError::in_message(&bytes), None);
    }

    #[test]
    fn no_text_that_looks_like_json_breaks_the_readers(
        pieces in proptest::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just(","), Just("\""), Just("\\"), Just("\\u00"),
            Just("\\ud83d"), Just("\"iv\""), Just("\"fingerprint\""), Just("\"message\""), Just("\"errorCode\""),
            Just("\"AQAAAAAAAAAAAAAAAAAAAA==\""), Just("\"k-1\""), Just("\"k\""), Just("null"), Just("1e999"),
            Just("-"), Just("0"), Just(" "), Just("="), Just("é"),
        ], 0..60),
    ) {
        let text = pieces.concat();
        prop_assert!(open(&text, gcm()).is_err());
        let _ = ClearError::in_message(text.as_bytes());
    }

    #[test]
    fn any_members_are_judged_alike_by_a_reader_of_all_json(
        members in proptest::collection::vec(("iv|fingerprint|message|x", "[a-zA-Z0-9+/=\\\\\"]{0,30}"), 0..6),
    ) {
        let text: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{}", serde_json::json!(value))).collect();
        let text = format!("{{{}}}", text.join(","));
        let found = |wanted: &str| members.iter().filter(|(name, _)| name == wanted).collect::<Vec<_>>();
        let each: Vec<_> = ["iv", "fingerprint", "message"].into_iter().map(found).collect();
        let read = Members::read(text.as_bytes());
        if each.iter().all(|found| found.len() == 1) {
            let read = read.ok().unwrap();
            let values = [read.iv.as_bytes(), read.fingerprint.as_bytes(), &*read.message];
            prop_assert!(values.iter().zip(&each).all(|(read, found)| *read == found[0].1.as_bytes()));
        } else {
            prop_assert!(read.is_err());
        }
    }
}
