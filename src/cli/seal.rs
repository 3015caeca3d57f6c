//! `alewife seal`: a plain message in, the sealed one out.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::BytesMut;
use http::header::CONTENT_ENCODING;
use jiff::Timestamp;

use super::key_file::KeysArg;
use super::message::Head;
use super::pipe::{self, FORMAT, Form, PIECE, PipeFault, check_length};
use crate::ale::{self, MessageSealing};
use crate::keys::{Fingerprint, Key};
use crate::profile::StreamProfile;

#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    keys: KeysArg,
    /// The key that seals; unless given, the file's `primary`, else the one that is valid now with the latest
    /// valid_after, and of equals the later entry
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
    /// What is sealed
    #[arg(long, value_enum, default_value_t = Form::Http)]
    form: Form,
}

fn help() -> String {
    format!(
        "{FORMAT}\n\n\
         Of a request or reply, sec-iv and sec-fingerprint are added behind the headers (any that were there are \
         removed), content-length grows by the tag, content-encoding becomes x-ale-content-encoding. The body is sealed \
         as it comes.\n\n\
         Exit status: 0, 64 for a wrong command line, 78 for a wrong key file, 1 otherwise.\n\n\
         Examples:\n  printf '\\n%s' '{{\"dish\":\"soup\"}}' | alewife seal --keys keys.toml | alewife open --keys keys.toml\n  \
         printf soup | alewife seal --keys keys.toml --form message"
    )
}

pub(super) fn run(args: &Args) -> ExitCode {
    let sealed =
        args.keys.sealing_key(args.fingerprint.as_ref(), Timestamp::now()).map_err(PipeFault::Key).and_then(
            |key| {
                let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
                match args.form {
                    Form::Http => seal_http(&mut input, &mut output, &key),
                    Form::Message => seal_message(&mut input, &mut output, &key),
                }
            },
        );
    pipe::end("seal", sealed)
}

fn seal_message(input: &mut impl Read, output: &mut impl Write, key: &Arc<Key>) -> Result<(), PipeFault> {
    let mut plain = Vec::new();
    input.read_to_end(&mut plain).map_err(PipeFault::Input)?;
    let mut envelope = BytesMut::new();
    MessageSealing::alone(key, Timestamp::now(), &mut rand::rng()).seal(&plain, &mut envelope)?;
    envelope.extend_from_slice(b"\n");
    output.write_all(&envelope).and_then(|()| output.flush()).map_err(PipeFault::Output)
}

fn seal_http(input: &mut impl BufRead, output: &mut impl Write, key: &Arc<Key>) -> Result<(), PipeFault> {
    let profile = Arc::new(StreamProfile::ale());
    let mut head = Head::read(input)?;
    let stated = head.content_length()?;
    let mut parts = head.parts();
    let sealing = ale::seal_request(&profile, &mut parts, true, key, Timestamp::now(), &mut rand::rng());
    for name in profile.carriers() {
        head.remove(name);
    }
    head.rename(&CONTENT_ENCODING, &profile.content_encoding);
    head.append(&profile.iv, &parts.headers);
    head.append(&profile.fingerprint, &parts.headers);
    if let Some(stated) = stated {
        head.set_content_length(stated.saturating_add(sealing.reply.overhead()));
    }
    head.write(output).map_err(PipeFault::Output)?;
    let mut actual = 0;
    if let Some(mut sealer) = sealing.body {
        let (mut piece, mut sealed) = (vec![0; PIECE], BytesMut::with_capacity(PIECE + 16));
        loop {
            let read = input.read(&mut piece).map_err(PipeFault::Input)?;
            if read == 0 {
                break;
            }
            actual += read as u64;
            sealer.update(&piece[..read], &mut sealed)?;
            // Whoever reads the other end sees each piece now.
            output.write_all(&sealed.split()).and_then(|()| output.flush()).map_err(PipeFault::Output)?;
        }
        sealer.finish(&mut sealed);
        output.write_all(&sealed).map_err(PipeFault::Output)?;
    }
    output.flush().map_err(PipeFault::Output)?;
    check_length(stated, actual)
}
