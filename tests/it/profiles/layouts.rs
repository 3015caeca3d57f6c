//! The formats that the knobs are tried with, and Python's `cryptography` as the vendor that has them.

use serde_json::{Value, json};

use crate::support::{Program, Talker, TestKey};

const PYTHON: Program = Program {
    needs: "Python 3.10 or newer with the package `cryptography` (`python3`)",
    program: "python3",
    file: "tests/peers/layout.py",
    probe: &[
        "-c",
        "import sys, cryptography.hazmat.primitives.ciphers; sys.exit(sys.version_info < (3, 10))",
    ],
};

/// Of the profiles with `iv = "static"`: as many characters as bytes, and in hex.
pub(super) const STATIC_16: &str = "fedcba9876543210";
pub(super) const STATIC_12: &str = "000102030405060708090a0b";

/// One format: what its profile says, under which algorithm, and what its messages are like.
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) lines: &'static str,
    pub(super) plain: Plain,
}

/// What a message is in clear.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    pub(super) content_type: &'static str,
    pub(super) body: &'static str,
}

const GCM: &str = "AES-256-GCM";
const JSON: Plain = Plain { content_type: "application/json", body: "{\"dish\":\"soup é\"}" };
const TEXT: Plain =
    Plain { content_type: "application/json", body: "{\"ad\":\"order 7\",\"data\":\"soup é\",\"z\":null}" };
const TREE: Plain =
    Plain { content_type: "application/json", body: "{\"data\":{\"x\":[1,\"é\"]},\"z\":1.5}" };
const FORM: Plain = Plain { content_type: super::FORM, body: "a=%7e&data=soup%20%26%C3%A9&z=" };
const PARAMETERS: Plain = Plain {
    content_type: "application/json",
    body: "{\"c\":\"soup é\",\"n\":7.5,\"o\":\"open\",\"t\":\"\"}",
};

const fn layout(name: &'static str, plain: Plain, lines: &'static str) -> Layout {
    Layout { name, algorithm: GCM, lines, plain }
}

/// Every knob of a profile, in one of these at least.
pub(super) const LAYOUTS: &[Layout] = &[
    layout(
        "renamed",
        JSON,
        "iv = \"header:x-iv\"\nfingerprint = \"header:x-kid\"\nbodyless_methods = [\"GET\"]",
    ),
    layout("literal-streamed", JSON, "aad = \"literal:kitchen 7\"\ncredential_mismatch = true"),
    layout("context-streamed", JSON, "aad = \"context\""),
    layout(
        "iv-12-hex",
        JSON,
        "algorithm = \"AES-256-GCM\"\niv = \"header:x-iv\"\niv_length = 12\niv_encoding = \"hex\"\nencoding = \"hex\"\n\
         fingerprint = \"sealing-key\"",
    ),
    layout(
        "tag-header",
        JSON,
        "iv = \"header:x-iv\"\niv_encoding = \"base64url\"\nencoding = \"base64url\"\ntag = \"header:x-tag\"\n\
         tag_encoding = \"hex\"\ntag_length = 12",
    ),
    layout(
        "iv-of-letters",
        JSON,
        "iv = \"header:x-iv\"\niv_encoding = \"raw\"\niv_length = 16\nencoding = \"base64\"\nfingerprint = \"header:x-kid\"",
    ),
    layout(
        "query",
        JSON,
        "iv = \"query:iv\"\ntag = \"query:tag\"\ntag_encoding = \"base64url\"\nfingerprint = \"query:kid\"\nseal_replies = false",
    ),
    layout(
        "member-body",
        JSON,
        "scope = \"member:/resource/ciphertext\"\niv = \"member:/resource/nonce\"\niv_encoding = \"raw\"\niv_length = 12\n\
         tag = \"member:/resource/tag\"\ntag_length = 13\nfingerprint = \"member:/kid\"\nencoding = \"base64\"",
    ),
    layout(
        "member-text",
        TEXT,
        "scope = \"member:/data\"\nbecomes = \"text\"\niv = \"member:/iv\"\naad = \"member:/ad\"\nencoding = \"base64\"\n\
         fingerprint = \"key:fp-AES-256-GCM-0\"",
    ),
    layout(
        "member-json",
        TREE,
        "scope = \"member:/data\"\nbecomes = \"json\"\niv = \"prefix\"\niv_length = 12\ntag = \"before\"\nencoding = \"base64url\"",
    ),
    layout(
        "field-body",
        JSON,
        "scope = \"field:sealed\"\niv = \"field:iv\"\ntag = \"field:tag\"\nfingerprint = \"field:kid\"\nencoding = \"hex\"\n\
         content_type = \"application/json\"",
    ),
    layout(
        "field-text",
        FORM,
        "scope = \"field:data\"\nbecomes = \"text\"\niv = \"prefix\"\niv_length = 16\ntag_length = 14\nencoding = \"base64\"",
    ),
    layout(
        "prefixes-raw",
        JSON,
        "iv = \"prefix\"\ntag = \"before\"\ntag_length = 15\nfingerprint = \"sealing-key\"",
    ),
    layout(
        "static-16",
        JSON,
        "iv = \"static\"\niv_encoding = \"raw\"\nstatic_iv = { file = \"iv16\" }\ndanger_static_iv = true\n\
         encoding = \"base64\"\nfingerprint = \"sealing-key\"",
    ),
    layout(
        "static-12",
        JSON,
        "iv = \"static\"\niv_length = 12\niv_encoding = \"hex\"\nstatic_iv = { file = \"iv12\" }\ndanger_static_iv = true\n\
         tag = \"before\"\nencoding = \"hex\"",
    ),
    layout("no-tag", JSON, "tag = \"none\"\ndanger_no_tag = true\nencoding = \"base64\""),
    layout("aad-literal", JSON, "aad = \"literal:kitchen 7\"\niv_length = 16"),
    layout("aad-header", JSON, "aad = \"header:x-table\""),
    layout("aad-context", JSON, "aad = \"context\"\nencoding = \"hex\""),
    layout(
        "context-in-members",
        JSON,
        "aad = \"context\"\nscope = \"member:/sealed\"\niv = \"member:/iv\"\nfingerprint = \"member:/kid\"\nencoding = \"base64\"",
    ),
    Layout {
        algorithm: "AES-256-CFB",
        ..layout(
            "cfb-pkcs7",
            JSON,
            "algorithm = \"AES-256-CFB\"\npadding = \"pkcs7\"\niv = \"prefix\"\nencoding = \"base64\"\n\
             fingerprint = \"sealing-key\"",
        )
    },
    Layout {
        algorithm: "AES-128-CFB8",
        ..layout(
            "cfb8-pkcs7",
            JSON,
            "algorithm = \"AES-128-CFB8\"\npadding = \"pkcs7\"\nencoding = \"base64\"",
        )
    },
    Layout { algorithm: "AES-256-CTR", ..layout("ctr", JSON, "iv_encoding = \"hex\"\nencoding = \"hex\"") },
    layout(
        "values",
        PARAMETERS,
        "scope = \"values\"\niv = \"prefix\"\niv_length = 12\nencoding = \"base64url\"\n\
         include = [\"query:q\", \"header:x-guest\", \"json:/c\", \"json:/n\", \"json:/o\", \"json:/t\"]\n\
         exclude = [\"json:/o\"]\noptional = [\"json:/t\"]\nliteral = [\"/n\"]",
    ),
    layout(
        "values-under-one-iv",
        PARAMETERS,
        "scope = \"values\"\niv = \"header:x-iv\"\ndanger_static_iv = true\nencoding = \"hex\"\n\
         include = [\"query:q\", \"json:/c\", \"json:/n\"]\nliteral = [\"/n\"]",
    ),
];

/// The name of the header that stays in clear beside a message, where one is authenticated or sealed.
pub(super) const HEADERS: [(&str, &str); 2] = [("x-table", "7 by the window"), ("x-guest", "Frida")];

impl Layout {
    pub(super) fn key(&self) -> TestKey {
        TestKey::new(self.algorithm)
    }

    /// Its profile, and its route with its keys.
    pub(super) fn tables(&self) -> (String, String) {
        let Self { name, lines, algorithm, .. } = self;
        let profile = format!("[profile.{name}]\n{lines}\n");
        let keys = algorithm.to_ascii_lowercase();
        let route = format!(
            "[[proxy.route]]\nname = \"{name}\"\npath = \"/{name}\"\nprofile = \"{name}\"\nkeys = \"{keys}\"\n\
             rewrite = \"/{name}/v2\"\n"
        );
        (profile, route)
    }

    /// All keys of its profile, as the documentation has them by default where it says nothing.
    pub(super) fn settings(&self) -> Value {
        let mut settings = json!({
            "iv": "header:sec-iv", "iv_length": "any", "iv_encoding": "base64", "tag": "appended", "tag_length": 16,
            "tag_encoding": "base64", "fingerprint": "header:sec-fingerprint", "aad": "none", "padding": "none",
            "scope": "body", "becomes": "body", "encoding": "raw", "include": [], "exclude": [], "optional": [],
            "literal": [], "seal_replies": true
        });
        let written: toml::Table = self.lines.parse().unwrap();
        for (key, value) in written {
            settings[key] = serde_json::to_value(value).unwrap();
        }
        settings
    }

    pub(super) fn seals_replies(&self) -> bool {
        self.settings()["seal_replies"] == json!(true)
    }

    /// The headers that only its sealed messages bear.
    pub(super) fn carriers(&self) -> Vec<String> {
        let settings = self.settings();
        let places = ["iv", "tag", "fingerprint"].map(|key| settings[key].as_str().unwrap().to_owned());
        places.iter().filter_map(|place| place.strip_prefix("header:")).map(str::to_owned).collect()
    }
}

/// A message for the vendor, or from it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// In hex; what all of it is under, if it is.
    pub(super) iv: Option<String>,
}

impl Message {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A vendor of any format.
pub(super) struct Vendor(Talker);

impl Vendor {
    /// `None` where Python is not on the machine.
    pub(super) fn start() -> Option<Self> {
        Talker::start(&PYTHON).map(Self)
    }

    /// Seals a message, which with `reply_to` is the reply to that; with these settings instead of the layout's own.
    pub(super) fn seal(
        &self,
        layout: &Layout,
        settings: &Value,
        message: &Message,
        reply_to: Option<&Message>,
    ) -> Message {
        let sealed = self.tell("seal", layout, settings, message, reply_to);
        sealed.unwrap_or_else(|why| panic!("{}: {why}: {message:?}", layout.name))
    }

    pub(super) fn open(
        &self,
        layout: &Layout,
        message: &Message,
        reply_to: Option<&Message>,
    ) -> Result<Message, String> {
        self.tell("open", layout, &layout.settings(), message, reply_to)
    }

    fn tell(
        &self,
        act: &str,
        layout: &Layout,
        settings: &Value,
        message: &Message,
        reply_to: Option<&Message>,
    ) -> Result<Message, String> {
        let static_iv = match settings["iv_length"].as_i64() {
            Some(12) => STATIC_12.to_owned(),
            _ => alewife::crypto::encoding::hex_encode(STATIC_16.as_bytes()),
        };
        let key = layout.key();
        let request = reply_to
            .map(|request| json!({ "method": request.method, "target": request.target, "iv": request.iv }));
        let answer = self.0.ask(&json!({
            "do": act,
            "layout": settings,
            "static_iv": static_iv,
            "key": {
                "algorithm": layout.algorithm,
                "secret": alewife::crypto::encoding::hex_encode(&key.secret),
                "fingerprint": key.fingerprint,
            },
            "message": {
                "method": message.method,
                "target": message.target,
                "headers": message.headers,
                "body": alewife::crypto::encoding::hex_encode(&message.body),
            },
            "reply_to": request,
        }));
        if let Some(why) = answer["refused"].as_str() {
            return Err(why.to_owned());
        }
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Ok(Message {
            method: text("method"),
            target: text("target"),
            headers: serde_json::from_value(answer["headers"].clone()).unwrap(),
            body: alewife::crypto::encoding::hex_decode(text("body").as_bytes()).unwrap(),
            iv: answer["iv"].as_str().map(str::to_owned),
        })
    }
}
