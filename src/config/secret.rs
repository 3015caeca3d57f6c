//! Secrets by reference: `{ file = "…" }` or `{ env = "…" }`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::values::Literal;
use crate::document::{Document, Field, Heading, Refusal, Section};
use crate::sources::SecretSource;

const REMEDY: &str =
    "write { file = \"PATH\" } or { env = \"VARIABLE\" }; the secret itself stands in no configuration";

/// Where a secret stands, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawSecret {
    env: Field<Literal>,
    file: Field<PathBuf>,
}

/// Reads where a secret is; `None` if `section` does not say, which is a fault unless there is no such section.
pub(super) fn read<'t>(
    document: &mut Document<'t>,
    section: Section<'t>,
    directory: &Path,
) -> Option<SecretSource> {
    if section.is_absent() {
        return None;
    }
    let (RawSecret { env, file }, at) = document.read::<RawSecret>(section);
    one_of(document, &at, env, file, directory)
}

/// The one of two places that is written.
pub(super) fn one_of(
    document: &mut Document<'_>,
    at: &Heading,
    env: Field<Literal>,
    file: Field<PathBuf>,
    directory: &Path,
) -> Option<SecretSource> {
    let second = env.start();
    let nothing = matches!((&env, &file), (Field::Absent, Field::Absent));
    let both = !matches!(env, Field::Absent) && !matches!(file, Field::Absent);
    let env = document.optional(at, "env", env);
    let file = document.optional(at, "file", file);
    if nothing {
        document.refuse(at, "", at.start(), Refusal::new("says not where the secret is", REMEDY));
    }
    if both {
        document.refuse(at, "env", second, Refusal::new("a second place for one secret", "write only one"));
    }
    match (env, file) {
        (None, Some(path)) => Some(SecretSource::File(directory.join(path))),
        (Some(Literal(name)), None) => Some(SecretSource::Environment(name.into())),
        _ => None,
    }
}
