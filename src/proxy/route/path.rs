//! Paths as routes read them: every way of writing a character is one, and what servers read differently is known.

use std::fmt;

use http::uri::PathAndQuery;

/// A path with its escapes resolved as far as all servers agree on what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    text: String,
    is_ambiguous: bool,
}

/// One character of a path as it is written, and as it is compared.
struct Unit {
    written: usize,
    read: Read,
    is_ambiguous: bool,
}

enum Read {
    Plain(u8),
    Escaped(u8),
}

impl Unit {
    /// The next one of a text that has one.
    fn next(written: &[u8]) -> Option<Self> {
        let (first, rest) = written.split_first()?;
        if *first != b'%' {
            let read = if first.is_ascii_graphic() { Read::Plain(*first) } else { Read::Escaped(*first) };
            return Some(Self { written: 1, read, is_ambiguous: matches!(first, b'\\' | b';') });
        }
        let digit = |index: usize| char::from(*rest.get(index)?).to_digit(16).map(|digit| digit as u8);
        let Some(byte) = digit(0).zip(digit(1)).map(|(high, low)| high << 4 | low) else {
            return Some(Self { written: 1, read: Read::Plain(b'%'), is_ambiguous: true });
        };
        // A server may take these for what they stand for before it looks for segments, or after.
        let is_ambiguous = matches!(byte, b'/' | b'\\' | b';' | b'%') || byte.is_ascii_control();
        let is_plain = byte.is_ascii_graphic() && !is_ambiguous && !matches!(byte, b'?' | b'#');
        let read = if is_plain { Read::Plain(byte) } else { Read::Escaped(byte) };
        Some(Self { written: 3, read, is_ambiguous })
    }
}

impl Reading {
    pub(super) fn of(path: &str) -> Self {
        let (mut text, mut bytes) = (String::with_capacity(path.len()), Vec::with_capacity(path.len()));
        let (mut rest, mut is_ambiguous) = (path.as_bytes(), false);
        while let Some(unit) = Unit::next(rest) {
            rest = &rest[unit.written..];
            is_ambiguous |= unit.is_ambiguous;
            match unit.read {
                Read::Plain(byte) => {
                    text.push(char::from(byte));
                    bytes.push(byte);
                }
                Read::Escaped(byte) => {
                    text.push_str(&format!("%{byte:02X}"));
                    bytes.push(byte);
                }
            }
        }
        let has_empty_or_dots = || {
            let mut segments = text.split('/').skip(1).peekable();
            while let Some(segment) = segments.next() {
                let is_last = segments.peek().is_none();
                if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
                    return true;
                }
            }
            false
        };
        // Overlong forms of a slash are no UTF-8.
        let is_ambiguous = is_ambiguous || has_empty_or_dots() || std::str::from_utf8(&bytes).is_err();
        Self { text, is_ambiguous }
    }

    /// Whether servers read it differently: dot segments, empty ones, backslashes, semicolons, and escapes of these, of a
    /// slash, of a percent sign and of control characters; escapes that are none or no UTF-8.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }
}

/// The beginning of paths, by whole segments.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPrefix {
    /// As it is compared; empty for `/`, which begins every path.
    text: String,
}

impl PathPrefix {
    /// `/a` stands for itself and for what begins with `/a/`, `/` for all paths.
    pub fn new(path: &str) -> Result<Self, PathPrefixFault> {
        if !path.starts_with('/') {
            return Err(PathPrefixFault::NoSlash);
        }
        if path.contains(['?', '#']) {
            return Err(PathPrefixFault::MoreThanPath);
        }
        let reading = Reading::of(path);
        if reading.is_ambiguous {
            return Err(PathPrefixFault::Ambiguous);
        }
        match path.strip_suffix('/') {
            Some("") => Ok(Self { text: String::new() }),
            Some(_) => Err(PathPrefixFault::SlashAtEnd),
            None if PathAndQuery::try_from(reading.text.as_str()).is_err() => Err(PathPrefixFault::NoSlash),
            None => Ok(Self { text: reading.text }),
        }
    }

    /// Whether it is `/`, which tells no paths apart.
    pub(super) fn is_all(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn begins(&self, path: &Reading) -> bool {
        // OPTIONS * is about no path.
        self.is_all()
            || path.text.strip_prefix(&self.text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether every path that begins with `other` begins with this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.begins(&Reading { text: other.text.clone(), is_ambiguous: false })
    }

    /// `path` with `other` in place of this, which it begins with.
    pub(super) fn replaced(&self, path: &str, other: &Self) -> String {
        let (mut rest, mut read) = (path, 0);
        while read < self.text.len()
            && let Some(unit) = Unit::next(rest.as_bytes())
        {
            read += if let Read::Plain(_) = unit.read { 1 } else { 3 };
            rest = &rest[unit.written..];
        }
        match format!("{}{rest}", other.text) {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        }
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_all() { "/" } else { &self.text })
    }
}

impl fmt::Debug for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPrefix({self})")
    }
}

/// Why a text is no beginning of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathPrefixFault {
    /// Servers read it differently.
    #[error("can be read in more than one way")]
    Ambiguous,
    /// A query or a fragment.
    #[error("has more than a path")]
    MoreThanPath,
    /// It does not begin with a slash.
    #[error("is not a path")]
    NoSlash,
    /// It is to be written without.
    #[error("ends with a slash")]
    SlashAtEnd,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(path: &str) -> PathPrefix {
        PathPrefix::new(path).unwrap()
    }

    fn begins(path: &str, with: &str) -> bool {
        prefix(with).begins(&Reading::of(path))
    }

    #[test]
    fn prefix_is_of_whole_segments() {
        assert!(
            begins("/a", "/a") && begins("/a/", "/a") && begins("/a/b", "/a") && begins("/a/b/c", "/a/b")
        );
        assert!(!begins("/ab", "/a") && !begins("/", "/a") && !begins("/A", "/a") && !begins("/a", "/a/b"));
        assert!(begins("/", "/") && begins("/ab", "/") && begins("*", "/") && !begins("*", "/a"));
    }

    #[test]
    fn escapes_of_what_needs_none_are_what_they_stand_for() {
        for path in ["/%6frders", "/%6Frders/7", "/orders%2D", "/%6f%72%64%65%72%73"] {
            assert_eq!(begins(path, "/orders"), path != "/orders%2D", "{path}");
            assert!(!Reading::of(path).is_ambiguous(), "{path}");
        }
        assert!(begins("/a%21b", "/a!b") && begins("/a!b", "/a%21b") && begins("/caf%c3%a9", "/café"));
        assert!(begins("/a%20b", "/a b") && begins("/a%3fb", "/a%3Fb") && !begins("/a%2520b", "/a%20b"));
    }

    #[test]
    fn what_servers_read_differently_is_ambiguous() {
        for path in [
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e/a",
            "/a/%2E%2e/b",
            "/.%2e/a",
            "/a\\b",
            "/a%5cb",
            "/a%5Cb",
            "/a%2fb",
            "/a%2Fb",
            "/a%00",
            "/a%0d",
            "/a%7f",
            "/a;b",
            "/a%3bb",
            "/a;/../b",
            "/a%252e",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%u002f",
            "/a%c0%af",
            "/a%ff",
        ] {
            assert!(Reading::of(path).is_ambiguous(), "{path}");
        }
        for path in
            ["/", "/a", "/a/", "/a/b/", "/a.b", "/...", "/.well-known/x", "/a%20b", "/%c3%a9", "/a%3f", "*"]
        {
            assert!(!Reading::of(path).is_ambiguous(), "{path}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        use PathPrefixFault::{Ambiguous, MoreThanPath, NoSlash, SlashAtEnd};
        for (path, fault) in [
            ("", NoSlash),
            ("a", NoSlash),
            ("*", NoSlash),
            ("/a/", SlashAtEnd),
            ("/a?b", MoreThanPath),
            ("/a#b", MoreThanPath),
            ("/a/../b", Ambiguous),
            ("//", Ambiguous),
            ("/%2e", Ambiguous),
        ] {
            assert_eq!(PathPrefix::new(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn rest_of_a_path_is_kept_as_it_is_written() {
        for (path, from, to, replaced) in [
            ("/a", "/a", "/hooks/x", "/hooks/x"),
            ("/a/", "/a", "/hooks/x", "/hooks/x/"),
            ("/%61/%62%2f", "/a", "/hooks/x", "/hooks/x/%62%2f"),
            ("/a/b", "/a", "/", "/b"),
            ("/a", "/a", "/", "/"),
            ("/", "/", "/x", "/x/"),
            ("/b", "/", "/x", "/x/b"),
            ("/caf%c3%a9/b", "/café", "/tea", "/tea/b"),
            ("/a b", "/", "/", "/a b"),
        ] {
            assert_eq!(prefix(from).replaced(path, &prefix(to)), replaced, "{path}");
        }
    }

    /// What the strictest and the most lenient of servers make of a path: each escape resolved, parameters gone, both
    /// slashes alike, empty and dot segments resolved.
    fn lenient(path: &str) -> String {
        let (mut decoded, bytes) = (Vec::new(), path.as_bytes());
        let mut at = 0;
        while at < bytes.len() {
            let escape = path.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match escape.filter(|_| bytes[at] == b'%') {
                Some(byte) => (decoded.push(byte), at += 3).1,
                None => (decoded.push(bytes[at]), at += 1).1,
            }
        }
        let decoded = String::from_utf8_lossy(&decoded).replace('\\', "/");
        let mut segments = Vec::new();
        for segment in decoded.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                name => segments.push(name),
            }
        }
        format!("/{}", segments.join("/"))
    }

    proptest! {
        #[test]
        fn path_that_is_not_ambiguous_begins_alike_for_every_server(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("/"), Just("a"), Just("b"), Just("."), Just(".."), Just("%2e"), Just("%2F"), Just("%5c"), Just(";"),
                    Just("\\"), Just("%61"), Just("%3b"), Just("%20"), Just("%"), Just("~"), Just("%7E"), Just("/a"),
                ],
                0..8,
            ),
        ) {
            let path = format!("/{}", pieces.concat());
            let reading = Reading::of(&path);
            prop_assume!(!reading.is_ambiguous());
            let server = Reading::of(&lenient(&path));
            for begin in ["/a", "/a/a", "/b", "/~", "/"] {
                prop_assert_eq!(prefix(begin).begins(&reading), prefix(begin).begins(&server), "{} {}", path, begin);
            }
        }

        #[test]
        fn whatever_is_read_what_replaces_a_prefix_begins_the_path(path in "/[ -~]{0,12}") {
            let reading = Reading::of(&path);
            for from in ["/", "/a", "/a!"] {
                if prefix(from).begins(&reading) && !reading.is_ambiguous() {
                    let replaced = prefix(from).replaced(&path, &prefix("/hooks/x"));
                    prop_assert!(begins(&replaced, "/hooks/x"), "{} {}", path, replaced);
                }
            }
        }
    }
}
