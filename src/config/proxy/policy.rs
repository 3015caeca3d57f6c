//! `policy`, and from whom and until when plain messages are taken, of `[[proxy]]` and `[[proxy.route]]`.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::values::{Deadline, ModeName, NetworkList, PolicyName, Until};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section};
use crate::net::Networks;
use crate::profile::Profile;
use crate::proxy::{Migration, MigrationPolicy};

/// The keys about plain messages, as they are written.
pub(super) struct RawPlain {
    pub(super) policy: Field<PolicyName>,
    pub(super) from: Field<NetworkList>,
    pub(super) until: Field<Until>,
    pub(super) quiet_for: Field<Deadline>,
}

/// What was read of them.
#[derive(Clone, Default)]
pub(super) struct ReadPlain {
    pub(super) policy: Option<PolicyName>,
    /// Where that is written.
    pub(super) policy_at: Option<usize>,
    from: Option<Networks>,
    /// Whether networks are written, right or not.
    names_networks: bool,
    until: Option<Timestamp>,
    quiet_for: Option<Duration>,
}

impl PolicyName {
    fn migration(self) -> Option<MigrationPolicy> {
        match self {
            Self::Permit => Some(MigrationPolicy::Permit),
            Self::Shadow => Some(MigrationPolicy::Shadow),
            Self::Require | Self::Bypass => None,
        }
    }
}

/// Whether a route says that it takes plain messages.
pub(super) fn migrates(route: &Section<'_>) -> bool {
    route.peek("policy").is_some_and(|policy| ["permit", "shadow"].contains(&policy))
}

impl RawPlain {
    /// Reads them; what is left out is as `inherited` has it. `others_use_them` if somebody inherits from this who takes plain
    /// messages.
    pub(super) fn read(
        self,
        document: &mut Document<'_>,
        at: &Heading,
        inherited: &ReadPlain,
        others_use_them: bool,
    ) -> ReadPlain {
        let policy_at = self.policy.start();
        let starts = [
            ("from", self.from.start()),
            ("until", self.until.start()),
            ("quiet_for", self.quiet_for.start()),
        ];
        let names_networks = self.from.start().is_some() || inherited.names_networks;
        let policy = document.optional(at, "policy", self.policy);
        let policy = if policy_at.is_some() { policy } else { inherited.policy };
        let from = document.optional(at, "from", self.from).map(|NetworkList(networks)| networks);
        let until = document.optional(at, "until", self.until).map(|Until(until)| until);
        let quiet_for = document.optional(at, "quiet_for", self.quiet_for).map(|Deadline(time)| time);
        if from.as_ref().is_some_and(Networks::is_empty) {
            let remedy = "write the networks of those clients, or policy = \"require\"";
            document.refuse(
                at,
                "from",
                starts[0].1,
                Refusal::new("an empty list, so that it is for nobody", remedy),
            );
        }
        // A policy that is faulty may have been meant to use them.
        let has_no_use = policy.map_or(policy_at.is_none(), |policy| policy.migration().is_none());
        for (name, start) in starts.iter().filter(|_| has_no_use && !others_use_them) {
            if start.is_some() {
                let problem = "nothing to use it for, since no client may be plain for a while";
                let refusal = Refusal::new(problem, "write policy = \"permit\" or \"shadow\", or remove it");
                document.refuse(at, name, *start, refusal);
            }
        }
        ReadPlain {
            policy,
            policy_at: policy_at.or(inherited.policy_at),
            from: from.or_else(|| inherited.from.clone()),
            names_networks,
            until: until.or(inherited.until),
            quiet_for: quiet_for.or(inherited.quiet_for),
        }
    }
}

impl ReadPlain {
    /// Whether some clients may be plain for a while.
    pub(super) fn migrates(&self) -> bool {
        self.policy.is_some_and(|policy| policy.migration().is_some())
    }

    /// From whom plain messages are taken beside those of `profile`; `None` if that is faulty.
    pub(super) fn migration(
        self,
        document: &mut Document<'_>,
        at: &Heading,
        mode: Option<ModeName>,
        profile: Option<&Profile>,
        warnings: &mut Vec<Fault>,
    ) -> Option<Migration> {
        let policy = self.policy?.migration()?;
        if mode == Some(ModeName::Outbound) {
            let problem = format!("only an inbound proxy has clients that it could {policy}");
            let remedy =
                "write \"require\", or \"bypass\" towards a peer that does not take sealed messages yet";
            document.refuse(at, "policy", self.policy_at, Refusal::new(problem, remedy));
            return None;
        }
        if !self.names_networks {
            let remedy = "write where those clients are: from = [\"10.0.0.0/8\"]";
            document.refuse(at, "from", self.policy_at.or(at.start()), Refusal::new("missing", remedy));
        }
        self.warn_of_time(document, at, policy, warnings);
        if let Some(Profile::Whole(whole)) = profile
            && !whole.is_told_by_its_parts()
        {
            if !whole.encoding_tells() {
                let problem = "nothing tells the profile's sealed messages from plain ones";
                let remedy = "give plain clients a route of their own with policy = \"bypass\", or a proxy of their own";
                document.refuse(at, "policy", self.policy_at, Refusal::new(problem, remedy));
                return None;
            }
            let problem = format!(
                "a plain message is refused if a value where the profile has ciphertext happens to be well-formed {}",
                whole.encoding
            );
            let remedy =
                "have messages name their key, or watch alewife_migration_requests_total for \"refused\"";
            warnings.push(document.fault(
                self.policy_at,
                at.key_path("policy"),
                Refusal::new(problem, remedy),
            ));
        }
        let from = self.from.filter(|from| !from.is_empty())?;
        let quiet_for = self.quiet_for.unwrap_or(Migration::QUIET_FOR);
        Some(Migration { policy, from, until: self.until, quiet_for })
    }

    fn warn_of_time(
        &self,
        document: &Document<'_>,
        at: &Heading,
        policy: MigrationPolicy,
        warnings: &mut Vec<Fault>,
    ) {
        let refusal = match self.until {
            None => Refusal::new(
                format!("plain requests pass without an end, since {policy} has none"),
                "write when it ends, for example until = 2027-03-31",
            ),
            Some(until) if until <= Timestamp::now() => Refusal::new(
                format!("it was over at {until}, so that {policy} does what require does"),
                "write policy = \"require\" and remove from and until, or write a later time",
            ),
            Some(_) => return,
        };
        warnings.push(document.fault(self.policy_at.or(at.start()), at.key_path("until"), refusal));
    }
}
