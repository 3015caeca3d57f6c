//! What `[[proxy]]` says about its upstream besides the address: whom to trust, and the version of HTTP.

use std::path::{Path, PathBuf};

use crate::document::{Document, Field, Heading, Refusal};
use crate::net::{CaFile, CaFileFault, Roots, UpstreamProtocol};
use crate::proxy::Upstream;

/// Fills in what `ca_file` and `upstream_http` say; the path starts at `directory`.
pub(super) fn complete(
    document: &mut Document<'_>,
    at: &Heading,
    upstream: Option<Upstream>,
    (ca_file, protocol): (Field<PathBuf>, Field<UpstreamProtocol>),
    directory: &Path,
) -> Option<Upstream> {
    let start = ca_file.start();
    let protocol = document.or(at, "upstream_http", protocol, UpstreamProtocol::default());
    let ca_file = document.optional(at, "ca_file", ca_file).map(|path| {
        let read = CaFile::read(directory.join(&path));
        read.map_err(|fault| Refusal::new(format!("{path:?} {fault}"), remedy(&fault)))
    });
    let mut upstream = upstream;
    match (ca_file, &mut upstream) {
        (None, _) | (Some(Ok(_)), None) => {}
        (Some(_), Some(Upstream { tls: None, .. })) => {
            let remedy = "write https:// in upstream, or remove ca_file";
            let refusal = Refusal::new("nothing to use it for, since upstream is http://", remedy);
            document.refuse(at, "ca_file", start, refusal);
        }
        (Some(Err(refusal)), _) => document.refuse(at, "ca_file", start, refusal),
        (Some(Ok(file)), Some(Upstream { tls: Some(tls), .. })) => tls.roots = Roots::File(file),
    }
    if let Some(upstream) = &mut upstream {
        upstream.protocol = protocol;
    }
    upstream
}

fn remedy(fault: &CaFileFault) -> &'static str {
    match fault {
        CaFileFault::Unreadable(_) => "name a readable file, relative to the configuration's directory",
        CaFileFault::NotPem(_) | CaFileFault::Empty | CaFileFault::NotACertificate { .. } => {
            "name a PEM file with the certificates of those who issue the upstream's: -----BEGIN CERTIFICATE-----"
        }
    }
}
