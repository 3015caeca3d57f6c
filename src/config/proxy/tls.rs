//! `[proxy.tls]`: the certificates of a listener, and whom it lets in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::config::values::ProxyName;
use crate::document::{Document, Fault, Field, Heading, Refusal, Section, Value};
use crate::net::{CaFile, Identity, IdentityFault, ListenerCertificate, ListenerTls};

/// What the certificate of `[proxy.tls]` itself is called.
const DEFAULT: &str = "default";

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTls {
    cert_file: Field<PathBuf>,
    key_file: Field<PathBuf>,
    client_ca_file: Field<PathBuf>,
}

/// One of its certificates.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawCertificate {
    cert_file: Field<PathBuf>,
    key_file: Field<PathBuf>,
}

/// Reads the section: `Some(None)` if there is none, `None` if it is faulty, which is told then. Paths start at `directory`.
pub(super) fn read<'t>(
    document: &mut Document<'t>,
    mut section: Section<'t>,
    directory: &Path,
    warnings: &mut Vec<Fault>,
) -> Option<Option<ListenerTls>> {
    if section.is_absent() {
        return Some(None);
    }
    let others = document.table(&mut section, "certificate");
    let (raw, at) = document.read::<RawTls>(section);
    let mut reading = Reading { document, directory, warnings };
    let own = RawCertificate { cert_file: raw.cert_file, key_file: raw.key_file };
    let mut certificates = vec![reading.certificate(&at, DEFAULT.into(), own)];
    let remedy = "write a certificate's files under a line [proxy.tls.certificate.NAME]";
    for (name, section) in reading.document.members(others, remedy) {
        let refusal = match ProxyName::from_text(&name) {
            Err(refusal) => Some(refusal),
            Ok(_) if name == DEFAULT => Some(Refusal::new(
                "the name of the certificate in [proxy.tls] itself",
                "give it another name",
            )),
            Ok(_) => None,
        };
        if let Some(refusal) = refusal {
            reading.document.refuse(section.heading(), "", section.heading().start(), refusal);
        }
        let (raw, at) = reading.document.read::<RawCertificate>(section);
        let certificate = reading.certificate(&at, name.into(), raw);
        reading.warn_of_nameless(&at, certificate.as_ref());
        certificates.push(certificate);
    }
    let clients = reading.clients(&at, raw.client_ca_file);
    let certificates = certificates.into_iter().collect::<Option<_>>()?;
    Some(Some(ListenerTls { certificates, clients: clients? }))
}

struct Reading<'a, 't> {
    document: &'a mut Document<'t>,
    directory: &'a Path,
    warnings: &'a mut Vec<Fault>,
}

impl Reading<'_, '_> {
    fn certificate(
        &mut self,
        at: &Heading,
        name: Arc<str>,
        raw: RawCertificate,
    ) -> Option<ListenerCertificate> {
        let (cert_at, key_at) = (raw.cert_file.start(), raw.key_file.start());
        let remedy = "write the PEM file of the listener's certificate: cert_file = \"tls.crt\"";
        let certificate = self.document.require(at, "cert_file", raw.cert_file, remedy);
        let remedy = "write the PEM file of the certificate's key: key_file = \"tls.key\"";
        let key = self.document.require(at, "key_file", raw.key_file, remedy);
        let (certificate, key) = certificate.zip(key)?;
        match Identity::read(self.directory.join(certificate), self.directory.join(key)) {
            Ok(identity) => {
                self.warn_of_times(at, cert_at, &identity);
                Some(ListenerCertificate { name, identity })
            }
            Err(fault) => {
                refuse_identity(self.document, at, ("cert_file", cert_at), ("key_file", key_at), &fault);
                None
            }
        }
    }

    fn clients(&mut self, at: &Heading, field: Field<PathBuf>) -> Option<Option<CaFile>> {
        let start = field.start();
        let Some(path) = self.document.optional(at, "client_ca_file", field) else {
            return start.is_none().then_some(None);
        };
        match CaFile::read(self.directory.join(&path)) {
            Ok(file) => Some(Some(file)),
            Err(fault) => {
                let remedy = "name a readable PEM file with the certificates of those who issue the clients'";
                let refusal = Refusal::new(format!("{path:?} {fault}"), remedy);
                self.document.refuse(at, "client_ca_file", start, refusal);
                None
            }
        }
    }

    fn warn_of_times(&mut self, at: &Heading, place: Option<usize>, identity: &Identity) {
        let Some(validity) = identity.validity() else { return };
        let now = Timestamp::now();
        let problem = if now > validity.not_after {
            format!("the certificate has expired, at {}", validity.not_after)
        } else if now < validity.not_before {
            format!("the certificate is not valid before {}", validity.not_before)
        } else {
            return;
        };
        let refusal = Refusal::new(problem, "renew it in place; it is taken up without a restart");
        self.warnings.push(self.document.fault(place, at.key_path("cert_file"), refusal));
    }

    fn warn_of_nameless(&mut self, at: &Heading, certificate: Option<&ListenerCertificate>) {
        if certificate.is_some_and(|certificate| certificate.identity.names().is_empty()) {
            let problem = "it is never presented: it has no name of DNS that a client could ask for";
            let refusal = Refusal::new(problem, "name one with subjectAltName, or remove it");
            self.warnings.push(self.document.fault(at.start(), at.key_path("cert_file"), refusal));
        }
    }
}

/// Where a key stands in a section, by its name.
pub(super) type Placed = (&'static str, Option<usize>);

/// Notes at which of its two files an identity failed.
pub(super) fn refuse_identity(
    document: &mut Document<'_>,
    at: &Heading,
    certificate: Placed,
    key: Placed,
    fault: &IdentityFault,
) {
    let (name, place) = if fault.is_of_key() { key } else { certificate };
    document.refuse(at, name, place, Refusal::new(fault.to_string(), fault.remedy()));
}
