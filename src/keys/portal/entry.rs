//! One key of a document.

use std::borrow::Cow;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::json::{Kind, Node, Text};
use super::{MemberNames, Reader, ValueForm};
use crate::crypto::{Algorithm, SecretKey};
use crate::document::{Refusal, Value};
use crate::keys::source::{DraftKey, DraftSecret};
use crate::keys::whereabouts::EntryPlaces;
use crate::keys::{Fingerprint, Validity, ValueEncoding};
use crate::payload::Pointer;

/// The keys of a document as far as they could be read, and where they stand.
pub(super) struct Entries<'d> {
    pub(super) keys: Vec<DraftKey<'d>>,
    pub(super) places: Vec<EntryPlaces>,
}

impl<'d> Reader<'d> {
    pub(super) fn entries(&mut self, list: &[Node<'d>]) -> Entries<'d> {
        let (keys, places) =
            list.iter().enumerate().map(|(number, node)| self.entry(number, *node)).collect();
        Entries { keys, places }
    }

    fn entry(&mut self, number: usize, node: Node<'d>) -> (DraftKey<'d>, EntryPlaces) {
        let names = &self.format.members;
        let mut entry = Entry { number, at: node.at(), found: Found::default() };
        if node.kind() == Kind::Object {
            self.find(&mut entry, node);
            self.absences(&entry);
        } else {
            let problem = format!("expected a key, which is an object, found {}", node.kind());
            self.refuse(node.at(), &entry.path(self, None), Refusal::new(problem, FORM_REMEDY));
        }
        let found = entry.found;
        let fingerprint = found.fingerprint.and_then(|node| self.fingerprint(&entry, node));
        let algorithm = match found.algorithm {
            Some(node) => self.algorithm(&entry, node),
            None => self.format.algorithm,
        };
        let secret =
            algorithm.zip(found.value).and_then(|(algorithm, node)| self.secret(&entry, node, algorithm));
        let validity = Validity {
            after: found.valid_after.and_then(|node| self.moment(&entry, node, &names.valid_after)),
            until: found.valid_until.and_then(|node| self.moment(&entry, node, &names.valid_until)),
        };
        (DraftKey { fingerprint, secret, validity }, self.places_of(&entry))
    }

    /// Looks for the members of a key. One that stands twice could mean either.
    fn find(&mut self, entry: &mut Entry<'d>, node: Node<'d>) {
        let names = &self.format.members;
        for (name, value) in node.members() {
            let Some(text) = name.text() else { continue };
            let Some((known, place)) = entry.found.named(names, &text) else { continue };
            if place.is_some() {
                let path = entry.path(self, Some(known));
                let refusal = Refusal::new("this member stands twice", "have the source say it once");
                self.refuse(name.at(), &path, refusal);
            } else {
                *place = Some(value);
            }
        }
        entry.found.forget_nulls();
    }

    /// Notes what a key must have and lacks.
    fn absences(&mut self, entry: &Entry<'d>) {
        let (format, found) = (self.format, &entry.found);
        let lacks_algorithm = found.algorithm.is_none() && format.algorithm.is_none();
        for (lacks, name) in [
            (found.fingerprint.is_none(), Some(&format.members.fingerprint)),
            (found.value.is_none(), Some(&format.members.value)),
        ] {
            if lacks {
                let path = entry.path(self, name.map(String::as_str));
                self.refuse(entry.at, &path, Refusal::new("missing", NAME_REMEDY));
            }
        }
        if lacks_algorithm {
            let path = entry.path(self, format.members.algorithm.as_deref());
            let remedy =
                "write the one algorithm of the document's keys, for example algorithm = \"AES-256-GCM\"";
            self.refuse(entry.at, &path, Refusal::new("there is no algorithm for this key", remedy));
        }
    }

    fn fingerprint(&mut self, entry: &Entry<'d>, node: Node<'d>) -> Option<Fingerprint> {
        let name = self.format.members.fingerprint.as_str();
        let text = self.text(entry, node, name)?;
        self.value_of(entry, node, name, Fingerprint::from_text(&text))
    }

    fn algorithm(&mut self, entry: &Entry<'d>, node: Node<'d>) -> Option<Algorithm> {
        let name = self.format.members.algorithm.as_deref().unwrap_or_default();
        let text = self.text(entry, node, name)?;
        self.value_of(entry, node, name, Algorithm::from_text(&text))
    }

    fn moment(&mut self, entry: &Entry<'d>, node: Node<'d>, name: &str) -> Option<Timestamp> {
        let text = self.text(entry, node, name)?;
        let remedy = "have the source give date, time and offset, for example 2026-01-31T12:00:00Z";
        let moment = text.parse().map_err(|_| Refusal::new("not a time with an offset", remedy));
        self.value_of(entry, node, name, moment)
    }

    fn secret(&mut self, entry: &Entry<'d>, node: Node<'d>, algorithm: Algorithm) -> Option<DraftSecret<'d>> {
        let name = self.format.members.value.as_str();
        let text = self.text(entry, node, name)?;
        let secret = match &self.format.value {
            ValueForm::Derived(_) if text.is_empty() => {
                Err(Refusal::new("the passphrase is empty", VALUE_REMEDY))
            }
            ValueForm::Derived(pbkdf2) => Ok(DraftSecret::Passphrase {
                algorithm,
                passphrase: Zeroizing::new(text.as_bytes().to_vec()),
                pbkdf2: Cow::Borrowed(pbkdf2),
            }),
            ValueForm::Encoded(encoding) => encoded_key(&text, *encoding, algorithm).map(DraftSecret::Ready),
        };
        self.value_of(entry, node, name, secret)
    }

    /// What a string says; anything else is noted.
    fn text(&mut self, entry: &Entry<'d>, node: Node<'d>, name: &str) -> Option<Text<'d>> {
        let text = node.text();
        if text.is_none() {
            let problem = match node.kind() {
                Kind::String => "a \\u in this string is half of a surrogate pair".to_owned(),
                kind => format!("expected a string, found {kind}"),
            };
            self.refuse(node.at(), &entry.path(self, Some(name)), Refusal::new(problem, FORM_REMEDY));
        }
        text
    }

    fn value_of<T>(
        &mut self,
        entry: &Entry<'d>,
        node: Node<'d>,
        name: &str,
        read: Result<T, Refusal>,
    ) -> Option<T> {
        read.map_err(|refusal| self.refuse(node.at(), &entry.path(self, Some(name)), refusal)).ok()
    }

    /// Where the parts stand; for one that the document lacks, where the key begins.
    fn places_of(&self, entry: &Entry<'d>) -> EntryPlaces {
        let place = |part: Option<Node<'_>>| Some(self.places.at(part.map_or(entry.at, Node::at)));
        EntryPlaces {
            algorithm: place(entry.found.algorithm),
            fingerprint: place(entry.found.fingerprint),
            secret: place(entry.found.value),
            until: place(entry.found.valid_until),
        }
    }
}

const FORM_REMEDY: &str = "compare the layout of the document with what is configured of it";
const NAME_REMEDY: &str = "have the source give it, or configure the name that the member has";
const VALUE_REMEDY: &str = "see what the source answers, and how its values become keys";

/// The key that a value is in its encoding.
fn encoded_key(text: &str, encoding: ValueEncoding, algorithm: Algorithm) -> Result<SecretKey, Refusal> {
    let bytes = encoding.decode(text).ok_or_else(|| {
        let characters = text.chars().count();
        let problem = format!("the {characters} characters of the value are not {}", encoding.description());
        let remedy = "see what the source answers; configure the encoding of its values, or derive if they are passphrases";
        Refusal::new(problem, remedy)
    })?;
    SecretKey::new(algorithm, &bytes).map_err(|wrong| {
        let (expected, actual) = (wrong.expected, wrong.actual);
        let problem = format!("{algorithm} takes {expected} bytes, but this {encoding} value has {actual}");
        Refusal::new(problem, "configure the algorithm and the encoding of the document's keys")
    })
}

/// A key under examination.
struct Entry<'d> {
    number: usize,
    at: usize,
    found: Found<'d>,
}

impl Entry<'_> {
    /// Where the key stands, or a member of it.
    fn path(&self, reader: &Reader<'_>, member: Option<&str>) -> Pointer {
        let entry = reader.format.keys_pointer.child(&self.number.to_string());
        member.map_or(entry.clone(), |name| entry.child(name))
    }
}

/// The members of a key that are there.
#[derive(Clone, Copy, Default)]
struct Found<'d> {
    algorithm: Option<Node<'d>>,
    fingerprint: Option<Node<'d>>,
    valid_after: Option<Node<'d>>,
    valid_until: Option<Node<'d>>,
    value: Option<Node<'d>>,
}

impl<'d> Found<'d> {
    /// `null` is as good as absent.
    fn forget_nulls(&mut self) {
        let Self { algorithm, fingerprint, valid_after, valid_until, value } = self;
        for place in [algorithm, fingerprint, valid_after, valid_until, value] {
            *place = place.filter(|node| node.kind() != Kind::Null);
        }
    }

    /// The member that is called `name`, if it is one of a key's, with the place for it.
    fn named<'n>(&mut self, names: &'n MemberNames, name: &str) -> Option<(&'n str, &mut Option<Node<'d>>)> {
        let all = [
            (names.algorithm.as_deref(), &mut self.algorithm),
            (Some(names.fingerprint.as_str()), &mut self.fingerprint),
            (Some(names.valid_after.as_str()), &mut self.valid_after),
            (Some(names.valid_until.as_str()), &mut self.valid_until),
            (Some(names.value.as_str()), &mut self.value),
        ];
        all.into_iter().find_map(|(known, place)| known.filter(|known| *known == name).zip(Some(place)))
    }
}
