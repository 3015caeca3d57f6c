//! Several key sets, each with its own proxies.

use serde_json::Value;

use super::{GCM, answer_at, document, error_code, fetches_of, is_opened, key, sidecar};
use crate::support::{Connection, Portal, PortalAnswer, Sidecar, TestKey, eventually};

/// A sidecar whose `kitchen` has the portal's keys, and whose `bar` has a set of its own with `section`.
fn two_sets(portal: &Portal, section: &str) -> Sidecar {
    let tables = format!(
        "{section}\n[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nkeys = \"bar\"\nlisten = \"127.0.0.1:0\"\nupstream = \
         \"http://127.0.0.1:9\""
    );
    sidecar(portal).tables(&tables).start()
}

fn opens_at(sidecar: &Sidecar, proxy: &str, key: &TestKey) -> bool {
    let mut connection = Connection::to(sidecar.address_of(proxy));
    is_opened(&answer_at(&mut connection, key), key)
}

fn keys_of(status: &Value, set: &str) -> Vec<String> {
    let mut sets = status["keysets"].as_array().unwrap().iter();
    let set = sets.find(|known| known["name"] == set).unwrap();
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["fingerprint"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn no_proxy_opens_with_a_key_of_another_set() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    portal.answer_at("/bar", PortalAnswer::document(&document(&[&key(2)])).etag());
    let section = format!("[keyset.bar.portal]\n{}{GCM}", portal.place().replace("/sites/7", "/bar"));
    let sidecar = two_sets(&portal, &section);
    for (proxy, own, other) in [("kitchen", 1, 2), ("bar", 2, 1)] {
        assert!(opens_at(&sidecar, proxy, &key(own)), "{proxy}");
        let mut connection = Connection::to(sidecar.address_of(proxy));
        let reply = connection.exchange(&key(other).request("POST", "/", "", b"one"));
        assert_eq!((reply.status, error_code(&reply)), (400, 2), "{proxy}");
    }
    let status = sidecar.status();
    assert_eq!(keys_of(&status, "default"), [key(1).fingerprint]);
    assert_eq!(keys_of(&status, "bar"), [key(2).fingerprint]);
    // Each is followed for itself.
    portal.answer_at("/bar", PortalAnswer::document(&document(&[&key(2), &key(3)])));
    eventually("the bar has its new key", || opens_at(&sidecar, "bar", &key(3)));
    assert!(!opens_at(&sidecar, "kitchen", &key(3)));
    assert_eq!(sidecar.metric("alewife_key_reloads_total{keyset=\"bar\"}"), 2.0);
    assert_eq!(sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}"), 1.0);
    assert_eq!(sidecar.metric("alewife_keys{keyset=\"bar\"}"), 2.0);
    portal.answer_at("/bar", PortalAnswer::status(500));
    eventually("the bar's portal fails", || fetches_of(&sidecar, "bar", "failed") > 0);
    assert_eq!(fetches_of(&sidecar, "default", "failed"), 0);
    assert!(opens_at(&sidecar, "bar", &key(2)));
}

#[test]
fn set_without_keys_is_named_where_the_others_are_ready() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    portal.answer_at("/bar", PortalAnswer::status(500));
    let section = format!("[keyset.bar.portal]\n{}{GCM}", portal.place().replace("/sites/7", "/bar"));
    let sidecar = two_sets(&portal, &section);
    let reason = "no key that seals is valid in the key set bar\n".to_owned();
    assert_eq!(sidecar.admin_page("/readyz"), (503, reason));
    let (_, page) = sidecar.admin_page("/readyz?verbose");
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines[0], "[+]keys ok");
    assert!(lines[1].starts_with("[+]source-portal ok, confirmed "), "{page}");
    assert_eq!(lines[2], "[-]keys-bar no key that seals is valid in the key set bar");
    assert_eq!(lines[3], "[+]source-bar-portal ok, not confirmed yet, and failing");
    assert!(opens_at(&sidecar, "kitchen", &key(1)));
    portal.answer_at("/bar", PortalAnswer::document(&document(&[&key(2)])));
    eventually("all are ready", || sidecar.admin_page("/readyz").0 == 200);
    assert!(opens_at(&sidecar, "bar", &key(2)));
}

#[test]
fn set_of_a_file_stands_beside_a_set_of_a_portal() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let section = "[keyset.bar]\nfile = \"bar.toml\"".to_owned();
    let tables = format!(
        "{section}\n[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nkeys = \"bar\"\nlisten = \"127.0.0.1:0\"\nupstream = \
         \"http://127.0.0.1:9\""
    );
    let sidecar = sidecar(&portal).tables(&tables).file("bar.toml", key(2).entry()).start();
    assert!(opens_at(&sidecar, "kitchen", &key(1)) && opens_at(&sidecar, "bar", &key(2)));
    assert!(!opens_at(&sidecar, "kitchen", &key(2)) && !opens_at(&sidecar, "bar", &key(1)));
}
