//! TOML documents whose every fault is told at once, each with its place and remedy.
//!
//! A [`Document`] gathers the faults; its [`Section`]s are read into structs of [`Field`]s, which bear what is
//! wrong with a value instead of failing. Pure: text in, values and faults out.

mod fault;
mod fields;
mod overlay;
mod places;
mod section;
mod value;
mod written;

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

pub use fault::{Fault, Faults, Place, Refusal};
pub use fields::fields;
use overlay::Misplaced;
pub use overlay::{Assigned, Assignment, Step, capitals};
pub use places::Places;
pub use section::{Heading, Section};
pub use value::{Field, Value};
pub use written::Written;

/// A text under examination, with the faults found so far.
pub struct Document<'t> {
    file: Arc<str>,
    places: Places<'t>,
    disclosure: Disclosure,
    faults: Vec<Fault>,
    /// Where values come from that do not stand in the text: each has one byte behind its end.
    origins: Vec<Arc<str>>,
    settings: Vec<Setting>,
}

/// A key that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The section's full name, empty at the top.
    pub section: String,
    /// The key.
    pub key: &'static str,
    /// Where its value is from.
    pub origin: Origin,
}

/// Where the value of a key is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is not written.
    Default,
    /// It stands in the text, there.
    File(Range<usize>),
    /// It was put over the text, by this.
    Elsewhere(Arc<str>),
}

impl<'t> Document<'t> {
    /// Reads `text` as TOML. A text that is none is one fault.
    pub fn parse(file: &str, text: &'t str, disclosure: Disclosure) -> Result<(Self, Section<'t>), Faults> {
        Self::parse_under(file, text, &[], disclosure)
    }

    /// The same with values from elsewhere in the place of those in the text, or besides.
    pub fn parse_under(
        file: &str,
        text: &'t str,
        assignments: &'t [Assignment],
        disclosure: Disclosure,
    ) -> Result<(Self, Section<'t>), Faults> {
        let origins = assignments.iter().map(|assignment| assignment.origin.as_str().into()).collect();
        let mut document = Self {
            file: file.into(),
            places: Places::of(text),
            disclosure,
            faults: Vec::new(),
            origins,
            settings: Vec::new(),
        };
        match DeTable::parse(text) {
            Ok(root) => {
                let heading = Heading { path: String::new(), at: None };
                let mut entries = root.into_inner();
                for (index, Assignment { path, value, .. }) in assignments.iter().enumerate() {
                    let at = text.len() + 1 + index;
                    if let Err(misplaced) = overlay::assign(&mut entries, path, value, &(at..at)) {
                        document.misplaced(at, &misplaced);
                    }
                }
                Ok((document, Section { heading, entries, nested: Vec::new() }))
            }
            Err(error) => {
                let at = error.span().map(|span| span.start);
                // Only the bare message: the error's display would quote the line.
                let problem = format!("not TOML: {}", error.message());
                let remedy = Refusal::new(problem, "mend the line; https://toml.io tells the syntax");
                Err(Faults::from(document.fault(at, String::new(), remedy)))
            }
        }
    }

    fn misplaced(&mut self, at: usize, misplaced: &Misplaced) {
        let refusal = match misplaced {
            Misplaced::Ambiguous => Refusal::new(
                "several have that name, if it is written in capitals",
                "give one of them another name, or write the value in the file",
            ),
            Misplaced::InTheWay => Refusal::new(
                "there is a value where it needs a table",
                "compare the name with those in config.example.toml",
            ),
        };
        self.refuse(&Heading::default(), "", Some(at), refusal);
    }

    /// Where the value came from that has this place, if it does not stand in the text.
    fn elsewhere(&self, at: usize) -> Option<&Arc<str>> {
        self.origins.get(at.checked_sub(self.places.text().len() + 1)?)
    }

    /// A place as it is told in a sentence: `in line 7`, or `in` and what it comes from.
    pub fn whereabouts(&self, at: usize) -> String {
        match self.elsewhere(at) {
            Some(origin) => format!("in {origin}"),
            None => format!("in line {}", self.place(at).line),
        }
    }

    /// Each key that was asked for so far, in order.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Takes the table `name` out of `section`; an absent one reads as empty.
    pub fn table(&mut self, section: &mut Section<'t>, name: &'static str) -> Section<'t> {
        section.nested.push(name);
        let path = section.heading.key_path(name);
        match section.entries.remove(name).map(|value| (value.span(), value.into_inner())) {
            None => Section::absent(path),
            Some((span, DeValue::Table(entries))) => Section::at(path, &span, entries),
            Some((span, other)) => {
                self.wrong_shape(&path, &span, &other, Shape::Table);
                Section::absent(path)
            }
        }
    }

    /// Takes the tables `[[name]]` out of `section`.
    pub fn tables(&mut self, section: &mut Section<'t>, name: &'static str) -> Vec<Section<'t>> {
        section.nested.push(name);
        let path = section.heading.key_path(name);
        match section.entries.remove(name).map(|value| (value.span(), value.into_inner())) {
            None => Vec::new(),
            Some((_, DeValue::Array(list))) => list
                .into_iter()
                .enumerate()
                .filter_map(|(index, item)| self.element(format!("{path}[{index}]"), item))
                .collect(),
            Some((span, other)) => {
                self.wrong_shape(&path, &span, &other, Shape::Tables);
                Vec::new()
            }
        }
    }

    /// The tables under names of the file's own choosing, in alphabetical order, of which `section` consists.
    pub fn members(&mut self, section: Section<'t>, remedy: &str) -> Vec<(String, Section<'t>)> {
        let Section { heading, entries, .. } = section;
        let mut members = Vec::new();
        for (key, value) in entries {
            let (name, span) = (key.into_inner().into_owned(), value.span());
            let path = heading.key_path(&name);
            match value.into_inner() {
                DeValue::Table(entries) => members.push((name, Section::at(path, &span, entries))),
                other => {
                    let problem = format!("expected a table, found a value of type {}", other.type_str());
                    let fault = self.fault(Some(span.start), path, Refusal::new(problem, remedy));
                    self.faults.push(fault);
                }
            }
        }
        members.sort_by(|one, other| one.0.cmp(&other.0));
        members
    }

    /// Reads the rest of `section` as a `T` of [`Field`]s; keys that `T` does not have are faults.
    pub fn read<T: Deserialize<'t> + Default>(&mut self, section: Section<'t>) -> (T, Heading) {
        let Section { heading, mut entries, nested } = section;
        let known = fields::<T>();
        let unknown: Vec<_> =
            entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).cloned().collect();
        for key in unknown {
            entries.remove(&**key.get_ref());
            let known = known.iter().chain(&nested).copied();
            self.unknown_key(&heading, &key, known);
        }
        for key in known {
            let origin = entries.get(*key).map_or(Origin::Default, |value| {
                let span = value.span();
                self.elsewhere(span.start)
                    .map_or(Origin::File(span), |origin| Origin::Elsewhere(Arc::clone(origin)))
            });
            self.settings.push(Setting { section: heading.path.clone(), key, origin });
        }
        let whole = Spanned::new(0..self.places.text().len(), DeValue::Table(entries));
        let read = T::deserialize(ValueDeserializer::from(whole)).unwrap_or_else(|_| {
            // Unknown keys are gone and fields never fail, so this is a struct with something else in it. A
            // fault all the same, since defaults in place of what is written must not pass.
            let refusal = Refusal::new("cannot be read", "compare it with the documentation");
            self.refuse(&heading, "", heading.at, refusal);
            T::default()
        });
        (read, heading)
    }

    /// Notes that each key of `section` does not belong there, and why.
    pub fn refuse_keys(&mut self, section: Section<'t>, refusal: impl Fn(&str) -> Refusal) {
        let Section { heading, entries, .. } = section;
        for key in entries.keys() {
            self.refuse(&heading, key.get_ref(), Some(key.span().start), refusal(key.get_ref()));
        }
    }

    /// The value of a field that must be there.
    pub fn require<T>(&mut self, heading: &Heading, name: &str, field: Field<T>, remedy: &str) -> Option<T> {
        if let Field::Absent = field {
            self.refuse(heading, name, heading.at, Refusal::new("missing", remedy));
        }
        self.optional(heading, name, field)
    }

    /// The value of a field, or `default` where it is absent.
    pub fn or<T>(&mut self, heading: &Heading, name: &str, field: Field<T>, default: T) -> T {
        self.optional(heading, name, field).unwrap_or(default)
    }

    /// The value of a field that may be absent. A faulty one is noted and then counts as absent.
    pub fn optional<T>(&mut self, heading: &Heading, name: &str, field: Field<T>) -> Option<T> {
        match field {
            Field::Absent => None,
            Field::Faulty(refusal, span) => {
                self.refuse(heading, name, Some(span.start), refusal);
                None
            }
            Field::Read(value, _) => Some(value),
        }
    }

    /// Notes that the key `name` under `heading` is wrong.
    pub fn refuse(&mut self, heading: &Heading, name: &str, at: Option<usize>, refusal: Refusal) {
        let fault = self.fault(at, heading.key_path(name), refusal);
        self.faults.push(fault);
    }

    /// Notes a fault that was made elsewhere.
    pub fn note(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// A fault of this document that is not noted: a warning, say.
    pub fn fault(&self, at: Option<usize>, key_path: String, Refusal { problem, remedy }: Refusal) -> Fault {
        let elsewhere = at.and_then(|at| self.elsewhere(at));
        let file = Arc::clone(elsewhere.unwrap_or(&self.file));
        let place = at.filter(|_| elsewhere.is_none()).map(|at| self.place(at));
        Fault { file, place, key_path, problem, remedy }
    }

    /// The line and column of a byte of the text.
    pub fn place(&self, at: usize) -> Place {
        self.places.at(at)
    }

    /// How much was found wrong so far.
    pub fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// Whether anything was found wrong so far.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Everything found wrong so far, as it was found.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Everything found wrong, in order.
    pub fn finish(self) -> Result<(), Faults> {
        Faults::check(self.faults)
    }

    /// `value` if nothing is wrong, else everything that is. A value that is lacking for no reason is a fault.
    pub fn conclude<T>(self, value: Option<T>) -> Result<T, Faults> {
        let incomplete = Refusal::new("incomplete", "compare it with config.example.toml");
        let incomplete = self.fault(None, String::new(), incomplete);
        self.finish()?;
        value.ok_or_else(|| Faults::from(incomplete))
    }

    fn element(&mut self, path: String, item: Spanned<DeValue<'t>>) -> Option<Section<'t>> {
        let span = item.span();
        match item.into_inner() {
            DeValue::Table(entries) => Some(Section::at(path, &span, entries)),
            other => {
                self.wrong_shape(&path, &span, &other, Shape::Tables);
                None
            }
        }
    }

    fn wrong_shape(&mut self, path: &str, span: &Range<usize>, found: &DeValue<'_>, shape: Shape) {
        // `proxy`, or `proxy[1]` for what stands among others.
        let name = path.split('[').next().unwrap_or(path);
        let two = format!("write each under a line with the name in two brackets: [[{name}]]");
        let (expected, remedy) = match shape {
            Shape::Table => ("a table", "write its keys under a line with its name in brackets: [name]"),
            Shape::Tables => ("a list of tables", two.as_str()),
        };
        let problem = format!("expected {expected}, found a value of type {}", found.type_str());
        let fault = self.fault(Some(span.start), path.to_owned(), Refusal::new(problem, remedy));
        self.faults.push(fault);
    }

    fn unknown_key<'k>(
        &mut self,
        heading: &Heading,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let remedy = match fields::nearest(key.get_ref(), known.clone()) {
            Some(meant) => format!("write `{meant}` if that is what is meant"),
            None => format!("remove it; the keys here are {}", known.collect::<Vec<_>>().join(", ")),
        };
        let name = match self.disclosure {
            Disclosure::Secret => "",
            Disclosure::Quotable => key.get_ref(),
        };
        self.refuse(heading, name, Some(key.span().start), Refusal::new("unknown key", remedy));
    }
}

/// Whether faults may quote the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// Nothing of the document is quoted, because any piece of it may be a secret.
    Secret,
    /// Its keys may be quoted.
    Quotable,
}

/// What is expected where tables stand.
#[derive(Clone, Copy)]
enum Shape {
    /// `[name]`.
    Table,
    /// `[[name]]`.
    Tables,
}
