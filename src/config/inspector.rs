//! `[inspector]`: what passes, shown on a page on this machine, with values masked by name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::SeqAccess;

use super::proxy::Listener;
use super::values::{ByteSize, Inet};
use crate::capture::CaptureLimits;
use crate::document::{Document, Fault, Field, Refusal, Section, Value};
use crate::inspector::{DEFAULT_NAMES, InspectorConfig, Mask};

/// More is a slip of the pen: it lies in memory.
const MOST_EXCHANGES: i64 = 100_000;

/// `[inspector]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawInspector {
    listen: Field<Loopback>,
    url_file: Field<PathBuf>,
    mask: Field<Names>,
    mask_defaults: Field<bool>,
    exchanges: Field<Exchanges>,
    bytes: Field<ByteSize>,
    body: Field<ByteSize>,
}

/// An address that only this machine reaches.
struct Loopback(SocketAddr);

impl Value for Loopback {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:7090\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        Inet::from_text(text).and_then(Self::of)
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        Inet::from_integer(number).and_then(Self::of)
    }
}

impl Loopback {
    fn of(Inet(address): Inet) -> Result<Self, Refusal> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(Self(address));
        }
        let remedy = "write an address of loopback, for example \"127.0.0.1:7090\"; from elsewhere, a tunnel of ssh leads there";
        Err(Refusal::new(
            format!("{address} can be reached over a network, and the inspector shows plaintext"),
            remedy,
        ))
    }
}

/// Names whose values are masked.
struct Names(Vec<String>);

impl Value for Names {
    const EXPECTED: &'static str = "a name such as \"card-number\", or a list of them";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        match Mask::none().and(text) {
            Ok(_) => Ok(Self(vec![text.to_owned()])),
            Err(error) => {
                let remedy = "write letters and digits, with an asterisk at either end or none, for example \"*password*\"";
                Err(Refusal::new(format!("{text:?} is no name: {error}"), remedy))
            }
        }
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Result<Self, Refusal>, A::Error> {
        let names = Vec::<Self>::from_list(list)?;
        Ok(names.map(|names| Self(names.into_iter().flat_map(|Self(name)| name).collect())))
    }
}

/// How many exchanges are kept.
struct Exchanges(usize);

impl Value for Exchanges {
    const EXPECTED: &'static str = "a number of exchanges";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let fits = usize::try_from(number).ok().filter(|_| (1..=MOST_EXCHANGES).contains(&number));
        fits.map(Self).ok_or_else(|| {
            Refusal::new(
                format!("{number} is not a number of exchanges"),
                format!("write 1 to {MOST_EXCHANGES}"),
            )
        })
    }
}

/// The settings, where it listens, and what is not safe about it.
pub(super) struct Read {
    pub(super) config: InspectorConfig,
    pub(super) listener: Listener,
    pub(super) warning: Fault,
}

/// Nothing where the section is not written: then nothing is kept and nothing shown.
pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>, directory: &Path) -> Option<Read> {
    if section.is_absent() {
        return None;
    }
    let (raw, at) = document.read::<RawInspector>(section);
    let line = raw.listen.start().map(|at| document.place(at).line);
    let Loopback(listen) = document.or(&at, "listen", raw.listen, Loopback(InspectorConfig::LISTEN));
    let remedy = "name the file that is told where the page is, with the token that opens it; only its owner may read it";
    let url_file = document.require(&at, "url_file", raw.url_file, remedy);
    let Names(names) = document.or(&at, "mask", raw.mask, Names(Vec::new()));
    let defaults = document.or(&at, "mask_defaults", raw.mask_defaults, true);
    let usual = CaptureLimits::default();
    let Exchanges(exchanges) = document.or(&at, "exchanges", raw.exchanges, Exchanges(usual.exchanges));
    let size = |ByteSize(bytes): ByteSize| usize::try_from(bytes).unwrap_or(usize::MAX);
    let usual_size = |bytes: usize| ByteSize(bytes as u64);
    let bytes = size(document.or(&at, "bytes", raw.bytes, usual_size(usual.bytes)));
    let body = size(document.or(&at, "body", raw.body, usual_size(usual.body)));
    let defaults = DEFAULT_NAMES.into_iter().filter(|_| defaults);
    // Each was looked at when it was read.
    let mask = defaults.chain(names.iter().map(String::as_str)).try_fold(Mask::none(), Mask::and).ok()?;
    let problem =
        "plaintext is kept in memory and shown on this machine, but for values that are masked by name";
    let remedy = "remove [inspector] where nobody looks for a fault";
    let warning = document.fault(at.start(), at.key_path(""), Refusal::new(problem, remedy));
    let limits = CaptureLimits { exchanges, bytes, body };
    Some(Read {
        config: InspectorConfig { listen, url_file: directory.join(url_file?), mask, limits },
        listener: Listener { address: listen.into(), line },
        warning,
    })
}
