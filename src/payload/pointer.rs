//! JSON pointers (RFC 6901): where in somebody else's document something stands.

use std::fmt;
use std::str::FromStr;

/// A place in a JSON document, for example `/services/pos/keys`. The empty one is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer {
    steps: Vec<Box<str>>,
}

impl Pointer {
    /// The place that these names lead to.
    pub fn of<S: AsRef<str>>(segments: &[S]) -> Self {
        Self { steps: segments.iter().map(|segment| segment.as_ref().into()).collect() }
    }

    /// The names of members and numbers of elements on the way, without escapes.
    pub fn segments(&self) -> &[Box<str>] {
        &self.steps
    }

    /// What stands under `name` at this place.
    pub fn child(&self, name: &str) -> Self {
        let steps = self.steps.iter().cloned().chain([name.into()]).collect();
        Self { steps }
    }

    /// What stands under `name` beside this place; the whole document has nothing beside it.
    pub fn sibling(&self, name: &str) -> Option<Self> {
        let (_, parents) = self.steps.split_last()?;
        let steps = parents.iter().cloned().chain([name.into()]).collect();
        Some(Self { steps })
    }

    /// The first `count` steps.
    pub fn up_to(&self, count: usize) -> Self {
        Self { steps: self.steps.iter().take(count).cloned().collect() }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl FromStr for Pointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(steps) = text.strip_prefix('/') else {
            return if text.is_empty() { Ok(Self::default()) } else { Err(NotAPointer::NoSlash) };
        };
        let steps = steps.split('/').map(unescaped).collect::<Result<_, _>>()?;
        Ok(Self { steps })
    }
}

/// `~1` stands for `/`, `~0` for `~`, and a `~` by itself for nothing.
fn unescaped(step: &str) -> Result<Box<str>, NotAPointer> {
    let dangling = step.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1']));
    if dangling { Err(NotAPointer::LoneTilde) } else { Ok(step.replace("~1", "/").replace("~0", "~").into()) }
}

/// The number of an element, which has one spelling only.
pub fn element_number(step: &str) -> Option<usize> {
    let canonical = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| canonical)
}

/// Why a text is no JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPointer {
    /// A `~` without 0 or 1 behind it.
    #[error("a JSON pointer writes ~0 for ~ and ~1 for / within a name")]
    LoneTilde,
    /// A pattern whose `**` is not its end.
    #[error("** stands at the end of a pattern only")]
    OpenInside,
    /// It does not begin with a slash.
    #[error("a JSON pointer begins with /, unless it is empty")]
    NoSlash,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(text: &str) -> Vec<String> {
        text.parse::<Pointer>().unwrap().segments().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn pointers_of_rfc_6901_are_taken_apart() {
        for (text, expected) in [
            ("", &[][..]),
            ("/foo", &["foo"]),
            ("/foo/0", &["foo", "0"]),
            ("/", &[""]),
            ("/a~1b", &["a/b"]),
            ("/c%d", &["c%d"]),
            ("/ ", &[" "]),
            ("/m~0n", &["m~n"]),
            ("/~01", &["~1"]),
            ("//", &["", ""]),
        ] {
            assert_eq!(steps(text), expected, "for {text}");
            assert_eq!(text.parse::<Pointer>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_no_pointers_are_refused() {
        for (text, fault) in [
            ("keys", NotAPointer::NoSlash),
            (" /keys", NotAPointer::NoSlash),
            ("/a~", NotAPointer::LoneTilde),
            ("/a~2", NotAPointer::LoneTilde),
            ("/a~~1", NotAPointer::LoneTilde),
            ("/a/~/b", NotAPointer::LoneTilde),
        ] {
            assert_eq!(text.parse::<Pointer>(), Err(fault), "for {text}");
        }
    }

    #[test]
    fn neighbours_are_named() {
        let keys: Pointer = "/services/pos/keys".parse().unwrap();
        assert_eq!(keys.sibling("encryption").unwrap().to_string(), "/services/pos/encryption");
        assert_eq!(keys.child("a/b").to_string(), "/services/pos/keys/a~1b");
        assert_eq!(keys.up_to(1).to_string(), "/services");
        assert_eq!("/keys".parse::<Pointer>().unwrap().sibling("e").unwrap().to_string(), "/e");
        assert_eq!(Pointer::default().sibling("encryption"), None);
    }

    #[test]
    fn elements_have_one_number_each() {
        assert_eq!(["0", "7", "10"].map(element_number), [Some(0), Some(7), Some(10)]);
        for text in ["", "-", "00", "01", "+1", "-1", "1e0", " 1", "99999999999999999999999"] {
            assert_eq!(element_number(text), None, "for {text:?}");
        }
    }

    proptest! {
        #[test]
        fn pointer_is_read_back_from_its_text(names in proptest::collection::vec("[~/01a-c é]{0,4}", 0..5)) {
            let pointer = names.iter().fold(Pointer::default(), |pointer, name| pointer.child(name));
            let read: Pointer = pointer.to_string().parse().unwrap();
            prop_assert_eq!(read.segments().iter().map(|name| &**name).collect::<Vec<_>>(), names);
        }
    }
}
