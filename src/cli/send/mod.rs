//! `alewife send`: a curl that seals the request and opens the reply.

mod data;
mod fault;
mod handshake;
mod header;
mod output;
mod session;
mod show;
mod target;
mod transfer;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::request::Parts;
use http::{Method, Request};
use jiff::Timestamp;

use super::complain;
use super::key_file::KeysArg;
use crate::ale::{self, ReplyOpening};
use crate::crypto::Sealer;
use crate::keys::{Fingerprint, Key};
use crate::profile::StreamProfile;
use data::{Data, DataArgs};
use fault::{EXIT_STATUS, SendFault};
use handshake::Handshake;
use header::HeaderArg;
use output::Output;
use session::Binary;
use show::Show;
use target::{Scheme, Target};
use transfer::{SessionParts, Transfer};

#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    /// The method; POST with a body, GET without, unless given
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<Method>,
    /// A header; 'name:' removes one of alewife's own, 'name;' sends one without a value
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<HeaderArg>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    keys: KeysArg,
    /// The key that seals; unless given, the file's `primary`, else the one that is valid now with the latest
    /// valid_after, and of equals the later entry
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
    /// Shows the sealed and the plain side on standard error
    #[arg(short, long)]
    verbose: bool,
    /// Prints the plain and the sealed request and sends nothing
    #[arg(long)]
    offline: bool,
    /// Puts the head of the opened reply before its body
    #[arg(short, long)]
    include: bool,
    /// Writes the opened reply to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Says nothing about what went wrong, nor that an error came in clear
    #[arg(short, long)]
    silent: bool,
    /// Shows no reply with a status of 400 or above, and ends with 22
    #[arg(short, long)]
    fail: bool,
    /// The longest time for everything
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    max_time: Option<Duration>,
    /// The longest time for finding the host and connecting
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    connect_timeout: Duration,
    /// How messages that are no text are shown, with ws:// only: as lines of hex, or byte for byte
    #[arg(long, value_name = "hex|raw", value_enum, hide_possible_values = true)]
    binary: Option<Binary>,
    /// http://HOST[:PORT][/PATH] or ws://HOST[:PORT][/PATH]
    url: String,
}

fn help() -> String {
    format!(
        "The reply must be sealed with the request's key under another IV; under GCM it is shown once its tag is \
         verified, under CFB and CTR, which prove nothing, as it comes. Only the sidecar's own errors may come in \
         clear; anybody on the way could have written one, which a line on standard error says unless -s is given. \
         Neither ~/.curlrc nor a proxy of the environment is used, and redirections are not followed.\n\n\
         With ws:// a WebSocket is opened. Each line of standard input goes out as a text message, sealed; each message \
         that comes is opened and printed as a line, a binary one in hex or as --binary says. A message that does not \
         open is told on standard error and counts in the exit status; so does an error in clear, but for the status. At \
         the end of the input (Ctrl-D) a close with 1000 goes out, and what comes before the server's own is still \
         printed, as long as something moves within 10 s. A message may have 64 MiB, sealed.\n\n\
         {EXIT_STATUS}\n\n\
         Examples:\n  alewife send --keys keys.toml --json '{{\"dish\":\"soup\"}}' http://127.0.0.1:8080/orders\n  \
         alewife send --keys keys.toml ws://127.0.0.1:8080/orders"
    )
}

pub(super) fn run(args: &Args) -> ExitCode {
    match send(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            if !args.silent {
                complain(&format!("alewife send: ({}) {fault}", fault.number()));
            }
            ExitCode::from(fault.number())
        }
    }
}

fn send(args: &Args) -> Result<(), SendFault> {
    let target: Target = args.url.parse()?;
    check_options(args, target.scheme)?;
    let (ring, key) = args.keys.sealing_ring(args.fingerprint.as_ref(), Timestamp::now())?;
    let data = args.data.read()?;
    let mut plain = plain_head(args, &target, data.as_ref());
    let handshake = match target.scheme {
        Scheme::Http => None,
        Scheme::Ws => Some(Handshake::ask(&mut plain.headers)?),
    };
    let body = data.as_ref().map_or(&[][..], |data| &data.body);
    let sealed = SealedRequest::seal(plain.clone(), data.as_ref(), &key)?;
    if args.offline {
        show_request(&mut Show::new(io::stdout(), true), &plain, body, &sealed, &key);
        return Ok(());
    }
    let mut show = Show::new(io::stderr(), args.verbose);
    show_request(&mut show, &plain, body, &sealed, &key);
    let transfer = Transfer {
        target,
        method: plain.method,
        connect_timeout: args.connect_timeout,
        include: args.include,
        fail: args.fail,
        silent: args.silent,
        output: Output::to(args.output.clone()),
        show,
    };
    let Some(handshake) = handshake else { return within(args.max_time, transfer.run(sealed)) };
    let binary = args.binary.unwrap_or(Binary::Hex);
    let session = SessionParts { keys: &args.keys, ring, handshake, binary };
    within(args.max_time, transfer.run_session(sealed, session))
}

/// An option that would mean nothing is refused.
fn check_options(args: &Args, scheme: Scheme) -> Result<(), SendFault> {
    let of_http = [
        (args.request.is_some(), "--request"),
        (args.data.is_given(), "a body"),
        (args.include, "--include"),
    ];
    let of_ws = [(args.binary.is_some(), "--binary")];
    let (unfit, protocol): (&[_], _) = match scheme {
        Scheme::Http => (&of_ws, "ws://"),
        Scheme::Ws => (&of_http, "http://"),
    };
    match unfit.iter().find(|(given, _)| *given) {
        Some(&(_, option)) => Err(SendFault::Option { option, protocol }),
        None => Ok(()),
    }
}

fn within(
    limit: Option<Duration>,
    transfer: impl Future<Output = Result<(), SendFault>>,
) -> Result<(), SendFault> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SendFault::Runtime)?;
    let result = runtime.block_on(async {
        match limit {
            None => transfer.await,
            Some(limit) => {
                tokio::time::timeout(limit, transfer).await.unwrap_or(Err(SendFault::TimedOut(limit)))
            }
        }
    });
    // Looking up a name may still be under way; nobody waits for it.
    runtime.shutdown_background();
    result
}

fn show_request(
    show: &mut Show<impl io::Write>,
    plain: &Parts,
    body: &[u8],
    sealed: &SealedRequest,
    key: &Key,
) {
    show.plain_request(plain, body);
    show.sealed_request(&sealed.head, &sealed.body, key);
}

fn plain_head(args: &Args, target: &Target, data: Option<&Data>) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    let usual = if data.is_some() { Method::POST } else { Method::GET };
    head.method = args.request.clone().unwrap_or(usual);
    head.uri = target.path.clone().into();
    head.headers = header::plain(&args.header, target, data);
    if let Some(data) = data {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(data.body.len()));
    }
    head
}

/// A request as it goes over the wire.
struct SealedRequest {
    head: Parts,
    body: Bytes,
    opening: ReplyOpening,
}

impl SealedRequest {
    fn seal(mut head: Parts, data: Option<&Data>, key: &Arc<Key>) -> Result<Self, SendFault> {
        let profile = Arc::new(StreamProfile::ale());
        let now = Timestamp::now();
        let sealing = ale::seal_request(&profile, &mut head, data.is_some(), key, now, &mut rand::rng());
        let body = match sealing.body {
            Some(sealer) => {
                let body = seal_body(sealer, data.map_or(&[], |data| &data.body))?;
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                body
            }
            None => Bytes::new(),
        };
        Ok(Self { head, body, opening: sealing.reply })
    }
}

fn seal_body(mut sealer: Sealer, plain: &[u8]) -> Result<Bytes, SendFault> {
    let mut sealed = BytesMut::with_capacity(plain.len() + 16);
    sealer.update(plain, &mut sealed)?;
    sealer.finish(&mut sealed);
    Ok(sealed.freeze())
}

/// curl's seconds: a number that may have a fraction; 0 stands for no limit to speak of.
fn seconds(text: &str) -> Result<Duration, NotSeconds> {
    const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let seconds: f64 = text.parse().map_err(|_| NotSeconds)?;
    let limit = Duration::try_from_secs_f64(seconds).map_err(|_| NotSeconds)?;
    Ok(if limit.is_zero() { NO_LIMIT } else { limit.min(NO_LIMIT) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected seconds such as 3 or 0.5")]
struct NotSeconds;
