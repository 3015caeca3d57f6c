//! `[[proxy]]`: each proxy by itself, then all of them together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderName, Method};
use serde::Deserialize;

use super::values::{ByteSize, Deadline, Listen, Mode, ProxyName};
use crate::document::{Document, Field, Heading, Refusal, Section, Value};
use crate::profile::Profile;
use crate::proxy::{
    ForwardedPolicy, HostPolicy, InboundConfig, ProxyConfig, Timeouts, Upstream, WebSocketConfig,
};

/// What is held of one body at most, unless the configuration says otherwise.
const MAX_BODY: ByteSize = ByteSize(16 * 1024 * 1024);

/// Reads every `[[proxy]]`; `admin` already has its address.
pub(super) fn read_all<'t>(
    document: &mut Document<'t>,
    sections: Vec<Section<'t>>,
    admin: Option<Listener>,
) -> Option<Vec<ProxyConfig>> {
    if sections.is_empty() {
        let remedy = "write at least one section [[proxy]] with name, mode, listen and upstream";
        document.refuse(&Heading::default(), "proxy", None, Refusal::new("there is no proxy at all", remedy));
    }
    let entries: Vec<_> = sections.into_iter().map(|section| Entry::read(document, section)).collect();
    check_names(document, &entries);
    check_listeners(document, &entries, admin);
    check_upstreams(document, &entries, admin);
    entries.into_iter().map(|entry| entry.config).collect()
}

/// `[[proxy]]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawProxy {
    name: Field<ProxyName>,
    mode: Field<Mode>,
    listen: Field<Listen>,
    upstream: Field<Upstream>,
    seal_replies: Field<bool>,
    max_body: Field<ByteSize>,
    required_headers: Field<Vec<HeaderName>>,
    bodyless_methods: Field<Vec<Method>>,
    credential_mismatch: Field<bool>,
    forwarded: Field<ForwardedPolicy>,
}

/// `[proxy.timeouts]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTimeouts {
    first_byte: Field<Deadline>,
    headers: Field<Deadline>,
    body: Field<Deadline>,
    idle: Field<Deadline>,
    connect: Field<Deadline>,
    reply: Field<Deadline>,
    pool_idle: Field<Deadline>,
}

/// A proxy as far as it could be read.
struct Entry {
    heading: Heading,
    name: Option<Arc<str>>,
    name_at: Option<usize>,
    listen: Option<SocketAddr>,
    listen_at: Option<usize>,
    upstream: Option<Upstream>,
    upstream_at: Option<usize>,
    config: Option<ProxyConfig>,
}

impl Entry {
    fn read<'t>(document: &mut Document<'t>, mut section: Section<'t>) -> Self {
        name_after_itself(&mut section);
        let timeouts = document.table(&mut section, "timeouts");
        let (raw, heading) = document.read::<RawProxy>(section);
        let (name_at, listen_at) = (raw.name.start(), raw.listen.start());
        let upstream_at = raw.upstream.start();
        let timeouts = read_timeouts(document, timeouts);

        let required = Required::read(document, &heading, raw.name, raw.mode, raw.listen, raw.upstream);
        let (name, listen, upstream) = (required.name.clone(), required.listen, required.upstream.clone());
        let ale = Profile::ale();
        let methods = document.or(&heading, "bodyless_methods", raw.bodyless_methods, ale.bodyless_methods);
        let profile = Profile {
            bodyless_methods: methods,
            seal_replies: document.or(&heading, "seal_replies", raw.seal_replies, ale.seal_replies),
            credential_mismatch: document.or(
                &heading,
                "credential_mismatch",
                raw.credential_mismatch,
                ale.credential_mismatch,
            ),
            ..ale
        };
        let required_headers = document.or(&heading, "required_headers", raw.required_headers, Vec::new());
        let forwarded = document.or(&heading, "forwarded", raw.forwarded, ForwardedPolicy::default());
        let ByteSize(max_body) = document.or(&heading, "max_body", raw.max_body, MAX_BODY);
        let config = required.whole().map(|(name, listen, upstream)| ProxyConfig {
            name,
            listen,
            mode: crate::proxy::Mode::Inbound(InboundConfig { required_headers, ..InboundConfig::default() }),
            upstream,
            profile: Arc::new(profile),
            host: HostPolicy::Pass,
            forwarded,
            max_body,
            websocket: WebSocketConfig::default(),
            timeouts,
        });
        Self { heading, name, name_at, listen, listen_at, upstream, upstream_at, config }
    }
}

/// The settings without a default.
struct Required {
    name: Option<Arc<str>>,
    mode: Option<Mode>,
    listen: Option<SocketAddr>,
    upstream: Option<Upstream>,
}

impl Required {
    fn read(
        document: &mut Document<'_>,
        at: &Heading,
        name: Field<ProxyName>,
        mode: Field<Mode>,
        listen: Field<Listen>,
        upstream: Field<Upstream>,
    ) -> Self {
        let name =
            document.require(at, "name", name, "write what logs and metrics call it: name = \"kitchen\"");
        let mode = document.require(at, "mode", mode, "write mode = \"inbound\"");
        let listen =
            document.require(at, "listen", listen, "write where it listens: listen = \"127.0.0.1:8080\"");
        let upstream = document.require(
            at,
            "upstream",
            upstream,
            "write where the application is: upstream = \"http://127.0.0.1:3000\"",
        );
        Self {
            name: name.map(|ProxyName(name)| name.into()),
            mode,
            listen: listen.map(|Listen(address)| address),
            upstream,
        }
    }

    fn whole(self) -> Option<(Arc<str>, SocketAddr, Upstream)> {
        let Mode::Inbound = self.mode?;
        Some((self.name?, self.listen?, self.upstream?))
    }
}

/// Lists are addressed by name: `proxy.kitchen` rather than `proxy[0]`, if the name is one.
fn name_after_itself(section: &mut Section<'_>) {
    if let Some(Ok(ProxyName(name))) = section.peek("name").map(ProxyName::from_text) {
        section.rename(format!("proxy.{name}"));
    }
}

fn read_timeouts<'t>(document: &mut Document<'t>, section: Section<'t>) -> Timeouts {
    let (raw, at) = document.read::<RawTimeouts>(section);
    let default = Timeouts::default();
    let mut or = |name, field, default| document.or(&at, name, field, Deadline(default)).0;
    Timeouts {
        first_byte: or("first_byte", raw.first_byte, default.first_byte),
        headers: or("headers", raw.headers, default.headers),
        body: or("body", raw.body, default.body),
        idle: or("idle", raw.idle, default.idle),
        connect: or("connect", raw.connect, default.connect),
        reply: or("reply", raw.reply, default.reply),
        pool_idle: or("pool_idle", raw.pool_idle, default.pool_idle),
    }
}

fn check_names(document: &mut Document<'_>, entries: &[Entry]) {
    for (index, entry) in entries.iter().enumerate() {
        let Some(name) = &entry.name else { continue };
        let Some(earlier) = entries[..index].iter().find(|earlier| earlier.name.as_ref() == Some(name))
        else {
            continue;
        };
        let line = earlier.name_at.map_or(0, |at| document.place(at).line);
        let problem = format!("{name:?} is the name of another proxy already, in line {line}");
        let refusal = Refusal::new(problem, "give each proxy a name of its own");
        document.refuse(&entry.heading, "name", entry.name_at, refusal);
    }
}

/// An address that is taken, and the line that takes it.
#[derive(Clone, Copy)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) line: Option<usize>,
}

fn check_listeners(document: &mut Document<'_>, entries: &[Entry], admin: Option<Listener>) {
    let mut taken: Vec<(Listener, String)> =
        admin.map(|listener| (listener, "the admin listener".to_owned())).into_iter().collect();
    for entry in entries {
        let Some(address) = entry.listen else { continue };
        let line = entry.listen_at.map(|at| document.place(at).line);
        if let Some((other, owner)) = taken.iter().find(|(other, _)| collide(other.address, address)) {
            let place = other.line.map_or_else(|| "by default".to_owned(), |line| format!("in line {line}"));
            let problem =
                format!("{address} is taken by {owner}, which listens on {} {place}", other.address);
            let refusal = Refusal::new(problem, "give each listener an address of its own");
            document.refuse(&entry.heading, "listen", entry.listen_at, refusal);
        }
        taken.push((Listener { address, line }, entry.heading.key_path("")));
    }
}

/// Requests that go to a listener of this process come back to it, or to the admin listener.
fn check_upstreams(document: &mut Document<'_>, entries: &[Entry], admin: Option<Listener>) {
    let proxies = entries.iter().filter_map(|entry| Some((entry.listen?, entry.heading.key_path(""))));
    let listeners: Vec<_> = admin
        .map(|listener| (listener.address, "the admin listener".to_owned()))
        .into_iter()
        .chain(proxies)
        .collect();
    for entry in entries {
        let Some(upstream) = &entry.upstream else { continue };
        if let Some((address, owner)) = listeners.iter().find(|(address, _)| leads_to(upstream, *address)) {
            let problem = format!("{upstream} is {owner} itself, which listens on {address}");
            let refusal = Refusal::new(problem, "write the address of the application");
            document.refuse(&entry.heading, "upstream", entry.upstream_at, refusal);
        }
    }
}

/// Whether requests to `upstream` arrive at a listener of this machine. Other names than localhost are not looked up.
fn leads_to(upstream: &Upstream, listener: SocketAddr) -> bool {
    let reaches = |ip: IpAddr| {
        let wide = listener.ip();
        ip == wide || ip.is_loopback() && wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4())
    };
    let host = upstream.host.as_str();
    let addresses: Vec<IpAddr> = if host.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        host.parse().into_iter().collect()
    };
    listener.port() != 0 && listener.port() == upstream.port && addresses.into_iter().any(reaches)
}

/// Whether two listeners can't stand at these addresses at once. Port 0 is a different one each time.
fn collide(left: SocketAddr, right: SocketAddr) -> bool {
    // The wildcard of IPv6 takes IPv4 as well.
    let covers = |wide: IpAddr, narrow: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4());
    let (left_ip, right_ip) = (left.ip(), right.ip());
    left.port() != 0
        && left.port() == right.port()
        && (left_ip == right_ip || covers(left_ip, right_ip) || covers(right_ip, left_ip))
}
