//! Plain traffic where the portal's switch is followed: whose switch counts, and when it ends.

use std::fs;

use serde_json::json;

use super::faults::shown;
use super::{GCM, entry, key, sidecar};
use crate::support::{Origin, Portal, PortalAnswer, Sidecar, SidecarBuilder, TestKey, eventually};

/// The vendor's object of one service.
fn document(key: &TestKey, encryption: bool) -> String {
    json!({ "encryption": encryption, "keys": [entry(key, None, None)] }).to_string()
}

/// A sidecar about to be started that follows the switch of `portal`.
fn following(portal: &Portal, application: &Origin, lines: &str) -> SidecarBuilder {
    let lines = format!("{GCM}encryption_pointer = \"/encryption\"\nfollow_portal = true\n{lines}");
    sidecar(portal).portal(portal, &lines).upstream(application.address())
}

/// The status of what a client gets that knows nothing of encryption.
fn plain_order(sidecar: &Sidecar) -> u16 {
    let order = b"POST /orders HTTP/1.1\r\nhost: kitchen.test\r\ncontent-length: 4\r\n\r\nsoup";
    sidecar.connect().exchange(order).status
}

fn opens_orders(sidecar: &Sidecar, key: &TestKey) -> bool {
    let reply = sidecar.connect().exchange(&key.request("POST", "/orders", "", b"stew"));
    reply.open(key).as_deref() == Some(b"stew")
}

#[test]
fn switch_in_a_key_file_is_not_the_portals() {
    let (Some(portal), application) = (Portal::start(), Origin::echo()) else { return };
    portal.serve(&document(&key(1), true));
    let sidecar = following(&portal, &application, "").key_file(&document(&key(2), false)).start();
    eventually("the portal's key is there", || opens_orders(&sidecar, &key(1)));
    assert_eq!(plain_order(&sidecar), 400);
    portal.serve(&document(&key(1), false));
    eventually("the portal's own counts", || plain_order(&sidecar) == 200);
}

/// Has plain traffic pass, and the portal be away until it does no more; which a change of the key file leaves so, until the
/// portal says anew that it may.
fn ends(fault: &str, away: impl FnOnce(&Portal)) {
    let (Some(portal), application) = (Portal::start(), Origin::echo()) else { return };
    portal.serve(&document(&key(1), false));
    let sidecar =
        following(&portal, &application, "max_stale = \"1s\"\ntimeout = \"2s\"").keys(&[&key(2)]).start();
    eventually("plain orders pass", || plain_order(&sidecar) == 200);
    away(&portal);
    eventually("it is secured", || plain_order(&sidecar) == 400);
    shown(&sidecar, fault);
    let reloads = super::reloads(&sidecar);
    fs::write(sidecar.key_file(), key(2).entry() + "# changed\n").unwrap();
    eventually("the file is taken", || super::reloads(&sidecar) > reloads);
    assert_eq!(plain_order(&sidecar), 400);
    assert!(opens_orders(&sidecar, &key(1)) && opens_orders(&sidecar, &key(2)));
    portal.serve(&document(&key(1), false));
    portal.release();
    sidecar.signal("HUP");
    eventually("the portal says so anew", || plain_order(&sidecar) == 200);
}

#[test]
fn plain_traffic_ends_when_the_portal_is_away_for_longer_than_max_stale() {
    const FAULT: &str =
        "a portal away for longer than `max_stale`, with plain traffic (`follow_portal = true`)";
    ends(FAULT, |portal| portal.fail(500));
    // And in the middle of a fetch.
    ends(FAULT, |portal| portal.answer(PortalAnswer::silence()));
}

#[test]
fn switch_that_is_on_again_is_taken_even_from_a_document_that_is_refused() {
    let (Some(portal), application) = (Portal::start(), Origin::echo()) else { return };
    portal.serve(&document(&key(1), false));
    let sidecar = following(&portal, &application, "").start();
    assert_eq!(plain_order(&sidecar), 200);
    portal.serve("{\"encryption\":false,\"keys\":[]}");
    shown(&sidecar, "a document that is refused while plain traffic passes (`follow_portal = true`)");
    assert_eq!(plain_order(&sidecar), 200);
    portal.serve("{\"encryption\":true,\"keys\":[]}");
    eventually("the switch is on again", || plain_order(&sidecar) == 400);
    shown(&sidecar, "a document that is refused, and says that the service is secured again");
    assert!(opens_orders(&sidecar, &key(1)));
    portal.serve(&document(&key(1), false));
    eventually("the portal says otherwise anew", || plain_order(&sidecar) == 200);
}

#[test]
fn start_from_a_cache_tells_what_the_portal_said_of_its_switch() {
    let (Some(portal), application) = (Portal::start(), Origin::echo()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let [cache, cache_key] = ["keys.cache", "cache.key"].map(|name| directory.path().join(name));
    fs::write(&cache_key, format!("hex:{}", "07".repeat(32))).unwrap();
    let (at, key_at) = (cache.display(), cache_key.display());
    let lines = format!("cache_file = \"{at}\"\ncache_key = {{ file = \"{key_at}\" }}");
    portal.serve(&document(&key(1), false));
    let start = || following(&portal, &application, &lines).start();
    let mut filling = start();
    eventually("the cache is there", || cache.exists());
    assert_eq!(filling.stop().code(), Some(0));
    portal.go_down();
    let sidecar = start();
    assert_eq!(plain_order(&sidecar), 200);
    let told = "the portal says that this service is not secured: nothing is sealed now";
    assert!(sidecar.log().contains(told), "{}", sidecar.log());
}
