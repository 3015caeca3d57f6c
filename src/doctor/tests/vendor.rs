//! Captures as vendors might send them, made from a seed without any of the code that describes profiles.

use aws_lc_rs::digest;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::crypto::encoding::Encoding;
use crate::crypto::{Algorithm, Iterations, Mode, Pbkdf2, Prf, SecretKey, pad_pkcs7, seal_detached};
use crate::payload::form;

/// One captured message, what is known besides, and what is right.
pub(super) struct Vendor {
    pub(super) capture: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) iv: Option<String>,
    pub(super) aad: Option<String>,
    pub(super) right: Right,
}

/// The settings that are right, as a configuration writes them.
#[derive(Debug)]
pub(super) struct Right {
    pub(super) algorithm: Algorithm,
    pub(super) scope: String,
    pub(super) encoding: Encoding,
    pub(super) iv: String,
    pub(super) iv_length: usize,
    pub(super) iv_encoding: Option<Encoding>,
    pub(super) tag: String,
    pub(super) tag_length: usize,
    pub(super) tag_encoding: Option<Encoding>,
    pub(super) aad: String,
    pub(super) is_padded: bool,
    pub(super) plain: Vec<Vec<u8>>,
}

const TEXTS: [Encoding; 3] = [Encoding::Hex, Encoding::Base64, Encoding::Base64Url];

struct Making {
    rng: StdRng,
    secret: SecretKey,
    right: Right,
    iv: Vec<u8>,
    aad: Vec<u8>,
    /// The tag of a message that has it at a place of its own.
    apart: Vec<u8>,
}

impl Making {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    /// The ciphertext of one value with all that stands beside it, as text.
    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let prefix = self.right.iv == "prefix";
        if prefix {
            self.rng.fill_bytes(&mut self.iv);
        }
        let mut padded = zeroize::Zeroizing::new(plain.to_vec());
        if self.right.is_padded {
            pad_pkcs7(&mut padded);
        }
        let (ciphertext, tag) = seal_detached(&self.secret, &self.iv, &self.aad, &padded).unwrap();
        let tag = tag.map(|tag| tag[..self.right.tag_length].to_vec()).unwrap_or_default();
        let mut blob = if prefix { self.iv.clone() } else { Vec::new() };
        let is_gcm = self.right.algorithm.mode == Mode::Gcm;
        match self.right.tag.as_str() {
            "before" => blob.extend([&tag[..], &ciphertext].concat()),
            "appended" if is_gcm => blob.extend([&ciphertext, &tag[..]].concat()),
            _ => {
                blob.extend_from_slice(&ciphertext);
                self.apart = tag;
            }
        }
        self.right.plain.push(plain.to_vec());
        self.right.encoding.encode(&blob)
    }
}

/// The key in one of the forms in which operators have it; and what it is.
fn key(rng: &mut StdRng, seed: u64, length: usize) -> (Vec<u8>, Vec<u8>) {
    let text: Vec<u8> =
        (0..length).map(|_| b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789"[rng.random_range(0..32)]).collect();
    let mut random = vec![0; length];
    rng.fill_bytes(&mut random);
    let line = |text: Vec<u8>| [&text[..], b"\n"].concat();
    match seed % 7 {
        0 => (line(text.clone()), text),
        1 => (Encoding::Hex.encode(&random), random),
        2 => (line(Encoding::Base64.encode(&random)), random),
        3 => (Encoding::Base64Url.encode(&random), random),
        4 => {
            let hash = digest::digest(&digest::SHA256, b"a passphrase of a vendor").as_ref().to_vec();
            (b"a passphrase of a vendor\n".to_vec(), hash[..length].to_vec())
        }
        5 => (text[..11].to_vec(), [&text[..11], &vec![0; length - 11]].concat()),
        _ => {
            let derivation = Pbkdf2::new(Prf::Sha1, Iterations::try_from(1000).unwrap(), b"salt".to_vec());
            (b"open sesame".to_vec(), derivation.derive(b"open sesame", length).to_vec())
        }
    }
}

/// The capture of this number.
pub(super) fn capture(seed: u64) -> Vendor {
    let mut rng = StdRng::seed_from_u64(seed);
    let algorithm = Algorithm::ALL[(seed % 12) as usize];
    let (text, bytes) = key(&mut rng, seed / 12, algorithm.key_size.bytes());
    let is_gcm = algorithm.mode == Mode::Gcm;
    let right = Right {
        algorithm,
        scope: String::new(),
        encoding: Encoding::Base64,
        iv: String::new(),
        iv_length: if is_gcm && rng.random() { 12 } else { 16 },
        iv_encoding: None,
        tag: "appended".into(),
        tag_length: 16,
        tag_encoding: None,
        aad: "none".into(),
        is_padded: matches!(algorithm.mode, Mode::Cfb | Mode::Cfb8) && rng.random_range(0..3) == 0,
        plain: Vec::new(),
    };
    let secret = SecretKey::new(algorithm, &bytes).unwrap();
    let mut making = Making { rng, secret, right, iv: Vec::new(), aad: Vec::new(), apart: Vec::new() };
    let shape = making.pick(&["body", "member", "field", "form", "json", "query"]);
    making.right.encoding = making.pick(&TEXTS);
    if shape == "body" && making.rng.random() {
        making.right.encoding = Encoding::Raw;
    }
    let iv = choose_iv(&mut making, shape);
    choose_tag_and_aad(&mut making, shape);
    let capture = write(&mut making, shape, &iv);
    let given = (making.right.iv == "static").then(|| String::from_utf8(iv).unwrap());
    let aad = making.right.aad.strip_prefix("literal:").map(str::to_owned);
    Vendor { capture, key: text, iv: given, aad, right: making.right }
}

/// Chooses where the IV stands, and gives its text.
fn choose_iv(making: &mut Making, shape: &str) -> Vec<u8> {
    let place = match shape {
        "member" => making.pick(&["member:/crypt/iv", "prefix", "header:x-iv", "static"]),
        "field" => making.pick(&["field:iv", "prefix", "header:x-nonce", "static"]),
        _ => making.pick(&["header:x-iv", "query:iv", "prefix", "static"]),
    };
    making.right.iv = place.to_owned();
    let length = making.right.iv_length;
    let encoding = making.pick(&Encoding::ALL);
    making.iv =
        (0..length).map(|_| b"abcdefghijkmnopqrstuvwxyz234567-"[making.rng.random_range(0..32)]).collect();
    if encoding != Encoding::Raw {
        making.rng.fill_bytes(&mut making.iv);
    }
    making.right.iv_encoding = (place != "prefix").then_some(encoding);
    encoding.encode(&making.iv)
}

fn choose_tag_and_aad(making: &mut Making, shape: &str) {
    if making.right.algorithm.mode != Mode::Gcm {
        return;
    }
    let apart = match shape {
        "member" => "member:/crypt/tag",
        "field" => "field:mac",
        "body" => "header:x-auth-tag",
        _ => "before",
    };
    making.right.tag = making.pick(&["appended", "before", apart]).to_owned();
    making.right.tag_length = making.pick(&[16, 16, 16, 15, 14, 13, 12]);
    making.right.tag_encoding = making.right.tag.contains(':').then(|| making.pick(&TEXTS));
    let aad = match shape {
        "member" => making.pick(&["none", "member:/crypt/associated_data", "literal:version 1"]),
        _ => making.pick(&["none", "header:x-additional-data", "header:x-request-id", "literal:version 1"]),
    };
    making.right.aad = aad.to_owned();
    making.aad = match aad {
        "none" => Vec::new(),
        "literal:version 1" => b"version 1".to_vec(),
        _ => b"order 4711".to_vec(),
    };
}

/// The request, with everything where it was chosen to stand.
fn write(making: &mut Making, shape: &str, iv: &[u8]) -> Vec<u8> {
    let document =
        format!("{{\"type\":\"PAYMENT\",\"amount\":{},\"to\":\"Alewife\"}}", making.rng.random::<u16>());
    let values = [
        format!("+4917{}", making.rng.random_range(10_000_000..99_999_999)),
        "Pier 39, San Francisco".into(),
    ];
    let mut sealed = Vec::new();
    if matches!(shape, "body" | "member" | "field") {
        sealed.push(making.seal(document.as_bytes()));
    } else {
        sealed.extend(values.iter().map(|value| making.seal(value.as_bytes())));
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let escaped = |bytes: &[u8]| text(&form::encode(bytes));
    let tag =
        making.right.tag_encoding.map(|encoding| text(&encoding.encode(&making.apart))).unwrap_or_default();
    let (mut headers, mut query) =
        (String::from("host: kitchen\r\nuser-agent: vendor/1.0 (x)\r\n"), String::new());
    let right = &mut making.right;
    for (place, value) in
        [(&right.iv, text(iv)), (&right.tag, tag.clone()), (&right.aad, "order 4711".to_owned())]
    {
        match place.split_once(':') {
            Some(("header", name)) => headers += &format!("{name}: {value}\r\n"),
            Some(("query", name)) => query += &format!("&{name}={}", escaped(value.as_bytes())),
            _ => {}
        }
    }
    let (scope, media, body) = match shape {
        "body" => ("body", "application/json", sealed[0].clone()),
        "member" => {
            let crypt = format!(
                "{{\"id\":\"e-1\",\"crypt\":{{\"iv\":\"{}\",\"tag\":\"{tag}\",\"associated_data\":\"{}\",\"data\":\"{}\"}}}}",
                if right.iv.starts_with("member") { text(iv) } else { "-".into() },
                if right.aad.starts_with("member") { "order 4711" } else { "" },
                text(&sealed[0]),
            );
            ("member:/crypt/data", "application/json", crypt.into_bytes())
        }
        "field" => {
            let iv = if right.iv == "field:iv" { format!("iv={}&", escaped(iv)) } else { String::new() };
            let body = format!("shop=7&{iv}mac={}&encResp={}", escaped(tag.as_bytes()), escaped(&sealed[0]));
            ("field:encResp", "application/x-www-form-urlencoded", body.into_bytes())
        }
        "form" => {
            let body = format!("phone={}&place={}", escaped(&sealed[0]), escaped(&sealed[1]));
            ("values", "application/x-www-form-urlencoded", body.into_bytes())
        }
        "json" => {
            let body = format!("{{\"phone\":\"{}\",\"more\":[\"{}\"]}}", text(&sealed[0]), text(&sealed[1]));
            ("values", "application/json", body.into_bytes())
        }
        _ => {
            query += &format!("&phone={}&place={}", escaped(&sealed[0]), escaped(&sealed[1]));
            ("values", "text/plain", Vec::new())
        }
    };
    right.scope = scope.to_owned();
    let query = query.strip_prefix('&').map(|query| format!("?{query}")).unwrap_or_default();
    if !body.is_empty() {
        headers += &format!("content-type: {media}\r\ncontent-length: {}\r\n", body.len());
    }
    [format!("POST /callback{query} HTTP/1.1\r\n{headers}\r\n").as_bytes(), &body].concat()
}
