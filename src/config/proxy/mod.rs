//! `[[proxy]]`: each proxy by itself, then all of them together.

mod addresses;
mod limits;
mod mode;
mod policy;
mod profile;
mod replay;
mod routes;
mod timeouts;
mod tls;
mod upstream;
mod websocket;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Method;
use serde::Deserialize;

#[cfg(test)]
pub(super) use self::{
    limits::RawLimits,
    mode::{RawInbound, RawOutbound},
    replay::RawReplay,
    routes::RawRoute,
    timeouts::RawTimeouts,
    tls::{RawCertificate, RawTls},
    websocket::RawWebSocket,
};

use self::policy::{RawPlain, ReadPlain};
use self::routes::OfProxy;
use self::upstream::{RawUpstream, ReadUpstream};
use super::keys::{self, KeySets};
use super::profile::Profiles;
use super::values::{
    ByteSize, Deadline, Listen, ModeName, NetworkList, PolicyName, ProfileName, ProxyName, Until,
};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section, Value};
use crate::net::{ListenAddress, Networks, UpstreamProtocol};
use crate::proxy::{ForwardedPolicy, HostPolicy, ProxyConfig, RouteConfig, Routes, Upstream};
pub(super) use addresses::collide;

/// What is held of one body at most, unless the configuration says otherwise.
const MAX_BODY: ByteSize = ByteSize(16 * 1024 * 1024);

/// Every `[[proxy]]` of a file.
pub(super) struct Proxies {
    /// Their settings, if all of them are right.
    pub(super) configs: Option<Vec<ProxyConfig>>,
    /// What is right, but not safe.
    pub(super) warnings: Vec<Fault>,
}

/// What all proxies of a file have in common.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) sets: &'a KeySets,
    pub(super) profiles: &'a Profiles,
    /// Where paths start.
    pub(super) directory: &'a Path,
}

/// Reads every `[[proxy]]`; those of `admin` have their addresses already.
pub(super) fn read_all<'t>(
    document: &mut Document<'t>,
    sections: Vec<Section<'t>>,
    shared: Shared<'_>,
    admin: &[(Listener, &str)],
) -> Proxies {
    let nothing = Refusal::new("missing", keys::NO_SOURCE);
    if sections.is_empty() {
        if shared.sets.names.is_empty() {
            document.refuse(&Heading::default(), "keys.file", None, nothing.clone());
        }
        let remedy = "write at least one section [[proxy]] with name, mode, listen and upstream";
        document.refuse(&Heading::default(), "proxy", None, Refusal::new("there is no proxy at all", remedy));
    }
    let mut warnings = Vec::new();
    let entries: Vec<_> =
        sections.into_iter().map(|section| Entry::read(document, section, shared, &mut warnings)).collect();
    addresses::check(document, &entries, admin);
    if entries.iter().any(|entry| entry.keys_are_missing) {
        document.refuse(&Heading::default(), "keys.file", None, nothing);
    }
    Proxies { configs: entries.into_iter().map(|entry| entry.config).collect(), warnings }
}

/// An address that is taken, and the line that takes it.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) address: ListenAddress,
    pub(super) line: Option<usize>,
}

/// What `[[proxy]]` has in both modes, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawProxy {
    name: Field<ProxyName>,
    mode: Field<ModeName>,
    listen: Field<Listen>,
    proxy_protocol_from: Field<NetworkList>,
    upstream: Field<Upstream>,
    keys: Field<ProxyName>,
    profile: Field<ProfileName>,
    ca_file: Field<PathBuf>,
    client_cert_file: Field<PathBuf>,
    client_key_file: Field<PathBuf>,
    upstream_http: Field<UpstreamProtocol>,
    host: Field<HostPolicy>,
    forwarded: Field<ForwardedPolicy>,
    trust_forwarded_from: Field<NetworkList>,
    max_body: Field<ByteSize>,
    bodyless_methods: Field<Vec<Method>>,
    policy: Field<PolicyName>,
    from: Field<NetworkList>,
    until: Field<Until>,
    quiet_for: Field<Deadline>,
}

/// A proxy as far as it could be read.
struct Entry {
    heading: Heading,
    name: Option<Arc<str>>,
    name_at: Option<usize>,
    mode: Option<ModeName>,
    listen: Option<ListenAddress>,
    listen_at: Option<usize>,
    speaks_tls: bool,
    /// Where its requests go, by the section that says so.
    upstreams: Vec<WrittenUpstream>,
    /// Whether it uses `[keys]`, which is not there.
    keys_are_missing: bool,
    config: Option<ProxyConfig>,
}

impl Entry {
    fn read<'t>(
        document: &mut Document<'t>,
        mut section: Section<'t>,
        shared: Shared<'_>,
        warnings: &mut Vec<Fault>,
    ) -> Self {
        let Shared { sets, profiles, directory } = shared;
        name_after_itself(&mut section);
        let timeouts = document.table(&mut section, "timeouts");
        let websocket = document.table(&mut section, "websocket");
        let limits = document.table(&mut section, "limits");
        let tls = document.table(&mut section, "tls");
        let parts = mode::Parts::take(&mut section);
        let replay = replay::Parts::take(document, &mut section);
        let routes = document.tables(&mut section, "route");
        let (raw, heading) = document.read::<RawProxy>(section);
        let (name_at, listen_at) = (raw.name.start(), raw.listen.start());
        let timeouts = timeouts::read(document, timeouts);
        let websocket = websocket::read(document, websocket);
        let limits = limits::read(document, limits);
        let tls = tls::read(document, tls, directory, warnings);
        let speaks_tls = !matches!(tls, Some(None));
        let replay = replay.read(document, directory, warnings);

        let required = Required::read(document, &heading, raw.name, raw.mode, raw.listen);
        let (name, mode, listen) = (required.name.clone(), required.mode, required.listen.clone());
        let how = RawUpstream {
            upstream: raw.upstream,
            ca_file: raw.ca_file,
            client_cert_file: raw.client_cert_file,
            client_key_file: raw.client_key_file,
            upstream_http: raw.upstream_http,
        };
        let upstream = read_upstream(document, &heading, how, &routes, directory);
        let bodyless_methods = document.optional(&heading, "bodyless_methods", raw.bodyless_methods);
        let mut overrides = profile::Overrides { bodyless_methods, ..Default::default() };
        let of_mode = parts.read(document, mode, &mut overrides, warnings);
        let chooser = profile::Chooser { profiles, overrides, mode, has_window: replay.is_some() };
        let profile = chooser.own(document, &heading, raw.profile, warnings);
        let keys_at = raw.keys.start();
        let keys = document.optional(&heading, "keys", raw.keys).map(|ProxyName(name)| name);
        let keys: Option<Arc<str>> = sets.check(document, &heading, keys.as_deref(), keys_at).map(Into::into);
        let plain =
            RawPlain { policy: raw.policy, from: raw.from, until: raw.until, quiet_for: raw.quiet_for };
        let plain = read_plain(document, &heading, plain, &routes);
        let of_proxy =
            OfProxy { upstream: &upstream, profile, chooser: &chooser, keys, sets, plain, directory };
        let (routes, keys_are_missing, upstreams) = ways(document, &heading, routes, of_proxy, warnings);
        let keys_are_missing = keys_are_missing && keys_at.is_none();
        let (host, forwarded) = defaults_of(mode);
        let host = document.or(&heading, "host", raw.host, host);
        let forwarded = document.or(&heading, "forwarded", raw.forwarded, forwarded);
        let ByteSize(max_body) = document.or(&heading, "max_body", raw.max_body, MAX_BODY);
        let mut networks = |name, field| networks(document, &heading, name, field);
        let proxy_protocol_from = networks("proxy_protocol_from", raw.proxy_protocol_from);
        let trust_forwarded_from = networks("trust_forwarded_from", raw.trust_forwarded_from);
        let rest = of_mode.zip(routes).zip(tls);
        let config = required.whole().zip(rest).map(|((name, listen), ((mode, routes), tls))| ProxyConfig {
            name,
            listen,
            tls,
            proxy_protocol_from,
            mode,
            routes,
            host,
            forwarded,
            trust_forwarded_from,
            max_body,
            replay,
            websocket,
            timeouts,
            limits,
        });
        Self {
            heading,
            name,
            name_at,
            mode,
            listen,
            listen_at,
            speaks_tls,
            upstreams,
            keys_are_missing,
            config,
        }
    }
}

fn networks(document: &mut Document<'_>, at: &Heading, name: &str, field: Field<NetworkList>) -> Networks {
    document.optional(at, name, field).map(|NetworkList(networks)| networks).unwrap_or_default()
}

/// The proxy's upstream, which each of its routes may have for itself.
fn read_upstream(
    document: &mut Document<'_>,
    at: &Heading,
    how: RawUpstream,
    routes: &[Section<'_>],
    directory: &Path,
) -> ReadUpstream {
    if routes.is_empty() && how.upstream.start().is_none() {
        let remedy = "write where requests go: upstream = \"http://127.0.0.1:3000\"";
        document.refuse(at, "upstream", at.start(), Refusal::new("missing", remedy));
    }
    let speaks_tls =
        |route: &Section<'_>| route.peek("upstream").is_some_and(|url| url.starts_with("https:"));
    let others_use_roots =
        routes.iter().any(speaks_tls) || routes.is_empty() && how.upstream.start().is_none();
    how.read(document, at, &ReadUpstream::default(), directory, others_use_roots)
}

/// From whom the proxy takes plain messages, which each of its routes may say for itself.
fn read_plain(document: &mut Document<'_>, at: &Heading, how: RawPlain, routes: &[Section<'_>]) -> ReadPlain {
    let plain = how.read(document, at, &ReadPlain::default(), routes.iter().any(policy::migrates));
    if plain.policy == Some(PolicyName::Bypass) {
        let problem = "nothing would be sealed, so that there is no use for this sidecar";
        let remedy = "write it at the [[proxy.route]] of what is to pass";
        document.refuse(at, "policy", plain.policy_at, Refusal::new(problem, remedy));
        return ReadPlain::default();
    }
    plain
}

/// Where the upstream of a proxy is written, or that of a route.
type WrittenUpstream = (Heading, Option<usize>, Upstream);

/// The routes if all is right with them, whether keys are missing, and the upstreams that are written.
fn ways<'t>(
    document: &mut Document<'t>,
    at: &Heading,
    sections: Vec<Section<'t>>,
    of_proxy: OfProxy<'_>,
    warnings: &mut Vec<Fault>,
) -> (Option<Routes>, bool, Vec<WrittenUpstream>) {
    let own = of_proxy.upstream;
    let mut upstreams: Vec<_> =
        own.upstream.iter().map(|upstream| (at.clone(), own.at, upstream.clone())).collect();
    if sections.is_empty() {
        let lacks_keys = of_proxy.keys.is_none();
        let how = (of_proxy.plain, of_proxy.keys, of_proxy.profile);
        let policy = routes::policy_of(document, at, of_proxy.chooser.mode, how, warnings);
        let route = policy.zip(own.upstream.clone());
        let routes = route.map(|(policy, upstream)| Routes::one(RouteConfig::of_all(policy, upstream)));
        return (routes, lacks_keys, upstreams);
    }
    let entries = routes::read_all(document, sections, &of_proxy, warnings);
    let lacks_keys = entries.iter().any(|entry| entry.lacks_keys);
    let written = entries.iter().filter(|entry| entry.upstream.at.is_some());
    upstreams.extend(written.filter_map(|entry| {
        Some((entry.heading.clone(), entry.upstream.at, entry.upstream.upstream.clone()?))
    }));
    let askers_have_keys = of_proxy.chooser.mode != Some(ModeName::Outbound);
    let routes = routes::configs(entries).and_then(|routes| Routes::new(routes, askers_have_keys));
    (routes, lacks_keys, upstreams)
}

/// Outbound, the client's `host` names this sidecar, and the peer has no use for who asked it.
fn defaults_of(mode: Option<ModeName>) -> (HostPolicy, ForwardedPolicy) {
    match mode {
        Some(ModeName::Outbound) => (HostPolicy::Upstream, ForwardedPolicy::Off),
        Some(ModeName::Inbound) | None => (HostPolicy::Pass, ForwardedPolicy::Append),
    }
}

/// The settings without a default.
struct Required {
    name: Option<Arc<str>>,
    mode: Option<ModeName>,
    listen: Option<ListenAddress>,
}

impl Required {
    fn read(
        document: &mut Document<'_>,
        at: &Heading,
        name: Field<ProxyName>,
        mode: Field<ModeName>,
        listen: Field<Listen>,
    ) -> Self {
        let name =
            document.require(at, "name", name, "write what logs and metrics call it: name = \"kitchen\"");
        let mode = document.require(
            at,
            "mode",
            mode,
            "write mode = \"inbound\" in front of an application, mode = \"outbound\" behind one that sends",
        );
        let listen =
            document.require(at, "listen", listen, "write where it listens: listen = \"127.0.0.1:8080\"");
        Self {
            name: name.map(|ProxyName(name)| name.into()),
            mode,
            listen: listen.map(|Listen(address)| address),
        }
    }

    fn whole(self) -> Option<(Arc<str>, ListenAddress)> {
        Some((self.name?, self.listen?))
    }
}

/// Lists are addressed by name: `proxy.kitchen` rather than `proxy[0]`, if the name is one.
fn name_after_itself(section: &mut Section<'_>) {
    if let Some(Ok(ProxyName(name))) = section.peek("name").map(ProxyName::from_text) {
        section.rename(format!("proxy.{name}"));
    }
}
