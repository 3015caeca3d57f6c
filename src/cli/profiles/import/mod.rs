//! `alewife profiles import`: a vendor's object becomes a profile, a key of a key file, and a file with an iv.

mod object;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use zeroize::Zeroizing;

use self::object::{Object, ObjectFault};
use super::super::exit::Exit;
use super::super::keys::rotate::replace::{Locked, ReplaceFault};
use super::super::{complain, keygen, print};
use super::table::reference;
use crate::document::Faults;
use crate::keys::{Fingerprint, RingPolicy, parse_key_file};
use crate::profile::Preset;

/// An object is short; what is longer is another file.
const LARGEST: u64 = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The object is {\"enc\":{\"algo\":\"AES-256-GCM\",\"key\":\"…\",\"IV\":\"…\"}}, or what stands in it: algo is AES-128, AES-192 \
or AES-256 with -CFB or -GCM, key as many characters as the algorithm takes bytes, IV 16 characters.

The key is appended to the key file, which is made with mode 0600 unless it is there; it is valid from now on. A key file \
of its own, in a [keyset.NAME] of its own, keeps it from sealing for other proxies. The iv becomes a file of mode 0600, \
which must not be there yet. What is printed is the profile, for the configuration; paths in it begin at the \
configuration's directory. No secret is printed, and nothing of the object is quoted where it is wrong.

Exit status: 0, 64 for a wrong command line, 78 for a wrong object or key file, 1 otherwise.

Examples:
  alewife profiles import enc.json --name calls --keys calls.toml --iv-file calls.iv
  pass show vendor | alewife profiles import - --name calls --keys keys.toml --iv-file calls.iv")]
pub(super) struct Args {
    /// The file with the object; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the profile is called
    #[arg(long, value_name = "NAME", value_parser = profile_name)]
    name: String,
    /// The key file that the key is appended to
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// The file that the iv is written to
    #[arg(long, value_name = "FILE")]
    iv_file: PathBuf,
    /// What the key is called in the key file; as the profile unless given
    #[arg(long, value_name = "ID")]
    fingerprint: Option<Fingerprint>,
}

fn profile_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match Preset::named(text) {
        Some(_) => Err("a preset has that name".to_owned()),
        None if (1..=63).contains(&text.len()) && text.bytes().all(allowed) => Ok(text.to_owned()),
        None => Err("expected 1 to 63 letters, digits, hyphens and underscores".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> ExitCode {
    match import(args, Timestamp::now()) {
        Ok(Imported { table, note }) => {
            note.iter().for_each(|note| complain(&format!("note: {note}")));
            print(&table).into()
        }
        Err(fault) => {
            match &fault {
                ImportFault::Keys(faults) => complain(&faults.to_string()),
                fault => {
                    complain(&format!("alewife profiles import: {fault}\n    remedy: {}", fault.remedy()))
                }
            }
            fault.exit().into()
        }
    }
}

/// What is told of an import that is done.
struct Imported {
    table: String,
    note: Option<String>,
}

fn import(args: &Args, now: Timestamp) -> Result<Imported, ImportFault> {
    let text = read(&args.file).map_err(|error| ImportFault::Input { file: shown(&args.file), error })?;
    let object =
        object::read(&text).map_err(|fault| ImportFault::Object { file: shown(&args.file), fault })?;
    let fingerprint = args.fingerprint.as_ref().map_or(args.name.as_str(), Fingerprint::as_str);
    let start = now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor)).unwrap_or(now);
    let entry = keygen::entry(fingerprint, object.algorithm, &object.key, (start, None));
    let keys = KeyFile::open(&args.keys)?;
    let added = keys.with(&args.keys, fingerprint, &entry, now)?;
    write_new(&args.iv_file, &[&object.iv[..], b"\n"].concat().into())
        .map_err(|error| ImportFault::IvFile { file: shown(&args.iv_file), error })?;
    if let Err(fault) = keys.write(&args.keys, &added.text) {
        // The fault that led here is what there is to tell; an iv without its key is of no use.
        let _ = fs::remove_file(&args.iv_file);
        return Err(fault);
    }
    let note = (added.others > 0).then(|| {
        let file = shown(&args.keys);
        format!(
            "{file} has other keys, and of all of them this one began last: unless the file names a primary it seals for \
             every proxy of that key set; a key file and a [keyset.NAME] of its own keep them apart"
        )
    });
    Ok(Imported { table: table(args, &object, fingerprint), note })
}

fn table(args: &Args, object: &Object, fingerprint: &str) -> String {
    let (keys, name) = (shown(&args.keys), &args.name);
    let fingerprint_value = toml::Value::from(format!("key:{fingerprint}"));
    let static_iv = reference("file", &shown(&args.iv_file));
    format!(
        "# The key is {} in {}, which the key set of the proxy or route must have.\n\
         [profile.{name}]\npreset = \"kaleyra\"\nalgorithm = \"{}\"\nfingerprint = {fingerprint_value}\nstatic_iv = {static_iv}\n",
        toml::Value::from(fingerprint),
        toml::Value::from(keys),
        object.algorithm,
    )
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    if file == Path::new("-") {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut text)?;
    } else {
        fs::File::open(file)?.take(LARGEST + 1).read_to_end(&mut text)?;
    }
    if text.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 KiB"));
    }
    Ok(text)
}

/// Makes a file that nobody else may read, and no other in its place.
fn write_new(path: &Path, text: &Zeroizing<Vec<u8>>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half of it would be in the way of the next try.
        let _ = fs::remove_file(path);
    }
    written
}

/// The key file as it is before.
enum KeyFile {
    There { locked: Locked, old: Zeroizing<String> },
    Absent,
}

/// The key file as it is to be.
struct Added {
    text: Zeroizing<String>,
    /// Keys that it had before.
    others: usize,
}

impl KeyFile {
    fn open(path: &Path) -> Result<Self, ImportFault> {
        let fault = |fault| ImportFault::KeyFile { file: shown(path), fault };
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Absent),
            _ => {
                let locked = Locked::of(path).map_err(fault)?;
                let old = locked.read().map_err(fault)?;
                Ok(Self::There { locked, old })
            }
        }
    }

    /// The text with one more entry, which must be right as a whole.
    fn with(&self, path: &Path, name: &str, entry: &str, now: Timestamp) -> Result<Added, ImportFault> {
        let file = shown(path);
        let parse = |text: &str| parse_key_file(text, &file, RingPolicy::default(), now);
        let old = if let Self::There { old, .. } = self { old.as_str() } else { "" };
        let others = match parse(old) {
            Ok(parsed) if parsed.ring.key(name).is_some() => {
                return Err(ImportFault::Taken { file, name: name.to_owned() });
            }
            Ok(parsed) => parsed.ring.len(),
            Err(faults) if !old.trim().is_empty() => return Err(ImportFault::Keys(faults)),
            Err(_) => 0,
        };
        let between = match old {
            "" => "",
            old if old.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let text = Zeroizing::new([old, between, entry].concat());
        parse(&text).map_err(ImportFault::Keys)?;
        Ok(Added { text, others })
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), ImportFault> {
        match self {
            Self::There { locked, old } => {
                locked.replace(old, text).map_err(|fault| ImportFault::KeyFile { file: shown(path), fault })
            }
            Self::Absent => write_new(path, &text.as_bytes().to_vec().into())
                .map_err(|error| ImportFault::NewKeyFile { file: shown(path), error }),
        }
    }
}

/// Why nothing was imported. No file has changed, unless a fault of the key file's says so.
#[derive(Debug, thiserror::Error)]
enum ImportFault {
    #[error("{file}: {error}")]
    Input { file: String, error: io::Error },
    #[error("{file}: the iv cannot be written: {error}")]
    IvFile { file: String, error: io::Error },
    #[error("{file}: {fault}")]
    KeyFile { file: String, fault: ReplaceFault },
    #[error(transparent)]
    Keys(Faults),
    #[error("{file}: the key file cannot be made: {error}")]
    NewKeyFile { file: String, error: io::Error },
    #[error("{file}: {fault}")]
    Object { file: String, fault: ObjectFault },
    #[error("{file}: it has a key {name:?} already")]
    Taken { file: String, name: String },
}

impl ImportFault {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Input { .. } => "name a readable file with the vendor's object, or - for standard input",
            Self::IvFile { error, .. } if error.kind() == io::ErrorKind::AlreadyExists => {
                "name another file; nothing is overwritten, since another profile may need it"
            }
            Self::IvFile { .. } | Self::NewKeyFile { .. } => {
                "name a file in a directory that this user may write to"
            }
            Self::KeyFile { .. } => "mend the key file, or name another one",
            Self::Keys(_) => "mend the key file as `alewife check` tells",
            Self::Object { fault, .. } => fault.remedy(),
            Self::Taken { .. } => "name another one with --fingerprint, or remove that entry",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Keys(_) | Self::Object { .. } | Self::Taken { .. } => Exit::WrongConfiguration,
            _ => Exit::Failure,
        }
    }
}
