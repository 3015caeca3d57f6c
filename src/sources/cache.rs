//! The last good document of a portal, sealed in a file, for a start while the portal cannot be reached.
//!
//! | bytes | are |
//! |---|---|
//! | 0 to 7 | `ALEcache` |
//! | 8 | the format: 1 |
//! | 9 to 20 | an IV, fresh for each file |
//! | the rest | AES-256-GCM of what follows, and its tag; additional data are bytes 0 to 8 and the source's URL |
//!
//! Inside: when the document was fetched (8 bytes, milliseconds of Unix time, big endian), the length of its validator's line
//! (2 bytes), that line, and the document.

mod fault;
#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use zeroize::{Zeroize, Zeroizing};

use super::SecretSource;
use super::portal::Validator;
use crate::crypto::encoding::{base64_decode, hex_decode};
use crate::crypto::{self, Algorithm, Iv, IvLength, KeySize, Mode, SecretKey};

pub use fault::CacheFault;

const MAGIC: &[u8; 8] = b"ALEcache";
const FORMAT: u8 = 1;
/// Magic and format.
const PREAMBLE: usize = MAGIC.len() + 1;
const IV: usize = 12;
const TAG: usize = 16;
/// Time and length, before the validator's line.
const FIXED: usize = 10;
/// The longest document that is kept: far more than any ring holds, and it is read whole.
const SIZE_LIMIT: u64 = 64 * 1024 * 1024;
const CIPHER: Algorithm = Algorithm { key_size: KeySize::Aes256, mode: Mode::Gcm };

/// Where the cache is, and where its key.
///
/// The key is one of its own, in no ring: 32 bytes, written `base64:…` or `hex:…`, read anew each time. All that is done
/// here blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFile {
    /// The file. What stands there is replaced whole.
    pub path: PathBuf,
    /// Under what it is sealed.
    pub key: SecretSource,
}

/// What a cache kept.
pub struct Cached {
    /// The document, which is a secret.
    pub document: Zeroizing<String>,
    /// With which to ask whether it has changed.
    pub validator: Option<Validator>,
    /// When it was fetched, or known to be unchanged.
    pub fetched_at: Timestamp,
}

impl CacheFile {
    /// Seals `document` as that of `source`, for those who may read this file and have the key.
    ///
    /// Whoever reads meanwhile sees what stood there before, or all of this; so does who reads after a power cut.
    pub fn store(
        &self,
        document: &str,
        validator: Option<&Validator>,
        fetched_at: Timestamp,
        source: &str,
    ) -> Result<(), CacheFault> {
        if document.len() as u64 > SIZE_LIMIT {
            return Err(CacheFault::DocumentTooLarge);
        }
        let key = self.key()?;
        let inside = inside(document, validator, fetched_at);
        let iv = Iv::random(IvLength::Twelve, &mut rand::rng());
        let sealed = crypto::seal(&key, iv.as_bytes(), &additional_data(source), &inside);
        // GCM takes 64 GiB and any IV, so this never comes into play.
        let sealed = sealed.map_err(|_| CacheFault::DocumentTooLarge)?;
        let file = [&preamble()[..], iv.as_bytes(), &sealed].concat();
        self.replace(&file).map_err(CacheFault::Unwritable)
    }

    /// The document of `source`, unless it is older than `max_stale` at `now`; `None` if there is no such file. One from the
    /// future is as good as new: the clock was set back.
    pub fn load(
        &self,
        source: &str,
        now: Timestamp,
        max_stale: Duration,
    ) -> Result<Option<Cached>, CacheFault> {
        let Some(file) = self.read()? else { return Ok(None) };
        if !file.starts_with(MAGIC) {
            return Err(CacheFault::NotACache);
        }
        match file.get(MAGIC.len()) {
            Some(&FORMAT) => {}
            Some(&format) => return Err(CacheFault::UnknownFormat(format)),
            None => return Err(CacheFault::CutShort),
        }
        let rest = &file[PREAMBLE..];
        if rest.len() < IV + FIXED + TAG {
            return Err(CacheFault::CutShort);
        }
        let (iv, sealed) = rest.split_at(IV);
        let opened = crypto::open(&self.key()?, iv, &additional_data(source), sealed);
        let mut inside = opened.map_err(|_| CacheFault::NotAuthentic)?;
        let cached = outside(&inside).ok_or(CacheFault::Malformed);
        inside.zeroize();
        let cached = cached?;
        let age = Duration::try_from(now.duration_since(cached.fetched_at)).unwrap_or_default();
        if age > max_stale {
            return Err(CacheFault::Stale { age, max_stale });
        }
        Ok(Some(cached))
    }

    /// The key as it is now, so that a wrong one is found before it is needed.
    pub fn check_key(&self) -> Result<(), CacheFault> {
        self.key().map(drop)
    }

    fn key(&self) -> Result<SecretKey, CacheFault> {
        let text = self.key.read().map_err(CacheFault::Key)?;
        let bytes = match text.split_once(':') {
            Some(("base64", rest)) => base64_decode(rest.as_bytes()),
            Some(("hex", rest)) => hex_decode(rest.as_bytes()),
            _ => None,
        };
        let bytes = bytes.map(Zeroizing::new).ok_or(CacheFault::KeyNotWritten)?;
        SecretKey::new(CIPHER, &bytes).map_err(|wrong| CacheFault::KeyLength(wrong.actual))
    }

    /// All of the file, sealed as it is.
    fn read(&self) -> Result<Option<Vec<u8>>, CacheFault> {
        // Looked at before it is opened: a pipe would keep us waiting there.
        match std::fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_file() => return Err(CacheFault::NotAFile),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CacheFault::Unreadable(error)),
        }
        let file = File::open(&self.path).map_err(CacheFault::Unreadable)?;
        if is_world_writable(&file.metadata().map_err(CacheFault::Unreadable)?) {
            return Err(CacheFault::WorldWritable);
        }
        let mut sealed = Vec::new();
        let limit = SIZE_LIMIT + 64 * 1024;
        let read = file.take(limit + 1).read_to_end(&mut sealed).map_err(CacheFault::Unreadable)?;
        if read as u64 > limit { Err(CacheFault::NotACache) } else { Ok(Some(sealed)) }
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // Of mode 0600, and gone if this ends early.
        let mut file = tempfile::Builder::new().prefix(".alewife-cache-").tempfile_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        // Not every file system can do that for a directory; without it a power cut may leave what stood there before.
        let _best_effort = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

fn preamble() -> [u8; PREAMBLE] {
    let mut preamble = [FORMAT; PREAMBLE];
    preamble[..MAGIC.len()].copy_from_slice(MAGIC);
    preamble
}

fn additional_data(source: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&preamble()[..], source.as_bytes()].concat())
}

fn inside(document: &str, validator: Option<&Validator>, fetched_at: Timestamp) -> Zeroizing<Vec<u8>> {
    let line = validator.map(Validator::to_line).unwrap_or_default();
    // Room from the start: a vector that grew would leave copies behind. A validator's line is about 1 KiB at most.
    let mut inside = Zeroizing::new(Vec::with_capacity(FIXED + line.len() + document.len()));
    inside.extend_from_slice(&fetched_at.as_millisecond().to_be_bytes());
    inside.extend_from_slice(&u16::try_from(line.len()).unwrap_or_default().to_be_bytes());
    inside.extend_from_slice(line.as_bytes());
    inside.extend_from_slice(document.as_bytes());
    inside
}

/// The reverse of [`inside`].
fn outside(inside: &[u8]) -> Option<Cached> {
    let (time, rest) = inside.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (line, document) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let validator = match std::str::from_utf8(line).ok()? {
        "" => None,
        line => Some(Validator::from_line(line)?),
    };
    let document = Zeroizing::new(std::str::from_utf8(document).ok()?.to_owned());
    let fetched_at = Timestamp::from_millisecond(i64::from_be_bytes(*time)).ok()?;
    Some(Cached { document, validator, fetched_at })
}

/// Whether everyone on the machine may put another cache there, an older one for example. Members of a group may: volumes
/// are handed to a container's group in this way, and what they could write must be authentic all the same.
#[cfg(unix)]
fn is_world_writable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o002 != 0
}

#[cfg(not(unix))]
fn is_world_writable(_: &Metadata) -> bool {
    false
}
