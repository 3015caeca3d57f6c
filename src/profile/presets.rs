//! The formats that Alewife knows by name: descriptions like any other, with what is published of them and what is not.

use http::{HeaderName, HeaderValue};

use super::{Aad, Becomes, Draft, IvLengths, IvPlace, KeyNaming, Place, ScopePlace, TagPlace};
use crate::crypto::encoding::Encoding;
use crate::crypto::{Algorithm, IvLength, KeySize, Mode};
use crate::payload::Pointer;

/// A wire format under a name.
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// Whose it is, in a sentence.
    pub about: &'static str,
    /// What the vendor does not publish, and what is assumed of it: to be confirmed.
    pub assumed: &'static [&'static str],
    /// What else its user should know.
    pub notes: &'static [&'static str],
    draft: fn() -> Draft,
}

impl Preset {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What it says.
    pub fn draft(&self) -> Draft {
        (self.draft)()
    }
}

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "ale",
        about: "Application-level encryption between a point of sale and a kitchen, and between two Alewives.",
        assumed: &[],
        notes: &["docs/PROTOCOL.md says all of it, P1 to P12."],
        draft: Draft::default,
    },
    Preset {
        name: "enterprise-kitchen",
        about: "The kitchen service whose format `ale` follows: AES-256-CTR under keys from passphrases.",
        assumed: &[
            "the body and messages are raw ciphertext and standard base64, as in `ale`",
            "replies are in clear",
            "keys are PBKDF2 of the portal's value; hash, iterations and salt stand with the key set (docs/KEYS.md)",
            "the text `isAlive?` crosses unsealed: proxy.websocket.plaintext_messages = [\"isAlive?\"]",
        ],
        notes: &["CTR proves nothing: neither who sent a message nor that it is unchanged."],
        draft: enterprise_kitchen,
    },
    Preset {
        name: "kaleyra",
        about: "Callbacks whose every parameter value is encrypted under the key and the IV of a callback profile.",
        assumed: &[
            "values are written in standard base64",
            "under GCM the tag of 16 bytes follows each ciphertext",
            "key and IV are the characters themselves",
            "replies to callbacks are in clear",
        ],
        notes: &[
            "The IV is the profile's and is not sent: give it as static_iv. Values under one IV betray each other; \
             opening them is the platform's choice, sealing them needs danger_static_iv = true.",
            "`alewife profiles import` makes the tables of the vendor's {\"enc\":{…}} object.",
        ],
        draft: kaleyra,
    },
    Preset {
        name: "payon",
        about: "Notifications of PAY.ON and OPPWA: hex throughout, IV and tag in headers.",
        assumed: &[],
        notes: &["The key is 64 hex characters (encoding = \"hex\"); no message names it."],
        draft: payon,
    },
    Preset {
        name: "sibs",
        about: "Notifications of SIBS: as payon, in base64.",
        assumed: &[],
        notes: &["The key is in base64 (encoding = \"base64\"); no message names it."],
        draft: sibs,
    },
    Preset {
        name: "wechatpay-v3",
        about: "Notifications of WeChat Pay, API v3: a resource object in a JSON body.",
        assumed: &[],
        notes: &[
            "The signature in wechatpay-signature is over the sealed body: an application that checks it behind this \
             profile will find it wrong. Check it before, or have `becomes = \"json\"` and check it elsewhere.",
            "The key is the APIv3 key, 32 characters (encoding = \"utf8\"); no message names it.",
        ],
        draft: wechatpay,
    },
    Preset {
        name: "ccavenue-gcm",
        about: "Responses of CCAvenue under GCM: one form field of hex, with IV and tag in it.",
        assumed: &[
            "encResp is hex of 16 bytes of IV, the ciphertext and 16 bytes of tag",
            "the key is the working key's characters (encoding = \"utf8\")",
            "the plaintext is parameters as a form has them, and becomes the body",
        ],
        notes: &["Requests towards the vendor bear encRequest instead: scope = \"field:encRequest\"."],
        draft: ccavenue,
    },
];

fn aes_256(mode: Mode) -> Option<Algorithm> {
    Some(Algorithm { key_size: KeySize::Aes256, mode })
}

fn enterprise_kitchen() -> Draft {
    Draft { algorithm: aes_256(Mode::Ctr), seal_replies: false, ..Draft::default() }
}

fn kaleyra() -> Draft {
    Draft {
        iv: IvPlace::Static,
        iv_length: IvLengths::Only(IvLength::Sixteen),
        iv_encoding: Encoding::Raw,
        fingerprint: KeyNaming::SealingKey,
        scope: ScopePlace::Values,
        encoding: Encoding::Base64,
        seal_replies: false,
        ..Draft::default()
    }
}

fn payon() -> Draft {
    let header = |name| Place::Header(HeaderName::from_static(name));
    Draft {
        algorithm: aes_256(Mode::Gcm),
        iv: IvPlace::At(header("x-initialization-vector")),
        iv_length: IvLengths::Only(IvLength::Twelve),
        iv_encoding: Encoding::Hex,
        tag: TagPlace::At(header("x-authentication-tag")),
        tag_encoding: Encoding::Hex,
        fingerprint: KeyNaming::SealingKey,
        encoding: Encoding::Hex,
        content_type: Some(HeaderValue::from_static("application/json")),
        seal_replies: false,
        bodyless_methods: Vec::new(),
        ..Draft::default()
    }
}

fn sibs() -> Draft {
    Draft {
        iv_encoding: Encoding::Base64,
        tag_encoding: Encoding::Base64,
        encoding: Encoding::Base64,
        ..payon()
    }
}

fn wechatpay() -> Draft {
    let member = |name: &str| Place::Member(pointer(&["resource", name]));
    Draft {
        algorithm: aes_256(Mode::Gcm),
        iv: IvPlace::At(member("nonce")),
        iv_length: IvLengths::Only(IvLength::Twelve),
        iv_encoding: Encoding::Raw,
        fingerprint: KeyNaming::SealingKey,
        aad: Aad::At(member("associated_data")),
        scope: ScopePlace::At(member("ciphertext")),
        becomes: Becomes::Body,
        encoding: Encoding::Base64,
        seal_replies: false,
        bodyless_methods: Vec::new(),
        ..Draft::default()
    }
}

fn ccavenue() -> Draft {
    Draft {
        algorithm: aes_256(Mode::Gcm),
        iv: IvPlace::Prefix,
        iv_length: IvLengths::Only(IvLength::Sixteen),
        fingerprint: KeyNaming::SealingKey,
        scope: ScopePlace::At(Place::Field("encResp".into())),
        becomes: Becomes::Body,
        encoding: Encoding::Hex,
        seal_replies: false,
        bodyless_methods: Vec::new(),
        ..Draft::default()
    }
}

fn pointer(segments: &[&str]) -> Pointer {
    Pointer::of(segments)
}
