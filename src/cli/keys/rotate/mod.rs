//! `alewife keys rotate`: a key file gets its next key, and its older ones an end.

mod edit;
pub(in crate::cli) mod replace;

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use self::edit::{EditFault, Fate, Rotated, Wishes};
use self::replace::{Locked, ReplaceFault};
use super::super::duration::{any, positive};
use super::super::exit::Exit;
use super::super::{complain, keygen, print};
use crate::crypto::Algorithm;
use crate::keys::{Fingerprint, RingPolicy, Roughly};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The new key begins after --in, so that the file can be brought to every end before; a minute later (seal_delay) whoever \
starts a message seals with it. The older keys hold for --overlap after it began and then end. Keys beyond the --keep \
youngest are removed if they have ended; one that is valid is never removed, whatever --keep says. The file is examined \
as `alewife check` does and replaced at once: whoever reads it gets the old one or the new one. Its comments, its mode and \
its owner stay, and so do links that lead to it. No secret is printed. Run it on one end and copy the file to the others, \
or their keys differ.

Exit status: 0 if the file was rotated, 64 for a wrong command line, 78 for a wrong key file, 1 otherwise.

Examples:
  alewife keys rotate --file keys.toml
  alewife keys rotate --file keys.toml --in 1h --overlap 72h --keep 3")]
pub(super) struct Args {
    /// The key file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// How long the older keys hold once the new one has begun
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = positive)]
    overlap: Duration,
    /// How many of the youngest keys stay even if they have ended; the new one counts
    #[arg(long, value_name = "COUNT", default_value = "2")]
    keep: NonZeroUsize,
    /// When the new key begins; until then the file has to reach every end
    #[arg(long = "in", value_name = "TIME", default_value = "10m", value_parser = any)]
    wait: Duration,
    /// AES-{128,192,256}-{GCM,CFB,CFB8,CTR}; that of the key that seals now unless given
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// The name by which messages call the new key; random unless given
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match rotate(args, Timestamp::now()) {
        Ok(told) => print(&told).into(),
        Err(fault) => {
            complain(&fault.told(args));
            fault.exit().into()
        }
    }
}

/// Rotates the file; what is to be told of it.
fn rotate(args: &Args, now: Timestamp) -> Result<String, RotateFault> {
    let wishes = wishes(args, now)?;
    let file = Locked::of(&args.file)?;
    let old = file.read()?;
    let name = args.file.display().to_string();
    let rotated = edit::rotate(&old, &name, &wishes, keygen::random_secret, now)?;
    file.replace(&old, &rotated.text)?;
    Ok(tell(&name, &wishes, &rotated, now))
}

/// Gives the file a key that begins now, beside which the older ones hold for a day; gives back its fingerprint, or why there
/// is none.
#[cfg(feature = "inspector")]
pub(in crate::cli) fn at_once(file: &std::path::Path) -> Result<Fingerprint, String> {
    const KEEP: NonZeroUsize = NonZeroUsize::new(4).expect("it is not 0");
    let fingerprint: Fingerprint =
        keygen::random_fingerprint().parse().map_err(|_| EditFault::Unsound.to_string())?;
    let args = Args {
        file: file.to_owned(),
        overlap: Duration::from_secs(24 * 60 * 60),
        keep: KEEP,
        wait: Duration::ZERO,
        algorithm: None,
        fingerprint: Some(fingerprint.clone()),
    };
    rotate(&args, Timestamp::now()).map_err(|fault| fault.told(&args))?;
    Ok(fingerprint)
}

fn wishes(args: &Args, now: Timestamp) -> Result<Wishes, RotateFault> {
    let second = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
    let start = now.checked_add(args.wait).and_then(|start| start.round(second));
    let fingerprint = match &args.fingerprint {
        Some(given) => given.clone(),
        // Hex is visible ASCII.
        None => keygen::random_fingerprint().parse().map_err(|_| EditFault::Unsound)?,
    };
    Ok(Wishes {
        start: start.map_err(|_| EditFault::OutOfRange)?,
        overlap: args.overlap,
        keep: args.keep,
        algorithm: args.algorithm,
        fingerprint,
    })
}

/// What was done, in words.
fn tell(name: &str, wishes: &Wishes, rotated: &Rotated, now: Timestamp) -> String {
    let Wishes { start, overlap, fingerprint, .. } = wishes;
    let wait = Roughly(Duration::try_from(start.duration_since(now)).unwrap_or_default());
    let algorithm = rotated.algorithm;
    // Writing to a string does not fail.
    let mut text =
        format!("{name}: rotated\n  new: {fingerprint} ({algorithm}), valid from {start}, in {wait}\n");
    for (fingerprint, fate) in &rotated.fates {
        let _ = writeln!(text, "  {}", told(fingerprint, *fate));
    }
    if let Some(from) = rotated.gap {
        let _ = writeln!(text, "  note: nothing seals from {from} to {start}; a shorter --in closes the gap");
    }
    let RingPolicy { seal_delay, .. } = RingPolicy::default();
    if *overlap <= seal_delay {
        let delay = Roughly(seal_delay);
        let _ =
            writeln!(text, "  note: an overlap of no more than seal_delay ({delay}) cuts off who is late");
    }
    let _ = writeln!(text, "  copy the file to every other end before {start}");
    text
}

fn told(fingerprint: &Fingerprint, fate: Fate) -> String {
    match fate {
        Fate::Bounded { end, beyond_keep } => {
            format!("bounded: {fingerprint}, now until {end}{}", why(beyond_keep))
        }
        Fate::Kept { end, beyond_keep } => format!("kept: {fingerprint}, until {end}{}", why(beyond_keep)),
        Fate::Removed(end) => format!("removed: {fingerprint}, ended at {end}"),
        Fate::ToCome(start) => format!("kept: {fingerprint}, which begins later, at {start}"),
    }
}

fn why(beyond_keep: bool) -> &'static str {
    if beyond_keep { "; beyond --keep, but a valid key is not removed" } else { "" }
}

/// Why the file was not rotated.
#[derive(Debug, thiserror::Error)]
enum RotateFault {
    #[error(transparent)]
    Edit(#[from] EditFault),
    #[error(transparent)]
    Replace(#[from] ReplaceFault),
}

impl RotateFault {
    fn told(&self, args: &Args) -> String {
        match self {
            // They bear the file's name themselves.
            Self::Edit(EditFault::File(faults)) => faults.to_string(),
            fault => format!("alewife keys rotate: {}: {fault}", args.file.display()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Edit(EditFault::OutOfRange | EditFault::Taken(_)) => Exit::Usage,
            Self::Edit(EditFault::Unsound) => Exit::Failure,
            Self::Edit(_) | Self::Replace(ReplaceFault::Read(_)) => Exit::WrongConfiguration,
            Self::Replace(_) => Exit::Failure,
        }
    }
}
