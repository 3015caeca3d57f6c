//! `alewife seal`: a plain message in, the sealed one out.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::BytesMut;
use http::header::CONTENT_ENCODING;
use jiff::Timestamp;

use super::complain;
use super::exit::Exit;
use super::keys::{KeyFault, KeysArg};
use super::message::{Head, HeadFault};
use crate::ale;
use crate::crypto::MessageTooLong;
use crate::keys::{Fingerprint, Key};
use crate::profile::Profile;

/// Bytes of a body that are read at a time.
pub(super) const PIECE: usize = 64 * 1024;

/// What `seal` and `open` read and write, for the help of both.
pub(super) const FORMAT: &str = "\
Standard input and output are a message: header lines, an empty line and the raw body. Lines may end in LF or \
CRLF. A request line or a status line may stand before the headers and passes as it is. A body without headers \
begins with the empty line.";

#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    keys: KeysArg,
    /// The key that seals; unless given, the one that is valid now with the latest valid_after
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
}

fn help() -> String {
    format!(
        "{FORMAT}\n\n\
         sec-iv and sec-fingerprint are added behind the headers (any that were there are removed), content-length \
         grows by the tag, content-encoding becomes x-ale-content-encoding. The body is sealed as it comes.\n\n\
         Exit status: 0, 64 for a wrong command line, 78 for a wrong key file, 1 otherwise.\n\n\
         Example:\n  printf '\\n%s' '{{\"dish\":\"soup\"}}' | alewife seal --keys keys.toml | alewife open --keys keys.toml"
    )
}

pub(super) fn run(args: &Args) -> ExitCode {
    let sealed = args
        .keys
        .sealing_key(args.fingerprint.as_ref(), Timestamp::now())
        .map_err(SealFault::Key)
        .and_then(|key| seal(&mut io::stdin().lock(), &mut io::stdout().lock(), &key));
    match sealed {
        Ok(()) => Exit::Success.into(),
        Err(SealFault::Key(KeyFault::File(faults))) => {
            complain(&faults.to_string());
            Exit::WrongConfiguration.into()
        }
        Err(fault) => {
            complain(&format!("alewife seal: {fault}"));
            Exit::Failure.into()
        }
    }
}

/// Why a message was not sealed.
#[derive(Debug, thiserror::Error)]
enum SealFault {
    #[error(transparent)]
    Head(#[from] HeadFault),
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    #[error(transparent)]
    Key(KeyFault),
    #[error("content-length says {stated}, but the body has {actual} bytes")]
    Length { stated: u64, actual: u64 },
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}

fn seal(input: &mut impl BufRead, output: &mut impl Write, key: &Arc<Key>) -> Result<(), SealFault> {
    let profile = Arc::new(Profile::ale());
    let mut head = Head::read(input)?;
    let stated = head.content_length()?;
    let mut parts = head.parts();
    let sealing = ale::seal_request(&profile, &mut parts, true, key, &mut rand::rng());
    for name in [&profile.iv, &profile.fingerprint, &profile.content_encoding] {
        head.remove(name);
    }
    head.rename(&CONTENT_ENCODING, &profile.content_encoding);
    head.append(&profile.iv, &parts.headers);
    head.append(&profile.fingerprint, &parts.headers);
    if let Some(stated) = stated {
        head.set_content_length(stated.saturating_add(sealing.reply.overhead()));
    }
    head.write(output).map_err(SealFault::Output)?;
    let mut actual = 0;
    if let Some(mut sealer) = sealing.body {
        let (mut piece, mut sealed) = (vec![0; PIECE], BytesMut::with_capacity(PIECE + 16));
        loop {
            let read = input.read(&mut piece).map_err(SealFault::Input)?;
            if read == 0 {
                break;
            }
            actual += read as u64;
            sealer.update(&piece[..read], &mut sealed)?;
            // Whoever reads the other end sees each piece now.
            output.write_all(&sealed.split()).and_then(|()| output.flush()).map_err(SealFault::Output)?;
        }
        sealer.finish(&mut sealed);
        output.write_all(&sealed).map_err(SealFault::Output)?;
    }
    output.flush().map_err(SealFault::Output)?;
    match stated {
        Some(stated) if stated != actual => Err(SealFault::Length { stated, actual }),
        _ => Ok(()),
    }
}
