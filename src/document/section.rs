//! A table of a document, before and after it is read.

use std::ops::Range;

use serde::Deserialize;
use toml::de::DeTable;

use super::{fields, overlay};

/// A table of the document that is not read yet.
pub struct Section<'t> {
    pub(super) heading: Heading,
    pub(super) entries: DeTable<'t>,
    /// Names of the tables that were taken out.
    pub(super) nested: Vec<&'static str>,
}

impl Section<'_> {
    /// The text at `key`, if there is one. For naming the section before it is read.
    pub fn peek(&self, key: &str) -> Option<&str> {
        self.entries.get(key)?.get_ref().as_str().map(|text| overlay::untyped(text).unwrap_or(text))
    }

    /// Whether anything stands at `key`.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the section begins, if it is written.
    pub fn start(&self) -> Option<usize> {
        self.heading.at
    }

    /// Its name and place.
    pub fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Whether the document has nothing there.
    pub fn is_absent(&self) -> bool {
        self.heading.at.is_none() && self.entries.is_empty()
    }

    /// Names the section anew, for example by the name that it bears.
    pub fn rename(&mut self, path: String) {
        self.heading.path = path;
    }
}

impl<'t> Section<'t> {
    /// Takes the keys of `T` out, as a section of the same name: keys that belong to one kind of several.
    pub fn part<T: Deserialize<'t>>(&mut self) -> Self {
        let known = fields::<T>();
        self.nested.extend(known);
        let entries = std::mem::take(&mut self.entries);
        let (part, rest) = entries.into_iter().partition(|(key, _)| known.contains(&key.get_ref().as_ref()));
        self.entries = rest;
        Self { heading: self.heading.clone(), entries: part, nested: Vec::new() }
    }

    pub(super) fn absent(path: String) -> Self {
        Self { heading: Heading { path, at: None }, entries: DeTable::new(), nested: Vec::new() }
    }

    pub(super) fn at(path: String, span: &Range<usize>, entries: DeTable<'t>) -> Self {
        Self { heading: Heading { path, at: Some(span.start) }, entries, nested: Vec::new() }
    }
}

/// What is left of a section once it is read: its name and place.
#[derive(Clone, Debug, Default)]
pub struct Heading {
    pub(super) path: String,
    pub(super) at: Option<usize>,
}

impl Heading {
    /// Where the section begins, if it is written.
    pub fn start(&self) -> Option<usize> {
        self.at
    }

    /// The full name of the key `name` in this section.
    pub fn key_path(&self, name: &str) -> String {
        match (self.path.as_str(), name) {
            ("", name) => name.to_owned(),
            (path, "") => path.to_owned(),
            (path, name) => format!("{path}.{name}"),
        }
    }
}
