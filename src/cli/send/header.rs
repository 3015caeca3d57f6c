//! `-H`, as curl reads it.

use std::str::FromStr;

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::header::{TRANSFER_ENCODING, USER_AGENT};

use super::data::Data;
use super::target::Target;

/// One `-H`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderArg {
    /// `name: value`, or `name;` for one without a value.
    Add(HeaderName, HeaderValue),
    /// `name:` takes a header of our own out.
    Remove(HeaderName),
}

impl HeaderArg {
    fn name(&self) -> &HeaderName {
        match self {
            Self::Add(name, _) | Self::Remove(name) => name,
        }
    }
}

impl FromStr for HeaderArg {
    type Err = NotAHeader;

    fn from_str(text: &str) -> Result<Self, NotAHeader> {
        let name = |name: &str| name.trim_ascii().parse::<HeaderName>().map_err(|_| NotAHeader::Malformed);
        let header = match (text.split_once(':'), text.strip_suffix(';')) {
            (Some((before, after)), _) if after.trim_ascii().is_empty() => Self::Remove(name(before)?),
            (Some((before, after)), _) => {
                let value = HeaderValue::from_bytes(after.trim_ascii().as_bytes());
                Self::Add(name(before)?, value.map_err(|_| NotAHeader::Malformed)?)
            }
            (None, Some(before)) => Self::Add(name(before)?, HeaderValue::from_static("")),
            (None, None) => return Err(NotAHeader::Malformed),
        };
        if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(header.name()) {
            return Err(NotAHeader::Framing);
        }
        Ok(header)
    }
}

/// Why a text is no header to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAHeader {
    /// The length of what is sent is not the plaintext's.
    #[error("content-length and transfer-encoding are set by alewife")]
    Framing,
    /// It has no form of a header.
    #[error("expected a header such as 'accept: text/plain'")]
    Malformed,
}

/// The plain headers of a request: curl's own, but for those that `given` replaces or removes.
pub(super) fn plain(given: &[HeaderArg], target: &Target, data: Option<&Data>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&target.authority).ok();
    let agent = concat!("alewife/", env!("CARGO_PKG_VERSION"));
    let json = data.is_some_and(|data| data.is_json);
    let form = if json { "application/json" } else { "application/x-www-form-urlencoded" };
    let own = [
        (HOST, host),
        (USER_AGENT, Some(HeaderValue::from_static(agent))),
        (ACCEPT, Some(HeaderValue::from_static(if json { "application/json" } else { "*/*" }))),
        (CONTENT_TYPE, data.map(|_| HeaderValue::from_static(form))),
    ];
    for (name, value) in own {
        if let Some(value) = value.filter(|_| !given.iter().any(|header| *header.name() == name)) {
            headers.insert(name, value);
        }
    }
    for header in given {
        if let HeaderArg::Add(name, value) = header {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}
