//! A start while the portal is away, and a portal that stays away.

use super::faults::shown;
use super::{GCM, document, failure, key, opens, sealing, sidecar};
use crate::support::{Portal, PortalAnswer, eventually};

const CACHE: &str = "cache_file = \"keys.cache\"\ncache_key = { file = \"cache.key\" }\n";

#[test]
fn start_with_neither_portal_cache_nor_file_waits_for_the_portal() {
    let Some(portal) = Portal::start() else { return };
    portal.go_down();
    let lines = format!("{GCM}{CACHE}");
    let sidecar = sidecar(&portal)
        .portal(&portal, &lines)
        .file("cache.key", format!("hex:{}", "07".repeat(32)))
        .start();
    shown(&sidecar, "a start with neither portal, cache nor file");
    assert_eq!(sidecar.admin_page("/readyz"), (503, "no key that seals is valid\n".to_owned()));
    assert_eq!(sidecar.admin_page("/livez").0, 200);
    assert!(!opens(&sidecar, &key(1)));
    assert!(failure(&sidecar).is_some());
    portal.serve(&document(&[&key(1)]));
    portal.come_up();
    eventually("it is ready", || sidecar.admin_page("/readyz").0 == 200);
    assert!(opens(&sidecar, &key(1)));
}

#[test]
fn start_with_a_portal_that_is_silent_goes_on_once_a_fetch_would_have_ended() {
    let Some(portal) = Portal::start() else { return };
    portal.answer(PortalAnswer::silence());
    let lines = format!("{GCM}timeout = \"1s\"");
    let sidecar = sidecar(&portal).portal(&portal, &lines).keys(&[]).start();
    assert_eq!(sidecar.admin_page("/readyz").0, 503);
    portal.serve(&document(&[&key(1)]));
    eventually("it is ready", || sidecar.admin_page("/readyz").0 == 200);
}

#[test]
fn start_with_a_file_does_not_wait_for_the_portal() {
    let Some(portal) = Portal::start() else { return };
    portal.answer(PortalAnswer::silence());
    let lines = format!("{GCM}timeout = \"1h\"");
    let sidecar = sidecar(&portal).portal(&portal, &lines).keys(&[&key(1)]).start();
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
    assert!(opens(&sidecar, &key(1)));
    assert_eq!(sealing(&sidecar).as_ref(), Some(&key(1).fingerprint));
}

#[test]
fn stop_does_not_wait_for_the_portal() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let lines = format!("{GCM}timeout = \"1h\"");
    let mut sidecar = sidecar(&portal).portal(&portal, &lines).start();
    portal.answer(PortalAnswer::silence());
    let before = portal.requests().len();
    eventually("it is asked", || portal.requests().len() > before);
    assert_eq!(sidecar.stop().code(), Some(0));
}
