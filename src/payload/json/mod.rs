//! JSON documents whose values know where they stand (RFC 8259).

mod scan;
mod strings;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use scan::NotJson;
pub use strings::{escape, unescape};

use super::{Pointer, PointerPattern, element_number};

/// A JSON text whose grammar was checked to its end.
pub struct Json<'t> {
    text: &'t [u8],
    /// In the order of the text: each container before what it holds.
    nodes: Vec<Node>,
}

/// One value.
struct Node {
    span: Range<usize>,
    kind: Kind,
    /// What holds it; the document itself has none.
    parent: Option<usize>,
    step: Step,
    depth: usize,
}

/// How a value is reached from what holds it.
#[derive(Clone)]
enum Step {
    /// It is the document.
    Root,
    /// The span of its name, quotes included.
    Member(Range<usize>),
    Element(usize),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// One value at its place: of [`Json::leaves`] a string, a number, a boolean or null.
pub struct Leaf<'a> {
    json: &'a Json<'a>,
    node: usize,
    /// Where it stands, with the quotes of a string.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// A value that a pointer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands, with the quotes of a string.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// A name on the way stands twice in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name stands twice in one object")]
pub struct Ambiguous;

impl<'t> Json<'t> {
    /// Reads `text` to its end.
    pub fn parse(text: &'t [u8]) -> Result<Self, NotJson> {
        let nodes = scan::scan(text)?;
        Ok(Self { text, nodes })
    }

    /// Where the values stand that `choose` takes, each with all that is in it: it is given the name of a member, and that of the
    /// member around it, arrays between them not counting. Each is looked at once, and nothing within one that was taken.
    pub fn chosen(&self, mut choose: impl FnMut(&str, Option<&str>) -> bool) -> Vec<Range<usize>> {
        /// What is known of a value once it was looked at.
        #[derive(Clone, Copy)]
        struct Seen {
            taken: bool,
            /// Which of the names is the nearest around what it holds.
            named: Option<usize>,
        }
        let mut names: Vec<String> = Vec::new();
        let mut seen: Vec<Seen> = Vec::with_capacity(self.nodes.len());
        let mut spans = Vec::new();
        for node in &self.nodes {
            let above = node.parent.map_or(Seen { taken: false, named: None }, |parent| seen[parent]);
            seen.push(match &node.step {
                _ if above.taken => above,
                Step::Root | Step::Element(_) => above,
                Step::Member(span) => {
                    let name = String::from_utf8_lossy(&unescape(&self.text[span.clone()])).into_owned();
                    let taken = choose(&name, above.named.map(|named| names[named].as_str()));
                    if taken {
                        spans.push(node.span.clone());
                    }
                    names.push(name);
                    Seen { taken, named: Some(names.len() - 1) }
                }
            });
        }
        spans
    }

    /// Every value that holds no others, in the order of the text.
    pub fn leaves(&self) -> impl Iterator<Item = Leaf<'_>> {
        let is_leaf = |(_, node): &(usize, &Node)| !matches!(node.kind, Kind::Object | Kind::Array);
        self.nodes.iter().enumerate().filter(is_leaf).map(|(index, node)| Leaf {
            json: self,
            node: index,
            span: node.span.clone(),
            kind: node.kind,
        })
    }

    /// Every object and array, in the order of the text.
    pub fn containers(&self) -> impl Iterator<Item = Leaf<'_>> {
        let holds = |(_, node): &(usize, &Node)| matches!(node.kind, Kind::Object | Kind::Array);
        self.nodes.iter().enumerate().filter(holds).map(|(index, node)| Leaf {
            json: self,
            node: index,
            span: node.span.clone(),
            kind: node.kind,
        })
    }

    /// The value that `pointer` leads to.
    pub fn find(&self, pointer: &Pointer) -> Result<Option<Found>, Ambiguous> {
        let found = self.node_at(pointer.segments())?;
        Ok(found.map(|index| Found { span: self.nodes[index].span.clone(), kind: self.nodes[index].kind }))
    }

    /// What is to be cut so that these members are gone and the rest is JSON still; those that are not there, or are no
    /// members of an object, stay out of it.
    pub fn without(&self, pointers: &[&Pointer]) -> Result<Vec<Range<usize>>, Ambiguous> {
        let mut gone = Vec::new();
        for pointer in pointers {
            if let Some(index) = self.node_at(pointer.segments())?
                && let Step::Member(_) = self.nodes[index].step
            {
                gone.push(index);
            }
        }
        gone.sort_unstable();
        gone.dedup();
        let mut parents: Vec<usize> = gone.iter().filter_map(|&index| self.nodes[index].parent).collect();
        parents.dedup();
        parents.sort_unstable();
        parents.dedup();
        Ok(parents.into_iter().flat_map(|parent| self.cuts(parent, &gone)).collect())
    }

    /// The cuts in one object. A member goes with the comma before it, or behind it where none of those before it stays.
    fn cuts(&self, parent: usize, gone: &[usize]) -> Vec<Range<usize>> {
        let members: Vec<(usize, Range<usize>)> = self
            .children(parent)
            .filter_map(|index| match &self.nodes[index].step {
                Step::Member(name) => Some((index, name.start..self.nodes[index].span.end)),
                Step::Element(_) | Step::Root => None,
            })
            .collect();
        let mut cuts = Vec::new();
        let mut kept_end = None;
        for (place, (index, span)) in members.iter().enumerate() {
            if !gone.contains(index) {
                kept_end = Some(span.end);
                continue;
            }
            cuts.push(match (kept_end, members.get(place + 1)) {
                (Some(_), _) => members[place - 1].1.end..span.end,
                (None, Some((_, next))) => span.start..next.start,
                (None, None) => span.clone(),
            });
        }
        cuts
    }

    /// Where a member that is not there would go: at the end of its object, what comes before its value, and what behind.
    /// Objects on the way that are not there are made. `None` where something on the way is no object, or is there.
    pub fn insertion(&self, pointer: &Pointer) -> Option<(usize, Vec<u8>, Vec<u8>)> {
        let segments = pointer.segments();
        for known in (0..segments.len()).rev() {
            let Some(index) = self.node_at(&segments[..known]).ok()? else { continue };
            let object = &self.nodes[index];
            if object.kind != Kind::Object || self.node_at(&segments[..=known]) != Ok(None) {
                return None;
            }
            let last = self.children(index).last();
            let at = last.map_or(object.span.start + 1, |last| self.nodes[last].span.end);
            let mut before = if last.is_some() { b",".to_vec() } else { Vec::new() };
            before.extend_from_slice(&escape(&segments[known]));
            before.push(b':');
            for segment in &segments[known + 1..] {
                before.push(b'{');
                before.extend_from_slice(&escape(segment));
                before.push(b':');
            }
            let after = vec![b'}'; segments.len() - known - 1];
            return Some((at, before, after));
        }
        None
    }

    fn children(&self, parent: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes[parent].span.end;
        let inside = self.nodes[parent + 1..].iter().take_while(move |node| node.span.start < end);
        inside
            .enumerate()
            .filter(move |(_, node)| node.parent == Some(parent))
            .map(move |(at, _)| parent + 1 + at)
    }

    fn node_at(&self, segments: &[Box<str>]) -> Result<Option<usize>, Ambiguous> {
        let mut index = 0;
        for segment in segments {
            let mut named = self.children(index).filter(|&child| self.is_called(child, segment));
            match (named.next(), named.next()) {
                (None, _) => return Ok(None),
                (Some(child), None) => index = child,
                (Some(_), Some(_)) => return Err(Ambiguous),
            }
        }
        Ok(Some(index))
    }

    fn is_called(&self, node: usize, name: &str) -> bool {
        match &self.nodes[node].step {
            Step::Root => false,
            Step::Member(span) => strings::is_text(&self.text[span.clone()], name),
            Step::Element(index) => element_number(name) == Some(*index),
        }
    }
}

impl Leaf<'_> {
    /// Whether the pattern names its place.
    pub fn matches(&self, pattern: &PointerPattern) -> bool {
        let nodes = &self.json.nodes;
        let total = nodes[self.node].depth;
        pattern.matches(total, |depth, name| {
            // Up from the leaf to the ancestor at that depth.
            let mut node = self.node;
            for _ in depth + 1..total {
                match nodes[node].parent {
                    Some(parent) => node = parent,
                    None => return false,
                }
            }
            self.json.is_called(node, name)
        })
    }

    /// Its place.
    pub fn pointer(&self) -> Pointer {
        let mut segments = Vec::new();
        let mut node = Some(self.node);
        while let Some(index) = node {
            let Node { step, parent, .. } = &self.json.nodes[index];
            match step {
                Step::Root => {}
                Step::Member(span) => {
                    let name = unescape(&self.json.text[span.clone()]);
                    segments.push(String::from_utf8_lossy(&name).into_owned());
                }
                Step::Element(index) => segments.push(index.to_string()),
            }
            node = *parent;
        }
        segments.reverse();
        Pointer::of(&segments)
    }
}

/// Whether `text` is exactly one number, `true`, `false` or `null`.
pub fn is_literal(text: &[u8]) -> bool {
    let is_bare =
        !text.first().is_none_or(u8::is_ascii_whitespace) && !text.last().is_none_or(u8::is_ascii_whitespace);
    is_bare
        && Json::parse(text)
            .is_ok_and(|json| matches!(json.nodes[0].kind, Kind::Number | Kind::Boolean | Kind::Null))
}
