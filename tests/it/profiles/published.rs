//! Requests that other implementations sealed under each preset: they open, and nothing but they do.

use std::collections::BTreeSet;

use alewife::ale;
use alewife::crypto::encoding::{base64_decode, hex_decode};
use alewife::crypto::{Iv, SecretKey};
use alewife::keys::{Key, KeyRing, RingPolicy, Validity};
use alewife::profile::{Draft, PRESETS, Preset, Profile, StaticIv};
use bytes::BytesMut;
use http::{Request, request};
use jiff::Timestamp;
use serde::Deserialize;

use crate::support::{Program, run};

/// The data, and what prints it.
const SOURCES: [(&str, &str, Program); 3] = [
    (
        "node.json",
        include_str!("../../vectors/profiles/node.json"),
        Program {
            needs: "Node 18 or newer (`node`)",
            program: "node",
            file: "tests/peers/vectors.mjs",
            probe: &["-e", "process.exit(Number(process.versions.node.split('.')[0]) >= 18 ? 0 : 1)"],
        },
    ),
    (
        "php.json",
        include_str!("../../vectors/profiles/php.json"),
        Program {
            needs: "PHP 8.1 or newer with `openssl` (`php`)",
            program: "php",
            file: "tests/peers/vectors.php",
            probe: &["-r", "exit(PHP_VERSION_ID >= 80100 && extension_loaded('openssl') ? 0 : 1);"],
        },
    ),
    (
        "python.json",
        include_str!("../../vectors/profiles/python.json"),
        Program {
            needs: "Python 3 with the package `cryptography` (`python3`)",
            program: "python3",
            file: "tests/peers/vectors.py",
            probe: &["-c", "import cryptography.hazmat.primitives.ciphers.aead"],
        },
    ),
];

#[derive(Deserialize)]
struct Vector {
    preset: String,
    algorithm: String,
    key: String,
    static_iv: Option<String>,
    requests: Vec<Sealed>,
}

#[derive(Deserialize)]
struct Sealed {
    method: String,
    target: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
    plain_target: String,
    plain_body: String,
}

impl Vector {
    fn profile(&self) -> Profile {
        let static_iv = self.static_iv.as_ref();
        let static_iv =
            static_iv.map(|iv| StaticIv(Iv::from_slice(&hex_decode(iv.as_bytes()).unwrap()).unwrap()));
        let draft = Draft { static_iv, ..Preset::named(&self.preset).unwrap().draft() };
        draft.build("vector").unwrap()
    }

    fn ring(&self) -> KeyRing {
        let bytes = hex_decode(self.key.as_bytes()).unwrap();
        let secret = SecretKey::new(self.algorithm.parse().unwrap(), &bytes).unwrap();
        let key = Key::new("vector".parse().unwrap(), secret, Validity { after: None, until: None });
        KeyRing::new(vec![key], None, RingPolicy::default(), Timestamp::UNIX_EPOCH).ok().unwrap()
    }
}

impl Sealed {
    fn head(&self) -> request::Parts {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn body(&self) -> Vec<u8> {
        base64_decode(self.body.as_bytes()).unwrap()
    }
}

/// Target and body of the plain request, if it opens.
fn opened(
    profile: &Profile,
    ring: &KeyRing,
    mut head: request::Parts,
    body: &[u8],
) -> Option<(String, Vec<u8>)> {
    let now = Timestamp::UNIX_EPOCH;
    let body = match profile {
        Profile::Whole(whole) => ale::open_whole(whole, &mut head, body, ring, now).ok()?.body.to_vec(),
        Profile::Stream(stream) => {
            let mut opened = ale::open_request(stream, &mut head, ring, now).ok()?;
            let mut plain = BytesMut::new();
            opened.body.update(body, &mut plain).ok()?;
            opened.body.finish().ok()?;
            plain.to_vec()
        }
    };
    // What made it a sealed message is gone.
    assert!(profile.carriers().iter().all(|name| !head.headers.contains_key(name)));
    Some((head.uri.to_string(), body))
}

fn vectors() -> Vec<Vector> {
    SOURCES.iter().flat_map(|(_, text, _)| serde_json::from_str::<Vec<Vector>>(text).unwrap()).collect()
}

#[test]
fn request_that_another_implementation_sealed_opens_under_its_preset() {
    let mut walked = 0;
    for vector in vectors() {
        let (profile, ring) = (vector.profile(), vector.ring());
        for sealed in &vector.requests {
            let plain = base64_decode(sealed.plain_body.as_bytes()).unwrap();
            let (target, body) = opened(&profile, &ring, sealed.head(), &sealed.body())
                .unwrap_or_else(|| panic!("{} {} {}", vector.preset, vector.algorithm, sealed.method));
            assert_eq!(target, sealed.plain_target, "{} {}", vector.preset, vector.algorithm);
            assert_eq!(
                String::from_utf8_lossy(&body),
                String::from_utf8_lossy(&plain),
                "{} {}",
                vector.preset,
                vector.algorithm
            );
            walked += 1;
        }
    }
    assert_eq!(walked, 3 * 6 + 1 + 3 + 3);
}

#[test]
fn body_with_a_character_changed_does_not_open_to_the_plaintext_under_gcm() {
    let mut walked = 0;
    for vector in vectors().iter().filter(|vector| vector.algorithm.ends_with("GCM")) {
        let (profile, ring) = (vector.profile(), vector.ring());
        for sealed in vector.requests.iter().filter(|sealed| !sealed.body.is_empty()) {
            let mut body = sealed.body();
            // In the last third there is ciphertext or tag in each, whatever is around it.
            let at = body.len() - body.len() / 3;
            let place = (at..body.len()).find(|&at| body[at].is_ascii_alphanumeric()).unwrap();
            body[place] = if body[place] == b'0' { b'1' } else { b'0' };
            let result = opened(&profile, &ring, sealed.head(), &body);
            let plain = base64_decode(sealed.plain_body.as_bytes()).unwrap();
            assert!(result.is_none_or(|(_, body)| body != plain), "{}", vector.preset);
            walked += 1;
        }
    }
    assert_eq!(walked, 2 * 3 + 1 + 3 + 1);
}

#[test]
fn every_preset_has_a_vector_and_kaleyra_one_for_each_algorithm() {
    let vectors = vectors();
    let covered: BTreeSet<_> = vectors.iter().map(|vector| vector.preset.as_str()).collect();
    assert_eq!(covered, PRESETS.iter().map(|preset| preset.name).collect());
    let kaleyra = vectors.iter().filter(|vector| vector.preset == "kaleyra");
    let algorithms: BTreeSet<_> = kaleyra.map(|vector| vector.algorithm.as_str()).collect();
    assert_eq!(algorithms.len(), 6);
}

#[test]
fn vectors_are_what_their_programs_print() {
    for (name, data, program) in &SOURCES {
        if program.is_here() {
            let printed = run(&mut program.command("http://127.0.0.1"), b"");
            assert_eq!(String::from_utf8(printed.output).unwrap(), *data, "{name}: {}", printed.said);
        }
    }
}
