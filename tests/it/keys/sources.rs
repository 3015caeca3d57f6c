//! A portal alone, a file and a portal together, and what they may contradict each other in.

use std::fs;

use serde_json::json;

use super::faults::shown;
use super::{
    GCM, answer, await_fetch, document, document_of, entry, failure, fetches, is_opened, key, of_keys, opens,
    reloads, sealing, sidecar, source,
};
use crate::support::{Portal, Sidecar, TestKey, eventually};

/// Puts a new key file in the place of the old one.
fn replace(sidecar: &Sidecar, text: &str) {
    let fresh = sidecar.directory().join("fresh.toml");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, sidecar.key_file()).unwrap();
}

fn with_window(key: &TestKey, until: &str) -> String {
    format!("{}valid_until = {until}\n", key.entry())
}

#[test]
fn keys_of_a_portal_are_there_before_the_first_request_is_taken() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1), &key(2)]));
    let sidecar = sidecar(&portal).start();
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)) && !opens(&sidecar, &key(3)));
    assert_eq!(of_keys(&sidecar, "keys"), 2.0);
    assert_eq!(source(&sidecar, "portal")["name"], portal.url());
    assert!(!sidecar.key_file().exists());
}

#[test]
fn file_and_portal_make_one_ring_and_a_key_of_both_is_one() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(2), &key(3)]));
    let sidecar = sidecar(&portal).keys(&[&key(1), &key(2)]).start();
    // A start that has keys does not wait for the portal.
    eventually("all keys are there", || [1, 2, 3].iter().all(|number| opens(&sidecar, &key(*number))));
    assert_eq!(of_keys(&sidecar, "keys"), 3.0);
    // Without windows the one that was read last seals: the file comes first.
    assert_eq!(sealing(&sidecar).as_ref(), Some(&key(3).fingerprint));
    // Each source goes its own way.
    replace(&sidecar, &key(4).entry());
    eventually("the file's new key is there", || opens(&sidecar, &key(4)));
    assert!(!opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)) && opens(&sidecar, &key(3)));
    portal.serve(&document(&[&key(3), &key(5)]));
    eventually("the portal's new key is there", || opens(&sidecar, &key(5)));
    assert!(!opens(&sidecar, &key(2)) && opens(&sidecar, &key(4)));
}

#[test]
fn key_that_both_define_otherwise_is_refused_whoever_brings_it_and_named_in_both() {
    let Some(portal) = Portal::start() else { return };
    let mut other = key(1);
    other.secret[9] ^= 1;
    portal.serve(&document(&[&key(2)]));
    let sidecar = sidecar(&portal).keys(&[&key(1)]).start();
    eventually("the portal's key is there", || opens(&sidecar, &key(2)));
    portal.serve(&document(&[&key(2), &other]));
    eventually("the portal's is refused", || fetches(&sidecar, "refused") > 0);
    shown(&sidecar, "a key that the document defines otherwise than the file");
    let what = failure(&sidecar).unwrap();
    for piece in [&portal.url(), "keys.toml:2:15", "another secret", "/keys/1/fingerprint"] {
        assert!(what.contains(piece), "{piece}: {what}");
    }
    assert!(
        opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)) && !is_opened(&answer(&sidecar, &other), &other)
    );
    portal.serve(&document(&[&key(2)]));
    eventually("it is over", || failure(&sidecar).is_none());

    replace(&sidecar, &with_window(&key(2), "2999-01-01T00:00:00Z"));
    eventually("the file's is refused", || !source(&sidecar, "file")["failure"].is_null());
    shown(&sidecar, "a key that the file defines otherwise than the document");
    let what = source(&sidecar, "file")["failure"]["what"].as_str().unwrap().to_owned();
    for piece in [&portal.url(), "keys.toml:2:15", "another window", "/keys/0/fingerprint"] {
        assert!(what.contains(piece), "{piece}: {what}");
    }
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)));
}

#[test]
fn portal_that_contradicts_the_file_at_the_start_leaves_the_files_keys() {
    let Some(portal) = Portal::start() else { return };
    let mut other = key(1);
    other.secret[9] ^= 1;
    portal.serve(&document(&[&other, &key(2)]));
    let sidecar = sidecar(&portal).keys(&[&key(1)]).start();
    await_fetch(&sidecar, "refused");
    shown(&sidecar, "a key that the document defines otherwise than the file");
    assert!(opens(&sidecar, &key(1)) && !opens(&sidecar, &key(2)));
    // The operator mends the file.
    replace(&sidecar, "");
    eventually("the portal's keys are there", || opens(&sidecar, &key(2)));
}

#[test]
fn primary_in_the_file_may_name_a_key_of_the_portal() {
    let Some(portal) = Portal::start() else { return };
    let keys = || document_of(vec![entry(&key(1), Some(-60), None), entry(&key(2), None, None)]);
    let primary = format!("primary = \"{}\"\n", key(2).fingerprint);
    for file in [primary.clone(), format!("{primary}{}", key(3).entry())] {
        portal.go_down();
        portal.serve(&keys());
        let sidecar = sidecar(&portal).key_file(&file).start();
        // Until the portal has said what it is, nothing else seals in its place.
        assert_eq!(sidecar.admin_page("/readyz"), (503, "no key that seals is valid\n".to_owned()));
        assert_eq!(sealing(&sidecar), None);
        assert_eq!(opens(&sidecar, &key(3)), file.contains("[[key]]"));
        portal.come_up();
        eventually("it seals", || sealing(&sidecar).as_ref() == Some(&key(2).fingerprint));
        assert_eq!(sidecar.admin_page("/readyz").0, 200);
        assert!(opens(&sidecar, &key(1)));
        // Without it the document is no good.
        portal.serve(&document(&[&key(1)]));
        await_fetch(&sidecar, "refused");
        shown(&sidecar, "a document without the key that the file's `primary` names");
        assert_eq!(sealing(&sidecar).as_ref(), Some(&key(2).fingerprint));
    }
}

#[test]
fn key_file_that_is_wrong_ends_the_start_and_later_leaves_the_keys_where_they_are() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(2)]));
    let twice = key(1).entry() + &key(1).entry();
    for wrong in ["[[key]]\n", &twice] {
        let (code, stdout, stderr) = sidecar(&portal).key_file(wrong).run(&["run"]);
        assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
        assert!(stderr.contains("keys.toml:"), "{stderr}");
    }
    assert!(portal.requests().is_empty());
    let sidecar = sidecar(&portal).keys(&[&key(1)]).start();
    eventually("the portal's key is there", || opens(&sidecar, &key(2)));
    replace(&sidecar, "[[key]]\n");
    eventually("it is refused", || !source(&sidecar, "file")["failure"].is_null());
    shown(&sidecar, "a key file that is wrong");
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)));
    fs::remove_file(sidecar.key_file()).unwrap();
    shown(&sidecar, "a key file that is gone");
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)));
    // The portal goes on being followed.
    portal.serve(&document(&[&key(2), &key(3)]));
    eventually("the portal's new key is there", || opens(&sidecar, &key(3)));
}

#[test]
fn document_that_was_saved_is_a_key_file() {
    let site = |keys: &[&TestKey]| {
        json!({ "services": { "pos": { "keys": keys.iter().map(|key| entry(key, None, None)).collect::<Vec<_>>() } } }).to_string()
    };
    let layout = "[keys.document]\nkeys_pointer = \"/services/pos/keys\"\nalgorithm = \"AES-256-GCM\"\nencoding = \"base64\"";
    let alone = Sidecar::inbound().key_file(&site(&[&key(1)])).keys_section(layout).start();
    assert!(opens(&alone, &key(1)));
    replace(&alone, &site(&[&key(1), &key(2)]));
    eventually("its new key is there", || opens(&alone, &key(2)));
    assert_eq!(reloads(&alone), 1);
    replace(&alone, &site(&[]));
    eventually("an empty one is refused", || !source(&alone, "file")["failure"].is_null());
    assert!(opens(&alone, &key(1)) && opens(&alone, &key(2)));

    // Beside a portal it is laid out as the portal's are.
    let Some(portal) = Portal::start() else { return };
    portal.serve(&site(&[&key(3)]));
    let lines = format!("{GCM}keys_pointer = \"/services/pos/keys\"");
    let both = sidecar(&portal).portal(&portal, &lines).key_file(&site(&[&key(1)])).start();
    assert!(opens(&both, &key(1)));
    eventually("the portal's key is there", || opens(&both, &key(3)));
    let (code, _, stderr) = Sidecar::inbound().key_file(&site(&[&key(1)])).run(&["run"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("nothing says how it is laid out"), "{stderr}");
}
