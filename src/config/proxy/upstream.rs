//! What `[[proxy]]` and `[[proxy.route]]` say of an upstream: its address, whom to trust, and the version of HTTP.

use std::path::{Path, PathBuf};

use crate::document::{Document, Field, Heading, Refusal};
use crate::net::{CaFile, CaFileFault, Roots, UpstreamProtocol};
use crate::proxy::Upstream;

/// The keys about an upstream, as they are written.
pub(super) struct RawUpstream {
    pub(super) upstream: Field<Upstream>,
    pub(super) ca_file: Field<PathBuf>,
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
    protocol: Option<UpstreamProtocol>,
}

impl RawUpstream {
    /// Reads them. What is left out is as `inherited` has it; the path of `ca_file` starts at `directory`. `others_use_roots`
    /// if somebody inherits from this who may speak TLS.
    pub(super) fn read(
        self,
        document: &mut Document<'_>,
        at: &Heading,
        inherited: &ReadUpstream,
        directory: &Path,
        others_use_roots: bool,
    ) -> ReadUpstream {
        let (start, ca_start) = (self.upstream.start(), self.ca_file.start());
        let is_written = start.is_some();
        let own = document.optional(at, "upstream", self.upstream);
        let protocol = document.optional(at, "upstream_http", self.upstream_http).or(inherited.protocol);
        let mut upstream = if is_written { own } else { inherited.upstream.clone() };
        let ca_file = document.optional(at, "ca_file", self.ca_file).map(|path| {
            let read = CaFile::read(directory.join(&path));
            read.map_err(|fault| Refusal::new(format!("{path:?} {fault}"), remedy(&fault)))
        });
        let is_plain = upstream.as_ref().is_some_and(|upstream| upstream.tls.is_none())
            || upstream.is_none() && !is_written && !inherited.is_written;
        let roots = match ca_file {
            None => None,
            Some(_) if is_plain && !others_use_roots => {
                let why = if upstream.is_some() { "upstream is http://" } else { "there is no upstream" };
                let refusal = Refusal::new(
                    format!("nothing to use it for, since {why}"),
                    "write https:// in upstream, or remove ca_file",
                );
                document.refuse(at, "ca_file", ca_start, refusal);
                None
            }
            Some(Err(refusal)) => {
                document.refuse(at, "ca_file", ca_start, refusal);
                None
            }
            Some(Ok(file)) => Some(file),
        };
        let roots = roots.or_else(|| inherited.roots.clone());
        if let Some(upstream) = &mut upstream {
            upstream.protocol = protocol.unwrap_or_default();
            if let (Some(tls), Some(file)) = (&mut upstream.tls, &roots) {
                tls.roots = Roots::File(file.clone());
            }
        }
        let is_written = is_written || inherited.is_written;
        ReadUpstream { upstream, at: start, is_written, roots, protocol }
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
