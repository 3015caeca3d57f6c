//! `alewife keygen`: a fresh key as an entry of a key file.

use std::process::ExitCode;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, Unit};
use rand::Rng;
use zeroize::Zeroizing;

use super::exit::Exit;
use super::{complain, print};
use crate::crypto::Algorithm;
use crate::crypto::encoding::{base64_encode, hex_encode};
use crate::keys::Fingerprint;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  alewife keygen > keys.toml                        a key file with one key
  alewife keygen --algorithm AES-128-CTR            another algorithm
  alewife keygen --valid-until +720h                a key for thirty days

A rotation without a gap: make a key that seals from ten minutes from now on,
and append the same entry to the key files of both sides before that:
  alewife keygen --valid-after +10m > next.toml
  cat next.toml >> keys.toml                        on each side
Each side opens with both keys and seals with the newer one a minute after it is
valid (seal_delay), so that the other side has it by then.
A `primary` in the key file names the key that seals instead: take it out or
move it to the new key, or the old one goes on sealing until it expires, and
then none does. Of keys that began at the same time the later entry seals.")]
pub(super) struct Args {
    /// AES-{128,192,256}-{GCM,CFB,CFB8,CTR}
    #[arg(long, value_name = "NAME", default_value = "AES-256-GCM")]
    algorithm: Algorithm,
    /// The name by which messages call the key; random unless given
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
    /// When the key begins to hold: 2026-01-31T12:00:00Z, or +10m from now; now unless given
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    valid_after: Option<Moment>,
    /// When it ceases to hold, written in the same way; never unless given
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    valid_until: Option<Moment>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let window = match window(args, Timestamp::now()) {
        Ok(window) => window,
        Err(error) => {
            complain(&format!("alewife keygen: {error}"));
            return Exit::Usage.into();
        }
    };
    let fingerprint = args.fingerprint.clone().map_or_else(random_fingerprint, |given| given.to_string());
    print(&entry(&fingerprint, args.algorithm, &random_secret(args.algorithm), window)).into()
}

/// From when on the key holds, and until when.
fn window(args: &Args, now: Timestamp) -> Result<(Timestamp, Option<Timestamp>), MomentFault> {
    let start = args.valid_after.unwrap_or(Moment::In(SignedDuration::ZERO)).from(now)?;
    let end = args.valid_until.map(|end| end.from(now)).transpose()?;
    if end.is_some_and(|end| end <= start) { Err(MomentFault::NoWindow) } else { Ok((start, end)) }
}

/// The entry of a key that holds from one time on, until another or for ever, ready to stand alone or behind others.
pub(super) fn entry(
    fingerprint: &str,
    algorithm: Algorithm,
    secret: &[u8],
    (start, end): (Timestamp, Option<Timestamp>),
) -> Zeroizing<String> {
    let secret = Zeroizing::new(base64_encode(secret));
    // A fingerprint may bear quotes and backslashes.
    let fingerprint = toml::Value::from(fingerprint);
    let end = end.map_or_else(String::new, |end| format!("valid_until = {end}\n"));
    Zeroizing::new(format!(
        "[[key]]\nfingerprint = {fingerprint}\nalgorithm = \"{algorithm}\"\nsecret = \"base64:{}\"\nvalid_after = {start}\n{end}",
        *secret
    ))
}

pub(super) fn random_fingerprint() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex_encode(&bytes)
}

pub(super) fn random_secret(algorithm: Algorithm) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; algorithm.key_size.bytes()]);
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// When a key begins or ceases to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// At a time.
    At(Timestamp),
    /// So much later than now, or earlier.
    In(SignedDuration),
}

impl Moment {
    /// The moment in whole seconds, so that it reads well.
    fn from(self, now: Timestamp) -> Result<Timestamp, MomentFault> {
        let (moment, rounding) = match self {
            Self::At(moment) => (moment, jiff::RoundMode::Trunc),
            // A start that is rounded down is never in the future by a piece of a second.
            Self::In(wait) => {
                (now.checked_add(wait).map_err(|_| MomentFault::OutOfRange)?, jiff::RoundMode::Floor)
            }
        };
        let second = jiff::TimestampRound::new().smallest(Unit::Second).mode(rounding);
        moment.round(second).map_err(|_| MomentFault::OutOfRange)
    }
}

impl FromStr for Moment {
    type Err = MomentFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(['+', '-']) {
            return text.parse().map(Self::In).map_err(|_| MomentFault::NotATime);
        }
        text.parse().map(Self::At).map_err(|_| MomentFault::NotATime)
    }
}

/// Why texts say no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum MomentFault {
    /// Neither a time nor a wait.
    #[error("expected a time with an offset such as 2026-01-31T12:00:00Z, or a wait such as +10m")]
    NotATime,
    /// The end is no later than the start.
    #[error(
        "the key would cease to hold before it begins to: --valid-until must be later than --valid-after"
    )]
    NoWindow,
    /// Too far away for a calendar.
    #[error("the time is out of range")]
    OutOfRange,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{RingPolicy, parse_key_file};

    #[test]
    fn start_is_a_time_or_a_wait_in_whole_seconds() {
        let now: Timestamp = "2026-06-01T00:00:00.9Z".parse().unwrap();
        let after = |text: &str| text.parse::<Moment>().unwrap().from(now).unwrap().to_string();
        assert_eq!(after("2026-01-01T02:00:00+02:00"), "2026-01-01T00:00:00Z");
        assert_eq!(after("+10m"), "2026-06-01T00:10:00Z");
        assert_eq!(after("+1h30m"), "2026-06-01T01:30:00Z");
        assert_eq!(after("-30s"), "2026-05-31T23:59:30Z");
        assert_eq!(after("+0s"), "2026-06-01T00:00:00Z");
    }

    #[test]
    fn start_without_an_offset_or_a_unit_is_refused() {
        for text in ["", "10m", "+10", "+", "now", "2026-01-01T00:00:00", "2026-01-01"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentFault::NotATime), "for {text:?}");
        }
        let far: Moment = "+99999999h".parse().unwrap();
        assert_eq!(far.from(Timestamp::UNIX_EPOCH), Err(MomentFault::OutOfRange));
    }

    #[test]
    fn entry_reads_back_as_a_key_file() {
        let start: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        for algorithm in Algorithm::ALL {
            let text = entry(r#"a"\b'#"#, algorithm, &random_secret(algorithm), (start, None));
            let parsed = parse_key_file(&text, "keys.toml", RingPolicy::default(), start).unwrap();
            let key = parsed.ring.sealing_key(start).unwrap();
            assert_eq!((key.fingerprint.as_str(), key.secret.algorithm()), (r#"a"\b'#"#, algorithm));
            assert_eq!((key.validity.after, key.validity.until), (Some(start), None));
        }
        let end = "2026-06-02T00:00:00Z".parse().unwrap();
        let algorithm = Algorithm::ALL[0];
        let text = entry("a", algorithm, &random_secret(algorithm), (start, Some(end)));
        let parsed = parse_key_file(&text, "keys.toml", RingPolicy::default(), start).unwrap();
        assert_eq!(parsed.ring.key("a").unwrap().validity.until, Some(end));
    }
}
