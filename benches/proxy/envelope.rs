//! Sealed requests for Alewife, and proof that its replies open.

use alewife::crypto::encoding::{base64_encode, iv_from_base64};
use alewife::crypto::{Algorithm, KeySize, Mode, SecretKey, open, seal};

use crate::fault::Fault;

/// Keys and IVs of a benchmark protect nothing: fixed ones make its runs alike.
const IV: [u8; 16] = *b"benchmark's IV..";
const FAILED: Fault =
    Fault::Reply { who: "the crypto engine", detail: "it refused a key or message of the bench" };

/// One key with its name, on the client's side.
pub(crate) struct Envelope {
    key: SecretKey,
    fingerprint: &'static str,
    /// The key once more, for the key file: the library gives none out.
    secret: [u8; 32],
}

impl Envelope {
    /// The key of the comparison with nginx.
    pub(crate) fn gcm() -> Result<Self, Fault> {
        Self::new(Mode::Gcm, "bench-gcm", *b"a key for a benchmark: AES-GCM..")
    }

    /// The key of the request that is streamed.
    pub(crate) fn ctr() -> Result<Self, Fault> {
        Self::new(Mode::Ctr, "bench-ctr", *b"a key for a benchmark: AES-CTR..")
    }

    fn new(mode: Mode, fingerprint: &'static str, secret: [u8; 32]) -> Result<Self, Fault> {
        let algorithm = Algorithm { key_size: KeySize::Aes256, mode };
        let key = SecretKey::new(algorithm, &secret).map_err(|_| FAILED)?;
        Ok(Self { key, fingerprint, secret })
    }

    /// Its entry in Alewife's key file.
    pub(crate) fn key_file_entry(&self) -> String {
        format!(
            "[[key]]\nfingerprint = \"{}\"\nalgorithm = \"{}\"\nsecret = \"base64:{}\"\n",
            self.fingerprint,
            self.key.algorithm(),
            base64_encode(&self.secret)
        )
    }

    /// The two header fields of a sealed request, each with its line end.
    pub(crate) fn fields(&self) -> String {
        format!("sec-iv: {}\r\nsec-fingerprint: {}\r\n", base64_encode(&IV), self.fingerprint)
    }

    /// What sealing adds to a body.
    pub(crate) fn overhead(&self) -> u64 {
        self.key.algorithm().tag_len() as u64
    }

    /// The ciphertext of a request's body.
    pub(crate) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        seal(&self.key, &IV, &[], plaintext).map(|sealed| sealed.to_vec()).map_err(|_| FAILED)
    }

    /// Opens a reply; `sec_iv` is its header.
    pub(crate) fn open(&self, sec_iv: Option<&str>, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let refused = |detail| Fault::Reply { who: "alewife", detail };
        let sec_iv = sec_iv.ok_or(refused("the reply bears no sec-iv"))?;
        let iv = iv_from_base64(sec_iv.as_bytes()).ok_or(refused("the reply's sec-iv is malformed"))?;
        if iv.as_bytes() == IV {
            return Err(refused("the reply has the request's IV"));
        }
        let opened = open(&self.key, iv.as_bytes(), &[], sealed);
        opened.map(|plaintext| plaintext.to_vec()).map_err(|_| refused("the reply does not open"))
    }
}
