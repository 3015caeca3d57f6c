//! Messages whose tag stands apart from the ciphertext, is cut short, or is not there at all; and padding where no cipher
//! needs any. These are the habits of other clients: what Alewife makes for itself has the whole tag at the end.

use bytes::BytesMut;
use zeroize::{Zeroize, Zeroizing};

use super::{MessageTooLong, OpenError, SealError, SecretKey};

/// How many bytes of a tag travel: 12 to 16 (NIST SP 800-38D §5.2.1.2, without the lengths for special uses).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagLength(u8);

impl TagLength {
    /// The shortest.
    pub const SHORTEST: Self = Self(12);
    /// All of it.
    pub const WHOLE: Self = Self(16);

    /// A length of 12 to 16 bytes.
    pub fn new(bytes: usize) -> Option<Self> {
        u8::try_from(bytes).ok().filter(|bytes| (12..=16).contains(bytes)).map(Self)
    }

    /// The length as a number of bytes.
    pub fn bytes(self) -> usize {
        usize::from(self.0)
    }
}

/// The whole tag of a sealed message; absent under a mode that has none.
pub type Tag = Option<[u8; 16]>;

/// Seals `plaintext` whole; the ciphertext is as long, and the tag stands apart from it.
pub fn seal_detached(
    key: &SecretKey,
    iv: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<(BytesMut, Tag), SealError> {
    let mut sealed = super::seal(key, iv, aad, plaintext)?;
    let tag = sealed.split_off(plaintext.len());
    Ok((sealed, tag[..].try_into().ok()))
}

/// Opens a ciphertext whose tag stands apart from it: exactly the leading `length` bytes of the message's tag. Nothing comes
/// out unless they are right, and a key whose mode has no tag opens nothing.
pub fn open_detached(
    key: &SecretKey,
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
    length: TagLength,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut message = Zeroizing::new(ciphertext.to_vec());
    let gcm = key.start_gcm(iv, aad)?;
    // A shorter tag would be guessed sooner, and a longer one is another format.
    let tag = if tag.len() == length.bytes() { tag } else { &[] };
    match gcm {
        Some(gcm) => gcm.open_detached(&mut message, tag)?,
        None => return Err(super::NotAuthentic.into()),
    }
    Ok(message)
}

/// Opens a ciphertext that no tag vouches for. Under GCM that is CTR from J0 (SP 800-38D §7.2, without its steps 7 and 8):
/// whoever can reach the line can change every bit of it.
pub fn open_unverified(
    key: &SecretKey,
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if let Some(gcm) = key.start_gcm(iv, &[])? {
        let mut message = Zeroizing::new(ciphertext.to_vec());
        gcm.open_unverified(&mut message)?;
        return Ok(message);
    }
    let mut opened = BytesMut::with_capacity(ciphertext.len());
    let mut opener = key.opener(iv, &[])?;
    opener
        .update(ciphertext, &mut opened)
        .map_err(|MessageTooLong| OpenError::MessageTooLong(MessageTooLong))?;
    let message = Zeroizing::new(opened.to_vec());
    opened[..].zeroize();
    Ok(message)
}

/// Appends the padding of PKCS #7 (RFC 5652 §6.3) to the next whole block of 16 bytes.
pub fn pad_pkcs7(plaintext: &mut Zeroizing<Vec<u8>>) {
    let missing = 16 - plaintext.len() % 16;
    let mut padded = Zeroizing::new(Vec::with_capacity(plaintext.len() + missing));
    padded.extend_from_slice(plaintext);
    padded.resize(plaintext.len() + missing, missing as u8);
    *plaintext = padded;
}

/// Takes the padding of PKCS #7 off, where there is any.
///
/// What is not padded stays as it is, and that is no error: without a tag, an error would tell whoever changes the
/// ciphertext something of the plaintext, byte by byte (a padding oracle).
pub fn unpad_pkcs7(plaintext: &mut Zeroizing<Vec<u8>>) {
    let Some(&last) = plaintext.last() else { return };
    let padding = usize::from(last);
    let start = plaintext.len().checked_sub(padding).filter(|_| (1..=16).contains(&padding));
    if let Some(start) = start.filter(|&start| plaintext[start..].iter().all(|&byte| byte == last)) {
        plaintext.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::{Algorithm, Mode, NotAuthentic, seal};

    fn key_of(algorithm: Algorithm) -> SecretKey {
        SecretKey::new(algorithm, &[7; 32][..algorithm.key_size.bytes()]).unwrap()
    }

    proptest! {
        #[test]
        fn detached_tag_is_the_end_of_the_sealed_whole_and_opens_at_its_exact_length_only(
            plaintext in proptest::collection::vec(any::<u8>(), 0..100),
            iv in proptest::collection::vec(any::<u8>(), 12..=16),
            aad in proptest::collection::vec(any::<u8>(), 0..20),
            flipped in any::<proptest::sample::Index>(),
        ) {
            for algorithm in Algorithm::ALL.into_iter().filter(|known| known.is_authenticated()) {
                let key = key_of(algorithm);
                let (ciphertext, tag) = seal_detached(&key, &iv, &aad, &plaintext).unwrap();
                let tag = tag.unwrap();
                prop_assert_eq!([&ciphertext[..], &tag].concat(), seal(&key, &iv, &aad, &plaintext).unwrap());
                for length in 12..=16 {
                    let length = TagLength::new(length).unwrap();
                    for given in 0..=16 {
                        let opened = open_detached(&key, &iv, &aad, &ciphertext, &tag[..given], length);
                        prop_assert_eq!(opened.ok().map(|opened| opened.to_vec()),
                            (given == length.bytes()).then(|| plaintext.clone()));
                    }
                    let mut wrong = tag;
                    wrong[flipped.index(length.bytes())] ^= 1;
                    let opened = open_detached(&key, &iv, &aad, &ciphertext, &wrong[..length.bytes()], length);
                    prop_assert_eq!(opened.err(), Some(NotAuthentic.into()));
                }
                prop_assert_eq!(&*open_unverified(&key, &iv, &ciphertext).unwrap(), &plaintext);
            }
        }

        #[test]
        fn what_was_padded_is_unpadded_and_no_text_is_an_error(text in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut padded = Zeroizing::new(text.clone());
            pad_pkcs7(&mut padded);
            prop_assert!(padded.len() % 16 == 0 && padded.len() > text.len());
            unpad_pkcs7(&mut padded);
            prop_assert_eq!(&*padded, &text);
            let mut plain = Zeroizing::new(text.clone());
            unpad_pkcs7(&mut plain);
            prop_assert!(text.starts_with(&plain));
        }
    }

    #[test]
    fn key_whose_mode_has_no_tag_opens_nothing_that_bears_one() {
        for algorithm in Algorithm::ALL.into_iter().filter(|known| known.mode != Mode::Gcm) {
            let key = key_of(algorithm);
            let (ciphertext, tag) = seal_detached(&key, &[1; 16], b"", b"text").unwrap();
            assert_eq!((tag, ciphertext.len()), (None, 4));
            let opened = open_detached(&key, &[1; 16], b"", &ciphertext, &[0; 16], TagLength::WHOLE);
            assert_eq!(opened.err(), Some(NotAuthentic.into()));
            assert_eq!(&**open_unverified(&key, &[1; 16], &ciphertext).unwrap(), b"text");
        }
    }

    #[test]
    fn tag_has_12_to_16_bytes() {
        let lengths = (0..300).filter_map(TagLength::new).map(TagLength::bytes);
        assert_eq!(lengths.collect::<Vec<_>>(), [12, 13, 14, 15, 16]);
    }
}
