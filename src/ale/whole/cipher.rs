//! One ciphertext with what stands beside it in the same text: IV, tag, encoding, padding.

use rand::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{self, Iv, IvLength, Tag};
use crate::keys::Key;
use crate::metrics::AleReason;
use crate::profile::{Padding, TagPlace, WholeIv, WholeProfile};

/// What of a ciphertext stands elsewhere in the message.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'b> {
    pub(super) iv: Option<&'b Iv>,
    pub(super) tag: Option<&'b [u8]>,
    pub(super) aad: &'b [u8],
}

/// What was sealed, and under which IV and tag.
pub(super) struct Opened {
    pub(super) plaintext: Zeroizing<Vec<u8>>,
    pub(super) iv: Iv,
    pub(super) tag: Tag,
}

/// A ciphertext as it stands in the message, and what is to stand elsewhere.
pub(super) struct Sealed {
    pub(super) text: Vec<u8>,
    pub(super) iv: Iv,
    pub(super) tag: Tag,
}

/// Whether a tag vouches for what `key` opens under `profile`.
pub(super) fn is_vouched_for(profile: &WholeProfile, key: &Key) -> bool {
    key.secret.algorithm().is_authenticated() && profile.tag != TagPlace::None
}

/// Opens `text`. Whatever is wrong with it, its sender hears the same.
pub(super) fn open(
    profile: &WholeProfile,
    key: &Key,
    text: &[u8],
    beside: Beside<'_>,
) -> Result<Opened, AleReason> {
    let sealed = profile.encoding.decode(text).ok_or(AleReason::BadMessage)?;
    let (iv, rest) = match (&profile.iv, beside.iv) {
        (WholeIv::Prefix(length), _) => {
            let (iv, rest) = sealed.split_at_checked(length.bytes()).ok_or(AleReason::NotAuthentic)?;
            (Iv::from_slice(iv).ok_or(AleReason::BadIv)?, rest)
        }
        (WholeIv::Static(iv), _) => (*iv, &sealed[..]),
        (WholeIv::At(..), iv) => (*iv.ok_or(AleReason::MissingIv)?, &sealed[..]),
    };
    let not_authentic = |_| AleReason::NotAuthentic;
    let is_gcm = key.secret.algorithm().is_authenticated();
    if iv.len() == IvLength::Twelve && !is_gcm {
        return Err(AleReason::BadIv);
    }
    let length = profile.tag_length.bytes();
    let short = AleReason::NotAuthentic;
    let (tag, ciphertext) = match &profile.tag {
        _ if !is_gcm => (None, rest),
        TagPlace::None => (None, rest),
        TagPlace::Before => {
            rest.split_at_checked(length).map(|(tag, rest)| (Some(tag), rest)).ok_or(short)?
        }
        TagPlace::Appended => {
            let at = rest.len().checked_sub(length).ok_or(short)?;
            (Some(&rest[at..]), &rest[..at])
        }
        TagPlace::At(_) => (Some(beside.tag.ok_or(AleReason::MissingTag)?), rest),
    };
    let mut plaintext = match tag {
        Some(tag) => {
            crypto::open_detached(&key.secret, iv.as_bytes(), beside.aad, ciphertext, tag, profile.tag_length)
        }
        None => crypto::open_unverified(&key.secret, iv.as_bytes(), ciphertext),
    }
    .map_err(not_authentic)?;
    if profile.padding == Padding::Pkcs7 {
        crypto::unpad_pkcs7(&mut plaintext);
    }
    Ok(Opened { plaintext, iv, tag: tag.map(whole_tag) })
}

/// IV and tag that stand in one text with the ciphertext, where the profile has them there.
pub(super) fn beside_in(
    profile: &WholeProfile,
    is_gcm: bool,
    text: &[u8],
) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let Some(sealed) = profile.encoding.decode(text) else { return (None, None) };
    let (iv, rest) = match &profile.iv {
        WholeIv::Prefix(length) => match sealed.split_at_checked(length.bytes()) {
            Some((iv, rest)) => (Some(iv.to_vec()), rest),
            None => return (None, None),
        },
        WholeIv::Static(_) | WholeIv::At(..) => (None, &sealed[..]),
    };
    let length = profile.tag_length.bytes();
    let tag = match &profile.tag {
        TagPlace::Before if is_gcm => rest.get(..length),
        TagPlace::Appended if is_gcm => rest.len().checked_sub(length).map(|at| &rest[at..]),
        _ => None,
    };
    (iv, tag.map(<[u8]>::to_vec))
}

/// A tag that is cut short, with zeros behind it: it only tells messages apart.
fn whole_tag(tag: &[u8]) -> [u8; 16] {
    let mut whole = [0; 16];
    whole.iter_mut().zip(tag).for_each(|(to, from)| *to = *from);
    whole
}

/// Seals `plaintext`; `iv` is the one that the message has already, if it has.
pub(super) fn seal<R: CryptoRng>(
    profile: &WholeProfile,
    key: &Key,
    plaintext: &[u8],
    iv: Option<&Iv>,
    aad: &[u8],
    rng: &mut R,
) -> Result<Sealed, AleReason> {
    let iv = iv.copied().unwrap_or_else(|| fresh_iv(profile, rng));
    let mut padded = Zeroizing::new(Vec::new());
    let plaintext = match profile.padding {
        Padding::None => plaintext,
        Padding::Pkcs7 => {
            padded.extend_from_slice(plaintext);
            crypto::pad_pkcs7(&mut padded);
            &padded
        }
    };
    let sealed = crypto::seal_detached(&key.secret, iv.as_bytes(), aad, plaintext);
    let (ciphertext, tag) = sealed.map_err(|_| AleReason::OtherAlgorithm)?;
    padded.zeroize();
    let mut blob = Vec::with_capacity(iv.len().bytes() + 16 + ciphertext.len());
    if let WholeIv::Prefix(_) = profile.iv {
        blob.extend_from_slice(iv.as_bytes());
    }
    let cut = tag.as_ref().map(|tag| &tag[..profile.tag_length.bytes()]).unwrap_or_default();
    if profile.tag == TagPlace::Before {
        blob.extend_from_slice(cut);
    }
    blob.extend_from_slice(&ciphertext);
    if profile.tag == TagPlace::Appended {
        blob.extend_from_slice(cut);
    }
    Ok(Sealed { text: profile.encoding.encode(&blob), iv, tag })
}

/// An IV for a new message, or the one that all messages are under.
pub(super) fn fresh_iv<R: CryptoRng>(profile: &WholeProfile, rng: &mut R) -> Iv {
    let length = match &profile.iv {
        WholeIv::Static(iv) => return *iv,
        WholeIv::Prefix(length) => *length,
        WholeIv::At(_, length) => length.unwrap_or(IvLength::Sixteen),
    };
    match (&profile.iv, profile.iv_encoding) {
        (WholeIv::At(..), crypto::encoding::Encoding::Raw) => Iv::random_characters(length, rng),
        _ => Iv::random(length, rng),
    }
}
