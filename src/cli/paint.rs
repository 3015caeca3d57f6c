//! Colours for people who read on a terminal.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint {
    coloured: bool,
}

impl Paint {
    /// Coloured on a terminal, unless NO_COLOR or its kind forbids it.
    pub(super) fn of_stdout() -> Self {
        let (no_color, term) = (std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
        Self::choose(io::stdout().is_terminal(), no_color.as_deref(), term.as_deref())
    }

    #[cfg(test)]
    pub(super) fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn choose(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let refused = no_color.is_some_and(|value| !value.is_empty()) || term == Some(OsStr::new("dumb"));
        Self { coloured: terminal && !refused }
    }

    pub(super) fn title(self, text: &str) -> String {
        self.in_colour("1", text)
    }

    /// What anybody on the network may see.
    pub(super) fn sealed(self, text: &str) -> String {
        self.in_colour("33", text)
    }

    /// What only the two ends see.
    pub(super) fn plain(self, text: &str) -> String {
        self.in_colour("32", text)
    }

    pub(super) fn failed(self, text: &str) -> String {
        self.in_colour("1;31", text)
    }

    /// What went as it should and is worth a look.
    #[cfg(feature = "inspector")]
    pub(super) fn odd(self, text: &str) -> String {
        self.in_colour("33", text)
    }

    pub(super) fn aside(self, text: &str) -> String {
        self.in_colour("2", text)
    }

    fn in_colour(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let no = Some(OsStr::new("1"));
        assert!(Paint::choose(true, None, Some(OsStr::new("xterm"))).coloured);
        assert!(Paint::choose(true, Some(OsStr::new("")), None).coloured);
        assert!(!Paint::choose(false, None, None).coloured);
        assert!(!Paint::choose(true, no, None).coloured);
        assert!(!Paint::choose(true, None, Some(OsStr::new("dumb"))).coloured);
        let (on, off) = (Paint { coloured: true }, Paint { coloured: false });
        assert_eq!((on.sealed("x").as_str(), off.sealed("x").as_str()), ("\x1b[33mx\x1b[0m", "x"));
    }
}
