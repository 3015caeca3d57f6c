//! Profiles by name.

use std::sync::Arc;

use crate::config::values::ProfileName;
use crate::document::{Document, Field, Heading, Refusal};
use crate::profile::Profile;

/// The one profile there is.
pub(super) const ALE: &str = "ale";

/// The profile that a route names; the proxy's own unless it names one.
pub(super) fn named(
    document: &mut Document<'_>,
    at: &Heading,
    name: Field<ProfileName>,
    own: &(Arc<str>, Arc<Profile>),
) -> (Arc<str>, Arc<Profile>) {
    let start = name.start();
    if let Some(ProfileName(name)) = document.optional(at, "profile", name)
        && name != ALE
    {
        let refusal = Refusal::new(format!("there is no profile {name:?}"), format!("write {ALE:?}"));
        document.refuse(at, "profile", start, refusal);
    }
    own.clone()
}
