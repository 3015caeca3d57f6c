//! What `[[proxy]]` and `[[proxy.route]]` say of an upstream: its address, whom to trust, and the version of HTTP.

use std::path::{Path, PathBuf};

use super::tls::refuse_identity;
use crate::document::{Document, Field, Heading, Refusal};
use crate::net::{CaFile, CaFileFault, Identity, Roots, UpstreamAddress, UpstreamProtocol};
use crate::proxy::Upstream;

/// The keys about an upstream, as they are written.
pub(super) struct RawUpstream {
    pub(super) upstream: Field<Upstream>,
    pub(super) ca_file: Field<PathBuf>,
    pub(super) client_cert_file: Field<PathBuf>,
    pub(super) client_key_file: Field<PathBuf>,
    pub(super) upstream_http: Field<UpstreamProtocol>,
}

/// What was read of them.
#[derive(Clone, Default)]
pub(super) struct ReadUpstream {
    /// The upstream, if one is written and can be read; with what the rest says.
    pub(super) upstream: Option<Upstream>,
    /// Where it is written.
    pub(super) at: Option<usize>,
    /// Whether one is written, right or not.
    pub(super) is_written: bool,
    roots: Option<CaFile>,
    identity: Option<Identity>,
    protocol: Option<UpstreamProtocol>,
}

impl RawUpstream {
    /// Reads them. What is left out is as `inherited` has it; the paths of files start at `directory`. `others_use_tls` if
    /// somebody inherits from this who may speak TLS.
    pub(super) fn read(
        self,
        document: &mut Document<'_>,
        at: &Heading,
        inherited: &ReadUpstream,
        directory: &Path,
        others_use_tls: bool,
    ) -> ReadUpstream {
        let start = self.upstream.start();
        let is_written = start.is_some();
        let own = document.optional(at, "upstream", self.upstream);
        let protocol = document.optional(at, "upstream_http", self.upstream_http).or(inherited.protocol);
        let mut upstream = if is_written { own } else { inherited.upstream.clone() };
        let is_plain = upstream.as_ref().is_some_and(|upstream| upstream.tls.is_none())
            || upstream.is_none() && !is_written && !inherited.is_written;
        let useless = (is_plain && !others_use_tls).then(|| match upstream.as_ref().map(|it| &it.address) {
            None => "there is no upstream",
            Some(UpstreamAddress::Inet { .. }) => "upstream is http://",
            Some(UpstreamAddress::Unix(_)) => "upstream is a Unix socket",
        });
        let files = Files { document, at, directory, useless };
        let (roots, identity) = files.read(self.ca_file, self.client_cert_file, self.client_key_file);
        let roots = roots.or_else(|| inherited.roots.clone());
        let identity = identity.or_else(|| inherited.identity.clone());
        if let Some(upstream) = &mut upstream {
            upstream.protocol = protocol.unwrap_or_default();
            if let Some(tls) = &mut upstream.tls {
                tls.roots = roots.clone().map_or(Roots::WebPki, Roots::File);
                tls.identity = identity.clone();
            }
        }
        let is_written = is_written || inherited.is_written;
        ReadUpstream { upstream, at: start, is_written, roots, identity, protocol }
    }
}

/// The files that TLS towards an upstream needs.
struct Files<'a, 't> {
    document: &'a mut Document<'t>,
    at: &'a Heading,
    directory: &'a Path,
    /// Why there is nothing to use them for, if so.
    useless: Option<&'static str>,
}

impl Files<'_, '_> {
    fn read(
        mut self,
        ca_file: Field<PathBuf>,
        certificate: Field<PathBuf>,
        key: Field<PathBuf>,
    ) -> (Option<CaFile>, Option<Identity>) {
        let (ca_at, certificate_at, key_at) = (ca_file.start(), certificate.start(), key.start());
        let ca_file = self.path("ca_file", ca_file);
        let certificate = self.path("client_cert_file", certificate);
        let key = self.path("client_key_file", key);
        let roots = ca_file.and_then(|path| match CaFile::read(self.directory.join(&path)) {
            Ok(file) => Some(file),
            Err(fault) => {
                let refusal = Refusal::new(format!("{path:?} {fault}"), remedy(&fault));
                self.document.refuse(self.at, "ca_file", ca_at, refusal);
                None
            }
        });
        let (certificate_at, key_at) = (("client_cert_file", certificate_at), ("client_key_file", key_at));
        let mut alone = |(name, place), problem, remedy| {
            self.document.refuse(self.at, name, place, Refusal::new(problem, remedy));
        };
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let read = Identity::read(self.directory.join(certificate), self.directory.join(key));
                let refused = read.as_ref().err();
                if let Some(fault) = refused {
                    refuse_identity(self.document, self.at, certificate_at, key_at, fault);
                }
                read.ok()
            }
            (Some(_), None) if key_at.1.is_none() => {
                alone(certificate_at, "a certificate without its key", "write client_key_file as well");
                None
            }
            (None, Some(_)) if certificate_at.1.is_none() => {
                alone(key_at, "a key without its certificate", "write client_cert_file as well");
                None
            }
            _ => None,
        };
        (roots, identity)
    }

    /// The path that is written, if there is a use for it.
    fn path(&mut self, name: &str, field: Field<PathBuf>) -> Option<PathBuf> {
        let start = field.start();
        let path = self.document.optional(self.at, name, field)?;
        let Some(why) = self.useless else { return Some(path) };
        let refusal = Refusal::new(
            format!("nothing to use it for, since {why}"),
            format!("write https:// in upstream, or remove {name}"),
        );
        self.document.refuse(self.at, name, start, refusal);
        None
    }
}

fn remedy(fault: &CaFileFault) -> &'static str {
    match fault {
        CaFileFault::Unreadable(_) => "name a readable file, relative to the configuration's directory",
        CaFileFault::NotPem(_) | CaFileFault::Empty | CaFileFault::NotACertificate { .. } => {
            "name a PEM file with the certificates of those who issue the upstream's: -----BEGIN CERTIFICATE-----"
        }
    }
}
