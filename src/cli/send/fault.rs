//! Why a transfer failed, with curl's number for it.

use std::io;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::super::key_file::KeyFault;
use crate::ale::ReplyFault;
use crate::crypto::MessageTooLong;
use crate::websocket::{Close, FrameFault};

/// What `--help` says of the numbers; a test holds it to [`SendFault::number`].
pub(super) const EXIT_STATUS: &str = "\
Exit status, curl's numbers:
   0  the reply came and was opened, or is one of the sidecar's own errors;
      the session was closed with 1000, 1001 or no code
   1  unsupported protocol: only http:// and ws://
   2  wrong command line
   3  malformed URL
   6  the host is not known
   7  cannot connect
   8  the reply is not HTTP, or no answer to the handshake
  18  the reply broke off, or the session without a close
  22  the status is 400 or above, with --fail; the handshake was refused
  23  the reply cannot be written
  26  a file for the body, or a line for a message, cannot be read
  28  the time is up
  52  an empty reply
  56  receiving failed, or the session was closed with another code
  58  no usable key in the key file
  61  a forged or unsealed reply or message";

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendFault {
    /// The session ended otherwise than it should.
    #[error("the session was closed with {}", told(.0))]
    Closed(Close),
    /// No connection.
    #[error("cannot connect to {authority}: {source}")]
    Connect { authority: String, source: io::Error },
    /// The connection of a session broke.
    #[error("receiving failed: {0}")]
    Connection(#[source] io::Error),
    /// The server closed without a reply.
    #[error("empty reply from the server")]
    EmptyReply,
    /// The body cannot be read.
    #[error("cannot read {name}: {source}")]
    File { name: String, source: io::Error },
    /// The reply is not the sidecar's.
    #[error("forged or unsealed reply: {0}")]
    Forged(#[from] ReplyFault),
    /// What a server sent is no WebSocket.
    #[error("receiving failed: {0}")]
    Frame(#[from] FrameFault),
    /// A 101 that answers another question.
    #[error("the handshake was not answered as it must be: {0}")]
    Handshake(&'static str),
    /// A header that is the handshake's own.
    #[error("{0} is set by alewife")]
    HandshakeHeader(HeaderName),
    /// The name leads nowhere.
    #[error("cannot resolve the host {host}")]
    Host { host: String },
    /// There is no key.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// Text messages are UTF-8.
    #[error("a line of standard input is not UTF-8")]
    LineNotUtf8,
    /// P7: some of what came in a session.
    #[error("{0} of the messages did not open")]
    Messages(u64),
    /// A session that was not closed.
    #[error("the connection ended without a close")]
    NoClose,
    /// An option of the other protocol.
    #[error("{option} is for {protocol}")]
    Option { option: &'static str, protocol: &'static str },
    /// The reply broke off.
    #[error("the reply broke off before its end")]
    Partial,
    /// The protocol of the URL is unknown.
    #[error("only http:// and ws:// can be sent to")]
    Protocol,
    /// The connection broke.
    #[error("receiving failed: {0}")]
    Receive(#[source] hyper::Error),
    /// The answer to a handshake is not 101.
    #[error("the handshake was refused with {}", .0.as_u16())]
    Refused(StatusCode),
    /// With `--fail`.
    #[error("the requested URL returned error: {}", .0.as_u16())]
    Status(StatusCode),
    /// A runtime cannot be had.
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    /// A deadline passed.
    #[error("not done within {0:?}")]
    TimedOut(Duration),
    /// Certificates are not looked at here.
    #[error("only http:// and ws:// are spoken, without TLS")]
    Tls,
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
            Self::Protocol | Self::Tls => 1,
            Self::HandshakeHeader(_) | Self::Option { .. } | Self::Runtime(_) | Self::TooLong(_) => 2,
            Self::Url(_) => 3,
            Self::Host { .. } => 6,
            Self::Connect { .. } => 7,
            Self::Handshake(_) | Self::Weird(_) => 8,
            Self::NoClose | Self::Partial => 18,
            Self::Refused(_) | Self::Status(_) => 22,
            Self::Write { .. } => 23,
            Self::File { .. } | Self::LineNotUtf8 => 26,
            Self::TimedOut(_) => 28,
            Self::EmptyReply => 52,
            Self::Closed(_) | Self::Connection(_) | Self::Frame(_) | Self::Receive(_) => 56,
            Self::Key(_) => 58,
            Self::Forged(_) | Self::Messages(_) => 61,
        }
    }
}

/// Code and reason, fit for a terminal: a peer wrote the reason.
fn told(close: &Close) -> String {
    let reason = close.reason().replace(char::is_control, "\u{fffd}");
    format!("{} {reason}", close.code()).trim_end().to_owned()
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
            SendFault::Tls,
            SendFault::Runtime(failed()),
            SendFault::Url(""),
            SendFault::Host { host: String::new() },
            SendFault::Connect { authority: String::new(), source: failed() },
            SendFault::Handshake(""),
            SendFault::NoClose,
            SendFault::Status(StatusCode::NOT_FOUND),
            SendFault::Write { name: String::new(), source: failed() },
            SendFault::File { name: String::new(), source: failed() },
            SendFault::TimedOut(Duration::ZERO),
            SendFault::EmptyReply,
            SendFault::Frame(FrameFault::TooLong),
            SendFault::Key(KeyFault::NoSealingKey { file: String::new() }),
            SendFault::Forged(ReplyFault::Unsealed),
        ];
        // A success has no fault.
        let numbers: std::collections::BTreeSet<u8> =
            faults.iter().map(SendFault::number).chain([0]).collect();
        // A line that goes on has no number.
        let lines = EXIT_STATUS.lines().skip(1).filter(|line| !line.starts_with("      "));
        let told = lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap());
        let told: Vec<u8> = told.collect();
        assert_eq!(told, numbers.into_iter().collect::<Vec<_>>());
    }
}
