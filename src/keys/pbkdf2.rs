//! The parameters of derivations as files write them: `{ hash = "sha256", iterations = 600000, salt = "utf8:…" }`.

use serde::Deserialize;

use super::ValueEncoding;
use crate::crypto::{Iterations, Pbkdf2, Prf};
use crate::document::{Document, Fault, Field, Refusal, Section, Value};

/// Reads the parameters of a derivation; also answers what is odd about them, placed.
///
/// What is wrong with them is noted in `document`.
pub fn read_pbkdf2<'t>(document: &mut Document<'t>, section: Section<'t>) -> (Option<Pbkdf2>, Option<Fault>) {
    let (raw, heading) = document.read::<RawPbkdf2>(section);
    let iterations_at = raw.iterations.start();
    let hash = document.require(
        &heading,
        "hash",
        raw.hash,
        "write the hash that the other side derives with: hash = \"sha256\"",
    );
    let iterations = document.require(
        &heading,
        "iterations",
        raw.iterations,
        "write as many iterations as the other side makes: iterations = 600000",
    );
    let salt = document.require(
        &heading,
        "salt",
        raw.salt,
        "write the other side's salt with its encoding, an empty one too: salt = \"utf8:…\"",
    );
    let mild = iterations.filter(|iterations| iterations.are_mild()).map(|_| {
        let problem =
            format!("with fewer than {} iterations the passphrase is soon guessed", Iterations::MILD);
        let remedy = "take more if the other side can be changed too, or a long random passphrase";
        document.fault(iterations_at, heading.key_path("iterations"), Refusal::new(problem, remedy))
    });
    let pbkdf2 = hash.zip(iterations).zip(salt);
    (pbkdf2.map(|((hash, iterations), Salt(salt))| Pbkdf2::new(hash, iterations, salt)), mild)
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawPbkdf2 {
    hash: Field<Prf>,
    iterations: Field<Iterations>,
    salt: Field<Salt>,
}

/// The salt of a derivation.
struct Salt(Vec<u8>);

impl Value for Salt {
    const EXPECTED: &'static str = "a salt in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let remedy = "write the encoding before it: \"base64:…\", \"hex:…\" or, for plain text, \"utf8:…\"";
        let nameless = || Refusal::new("the salt does not name its encoding", remedy);
        let (prefix, rest) = text.split_once(':').ok_or_else(nameless)?;
        let encoding = prefix.parse::<ValueEncoding>().map_err(|_| nameless())?;
        let bytes = match encoding {
            // Text beyond ASCII too, as with passphrases.
            ValueEncoding::Utf8 => return Ok(Self(rest.as_bytes().to_vec())),
            ValueEncoding::Base64 | ValueEncoding::Hex => encoding.decode(rest),
        };
        let problem = format!("what follows `{encoding}:` is not {}", encoding.description());
        bytes.map(|bytes| Self(bytes.to_vec())).ok_or_else(|| Refusal::new(problem, "copy the salt anew"))
    }
}

impl Value for Prf {
    const EXPECTED: &'static str = "the name of a hash";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        text.parse::<Self>()
            .map_err(|fault| Refusal::new(fault.to_string(), "write one of these, for example \"sha256\""))
    }
}

impl Value for Iterations {
    const EXPECTED: &'static str = "a number of iterations";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        Self::try_from(number)
            .map_err(|fault| Refusal::new(fault.to_string(), "write as many as the other side makes"))
    }
}
