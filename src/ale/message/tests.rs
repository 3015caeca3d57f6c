use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::{self, Algorithm, SecretKey};
use crate::keys::{RingPolicy, Validity};
use crate::metrics::AleCode;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn key(algorithm: Algorithm, fingerprint: &str) -> Key {
    let secret = SecretKey::new(algorithm, &[7; 32][..algorithm.key_size.bytes()]).unwrap();
    Key::new(fingerprint.parse().unwrap(), secret, Validity::default())
}

fn gcm() -> Key {
    key("AES-256-GCM".parse().unwrap(), "k-1")
}

fn ring(key: Key) -> KeyRing {
    KeyRing::new(vec![key], None, RingPolicy::default(), NOW).ok().unwrap()
}

fn iv(length: IvLength) -> Iv {
    Iv::random(length, &mut StdRng::seed_from_u64(3))
}

fn sealed(key: Key, length: IvLength, plaintext: &[u8]) -> Vec<u8> {
    let (sealing, mut out) =
        (MessageSealing::new(Arc::new(key), iv(length), Box::default(), NOW), BytesMut::from("before"));
    let expected = sealing.sealed_len(plaintext.len());
    sealing.seal(plaintext, &mut out).unwrap();
    assert_eq!(out.len() - 6, expected);
    out[6..].to_vec()
}

fn open(envelope: impl AsRef<[u8]>, key: Key) -> Result<Vec<u8>, Refusal> {
    let opened = open_message(&StreamProfile::ale(), envelope.as_ref(), &ring(key), NOW)?;
    Ok(opened.plaintext.to_vec())
}

fn reason(envelope: impl AsRef<[u8]>) -> (AleCode, AleReason) {
    let refusal = open(envelope, gcm()).expect_err("a refusal");
    (refusal.code, refusal.reason)
}

fn told(reason: AleReason) -> (AleCode, AleReason) {
    (AleCode::IncorrectHeaders, reason)
}

/// The values of an envelope that holds `soup`.
fn values() -> [String; 3] {
    let envelope = String::from_utf8(sealed(gcm(), IvLength::Sixteen, b"soup")).unwrap();
    let read: serde_json::Value = serde_json::from_str(&envelope).unwrap();
    ["iv", "fingerprint", "message"].map(|name| read[name].as_str().unwrap().to_owned())
}

/// Every way in which somebody else's encoder may write `text` as JSON.
fn spelt(text: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Plain => format!("\"{text}\""),
        Spelling::Slashes => format!("\"{}\"", text.replace('/', "\\/")),
        Spelling::Unicode => {
            format!("\"{}\"", text.chars().map(|c| format!("\\u{:04X}", c as u32)).collect::<String>())
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    Slashes,
    Unicode,
}

#[test]
fn an_envelope_is_the_json_of_the_protocol() {
    let plaintext = b"{\"dish\":\"soup\"}";
    let iv = iv(IvLength::Sixteen);
    let ciphertext = crypto::seal(&gcm().secret, iv.as_bytes(), b"", plaintext).unwrap();
    let expected = format!(
        r#"{{"iv":"{}","fingerprint":"k-1","message":"{}"}}"#,
        encoding::iv_to_base64(&iv).as_str(),
        encoding::base64_encode(&ciphertext),
    );
    assert_eq!(sealed(gcm(), IvLength::Sixteen, plaintext), expected.as_bytes());
}

#[test]
fn every_algorithm_opens_what_it_sealed_under_each_length_of_iv_that_it_takes() {
    for algorithm in Algorithm::ALL {
        for length in [IvLength::Twelve, IvLength::Sixteen] {
            if iv_length(&key(algorithm, "k"), length) != length {
                continue;
            }
            for len in [0, 1, 2, 3, 15, 16, 17, 6127, 6128, 6129, 6143, 6144, 6145, 12_288, 20_000] {
                let plaintext: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
                let envelope = sealed(key(algorithm, "k"), length, &plaintext);
                assert_eq!(open(&envelope, key(algorithm, "k")), Ok(plaintext), "{algorithm}, {len} bytes");
            }
        }
    }
}

#[test]
fn a_fingerprint_that_json_has_to_escape_goes_through() {
    for fingerprint in [r#"""#, r"\", r#"a"b\c"#, r#"\\""#, "/!~"] {
        let key = || key("AES-128-GCM".parse().unwrap(), fingerprint);
        let envelope = sealed(key(), IvLength::Twelve, b"soup");
        let read: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
        assert_eq!(read["fingerprint"], fingerprint);
        assert_eq!(open(&envelope, key()), Ok(b"soup".to_vec()));
    }
}

#[test]
fn members_may_stand_in_any_order_among_others_and_with_any_escapes() {
    let [iv, fingerprint, message] = values();
    let others = [
        "",
        r#""n":null,"#,
        r#""a":[1,{"iv":"x","message":[]}],"e":-1.5e300,"s":"\ud800\"\\","#,
        "\n\t\"Iv\" : true ,\r\n",
    ];
    for spelling in [Spelling::Plain, Spelling::Slashes, Spelling::Unicode] {
        let members = [("iv", &iv), ("fingerprint", &fingerprint), ("message", &message)]
            .map(|(name, value)| format!("{}:{}", spelt(name, spelling), spelt(value, spelling)));
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for other in others {
                let [first, second, third] = order.map(|index| members[index].as_str());
                let envelope = format!(" {{ {other}{first},{other}{second} , {other}{third} }}\r\n");
                assert_eq!(open(&envelope, gcm()), Ok(b"soup".to_vec()), "{envelope}");
            }
        }
    }
}

#[test]
fn what_is_not_one_json_object_is_no_envelope() {
    let [iv, fingerprint, message] = values();
    let array = format!(r#"["{iv}","{fingerprint}","{message}"]"#);
    let whole = String::from_utf8(sealed(gcm(), IvLength::Sixteen, b"soup")).unwrap();
    let inner = whole.trim_matches(['{', '}']);
    let texts = [
        "",
        " ",
        "isAlive?",
        "null",
        "\"soup\"",
        "7",
        &array,
        &format!("[{whole}]"),
        &format!("{whole}{whole}"),
        &format!("{whole},"),
        &format!("{whole}x"),
        &format!("{whole}\0"),
        &format!("\u{feff}{whole}"),
        &format!("\u{b}{whole}"),
        &format!("{{{inner},}}"),
        &format!("{{,{inner}}}"),
        &format!("{{{inner}"),
        inner,
        &format!("{{{inner},\"n\":01}}"),
        &format!("{{{inner},\"n\":\"\u{1}\"}}"),
        &format!("{{{inner},n:1}}"),
        &format!("{{{inner},'n':1}}"),
        &format!("{{{inner},\"n\":1 /* */}}"),
    ];
    for text in texts {
        assert_eq!(reason(text), told(AleReason::BadEnvelope), "{text}");
    }
    let not_utf8 = [&whole.as_bytes()[..whole.len() - 1], b",\"n\":\"\xff\"}"].concat();
    assert_eq!(reason(not_utf8), told(AleReason::BadEnvelope));
}

#[test]
fn a_member_that_is_missing_is_told_apart_and_one_that_is_repeated_or_no_string_is_refused() {
    let values = values();
    let names = ["iv", "fingerprint", "message"];
    let missing = [AleReason::MissingIv, AleReason::MissingFingerprint, AleReason::MissingMessage];
    let member = |index: usize| format!("\"{}\":\"{}\"", names[index], values[index]);
    for index in 0..3 {
        let others: Vec<_> = (0..3).filter(|other| *other != index).map(member).collect();
        let others = others.join(",");
        assert_eq!(reason(format!("{{{others}}}")), told(missing[index]));
        let null = format!("{{{others},\"{}\":null}}", names[index]);
        assert_eq!(reason(null), told(missing[index]));
        let upper = format!("{{{others},\"{}\":\"{}\"}}", names[index].to_uppercase(), values[index]);
        assert_eq!(reason(upper), told(missing[index]));
        let repeated = format!("{{{others},{0},{0}}}", member(index));
        assert_eq!(reason(repeated), told(AleReason::BadEnvelope));
        let (escaped, value) = (spelt(names[index], Spelling::Unicode), &values[index]);
        let repeated = format!("{{{others},{},{escaped}:\"{value}\"}}", member(index));
        assert_eq!(reason(repeated), told(AleReason::BadEnvelope), "the second is written with escapes");
        for value in ["1", "true", "[]", "{}", "[\"x\"]", "{\"x\":\"y\"}", "\"\\ud800\"", "\"\\x\"", "\"\n\""]
        {
            let envelope = format!("{{{others},\"{}\":{value}}}", names[index]);
            assert_eq!(reason(&envelope), told(AleReason::BadEnvelope), "{envelope}");
        }
    }
    assert_eq!(reason("{}"), told(AleReason::MissingIv));
}

#[test]
fn an_iv_or_a_fingerprint_that_no_header_could_bear_is_incorrect() {
    let [iv, fingerprint, message] = values();
    let with = |iv: &str, fingerprint: &str| {
        reason(format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}","message":"{message}"}}"#))
    };
    let zeros = "A".repeat(22) + "==";
    let second_spelling = format!("{}h==", "A".repeat(21));
    for iv in ["", " ", &zeros, &"A".repeat(16), &second_spelling, &iv[..22], &iv.replace('=', "\\n"), "é"] {
        assert_eq!(with(iv, &fingerprint), told(AleReason::BadIv), "{iv}");
    }
    for fingerprint in ["", " ", "k 1", "k-1 ", "é", "k\\n", "k\\u0000", &"k".repeat(256)] {
        assert_eq!(with(&iv, fingerprint), told(AleReason::BadFingerprint), "{fingerprint}");
    }
    let unknown = (AleCode::UnableToDecrypt, AleReason::UnknownFingerprint);
    assert_eq!([with(&iv, "k-2"), with(&iv, &"k".repeat(255))], [unknown; 2]);
}

#[test]
fn an_iv_of_12_bytes_is_incorrect_where_the_algorithm_has_blocks() {
    let envelope = |algorithm: &str| {
        let ciphertext = encoding::base64_encode(b"soup and a tag of any kind");
        let envelope = format!(r#"{{"iv":"AQAAAAAAAAAAAAAA","fingerprint":"k","message":"{ciphertext}"}}"#);
        open(envelope, key(algorithm.parse().unwrap(), "k")).unwrap_err().reason
    };
    for algorithm in ["AES-128-CTR", "AES-256-CFB", "AES-192-CFB8"] {
        assert_eq!(envelope(algorithm), AleReason::BadIv, "{algorithm}");
    }
    assert_eq!(envelope("AES-128-GCM"), AleReason::NotAuthentic);
}

#[test]
fn a_key_outside_its_window_opens_nothing_and_an_unknown_one_may_be_told_apart() {
    let mut profile = StreamProfile::ale();
    let envelope = sealed(gcm(), IvLength::Sixteen, b"soup");
    let refused = |profile: &StreamProfile, validity, fingerprint: &str| {
        let key = Key::new(fingerprint.parse().unwrap(), gcm().secret, validity);
        let other = SecretKey::new("AES-128-CTR".parse().unwrap(), &[9; 16]).unwrap();
        let other = Key::new("other".parse().unwrap(), other, Validity::default());
        let ring = KeyRing::new(vec![key, other], None, RingPolicy::default(), NOW).ok().unwrap();
        let refusal = open_message(profile, &envelope, &ring, NOW).err().unwrap();
        (refusal.code, refusal.reason)
    };
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    let (over, to_come) = (Validity { after: None, until: at(-60) }, Validity { after: at(60), until: None });
    let (unable, mismatch) = (AleCode::UnableToDecrypt, AleCode::CredentialMismatch);
    assert_eq!(refused(&profile, over, "k-1"), (unable, AleReason::Expired));
    assert_eq!(refused(&profile, to_come, "k-1"), (unable, AleReason::NotYetValid));
    assert_eq!(refused(&profile, Validity::default(), "k"), (unable, AleReason::UnknownFingerprint));
    profile.terms.credential_mismatch = true;
    assert_eq!(refused(&profile, Validity::default(), "k"), (mismatch, AleReason::UnknownFingerprint));
    assert_eq!(refused(&profile, over, "k-1"), (unable, AleReason::Expired));
}

#[test]
fn a_message_in_which_any_bit_was_changed_does_not_open() {
    let [iv, fingerprint, message] = values();
    let bytes = encoding::base64_decode(message.as_bytes()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let message = encoding::base64_encode(&changed);
        let envelope = format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}","message":"{message}"}}"#);
        assert_eq!(reason(envelope), (AleCode::UnableToDecrypt, AleReason::NotAuthentic), "bit {bit}");
    }
}

#[test]
fn an_envelope_in_which_any_bit_was_changed_holds_nothing_or_the_same() {
    let whole = sealed(gcm(), IvLength::Sixteen, b"soup");
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed, gcm()).is_err(), "{}", changed.escape_ascii());
    }
}

#[test]
fn an_envelope_that_was_cut_anywhere_does_not_open() {
    let whole = sealed(gcm(), IvLength::Sixteen, b"soup");
    for end in 0..whole.len() {
        assert_eq!(reason(&whole[..end]), told(AleReason::BadEnvelope), "{end} bytes");
    }
    assert_eq!(open(&whole, gcm()), Ok(b"soup".to_vec()));
}

#[test]
fn ciphertext_that_was_cut_anywhere_does_not_open() {
    let [iv, fingerprint, message] = values();
    let bytes = encoding::base64_decode(message.as_bytes()).unwrap();
    for end in 0..bytes.len() {
        let message = encoding::base64_encode(&bytes[..end]);
        let envelope = format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}","message":"{message}"}}"#);
        assert_eq!(reason(envelope), (AleCode::UnableToDecrypt, AleReason::NotAuthentic), "{end} bytes");
    }
}

#[test]
fn ciphertext_that_is_not_canonical_base64_does_not_open_in_any_algorithm() {
    let padded = encoding::base64_encode(&[1; 6143]);
    let texts = [
        "Zg",
        "Zg=",
        "Zh==",
        "Zm9=",
        "Zm9v\\n",
        " Zm9v",
        "Zm-_",
        "=",
        "Zg==Zg==",
        "é",
        // Padding at the end of a stride that others follow.
        &format!("{padded}{padded}"),
        &format!("{padded}Zm9v"),
        &format!("{}!", "A".repeat(8192)),
        &format!("!{}", "A".repeat(8191)),
        &"A".repeat(8193),
    ];
    for algorithm in ["AES-256-GCM", "AES-128-CTR", "AES-192-CFB", "AES-256-CFB8"] {
        for text in texts {
            let envelope =
                format!(r#"{{"iv":"AQAAAAAAAAAAAAAAAAAAAA==","fingerprint":"k","message":"{text}"}}"#);
            let refusal = open(envelope, key(algorithm.parse().unwrap(), "k")).unwrap_err();
            assert_eq!(refusal, Refusal::unable(AleReason::BadMessage), "{algorithm}: {text}");
        }
    }
}

#[test]
fn an_empty_message_is_nothing_without_a_tag_and_forged_with_one() {
    let envelope = r#"{"iv":"AQAAAAAAAAAAAAAAAAAAAA==","fingerprint":"k","message":""}"#;
    let opened = |algorithm: &str| open(envelope, key(algorithm.parse().unwrap(), "k"));
    for algorithm in ["AES-256-CTR", "AES-256-CFB", "AES-256-CFB8"] {
        assert_eq!(opened(algorithm), Ok(Vec::new()));
    }
    assert_eq!(opened("AES-256-GCM"), Err(Refusal::not_authentic()));
}

#[test]
fn plaintext_is_wiped_when_the_tag_or_the_last_of_the_base64_is_wrong() {
    let secret = gcm().secret;
    let sealed = crypto::seal(&secret, &[2; 16], b"", &[b'x'; 20_000]).unwrap();
    let mut forged = sealed.clone();
    *forged.last_mut().unwrap() ^= 1;
    let forged = encoding::base64_encode(&forged);
    let broken = encoding::base64_encode(&sealed).split_at(26_687).0.to_owned() + "!";
    for (text, reason) in [(forged, AleReason::NotAuthentic), (broken, AleReason::BadMessage)] {
        let mut plaintext = BytesMut::new();
        let opener = secret.opener(&[2; 16], b"").unwrap();
        let opened = open_or_wipe(opener, text.as_bytes(), &mut plaintext);
        assert_eq!(opened.err(), Some(Refusal::unable(reason)));
        assert!(plaintext.len() > 12_000 && plaintext.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn nesting_as_deep_as_a_message_is_long_breaks_nothing() {
    let depth = 1_000_000;
    let [iv, fingerprint, message] = values();
    let members = format!(r#""iv":"{iv}","fingerprint":"{fingerprint}","message":"{message}""#);
    for (open_one, close_one) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = format!("{}1{}", open_one.repeat(depth), close_one.repeat(depth));
        assert_eq!(open(format!("{{{members},\"n\":{nested}}}"), gcm()), Ok(b"soup".to_vec()));
        assert_eq!(reason(nested.trim_end_matches(close_one)), told(AleReason::BadEnvelope));
        assert_eq!(reason(format!("{{\"iv\":{nested}}}")), told(AleReason::BadEnvelope));
    }
}

#[test]
fn a_message_alone_is_sealed_under_a_fresh_iv_of_16_bytes() {
    let key = Arc::new(gcm());
    let ivs: Vec<String> = (0..100)
        .map(|_| {
            let mut out = BytesMut::new();
            MessageSealing::alone(&key, NOW, &mut rand::rng()).seal(b"soup", &mut out).unwrap();
            assert_eq!(open(&out, gcm()), Ok(b"soup".to_vec()));
            String::from_utf8(out[7..31].to_vec()).unwrap()
        })
        .collect();
    assert!(ivs.iter().all(|iv| encoding::base64_decode(iv.as_bytes()).unwrap().len() == 16));
    assert!((1..100).all(|index| !ivs[..index].contains(&ivs[index])));
}

mod any_input;
