//! What the operator's text may be as a key, and the entry of a key file that says so.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use crate::crypto::encoding::{base64_decode, hex_decode, hex_encode};
use crate::crypto::{Algorithm, Iterations, KeySize, Mode, Pbkdf2, Prf, SecretKey};

/// How a text becomes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// Its characters are the key.
    Utf8,
    Hex,
    Base64,
    Base64Url,
    /// Its characters, cut or filled up with zero bytes, as PHP's OpenSSL does it.
    Fitted,
    /// Its SHA-256, or the beginning of that.
    Sha256,
    Pbkdf2 {
        prf: Prf,
        iterations: u32,
        salt: Salt,
    },
}

/// The salt of a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Salt {
    pub(super) bytes: Vec<u8>,
    pub(super) from: SaltFrom,
}

/// Where a salt is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaltFrom {
    Operator,
    Habit,
    Fingerprint,
    /// The IV of the message: such a key is another one with each message.
    Iv,
}

/// Which reading of the text is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Without the line end that a file has.
    Line,
    /// With it.
    Whole,
    /// Without white space and quotes around it.
    Bare,
}

/// A key that the text may stand for, ready under all modes.
pub(super) struct Keyed {
    pub(super) form: KeyForm,
    pub(super) cut: Cut,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) size: KeySize,
    secrets: Vec<SecretKey>,
}

const MODES: [Mode; 4] = [Mode::Gcm, Mode::Cfb, Mode::Cfb8, Mode::Ctr];

impl Keyed {
    fn new(form: KeyForm, cut: Cut, bytes: &[u8]) -> Option<Self> {
        let size = size_of(bytes.len())?;
        let secret = |mode| SecretKey::new(Algorithm { key_size: size, mode }, bytes).ok();
        let secrets = MODES.into_iter().filter_map(secret).collect();
        Some(Self { form, cut, bytes: Zeroizing::new(bytes.to_vec()), size, secrets })
    }

    pub(super) fn algorithm(&self, mode: Mode) -> Algorithm {
        Algorithm { key_size: self.size, mode }
    }

    pub(super) fn secret(&self, mode: Mode) -> Option<&SecretKey> {
        self.secrets.iter().find(|secret| secret.algorithm().mode == mode)
    }

    /// How the text became this key, in words.
    pub(super) fn about(&self) -> String {
        let bytes = self.bytes.len();
        let form = match &self.form {
            KeyForm::Utf8 => "its characters".to_owned(),
            KeyForm::Hex => "hex".to_owned(),
            KeyForm::Base64 => "base64".to_owned(),
            KeyForm::Base64Url => "base64url".to_owned(),
            KeyForm::Fitted => format!("its characters, cut or filled up with zero bytes to {bytes}"),
            KeyForm::Sha256 if bytes < 32 => format!("the first {bytes} bytes of its SHA-256"),
            KeyForm::Sha256 => "its SHA-256".to_owned(),
            KeyForm::Pbkdf2 { prf, iterations, salt } => {
                format!("PBKDF2 with {prf}, {iterations} iterations and {}", salt.about())
            }
        };
        let cut = match self.cut {
            Cut::Line => "",
            Cut::Whole => ", the line end counted in",
            Cut::Bare => ", without the white space or quotes around it",
        };
        format!("{form}{cut} ({bytes} bytes)")
    }

    /// Lines of a key file that say so; the secret itself is left out.
    pub(super) fn entry(&self, fingerprint: &str, algorithm: Algorithm) -> Vec<String> {
        let is_ascii = self.bytes.is_ascii() && !self.bytes.iter().any(u8::is_ascii_control);
        let (prefix, how) = match &self.form {
            KeyForm::Utf8 if is_ascii => ("utf8", "the text as it is"),
            KeyForm::Utf8 => ("hex", "the text's bytes in hex: printf %s TEXT | xxd -p -c 64"),
            KeyForm::Hex => ("hex", "the text as it is"),
            KeyForm::Base64 => ("base64", "the text as it is"),
            KeyForm::Base64Url => ("base64", "the text with + for -, / for _, and padded with ="),
            KeyForm::Fitted => ("hex", "the text's bytes in hex, cut or filled up with 00"),
            KeyForm::Sha256 => {
                ("hex", "its SHA-256 in hex: printf %s TEXT | sha256sum, and as many digits of it")
            }
            KeyForm::Pbkdf2 { .. } => ("pbkdf2", "the text as it is"),
        };
        let mut lines = vec![
            "[[key]]".to_owned(),
            format!("fingerprint = {}", crate::profile::toml_string(fingerprint)),
            format!("algorithm = \"{algorithm}\""),
            format!("secret = \"{prefix}:…\"  # {how}"),
        ];
        if let KeyForm::Pbkdf2 { prf, iterations, salt } = &self.form {
            let salt = salt.setting();
            lines.push(format!("pbkdf2 = {{ hash = \"{prf}\", iterations = {iterations}, salt = {salt} }}"));
        }
        lines
    }
}

impl Salt {
    /// What an operator wrote: with an encoding before it as in a key file, or plain text.
    pub(super) fn read(text: &str) -> Self {
        let decoded = match text.split_once(':') {
            Some(("hex", rest)) => hex_decode(rest.as_bytes()),
            Some(("base64", rest)) => base64_decode(rest.as_bytes()),
            Some(("utf8", rest)) => Some(rest.as_bytes().to_vec()),
            _ => None,
        };
        Self { bytes: decoded.unwrap_or_else(|| text.as_bytes().to_vec()), from: SaltFrom::Operator }
    }

    fn about(&self) -> String {
        match self.from {
            SaltFrom::Operator => "the salt that was given".to_owned(),
            SaltFrom::Habit if self.bytes.is_empty() => "no salt".to_owned(),
            SaltFrom::Habit => format!("the salt {}", self.setting()),
            SaltFrom::Fingerprint => "the name of the key as salt".to_owned(),
            SaltFrom::Iv => "the message's iv as salt".to_owned(),
        }
    }

    fn setting(&self) -> String {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => crate::profile::toml_string(&format!("utf8:{text}")),
            Err(_) => format!("\"hex:{}\"", hex_encode(&self.bytes)),
        }
    }
}

/// The readings of the text, the likeliest first.
pub(super) fn cuts(text: &[u8]) -> Vec<(Cut, &[u8])> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let bare = line.trim_ascii();
    let quoted = |quote: &[u8]| bare.strip_prefix(quote)?.strip_suffix(quote);
    let bare = quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(bare);
    let mut cuts = vec![(Cut::Line, line)];
    for (cut, text) in [(Cut::Bare, bare), (Cut::Whole, text)] {
        if !text.is_empty() && !cuts.iter().any(|(_, known)| *known == text) {
            cuts.push((cut, text));
        }
    }
    cuts
}

/// The keys that the text may be without a derivation, no two of them alike.
pub(super) fn direct(text: &[u8]) -> Vec<Keyed> {
    let mut keys: Vec<Keyed> = Vec::new();
    let mut add = |form: KeyForm, cut, bytes: &[u8]| {
        if !keys.iter().any(|known| *known.bytes == *bytes) {
            keys.extend(Keyed::new(form, cut, bytes));
        }
    };
    let cuts = cuts(text);
    for &(cut, text) in &cuts {
        add(KeyForm::Utf8, cut, text);
        let unspaced: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect());
        let (prefix, bare) = prefixed(&unspaced);
        if prefix != Some("utf8") {
            for (form, encoding) in [
                (KeyForm::Hex, crate::crypto::encoding::Encoding::Hex),
                (KeyForm::Base64, crate::crypto::encoding::Encoding::Base64),
                (KeyForm::Base64Url, crate::crypto::encoding::Encoding::Base64Url),
            ] {
                if let Some(bytes) = encoding.decode(bare) {
                    add(form, cut, &Zeroizing::new(bytes));
                }
            }
        }
        if prefix == Some("utf8") {
            add(KeyForm::Utf8, cut, bare);
        }
    }
    for &(cut, text) in &cuts {
        let hash = Zeroizing::new(digest::digest(&digest::SHA256, text).as_ref().to_vec());
        for size in [32, 16, 24] {
            add(KeyForm::Sha256, cut, &hash[..size]);
        }
    }
    for size in [16, 24, 32] {
        let mut fitted = Zeroizing::new(vec![0; size]);
        fitted.iter_mut().zip(cuts[0].1).for_each(|(to, from)| *to = *from);
        add(KeyForm::Fitted, cuts[0].0, &fitted);
    }
    keys
}

/// What a text of a key file has before its colon.
fn prefixed(text: &[u8]) -> (Option<&'static str>, &[u8]) {
    for prefix in ["hex", "base64", "utf8"] {
        if let Some(rest) = text.strip_prefix(prefix.as_bytes()).and_then(|rest| rest.strip_prefix(b":")) {
            return (Some(prefix), rest);
        }
    }
    (None, text)
}

/// How often vendors derive, the cheap ones first.
pub(super) const ITERATIONS: [u32; 9] =
    [1_000, 2_048, 4_096, 10_000, 65_536, 100_000, 210_000, 310_000, 600_000];

/// The keys of all three lengths that one derivation gives.
pub(super) fn derived(text: &[u8], cut: Cut, prf: Prf, iterations: u32, salt: &Salt) -> Vec<Keyed> {
    let Ok(count) = Iterations::try_from(i64::from(iterations)) else { return Vec::new() };
    // A shorter key is the beginning of a longer one (RFC 8018 §5.2).
    let bytes = Pbkdf2::new(prf, count, salt.bytes.clone()).derive(text, 32);
    let form = KeyForm::Pbkdf2 { prf, iterations, salt: salt.clone() };
    [32, 16, 24].into_iter().filter_map(|size| Keyed::new(form.clone(), cut, &bytes[..size])).collect()
}

fn size_of(bytes: usize) -> Option<KeySize> {
    [KeySize::Aes128, KeySize::Aes192, KeySize::Aes256].into_iter().find(|size| size.bytes() == bytes)
}

/// What is to be said of a text that opens nothing: its length, and what it could be. Nothing of it is quoted.
pub(super) fn about(text: &[u8]) -> String {
    let (_, line) = cuts(text)[0];
    let keys = direct(text);
    let direct: Vec<String> = keys
        .iter()
        .filter(|key| matches!(key.form, KeyForm::Utf8 | KeyForm::Hex | KeyForm::Base64 | KeyForm::Base64Url))
        .map(Keyed::about)
        .collect();
    let characters = String::from_utf8_lossy(line).chars().count();
    if direct.is_empty() {
        return format!(
            "the key has {characters} characters, which are no key of 16, 24 or 32 bytes as text, hex or base64: it was \
             tried as a passphrase only; was it cut, or is a character too many?"
        );
    }
    format!("the key has {characters} characters, and was tried as {}", direct.join(", as "))
}
