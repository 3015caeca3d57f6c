//! JSON pointers (RFC 6901), and patterns of them.

use std::fmt;
use std::str::FromStr;

/// The place of a value in a JSON document; the empty one is the document itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer(Vec<Box<str>>);

impl Pointer {
    /// The place that these names lead to.
    pub fn of<S: AsRef<str>>(segments: &[S]) -> Self {
        Self(segments.iter().map(|segment| segment.as_ref().into()).collect())
    }

    /// The names of members and the indices of elements that lead there.
    pub fn segments(&self) -> &[Box<str>] {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| write!(f, "/{}", segment.replace('~', "~0").replace('/', "~1")))
    }
}

impl FromStr for Pointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let rest = text.strip_prefix('/').ok_or(NotAPointer)?;
        rest.split('/').map(unescaped).collect::<Option<_>>().map(Self).ok_or(NotAPointer)
    }
}

fn unescaped(segment: &str) -> Option<Box<str>> {
    let mut text = String::with_capacity(segment.len());
    let mut rest = segment.chars();
    while let Some(character) = rest.next() {
        text.push(match character {
            '~' => match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text.into())
}

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
        names.collect::<Option<_>>().filter(|_| !self.is_open).map(Pointer)
    }

    /// Whether it names that place.
    pub fn matches_pointer(&self, pointer: &Pointer) -> bool {
        self.matches(pointer.0.len(), |depth, name| &*pointer.0[depth] == name)
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
                Segment::Exactly(name) => Pointer(vec![name.clone()]).fmt(f)?,
            }
        }
        if self.is_open { f.write_str("/**") } else { Ok(()) }
    }
}

impl FromStr for PointerPattern {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let (text, is_open) = text.strip_suffix("/**").map_or((text, false), |rest| (rest, true));
        let Pointer(names) = text.parse()?;
        // Anywhere else it would look like a promise that is not kept.
        if names.iter().any(|name| &**name == "**") {
            return Err(NotAPointer);
        }
        let segment = |name: Box<str>| if &*name == "*" { Segment::Any } else { Segment::Exactly(name) };
        Ok(Self { segments: names.into_iter().map(segment).collect(), is_open })
    }
}

/// The text is no JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON pointer")]
pub struct NotAPointer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_of_rfc_6901_are_read_and_written_back() {
        for (text, segments) in [
            ("", &[][..]),
            ("/foo", &["foo"]),
            ("/foo/0", &["foo", "0"]),
            ("/", &[""]),
            ("/a~1b", &["a/b"]),
            ("/m~0n", &["m~n"]),
            ("/~01", &["~1"]),
            ("/ ", &[" "]),
        ] {
            let pointer: Pointer = text.parse().unwrap();
            assert_eq!(pointer, Pointer::of(segments), "{text}");
            assert_eq!(pointer.to_string(), text);
        }
        for text in ["foo", "/~", "/~2", "/a~"] {
            assert_eq!(text.parse::<Pointer>(), Err(NotAPointer), "{text}");
        }
    }

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
        assert_eq!("/**/a".parse::<PointerPattern>(), Err(NotAPointer));
    }
}
