//! `[keys.portal]`: an HTTPS address that keys are fetched from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::format::Parts;
use crate::config::secret;
use crate::config::values::{ByteSize, Deadline, Literal};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section, Value};
use crate::net::{CaFile, Identity, Roots};
use crate::sources::portal::{HeaderSource, PortalConfig, PortalHeader, PortalUrl};
use crate::sources::{CacheFile, PortalSource};

/// The portal, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawPortal {
    url: Field<PortalUrl>,
    ca_file: Field<PathBuf>,
    client_certificate: Field<PathBuf>,
    client_key: Field<PathBuf>,
    poll_interval: Field<Deadline>,
    connect_timeout: Field<Deadline>,
    timeout: Field<Deadline>,
    max_answer: Field<ByteSize>,
    cache_file: Field<PathBuf>,
    max_stale: Field<Deadline>,
    unready_when_stale: Field<bool>,
    follow_portal: Field<bool>,
}

const MAX_ANSWER: ByteSize = ByteSize(4 * 1024 * 1024);

/// Reads a portal; `directory` is where paths start.
pub(super) fn read<'t>(
    document: &mut Document<'t>,
    mut section: Section<'t>,
    directory: &Path,
    warnings: &mut Vec<Fault>,
) -> Option<PortalSource> {
    let headers = document.table(&mut section, "headers");
    let cache_key = document.table(&mut section, "cache_key");
    let format = Parts::take(document, &mut section);
    let (raw, at) = document.read::<RawPortal>(section);
    let url_at = raw.url.start();
    let url = document.require(
        &at,
        "url",
        raw.url,
        "write where the keys are: url = \"https://portal.example/sites/4711\"",
    );
    let format = format.read(document, warnings);
    let headers = read_headers(document, headers, directory);
    let is_plain = url.as_ref().is_some_and(PortalUrl::is_plain);
    let trust = Trust { ca_file: raw.ca_file, certificate: raw.client_certificate, key: raw.client_key };
    let (roots, identity) = trust.read(document, &at, is_plain, directory)?;
    let cache = read_cache(document, &at, raw.cache_file, cache_key, directory);
    let mut deadline = |name: &str, field, default| {
        let Deadline(deadline) = document.or(&at, name, field, Deadline(Duration::from_secs(default)));
        deadline
    };
    let poll_interval = deadline("poll_interval", raw.poll_interval, 5 * 60);
    let connect_timeout = deadline("connect_timeout", raw.connect_timeout, 5);
    let timeout = deadline("timeout", raw.timeout, 15);
    let max_stale = deadline("max_stale", raw.max_stale, 7 * 24 * 60 * 60);
    let ByteSize(max_answer) = document.or(&at, "max_answer", raw.max_answer, MAX_ANSWER);
    let unready_when_stale = document.or(&at, "unready_when_stale", raw.unready_when_stale, false);
    let follow = document.or(&at, "follow_portal", raw.follow_portal, false);
    if follow {
        warnings.push(follows(document, &at, url_at));
    }
    let client =
        PortalConfig { url: url?, headers: headers?, roots, identity, connect_timeout, timeout, max_answer };
    Some(PortalSource {
        client,
        format: format?,
        poll_interval,
        cache: cache?,
        max_stale,
        unready_when_stale,
        follow,
    })
}

fn follows(document: &Document<'_>, at: &Heading, place: Option<usize>) -> Fault {
    let problem = "whoever runs the portal can switch the encryption off, and all goes in clear";
    let remedy = "leave follow_portal out unless that is meant";
    document.fault(place, at.key_path("follow_portal"), Refusal::new(problem, remedy))
}

/// Whom to trust and who we are, as it is written.
struct Trust {
    ca_file: Field<PathBuf>,
    certificate: Field<PathBuf>,
    key: Field<PathBuf>,
}

impl Trust {
    fn read(
        self,
        document: &mut Document<'_>,
        at: &Heading,
        is_plain: bool,
        directory: &Path,
    ) -> Option<(Roots, Option<Identity>)> {
        let (ca_at, certificate_at, key_at) =
            (self.ca_file.start(), self.certificate.start(), self.key.start());
        let ca_file = document.optional(at, "ca_file", self.ca_file).map(|path| directory.join(path));
        let certificate = document.optional(at, "client_certificate", self.certificate);
        let key = document.optional(at, "client_key", self.key);
        if is_plain {
            for (name, place) in
                [("ca_file", ca_at), ("client_certificate", certificate_at), ("client_key", key_at)]
            {
                if place.is_some() {
                    let remedy = "write https:// in url, or remove it";
                    let refusal = Refusal::new("nothing to use it for, since url is http://", remedy);
                    document.refuse(at, name, place, refusal);
                }
            }
            return Some((Roots::WebPki, None));
        }
        let roots = match ca_file.map(CaFile::read) {
            None => Some(Roots::WebPki),
            Some(Ok(file)) => Some(Roots::File(file)),
            Some(Err(fault)) => {
                let remedy = "name a readable PEM file with the certificates of those who issue the portal's";
                document.refuse(at, "ca_file", ca_at, Refusal::new(format!("the file {fault}"), remedy));
                None
            }
        };
        let identity = match (certificate, key) {
            (None, None) => Some(None),
            (Some(certificate), Some(key)) => {
                let read = Identity::read(directory.join(certificate), directory.join(key));
                let remedy = "name two readable PEM files that belong together";
                read.map(Some)
                    .map_err(|fault| Refusal::new(fault.to_string(), remedy))
                    .map_err(|refusal| document.refuse(at, "client_certificate", certificate_at, refusal))
                    .ok()
            }
            (Some(_), None) => {
                let refusal = Refusal::new("a certificate without its key", "write client_key as well");
                document.refuse(at, "client_certificate", certificate_at, refusal);
                None
            }
            (None, Some(_)) => {
                let refusal =
                    Refusal::new("a key without its certificate", "write client_certificate as well");
                document.refuse(at, "client_key", key_at, refusal);
                None
            }
        };
        roots.zip(identity)
    }
}

/// One header of the request, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawHeader {
    env: Field<Literal>,
    file: Field<PathBuf>,
    value: Field<Literal>,
    prefix: Field<Literal>,
}

fn read_headers<'t>(
    document: &mut Document<'t>,
    section: Section<'t>,
    directory: &Path,
) -> Option<Vec<PortalHeader>> {
    let remedy = "write where its value is: { file = \"PATH\" } or { env = \"VARIABLE\" }, or { value = \"…\" } if it is \
                  no secret";
    let members = document.members(section, remedy);
    let headers: Vec<_> =
        members.into_iter().map(|(name, section)| read_header(document, &name, section, directory)).collect();
    headers.into_iter().collect()
}

fn read_header<'t>(
    document: &mut Document<'t>,
    name: &str,
    section: Section<'t>,
    directory: &Path,
) -> Option<PortalHeader> {
    let (raw, at) = document.read::<RawHeader>(section);
    let name =
        HeaderName::from_text(name).map_err(|refusal| document.refuse(&at, "", at.start(), refusal)).ok();
    let value_at = raw.value.start();
    let Literal(prefix) = document.or(&at, "prefix", raw.prefix, Literal("".into()));
    let source = match raw.value {
        Field::Absent => {
            secret::one_of(document, &at, raw.env, raw.file, directory).map(HeaderSource::Secret)
        }
        value => {
            if raw.env.start().is_some() || raw.file.start().is_some() {
                let refusal = Refusal::new("a second value for one header", "write only one");
                document.refuse(&at, "value", value_at, refusal);
            }
            let literal = document.optional(&at, "value", value);
            literal.and_then(|Literal(text)| match HeaderValue::from_str(&text) {
                Ok(value) => Some(HeaderSource::Literal(value)),
                Err(_) => {
                    let refusal = Refusal::new(
                        "not the value of a header",
                        "write visible characters and spaces alone",
                    );
                    document.refuse(&at, "value", value_at, refusal);
                    None
                }
            })
        }
    };
    let header = PortalHeader::new(name?, prefix.into(), source?);
    let refusal = header.as_ref().err().map(|fault| Refusal::new(fault.to_string(), fault.remedy()));
    refusal.into_iter().for_each(|refusal| document.refuse(&at, "", at.start(), refusal));
    header.ok()
}

/// The cache, if there is one; `None` if what is said of it is wrong.
fn read_cache<'t>(
    document: &mut Document<'t>,
    at: &Heading,
    file: Field<PathBuf>,
    key: Section<'t>,
    directory: &Path,
) -> Option<Option<CacheFile>> {
    let (file_at, has_key, key_at) = (file.start(), !key.is_absent(), key.heading().start());
    let file = document.optional(at, "cache_file", file);
    let key = secret::read(document, key, directory);
    match (file, has_key) {
        (None, false) => Some(None),
        (Some(path), true) => Some(Some(CacheFile { path: directory.join(path), key: key? })),
        (Some(_), false) => {
            let remedy = "write where 32 random bytes are that seal it: cache_key = { file = \"cache.key\" }, with hex:… or \
                          base64:… in the file";
            document.refuse(at, "cache_file", file_at, Refusal::new("a cache without a key", remedy));
            None
        }
        (None, true) => {
            let refusal = Refusal::new("a key without a cache", "write cache_file as well, or remove it");
            document.refuse(at, "cache_key", key_at, refusal);
            None
        }
    }
}

impl Value for PortalUrl {
    const EXPECTED: &'static str = "a URL such as \"https://portal.example/sites/4711\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        // Nothing of it is quoted, since some portals take their token there.
        text.parse::<Self>().map_err(|fault| Refusal::new(format!("it {fault}"), fault.remedy()))
    }
}
