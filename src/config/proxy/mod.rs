//! `[[proxy]]`: each proxy by itself, then all of them together.

mod addresses;
mod timeouts;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderName, Method};
use serde::Deserialize;

#[cfg(test)]
pub(super) use timeouts::RawTimeouts;

use super::values::{ByteSize, Listen, Mode, ProxyName};
use crate::document::{Document, Field, Heading, Refusal, Section, Value};
use crate::net::UpstreamProtocol;
use crate::profile::Profile;
use crate::proxy::{ForwardedPolicy, HostPolicy, InboundConfig, ProxyConfig, Upstream, WebSocketConfig};

/// What is held of one body at most, unless the configuration says otherwise.
const MAX_BODY: ByteSize = ByteSize(16 * 1024 * 1024);

/// Reads every `[[proxy]]`; `admin` already has its address, and paths start at `directory`.
pub(super) fn read_all<'t>(
    document: &mut Document<'t>,
    sections: Vec<Section<'t>>,
    admin: Option<Listener>,
    directory: &Path,
) -> Option<Vec<ProxyConfig>> {
    if sections.is_empty() {
        let remedy = "write at least one section [[proxy]] with name, mode, listen and upstream";
        document.refuse(&Heading::default(), "proxy", None, Refusal::new("there is no proxy at all", remedy));
    }
    let entries: Vec<_> =
        sections.into_iter().map(|section| Entry::read(document, section, directory)).collect();
    addresses::check(document, &entries, admin);
    entries.into_iter().map(|entry| entry.config).collect()
}

/// An address that is taken, and the line that takes it.
#[derive(Clone, Copy)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) line: Option<usize>,
}

/// `[[proxy]]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawProxy {
    name: Field<ProxyName>,
    mode: Field<Mode>,
    listen: Field<Listen>,
    upstream: Field<Upstream>,
    ca_file: Field<PathBuf>,
    upstream_http: Field<UpstreamProtocol>,
    seal_replies: Field<bool>,
    max_body: Field<ByteSize>,
    required_headers: Field<Vec<HeaderName>>,
    bodyless_methods: Field<Vec<Method>>,
    credential_mismatch: Field<bool>,
    forwarded: Field<ForwardedPolicy>,
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
    fn read<'t>(document: &mut Document<'t>, mut section: Section<'t>, directory: &Path) -> Self {
        name_after_itself(&mut section);
        let timeouts = document.table(&mut section, "timeouts");
        let (raw, heading) = document.read::<RawProxy>(section);
        let (name_at, listen_at) = (raw.name.start(), raw.listen.start());
        let upstream_at = raw.upstream.start();
        let timeouts = timeouts::read(document, timeouts);

        let mut required = Required::read(document, &heading, raw.name, raw.mode, raw.listen, raw.upstream);
        let how = (raw.ca_file, raw.upstream_http);
        required.upstream = upstream::complete(document, &heading, required.upstream, how, directory);
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
