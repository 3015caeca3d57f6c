//! `[[proxy.route]]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Method;
use serde::Deserialize;

use super::policy::{RawPlain, ReadPlain};
use super::profile::Chooser;
use super::upstream::{RawUpstream, ReadUpstream};
use crate::config::keys::KeySets;
use crate::config::values::{
    Deadline, Hosts, ModeName, NetworkList, PolicyName, ProfileName, ProxyName, Until,
};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section, Value};
use crate::net::UpstreamProtocol;
use crate::profile::Profile;
use crate::proxy::{PathPrefix, Policy, RouteConfig, RouteMatch, Upstream};

/// A route as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawRoute {
    name: Field<ProxyName>,
    host: Field<Hosts>,
    path: Field<PathPrefix>,
    methods: Field<Vec<Method>>,
    policy: Field<PolicyName>,
    from: Field<NetworkList>,
    until: Field<Until>,
    quiet_for: Field<Deadline>,
    profile: Field<ProfileName>,
    keys: Field<ProxyName>,
    upstream: Field<Upstream>,
    ca_file: Field<PathBuf>,
    client_cert_file: Field<PathBuf>,
    client_key_file: Field<PathBuf>,
    upstream_http: Field<UpstreamProtocol>,
    rewrite: Field<PathPrefix>,
}

/// What the proxy says, which holds wherever a route says nothing.
pub(super) struct OfProxy<'a> {
    pub(super) upstream: &'a ReadUpstream,
    /// `None` where it is faulty, which is told already.
    pub(super) profile: Option<Profile>,
    pub(super) chooser: &'a Chooser<'a>,
    /// `None` if there is none of which the proxy may have the keys.
    pub(super) keys: Option<Arc<str>>,
    pub(super) sets: &'a KeySets,
    /// From whom plain messages are taken.
    pub(super) plain: ReadPlain,
    pub(super) directory: &'a Path,
}

/// A route as far as it could be read.
pub(super) struct Entry {
    pub(super) heading: Heading,
    name: Arc<str>,
    name_at: Option<usize>,
    pub(super) upstream: ReadUpstream,
    /// Whether it uses the proxy's keys, of which there are none.
    pub(super) lacks_keys: bool,
    config: Option<RouteConfig>,
}

/// Reads the routes of a proxy, and what they are together.
pub(super) fn read_all<'t>(
    document: &mut Document<'t>,
    sections: Vec<Section<'t>>,
    of_proxy: &OfProxy<'_>,
    warnings: &mut Vec<Fault>,
) -> Vec<Entry> {
    let sections = sections.into_iter().enumerate();
    let entries: Vec<_> =
        sections.map(|(index, section)| Entry::read(document, index, section, of_proxy, warnings)).collect();
    for (index, entry) in entries.iter().enumerate() {
        let earlier = &entries[..index];
        if let Some(other) = earlier.iter().find(|other| other.name == entry.name) {
            let line = other.name_at.or(other.heading.start()).map_or(0, |at| document.place(at).line);
            let problem = format!("{:?} is the name of another route already, in line {line}", entry.name);
            let refusal = Refusal::new(problem, "give each route of a proxy a name of its own");
            let at = entry.name_at.or(entry.heading.start());
            document.refuse(&entry.heading, "name", at, refusal);
        }
        let covers = |other: &&Entry| {
            let both = other.config.as_ref().zip(entry.config.as_ref());
            both.is_some_and(|(other, own)| other.matching.covers(&own.matching))
        };
        if let Some(other) = earlier.iter().find(covers) {
            let problem =
                format!("it is never taken: the earlier route {} takes all that it is for", other.name);
            let refusal = Refusal::new(problem, "put it before that one, or remove it");
            warnings.push(document.fault(entry.heading.start(), entry.heading.key_path(""), refusal));
        }
    }
    entries
}

/// The settings of all of them, if they are right.
pub(super) fn configs(entries: Vec<Entry>) -> Option<Vec<RouteConfig>> {
    entries.into_iter().map(|entry| entry.config).collect()
}

impl Entry {
    fn read<'t>(
        document: &mut Document<'t>,
        index: usize,
        mut section: Section<'t>,
        of_proxy: &OfProxy<'_>,
        warnings: &mut Vec<Fault>,
    ) -> Self {
        if let Some(Ok(ProxyName(name))) = section.peek("name").map(ProxyName::from_text) {
            let list = section.heading().key_path("");
            let list = list.rsplit_once('[').map_or(list.as_str(), |(list, _)| list).to_owned();
            section.rename(format!("{list}.{name}"));
        }
        let (raw, heading) = document.read::<RawRoute>(section);
        let name_at = raw.name.start();
        let name = document.optional(&heading, "name", raw.name).map(|ProxyName(name)| name);
        let name: Arc<str> = name.unwrap_or_else(|| format!("route-{}", index + 1)).into();
        let (path_at, rewrite_at) = (raw.path.start(), raw.rewrite.start());
        let matching = read_match(document, &heading, raw.host, raw.path, raw.methods);
        let rewrite = document.optional(&heading, "rewrite", raw.rewrite);
        if rewrite.is_some() && path_at.is_none() {
            let refusal = Refusal::new(
                "nothing to replace, since there is no path",
                "write path = \"/\" as well, or remove it",
            );
            document.refuse(&heading, "rewrite", rewrite_at, refusal);
        }
        let how = RawUpstream {
            upstream: raw.upstream,
            ca_file: raw.ca_file,
            client_cert_file: raw.client_cert_file,
            client_key_file: raw.client_key_file,
            upstream_http: raw.upstream_http,
        };
        let upstream = how.read(document, &heading, of_proxy.upstream, of_proxy.directory, false);
        if !upstream.is_written {
            let remedy =
                "write where its requests go: upstream = \"http://127.0.0.1:3000\", here or in the [[proxy]]";
            document.refuse(&heading, "upstream", heading.start(), Refusal::new("missing", remedy));
        }
        let plain =
            RawPlain { policy: raw.policy, from: raw.from, until: raw.until, quiet_for: raw.quiet_for };
        let plain = plain.read(document, &heading, &of_proxy.plain, false);
        let how = RawPolicy { plain, profile: raw.profile, keys: raw.keys };
        let (policy, lacks_keys) = how.read(document, &heading, of_proxy, warnings);
        let whole = upstream.upstream.clone().zip(policy);
        let config = whole.map(|(upstream, policy)| RouteConfig {
            name: Some(Arc::clone(&name)),
            matching,
            policy,
            upstream,
            rewrite,
        });
        Self { heading, name, name_at, upstream, lacks_keys, config }
    }
}

fn read_match(
    document: &mut Document<'_>,
    at: &Heading,
    hosts: Field<Hosts>,
    path: Field<PathPrefix>,
    methods: Field<Vec<Method>>,
) -> RouteMatch {
    let mut refuse_empty = |name, start: Option<usize>, is_empty: bool| {
        if is_empty {
            let refusal = Refusal::new("an empty list, so that it is for nothing", "leave it out for all");
            document.refuse(at, name, start, refusal);
        }
    };
    refuse_empty("host", hosts.start(), matches!(&hosts, Field::Read(Hosts(hosts), _) if hosts.is_empty()));
    refuse_empty(
        "methods",
        methods.start(),
        matches!(&methods, Field::Read(methods, _) if methods.is_empty()),
    );
    let hosts = document.optional(at, "host", hosts).map(|Hosts(hosts)| hosts).unwrap_or_default();
    let path = document.optional(at, "path", path);
    let methods = document.or(at, "methods", methods, Vec::new());
    RouteMatch { hosts, path, methods }
}

/// What is done to messages, as it is written.
struct RawPolicy {
    plain: ReadPlain,
    profile: Field<ProfileName>,
    keys: Field<ProxyName>,
}

impl RawPolicy {
    /// The policy, and whether it lacks the proxy's keys.
    fn read(
        self,
        document: &mut Document<'_>,
        at: &Heading,
        of_proxy: &OfProxy<'_>,
        warnings: &mut Vec<Fault>,
    ) -> (Option<Policy>, bool) {
        let policy = self.plain.policy.unwrap_or(PolicyName::Require);
        let (profile_at, keys_at) = (self.profile.start(), self.keys.start());
        let own = of_proxy.profile.clone();
        let profile = if policy == PolicyName::Bypass {
            None
        } else {
            of_proxy.chooser.named(document, at, self.profile, own, warnings)
        };
        let named = document.optional(at, "keys", self.keys).map(|ProxyName(name)| name);
        if policy == PolicyName::Bypass {
            for (name, start) in [("profile", profile_at), ("keys", keys_at)] {
                if start.is_some() {
                    let problem = "nothing to use it for, since nothing of a bypass is sealed";
                    let refusal = Refusal::new(problem, "remove it, or write policy = \"require\"");
                    document.refuse(at, name, start, refusal);
                }
            }
            return (Some(Policy::Bypass), false);
        }
        let keys = match named {
            Some(name) => of_proxy.sets.check(document, at, Some(&name), keys_at).map(Into::into),
            None => of_proxy.keys.clone(),
        };
        let lacks_keys = keys.is_none() && keys_at.is_none();
        (policy_of(document, at, of_proxy.chooser.mode, (self.plain, keys, profile), warnings), lacks_keys)
    }
}

/// What is done to messages that are sealed with these keys by this profile, if all of it is right.
pub(super) fn policy_of(
    document: &mut Document<'_>,
    at: &Heading,
    mode: Option<ModeName>,
    (plain, keys, profile): (ReadPlain, Option<Arc<str>>, Option<Profile>),
    warnings: &mut Vec<Fault>,
) -> Option<Policy> {
    if !plain.migrates() {
        return keys.zip(profile).map(|(keys, profile)| Policy::Require { keys, profile });
    }
    let migration = plain.migration(document, at, mode, profile.as_ref(), warnings);
    let (keys, profile) = keys.zip(profile)?;
    Some(Policy::Migrate { keys, profile, migration: migration? })
}
