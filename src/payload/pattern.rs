//! Patterns of JSON pointers.

use std::fmt;
use std::str::FromStr;

use super::{NotAPointer, Pointer};

/// A pointer in which the segment `*` is any one member or element, and `**`, as the last, anything below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerPattern {
    segments: Vec<Segment>,
    /// Whether it ends with `**`.
    is_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Any,
    Exactly(Box<str>),
}

impl PointerPattern {
    /// The one place that it names, if it names only one.
    pub fn is_exact(&self) -> Option<Pointer> {
        let names = self.segments.iter().map(|segment| match segment {
            Segment::Any => None,
            Segment::Exactly(name) => Some(name.clone()),
        });
        names.collect::<Option<_>>().filter(|_| !self.is_open).map(|names: Vec<Box<str>>| Pointer::of(&names))
    }

    /// Whether it ends with `**`, and so names what is in a container and not the container itself.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether it names that place.
    pub fn matches_pointer(&self, pointer: &Pointer) -> bool {
        self.matches(pointer.segments().len(), |depth, name| &*pointer.segments()[depth] == name)
    }

    /// Whether it names a place that is `depth` segments deep, of which `is_called` tells the names.
    pub(super) fn matches(&self, depth: usize, is_called: impl Fn(usize, &str) -> bool) -> bool {
        let fits = if self.is_open { depth > self.segments.len() } else { depth == self.segments.len() };
        fits && self.segments.iter().enumerate().all(|(depth, segment)| match segment {
            Segment::Any => true,
            Segment::Exactly(name) => is_called(depth, name),
        })
    }
}

impl fmt::Display for PointerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Any => f.write_str("/*")?,
                Segment::Exactly(name) => Pointer::of(&[name]).fmt(f)?,
            }
        }
        if self.is_open { f.write_str("/**") } else { Ok(()) }
    }
}

impl FromStr for PointerPattern {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let (text, is_open) = text.strip_suffix("/**").map_or((text, false), |rest| (rest, true));
        let pointer: Pointer = text.parse()?;
        // Anywhere else it would look like a promise that is not kept.
        if pointer.segments().iter().any(|name| &**name == "**") {
            return Err(NotAPointer::OpenInside);
        }
        let segment = |name: &str| if name == "*" { Segment::Any } else { Segment::Exactly(name.into()) };
        Ok(Self { segments: pointer.segments().iter().map(|name| segment(name)).collect(), is_open })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_names_what_it_says_and_nothing_else() {
        let cases = [
            ("/a", &["/a"][..], &["", "/b", "/a/b"][..]),
            ("/a/*", &["/a/b", "/a/0", "/a/*"], &["/a", "/a/b/c", "/b/b"]),
            ("/*/name", &["/a/name", "/0/name"], &["/name", "/a/b"]),
            ("/a/**", &["/a/b", "/a/b/c"], &["/a", "/b/c"]),
            ("/**", &["/a", "/a/b/0"], &[""]),
        ];
        for (pattern, named, others) in cases {
            let read: PointerPattern = pattern.parse().unwrap();
            assert_eq!(read.to_string(), pattern);
            assert_eq!(read.is_exact().is_some(), !pattern.contains('*'));
            let names = |pointer: &&str| read.matches_pointer(&pointer.parse().unwrap());
            assert!(named.iter().all(names), "{pattern}");
            assert!(!others.iter().any(names), "{pattern}");
        }
        assert_eq!("/**/a".parse::<PointerPattern>(), Err(NotAPointer::OpenInside));
    }
}
