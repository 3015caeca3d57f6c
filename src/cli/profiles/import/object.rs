//! The vendor's object: `{"enc":{"algo":…,"key":…,"IV":…}}`, or what stands in it.

use zeroize::Zeroizing;

use crate::crypto::{Algorithm, Mode};
use crate::payload::Pointer;
use crate::payload::json::{Json, Kind, unescape};

/// What the object says.
pub(super) struct Object {
    pub(super) algorithm: Algorithm,
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) iv: Zeroizing<Vec<u8>>,
}

const ALGO: &str = "algo";
const KEY: &str = "key";
const IV: &str = "IV";

/// What is wrong with the object. Nothing of it is quoted: whatever stands in it may be the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ObjectFault {
    #[error("it is no JSON object")]
    NotAnObject,
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("it has a member twice")]
    Twice,
    #[error("{0} is no text")]
    NotText(&'static str),
    #[error("there is something beside algo, key and IV")]
    Unknown,
    #[error("algo names no algorithm that the vendor has")]
    UnknownAlgorithm,
    #[error("{name} has {found} characters, and must have {expected}")]
    WrongLength { name: &'static str, found: usize, expected: usize },
    #[error("{0} has a character that is not visible ASCII")]
    NotVisible(&'static str),
}

impl ObjectFault {
    /// What to do about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::NotAnObject | Self::Twice | Self::NotText(_) | Self::Missing(_) => {
                "copy the vendor's object as it is: {\"enc\":{\"algo\":\"…\",\"key\":\"…\",\"IV\":\"…\"}}"
            }
            Self::Unknown => "take it out if it does not change how values are sealed; ask the vendor",
            Self::UnknownAlgorithm => "write AES-128, AES-192 or AES-256 with -CFB or -GCM",
            Self::WrongLength { name: IV, .. } => "an IV is 16 characters under every algorithm",
            Self::WrongLength { .. } => {
                "a key is 16 characters for AES-128, 24 for AES-192 and 32 for AES-256"
            }
            Self::NotVisible(_) => {
                "key and IV are the characters themselves; if the vendor writes them otherwise, write the profile by hand"
            }
        }
    }
}

/// Reads the object.
pub(super) fn read(text: &[u8]) -> Result<Object, ObjectFault> {
    let json = Json::parse(text).map_err(|_| ObjectFault::NotAnObject)?;
    let kind = |pointer: &[&str]| {
        let found = json.find(&Pointer::of(pointer)).map_err(|_| ObjectFault::Twice)?;
        Ok::<_, ObjectFault>(found.map(|found| found.kind))
    };
    if kind(&[])? != Some(Kind::Object) {
        return Err(ObjectFault::NotAnObject);
    }
    let inside: &[&str] = match kind(&["enc"])? {
        Some(Kind::Object) => &["enc"],
        Some(_) => return Err(ObjectFault::NotAnObject),
        None => &[],
    };
    let is_unknown = |leaf: crate::payload::json::Leaf<'_>| {
        let pointer = leaf.pointer();
        let (around, own) = pointer.segments().split_at_checked(inside.len())?;
        let is_inside = around.iter().map(|segment| &**segment).eq(inside.iter().copied());
        Some(is_inside && !own.first().is_some_and(|name| [ALGO, KEY, IV].contains(&&**name)))
    };
    let member = |name: &'static str| {
        let pointer = Pointer::of(&[inside, &[name]].concat());
        let found = json.find(&pointer).map_err(|_| ObjectFault::Twice)?;
        let found = found.ok_or(ObjectFault::Missing(name))?;
        if found.kind == Kind::String {
            Ok(unescape(&text[found.span]))
        } else {
            Err(ObjectFault::NotText(name))
        }
    };
    let (algo, key, iv) = (member(ALGO)?, member(KEY)?, member(IV)?);
    if json.leaves().any(|leaf| is_unknown(leaf) == Some(true)) {
        return Err(ObjectFault::Unknown);
    }
    let algorithm = algorithm(&algo).ok_or(ObjectFault::UnknownAlgorithm)?;
    Ok(Object { algorithm, key: visible(KEY, key, algorithm.key_size.bytes())?, iv: visible(IV, iv, 16)? })
}

/// Callbacks are sealed under CFB or GCM.
fn algorithm(text: &[u8]) -> Option<Algorithm> {
    let name = std::str::from_utf8(text).ok()?;
    name.parse().ok().filter(|algorithm: &Algorithm| matches!(algorithm.mode, Mode::Cfb | Mode::Gcm))
}

/// A text of as many characters, each of which is a byte.
fn visible(
    name: &'static str,
    text: Zeroizing<Vec<u8>>,
    expected: usize,
) -> Result<Zeroizing<Vec<u8>>, ObjectFault> {
    if !text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(ObjectFault::NotVisible(name));
    }
    if text.len() == expected {
        Ok(text)
    } else {
        Err(ObjectFault::WrongLength { name, found: text.len(), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_32: &str = "0123456789abcdefghijklmnopqrstuv";

    fn object(algo: &str, key: &str, iv: &str) -> String {
        serde_json::json!({ "algo": algo, "key": key, "IV": iv }).to_string()
    }

    fn fault(text: &str) -> ObjectFault {
        read(text.as_bytes()).err().expect("it is wrong")
    }

    #[test]
    fn every_algorithm_of_the_vendor_is_read_in_any_case_with_or_without_what_is_around() {
        for (algo, length) in [
            ("AES-128-CFB", 16),
            ("aes-192-cfb", 24),
            ("Aes-256-Cfb", 32),
            ("AES-128-GCM", 16),
            ("aes-192-gcm", 24),
            ("aes-256-gcm", 32),
        ] {
            let inner = object(algo, &KEY_32[..length], "fedcba98\"\\543210");
            for text in [format!("{{\"url\":\"https://x\",\"enc\":{inner},\"z\":[1]}}"), inner] {
                let read = read(text.as_bytes()).unwrap();
                assert_eq!(read.algorithm.to_string(), algo.to_uppercase());
                assert_eq!(
                    (&**read.key, &**read.iv),
                    (&KEY_32.as_bytes()[..length], &b"fedcba98\"\\543210"[..])
                );
            }
        }
    }

    #[test]
    fn key_or_iv_of_another_length_is_told_by_its_length_alone() {
        let wrong = |name, found, expected| ObjectFault::WrongLength { name, found, expected };
        for (algo, length, expected) in [
            ("AES-128-GCM", 15, 16),
            ("AES-192-CFB", 16, 24),
            ("AES-256-GCM", 24, 32),
            ("AES-128-CFB", 32, 16),
        ] {
            assert_eq!(fault(&object(algo, &KEY_32[..length], &KEY_32[..16])), wrong(KEY, length, expected));
        }
        for length in [0, 12, 15, 17] {
            assert_eq!(fault(&object("AES-256-GCM", KEY_32, &KEY_32[..length])), wrong(IV, length, 16));
        }
    }

    #[test]
    fn algorithm_that_callbacks_are_not_sealed_under_is_a_fault() {
        for algo in ["AES-256-CTR", "AES-128-CFB8", "AES-256", "aes-256-gcm ", "", "DES"] {
            assert_eq!(fault(&object(algo, KEY_32, &KEY_32[..16])), ObjectFault::UnknownAlgorithm);
        }
    }

    #[test]
    fn character_that_is_no_single_byte_is_a_fault() {
        let key = "é123456789abcdef";
        assert_eq!(fault(&object("AES-128-GCM", key, key)), ObjectFault::NotVisible(KEY));
        let iv = "0123456789abcde\n";
        assert_eq!(fault(&object("AES-128-GCM", &KEY_32[..16], iv)), ObjectFault::NotVisible(IV));
    }

    #[test]
    fn object_that_lacks_a_member_or_has_more_is_a_fault() {
        let whole = object("AES-256-GCM", KEY_32, &KEY_32[..16]);
        for name in [ALGO, KEY, IV] {
            assert_eq!(
                fault(&whole.replace(&format!("\"{name}\""), &format!("\"{name}2\""))),
                ObjectFault::Missing(name)
            );
        }
        for more in ["\"padding\":\"pkcs7\"", "\"mode\":{\"a\":1}"] {
            let text = whole.replacen('{', &format!("{{{more},"), 1);
            assert_eq!(fault(&text), ObjectFault::Unknown);
            assert_eq!(fault(&format!("{{\"enc\":{text}}}")), ObjectFault::Unknown);
        }
        assert_eq!(fault(&whole.replacen('{', "{\"key\":\"x\",", 1)), ObjectFault::Twice);
        assert_eq!(fault(&whole.replace(&format!("\"{KEY_32}\""), "7")), ObjectFault::NotText(KEY));
    }

    #[test]
    fn text_that_is_no_object_is_a_fault() {
        for text in ["", "[]", "7", "{", "{\"enc\":[]}", "{\"enc\":\"x\"}", "key = \"x\""] {
            assert_eq!(fault(text), ObjectFault::NotAnObject, "{text}");
        }
    }

    #[test]
    fn every_fault_has_a_remedy_and_none_quotes_the_object() {
        let faults = [
            ObjectFault::NotAnObject,
            ObjectFault::Missing(KEY),
            ObjectFault::Twice,
            ObjectFault::NotText(IV),
            ObjectFault::Unknown,
            ObjectFault::UnknownAlgorithm,
            ObjectFault::WrongLength { name: KEY, found: 1, expected: 16 },
            ObjectFault::NotVisible(IV),
        ];
        for fault in faults {
            assert!(!fault.remedy().is_empty());
        }
        let secret = object(KEY_32, KEY_32, KEY_32);
        let told = fault(&secret);
        assert!(!format!("{told} {told:?} {}", told.remedy()).contains(&KEY_32[..8]));
    }
}
