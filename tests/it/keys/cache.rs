//! The cache: a start with what was good last, and every cache that is not to be believed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use alewife::sources::{CacheFile, SecretSource};
use jiff::Timestamp;
use tempfile::TempDir;

use super::faults::shown;
use super::{GCM, await_fetch, document, fetches, from_now, key, logged, of_keys, opens, sidecar, source};
use crate::support::{Portal, Sidecar, SidecarBuilder, eventually};

/// Where one machine has its cache and the key of it.
struct Machine {
    directory: TempDir,
}

impl Machine {
    fn new(byte: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cache.key"), format!("hex:{}\n", byte.repeat(32))).unwrap();
        Self { directory }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("keys.cache")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("cache.key")
    }

    /// A sidecar of this machine.
    fn sidecar(&self, portal: &Portal, lines: &str) -> SidecarBuilder {
        let (cache, key) = (self.cache(), self.key());
        let cache = format!(
            "cache_file = \"{}\"\ncache_key = {{ file = \"{}\" }}\n{lines}\n",
            cache.display(),
            key.display()
        );
        sidecar(portal).portal(portal, &format!("{GCM}{cache}"))
    }

    /// Has a sidecar of this machine write its cache.
    fn fill(&self, portal: &Portal, text: &str) {
        portal.serve(text);
        let mut filling = self.sidecar(portal, "").start();
        eventually("the cache is there", || self.cache().exists());
        assert_eq!(filling.stop().code(), Some(0));
    }

    /// Writes the cache as if `at` were now.
    fn write(&self, portal: &Portal, text: &str, at: Timestamp) {
        let key = SecretSource::File(self.key());
        CacheFile { path: self.cache(), key }.store(text, None, at, &portal.url()).unwrap();
    }
}

/// A start that has no use for its cache: it is told why, and the portal's answer replaces the cache.
#[must_use = "the sidecar ends with it"]
fn refuses(machine: &Machine, portal: &Portal, lines: &str, fault: &str) -> Sidecar {
    portal.go_down();
    let sidecar = machine.sidecar(portal, lines).start();
    shown(&sidecar, fault);
    assert!(!opens(&sidecar, &key(1)), "{fault}");
    portal.come_up();
    portal.serve(&document(&[&key(1)]));
    sidecar.signal("HUP");
    eventually("the portal's keys are there", || opens(&sidecar, &key(1)));
    sidecar
}

#[test]
fn start_while_the_portal_is_away_begins_with_what_was_good_last() {
    let Some(portal) = Portal::start() else { return };
    let machine = Machine::new("07");
    machine.fill(&portal, &document(&[&key(1), &key(2)]));
    assert_eq!(fs::metadata(machine.cache()).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = fs::read(machine.cache()).unwrap();
    let secret = key(1).secret_base64();
    assert!(!sealed.windows(secret.len()).any(|window| window == secret.as_bytes()));
    portal.go_down();
    let sidecar = machine.sidecar(&portal, "").start();
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)));
    shown(&sidecar, "a start without the portal, with a cache");
    let told = source(&sidecar, "portal");
    assert!(told["confirmed"].is_string() && told["failure"].is_object(), "{told}");
    assert_eq!(told["from_cache"], true);
    logged(&sidecar, &["begins with the cached keys of ", &portal.url(), ", confirmed ", " ago"]);
    assert_eq!(of_keys(&sidecar, "keys"), 2.0);
    // And what is new is asked for, with the validator of before.
    let before = portal.requests().len();
    portal.come_up();
    await_fetch(&sidecar, "unchanged");
    assert!(portal.requests()[before].header("if-none-match").is_some());
    assert_eq!(fetches(&sidecar, "taken"), 0);
    assert_eq!(source(&sidecar, "portal")["from_cache"], false);
    portal.serve(&document(&[&key(2), &key(3)]));
    eventually("the new key is there", || opens(&sidecar, &key(3)));
    // It is in the cache as well, before the portal is asked again.
    await_fetch(&sidecar, "unchanged");
    drop(sidecar);
    portal.go_down();
    let again = machine.sidecar(&portal, "").start();
    assert!(opens(&again, &key(3)) && !opens(&again, &key(1)));
}

#[test]
fn cache_of_another_machine_or_another_portal_or_one_that_was_changed_is_refused() {
    let (Some(portal), Some(other)) = (Portal::start(), Portal::start()) else { return };
    let (here, there) = (Machine::new("07"), Machine::new("08"));
    const FAULT: &str = "a cache that was changed, or is another machine's or another portal's";
    there.fill(&portal, &document(&[&key(9)]));
    fs::copy(there.cache(), here.cache()).unwrap();
    assert!(!opens(&refuses(&here, &portal, "", FAULT), &key(9)));
    here.fill(&other, &document(&[&key(9)]));
    assert!(!opens(&refuses(&here, &portal, "", FAULT), &key(9)));
    let mut sealed = fs::read(here.cache()).unwrap();
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    fs::write(here.cache(), sealed).unwrap();
    let _sidecar = refuses(&here, &portal, "", FAULT);
}

#[test]
fn cache_that_is_too_old_is_refused_and_one_of_the_future_is_not() {
    let Some(portal) = Portal::start() else { return };
    let machine = Machine::new("07");
    machine.write(&portal, &document(&[&key(9)]), from_now(-2 * 3600 * 1000));
    assert!(!opens(
        &refuses(&machine, &portal, "max_stale = \"1h\"", "a cache older than `max_stale`"),
        &key(9)
    ));
    // The clock was set back since.
    machine.write(&portal, &document(&[&key(9)]), from_now(24 * 3600 * 1000));
    portal.go_down();
    let sidecar = machine.sidecar(&portal, "max_stale = \"1h\"").start();
    assert!(opens(&sidecar, &key(9)));
    assert_eq!(source(&sidecar, "portal")["age_seconds"], 0);
}

#[test]
fn cache_that_everyone_may_write_is_refused() {
    let Some(portal) = Portal::start() else { return };
    let machine = Machine::new("07");
    machine.fill(&portal, &document(&[&key(9)]));
    fs::set_permissions(machine.cache(), fs::Permissions::from_mode(0o606)).unwrap();
    let _sidecar = refuses(&machine, &portal, "", "a cache that everyone may write to");
    eventually("it is replaced by one of our own", || {
        fs::metadata(machine.cache()).unwrap().permissions().mode() & 0o777 == 0o600
    });
}

#[test]
fn cache_whose_key_is_no_key_is_neither_read_nor_written() {
    let Some(portal) = Portal::start() else { return };
    let machine = Machine::new("07");
    machine.fill(&portal, &document(&[&key(9)]));
    let written = fs::read(machine.cache()).unwrap();
    fs::write(machine.key(), "hex:0707\n").unwrap();
    let sidecar = refuses(&machine, &portal, "", "a cache without its key");
    logged(&sidecar, &["the cache of the keys was not written: its key has 2 bytes instead of 32; "]);
    assert_eq!(fs::read(machine.cache()).unwrap(), written);
}

#[test]
fn cache_that_cannot_be_written_is_told_and_the_keys_are_in_force_all_the_same() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let machine = Machine::new("07");
    let nowhere = machine.directory.path().join("none/keys.cache");
    let lines = format!(
        "{GCM}cache_file = \"{}\"\ncache_key = {{ file = \"{}\" }}",
        nowhere.display(),
        machine.key().display()
    );
    let sidecar = sidecar(&portal).portal(&portal, &lines).start();
    shown(&sidecar, "a cache that cannot be written");
    assert!(opens(&sidecar, &key(1)));
    await_fetch(&sidecar, "unchanged");
    assert_eq!(
        sidecar.log().matches("the cache of the keys was not written").count(),
        1,
        "{}",
        sidecar.log()
    );
    // Once it can be, it is, though nothing else is new.
    fs::create_dir(nowhere.parent().unwrap()).unwrap();
    eventually("it is written", || nowhere.exists());
}

#[test]
fn cache_that_contradicts_the_file_is_left_for_the_files_keys() {
    let Some(portal) = Portal::start() else { return };
    let machine = Machine::new("07");
    let mut other = key(1);
    other.secret[9] ^= 1;
    machine.write(&portal, &document(&[&other, &key(2)]), from_now(-1000));
    portal.go_down();
    let sidecar = machine.sidecar(&portal, "").keys(&[&key(1)]).start();
    assert!(opens(&sidecar, &key(1)) && !opens(&sidecar, &key(2)));
    shown(&sidecar, "a cache that contradicts the file");
}

#[test]
fn cache_is_written_seldom_while_nothing_changes() {
    let Some(portal) = Portal::start() else { return };
    let machine = Machine::new("07");
    portal.serve(&document(&[&key(1)]));
    let sidecar = machine.sidecar(&portal, "").start();
    eventually("the cache is there", || machine.cache().exists());
    let written = fs::read(machine.cache()).unwrap();
    await_fetch(&sidecar, "unchanged");
    await_fetch(&sidecar, "unchanged");
    assert_eq!(fs::read(machine.cache()).unwrap(), written);
    // Nothing but the cache and its key lies there.
    let left = fs::read_dir(machine.directory.path()).unwrap().count();
    assert_eq!(left, 2);
}
