use std::fs;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;

use super::*;
use crate::sources::SecretFault;

const SOURCE: &str = "https://portal.test/sites/7?token=s3cret";
const DOCUMENT: &str = "{\"keys\":[{\"value\":\"a secret\"}]}";
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const KEY: [u8; 32] = [7; 32];

struct Place {
    directory: tempfile::TempDir,
    cache: CacheFile,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("cache.key");
        fs::write(&key, format!("hex:{}\n", "07".repeat(32))).unwrap();
        let path = directory.path().join("keys.cache");
        Self { cache: CacheFile { path, key: SecretSource::File(key) }, directory }
    }

    fn stored() -> Self {
        let place = Self::new();
        place.cache.store(DOCUMENT, Some(&validator()), fetched_at(), SOURCE).unwrap();
        place
    }

    fn load(&self) -> Result<Option<Cached>, CacheFault> {
        self.cache.load(SOURCE, fetched_at(), WEEK)
    }

    fn fault(&self) -> CacheFault {
        self.load().err().expect("it is refused")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.cache.path).unwrap()
    }
}

fn fetched_at() -> Timestamp {
    "2026-11-25T10:00:00.125Z".parse().unwrap()
}

fn validator() -> Validator {
    let tag = (header::ETAG, HeaderValue::from_static("\"v1\""));
    Validator::of(&HeaderMap::from_iter([tag])).unwrap()
}

fn is_document(loaded: Result<Option<Cached>, CacheFault>) -> bool {
    loaded.unwrap().is_some_and(|cached| *cached.document == DOCUMENT)
}

#[test]
fn document_comes_back_with_its_validator_and_its_time() {
    let cached = Place::stored().load().unwrap().unwrap();
    assert_eq!(*cached.document, DOCUMENT);
    assert_eq!(cached.validator, Some(validator()));
    assert_eq!(cached.fetched_at, fetched_at());
    let place = Place::new();
    place.cache.store("", None, fetched_at(), SOURCE).unwrap();
    let cached = place.load().unwrap().unwrap();
    assert_eq!((cached.document.as_str(), cached.validator), ("", None));
}

#[test]
fn file_that_is_not_there_is_no_fault() {
    assert!(Place::new().load().unwrap().is_none());
    // Not even if nobody could say what it is sealed under.
    let place = Place::new();
    fs::remove_file(place.directory.path().join("cache.key")).unwrap();
    assert!(place.load().unwrap().is_none());
}

#[test]
fn file_is_what_its_description_says() {
    let place = Place::new();
    let mut inside = fetched_at().as_millisecond().to_be_bytes().to_vec();
    inside.extend_from_slice(b"\x00\x0aetag: \"v1\"");
    inside.extend_from_slice(DOCUMENT.as_bytes());
    let aad = [b"ALEcache\x01", SOURCE.as_bytes()].concat();
    let oracle = Aes256Gcm::new(&KEY.into());
    let sealed = oracle.encrypt(&[9; 12].into(), Payload { msg: &inside, aad: &aad }).unwrap();
    fs::write(&place.cache.path, [b"ALEcache\x01", &[9; 12][..], &sealed].concat()).unwrap();
    assert!(is_document(place.load()));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let place = Place::stored();
    let whole = place.bytes();
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        fs::write(&place.cache.path, &changed).unwrap();
        let fault = place.fault();
        let expected = match bit / 8 {
            0..8 => matches!(fault, CacheFault::NotACache),
            8 => matches!(fault, CacheFault::UnknownFormat(format) if format == changed[8]),
            _ => matches!(fault, CacheFault::NotAuthentic),
        };
        assert!(expected, "bit {bit}: {fault:?}");
    }
    for length in 0..whole.len() {
        fs::write(&place.cache.path, &whole[..length]).unwrap();
        let fault = place.fault();
        let expected = match length {
            0..8 => matches!(fault, CacheFault::NotACache),
            8..47 => matches!(fault, CacheFault::CutShort),
            _ => matches!(fault, CacheFault::NotAuthentic),
        };
        assert!(expected, "{length} bytes: {fault:?}");
    }
    fs::write(&place.cache.path, [&whole[..], b"\0"].concat()).unwrap();
    assert!(matches!(place.fault(), CacheFault::NotAuthentic));
    fs::write(&place.cache.path, &whole).unwrap();
    assert!(is_document(place.load()));
}

#[test]
fn cache_of_another_source_or_under_another_key_is_refused() {
    let place = Place::stored();
    for other in ["https://portal.test/sites/8?token=s3cret", "https://portal.test/sites/7", ""] {
        let loaded = place.cache.load(other, fetched_at(), WEEK);
        assert!(matches!(loaded, Err(CacheFault::NotAuthentic)), "{other}");
    }
    fs::write(place.directory.path().join("cache.key"), format!("hex:{}", "08".repeat(32))).unwrap();
    assert!(matches!(place.fault(), CacheFault::NotAuthentic));
}

#[test]
fn age_counts_from_the_fetch_and_a_clock_that_was_set_back_makes_nothing_old() {
    let place = Place::stored();
    let load = |now: Timestamp| place.cache.load(SOURCE, now, WEEK);
    assert!(is_document(load(fetched_at() + WEEK)));
    let late = load(fetched_at() + WEEK + Duration::from_millis(1));
    assert!(matches!(late, Err(CacheFault::Stale { age, max_stale: WEEK }) if age > WEEK));
    assert!(is_document(load(fetched_at() - 100 * WEEK)));
    assert!(is_document(load(Timestamp::MIN)));
    assert!(matches!(load(Timestamp::MAX), Err(CacheFault::Stale { .. })));
}

#[test]
fn cache_is_replaced_whole_for_its_owner_alone_and_leaves_nothing_beside_it() {
    let place = Place::stored();
    let (first, inode) = (place.bytes(), fs::File::open(&place.cache.path).unwrap());
    place.cache.store(DOCUMENT, Some(&validator()), fetched_at(), SOURCE).unwrap();
    let second = place.bytes();
    // A fresh IV, so everything from there on is another.
    assert!(first[9..21] != second[9..21] && first[21..37] != second[21..37]);
    assert_eq!(first.len(), second.len());
    // Who had it open has the whole old one.
    let mut old = Vec::new();
    { inode }.read_to_end(&mut old).unwrap();
    assert_eq!(old, first);
    let names = fs::read_dir(place.directory.path()).unwrap();
    assert_eq!(names.count(), 2);
    for piece in ["secret", "s3cret", "portal.test", "v1"] {
        assert!(!second.windows(piece.len()).any(|window| window == piece.as_bytes()), "{piece}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&place.cache.path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn cache_that_cannot_be_written_leaves_what_stood_there() {
    let place = Place::stored();
    let nowhere = CacheFile { path: place.directory.path().join("none/keys.cache"), ..place.cache.clone() };
    let refused = nowhere.store(DOCUMENT, None, fetched_at(), SOURCE);
    assert!(matches!(refused, Err(CacheFault::Unwritable(_))), "{refused:?}");
    fs::write(place.directory.path().join("cache.key"), "").unwrap();
    let refused = place.cache.store("{}", None, fetched_at(), SOURCE);
    assert!(matches!(refused, Err(CacheFault::Key(SecretFault::Empty(_)))), "{refused:?}");
    fs::write(place.directory.path().join("cache.key"), format!("hex:{}", "07".repeat(32))).unwrap();
    assert!(is_document(place.load()));
}

#[test]
fn key_is_32_bytes_in_a_written_encoding() {
    let place = Place::new();
    let key_file = place.directory.path().join("cache.key");
    let check = |text: &str| {
        fs::write(&key_file, text).unwrap();
        place.cache.check_key()
    };
    assert!(check("base64:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").is_ok());
    assert!(check(&format!("hex:{}", "aB".repeat(32))).is_ok());
    for length in [0, 16, 31, 33, 64] {
        let checked = check(&format!("hex:{}", "07".repeat(length)));
        assert!(matches!(checked, Err(CacheFault::KeyLength(actual)) if actual == length), "{checked:?}");
    }
    for text in [
        "07070707070707070707070707070707",
        "utf8:07070707070707070707070707070707",
        "hex:0",
        "base64:BwcH=",
        ":",
    ] {
        assert!(matches!(check(text), Err(CacheFault::KeyNotWritten)), "{text}");
    }
    fs::remove_file(&key_file).unwrap();
    let checked = place.cache.check_key();
    assert!(matches!(checked, Err(CacheFault::Key(SecretFault::Unreadable { .. }))), "{checked:?}");
}

#[cfg(unix)]
#[test]
fn what_everyone_may_write_to_is_refused_and_what_is_no_file_as_well() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::stored();
    let mode = |mode| fs::set_permissions(&place.cache.path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o602);
    assert!(matches!(place.fault(), CacheFault::WorldWritable));
    // As a volume's files are that are handed to a group.
    mode(0o660);
    assert!(is_document(place.load()));
    fs::remove_file(&place.cache.path).unwrap();
    fs::create_dir(&place.cache.path).unwrap();
    assert!(matches!(place.fault(), CacheFault::NotAFile));
    fs::remove_dir(&place.cache.path).unwrap();
    fs::write(&place.cache.path, b"[[key]]\nfingerprint = \"a\"\n").unwrap();
    assert!(matches!(place.fault(), CacheFault::NotACache));
    let file = File::create(&place.cache.path).unwrap();
    file.set_len(SIZE_LIMIT * 2).unwrap();
    assert!(matches!(place.fault(), CacheFault::NotACache));
}

#[test]
fn content_that_is_authentic_but_not_ours_is_refused() {
    let place = Place::new();
    let time = fetched_at().as_millisecond().to_be_bytes();
    let malformed: [&[u8]; 5] = [
        &[&time[..], b"\0\x01"].concat(),
        &[&time[..], b"\0\x07etag: *{}"].concat(),
        &[&time[..], b"\0\x01\xff{}"].concat(),
        &[&time[..], b"\0\0\xff"].concat(),
        &[&[0x7f; 8][..], b"\0\0{}"].concat(),
    ];
    for inside in malformed {
        let key = SecretKey::new(CIPHER, &KEY).unwrap();
        let sealed = crypto::seal(&key, &[1; 12], &additional_data(SOURCE), inside).unwrap();
        fs::write(&place.cache.path, [&preamble()[..], &[1; 12], &sealed].concat()).unwrap();
        assert!(matches!(place.fault(), CacheFault::Malformed), "{inside:?}");
    }
}

#[test]
fn faults_are_alike_of_one_kind_and_cause_whatever_they_quote() {
    let gone = |name: &str| CacheFault::Unwritable(io::Error::new(io::ErrorKind::NotFound, name));
    assert!(gone("a").is_like(&gone("b")));
    let full = CacheFault::Unwritable(io::ErrorKind::StorageFull.into());
    assert!(!gone("a").is_like(&full) && !gone("a").is_like(&CacheFault::NotAFile));
    assert!(CacheFault::NotAFile.is_like(&CacheFault::NotAFile));
}

proptest! {
    #[test]
    fn any_document_comes_back(document in any::<String>(), source in any::<String>()) {
        let place = Place::new();
        place.cache.store(&document, None, fetched_at(), &source).unwrap();
        let cached = place.cache.load(&source, fetched_at(), WEEK).unwrap().unwrap();
        prop_assert_eq!(&*cached.document, &document);
    }

    #[test]
    fn any_other_file_is_refused(content in proptest::collection::vec(any::<u8>(), 0..200), ours in any::<bool>()) {
        let place = Place::new();
        let start = if ours { &preamble()[..] } else { &[] };
        fs::write(&place.cache.path, [start, &content].concat()).unwrap();
        prop_assert!(place.load().is_err());
    }
}
