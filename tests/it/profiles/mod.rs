//! Profiles as they are seen from outside: the real binary, with peers in other languages that share no code with it.

mod answers;
mod callbacks;
mod checks;
mod customers;
mod knobs;
mod layouts;
mod live;
mod published;
mod refusals;

use serde_json::{Value, json};

use crate::support::{Program, Reply, Talker};

const PHP: Program = Program {
    needs: "PHP 8.1 or newer with `openssl` (`php`)",
    program: "php",
    file: "tests/peers/callback.php",
    probe: &["-r", "exit(PHP_VERSION_ID >= 80100 && extension_loaded('openssl') ? 0 : 1);"],
};

/// The IV of the callback profiles: 16 characters.
const IV: &str = "fedcba9876543210";
const FORM: &str = "application/x-www-form-urlencoded";

/// A callback profile: one algorithm, and a key of exactly as many characters as that has bytes.
#[derive(Clone)]
struct Callback {
    algorithm: &'static str,
    key: String,
}

impl Callback {
    /// The six algorithms of callbacks.
    fn all() -> [Self; 6] {
        ["AES-128-CFB", "AES-192-CFB", "AES-256-CFB", "AES-128-GCM", "AES-192-GCM", "AES-256-GCM"]
            .map(Self::of)
    }

    fn of(algorithm: &'static str) -> Self {
        let bits: usize = algorithm[4..7].parse().unwrap();
        let key = format!("{algorithm}0123456789abcdefghijk")[..bits / 8].to_owned();
        Self { algorithm, key }
    }

    /// What its profile, its key set and its route are called.
    fn name(&self) -> String {
        self.algorithm.to_ascii_lowercase()
    }

    /// Its entry in a key file.
    fn entry(&self) -> String {
        format!(
            "[[key]]\nfingerprint = \"{}\"\nalgorithm = \"{}\"\nsecret = \"utf8:{}\"\n",
            self.name(),
            self.algorithm,
            self.key
        )
    }

    /// Its profile, under its name, of which these are the other lines; and its key set.
    fn tables(&self, lines: &str) -> String {
        let (name, algorithm) = (self.name(), self.algorithm);
        format!(
            "[profile.{name}]\npreset = \"kaleyra\"\nalgorithm = \"{algorithm}\"\nstatic_iv = {{ file = \"iv\" }}\n\
             {lines}\n[keyset.{name}]\nfile = \"{name}.toml\"\n"
        )
    }

    fn task(&self, act: &str, text: &str) -> Value {
        json!({ "do": act, "algorithm": self.algorithm, "key": self.key, "iv": IV, "text": text })
    }
}

/// PHP at the other side of callbacks.
struct Php(Talker);

impl Php {
    /// `None` where PHP is not on the machine.
    fn start() -> Option<Self> {
        Talker::start(&PHP).map(Self)
    }

    fn say(&self, task: Value, flag: Option<&str>) -> Option<String> {
        let mut task = task;
        if let Some(flag) = flag {
            task[flag] = json!(true);
        }
        self.0.ask(&task)["text"].as_str().map(str::to_owned)
    }

    /// What openssl_encrypt makes of `text`, in base64.
    fn seal(&self, callback: &Callback, text: &str) -> String {
        self.say(callback.task("seal", text), None).unwrap()
    }

    /// The same as urlencode writes it.
    fn seal_escaped(&self, callback: &Callback, text: &str) -> String {
        self.say(callback.task("seal", text), Some("escaped")).unwrap()
    }

    fn open(&self, callback: &Callback, text: &str) -> Option<String> {
        self.say(callback.task("open", text), None)
    }

    /// What is opened of a value as it stands in a query or a form.
    fn open_escaped(&self, callback: &Callback, text: &str) -> Option<String> {
        self.say(callback.task("open", text), Some("escaped"))
    }

    /// What is opened of a value before which its IV stands.
    fn open_prefixed(&self, callback: &Callback, text: &str) -> Option<String> {
        self.say(callback.task("open", text), Some("prefix"))
    }
}

/// A request with these header lines, each with its CRLF, and a body if it has one.
fn request(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nhost: hooks.test\r\n{headers}{length}\r\n{body}").into_bytes()
}

fn content_type(media_type: &str) -> String {
    format!("content-type: {media_type}\r\n")
}

/// Whether the reply is this error of Alewife's own.
fn assert_error(reply: &Reply, status: u16, code: u16, message: &str) {
    let body = format!("{{\"errorCode\":{code},\"message\":\"{message}\"}}");
    assert_eq!((reply.status, reply.text()), (status, body.as_str()));
}
