//! `alewife doctor`: which profile a captured message is in.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::exit::Exit;
use super::{complain, print};
use crate::doctor::{Capture, CaptureFault, Case, examine};

/// All of it is over within 5 s; what is under way when this is over may take a moment more.
const PATIENCE: Duration = Duration::from_millis(4_000);

/// More than this is no key.
const LONGEST_KEY: u64 = 4096;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The capture is a request as HTTP/1 has it, headers and a body, or a message alone: JSON, a form, a query, base64, hex or \
bytes. Algorithms, places and encodings of iv, tag and ciphertext, forms of the key, padding and additional data are tried, \
then PBKDF2, all of it offline and within 5 s. What is named has opened the capture as a sidecar would. Only a tag of 12 \
bytes or more that verifies is called a proof. Nothing of the plaintext is printed without --show, and never the key.

Exit status: 0 if something opens the capture, 1 if nothing does, 2 if the capture or the key cannot be read, 64 for a wrong \
command line.

Examples:
  alewife doctor captured.txt --key-file vendor.key
  pbpaste | alewife doctor --key-env VENDOR_KEY --iv 'sixteen letters.'")]
pub(super) struct Args {
    /// The capture; standard input if it is - or left out
    #[arg(value_name = "FILE", default_value = "-")]
    capture: PathBuf,
    /// The file that holds the key, in whatever form it was given
    #[arg(long, value_name = "FILE", required_unless_present = "key_env", conflicts_with = "key_env")]
    key_file: Option<PathBuf>,
    /// The environment variable that holds it
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// An iv that both sides know and no message bears, in whatever form
    #[arg(long, value_name = "TEXT")]
    iv: Option<String>,
    /// The salt, if the key is derived: plain text, or with hex:, base64: or utf8: before it
    #[arg(long, value_name = "TEXT")]
    salt: Option<String>,
    /// Additional data that is the same in each message
    #[arg(long, value_name = "TEXT")]
    aad: Option<String>,
    /// Print the plaintext as well
    #[arg(long)]
    show: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let started = Instant::now();
    let read = key(args).and_then(|key| Ok((key, Capture::read(&capture(&args.capture)?)?)));
    let (key, capture) = match read {
        Ok(read) => read,
        Err(fault) => {
            complain(&format!("alewife doctor: {fault}"));
            return Exit::UnreadableCapture.into();
        }
    };
    let case = Case {
        capture: &capture,
        key: &key,
        iv: args.iv.as_deref(),
        salt: args.salt.as_deref(),
        aad: args.aad.as_deref(),
    };
    let diagnosis = examine(&case, &|| PATIENCE.saturating_sub(started.elapsed()), Timestamp::now());
    let text = Zeroizing::new(diagnosis.lines(&capture, args.show).join("\n") + "\n");
    match print(&text) {
        Exit::Success if diagnosis.findings.is_empty() => Exit::Failure.into(),
        exit => exit.into(),
    }
}

/// Why there is nothing to examine.
#[derive(Debug, thiserror::Error)]
enum DoctorFault {
    #[error("{name}: {source}")]
    Input { name: String, source: io::Error },
    #[error(transparent)]
    Capture(#[from] CaptureFault),
    #[error("the key is empty: {0} holds nothing")]
    EmptyKey(String),
    #[error("{0} is longer than {LONGEST_KEY} bytes, which is no key")]
    LongKey(String),
    #[error("the environment has no variable {0}")]
    NoVariable(String),
}

/// The key as it was given; at least one byte.
fn key(args: &Args) -> Result<Zeroizing<Vec<u8>>, DoctorFault> {
    let (name, key) = match (&args.key_file, &args.key_env) {
        (Some(path), _) => {
            let name = path.display().to_string();
            let text = read(path, &name, LONGEST_KEY + 1)?;
            (name, text)
        }
        (None, variable) => {
            let name = variable.clone().unwrap_or_default();
            let value = std::env::var_os(&name).ok_or_else(|| DoctorFault::NoVariable(name.clone()))?;
            (name, Zeroizing::new(value.into_encoded_bytes()))
        }
    };
    match key.len() as u64 {
        length if length > LONGEST_KEY => Err(DoctorFault::LongKey(name)),
        _ if key.trim_ascii().is_empty() => Err(DoctorFault::EmptyKey(name)),
        _ => Ok(key),
    }
}

fn capture(path: &Path) -> Result<Zeroizing<Vec<u8>>, DoctorFault> {
    let most = Capture::MOST as u64 + 1;
    if path != Path::new("-") {
        return read(path, &path.display().to_string(), most);
    }
    let mut text = Zeroizing::new(Vec::new());
    let read = io::stdin().lock().take(most).read_to_end(&mut text);
    read.map_err(|source| DoctorFault::Input { name: "standard input".to_owned(), source })?;
    Ok(text)
}

fn read(path: &Path, name: &str, most: u64) -> Result<Zeroizing<Vec<u8>>, DoctorFault> {
    let fault = |source| DoctorFault::Input { name: name.to_owned(), source };
    let file = std::fs::File::open(path).map_err(fault)?;
    // Room from the start: a buffer that grew would leave pieces of a key behind.
    let room = file.metadata().map_or(0, |known| known.len().min(most));
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0) + 1));
    file.take(most).read_to_end(&mut text).map_err(fault)?;
    Ok(text)
}
