//! Why a transfer failed, with curl's number for it.

use std::io;
use std::time::Duration;

use http::StatusCode;

use super::super::keys::KeyFault;
use crate::ale::ReplyFault;
use crate::crypto::MessageTooLong;

/// What `--help` says of the numbers; a test holds it to [`SendFault::number`].
pub(super) const EXIT_STATUS: &str = "\
Exit status, curl's numbers:
   0  the reply came and was opened, or is one of the sidecar's own errors
   1  unsupported protocol: only http:// in this version
   2  wrong command line
   3  malformed URL
   6  the host is not known
   7  cannot connect
   8  the reply is not HTTP
  18  the reply broke off
  22  the status is 400 or above, with --fail
  23  the reply cannot be written
  26  a file for the body cannot be read
  28  the time is up
  52  an empty reply
  56  receiving failed
  58  no usable key in the key file
  61  a forged or unsealed reply";

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendFault {
    /// No connection.
    #[error("cannot connect to {authority}: {source}")]
    Connect { authority: String, source: io::Error },
    /// The server closed without a reply.
    #[error("empty reply from the server")]
    EmptyReply,
    /// The body cannot be read.
    #[error("cannot read {name}: {source}")]
    File { name: String, source: io::Error },
    /// The reply is not the sidecar's.
    #[error("forged or unsealed reply: {0}")]
    Forged(#[from] ReplyFault),
    /// The name leads nowhere.
    #[error("cannot resolve the host {host}")]
    Host { host: String },
    /// TLS comes later.
    #[error("https comes with outbound mode; this version speaks http only")]
    Https,
    /// There is no key.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The reply broke off.
    #[error("the reply broke off before its end")]
    Partial,
    /// The protocol of the URL is unknown.
    #[error("only http:// can be sent to")]
    Protocol,
    /// The connection broke.
    #[error("receiving failed: {0}")]
    Receive(#[source] hyper::Error),
    /// With `--fail`.
    #[error("the requested URL returned error: {}", .0.as_u16())]
    Status(StatusCode),
    /// A runtime cannot be had.
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    /// A deadline passed.
    #[error("not done within {0:?}")]
    TimedOut(Duration),
    /// P8.
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
    /// The URL is none.
    #[error("malformed URL: {0}")]
    Url(&'static str),
    /// The reply is not HTTP.
    #[error("the reply is not HTTP: {0}")]
    Weird(#[source] hyper::Error),
    /// The reply cannot be written.
    #[error("cannot write to {name}: {source}")]
    Write { name: String, source: io::Error },
}

impl SendFault {
    /// A fault while waiting for the head of the reply.
    pub(super) fn of_head(error: hyper::Error) -> Self {
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            Self::EmptyReply
        } else if error.is_parse() {
            Self::Weird(error)
        } else {
            Self::Receive(error)
        }
    }

    /// A fault within the body of the reply.
    pub(super) fn of_body(error: hyper::Error) -> Self {
        if error.is_incomplete_message() || is_unexpected_end(&error) {
            Self::Partial
        } else {
            Self::Receive(error)
        }
    }

    /// curl's number.
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::Https | Self::Protocol => 1,
            Self::Runtime(_) | Self::TooLong(_) => 2,
            Self::Url(_) => 3,
            Self::Host { .. } => 6,
            Self::Connect { .. } => 7,
            Self::Weird(_) => 8,
            Self::Partial => 18,
            Self::Status(_) => 22,
            Self::Write { .. } => 23,
            Self::File { .. } => 26,
            Self::TimedOut(_) => 28,
            Self::EmptyReply => 52,
            Self::Receive(_) => 56,
            Self::Key(_) => 58,
            Self::Forged(_) => 61,
        }
    }
}

/// A chunked body that ends early.
fn is_unexpected_end(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_tells_every_number() {
        let failed = || io::Error::from(io::ErrorKind::Other);
        let faults = [
            SendFault::Https,
            SendFault::Runtime(failed()),
            SendFault::Url(""),
            SendFault::Host { host: String::new() },
            SendFault::Connect { authority: String::new(), source: failed() },
            SendFault::Partial,
            SendFault::Status(StatusCode::NOT_FOUND),
            SendFault::Write { name: String::new(), source: failed() },
            SendFault::File { name: String::new(), source: failed() },
            SendFault::TimedOut(Duration::ZERO),
            SendFault::EmptyReply,
            SendFault::Key(KeyFault::NoSealingKey { file: String::new() }),
            SendFault::Forged(ReplyFault::Unsealed),
        ];
        // A success, and the two faults of hyper's that only a peer can make.
        let numbers: std::collections::BTreeSet<u8> =
            faults.iter().map(SendFault::number).chain([0, 8, 56]).collect();
        let told = EXIT_STATUS.lines().skip(1).map(|line| line.split_whitespace().next().unwrap());
        let told: Vec<u8> = told.map(|number| number.parse().unwrap()).collect();
        assert_eq!(told, numbers.into_iter().collect::<Vec<_>>());
    }
}
