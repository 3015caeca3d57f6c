//! `alewife check` and `alewife ping` where keys come from a portal.

use std::process::Command;

use serde_json::json;

use super::{GCM, document, document_of, entry, key, sidecar};
use crate::support::{Authority, Origin, Portal, PortalAnswer, Sidecar, Window};

#[test]
fn check_asks_no_portal_unless_told_to() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document_of(vec![entry(&key(1), Some(-60), None), entry(&key(2), Some(3600), None)]));
    let (code, stdout, stderr) = sidecar(&portal).run(&["check"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let unasked = format!("  keys: from {}, which was not asked (--fetch asks it)\n", portal.url());
    assert!(stdout.contains(&unasked), "{stdout}");
    let (code, stdout, _) = sidecar(&portal).keys(&[&key(3)]).run(&["check"]);
    assert_eq!(code, 0);
    assert!(
        stdout.contains("  keys: 1 in ") && stdout.contains("the portal was not asked; --fetch asks it"),
        "{stdout}"
    );
    assert!(portal.requests().is_empty());

    let (code, stdout, stderr) = sidecar(&portal).run(&["check", "--fetch"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let asked = format!("  keys: 2 in {}, {} (AES-256-GCM) seals\n", portal.url(), key(1).fingerprint);
    assert!(stdout.contains(&asked), "{stdout}");
    assert_eq!(portal.requests().len(), 1);
}

#[test]
fn check_that_asks_no_portal_warns_of_a_token_that_is_not_there() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let headers = "headers = { authorization = { file = \"token\", prefix = \"Bearer \" }, x-site = { value = \"7\" } }";
    let builder = || sidecar(&portal).portal(&portal, &format!("{GCM}{headers}"));
    let (code, stdout, stderr) = builder().run(&["check"]);
    assert_eq!((code, stdout.is_empty()), (0, false), "{stderr}");
    let told = format!("warning: {}: the header authorization has no value: ", portal.url());
    assert!(stderr.starts_with(&told) && stderr.contains("token cannot be read: "), "{stderr}");
    assert!(stderr.contains("\n    remedy: see that the file or variable is there"), "{stderr}");
    assert_eq!(stderr.matches("warning: ").count(), 1, "{stderr}");
    let (code, _, stderr) = builder().file("token", "t0ken\n").run(&["check"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(portal.requests().is_empty());
    // Who asks it is told by that, as a fault.
    let (code, _, stderr) = builder().run(&["check", "--fetch"]);
    assert_eq!((code, stderr.matches("the header authorization has no value").count()), (78, 1), "{stderr}");
}

#[test]
fn check_tells_what_is_wrong_with_a_portal_and_how_to_mend_it() {
    let Some(portal) = Portal::start() else { return };
    let refused = |pieces: &[&str]| {
        let (code, stdout, stderr) = sidecar(&portal).run(&["check", "--fetch"]);
        assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
        for piece in pieces {
            assert!(stderr.contains(piece), "{piece}: {stderr}");
        }
    };
    portal.fail(403);
    refused(&[
        "no answer: the portal answers 403 Forbidden",
        "remedy: see that headers bear the portal's token",
        "1 fault",
    ]);
    let wrong = json!({ "keys": [{ "fingerprint": "a b", "value": "AAAA" }, { "value": 7 }] });
    portal.answer(PortalAnswer::document(&wrong.to_string()));
    refused(&[
        "/keys/0/fingerprint",
        "/keys/0/value",
        "/keys/1/fingerprint",
        "/keys/1/value",
        "expected a string, found a number",
        "4 faults",
    ]);
    portal.serve(&document_of(Vec::new()));
    refused(&["/keys", "there is no key in the list"]);
    portal.present(&Authority::new(), &["localhost"], Window::Now);
    refused(&["issuer", "remedy: name the certificate of the portal's issuer in ca_file"]);
    portal.go_down();
    refused(&["the portal cannot be reached", "remedy: see that url has the right host and port"]);
}

#[test]
fn check_tells_what_is_wrong_with_a_file_beside_a_portal_that_is_not_asked() {
    let Some(portal) = Portal::start() else { return };
    let twice = key(1).entry() + &key(1).entry();
    let (code, _, stderr) = sidecar(&portal).key_file(&twice).run(&["check"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("keys.toml:6:15") && stderr.contains("fingerprint"), "{stderr}");
    // What the portal may still give is no fault.
    let named = "primary = \"one-of-the-portals\"\n";
    let (code, stdout, stderr) = sidecar(&portal).key_file(named).run(&["check"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("not asked"), "{stdout}");
}

#[test]
fn ping_goes_by_the_portals_keys() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let application = Origin::echo();
    let far = sidecar(&portal).upstream(application.address()).start();
    let near = Sidecar::outbound().portal(&portal, GCM).upstream(far.address()).start();
    let config = near.directory().join("asked.toml");
    let text = format!(
        "[keys.portal]\n{}{GCM}[[proxy]]\nname = \"pos\"\nmode = \"outbound\"\nlisten = \"{}\"\nupstream = \
         \"http://kitchen.test\"\n",
        portal.place(),
        near.address()
    );
    std::fs::write(&config, text).unwrap();
    let ping = || {
        let args = ["ping", "--count", "2", "--config"];
        let output = Command::new(env!("CARGO_BIN_EXE_alewife")).args(args).arg(&config).output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code().unwrap(), stdout, stderr)
    };
    let (code, stdout, stderr) = ping();
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains(&format!("\n  key: {} (AES-256-GCM)\n", key(1).fingerprint)), "{stdout}");
    assert!(stdout.ends_with("\n  all is well\n"), "{stdout}");
    // Both sidecars still have what they had, and the command has nothing to compare with.
    portal.fail(500);
    let (code, stdout, stderr) = ping();
    assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
    assert!(stderr.contains("no answer: the portal answers 500"), "{stderr}");
}
