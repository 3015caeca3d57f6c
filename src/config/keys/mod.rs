//! `[keys]` and `[keyset.NAME]`: where the keys of the proxies come from.

mod format;
mod portal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

#[cfg(test)]
pub(super) use self::{
    format::{RawFormat, RawMembers},
    portal::RawPortal,
};

use super::values::{Deadline, ProxyName, Seals};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section, Value};
use crate::keys::{OnSealLimit, SealLimit};
use crate::sources::KeysConfig;

/// Every key set of a file.
pub(super) struct KeySets {
    /// Those that are right.
    pub(super) configs: Vec<KeysConfig>,
    /// What proxies may call them, right or not.
    pub(super) names: Vec<String>,
    /// What is right, but not safe.
    pub(super) warnings: Vec<Fault>,
}

/// A key set as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawKeys {
    file: Field<PathBuf>,
    clock_skew: Field<Duration>,
    require_authenticated: Field<bool>,
    seal_delay: Field<Duration>,
    refetch_cooldown: Field<Deadline>,
    refetch_timeout: Field<Deadline>,
    poll_interval: Field<Deadline>,
    observation: Field<Deadline>,
    seal_limit: Field<Seals>,
    on_seal_limit: Field<OnSealLimit>,
}

/// Reads `[keys]`, which is the set of every proxy that names none, and the sets under `[keyset]`.
pub(super) fn read_all<'t>(
    document: &mut Document<'t>,
    keys: Section<'t>,
    others: Section<'t>,
    directory: &Path,
) -> KeySets {
    let mut sets = KeySets { configs: Vec::new(), names: Vec::new(), warnings: Vec::new() };
    // A file may do without it if each proxy names another; which one lacks it, only the proxies tell.
    if !keys.is_absent() {
        sets.read(document, KeysConfig::DEFAULT_NAME.to_owned(), keys, directory);
    }
    let remedy = "write the keys of a set under a line [keyset.NAME]";
    for (name, section) in document.members(others, remedy) {
        match ProxyName::from_text(&name) {
            Err(refusal) => document.refuse(section.heading(), "", section.heading().start(), refusal),
            Ok(_) if name == KeysConfig::DEFAULT_NAME => {
                let refusal = Refusal::new("the name of [keys] itself", "give the set another name");
                document.refuse(section.heading(), "", section.heading().start(), refusal);
            }
            Ok(_) => sets.read(document, name, section, directory),
        }
    }
    sets
}

impl KeySets {
    fn read<'t>(
        &mut self,
        document: &mut Document<'t>,
        name: String,
        section: Section<'t>,
        directory: &Path,
    ) {
        self.configs.extend(read(document, &name, section, directory, &mut self.warnings));
        self.names.push(name);
    }

    /// The set that a proxy uses, which must be there.
    pub(super) fn check(
        &self,
        document: &mut Document<'_>,
        at: &Heading,
        named: Option<&str>,
        place: Option<usize>,
    ) -> Option<String> {
        let name = named.unwrap_or(KeysConfig::DEFAULT_NAME);
        if self.names.iter().any(|known| known == name) {
            return Some(name.to_owned());
        }
        if named.is_some() {
            let known: Vec<_> = self.names.iter().map(|name| format!("{name:?}")).collect();
            let remedy = match known.len() {
                0 => "write a section [keyset.NAME], or [keys] for all proxies that name none".to_owned(),
                _ => format!("write {}, or add a section [keyset.{name}]", known.join(" or ")),
            };
            let refusal = Refusal::new(format!("there is no key set {name:?}"), remedy);
            document.refuse(at, "keys", place, refusal);
        }
        None
    }
}

/// What stands where neither a file nor a portal does.
pub(super) const NO_SOURCE: &str = "write a section [keys] with file = \"keys.toml\"; `alewife keygen > keys.toml` makes \
                                    one. A proxy with keys of another set names it: keys = \"NAME\"";

fn read<'t>(
    document: &mut Document<'t>,
    name: &str,
    mut section: Section<'t>,
    directory: &Path,
    warnings: &mut Vec<Fault>,
) -> Option<KeysConfig> {
    let portal = document.table(&mut section, "portal");
    let layout = document.table(&mut section, "document");
    let (raw, at) = document.read::<RawKeys>(section);
    let has_portal = !portal.is_absent();
    let file_at = raw.file.start();
    let file = match has_portal {
        true => document.optional(&at, "file", raw.file),
        false => document.require(&at, "file", raw.file, NO_SOURCE),
    };
    let usual = KeysConfig::named(name);
    let clock_skew = document.or(&at, "clock_skew", raw.clock_skew, usual.clock_skew);
    let require_authenticated =
        document.or(&at, "require_authenticated", raw.require_authenticated, usual.require_authenticated);
    let seal_delay = document.or(&at, "seal_delay", raw.seal_delay, usual.seal_delay);
    let mut deadline = |name: &str, field, usual| {
        let Deadline(deadline) = document.or(&at, name, field, Deadline(usual));
        deadline
    };
    let refetch_cooldown = deadline("refetch_cooldown", raw.refetch_cooldown, usual.refetch_cooldown);
    let refetch_timeout = deadline("refetch_timeout", raw.refetch_timeout, usual.refetch_timeout);
    let poll_interval = deadline("poll_interval", raw.poll_interval, usual.poll_interval);
    let observation = deadline("observation", raw.observation, usual.observation);
    let SealLimit { most, on_limit } = usual.seal_limit;
    let Seals(most) = document.or(&at, "seal_limit", raw.seal_limit, Seals(most));
    let on_limit = document.or(&at, "on_seal_limit", raw.on_seal_limit, on_limit);
    let has_layout = !layout.is_absent();
    let layout = has_layout.then(|| format::read_document(document, layout, warnings));
    let portal = has_portal.then(|| portal::read(document, portal, directory, warnings));
    if has_layout && file_at.is_none() {
        let refusal =
            Refusal::new("there is no key file that it could describe", "write file = \"…\", or remove it");
        document.refuse(&at, "document", at.start(), refusal);
    }
    let portal = portal.map_or(Some(None), |portal| portal.map(Some))?;
    let layout = layout.map_or(Some(None), |layout| layout.map(Some))?;
    // A document that was saved is laid out like those that come.
    let document = layout.or_else(|| portal.as_ref().map(|portal| portal.format.clone()));
    if file.is_none() && !has_portal {
        return None;
    }
    Some(KeysConfig {
        name: name.into(),
        file: file.map(|file| directory.join(file)),
        document,
        portal,
        clock_skew,
        require_authenticated,
        seal_delay,
        refetch_cooldown,
        refetch_timeout,
        poll_interval,
        observation,
        seal_limit: SealLimit { most, on_limit },
    })
}
