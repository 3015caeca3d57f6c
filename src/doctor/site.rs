//! Every text of a capture that may be a part of what is sealed, with its place.

use std::collections::BTreeMap;
use std::fmt;

use http::HeaderName;
use http::header::{self, CONTENT_TYPE};
use zeroize::Zeroizing;

use super::capture::Capture;
use super::lenient::Quirk;
use crate::crypto::encoding::Encoding;
use crate::payload::form;
use crate::payload::json::{Json, Kind, unescape};
use crate::profile::Place;

/// Places of one kind that are looked at.
const MOST_OF_A_KIND: usize = 64;

/// Where a text stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Body,
    At(Place),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("body"),
            Self::At(place) => place.fmt(f),
        }
    }
}

/// A text at its place.
pub(super) struct Site {
    pub(super) spot: Spot,
    pub(super) text: Zeroizing<Vec<u8>>,
}

/// What a text stands for under an encoding.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) encoding: Encoding,
    pub(super) bytes: Vec<u8>,
    /// Why Alewife would not read it so.
    pub(super) quirk: Option<Quirk>,
}

impl Site {
    /// The last name of its place, for a look at what it is called.
    fn name(&self) -> String {
        let name = match &self.spot {
            Spot::Body => "",
            Spot::At(Place::Header(name)) => name.as_str(),
            Spot::At(Place::Field(name) | Place::Query(name)) => name,
            Spot::At(Place::Member(pointer)) => pointer.segments().last().map_or("", |last| last),
        };
        name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase()
    }

    /// Whether it is called as an IV is.
    pub(super) fn is_called_iv(&self) -> bool {
        let name = self.name();
        name.ends_with("iv")
            || name.starts_with("iv")
            || ["nonce", "initial", "vector"].iter().any(|part| name.contains(part))
    }

    /// Whether it is called as what is authenticated besides is.
    pub(super) fn is_called_aad(&self) -> bool {
        let name = self.name();
        ["aad", "associated", "additional"].iter().any(|part| name.contains(part))
    }

    /// Whether it is called as the name of a key is.
    pub(super) fn is_called_key(&self) -> bool {
        let name = self.name();
        name.contains("fingerprint")
            || ["kid", "keyid", "keyname", "keyversion"].iter().any(|end| name.ends_with(end))
    }

    /// Whether a profile can name it: nothing of a vendor's can stand in a header that frames a message.
    pub(super) fn is_free(&self) -> bool {
        !matches!(&self.spot, Spot::At(Place::Header(name)) if is_taken(name))
    }

    /// All that the text may stand for, as strictly as Alewife reads it. Two encodings that give the same are one.
    pub(super) fn readings(&self) -> Vec<Reading> {
        let mut readings: Vec<Reading> = Vec::new();
        for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url, Encoding::Raw] {
            let text = self.as_read(encoding);
            let Some(bytes) = encoding.decode(&text) else { continue };
            if !readings.iter().any(|known| known.bytes == bytes) {
                readings.push(Reading { encoding, bytes, quirk: None });
            }
        }
        readings
    }

    /// An unescaped `+` of a query or form reads as a space; in base64 there is none.
    fn as_read(&self, encoding: Encoding) -> Zeroizing<Vec<u8>> {
        let mut text = self.text.clone();
        if encoding == Encoding::Base64 && matches!(self.spot, Spot::At(Place::Field(_) | Place::Query(_))) {
            text.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'+');
        }
        text
    }
}

/// Every site of the capture; the body comes first.
pub(super) fn of(capture: &Capture) -> Vec<Site> {
    let mut sites = Vec::new();
    if !capture.body.is_empty() {
        sites.push(Site { spot: Spot::Body, text: Zeroizing::new(capture.body.clone()) });
    }
    members(&capture.body, &mut sites);
    if is_form_body(capture) {
        pairs(&capture.body, Place::Field, &mut sites);
    }
    let query = capture.head.uri.query().unwrap_or_default();
    pairs(query.as_bytes(), Place::Query, &mut sites);
    let headers = &capture.head.headers;
    for name in headers.keys().take(MOST_OF_A_KIND) {
        let mut values = headers.get_all(name).iter();
        if let (Some(value), None) = (values.next(), values.next()) {
            let spot = Spot::At(Place::Header(name.clone()));
            sites.push(Site { spot, text: Zeroizing::new(value.as_bytes().to_vec()) });
        }
    }
    sites.retain(|site| !site.text.is_empty());
    sites
}

fn members(body: &[u8], sites: &mut Vec<Site>) {
    let Ok(json) = Json::parse(body) else { return };
    for leaf in json.leaves().filter(|leaf| leaf.kind == Kind::String).take(MOST_OF_A_KIND) {
        let pointer = leaf.pointer();
        let is_alone = json.find(&pointer).is_ok_and(|found| found.is_some());
        if is_alone && !pointer.segments().is_empty() {
            let text = unescape(&body[leaf.span.clone()]);
            sites.push(Site { spot: Spot::At(Place::Member(pointer)), text });
        }
    }
}

fn pairs(text: &[u8], place: impl Fn(Box<str>) -> Place, sites: &mut Vec<Site>) {
    let mut named: BTreeMap<String, Vec<Zeroizing<Vec<u8>>>> = BTreeMap::new();
    for pair in form::pairs(text).take(MOST_OF_A_KIND) {
        let name = form::decode(&pair.name()).and_then(|name| String::from_utf8(name.to_vec()).ok());
        let value = pair.value.map_or(&b""[..], |span| &text[span]);
        if let (Some(name), Some(value)) = (name, form::decode(value)) {
            named.entry(name).or_default().push(value);
        }
    }
    for (name, mut values) in named {
        if let (Some(text), true) = (values.pop(), values.is_empty() && !name.is_empty()) {
            sites.push(Site { spot: Spot::At(place(name.into())), text });
        }
    }
}

/// Whether the body is a form, as far as its head or it looks tell.
pub(super) fn is_form_body(capture: &Capture) -> bool {
    let stated = capture.head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    match stated {
        Some(stated) if stated.starts_with(b"application/x-www-form-urlencoded") => true,
        Some(stated) if stated.windows(4).any(|part| part == b"json") => false,
        _ => is_form(&capture.body),
    }
}

/// Whether a text without a `content-type` looks like pairs rather than like base64 that ends in `=`.
pub(super) fn is_form(text: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        !name.is_empty()
            && name.len() <= 60
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%~$".contains(byte))
    };
    let mut has_value = false;
    let all = form::pairs(text).all(|pair| {
        let value = pair.value.clone().map_or(&b""[..], |span| &text[span]);
        has_value |= value.iter().any(|byte| *byte != b'=');
        pair.value.is_some() && is_name(&pair.name())
    });
    all && has_value && text.is_ascii()
}

/// Headers that have a meaning of their own, or come from every client.
fn is_taken(name: &HeaderName) -> bool {
    const TAKEN: [HeaderName; 20] = [
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::ACCEPT_LANGUAGE,
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::DATE,
        header::EXPECT,
        header::HOST,
        header::REFERER,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::USER_AGENT,
        header::VIA,
    ];
    TAKEN.contains(name)
}
