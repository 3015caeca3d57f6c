//! Sealing and opening against independent code and against themselves.

use aes_gcm::AesGcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = [1; 32];
const IV: [u8; 16] = [2; 16];

fn key(algorithm: Algorithm) -> SecretKey {
    SecretKey::new(algorithm, &KEY[..algorithm.key_size.bytes()]).unwrap()
}

fn gcm() -> SecretKey {
    key("AES-256-GCM".parse().unwrap())
}

/// `len` bytes that repeat in no block.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// Seals in pieces that end at `cuts`.
fn seal_in_pieces(key: &SecretKey, iv: &[u8], aad: &[u8], plaintext: &[u8], cuts: &[usize]) -> BytesMut {
    let mut out = BytesMut::new();
    let mut sealer = key.sealer(iv, aad).unwrap();
    for piece in pieces(plaintext, cuts) {
        sealer.update(piece, &mut out).unwrap();
    }
    sealer.finish(&mut out);
    out
}

fn open_in_pieces(
    key: &SecretKey,
    iv: &[u8],
    aad: &[u8],
    sealed: &[u8],
    cuts: &[usize],
) -> Result<BytesMut, NotAuthentic> {
    let mut out = BytesMut::new();
    let mut opener = key.opener(iv, aad).unwrap();
    for piece in pieces(sealed, cuts) {
        opener.update(piece, &mut out).unwrap();
    }
    opener.finish().map(|()| out)
}

/// Cuts `data` at the given places, in any order and as far as they lie within it.
fn pieces<'d>(data: &'d [u8], cuts: &[usize]) -> Vec<&'d [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| (*cut).min(data.len())).collect();
    ends.extend([0, data.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| &data[pair[0]..pair[1]]).collect()
}

/// Holds that the message in the pieces that `cuts` make is the message as a whole.
fn assert_cuts_change_nothing(key: &SecretKey, plaintext: &[u8], sealed: &[u8], cuts: &[usize]) {
    assert!(seal_in_pieces(key, &IV, b"aad", plaintext, cuts) == sealed, "{cuts:?}");
    assert!(open_in_pieces(key, &IV, b"aad", sealed, cuts).unwrap() == plaintext, "{cuts:?}");
}

#[test]
fn every_cut_of_every_short_message_gives_the_same_bytes() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        for len in 0..=70 {
            let plaintext = text(len);
            let sealed = seal(&key, &IV, b"aad", &plaintext).unwrap();
            assert_eq!(sealed.len(), len + algorithm.tag_len());
            assert_eq!(open(&key, &IV, b"aad", &sealed).unwrap(), plaintext);
            for cut in 0..=sealed.len() {
                assert_cuts_change_nothing(&key, &plaintext, &sealed, &[cut]);
            }
        }
    }
}

#[test]
fn every_cut_into_three_gives_the_same_bytes() {
    for algorithm in Algorithm::ALL.into_iter().filter(|known| known.key_size == KeySize::Aes256) {
        let (key, plaintext) = (key(algorithm), text(70));
        let sealed = seal(&key, &IV, b"aad", &plaintext).unwrap();
        for first in 0..=sealed.len() {
            for second in first..=sealed.len() {
                assert_cuts_change_nothing(&key, &plaintext, &sealed, &[first, second]);
            }
        }
    }
}

#[test]
fn message_sealed_and_opened_byte_by_byte_is_the_whole_message() {
    let cuts: Vec<usize> = (0..600).collect();
    for algorithm in Algorithm::ALL {
        let (key, plaintext) = (key(algorithm), text(515));
        let sealed = seal(&key, &IV, b"", &plaintext).unwrap();
        assert_eq!(seal_in_pieces(&key, &IV, b"", &plaintext, &cuts), sealed);
        assert_eq!(open_in_pieces(&key, &IV, b"", &sealed, &cuts).unwrap(), plaintext);
    }
}

#[test]
fn gcm_message_cut_short_anywhere_is_not_authentic() {
    let key = gcm();
    let sealed = seal(&key, &IV, b"", &text(70)).unwrap();
    for len in 0..sealed.len() {
        let refused = Err(OpenError::NotAuthentic(NotAuthentic));
        assert_eq!(open(&key, &IV, b"", &sealed[..len]), refused, "cut to {len} bytes");
        assert_eq!(open_in_pieces(&key, &IV, b"", &sealed[..len], &[len / 2]), Err(NotAuthentic));
    }
}

#[test]
fn gcm_message_with_any_bit_flipped_is_not_authentic() {
    let key = gcm();
    let sealed = seal(&key, &IV, b"", &text(70)).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut forged = sealed.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&key, &IV, b"", &forged), Err(NotAuthentic.into()), "bit {bit}");
    }
}

#[test]
fn gcm_message_with_another_iv_aad_or_key_is_not_authentic() {
    let sealed = seal(&gcm(), &IV, b"aad", &text(70)).unwrap();
    let other = SecretKey::new(gcm().algorithm(), &[9; 32]).unwrap();
    assert_eq!(open(&gcm(), &[3; 16], b"aad", &sealed), Err(NotAuthentic.into()));
    assert_eq!(open(&gcm(), &IV[..12], b"aad", &sealed), Err(NotAuthentic.into()));
    assert_eq!(open(&gcm(), &IV, b"aae", &sealed), Err(NotAuthentic.into()));
    assert_eq!(open(&gcm(), &IV, b"", &sealed), Err(NotAuthentic.into()));
    assert_eq!(open(&other, &IV, b"aad", &sealed), Err(NotAuthentic.into()));
}

#[test]
fn gcm_message_with_bytes_behind_its_tag_is_not_authentic() {
    let mut sealed = seal(&gcm(), &IV, b"", &text(70)).unwrap();
    sealed.extend_from_slice(&[0]);
    assert_eq!(open(&gcm(), &IV, b"", &sealed), Err(NotAuthentic.into()));
}

#[test]
fn altered_message_without_a_tag_opens_to_other_text() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_authenticated()) {
        let (key, plaintext) = (key(algorithm), text(70));
        let mut sealed = seal(&key, &IV, b"", &plaintext).unwrap();
        sealed[40] ^= 1;
        let opened = open(&key, &IV, b"", &sealed).unwrap();
        assert_eq!(opened[..40], plaintext[..40]);
        assert_eq!(opened[40], plaintext[40] ^ 1);
    }
}

#[test]
fn iv_of_a_length_that_the_mode_does_not_have_is_refused() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        for len in 0..40 {
            let allowed = if algorithm.is_authenticated() { len > 0 } else { len == 16 };
            let expected = if allowed { Ok(()) } else { Err(WrongIvLength { algorithm, actual: len }) };
            assert_eq!(key.sealer(&[7; 40][..len], b"").map(drop), expected);
            assert_eq!(key.opener(&[7; 40][..len], b"").map(drop), expected);
        }
    }
}

#[test]
fn key_of_a_length_that_the_algorithm_does_not_have_is_refused() {
    for algorithm in Algorithm::ALL {
        let expected = algorithm.key_size.bytes();
        for len in (0..40).filter(|len| *len != expected) {
            let refused = SecretKey::new(algorithm, &[7; 40][..len]).err();
            assert_eq!(refused, Some(WrongKeyLength { algorithm, expected, actual: len }));
        }
    }
}

#[test]
fn key_gives_its_bytes_and_its_algorithm_back() {
    for algorithm in Algorithm::ALL {
        assert_eq!(key(algorithm).algorithm(), algorithm);
        assert_eq!(key(algorithm).bytes(), &KEY[..algorithm.key_size.bytes()]);
    }
}

#[test]
fn message_outlives_the_key_that_it_was_begun_under() {
    for algorithm in Algorithm::ALL {
        let expected = seal(&key(algorithm), &IV, b"", &text(70)).unwrap();
        let mut out = BytesMut::new();
        let mut sealer = key(algorithm).sealer(&IV, b"").unwrap();
        sealer.update(&text(70), &mut out).unwrap();
        sealer.finish(&mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn what_was_in_the_output_buffer_before_stays() {
    let mut out = BytesMut::from("before");
    let mut sealer = gcm().sealer(&IV, b"").unwrap();
    sealer.update(b"text", &mut out).unwrap();
    sealer.finish(&mut out);
    assert_eq!(out[..6], b"before"[..]);
    assert_eq!(open(&gcm(), &IV, b"", &out[6..]).unwrap(), b"text"[..]);
}

/// The oracle: another implementation, over whole messages.
fn oracle(algorithm: Algorithm, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    use aes_gcm::aead::consts::{U12, U16};
    fn run<C: KeyInit + AeadInOut>(algorithm: Algorithm, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let cipher = C::new_from_slice(&KEY[..algorithm.key_size.bytes()]).unwrap();
        let mut sealed = plaintext.to_vec();
        cipher.encrypt_in_place(iv.try_into().unwrap(), aad, &mut sealed).unwrap();
        sealed
    }
    match (algorithm.key_size, iv.len()) {
        (KeySize::Aes128, 12) => run::<AesGcm<Aes128, U12>>(algorithm, iv, aad, plaintext),
        (KeySize::Aes192, 12) => run::<AesGcm<Aes192, U12>>(algorithm, iv, aad, plaintext),
        (KeySize::Aes256, 12) => run::<AesGcm<Aes256, U12>>(algorithm, iv, aad, plaintext),
        (KeySize::Aes128, _) => run::<AesGcm<Aes128, U16>>(algorithm, iv, aad, plaintext),
        (KeySize::Aes192, _) => run::<AesGcm<Aes192, U16>>(algorithm, iv, aad, plaintext),
        (KeySize::Aes256, _) => run::<AesGcm<Aes256, U16>>(algorithm, iv, aad, plaintext),
    }
}

/// Lengths around block, tag and stride, and any others.
fn plaintexts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        prop_oneof![8180usize..8210, 16370usize..16420].prop_map(text),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_split_gives_the_bytes_of_the_whole(
        algorithm in proptest::sample::select(Algorithm::ALL.to_vec()),
        iv in any::<[u8; 16]>(),
        aad in proptest::collection::vec(any::<u8>(), 0..40),
        plaintext in plaintexts(),
        cuts in proptest::collection::vec(0usize..16_500, 0..12),
    ) {
        let key = key(algorithm);
        let sealed = seal(&key, &iv, &aad, &plaintext).unwrap();
        prop_assert!(seal_in_pieces(&key, &iv, &aad, &plaintext, &cuts) == sealed);
        prop_assert!(open_in_pieces(&key, &iv, &aad, &sealed, &cuts).unwrap() == plaintext);
        prop_assert!(open(&key, &iv, &aad, &sealed).unwrap() == plaintext);
    }

    #[test]
    fn gcm_is_what_the_aes_gcm_crate_makes_of_it(
        algorithm in proptest::sample::select(Algorithm::ALL[..3].to_vec()),
        iv in prop_oneof![
            proptest::collection::vec(any::<u8>(), 12),
            proptest::collection::vec(any::<u8>(), 16),
        ],
        aad in proptest::collection::vec(any::<u8>(), 0..40),
        plaintext in plaintexts(),
    ) {
        let sealed = seal(&key(algorithm), &iv, &aad, &plaintext).unwrap();
        prop_assert!(sealed == oracle(algorithm, &iv, &aad, &plaintext));
    }
}
