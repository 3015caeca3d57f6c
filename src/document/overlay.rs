//! Values from elsewhere, put over those of a document before it is read: each behaves as if it stood in the text, but its
//! place is the one that it came from.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A value, and where in the document it belongs.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Where it comes from, as faults tell it.
    pub origin: String,
    /// The way to it; the last step is a key.
    pub path: Vec<Step>,
    /// What stands there.
    pub value: Assigned,
}

/// One step on the way from the root of a document to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value or the table of this key.
    Key(String),
    /// The table of this key whose name it is, however that is written.
    Member(String),
    /// The table of a list that bears this name, however that is written.
    Element(String),
}

/// What is assigned.
#[derive(Clone, Debug)]
pub enum Assigned {
    /// A value as a text: what it is a text of, its type tells. A list or a table in TOML's own form is one, too.
    Text(String),
    /// A table of one text.
    Table(&'static str, String),
}

/// Why something cannot be put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// Several are called so.
    Ambiguous,
    /// Something else than a table, or a list of them, stands on the way.
    InTheWay,
}

/// Marks a text that does not say its type. No file has a use for it.
const MARK: &str = "\0text:";

/// The text behind the mark, if it has it.
pub(super) fn untyped(text: &str) -> Option<&str> {
    text.strip_prefix(MARK)
}

/// As names are written where only capitals, digits and underscores are to be had.
pub fn capitals(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// Puts a value in its place. `span` is what stands for the place that it comes from.
pub(super) fn assign<'t>(
    table: &mut DeTable<'t>,
    path: &[Step],
    value: &'t Assigned,
    span: &Range<usize>,
) -> Result<(), Misplaced> {
    let spanned = |value| Spanned::new(span.clone(), value);
    let (first, rest) = match path {
        [] => return Ok(()),
        [first, rest @ ..] => (first, rest),
    };
    match (first, rest) {
        (Step::Key(key), []) => {
            let value = spanned(valued(value, span));
            table.remove(key.as_str());
            table.insert(Spanned::new(span.clone(), Cow::Owned(key.clone())), value);
            Ok(())
        }
        (Step::Key(key), [Step::Element(name), inner @ ..]) => {
            let list = entry(table, key, span, || DeValue::Array(DeArray::default()));
            let DeValue::Array(list) = list.get_mut() else { return Err(Misplaced::InTheWay) };
            let called = |item: &Spanned<DeValue<'_>>| {
                let name_of = |table: &DeTable<'_>| Some(table.get("name")?.get_ref().as_str()?.to_owned());
                let found = item.get_ref().as_table().and_then(name_of);
                found.is_some_and(|found| capitals(untyped(&found).unwrap_or(&found)) == *name)
            };
            let found = one_of(list.iter().map(called))?;
            let place = found.unwrap_or_else(|| {
                let mut fresh = DeTable::new();
                let own = DeValue::String(Cow::Owned(name.to_ascii_lowercase()));
                fresh.insert(Spanned::new(span.clone(), Cow::Borrowed("name")), spanned(own));
                list.push(spanned(DeValue::Table(fresh)));
                list.len() - 1
            });
            let item = list.get_mut(place).ok_or(Misplaced::InTheWay)?;
            assign(as_table(item)?, inner, value, span)
        }
        (Step::Key(key), _) => {
            let inner = entry(table, key, span, || DeValue::Table(DeTable::new()));
            assign(as_table(inner)?, rest, value, span)
        }
        (Step::Member(name), _) => {
            let known: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
            let found = one_of(known.iter().map(|known| capitals(known) == capitals(name)))?;
            let key = found.map_or_else(|| name.to_ascii_lowercase(), |place| known[place].clone());
            let inner = entry(table, &key, span, || DeValue::Table(DeTable::new()));
            if rest.is_empty() {
                *inner = spanned(valued(value, span));
                return Ok(());
            }
            assign(as_table(inner)?, rest, value, span)
        }
        (Step::Element(_), _) => Err(Misplaced::InTheWay),
    }
}

fn valued<'t>(value: &'t Assigned, span: &Range<usize>) -> DeValue<'t> {
    let text = |text: &str| DeValue::String(Cow::Owned(format!("{MARK}{text}")));
    match value {
        Assigned::Text(written) => {
            let is_compound = written.starts_with(['[', '{']);
            let parsed = DeValue::parse(written).ok().filter(|_| is_compound);
            parsed.map_or_else(|| text(written), |parsed| moved(parsed, span).into_inner())
        }
        Assigned::Table(key, written) => {
            let mut table = DeTable::new();
            let value = Spanned::new(span.clone(), text(written));
            table.insert(Spanned::new(span.clone(), Cow::Borrowed(*key)), value);
            DeValue::Table(table)
        }
    }
}

/// The same with all its places at `span`.
fn moved<'t>(value: Spanned<DeValue<'t>>, span: &Range<usize>) -> Spanned<DeValue<'t>> {
    let value = match value.into_inner() {
        DeValue::Array(list) => DeValue::Array(list.into_iter().map(|item| moved(item, span)).collect()),
        DeValue::Table(table) => {
            let entries = table.into_iter();
            let move_entry = |(key, value): (Spanned<Cow<'t, str>>, _)| {
                (Spanned::new(span.clone(), key.into_inner()), moved(value, span))
            };
            DeValue::Table(entries.map(move_entry).collect())
        }
        other => other,
    };
    Spanned::new(span.clone(), value)
}

/// What stands at `key`, made by `fresh` if nothing does.
fn entry<'a, 't>(
    table: &'a mut DeTable<'t>,
    key: &str,
    span: &Range<usize>,
    fresh: impl FnOnce() -> DeValue<'t>,
) -> &'a mut Spanned<DeValue<'t>> {
    let key = Spanned::new(span.clone(), Cow::Owned(key.to_owned()));
    table.entry(key).or_insert_with(|| Spanned::new(span.clone(), fresh()))
}

fn as_table<'a, 't>(value: &'a mut Spanned<DeValue<'t>>) -> Result<&'a mut DeTable<'t>, Misplaced> {
    match value.get_mut() {
        DeValue::Table(table) => Ok(table),
        _ => Err(Misplaced::InTheWay),
    }
}

/// The place of the only one that is meant, if any is.
fn one_of(are_meant: impl Iterator<Item = bool>) -> Result<Option<usize>, Misplaced> {
    let mut places = are_meant.enumerate().filter(|(_, is_meant)| *is_meant).map(|(place, _)| place);
    let first = places.next();
    if places.next().is_some() { Err(Misplaced::Ambiguous) } else { Ok(first) }
}
