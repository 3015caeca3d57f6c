//! Fields that a portal wants to see: a token, an agreed name.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::FetchFault;
use crate::sources::SecretSource;

/// What HTTP itself says by fields, or this client by its own.
const OURS: [HeaderName; 17] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::RANGE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// One field of every request to the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalHeader {
    name: HeaderName,
    prefix: String,
    value: HeaderSource,
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSource {
    /// It stands in the configuration. Is not shown all the same.
    Literal(HeaderValue),
    /// It is read anew for each fetch.
    Secret(SecretSource),
}

impl PortalHeader {
    /// A field called `name`, whose value is `prefix` and what `value` gives.
    pub fn new(name: HeaderName, prefix: String, value: HeaderSource) -> Result<Self, PortalHeaderFault> {
        Self::check_name(&name)?;
        if !is_sendable(prefix.as_bytes()) {
            return Err(PortalHeaderFault::Prefix);
        }
        let value = match value {
            HeaderSource::Literal(mut value) => {
                value.set_sensitive(true);
                HeaderSource::Literal(value)
            }
            secret => secret,
        };
        Ok(Self { name, prefix, value })
    }

    /// Whether a field of this name may be sent at all.
    pub fn check_name(name: &HeaderName) -> Result<(), PortalHeaderFault> {
        if OURS.contains(name) { Err(PortalHeaderFault::Ours(name.clone())) } else { Ok(()) }
    }

    /// What the field is called.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether the value could be had now, so that a token that is not there is found before it is needed. May block.
    pub fn check_value(&self) -> Result<(), FetchFault> {
        self.value().map(drop)
    }

    /// The whole value as it is now. Its memory is wiped with its last clone.
    pub(super) fn value(&self) -> Result<HeaderValue, FetchFault> {
        let unreadable = |fault| FetchFault::Secret { header: self.name.clone(), fault };
        let value = match &self.value {
            HeaderSource::Literal(value) => Zeroizing::new(value.as_bytes().to_vec()),
            HeaderSource::Secret(source) => {
                let text = source.read().map_err(unreadable)?;
                Zeroizing::new(text.as_bytes().to_vec())
            }
        };
        let mut whole = Zeroizing::new(Vec::with_capacity(self.prefix.len() + value.len()));
        whole.extend_from_slice(self.prefix.as_bytes());
        whole.extend_from_slice(&value);
        if !is_sendable(&whole) {
            return Err(FetchFault::Unsendable(self.name.clone()));
        }
        let value = HeaderValue::from_maybe_shared(Bytes::from_owner(whole));
        let mut value = value.map_err(|_| FetchFault::Unsendable(self.name.clone()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// RFC 9110 §5.5, and no bytes beyond ASCII, which servers read differently.
fn is_sendable(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
}

/// Why a field cannot be one of the portal's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortalHeaderFault {
    /// It belongs to HTTP, or to the way in which this client asks.
    #[error("{0} is for the connection or for conditions, and not to be set")]
    Ours(HeaderName),
    /// What stands before the value cannot be sent.
    #[error("the prefix has a character that no header can bear")]
    Prefix,
}

impl PortalHeaderFault {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Ours(_) => "remove it; it is set as the fetch needs it",
            Self::Prefix => "write ASCII on one line, for example \"Bearer \"",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::SecretFault;

    fn of_file(content: &str) -> (tempfile::TempDir, PortalHeader) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        let value = HeaderSource::Secret(SecretSource::File(path));
        (directory, PortalHeader::new(header::AUTHORIZATION, "Bearer ".to_owned(), value).unwrap())
    }

    #[test]
    fn value_is_read_anew_behind_its_prefix_and_is_never_shown() {
        let (directory, field) = of_file("s3cret\n");
        let value = field.value().unwrap();
        assert_eq!(value, "Bearer s3cret");
        assert!(value.is_sensitive());
        std::fs::write(directory.path().join("token"), "next").unwrap();
        assert_eq!(field.value().unwrap(), "Bearer next");
        let literal = HeaderSource::Literal(HeaderValue::from_static("s3cret"));
        let literal = PortalHeader::new(HeaderName::from_static("x-a"), String::new(), literal).unwrap();
        assert_eq!(literal.value().unwrap(), "s3cret");
        assert!(!format!("{literal:?}").contains("s3cret"));
    }

    #[test]
    fn secret_that_no_header_can_bear_is_told_by_the_headers_name() {
        for content in ["two\nlines", "caf\u{e9}", "a\0b", "\u{1b}"] {
            let (_directory, field) = of_file(content);
            assert!(
                matches!(field.value(), Err(FetchFault::Unsendable(name)) if name == header::AUTHORIZATION)
            );
        }
        let (directory, field) = of_file("");
        assert!(matches!(field.value(), Err(FetchFault::Secret { fault: SecretFault::Empty(_), .. })));
        std::fs::remove_file(directory.path().join("token")).unwrap();
        assert!(matches!(
            field.value(),
            Err(FetchFault::Secret { fault: SecretFault::Unreadable { .. }, .. })
        ));
    }

    #[test]
    fn fields_of_the_connection_and_of_conditions_are_not_to_be_set() {
        let literal = || HeaderSource::Literal(HeaderValue::from_static("a"));
        for name in OURS {
            let refused = PortalHeader::new(name.clone(), String::new(), literal());
            assert_eq!(refused, Err(PortalHeaderFault::Ours(name)));
        }
        for name in ["authorization", "x-vault-token", "cookie", "accept", "user-agent"] {
            let name: HeaderName = name.parse().unwrap();
            assert_eq!(PortalHeader::check_name(&name), Ok(()));
        }
        let refused = PortalHeader::new(header::AUTHORIZATION, "Bearer\n".to_owned(), literal());
        assert_eq!(refused, Err(PortalHeaderFault::Prefix));
    }
}
