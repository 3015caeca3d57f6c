//! What `[[proxy]]` says of messages that come a second time.

use serde::Deserialize;

use crate::config::values::{Entries, Interval};
use crate::document::{Document, Field, Heading, Refusal, Section};
use crate::proxy::ReplayConfig;

/// The keys of the replay window, as they are written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawReplay {
    replay_window: Field<Interval>,
    replay_entries: Field<Entries>,
}

/// The window, if there is one. What only a window needs is a fault without one.
pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>) -> Option<ReplayConfig> {
    let (raw, at) = document.read::<RawReplay>(section);
    let entries_at = raw.replay_entries.start();
    let is_wrong = matches!(raw.replay_window, Field::Faulty(..));
    let Interval(window) = document.or(&at, "replay_window", raw.replay_window, Interval(None));
    let entries = document.optional(&at, "replay_entries", raw.replay_entries);
    let Some(window) = window else {
        if !is_wrong {
            refuse_without_window(document, &at, "replay_entries", entries_at);
        }
        return None;
    };
    let entries = entries.map_or(ReplayConfig::ENTRIES, |Entries(entries)| entries);
    Some(ReplayConfig { window, entries })
}

fn refuse_without_window(document: &mut Document<'_>, at: &Heading, name: &str, start: Option<usize>) {
    if start.is_some() {
        let remedy = "write replay_window = \"24h\", or how long it is to be, or remove this";
        let refusal = Refusal::new("nothing to use it for, since replay_window is off", remedy);
        document.refuse(at, name, start, refusal);
    }
}
