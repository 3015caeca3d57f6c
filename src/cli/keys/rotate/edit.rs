//! What a rotation makes of a key file's text. Pure: the time and the secret are passed in.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use toml_edit::{ArrayOfTables, Datetime, DocumentMut, Item, Table, Value, value};
use zeroize::Zeroizing;

use super::super::super::keygen;
use crate::crypto::Algorithm;
use crate::document::Faults;
use crate::keys::{Fingerprint, Key, KeyRing, ParsedRing, RingPolicy, Validity, parse_key_file};

/// What is wished of a rotation.
pub(super) struct Wishes {
    /// When the new key begins.
    pub(super) start: Timestamp,
    /// How long the older ones hold after that.
    pub(super) overlap: Duration,
    /// How many of the youngest stay, whatever has become of them.
    pub(super) keep: NonZeroUsize,
    /// That of the key that seals now, unless given.
    pub(super) algorithm: Option<Algorithm>,
    /// What the new key is called.
    pub(super) fingerprint: Fingerprint,
}

/// A key file after its rotation.
pub(super) struct Rotated {
    pub(super) text: Zeroizing<String>,
    pub(super) algorithm: Algorithm,
    /// What became of each key that was there, in the order of the file.
    pub(super) fates: Vec<(Fingerprint, Fate)>,
    /// Before the new key begins, nothing seals from then on.
    pub(super) gap: Option<Timestamp>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It ends now, and did not before, or later.
    Bounded {
        /// When.
        end: Timestamp,
        /// Whether only that it is valid has kept it.
        beyond_keep: bool,
    },
    /// It is as it was.
    Kept {
        /// When it ends.
        end: Timestamp,
        /// Whether only that it is valid has kept it.
        beyond_keep: bool,
    },
    /// It is gone; it had ended then.
    Removed(Timestamp),
    /// It begins later than the new one and is as it was.
    ToCome(Timestamp),
}

/// Why a key file is not rotated.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditFault {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] Faults),
    /// It lists its keys in a way that is not rewritten.
    #[error("the keys stand in one line; write each under a line [[key]]")]
    Inline,
    /// It is the portal's document.
    #[error("it is a JSON document: rotate the keys where it comes from")]
    Json,
    /// The end of the older keys is past the calendar.
    #[error("the time is out of range")]
    OutOfRange,
    /// It names the key that seals.
    #[error(
        "it names its `primary` and does not rotate by itself; remove that line, and the key that began last seals"
    )]
    Primary,
    /// The wished name is that of another key.
    #[error("a key is called {0} already; leave --fingerprint out, or give another one")]
    Taken(Fingerprint),
    /// A defect: the text does not say what it should.
    #[error("the rotated file would not be as it should; nothing was changed")]
    Unsound,
}

/// Rotates the key file of `source`; `name` is its name in faults.
pub(super) fn rotate(
    source: &str,
    name: &str,
    wishes: &Wishes,
    secret: impl FnOnce(Algorithm) -> Zeroizing<Vec<u8>>,
    now: Timestamp,
) -> Result<Rotated, EditFault> {
    if source.trim_start().starts_with('{') {
        return Err(EditFault::Json);
    }
    let document = source.parse::<DocumentMut>();
    if document.as_ref().is_ok_and(|document| document.contains_key("primary")) {
        return Err(EditFault::Primary);
    }
    let before = parse_key_file(source, name, RingPolicy::default(), now)?.ring;
    // It was read just now.
    let mut document = document.map_err(|_| EditFault::Unsound)?;
    let Wishes { start, overlap, fingerprint, .. } = wishes;
    if before.key(fingerprint.as_str()).is_some() {
        return Err(EditFault::Taken(fingerprint.clone()));
    }
    let algorithm = wishes.algorithm.or_else(|| algorithm_in_use(&before, now)).ok_or(EditFault::Unsound)?;
    let end = start.checked_add(*overlap).map_err(|_| EditFault::OutOfRange)?;

    let tables = document.get_mut("key").and_then(Item::as_array_of_tables_mut).ok_or(EditFault::Inline)?;
    let plan = Plan { ring: &before, youngest: youngest(&before, wishes), start: *start, end, now };
    let (fates, rest) = plan.carry_out(tables)?;
    if !rest.is_empty() {
        let trailing = rest + document.trailing().as_str().unwrap_or_default();
        document.set_trailing(trailing);
    }
    let mut text = Zeroizing::new(document.to_string());
    let entry = keygen::entry(fingerprint.as_str(), algorithm, &secret(algorithm), (*start, None));
    append(&mut text, &entry);
    let text = with_line_ends_of(source, text);
    let after = check(&text, name, &before, &fates, fingerprint, now)?;
    let gap = gap(&after, *start, now);
    Ok(Rotated { text, algorithm, fates, gap })
}

/// That of the key that seals, or if none does of the one that began last.
fn algorithm_in_use(ring: &KeyRing, now: Timestamp) -> Option<Algorithm> {
    let key = ring.sealing_key(now).or_else(|| ring.keys().next());
    key.map(|key| key.secret.algorithm())
}

/// The keys that stay because they are young. The new one is one of them, and younger than those that begin with it.
fn youngest(ring: &KeyRing, wishes: &Wishes) -> HashSet<Fingerprint> {
    let begins_later = |key: &&Arc<Key>| key.validity.after.is_some_and(|after| after > wishes.start);
    let later = ring.keys().filter(begins_later).count();
    let room = if later < wishes.keep.get() { wishes.keep.get() - 1 } else { wishes.keep.get() };
    ring.keys().take(room).map(|key| key.fingerprint.clone()).collect()
}

/// What is to be done with the keys that are there.
struct Plan<'r> {
    ring: &'r KeyRing,
    youngest: HashSet<Fingerprint>,
    start: Timestamp,
    end: Timestamp,
    now: Timestamp,
}

impl Plan<'_> {
    /// Bounds and removes; gives the fates, and comments that are left where nothing follows.
    fn carry_out(&self, tables: &mut ArrayOfTables) -> Result<(Vec<(Fingerprint, Fate)>, String), EditFault> {
        let mut fates = Vec::with_capacity(tables.len());
        let mut rest = String::new();
        let mut kept = ArrayOfTables::new();
        for mut table in std::mem::take(tables) {
            let key = table.get("fingerprint").and_then(Item::as_str).and_then(|name| self.ring.key(name));
            let key = key.ok_or(EditFault::Unsound)?;
            let fate = self.fate(key);
            fates.push((key.fingerprint.clone(), fate));
            if let Fate::Removed(_) = fate {
                rest += &heading_above(&table);
                continue;
            }
            if let Fate::Bounded { end, .. } = fate {
                bound(&mut table, end)?;
            }
            put_above(&mut table, &std::mem::take(&mut rest));
            kept.push(table);
        }
        *tables = kept;
        Ok((fates, rest))
    }

    fn fate(&self, key: &Key) -> Fate {
        let Validity { after, until } = key.validity;
        let beyond_keep = !self.youngest.contains(&key.fingerprint);
        match (after, until) {
            (Some(after), _) if after > self.start => Fate::ToCome(after),
            (_, Some(end)) if beyond_keep && self.is_over(key) => Fate::Removed(end),
            (_, Some(end)) if end <= self.end => Fate::Kept { end, beyond_keep },
            _ => Fate::Bounded { end: self.end, beyond_keep },
        }
    }

    /// Whether no end opens with it any more.
    fn is_over(&self, key: &Key) -> bool {
        key.validity.is_past(self.now, RingPolicy::default().clock_skew)
    }
}

/// Writes the end of a key's window; what stands behind it in its line stays.
fn bound(table: &mut Table, end: Timestamp) -> Result<(), EditFault> {
    let end: Datetime = end.to_string().parse().map_err(|_| EditFault::OutOfRange)?;
    let written = table.get_mut("valid_until").and_then(Item::as_value_mut);
    let Some(written) = written else {
        table.insert("valid_until", value(end));
        return Ok(());
    };
    let decor = written.decor().clone();
    *written = Value::from(end);
    *written.decor_mut() = decor;
    Ok(())
}

/// What stands above a key that goes and is not its own: all up to the last empty line.
fn heading_above(table: &Table) -> String {
    let above = prefix(table);
    let lines: Vec<&str> = above.split_inclusive('\n').collect();
    let end = lines.iter().rposition(|line| line.trim().is_empty()).map_or(0, |last| last + 1);
    let heading: String = lines[..end].concat();
    // Empty lines alone were there to part the key from the one above.
    if heading.trim().is_empty() { String::new() } else { heading }
}

fn put_above(table: &mut Table, heading: &str) {
    if !heading.is_empty() {
        let above = heading.to_owned() + prefix(table).trim_start_matches(['\r', '\n']);
        table.decor_mut().set_prefix(above);
    }
}

fn prefix(table: &Table) -> &str {
    table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default()
}

/// Puts an entry at the end, behind an empty line.
fn append(text: &mut Zeroizing<String>, entry: &str) {
    // Whole at once: a text that grows would be copied and not wiped.
    let mut longer = Zeroizing::new(String::with_capacity(text.len() + entry.len() + 2));
    longer.push_str(text);
    if !longer.is_empty() && !longer.ends_with('\n') {
        longer.push('\n');
    }
    if !longer.is_empty() {
        longer.push('\n');
    }
    longer.push_str(entry);
    *text = longer;
}

/// Where every line of `source` ends as in Windows, these do too: the editing has made them plain.
fn with_line_ends_of(source: &str, text: Zeroizing<String>) -> Zeroizing<String> {
    let ends = source.matches('\n').count();
    if ends == 0 || source.matches("\r\n").count() < ends {
        return text;
    }
    Zeroizing::new(text.replace('\n', "\r\n"))
}

/// Reads what was written, as `check` would: all is there that should be, and nothing else.
fn check(
    text: &str,
    name: &str,
    before: &KeyRing,
    fates: &[(Fingerprint, Fate)],
    new: &Fingerprint,
    now: Timestamp,
) -> Result<KeyRing, EditFault> {
    let ParsedRing { ring: after, .. } = parse_key_file(text, name, RingPolicy::default(), now)?;
    let is_as_planned = |(fingerprint, fate): &(Fingerprint, Fate)| {
        let (was, is) = (before.key(fingerprint.as_str()), after.key(fingerprint.as_str()));
        match (fate, was, is) {
            (Fate::Removed(_), _, None) => true,
            (Fate::Bounded { end, .. }, Some(was), Some(is)) => {
                let bounded = Validity { until: Some(*end), ..was.validity };
                is.is_same(was) && is.validity == bounded
            }
            (_, Some(was), Some(is)) => is.is_same(was) && is.validity == was.validity,
            _ => false,
        }
    };
    let left = fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Removed(_))).count();
    let is_whole = after.key(new.as_str()).is_some() && after.len() == left + 1;
    if is_whole && fates.iter().all(is_as_planned) { Ok(after) } else { Err(EditFault::Unsound) }
}

/// From when nothing seals before `start`.
fn gap(ring: &KeyRing, start: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let ends = ring.keys().filter_map(|key| key.validity.until);
    let moments = ends.chain([now]).filter(|moment| (now..start).contains(moment));
    moments.filter(|moment| ring.sealing_key(*moment).is_none()).min()
}
