//! In a program that has no inspector.

use std::path::PathBuf;
use std::sync::Arc;

use super::{App, StartError};
use crate::capture::Capture;
use crate::config::Config;

/// There is never one.
pub(super) enum Inspection {}

impl Inspection {
    pub(super) async fn bind(_: &Config) -> Result<Option<Self>, StartError> {
        Ok(None)
    }

    pub(super) fn capture(&self) -> Arc<Capture> {
        match *self {}
    }

    pub(super) fn begin(self, _: &App) -> Result<PathBuf, StartError> {
        match self {}
    }
}
