//! Published vectors against the engine, each whole and in pieces. Sources: `tests/vectors/README.md`.

#![expect(clippy::unwrap_used, reason = "a vector that can't be read fails the test")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use alewife::crypto::encoding::hex_decode;
use alewife::crypto::{Algorithm, NotAuthentic, OpenError, SecretKey, WrongIvLength, open, seal};
use bytes::BytesMut;
use serde::Deserialize;

#[test]
fn wycheproof_aes_gcm() {
    let file = Wycheproof::read("wycheproof/aes_gcm_test.json");
    let (mut walked, mut wide_iv, mut wrapping, mut modified, mut without_iv) = (0, 0, 0, 0, 0);
    for (group, test) in
        file.groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test)))
    {
        let vector = test.vector(group.key_size);
        match (test.result.as_str(), test.iv.as_str()) {
            ("valid", _) => vector.holds(),
            ("invalid", "") => {
                vector.has_no_such_iv();
                without_iv += 1;
            }
            ("invalid", _) => vector.is_refused(),
            other => panic!("unknown result {other:?}"),
        }
        walked += 1;
        wide_iv += usize::from(group.iv_size == 128);
        wrapping += usize::from(test.flags.iter().any(|flag| flag == "CounterWrap"));
        modified += usize::from(test.flags.iter().any(|flag| flag == "ModifiedTag"));
    }
    assert_eq!((walked, wide_iv, wrapping, modified, without_iv), (316, 58, 36, 81, 6));
    assert_eq!(file.number_of_tests, walked);
}

#[test]
fn cavp_gcm_encryption_and_decryption() {
    let (mut walked, mut refused) = (0, 0);
    for file in files("cavp_gcm", 6) {
        for record in records(&file) {
            let mut sealed = record.bytes("CT");
            sealed.extend(record.bytes("Tag"));
            let vector = Vector {
                algorithm: format!("AES-{}-GCM", record.bytes("Key").len() * 8),
                key: record.bytes("Key"),
                iv: record.bytes("IV"),
                aad: record.bytes("AAD"),
                plaintext: record.optional("PT").unwrap_or_default(),
                sealed,
            };
            if record.fails() {
                vector.is_refused();
                refused += 1;
            } else {
                assert!(record.optional("PT").is_some(), "a record that holds has a plaintext");
                vector.holds();
            }
            walked += 1;
        }
    }
    assert_eq!((walked, refused), (6750, 1724));
}

#[test]
fn cavp_cfb128() {
    let mut walked = 0;
    for file in files("cavp_cfb128", 15) {
        for record in records(&file) {
            let vector = Vector {
                algorithm: format!("AES-{}-CFB", record.bytes("KEY").len() * 8),
                key: record.bytes("KEY"),
                iv: record.bytes("IV"),
                aad: Vec::new(),
                plaintext: record.bytes("PLAINTEXT"),
                sealed: record.bytes("CIPHERTEXT"),
            };
            vector.holds();
            walked += 1;
        }
    }
    assert_eq!(walked, 2138);
}

/// The keys of NIST SP 800-38A, appendix F.
const SP800_38A_KEYS: [(usize, &str); 3] = [
    (128, "2b7e151628aed2a6abf7158809cf4f3c"),
    (192, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"),
    (256, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
];

#[test]
fn sp800_38a_f5_counter_mode() {
    let plaintext = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    let sealed = [
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
         5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94\
         1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
         2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    ];
    for ((bits, key), sealed) in SP800_38A_KEYS.into_iter().zip(sealed) {
        Vector::unauthenticated(
            format!("AES-{bits}-CTR"),
            key,
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            plaintext,
            sealed,
        )
        .holds();
    }
}

#[test]
fn sp800_38a_f3_7_to_12_cfb8() {
    let sealed = [
        "3b79424c9c0dd436bace9e0ed4586a4f32b9",
        "cda2521ef0a905ca44cd057cbf0d47a0678a",
        "dc1f1a8520a64db55fcc8ac554844e889700",
    ];
    for ((bits, key), sealed) in SP800_38A_KEYS.into_iter().zip(sealed) {
        Vector::unauthenticated(
            format!("AES-{bits}-CFB8"),
            key,
            "000102030405060708090a0b0c0d0e0f",
            "6bc1bee22e409f96e93d7e117393172aae2d",
            sealed,
        )
        .holds();
    }
}

/// Node, PHP, Ruby, Python, Java and Go agree on these, byte for byte.
#[test]
fn value_on_which_six_stacks_agree() {
    let cases =
        [("AES-256-GCM", "1853fb26b05c0cb421874222e1ebac1a36621186f1"), ("AES-256-CFB", "0acb7e9f4b")];
    for (algorithm, sealed) in cases {
        Vector {
            algorithm: algorithm.to_owned(),
            key: vec![1; 32],
            iv: vec![2; 16],
            aad: Vec::new(),
            plaintext: b"hello".to_vec(),
            sealed: hex(sealed),
        }
        .holds();
    }
}

/// One published message.
struct Vector {
    algorithm: String,
    key: Vec<u8>,
    iv: Vec<u8>,
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    /// The ciphertext, under GCM followed by the tag.
    sealed: Vec<u8>,
}

impl Vector {
    fn unauthenticated(algorithm: String, key: &str, iv: &str, plaintext: &str, sealed: &str) -> Self {
        let [key, iv, plaintext, sealed] = [key, iv, plaintext, sealed].map(hex);
        Self { algorithm, key, iv, aad: Vec::new(), plaintext, sealed }
    }

    /// Sealing and opening give what is published, whole and in pieces.
    fn holds(&self) {
        let key = self.key();
        assert_eq!(seal(&key, &self.iv, &self.aad, &self.plaintext).unwrap(), self.sealed);
        assert_eq!(open(&key, &self.iv, &self.aad, &self.sealed).unwrap(), self.plaintext);
        for len in PIECES {
            assert_eq!(self.seal_in_pieces(&key, len), self.sealed);
            assert_eq!(self.open_in_pieces(&key, len), (Ok(()), BytesMut::from(&self.plaintext[..])));
        }
    }

    /// Opening fails, whole and in pieces.
    fn is_refused(&self) {
        let key = self.key();
        let refused = Err(OpenError::NotAuthentic(NotAuthentic));
        assert_eq!(open(&key, &self.iv, &self.aad, &self.sealed), refused);
        for len in PIECES {
            assert_eq!(self.open_in_pieces(&key, len).0, Err(NotAuthentic));
        }
    }

    /// The IV has a length that is no IV's.
    fn has_no_such_iv(&self) {
        let key = self.key();
        let refused = WrongIvLength { algorithm: key.algorithm(), actual: self.iv.len() };
        assert_eq!(key.sealer(&self.iv, &self.aad).err(), Some(refused));
        assert_eq!(open(&key, &self.iv, &self.aad, &self.sealed), Err(refused.into()));
    }

    fn key(&self) -> SecretKey {
        let algorithm: Algorithm = self.algorithm.parse().unwrap();
        SecretKey::new(algorithm, &self.key).unwrap()
    }

    fn seal_in_pieces(&self, key: &SecretKey, len: usize) -> BytesMut {
        let mut out = BytesMut::new();
        let mut sealer = key.sealer(&self.iv, &self.aad).unwrap();
        self.plaintext.chunks(len).for_each(|piece| sealer.update(piece, &mut out).unwrap());
        sealer.finish(&mut out);
        out
    }

    fn open_in_pieces(&self, key: &SecretKey, len: usize) -> (Result<(), NotAuthentic>, BytesMut) {
        let mut out = BytesMut::new();
        let mut opener = key.opener(&self.iv, &self.aad).unwrap();
        self.sealed.chunks(len).for_each(|piece| opener.update(piece, &mut out).unwrap());
        (opener.finish(), out)
    }
}

/// Lengths of pieces: byte by byte, off the block's, the block's, one beyond it.
const PIECES: [usize; 4] = [1, 7, 16, 17];

#[derive(Deserialize)]
struct Wycheproof {
    #[serde(rename = "numberOfTests")]
    number_of_tests: usize,
    #[serde(rename = "testGroups")]
    groups: Vec<WycheproofGroup>,
}

impl Wycheproof {
    fn read(path: &str) -> Self {
        serde_json::from_str(&fs::read_to_string(directory().join(path)).unwrap()).unwrap()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofGroup {
    iv_size: usize,
    key_size: usize,
    tests: Vec<WycheproofTest>,
}

#[derive(Deserialize)]
struct WycheproofTest {
    key: String,
    iv: String,
    aad: String,
    msg: String,
    ct: String,
    tag: String,
    result: String,
    flags: Vec<String>,
}

impl WycheproofTest {
    fn vector(&self, key_size: usize) -> Vector {
        let mut sealed = hex(&self.ct);
        sealed.extend(hex(&self.tag));
        Vector {
            algorithm: format!("AES-{key_size}-GCM"),
            key: hex(&self.key),
            iv: hex(&self.iv),
            aad: hex(&self.aad),
            plaintext: hex(&self.msg),
            sealed,
        }
    }
}

/// One record of a CAVP response file: lines `name = value`, perhaps a line `FAIL`.
#[derive(Default)]
pub(crate) struct Record(HashMap<String, String>);

impl Record {
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.optional(name).unwrap_or_else(|| panic!("record without {name}"))
    }

    pub(crate) fn optional(&self, name: &str) -> Option<Vec<u8>> {
        self.0.get(name).map(|value| hex(value))
    }

    pub(crate) fn fails(&self) -> bool {
        self.0.contains_key("FAIL")
    }
}

/// The records of a file: what stands between blank lines and has a count.
pub(crate) fn records(file: &Path) -> Vec<Record> {
    let text = fs::read_to_string(file).unwrap().replace('\r', "");
    let read = |block: &str| -> Record {
        let lines = block.lines().filter(|line| !line.starts_with(['#', '[']));
        Record(lines.map(|line| line.split_once('=').unwrap_or((line, ""))).map(trimmed).collect())
    };
    let records = text.split("\n\n").map(read);
    records.filter(|record| record.0.keys().any(|name| name.eq_ignore_ascii_case("count"))).collect()
}

fn trimmed((name, value): (&str, &str)) -> (String, String) {
    (name.trim().to_owned(), value.trim().to_owned())
}

/// The response files of a directory, which must be `expected` in number.
pub(crate) fn files(name: &str, expected: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory().join(name)).unwrap();
    let files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rsp"))
        .collect();
    assert_eq!(files.len(), expected, "files in {name}");
    files
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn hex(text: &str) -> Vec<u8> {
    hex_decode(text.as_bytes()).unwrap_or_else(|| panic!("not hex: {text}"))
}
