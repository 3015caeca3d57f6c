//! What `[[proxy]]` says of messages that come a second time.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::secret;
use crate::config::values::{Deadline, Entries, Interval, Literal};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section};
use crate::net::{CaFile, Roots};
use crate::proxy::{ReplayConfig, StoreAddress, StoreConfig, StoreFailure};

/// The one key that is a table.
const PASSWORD: &str = "replay_store_password";

/// The keys of the replay window, as they are written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawReplay {
    replay_window: Field<Interval>,
    replay_entries: Field<Entries>,
    replay_store: Field<StoreAddress>,
    replay_store_failure: Field<StoreFailure>,
    replay_store_timeout: Field<Deadline>,
    replay_store_ca_file: Field<PathBuf>,
    replay_store_user: Field<Literal>,
}

/// What a `[[proxy]]` has of it.
pub(super) struct Parts<'t> {
    replay: Section<'t>,
    password: Section<'t>,
}

impl<'t> Parts<'t> {
    pub(super) fn take(document: &mut Document<'t>, section: &mut Section<'t>) -> Self {
        Self { replay: section.part::<RawReplay>(), password: document.table(section, PASSWORD) }
    }

    /// The window, if there is one. What only a window needs, or only a store, is a fault without.
    pub(super) fn read(
        self,
        document: &mut Document<'t>,
        directory: &Path,
        warnings: &mut Vec<Fault>,
    ) -> Option<ReplayConfig> {
        let (raw, at) = document.read::<RawReplay>(self.replay);
        let is_off = matches!(raw.replay_window, Field::Absent | Field::Read(Interval(None), _));
        let no_store = matches!(raw.replay_store, Field::Absent);
        let store_keys = [
            ("replay_store_failure", raw.replay_store_failure.start()),
            ("replay_store_timeout", raw.replay_store_timeout.start()),
            ("replay_store_ca_file", raw.replay_store_ca_file.start()),
            ("replay_store_user", raw.replay_store_user.start()),
            (PASSWORD, self.password.start()),
        ];
        let window_keys =
            [("replay_entries", raw.replay_entries.start()), ("replay_store", raw.replay_store.start())];
        if is_off {
            let remedy = "write replay_window = \"24h\", or how long it is to be, or remove this";
            let keys = window_keys.into_iter().chain(store_keys);
            refuse_unused(document, &at, keys, "replay_window is off", remedy);
            return None;
        }
        if no_store {
            let remedy = "write replay_store = \"redis://HOST:PORT\", or remove this";
            refuse_unused(document, &at, store_keys, "there is no replay_store", remedy);
        }
        let window = document.or(&at, "replay_window", raw.replay_window, Interval(None));
        let entries = document.optional(&at, "replay_entries", raw.replay_entries);
        let store = RawStore {
            address: raw.replay_store,
            failure: raw.replay_store_failure,
            timeout: raw.replay_store_timeout,
            ca_file: raw.replay_store_ca_file,
            user: raw.replay_store_user,
            password: self.password,
        };
        let store = if no_store { None } else { store.read(document, &at, directory, warnings) };
        let entries = entries.map_or(ReplayConfig::ENTRIES, |Entries(entries)| entries);
        Some(ReplayConfig { window: window.0?, entries, store })
    }
}

fn refuse_unused(
    document: &mut Document<'_>,
    at: &Heading,
    keys: impl IntoIterator<Item = (&'static str, Option<usize>)>,
    why: &str,
    remedy: &str,
) {
    for (name, start) in keys.into_iter().filter(|(_, start)| start.is_some()) {
        let refusal = Refusal::new(format!("nothing to use it for, since {why}"), remedy);
        document.refuse(at, name, start, refusal);
    }
}

/// What is written of a store, where there is one.
struct RawStore<'t> {
    address: Field<StoreAddress>,
    failure: Field<StoreFailure>,
    timeout: Field<Deadline>,
    ca_file: Field<PathBuf>,
    user: Field<Literal>,
    password: Section<'t>,
}

impl<'t> RawStore<'t> {
    fn read(
        self,
        document: &mut Document<'t>,
        at: &Heading,
        directory: &Path,
        warnings: &mut Vec<Fault>,
    ) -> Option<StoreConfig> {
        let (user_at, password_at) = (self.user.start(), self.password.start());
        let mut address = document.optional(at, "replay_store", self.address);
        let failure = document.require(
            at,
            "replay_store_failure",
            self.failure,
            "say what holds when the store does not answer: \"closed\" refuses what could be a replay, \"open\" trusts \
             what this process remembers",
        );
        let timeout = Deadline(StoreConfig::TIMEOUT);
        let Deadline(timeout) = document.or(at, "replay_store_timeout", self.timeout, timeout);
        trust(document, at, self.ca_file, address.as_mut(), directory);
        let user = document.optional(at, "replay_store_user", self.user).map(|Literal(user)| user);
        let password = secret::read(document, self.password, directory);
        if user.is_some() && password_at.is_none() {
            let remedy =
                "write replay_store_password = { file = \"PATH\" } or { env = \"VARIABLE\" } as well";
            document.refuse(
                at,
                "replay_store_user",
                user_at,
                Refusal::new("a user without a password", remedy),
            );
        }
        if let Some(Err(fault)) = password.as_ref().map(|source| source.read()) {
            // A machine that only checks may have none of the secrets.
            let remedy = "have it there when Alewife runs; it is read for each connection to the store";
            let refusal = Refusal::new(fault.to_string(), remedy);
            warnings.push(document.fault(password_at, at.key_path(PASSWORD), refusal));
        }
        Some(StoreConfig { address: address?, user, password, failure: failure?, timeout })
    }
}

/// Whose word counts for the store's certificate.
fn trust(
    document: &mut Document<'_>,
    at: &Heading,
    ca_file: Field<PathBuf>,
    address: Option<&mut StoreAddress>,
    directory: &Path,
) {
    let start = ca_file.start();
    let Some(path) = document.optional(at, "replay_store_ca_file", ca_file) else { return };
    let refusal = match (CaFile::read(directory.join(&path)), address) {
        (_, Some(StoreAddress { tls: None, .. })) => {
            let remedy = "write rediss:// in replay_store, or remove this";
            Refusal::new("nothing to use it for, since replay_store is redis://", remedy)
        }
        (Ok(file), Some(StoreAddress { tls: Some(tls), .. })) => {
            tls.roots = Roots::File(file);
            return;
        }
        (Ok(_), None) => return,
        (Err(fault), _) => Refusal::new(
            format!("{path:?} {fault}"),
            "name a PEM file with the certificates of those who issue the store's: -----BEGIN CERTIFICATE-----",
        ),
    };
    document.refuse(at, "replay_store_ca_file", start, refusal);
}
