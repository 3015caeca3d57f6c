//! Published derivations, and those of another implementation.

use std::collections::HashSet;

use super::*;
use crate::crypto::encoding::hex_encode;

fn pbkdf2(prf: Prf, iterations: u32, salt: &[u8]) -> Pbkdf2 {
    Pbkdf2::new(prf, i64::from(iterations).try_into().unwrap(), salt.to_vec())
}

fn derive(prf: Prf, iterations: u32, salt: &[u8], passphrase: &[u8], length: usize) -> String {
    hex_encode(&pbkdf2(prf, iterations, salt).derive(passphrase, length))
}

/// RFC 6070 without its 16,777,216 iterations, which are more than are taken.
#[test]
fn sha1_derives_as_rfc_6070_says() {
    for (passphrase, salt, iterations, key) in [
        (&b"password"[..], &b"salt"[..], 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        (b"password", b"salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        (b"password", b"salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
        (
            b"passwordPASSWORDpassword",
            b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
        ),
        (b"pass\0word", b"sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
    ] {
        assert_eq!(derive(Prf::Sha1, iterations, salt, passphrase, key.len() / 2), key);
    }
}

#[test]
fn sha256_derives_as_rfc_7914_says_in_section_11() {
    for (passphrase, salt, iterations, key) in [
        (
            &b"passwd"[..],
            &b"salt"[..],
            1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
             49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
        (
            b"Password",
            b"NaCl",
            80000,
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56\
             a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        ),
    ] {
        assert_eq!(derive(Prf::Sha256, iterations, salt, passphrase, 64), key);
    }
}

/// Computed with `hashlib.pbkdf2_hmac` of Python.
#[test]
fn sha512_derives_as_python_does() {
    for (passphrase, salt, iterations, key) in [
        (
            "password",
            "salt",
            1,
            "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252\
             c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce",
        ),
        (
            "password",
            "salt",
            2,
            "e1d9c16aa681708a45f5c7c4e215ceb66e011a2e9f0040713f18aefdb866d53c\
             f76cab2868a39b9f7840edce4fef5a82be67335c77a6068e04112754f27ccf4e",
        ),
        (
            "passwordPASSWORDpassword",
            "saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            "8c0511f4c6e597c6ac6315d8f0362e225f3c501495ba23b868c005174dc4ee71",
        ),
        (
            "é☕ passphrase",
            "",
            1000,
            "b8507c5cafdb07c3888a077286c0a9b6a3756379ee128e509c9526ce87d2b0410d4c6003bc904c01ad5dd5ca6019c5477801\
             61e4b8c4aaddb9909e2ce3505c311ec7c32ef621e0c2628467fe596ec622596a87779eef1c8b2962888933e434ee41f3622e",
        ),
        ("", "NaCl", 100_000, "efd00752bc9ffafb5a399dd1d5834e8d2c2b676ecd4b2063"),
    ] {
        let derived = derive(Prf::Sha512, iterations, salt.as_bytes(), passphrase.as_bytes(), key.len() / 2);
        assert_eq!(derived, key);
    }
}

#[test]
fn iterations_out_of_range_are_refused() {
    let make = |count| Iterations::try_from(count).map(Iterations::get);
    assert_eq!(make(1), Ok(1));
    assert_eq!(make(10_000_000), Ok(10_000_000));
    for count in [i64::MIN, -1, 0, 10_000_001, (1 << 32) + 1, i64::MAX] {
        assert_eq!(make(count), Err(IterationsOutOfRange), "for {count}");
    }
    let told = IterationsOutOfRange.to_string();
    assert_eq!(told, format!("a derivation takes 1 to {} iterations", Iterations::MOST));
}

#[test]
fn few_iterations_are_mild() {
    let are_mild = |count: i64| Iterations::try_from(count).unwrap().are_mild();
    assert!(are_mild(99_999));
    assert!(!are_mild(100_000));
}

#[test]
fn hashes_are_known_by_their_labels_alone() {
    for prf in Prf::ALL {
        assert_eq!(prf.to_string().parse(), Ok(prf));
    }
    for name in ["", "SHA256", "sha-256", "md5", "sha384"] {
        assert_eq!(name.parse::<Prf>(), Err(UnknownPrf), "for {name:?}");
    }
}

#[test]
fn each_derivation_has_an_id_of_its_own() {
    let id = |prf, iterations, salt: &str, passphrase: &str, length| {
        pbkdf2(prf, iterations, salt.as_bytes()).id(passphrase.as_bytes(), length)
    };
    let all = [
        id(Prf::Sha256, 1, "salt", "phrase", 32),
        id(Prf::Sha512, 1, "salt", "phrase", 32),
        id(Prf::Sha256, 2, "salt", "phrase", 32),
        id(Prf::Sha256, 1, "saltp", "hrase", 32),
        id(Prf::Sha256, 1, "", "saltphrase", 32),
        id(Prf::Sha256, 1, "salt", "phrase", 16),
        id(Prf::Sha256, 1, "salt", "Phrase", 32),
    ];
    assert!(all[0] == id(Prf::Sha256, 1, "salt", "phrase", 32));
    let count = all.len();
    assert_eq!(HashSet::from(all).len(), count);
}
