//! Keys for tests, and messages sealed under them.

use alewife::crypto::{self, Algorithm, SecretKey, encoding};

/// A key that both sides of a test know.
#[derive(Clone)]
pub(crate) struct TestKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) fingerprint: String,
    pub(crate) secret: Vec<u8>,
}

impl TestKey {
    /// The key for `algorithm`; its bytes and fingerprint differ from those of any other algorithm.
    pub(crate) fn new(algorithm: &str) -> Self {
        Self::numbered(algorithm, 0)
    }

    /// One of several keys for `algorithm`.
    pub(crate) fn numbered(algorithm: &str, number: u32) -> Self {
        let parsed: Algorithm = algorithm.parse().expect("a known algorithm");
        let index = Algorithm::ALL.iter().position(|known| *known == parsed).unwrap() as u8;
        let mut secret: Vec<u8> =
            (0..parsed.key_size.bytes() as u8).map(|byte| byte ^ index.wrapping_mul(0x11) ^ 0x5a).collect();
        secret[..4].copy_from_slice(&number.to_be_bytes());
        Self { algorithm: parsed, fingerprint: format!("fp-{algorithm}-{number}"), secret }
    }

    /// Its entry in a key file.
    pub(crate) fn entry(&self) -> String {
        format!(
            "[[key]]\nfingerprint = \"{}\"\nalgorithm = \"{}\"\nsecret = \"base64:{}\"\n",
            self.fingerprint,
            self.algorithm,
            self.secret_base64()
        )
    }

    pub(crate) fn secret_base64(&self) -> String {
        encoding::base64_encode(&self.secret)
    }

    pub(crate) fn seal_with(&self, iv: &[u8], plain: &[u8]) -> Vec<u8> {
        crypto::seal(&self.secret_key(), iv, &[], plain).unwrap().to_vec()
    }

    pub(crate) fn open_with(&self, iv: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        crypto::open(&self.secret_key(), iv, &[], sealed).ok().map(|plain| plain.to_vec())
    }

    /// An IV that no other call gets.
    pub(crate) fn fresh_iv(&self) -> [u8; 16] {
        rand::random()
    }

    /// A sealed request, byte for byte, with `content-length`; `headers` end in CRLF each.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &str, plain: &[u8]) -> Vec<u8> {
        let iv = self.fresh_iv();
        let body = self.seal_with(&iv, plain);
        let mut raw = format!(
            "{method} {target} HTTP/1.1\r\nhost: kitchen.test\r\n{}{headers}content-length: {}\r\n\r\n",
            self.envelope(&iv),
            body.len()
        )
        .into_bytes();
        raw.extend_from_slice(&body);
        raw
    }

    /// A request without a body.
    pub(crate) fn bodyless(&self, method: &str, target: &str, headers: &str) -> Vec<u8> {
        let envelope = self.envelope(&self.fresh_iv());
        format!("{method} {target} HTTP/1.1\r\nhost: kitchen.test\r\n{envelope}{headers}\r\n").into_bytes()
    }

    /// The two header lines of the envelope.
    pub(crate) fn envelope(&self, iv: &[u8]) -> String {
        format!("sec-iv: {}\r\nsec-fingerprint: {}\r\n", encoding::base64_encode(iv), self.fingerprint)
    }

    pub(crate) fn secret_key(&self) -> SecretKey {
        SecretKey::new(self.algorithm, &self.secret).unwrap()
    }
}
