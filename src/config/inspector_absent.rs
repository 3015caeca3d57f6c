//! `[inspector]` in a program that has none.

use std::path::Path;

use super::proxy::Listener;
use crate::document::{Document, Fault, Refusal, Section};

/// What it would have; there is never one.
pub(super) struct Read {
    pub(super) listener: Listener,
    pub(super) warning: Fault,
    _never: std::convert::Infallible,
}

/// Says that this program cannot do what the section asks for.
pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>, _: &Path) -> Option<Read> {
    if !section.is_absent() {
        let remedy = "remove the section, or build with the feature `inspector`";
        let refusal = Refusal::new("this program was built without the inspector", remedy);
        let at = section.heading().clone();
        document.refuse(&at, "", at.start(), refusal);
    }
    None
}
