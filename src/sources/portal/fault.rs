//! Why a fetch brought no document.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::net::TlsFault;
use crate::sources::SecretFault;

/// Why a fetch brought no document. Quotes no body, no header's value and no query.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The connection broke.
    #[error("the connection to the portal broke: {0}")]
    Broke(hyper::Error),
    /// No connection came about in time.
    #[error("the portal cannot be reached within {} ms", .0.as_millis())]
    ConnectTimedOut(Duration),
    /// The connection ended before the answer did, or TLS ended without saying so, as if it had been cut.
    #[error("the portal's answer was cut short")]
    CutShort,
    /// There is not a byte in it.
    #[error("the portal's answer is empty")]
    Empty,
    /// It is compressed, or encoded in another way.
    #[error("the portal's answer is encoded as {0:?}, though it was asked for as it is")]
    Encoded(String),
    /// The head of the answer is longer than any should be.
    #[error("the head of the portal's answer is too long")]
    HeadTooLarge,
    /// The fetch broke off for a reason of our own, at a stop for example.
    #[error("the fetch was broken off")]
    Interrupted,
    /// The portal speaks other versions of HTTP only.
    #[error("the portal does not take HTTP/1.1 (ALPN)")]
    NoCommonHttp,
    /// What came is not HTTP.
    #[error("what the portal answers is not HTTP: {0}")]
    NotHttp(hyper::Error),
    /// It says that nothing has changed, and was not asked.
    #[error("the portal says that its document is unchanged (304), though it was not asked whether it is")]
    NotModifiedUnasked,
    /// It is no text.
    #[error("the portal's answer is not UTF-8")]
    NotUtf8,
    /// A redirect to another scheme, host or port, where the secrets of this one have no business.
    #[error("the portal redirects to {0}, which is another scheme, host or port, and is not followed")]
    RedirectElsewhere(String),
    /// A redirect to no place that can be read.
    #[error("the portal redirects ({0}), but does not say where to")]
    RedirectNowhere(StatusCode),
    /// What a header should bear cannot be had.
    #[error("the header {header} has no value: {fault}")]
    Secret {
        /// The field.
        header: HeaderName,
        /// Why.
        fault: SecretFault,
    },
    /// Any status that brings no document.
    #[error("the portal answers {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The wait that it asks for, an hour at most.
        retry_after: Option<Duration>,
    },
    /// The fetch took too long as a whole.
    #[error("the portal's answer is not there within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It is not who it should be, or does not take us for who we are.
    #[error("the portal cannot be reached by TLS: {0}")]
    Tls(TlsFault),
    /// More bytes than a document may have.
    #[error("the portal's answer is longer than {limit} bytes")]
    TooLarge {
        /// `max_answer`.
        limit: u64,
    },
    /// Redirect after redirect.
    #[error("the portal redirects again and again")]
    TooManyRedirects,
    /// There is nobody, or the name is not known.
    #[error("the portal cannot be reached: {0}")]
    Unreachable(io::Error),
    /// What a header should bear has characters that none can.
    #[error("the value of the header {0} has a character that no header can bear")]
    Unsendable(HeaderName),
}

impl FetchFault {
    /// How long the portal asked not to be asked, an hour at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Broke(_) | Self::CutShort | Self::Interrupted | Self::NotModifiedUnasked => {
                "nothing, if it was once: it is asked again; otherwise see what stands between here and the portal"
            }
            Self::ConnectTimedOut(_) | Self::Unreachable(_) => {
                "see that url has the right host and port, and that the portal can be reached from here"
            }
            Self::Empty | Self::NotHttp(_) | Self::NotUtf8 => {
                "see that url leads to the document, for example with curl"
            }
            Self::Encoded(_) => "have the portal, or what stands before it, honour accept-encoding: identity",
            Self::HeadTooLarge => "see what fields the portal answers with, for example with curl -i",
            Self::NoCommonHttp => "have the portal, or what stands before it, take HTTP/1.1 as well",
            Self::RedirectElsewhere(_) | Self::RedirectNowhere(_) | Self::TooManyRedirects => {
                "write the URL at which the document really is"
            }
            Self::Secret { .. } => "see that the file or variable is there, and that this user may read it",
            Self::Status { status, .. } => status_remedy(*status),
            Self::TimedOut(_) => "see why the portal is slow, or raise timeout",
            Self::Tls(fault) => tls_remedy(fault),
            Self::TooLarge { .. } => "see that url leads to the document alone, or raise max_answer",
            Self::Unsendable(_) => "write the secret as one line of ASCII",
        }
    }

    /// What hyper says, in our words.
    pub(super) fn from_hyper(error: hyper::Error) -> Self {
        if let Some(fault) = TlsFault::behind(&error) {
            return Self::from(fault);
        }
        if error.is_parse_too_large() {
            return Self::HeadTooLarge;
        }
        if error.is_parse() {
            return Self::NotHttp(error);
        }
        match io_kind(&error) {
            Some(io::ErrorKind::UnexpectedEof) => Self::CutShort,
            Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Self::NotHttp(error),
            _ if error.is_incomplete_message() => Self::CutShort,
            _ => Self::Broke(error),
        }
    }
}

impl From<TlsFault> for FetchFault {
    fn from(fault: TlsFault) -> Self {
        match fault {
            // Its words speak of a setting that upstreams have.
            TlsFault::NoCommonHttp => Self::NoCommonHttp,
            fault => Self::Tls(fault),
        }
    }
}

/// Of the first error of input or output among the causes.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

fn status_remedy(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "see that headers bear the portal's token, that it has not run out, and that it may read the document"
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => "see that the path of url is right",
        StatusCode::TOO_MANY_REQUESTS => "raise poll_interval, or have the portal grant more requests",
        _ if status.is_server_error() => "see the portal's own log; it is asked again",
        _ => "see that url leads to the document, for example with curl",
    }
}

fn tls_remedy(fault: &TlsFault) -> &'static str {
    match fault {
        TlsFault::UnknownIssuer => "name the certificate of the portal's issuer in ca_file",
        TlsFault::WrongName { .. } => "write the host in url for which the portal's certificate is",
        TlsFault::Expired | TlsFault::NotYetValid => {
            "renew the portal's certificate; see that the clock here is right"
        }
        TlsFault::Refused(_) => {
            "see that client_certificate and client_key are what the portal asks for, and have not expired"
        }
        TlsFault::NotTls => "see that the port in url is the one for https",
        TlsFault::Broke(_) => "see what stands between here and the portal",
        TlsFault::Certificate(_)
        | TlsFault::Incompatible(_)
        | TlsFault::NoCommonHttp
        | TlsFault::Protocol(_) => "see the portal's set-up of TLS, for example with openssl s_client",
    }
}
