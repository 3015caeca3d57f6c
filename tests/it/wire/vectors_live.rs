//! Published vectors as requests to the running sidecar: those of Wycheproof and of CAVP that fit P1-P3.

use std::collections::BTreeMap;
use std::path::Path;

use alewife::crypto::encoding::hex_decode;
use serde::Deserialize;

use super::strict::StrictOrigin;
use super::{DECRYPT, assert_error};
use crate::support::{Sidecar, TestKey};
use crate::vectors::{Record, files, records};

#[derive(Deserialize)]
struct File {
    #[serde(rename = "testGroups")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    iv_size: usize,
    key_size: usize,
    tag_size: usize,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    key: String,
    iv: String,
    aad: String,
    msg: String,
    ct: String,
    tag: String,
    result: String,
}

impl Vector {
    /// An IV of 12 or 16 bytes that is not all zero, no additional data, a tag of 16 bytes.
    fn fits(&self, group: &Group) -> bool {
        [96, 128].contains(&group.iv_size)
            && group.tag_size == 128
            && self.aad.is_empty()
            && hex(&self.iv).iter().any(|&byte| byte != 0)
    }
}

fn hex(text: &str) -> Vec<u8> {
    hex_decode(text.as_bytes()).unwrap()
}

#[test]
fn wycheproof_vectors_that_fit_are_opened_or_refused_as_live_requests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wycheproof/aes_gcm_test.json");
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let fitting = || {
        file.groups.iter().flat_map(|group| {
            group.tests.iter().filter(|test| test.fits(group)).map(move |test| (group, test))
        })
    };
    // Many vectors share a key, and a ring takes each but once.
    let mut keys: BTreeMap<&str, TestKey> = BTreeMap::new();
    for (group, test) in fitting() {
        let number = keys.len() as u32;
        keys.entry(&test.key).or_insert_with(|| TestKey {
            secret: hex(&test.key),
            ..TestKey::numbered(&format!("AES-{}-GCM", group.key_size), number)
        });
    }
    let origin = StrictOrigin::echo();
    let sidecar =
        Sidecar::inbound().keys(&keys.values().collect::<Vec<_>>()).upstream(origin.address()).start();
    let mut connection = sidecar.connect();
    let (mut valid, mut invalid) = (0, 0);
    for (_, test) in fitting() {
        let key = &keys[test.key.as_str()];
        let sealed = [hex(&test.ct), hex(&test.tag)].concat();
        let head = format!(
            "POST /{} HTTP/1.1\r\nhost: a\r\n{}content-length: {}\r\n\r\n",
            test.tc_id,
            key.envelope(&hex(&test.iv)),
            sealed.len()
        );
        let reply = connection.exchange(&[head.as_bytes(), &sealed].concat());
        if test.result == "valid" {
            valid += 1;
            assert_eq!((reply.status, reply.open(key)), (200, Some(hex(&test.msg))), "{}", test.tc_id);
            assert_eq!(
                (origin.last().target(), origin.last().body),
                (format!("/{}", test.tc_id).as_str(), hex(&test.msg))
            );
        } else {
            invalid += 1;
            assert_error(&reply, 400, DECRYPT, false);
        }
        assert_eq!(origin.requests().len(), valid);
    }
    assert_eq!((valid, invalid, keys.len()), (115, 81, 79));
}

/// A vector of CAVP, whose key is its own.
struct Message {
    key: TestKey,
    iv: Vec<u8>,
    sealed: Vec<u8>,
    /// `None` where opening must fail.
    plain: Option<Vec<u8>>,
}

impl Message {
    fn new(mode: &str, number: usize, secret: Vec<u8>, record: &Record) -> Self {
        let algorithm = format!("AES-{}-{mode}", secret.len() * 8);
        let key = TestKey { secret, ..TestKey::numbered(&algorithm, number as u32) };
        Self { key, iv: record.bytes("IV"), sealed: Vec::new(), plain: None }
    }

    fn request(&self) -> Vec<u8> {
        let envelope = self.key.envelope(&self.iv);
        let length = self.sealed.len();
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{envelope}content-length: {length}\r\n\r\n");
        [head.as_bytes(), &self.sealed].concat()
    }
}

/// Sends each message to one sidecar that knows all their keys. Says how many opened and how many were refused.
fn send(messages: &[Message]) -> (usize, usize) {
    let origin = StrictOrigin::echo();
    let keys: Vec<_> = messages.iter().map(|message| &message.key).collect();
    let sidecar = Sidecar::inbound().keys(&keys).upstream(origin.address()).start();
    let mut connection = sidecar.connect();
    let mut opened = 0;
    for message in messages {
        let reply = connection.exchange(&message.request());
        match &message.plain {
            Some(plain) => {
                opened += 1;
                assert_eq!(reply.open(&message.key).as_ref(), Some(plain), "{}", message.key.fingerprint);
                assert_eq!(&origin.last().body, plain);
            }
            None => assert_error(&reply, 400, DECRYPT, false),
        }
        assert_eq!(origin.requests().len(), opened);
    }
    (opened, messages.len() - opened)
}

#[test]
fn cavp_gcm_vectors_that_fit_are_opened_or_refused_as_live_requests() {
    let mut messages = Vec::new();
    for file in files("cavp_gcm", 6) {
        let all = records(&file);
        let fitting = all.iter().filter(|record| {
            record.bytes("IV").len() == 12
                && record.bytes("AAD").is_empty()
                && record.bytes("IV").iter().any(|&byte| byte != 0)
        });
        for record in fitting {
            let mut message = Message::new("GCM", messages.len(), record.bytes("Key"), record);
            message.sealed = [record.bytes("CT"), record.bytes("Tag")].concat();
            message.plain = (!record.fails()).then(|| record.optional("PT").unwrap_or_default());
            messages.push(message);
        }
    }
    assert_eq!(send(&messages), (341, 109));
}

#[test]
fn cavp_cfb128_vectors_that_fit_are_opened_as_live_requests() {
    let mut messages = Vec::new();
    for file in files("cavp_cfb128", 15) {
        let all = records(&file);
        for record in all.iter().filter(|record| record.bytes("IV").iter().any(|&byte| byte != 0)) {
            let mut message = Message::new("CFB", messages.len(), record.bytes("KEY"), record);
            message.sealed = record.bytes("CIPHERTEXT");
            message.plain = Some(record.bytes("PLAINTEXT"));
            messages.push(message);
        }
    }
    assert_eq!(send(&messages), (864, 0));
}
