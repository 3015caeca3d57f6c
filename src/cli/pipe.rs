//! What `seal` and `open` have in common: what they read and write, how they fail, and what they say then.

use std::io;
use std::process::ExitCode;

use super::complain;
use super::exit::Exit;
use super::key_file::KeyFault;
use super::message::HeadFault;
use crate::ale::{ClearError, Refusal};
use crate::crypto::MessageTooLong;
use crate::keys::Fingerprint;

/// Bytes of a body that are read at a time.
pub(super) const PIECE: usize = 64 * 1024;

/// What `seal` and `open` read and write, for the help of both.
pub(super) const FORMAT: &str = "\
With --form http, standard input and output are a request or a reply: header lines, an empty line and the raw body. \
Lines may end in LF or CRLF. A request line or a status line may stand before the headers and passes as it is. A body \
without headers begins with the empty line.

With --form message, the plain side is the whole text or data of a WebSocket message, byte for byte, and the sealed side \
is its envelope, one line of JSON with iv, fingerprint and message.";

/// Whose form a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// A request or a reply: headers and body
    Http,
    /// A message of WebSocket
    Message,
}

/// Why a message did not go through the pipe.
#[derive(Debug, thiserror::Error)]
pub(super) enum PipeFault {
    #[error("the message is no envelope but an error in clear, {}", harmless(.0))]
    Clear(ClearError),
    #[error(transparent)]
    Head(#[from] HeadFault),
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    #[error(transparent)]
    Key(KeyFault),
    #[error("content-length says {stated}, but the body has {actual} bytes")]
    Length { stated: u64, actual: u64 },
    #[error("the message is sealed with the key {actual}, not with {wanted}")]
    OtherKey { wanted: Fingerprint, actual: Fingerprint },
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    #[error("the message does not open: {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}

/// Holds a body to the `content-length` that its head states, if it states one.
pub(super) fn check_length(stated: Option<u64>, actual: u64) -> Result<(), PipeFault> {
    match stated {
        Some(stated) if stated != actual => Err(PipeFault::Length { stated, actual }),
        _ => Ok(()),
    }
}

/// What an error says, fit for a terminal: anybody could have written it.
pub(super) fn harmless(error: &ClearError) -> String {
    let message = error.message.replace(char::is_control, "\u{fffd}");
    format!("errorCode {}: {message}", error.code).trim_end_matches(": ").to_owned()
}

/// Tells how `command` ended, on standard error and by its exit status.
pub(super) fn end(command: &str, result: Result<(), PipeFault>) -> ExitCode {
    match result {
        Ok(()) => Exit::Success.into(),
        Err(PipeFault::Key(KeyFault::File(faults))) => {
            complain(&faults.to_string());
            Exit::WrongConfiguration.into()
        }
        Err(fault) => {
            complain(&format!("alewife {command}: {fault}"));
            Exit::Failure.into()
        }
    }
}
