//! What can go wrong in a TLS handshake, in words for the log.

use std::error;
use std::io;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why no TLS connection came about. Clients are told none of it.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Nobody among the roots has issued the certificate.
    #[error("its certificate has an issuer who is not among the roots; ca_file names others")]
    UnknownIssuer,
    /// The certificate speaks for others.
    #[error("its certificate is for {}, not for {}", listed(.presented), .expected.to_str())]
    WrongName {
        /// Who was asked for.
        expected: ServerName<'static>,
        /// Whom it speaks for.
        presented: Vec<String>,
    },
    /// The certificate's time is over.
    #[error("its certificate has expired")]
    Expired,
    /// The certificate's time has not begun.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// The certificate is wrong in another way.
    #[error("its certificate is not accepted: {0}")]
    Certificate(CertificateError),
    /// No version of TLS or no cipher is common to both sides.
    #[error("it has no version or cipher of TLS in common with us: {0:?}")]
    Incompatible(PeerIncompatible),
    /// It does not take the version of HTTP that is to be spoken.
    #[error("it does not take this version of HTTP (ALPN); upstream_http names another")]
    NoCommonHttp,
    /// What it sends are no TLS records.
    #[error("what it answers is not TLS")]
    NotTls,
    /// It sent an alert.
    #[error("it refused the TLS handshake: {0:?}")]
    Refused(AlertDescription),
    /// It did something else that TLS does not allow.
    #[error("the TLS handshake failed: {0}")]
    Protocol(Error),
    /// The socket broke.
    #[error("the connection broke in the TLS handshake: {0}")]
    Broke(io::Error),
}

impl TlsFault {
    /// What TLS has to do with `error`: an alert may come long after the handshake, for one about our certificate does
    /// under TLS 1.3.
    pub(crate) fn behind(error: &(dyn error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = io.and_then(|inner| inner.downcast_ref::<Error>()) {
                return Some(found.clone().into());
            }
            next = error.source();
        }
        None
    }
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(inner) => inner.clone().into(),
            None => Self::Broke(error),
        }
    }
}

impl From<Error> for TlsFault {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => error.into(),
            Error::PeerIncompatible(why) => Self::Incompatible(why),
            Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Self::NoCommonHttp
            }
            Error::AlertReceived(alert) => Self::Refused(alert),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            error => Self::Protocol(error),
        }
    }
}

impl From<CertificateError> for TlsFault {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::WrongName { expected, presented }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            error => Self::Certificate(error),
        }
    }
}

/// The names of a certificate, of which there may be thousands.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| bare(name)).collect();
    match names.len() {
        0 => "nobody".to_owned(),
        1..=SHOWN => shown.join(", "),
        all => format!("{} and {} others", shown.join(", "), all - SHOWN),
    }
}

/// rustls shows names as `DnsName("a.test")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_kind, rest)| rest.strip_suffix(')'));
    inner.map_or(name, |inner| inner.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_for_many_is_told_by_a_few_of_them() {
        let names = |count: usize| -> Vec<String> {
            (0..count).map(|number| format!("DnsName(\"{number}.test\")")).collect()
        };
        assert_eq!(listed(&names(0)), "nobody");
        assert_eq!(listed(&names(2)), "0.test, 1.test");
        assert_eq!(listed(&names(6)), "0.test, 1.test, 2.test, 3.test and 2 others");
        assert_eq!(listed(&["IpAddress(192.0.2.1)".to_owned(), "plain".to_owned()]), "192.0.2.1, plain");
    }
}
