//! Key files: text in, the keys of a source or a checked ring out.
//!
//! Nothing of the text is ever quoted in a fault: whatever stands in a key file may be a secret.

mod entry;
mod secret;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Deserialize;

use super::portal::{read_document, without_mark};
use super::source::Draft;
use super::whereabouts::{Layout, Whereabouts};
use super::{Company, Derivations, DocumentFormat, Fingerprint, ParsedRing, RingPolicy, SourceKeys, merge};
use crate::document::{Disclosure, Document, Fault, Faults, Field, Place, Places};

/// Reads a key file's text and makes a ring of it alone. `file` is its name in faults; `now` judges which keys hold.
///
/// The text is the caller's to wipe; whatever is decoded from it here is wiped. A JSON document is a fault, since nothing
/// says how it is laid out.
pub fn parse_key_file(
    text: &str,
    file: &str,
    policy: RingPolicy,
    now: Timestamp,
) -> Result<ParsedRing, Faults> {
    let keys = read_key_file(text, file, None, Company::Alone, policy, now, &mut Derivations::default())?;
    merge(&[&keys], policy, now)
}

/// Reads a key file's text: TOML, or a portal's JSON document as it is, of which `format` says how it is laid out.
///
/// The text is the caller's to wipe; whatever is decoded from it here is wiped.
pub fn read_key_file(
    text: &str,
    file: &str,
    format: Option<&DocumentFormat>,
    company: Company,
    policy: RingPolicy,
    now: Timestamp,
    derivations: &mut Derivations,
) -> Result<SourceKeys, Faults> {
    match (json_start(text), format) {
        (None, _) => read_toml(text, file)?.settle(company, policy, now, derivations),
        (Some(_), Some(format)) => read_document(text, file, format, policy, now, derivations),
        (Some(place), None) => {
            let problem = "the file is a JSON document, and nothing says how it is laid out".to_owned();
            let remedy = "describe the document in [keys.document], or write the keys as TOML".to_owned();
            let (file, place, key_path) = (file.into(), Some(place), String::new());
            Err(Faults::from(Fault { file, place, key_path, problem, remedy }))
        }
    }
}

/// Where a JSON document begins, if the text is one. Headers of TOML begin with `[` as well, but a name follows.
fn json_start(text: &str) -> Option<Place> {
    let text = without_mark(text);
    let document = text.trim_ascii_start();
    let within = document.trim_start_matches(|c: char| c == '[' || c.is_ascii_whitespace());
    let has_nothing = within.bytes().all(|byte| byte == b']' || byte.is_ascii_whitespace());
    let is_list = document.starts_with('[') && (within.starts_with('{') || has_nothing);
    (is_list || document.starts_with('{')).then(|| Places::of(text).at(text.len() - document.len()))
}

/// Reads TOML.
fn read_toml(text: &str, file: &str) -> Result<Draft<'static>, Faults> {
    let (mut document, mut root) = Document::parse(file, text, Disclosure::Secret)?;
    let sections = document.tables(&mut root, "key");
    let misshapen = !document.is_sound();
    let (top, heading) = document.read::<RawFile>(root);
    let primary_at = top.primary.start().map(|at| document.place(at));
    let primary = document.optional(&heading, "primary", top.primary);

    let (mut keys, mut entries, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for section in sections {
        let entry = entry::read(&mut document, section);
        keys.push(entry.key);
        entries.push(entry.places);
        warnings.extend(entry.warning);
    }
    let whereabouts =
        Whereabouts { file: file.into(), layout: Layout::KeyFile, primary: primary_at, entries };
    let faults = document.into_faults();
    Ok(Draft { keys, primary, encryption: None, warnings, faults, misshapen, whereabouts })
}

/// The top of a key file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawFile {
    primary: Field<Fingerprint>,
}
