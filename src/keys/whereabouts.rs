//! Where in their texts the keys of a ring stand, so that what is wrong among them can be told with its place.

use std::sync::Arc;

use super::portal::MemberNames;
use super::{RingFault, RingWarning};
use crate::document::{Fault, Place, Refusal};
use crate::payload::Pointer;

/// Where the keys of one source stand in its text. Holds nothing of the text.
pub(super) struct Whereabouts {
    pub(super) file: Arc<str>,
    pub(super) layout: Layout,
    pub(super) primary: Option<Place>,
    pub(super) entries: Vec<EntryPlaces>,
}

/// How the parts of a key are called in a source.
pub(super) enum Layout {
    /// Members of the elements of a list.
    Document { list: Pointer, members: MemberNames },
    /// Keys of a table `[[key]]`.
    KeyFile,
}

/// Where the parts of one key stand.
#[derive(Clone, Copy, Default)]
pub(super) struct EntryPlaces {
    pub(super) algorithm: Option<Place>,
    pub(super) fingerprint: Option<Place>,
    pub(super) secret: Option<Place>,
    pub(super) until: Option<Place>,
}

/// A part of a key that something can be wrong with.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Algorithm,
    Fingerprint,
    Secret,
    Until,
}

impl Whereabouts {
    /// A key was lost without a word: a slip of this code, which must not pass as a smaller ring.
    pub(super) fn incomplete(&self) -> Fault {
        self.fault_at(None, String::new(), Refusal::new("incomplete", "compare it with the documentation"))
    }

    fn fault(&self, key: usize, part: Part, refusal: Refusal) -> Fault {
        self.fault_at(self.place(key, part), self.key_path(key, part), refusal)
    }

    fn fault_at(
        &self,
        place: Option<Place>,
        key_path: String,
        Refusal { problem, remedy }: Refusal,
    ) -> Fault {
        Fault { file: Arc::clone(&self.file), place, key_path, problem, remedy }
    }

    fn place(&self, key: usize, part: Part) -> Option<Place> {
        let entry = self.entries.get(key)?;
        match part {
            Part::Algorithm => entry.algorithm,
            Part::Fingerprint => entry.fingerprint,
            Part::Secret => entry.secret,
            Part::Until => entry.until,
        }
    }

    fn key_path(&self, key: usize, part: Part) -> String {
        match &self.layout {
            Layout::Document { list, members } => members.pointer(list, key, part).to_string(),
            Layout::KeyFile => {
                let name = match part {
                    Part::Algorithm => "algorithm",
                    Part::Fingerprint => "fingerprint",
                    Part::Secret => "secret",
                    Part::Until => "valid_until",
                };
                format!("key[{key}].{name}")
            }
        }
    }

    /// The path of all keys together.
    fn keys_path(&self) -> String {
        match &self.layout {
            Layout::Document { list, .. } => list.to_string(),
            Layout::KeyFile => "key".to_owned(),
        }
    }

    /// How a key of one's own making is replaced.
    fn fresh_key(&self) -> &'static str {
        match self.layout {
            Layout::Document { .. } => "have the portal make a fresh key",
            Layout::KeyFile => "make a fresh key with `alewife keygen`",
        }
    }
}

/// Which source each key of a ring is from, and which of its keys it is. Keys are numbered as the ring was asked.
pub(super) struct Origins<'w> {
    sources: Vec<&'w Whereabouts>,
    keys: Vec<Origin>,
    /// The source that names the primary.
    primary: usize,
}

/// A key of a source.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) source: usize,
    pub(super) key: usize,
}

impl<'w> Origins<'w> {
    /// Every key of one source in its order.
    pub(super) fn of_one(source: &'w Whereabouts) -> Self {
        let keys = (0..source.entries.len()).map(|key| Origin { source: 0, key }).collect();
        Self { sources: vec![source], keys, primary: 0 }
    }

    /// These keys of these sources, of which there is at least one.
    pub(super) fn of(sources: Vec<&'w Whereabouts>, keys: Vec<Origin>, primary: usize) -> Self {
        Self { sources, keys, primary }
    }

    /// A fault of the ring where it stands, and in which source.
    pub(super) fn fault(&self, fault: RingFault) -> (usize, Fault) {
        let problem = fault.to_string();
        match fault {
            RingFault::DuplicateFingerprint { first, second } => {
                let refusal = Refusal::new(
                    format!("{problem}, the first in {}", self.place_of(first, Part::Fingerprint, second)),
                    "give each key a name of its own",
                );
                self.at_key(second, Part::Fingerprint, refusal)
            }
            RingFault::EmptyWindow { key } => self.at_key(
                key,
                Part::Until,
                Refusal::new(problem, "write a valid_until later than valid_after"),
            ),
            RingFault::NoKeys => self.at_all(Refusal::new(
                problem,
                "add one with `alewife keygen`, appending its output to the file",
            )),
            RingFault::PrimaryOutsideWindow => {
                self.at_primary(Refusal::new(problem, "name a key that is valid now, or remove `primary`"))
            }
            RingFault::SecretUnderTwoAlgorithms { first, second } => {
                let problem =
                    format!("{problem}, the first in {}", self.place_of(first, Part::Secret, second));
                let remedy = self.source(second).fresh_key();
                self.at_key(second, Part::Secret, Refusal::new(problem, remedy))
            }
            RingFault::Unauthenticated { key } => self.at_key(
                key,
                Part::Algorithm,
                Refusal::new(
                    problem,
                    "use a GCM key, or set require_authenticated = false in [keys] of the configuration",
                ),
            ),
            RingFault::UnknownPrimary => self.at_primary(Refusal::new(
                problem,
                "write the fingerprint of one of the keys below, or remove `primary`",
            )),
        }
    }

    /// A warning about the ring where it stands.
    pub(super) fn warning(&self, warning: RingWarning) -> Fault {
        let placed = match warning {
            RingWarning::NoSealingKey => self.at_all(Refusal::new(
                warning.to_string(),
                "add a key that is valid now; until then nothing can be sealed",
            )),
            RingWarning::RepeatedSecret { first, second } => {
                let problem =
                    format!("{warning}, the first in {}", self.place_of(first, Part::Secret, second));
                let remedy = "a rotation needs a fresh key: `alewife keygen` makes one";
                self.at_key(second, Part::Secret, Refusal::new(problem, remedy))
            }
        };
        placed.1
    }

    /// Where a part of a key stands, as told to whoever looks at the key `seen_from`: the line, and for a key of another
    /// source that source's name too.
    pub(super) fn place_of(&self, key: usize, part: Part, seen_from: usize) -> String {
        let origin = self.keys[key];
        let source = self.sources[origin.source];
        let place = source.place(origin.key, part);
        if origin.source == self.keys[seen_from].source {
            return place.map_or_else(|| "another entry".to_owned(), |place| format!("line {}", place.line));
        }
        let Some(Place { line, column }) = place else { return source.file.to_string() };
        format!("{}:{line}:{column}", source.file)
    }

    /// A fault of a key.
    pub(super) fn at_key(&self, key: usize, part: Part, refusal: Refusal) -> (usize, Fault) {
        let origin = self.keys[key];
        (origin.source, self.sources[origin.source].fault(origin.key, part, refusal))
    }

    /// The source of a key, as a number.
    pub(super) fn source_of(&self, key: usize) -> usize {
        self.keys[key].source
    }

    fn source(&self, key: usize) -> &Whereabouts {
        self.sources[self.source_of(key)]
    }

    fn at_all(&self, refusal: Refusal) -> (usize, Fault) {
        (0, self.sources[0].fault_at(None, self.sources[0].keys_path(), refusal))
    }

    fn at_primary(&self, refusal: Refusal) -> (usize, Fault) {
        (self.primary, self.primary_fault(self.primary, refusal))
    }

    /// A fault of the `primary` of a source.
    pub(super) fn primary_fault(&self, source: usize, refusal: Refusal) -> Fault {
        let source = self.sources[source];
        source.fault_at(source.primary, "primary".to_owned(), refusal)
    }
}
