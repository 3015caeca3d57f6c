//! Keys for messages of P7, and messages sealed under them.

use alewife::crypto::encoding::{base64_decode, base64_encode};
use alewife::crypto::{Algorithm, KeySize, Mode, SecretKey, open, seal};

use crate::fault::Fault;

const IV_BYTES: usize = 16;

/// One key with its name, on the client's side.
pub(crate) struct MessageKey {
    pub(crate) key: SecretKey,
    pub(crate) fingerprint: String,
    pub(crate) secret: [u8; 32],
}

impl MessageKey {
    /// A key of AES-256-GCM. Keys of a benchmark protect nothing.
    pub(crate) fn numbered(number: u32) -> Result<Self, Fault> {
        let mut secret = *b"a key for a benchmark: messages.";
        secret[..4].copy_from_slice(&number.to_be_bytes());
        let algorithm = Algorithm { key_size: KeySize::Aes256, mode: Mode::Gcm };
        let key = SecretKey::new(algorithm, &secret).map_err(|_| wrong("a key of the bench is none"))?;
        Ok(Self { key, fingerprint: format!("bench-{number:010}"), secret })
    }

    /// Its entry in Alewife's key file; a later key has a later `valid_after`.
    pub(crate) fn key_file_entry(&self, valid_after: &str) -> String {
        format!(
            "[[key]]\nfingerprint = \"{}\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"base64:{}\"\nvalid_after = {valid_after}\n",
            self.fingerprint,
            base64_encode(&self.secret)
        )
    }

    /// The two header fields of a handshake, each with its line end.
    pub(crate) fn fields(&self) -> String {
        format!("sec-iv: {}\r\nsec-fingerprint: {}\r\n", base64_encode(&fresh_iv()), self.fingerprint)
    }

    /// The envelope of one message (P7).
    pub(crate) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        let iv = fresh_iv();
        let sealed = seal(&self.key, &iv, &[], plaintext).map_err(|_| wrong("a message does not seal"))?;
        let (iv, message) = (base64_encode(&iv), base64_encode(&sealed));
        let fingerprint = &self.fingerprint;
        Ok(format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}","message":"{message}"}}"#).into_bytes())
    }
}

/// Opens an envelope under whichever of the keys it names.
pub(crate) fn open_message(keys: &[MessageKey], envelope: &[u8]) -> Result<Vec<u8>, Fault> {
    let members: serde_json::Value =
        serde_json::from_slice(envelope).map_err(|_| wrong("a message is no envelope"))?;
    let member = |name: &str| members[name].as_str().ok_or(wrong("a member of an envelope is missing"));
    let decoded = |name: &str| base64_decode(member(name)?.as_bytes()).ok_or(wrong("a member is no base64"));
    let fingerprint = member("fingerprint")?;
    let key = keys.iter().find(|key| key.fingerprint == fingerprint);
    let key = key.ok_or(wrong("a message is under a key that nobody may seal under"))?;
    let opened = open(&key.key, &decoded("iv")?, &[], &decoded("message")?);
    opened.map(|plaintext| plaintext.to_vec()).map_err(|_| wrong("a message does not open"))
}

pub(crate) fn fresh_iv() -> [u8; IV_BYTES] {
    rand::random()
}

fn wrong(detail: &'static str) -> Fault {
    Fault::Reply { who: "alewife", detail }
}
