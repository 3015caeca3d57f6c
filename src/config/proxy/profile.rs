//! Which wire format a proxy or a route has, and whether it can be used there.

use http::Method;

use crate::config::profile::Profiles;
use crate::config::values::{ModeName, ProfileName};
use crate::document::{Document, Fault, Field, Heading, Refusal};
use crate::profile::{Profile, TagPlace, WholeIv};

/// What messages look like unless something else is written.
const ALE: &str = "ale";

/// What a proxy says of every profile that it uses.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) bodyless_methods: Option<Vec<Method>>,
    pub(super) seal_replies: Option<bool>,
    pub(super) credential_mismatch: Option<bool>,
    /// Where `replies` is written, which only messages that stream have a use for.
    pub(super) replies_at: Option<usize>,
    /// Where `carriers` is written, likewise.
    pub(super) carriers_at: Option<usize>,
}

/// Finds profiles for one proxy.
pub(super) struct Chooser<'a> {
    pub(super) profiles: &'a Profiles,
    pub(super) overrides: Overrides,
    pub(super) mode: Option<ModeName>,
    /// Whether what has opened is remembered.
    pub(super) has_window: bool,
}

impl Chooser<'_> {
    /// The profile that is named at `heading`, or else `own`. One that cannot be used there is a fault.
    pub(super) fn named(
        &self,
        document: &mut Document<'_>,
        heading: &Heading,
        name: Field<ProfileName>,
        own: Option<Profile>,
        warnings: &mut Vec<Fault>,
    ) -> Option<Profile> {
        let at = name.start();
        let Some(ProfileName(name)) = document.optional(heading, "profile", name) else {
            return if at.is_none() { own } else { None };
        };
        self.settled(document, heading, (&name, at), own.is_none(), warnings)
    }

    /// The proxy's own profile: `ale` unless it names another.
    pub(super) fn own(
        &self,
        document: &mut Document<'_>,
        heading: &Heading,
        name: Field<ProfileName>,
        warnings: &mut Vec<Fault>,
    ) -> Option<Profile> {
        if matches!(name, Field::Absent) {
            return self.settled(document, heading, (ALE, None), true, warnings);
        }
        self.named(document, heading, name, None, warnings)
    }

    fn settled(
        &self,
        document: &mut Document<'_>,
        heading: &Heading,
        (name, at): (&str, Option<usize>),
        is_own: bool,
        warnings: &mut Vec<Fault>,
    ) -> Option<Profile> {
        let mut profile = self.profiles.named(document, heading, name, at)?;
        profile.adjust(|terms| {
            let Overrides { bodyless_methods, seal_replies, credential_mismatch, .. } = &self.overrides;
            if let Some(methods) = bodyless_methods {
                terms.bodyless_methods = methods.clone();
            }
            terms.seal_replies = seal_replies.unwrap_or(terms.seal_replies);
            terms.credential_mismatch = credential_mismatch.unwrap_or(terms.credential_mismatch);
        });
        self.examine(document, heading, (&profile, at), is_own, warnings);
        Some(profile)
    }

    /// What keeps a profile from being used here, or makes it dangerous.
    fn examine(
        &self,
        document: &mut Document<'_>,
        heading: &Heading,
        (profile, at): (&Profile, Option<usize>),
        is_own: bool,
        warnings: &mut Vec<Fault>,
    ) {
        let Profile::Whole(whole) = profile else { return };
        let mut refuse = |problem: &str, remedy: &str| {
            document.refuse(heading, "profile", at, Refusal::new(problem, remedy));
        };
        let seals = self.mode == Some(ModeName::Outbound) || whole.seal_replies;
        let shares_iv = seals && whole.shares_iv();
        if shares_iv && !whole.may_seal() {
            refuse(
                "it seals several values or messages under one iv, which betrays them to whoever reads along",
                "write iv = \"prefix\" in the profile if the other side can open that, else danger_static_iv = true",
            );
        }
        if self.has_window && !whole.is_known_by_iv() {
            refuse(
                "its messages have no iv of their own, so that a replay window could not tell them apart",
                "remove replay_window, or give the route to a proxy without one",
            );
        }
        // On a route they may be meant for the others.
        if is_own && self.overrides.replies_at.is_some() {
            refuse("its replies are what its seal_replies says", "remove replies from the proxy");
        }
        if is_own && self.overrides.carriers_at.is_some() {
            refuse(
                "iv and fingerprint stand where it says, and nowhere else",
                "remove carriers from the proxy",
            );
        }
        if whole.seal_replies
            && whole.own_places().any(|place| matches!(place, crate::profile::Place::Query(_)))
        {
            refuse("replies are sealed, and have no query", "write seal_replies = false");
        }
        let mut warn = |key: &str, problem: &str, remedy: &str| {
            let key_path = format!("profile.{}.{key}", whole.name);
            warnings.push(document.fault(at, key_path, Refusal::new(problem, remedy)));
        };
        if shares_iv {
            warn(
                "danger_static_iv",
                "all that is sealed under one iv betrays itself: two values of CFB give each other away, two of GCM the \
                 key that authenticates",
                "have the vendor take values with an iv of their own as prefix",
            );
        } else if matches!(whole.iv, WholeIv::Static(_)) && !seals {
            warn(
                "static_iv",
                "the vendor seals all values under one iv: whoever reads along can work out what they say",
                "ask the vendor for an iv of each value's own",
            );
        }
        let requires_none = |values: &crate::profile::Values| {
            let is_optional =
                |selector| values.optional.contains(selector) || values.exclude.contains(selector);
            !values.include.iter().any(|selector| selector.is_exact() && !is_optional(selector))
        };
        if self.mode == Some(ModeName::Inbound) && whole.values().is_some_and(requires_none) {
            warn(
                "include",
                "no value must be there, so a message in which nothing is sealed passes, whoever sends it",
                "name in include what the application relies on, for example \"query:phone\"",
            );
        }
        let may_be_gcm = whole.algorithm.is_none_or(|algorithm| algorithm.is_authenticated());
        if whole.tag == TagPlace::None && may_be_gcm {
            warn(
                "danger_no_tag",
                "GCM without its tag proves nothing: every bit of a message can be changed on the way",
                "ask the vendor to send the tag",
            );
        }
    }
}
