//! `[inspector]` in a program that has none.

use std::path::Path;

use super::proxy::Listener;
use crate::document::{Document, Fault, Refusal, Section};

/// There is never one.
pub(super) enum Read {}

impl std::ops::Deref for Read {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        match *self {}
    }
}

/// What it would have.
pub(super) struct Parts {
    pub(super) listener: Listener,
    pub(super) warning: Fault,
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
