//! `alewife keys rotate`: the real binary on real files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use alewife::keys::{KeyRing, RingPolicy, parse_key_file};
use jiff::{SignedDuration, Timestamp};

use super::{Ended, KeyFile, alewife, assert_no_secret, run};
use crate::support::{Origin, Sidecar, TestKey, eventually};

const GCM: &str = "AES-256-GCM";

fn rotate(path: &str, args: &[&str]) -> Ended {
    run([&["keys", "rotate", "--file", path], args].concat(), b"")
}

fn ring(path: &str) -> KeyRing {
    let text = fs::read_to_string(path).unwrap();
    let now = Timestamp::now();
    parse_key_file(&text, "keys.toml", RingPolicy::default(), now)
        .unwrap_or_else(|faults| panic!("{faults}"))
        .ring
}

/// The names of the keys, the youngest first.
fn names(path: &str) -> Vec<String> {
    ring(path).keys().map(|key| key.fingerprint.to_string()).collect()
}

#[test]
fn rotation_says_what_it_did_and_the_file_holds_it() {
    let (old, over) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let text = format!("# ours\n\n{}valid_until = 2025-01-01T00:00:00Z\n\n{}", over.entry(), old.entry());
    let file = KeyFile::with(&text);
    let before = Timestamp::now();
    let said = String::from_utf8(rotate(&file.path(), &["--fingerprint", "next"]).ok()).unwrap();
    let ring = ring(&file.path());
    let new = ring.key("next").unwrap();
    let start = new.validity.after.unwrap();
    let wait = start.duration_since(before);
    assert!(wait >= SignedDuration::from_secs(600) && wait < SignedDuration::from_secs(660), "{wait}");
    let end = start + Duration::from_secs(24 * 3_600);
    assert_eq!(ring.key(&old.fingerprint).unwrap().validity.until, Some(end));
    assert_eq!((new.validity.until, new.secret.algorithm().to_string().as_str()), (None, GCM));
    assert_eq!(names(&file.path()), ["next".to_owned(), old.fingerprint.clone()]);
    let expected = format!(
        "{}: rotated\n  new: next ({GCM}), valid from {start}, in 10m\n  removed: {}, ended at 2025-01-01T00:00:00Z\n  \
         bounded: {}, now until {end}\n  copy the file to every other end before {start}\n",
        file.path(),
        over.fingerprint,
        old.fingerprint
    );
    assert_eq!(said, expected);
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with("# ours\n\n[[key]]\n"), "{text}");
    assert_no_secret(said.as_bytes(), &old);
    let secret = text.split("base64:").last().unwrap().split('"').next().unwrap();
    assert!(secret.len() == 44 && !said.contains(secret), "{said}");
}

#[test]
fn valid_key_is_never_removed_and_that_is_said() {
    let file = KeyFile::of(&[&TestKey::numbered(GCM, 1)]);
    for turn in 1..=3 {
        let said = rotate(&file.path(), &["--keep", "1", "--in", "0s", "--fingerprint", &turn.to_string()]);
        let said = String::from_utf8(said.ok()).unwrap();
        assert_eq!(said.matches("; beyond --keep, but a valid key is not removed\n").count(), turn, "{said}");
    }
    assert_eq!(names(&file.path()), ["3", "2", "1", "fp-AES-256-GCM-1"]);
}

#[test]
fn running_sidecar_takes_the_rotated_file() {
    let (old, application) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&old]).upstream(application.address()).start();
    let path = sidecar.key_file().display().to_string();
    rotate(&path, &["--fingerprint", "next", "--overlap", "1h"]).ok();
    eventually("the keys are reloaded", || sidecar.metric("alewife_keys{keyset=\"default\"}") == 2.0);
    let next = sidecar.key_status("next");
    assert_eq!((next["state"].as_str(), next["algorithm"].as_str()), (Some("not_yet_valid"), Some(GCM)));
    assert_eq!(sidecar.key_status(&old.fingerprint)["state"], "sealing");
    let reply = sidecar.connect().exchange(&old.request("POST", "/", "", b"soup"));
    assert_eq!(reply.open(&old).unwrap(), b"soup");
}

#[test]
fn links_and_modes_stay() {
    let file = KeyFile::of(&[&TestKey::new(GCM)]);
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("keys.toml", file.at("link.toml")).unwrap();
    let before = fs::metadata(file.path()).unwrap();
    rotate(&file.at("link.toml"), &[]).ok();
    assert_eq!(fs::read_link(file.at("link.toml")).unwrap().to_str(), Some("keys.toml"));
    let after = fs::symlink_metadata(file.path()).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());
    assert_eq!(names(&file.path()).len(), 2);
    assert_eq!(fs::read_dir(file.directory()).unwrap().count(), 2);
}

#[test]
fn what_cannot_be_rotated_is_left_as_it_is() {
    let key = TestKey::new(GCM);
    let entry = key.entry();
    let refused = |text: &str, args: &[&str]| {
        let file = KeyFile::with(text);
        let ended = rotate(&file.path(), args);
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        assert_eq!(fs::read_dir(file.directory()).unwrap().count(), 1, "{}", ended.stderr);
        assert_no_secret(ended.stderr.as_bytes(), &key);
        assert!(ended.stdout.is_empty(), "{}", ended.text());
        (ended.status, ended.stderr.replace(&file.path(), "FILE"))
    };
    let primary = format!("primary = \"{}\"\n{entry}", key.fingerprint);
    assert_eq!(
        refused(&primary, &[]),
        (
            78,
            "alewife keys rotate: FILE: it names its `primary` and does not rotate by itself; remove that line, and the \
             key that began last seals\n"
                .to_owned()
        )
    );
    let (status, said) = refused("{\"keys\":[]}", &[]);
    assert!(status == 78 && said.contains("it is a JSON document"), "{said}");
    let (status, said) = refused(&entry.replace("algorithm", "algoritm"), &[]);
    assert!(status == 78 && said.contains("FILE:") && said.contains("remedy: "), "{said}");
    let (status, said) = refused(&entry, &["--fingerprint", &key.fingerprint]);
    assert!(status == 64 && said.contains("is called fp-AES-256-GCM-0 already"), "{said}");
    for args in [&["--overlap", "0s"][..], &["--keep", "0"], &["--in", "soon"], &["--overlap", "99999999h"]] {
        assert_eq!(refused(&entry, args).0, 64, "{args:?}");
    }
    let none = KeyFile::with("");
    let ended = rotate(&none.at("none.toml"), &[]);
    assert!(ended.status == 78 && ended.stderr.contains("it cannot be read"), "{}", ended.stderr);
}

#[test]
fn file_that_cannot_be_replaced_is_as_it_was() {
    let file = KeyFile::of(&[&TestKey::new(GCM)]);
    let before = fs::read_to_string(file.path()).unwrap();
    // What stands where the draft would: it holds for every user, as a read-only directory does not.
    fs::create_dir(file.at(".keys.toml.rotating")).unwrap();
    let ended = rotate(&file.path(), &[]);
    assert!(ended.status == 1 && ended.stderr.contains("and is as it was: "), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(file.path()).unwrap(), before);
}

#[test]
fn wherever_it_is_killed_the_file_is_the_old_or_the_new_one() {
    let file = KeyFile::of(&[&TestKey::new(GCM)]);
    let before = fs::read_to_string(file.path()).unwrap();
    let (_never, pause) = mpsc::channel::<()>();
    let mut killed = 0;
    for microseconds in (0..).step_by(200) {
        let mut rotation =
            alewife(["keys", "rotate", "--file", &file.path()]).stdin(Stdio::null()).spawn().unwrap();
        let _ = pause.recv_timeout(Duration::from_micros(microseconds));
        rotation.kill().unwrap();
        let has_ended = rotation.wait().unwrap().success();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(names(&file.path()).len() <= 2, "{text}");
        assert!(text == before || names(&file.path()).len() == 2, "{text}");
        if has_ended {
            break;
        }
        killed += 1;
        fs::write(file.path(), &before).unwrap();
    }
    assert!(killed > 0, "it was never killed in time");
    // What they left behind is in nobody's way.
    rotate(&file.path(), &[]).ok();
    assert_eq!(names(&file.path()).len(), 3);
    assert_eq!(fs::read_dir(file.directory()).unwrap().count(), 1);
}

#[test]
fn rotations_at_one_time_lose_no_key() {
    let file = KeyFile::of(&[&TestKey::new(GCM)]);
    let rotations: Vec<_> =
        (0..6).map(|_| alewife(["keys", "rotate", "--file", &file.path()]).spawn().unwrap()).collect();
    let ended: Vec<_> = rotations.into_iter().map(Ended::of).collect();
    let succeeded = ended.iter().filter(|ended| ended.status == 0).count();
    for failed in ended.iter().filter(|ended| ended.status != 0) {
        assert!(failed.stderr.ends_with("another rotation is under way\n"), "{}", failed.stderr);
    }
    assert!(succeeded >= 1);
    assert_eq!(names(&file.path()).len(), 1 + succeeded);
}
