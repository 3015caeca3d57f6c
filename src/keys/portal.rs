//! The JSON document of a portal, or of whoever else hands keys out: text in, the keys of a source out.
//!
//! The document is somebody else's: how it is laid out is said by a [`DocumentFormat`], and members that it has besides are
//! passed over. Nothing of the text is ever quoted in a fault, and nothing of it is copied but what is wiped.

mod entry;
mod json;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::error::Category;

use self::entry::Entries;
use self::json::{Kind, Node};
use super::source::{Company, Draft};
use super::whereabouts::{Layout, Part, Whereabouts};
use super::{Derivations, RingPolicy, SourceKeys, ValueEncoding};
use crate::crypto::{Algorithm, Pbkdf2};
use crate::document::{Fault, Faults, Places, Refusal};
use crate::payload::{Pointer, element_number};

/// How a document is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentFormat {
    /// Where the list of keys stands.
    pub keys_pointer: Pointer,
    /// What the members of a key are called.
    pub members: MemberNames,
    /// The algorithm of keys that name none.
    pub algorithm: Option<Algorithm>,
    /// How a value becomes a key.
    pub value: ValueForm,
    /// Where a boolean says whether the service is secured; what the document lacks there, it doesn't say.
    pub encryption: Option<Pointer>,
}

/// What the members of a key are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberNames {
    /// The key's name on the wire.
    pub fingerprint: String,
    /// What becomes the key.
    pub value: String,
    /// When the key begins to hold; absent or `null` for ever.
    pub valid_after: String,
    /// When it ceases to.
    pub valid_until: String,
    /// The algorithm, for documents that name it.
    pub algorithm: Option<String>,
}

impl MemberNames {
    /// Where a part of a key stands.
    pub(super) fn pointer(&self, list: &Pointer, key: usize, part: Part) -> Pointer {
        let entry = list.child(&key.to_string());
        match part {
            Part::Algorithm => self.algorithm.as_ref().map_or(entry.clone(), |name| entry.child(name)),
            Part::Fingerprint => entry.child(&self.fingerprint),
            Part::Secret => entry.child(&self.value),
            Part::Until => entry.child(&self.valid_until),
        }
    }
}

impl Default for MemberNames {
    fn default() -> Self {
        let [fingerprint, value, valid_after, valid_until] =
            ["fingerprint", "value", "valid_after", "valid_until"].map(str::to_owned);
        Self { fingerprint, value, valid_after, valid_until, algorithm: None }
    }
}

/// A list with more is no list of keys: telling the faults of millions would take the memory of the process.
const MOST_KEYS: usize = 100_000;

/// How the value of a key becomes its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// It is a passphrase, from which a key of the algorithm's length is derived.
    Derived(Pbkdf2),
    /// It is the key in an encoding.
    Encoded(ValueEncoding),
}

/// Reads a document. `name` is what faults call it: the file, or the portal's address.
///
/// The text is the caller's to wipe; whatever is decoded from it here is wiped.
pub fn read_document(
    text: &str,
    name: &str,
    format: &DocumentFormat,
    policy: RingPolicy,
    now: Timestamp,
    derivations: &mut Derivations,
) -> Result<SourceKeys, Faults> {
    let text = without_mark(text);
    let mut reader = Reader { file: name.into(), places: Places::of(text), format, faults: Vec::new() };
    let root = Node::root(text).map_err(|error| Faults::from(reader.not_json(&error)))?;
    let encryption = reader.encryption(root);
    let list = reader.list(root);
    let Entries { keys, places } = reader.entries(&list);
    let layout = Layout::Document { list: format.keys_pointer.clone(), members: format.members.clone() };
    let whereabouts = Whereabouts { file: reader.file, layout, primary: None, entries: places };
    let (faults, warnings) = (reader.faults, Vec::new());
    let draft = Draft { keys, primary: None, encryption, warnings, faults, misshapen: true, whereabouts };
    draft.settle(Company::Others, policy, now, derivations)
}

/// What a document says of whether the service is secured, whatever else is wrong with it; `None` if it is no JSON or doesn't
/// say it as it should.
pub fn switch_of(text: &str, format: &DocumentFormat) -> Option<bool> {
    let root = Node::root(without_mark(text)).ok()?;
    seek(root, format.encryption.as_ref()?).ok()?.boolean()
}

/// The text without a mark of its byte order, which is no part of JSON and which some programs write all the same.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A document under examination, with the faults found so far.
struct Reader<'d> {
    file: Arc<str>,
    places: Places<'d>,
    format: &'d DocumentFormat,
    faults: Vec<Fault>,
}

impl<'d> Reader<'d> {
    /// The elements of the list of keys; none after a fault.
    fn list(&mut self, root: Node<'d>) -> Vec<Node<'d>> {
        let pointer = &self.format.keys_pointer;
        let list = match seek(root, pointer) {
            Ok(list) => list,
            Err(Astray { at, steps, why }) => {
                let remedy = "point keys_pointer to the list of keys; see what the source answers now";
                self.refuse(at, &pointer.up_to(steps), Refusal::new(why.problem(), remedy));
                return Vec::new();
            }
        };
        let elements = list.elements();
        if list.kind() != Kind::List {
            let problem = format!("expected a list of keys, found {}", list.kind());
            self.refuse(list.at(), pointer, Refusal::new(problem, "point keys_pointer to the list of keys"));
        } else if elements.is_empty() {
            let refusal = Refusal::new("there is no key in the list", "have the source give its keys again");
            self.refuse(list.at(), pointer, refusal);
        } else if elements.len() > MOST_KEYS {
            let problem = format!("more than {MOST_KEYS} keys");
            self.refuse(
                list.at(),
                pointer,
                Refusal::new(problem, "have the source drop keys that have expired"),
            );
            return Vec::new();
        }
        elements
    }

    /// The portal's switch, as far as there is one.
    fn encryption(&mut self, root: Node<'d>) -> Option<bool> {
        let pointer = self.format.encryption.as_ref()?;
        match seek(root, pointer) {
            Ok(switch) if switch.kind() == Kind::Null => None,
            Ok(switch) => {
                let said = switch.boolean();
                if said.is_none() {
                    let problem = format!("expected true or false, found {}", switch.kind());
                    let remedy = "point to where the document says whether the service is encrypted";
                    self.refuse(switch.at(), pointer, Refusal::new(problem, remedy));
                }
                said
            }
            // What stands twice on the way to the keys as well is told there.
            Err(Astray { steps, .. }) if pointer.up_to(steps) == self.format.keys_pointer.up_to(steps) => {
                None
            }
            Err(Astray { at, steps, why: Stray::Repeated }) => {
                let remedy = "have the source say it once";
                self.refuse(at, &pointer.up_to(steps), Refusal::new(Stray::Repeated.problem(), remedy));
                None
            }
            Err(_) => None,
        }
    }

    fn refuse(&mut self, at: usize, path: &Pointer, Refusal { problem, remedy }: Refusal) {
        let (file, place) = (Arc::clone(&self.file), Some(self.places.at(at)));
        self.faults.push(Fault { file, place, key_path: path.to_string(), problem, remedy });
    }

    /// The text as a whole is no JSON.
    fn not_json(&self, error: &serde_json::Error) -> Fault {
        let at = self.places.line_start(error.line()) + error.column().saturating_sub(1);
        let (problem, remedy) = match error.classify() {
            Category::Eof if self.places.text().trim().is_empty() => {
                ("the document is empty".to_owned(), "see what the source answers now")
            }
            Category::Eof => {
                ("the document ends in the middle".to_owned(), "see that it is transferred to its end")
            }
            // A fault of syntax is told in serde_json's own words, which quote nothing; only the place is told in ours.
            Category::Syntax => {
                let told = error.to_string();
                let bare = told.split(" at line ").next().unwrap_or_default();
                (format!("not JSON: {bare}"), "see what the source answers: it has to be a JSON document")
            }
            Category::Data | Category::Io => {
                ("not JSON".to_owned(), "see what the source answers: it has to be a JSON document")
            }
        };
        let (file, place) = (Arc::clone(&self.file), Some(self.places.at(at)));
        Fault { file, place, key_path: String::new(), problem, remedy: remedy.to_owned() }
    }
}

/// Follows a pointer through a document.
fn seek<'d>(root: Node<'d>, pointer: &Pointer) -> Result<Node<'d>, Astray> {
    let mut node = root;
    for (done, step) in pointer.segments().iter().enumerate() {
        let astray = |at: Node<'_>, why| Astray { at: at.at(), steps: done + 1, why };
        node = match node.kind() {
            Kind::Object => {
                let is_meant =
                    |(name, _): &(Node<'_>, Node<'_>)| name.text().is_some_and(|name| *name == **step);
                let mut meant = node.members().into_iter().filter(is_meant);
                let (_, value) = meant.next().ok_or_else(|| astray(node, Stray::Missing))?;
                if let Some((second, _)) = meant.next() {
                    return Err(astray(second, Stray::Repeated));
                }
                value
            }
            Kind::List => {
                let number = element_number(step);
                let element = number.and_then(|number| node.elements().get(number).copied());
                element.ok_or_else(|| astray(node, Stray::Missing))?
            }
            kind => return Err(astray(node, Stray::NoContainer(kind))),
        };
    }
    Ok(node)
}

/// Where a pointer leads nowhere.
struct Astray {
    at: usize,
    /// Steps up to the one that failed.
    steps: usize,
    why: Stray,
}

/// Why a pointer leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stray {
    Missing,
    NoContainer(Kind),
    Repeated,
}

impl Stray {
    fn problem(self) -> String {
        match self {
            Self::Missing => "missing in what stands here".to_owned(),
            Self::NoContainer(kind) => format!("{kind} stands here, which holds nothing"),
            Self::Repeated => "this member stands twice".to_owned(),
        }
    }
}
