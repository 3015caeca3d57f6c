//! `alewife open`: a sealed message in, the plain one out.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::BytesMut;
use http::header::CONTENT_ENCODING;
use jiff::Timestamp;
use zeroize::Zeroize;

use super::complain;
use super::exit::Exit;
use super::keys::{KeyFault, KeysArg};
use super::message::{Head, HeadFault};
use super::seal::{FORMAT, PIECE};
use crate::ale::{self, BodyOpening, Refusal};
use crate::keys::{Fingerprint, KeyRing};
use crate::profile::Profile;

#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    keys: KeysArg,
    /// The key that the message must be sealed with; unless given, any key of the file
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
}

fn help() -> String {
    format!(
        "{FORMAT}\n\n\
         sec-iv and sec-fingerprint are removed, content-length shrinks by the tag, x-ale-content-encoding becomes \
         content-encoding. Under GCM nothing is written before the tag is verified; under CFB and CTR, which prove \
         nothing, the body is opened as it comes.\n\n\
         Exit status: 0, 64 for a wrong command line, 78 for a wrong key file, 1 otherwise; a message that does not \
         open is told with its errorCode and the reason.\n\n\
         Example:\n  alewife open --keys keys.toml < sealed-order > order"
    )
}

pub(super) fn run(args: &Args) -> ExitCode {
    let now = Timestamp::now();
    let opened = args.keys.ring(now).map_err(OpenFault::Key).and_then(|ring| {
        open(&mut io::stdin().lock(), &mut io::stdout().lock(), &ring, args.fingerprint.as_ref(), now)
    });
    match opened {
        Ok(()) => Exit::Success.into(),
        Err(OpenFault::Key(KeyFault::File(faults))) => {
            complain(&faults.to_string());
            Exit::WrongConfiguration.into()
        }
        Err(fault) => {
            complain(&format!("alewife open: {fault}"));
            Exit::Failure.into()
        }
    }
}

/// Why a message was not opened.
#[derive(Debug, thiserror::Error)]
enum OpenFault {
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
}

fn open(
    input: &mut impl BufRead,
    output: &mut impl Write,
    ring: &KeyRing,
    wanted: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<(), OpenFault> {
    let profile = Arc::new(Profile::ale());
    let mut head = Head::read(input)?;
    let stated = head.content_length()?;
    let opened = ale::open_request(&profile, &mut head.parts(), ring, now)?;
    let actual = &opened.reply.key().fingerprint;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != actual) {
        return Err(OpenFault::OtherKey { wanted: wanted.clone(), actual: actual.clone() });
    }
    head.remove(&profile.iv);
    head.remove(&profile.fingerprint);
    head.rename(&profile.content_encoding, &CONTENT_ENCODING);
    if let Some(stated) = stated {
        head.set_content_length(stated.saturating_sub(opened.body.overhead()));
    }
    if opened.body.must_be_held() {
        open_held(input, output, &head, stated, opened.body)
    } else {
        open_streaming(input, output, &head, stated, opened.body)
    }
}

/// Holds the ciphertext, so that no plaintext exists before all of it can be verified.
fn open_held(
    input: &mut impl Read,
    output: &mut impl Write,
    head: &Head,
    stated: Option<u64>,
    mut opening: BodyOpening,
) -> Result<(), OpenFault> {
    let mut sealed = Vec::new();
    input.read_to_end(&mut sealed).map_err(OpenFault::Input)?;
    check_length(stated, sealed.len() as u64)?;
    let mut plain = BytesMut::with_capacity(sealed.len());
    let opened = opening.update(&sealed, &mut plain).and_then(|()| opening.finish());
    if let Err(refusal) = opened {
        plain.zeroize();
        return Err(refusal.into());
    }
    head.write(output).and_then(|()| output.write_all(&plain)).map_err(OpenFault::Output)?;
    output.flush().map_err(OpenFault::Output)
}

fn open_streaming(
    input: &mut impl Read,
    output: &mut impl Write,
    head: &Head,
    stated: Option<u64>,
    mut opening: BodyOpening,
) -> Result<(), OpenFault> {
    head.write(output).map_err(OpenFault::Output)?;
    let (mut piece, mut plain, mut actual) = (vec![0; PIECE], BytesMut::with_capacity(PIECE), 0);
    loop {
        let read = input.read(&mut piece).map_err(OpenFault::Input)?;
        if read == 0 {
            break;
        }
        actual += read as u64;
        opening.update(&piece[..read], &mut plain)?;
        // Whoever reads the other end sees each piece now.
        output.write_all(&plain.split()).and_then(|()| output.flush()).map_err(OpenFault::Output)?;
    }
    opening.finish()?;
    output.flush().map_err(OpenFault::Output)?;
    check_length(stated, actual)
}

fn check_length(stated: Option<u64>, actual: u64) -> Result<(), OpenFault> {
    match stated {
        Some(stated) if stated != actual => Err(OpenFault::Length { stated, actual }),
        _ => Ok(()),
    }
}
