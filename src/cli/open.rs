//! `alewife open`: a sealed message in, the plain one out.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::BytesMut;
use http::header::CONTENT_ENCODING;
use jiff::Timestamp;
use zeroize::Zeroize;

use super::key_file::KeysArg;
use super::message::Head;
use super::pipe::{self, FORMAT, Form, PIECE, PipeFault, check_length};
use crate::ale::{self, BodyOpening, ClearError};
use crate::keys::{Fingerprint, KeyRing};
use crate::profile::StreamProfile;

#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    keys: KeysArg,
    /// The key that the message must be sealed with; unless given, any key of the file
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
    /// What is opened
    #[arg(long, value_enum, default_value_t = Form::Http)]
    form: Form,
}

fn help() -> String {
    format!(
        "{FORMAT}\n\n\
         Of a request or reply, sec-iv and sec-fingerprint are removed, content-length shrinks by the tag, \
         x-ale-content-encoding becomes content-encoding. Under GCM nothing is written before the tag is verified; under \
         CFB and CTR, which prove nothing, the body is opened as it comes.\n\n\
         Exit status: 0, 64 for a wrong command line, 78 for a wrong key file, 1 otherwise; a message that does not \
         open is told with its errorCode and the reason.\n\n\
         Examples:\n  alewife open --keys keys.toml < sealed-order > order\n  \
         alewife open --keys keys.toml --form message < envelope.json"
    )
}

pub(super) fn run(args: &Args) -> ExitCode {
    let now = Timestamp::now();
    let opened = args.keys.ring(now).map_err(PipeFault::Key).and_then(|ring| {
        let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
        let wanted = args.fingerprint.as_ref();
        match args.form {
            Form::Http => open_http(&mut input, &mut output, &ring, wanted, now),
            Form::Message => open_message(&mut input, &mut output, &ring, wanted, now),
        }
    });
    pipe::end("open", opened)
}

fn open_message(
    input: &mut impl Read,
    output: &mut impl Write,
    ring: &KeyRing,
    wanted: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<(), PipeFault> {
    let mut envelope = Vec::new();
    input.read_to_end(&mut envelope).map_err(PipeFault::Input)?;
    let opened = ale::open_message(&StreamProfile::ale(), &envelope, ring, now);
    let opened = opened.map_err(|refusal| {
        ClearError::in_message(&envelope).map_or(PipeFault::Refused(refusal), PipeFault::Clear)
    })?;
    check_key(wanted, &opened.receipt.key.fingerprint)?;
    output.write_all(&opened.plaintext).and_then(|()| output.flush()).map_err(PipeFault::Output)
}

fn open_http(
    input: &mut impl BufRead,
    output: &mut impl Write,
    ring: &KeyRing,
    wanted: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<(), PipeFault> {
    let profile = Arc::new(StreamProfile::ale());
    let mut head = Head::read(input)?;
    let stated = head.content_length()?;
    let opened = ale::open_request(&profile, &mut head.parts(), ring, now)?;
    check_key(wanted, &opened.reply.key().fingerprint)?;
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

fn check_key(wanted: Option<&Fingerprint>, actual: &Fingerprint) -> Result<(), PipeFault> {
    match wanted {
        Some(wanted) if wanted != actual => {
            Err(PipeFault::OtherKey { wanted: wanted.clone(), actual: actual.clone() })
        }
        _ => Ok(()),
    }
}

/// Holds the ciphertext, so that no plaintext exists before all of it can be verified.
fn open_held(
    input: &mut impl Read,
    output: &mut impl Write,
    head: &Head,
    stated: Option<u64>,
    mut opening: BodyOpening,
) -> Result<(), PipeFault> {
    let mut sealed = Vec::new();
    input.read_to_end(&mut sealed).map_err(PipeFault::Input)?;
    check_length(stated, sealed.len() as u64)?;
    let mut plain = BytesMut::with_capacity(sealed.len());
    let opened = opening.update(&sealed, &mut plain).and_then(|()| opening.finish().map(drop));
    if let Err(refusal) = opened {
        plain.zeroize();
        return Err(refusal.into());
    }
    head.write(output).and_then(|()| output.write_all(&plain)).map_err(PipeFault::Output)?;
    output.flush().map_err(PipeFault::Output)
}

fn open_streaming(
    input: &mut impl Read,
    output: &mut impl Write,
    head: &Head,
    stated: Option<u64>,
    mut opening: BodyOpening,
) -> Result<(), PipeFault> {
    head.write(output).map_err(PipeFault::Output)?;
    let (mut piece, mut plain, mut actual) = (vec![0; PIECE], BytesMut::with_capacity(PIECE), 0);
    loop {
        let read = input.read(&mut piece).map_err(PipeFault::Input)?;
        if read == 0 {
            break;
        }
        actual += read as u64;
        opening.update(&piece[..read], &mut plain)?;
        // Whoever reads the other end sees each piece now.
        output.write_all(&plain.split()).and_then(|()| output.flush()).map_err(PipeFault::Output)?;
    }
    opening.finish()?;
    output.flush().map_err(PipeFault::Output)?;
    check_length(stated, actual)
}
