//! A portal that answers badly, or not at all: the keys in force stay, and the operator is told.

use std::fs;
use std::thread;

use super::faults::shown;
use super::{GCM, await_fetch, document, failure, fetches, key, opens, reloads, sidecar};
use crate::support::{Authority, Portal, PortalAnswer, Sidecar, Window, eventually};

/// Has `portal` be at fault, sees that `sidecar` shows it as docs/KEYS.md says and goes on serving, and has the portal
/// recover.
fn suffers(portal: &Portal, sidecar: &Sidecar, fault: &str, begin: impl FnOnce(), end: impl FnOnce()) {
    let failed = fetches(sidecar, "failed");
    begin();
    eventually(fault, || fetches(sidecar, "failed") > failed);
    shown(sidecar, fault);
    assert!(opens(sidecar, &key(1)), "{fault}");
    end();
    // Not when its turn comes, which may be long.
    sidecar.signal("HUP");
    eventually(&format!("{fault}: it is over"), || failure(sidecar).is_none());
    assert!(!portal.requests().is_empty());
}

#[test]
fn answer_that_brings_no_document_leaves_the_keys_where_they_are() {
    let Some(portal) = Portal::start() else { return };
    let good = document(&[&key(1)]);
    portal.serve(&good);
    let sidecar =
        sidecar(&portal).portal(&portal, &format!("{GCM}timeout = \"2s\"\nmax_answer = \"64KiB\"")).start();
    let answer = || PortalAnswer::document(&good);
    for (fault, answer) in [
        ("401 or 403", PortalAnswer::status(403)),
        ("404", PortalAnswer::status(404)),
        ("500 and what else is no document", PortalAnswer::status(500)),
        ("half a body", answer().cut_after(10)),
        ("half a body", answer().chunked().cut_after(10)),
        ("no body", PortalAnswer::document("")),
        ("a body that is no text", PortalAnswer::document("\u{e9}").latin1()),
        ("a compressed body", answer().header("content-encoding", "gzip")),
        ("a slow body", answer().filler(60_000).slowly(2_000)),
        ("an answer that never comes", PortalAnswer::silence()),
        ("a body larger than `max_answer`", answer().filler(100_000)),
        ("a body larger than `max_answer`", answer().filler(100_000).chunked()),
        ("what is no HTTP", PortalAnswer::raw("SSH-2.0-OpenSSH_9.7\r\n")),
        ("a redirect to another host", PortalAnswer::status(302).location("https://other.example/sites/7")),
        ("a redirect in a circle", PortalAnswer::status(302).location("/sites/7")),
    ] {
        suffers(&portal, &sidecar, fault, || portal.answer(answer), || portal.serve(&good));
    }
    // None of it was a change of keys.
    assert_eq!(reloads(&sidecar), 1);
}

#[test]
fn portal_that_is_not_who_it_should_be_is_not_believed() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).start();
    let recover = || portal.present(portal.authority(), &["localhost"], Window::Now);
    let stranger = Authority::new();
    let present = |authority: &Authority, name: &str, window| portal.present(authority, &[name], window);
    let suffers = |fault, begin: &dyn Fn()| suffers(&portal, &sidecar, fault, begin, recover);
    suffers("a certificate of another issuer", &|| present(&stranger, "localhost", Window::Now));
    suffers("a certificate that has expired", &|| present(portal.authority(), "localhost", Window::Over));
    suffers("a certificate for another name", &|| present(portal.authority(), "other.test", Window::Now));
    suffers("a demand for a client certificate that is not there", &|| {
        portal.demand_certificate_by(&stranger);
    });
}

#[test]
fn portal_that_goes_and_comes_back_is_asked_again() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).start();
    suffers(&portal, &sidecar, "nobody listens", || portal.go_down(), || portal.come_up());
    // By itself as well.
    portal.go_down();
    eventually("it is missed", || failure(&sidecar).is_some());
    portal.serve(&document(&[&key(1), &key(2)]));
    portal.come_up();
    eventually("the new key is there", || opens(&sidecar, &key(2)));
    assert_eq!(failure(&sidecar), None);
    let log = sidecar.log();
    assert!(log.contains("the portal answers again"), "{log}");
}

#[test]
fn portal_that_asks_to_be_left_alone_is_left_alone() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).start();
    portal.answer(PortalAnswer::status(503).retry_after("2"));
    let asked = || portal.requests().len();
    eventually("it says so", || failure(&sidecar).is_some());
    shown(&sidecar, "429 or 503 with `retry-after`");
    let (before, began) = (asked(), std::time::Instant::now());
    portal.serve(&document(&[&key(1), &key(2)]));
    eventually("it is asked again", || asked() > before);
    let waited = began.elapsed().as_millis();
    assert!(waited > 1_500, "asked again after {waited} ms");
    eventually("the new key is there", || opens(&sidecar, &key(2)));
}

#[test]
fn the_same_fault_is_told_once_and_counted_each_time() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).start();
    portal.fail(500);
    await_fetch(&sidecar, "failed");
    portal.answer(PortalAnswer::document("{}"));
    await_fetch(&sidecar, "refused");
    portal.fail(500);
    await_fetch(&sidecar, "failed");
    let count = |text: &str| sidecar.log().matches(text).count();
    assert_eq!(count("the portal answers 500"), 2, "{}", sidecar.log());
    assert_eq!(count("the portal's document is refused"), 1, "{}", sidecar.log());
}

#[test]
fn answer_of_a_hundred_megabytes_costs_no_memory() {
    const HUNDRED: u64 = 100_000_000;
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).start();
    eventually("it serves", || opens(&sidecar, &key(1)));
    let resident = || peak_kib(&sidecar);
    let before = resident();
    let good = document(&[&key(1)]);
    for large in [
        PortalAnswer::document(&good).filler(HUNDRED),
        PortalAnswer::document(&good).filler(HUNDRED).chunked(),
    ] {
        let failed = fetches(&sidecar, "failed");
        portal.answer(large);
        eventually("it is given up", || fetches(&sidecar, "failed") > failed + 1);
        portal.serve(&good);
        sidecar.signal("HUP");
        eventually("it is over", || failure(&sidecar).is_none());
    }
    let after = resident();
    println!("{before} KiB before, at most {after} KiB");
    // 4 MiB are the most that it takes, and a buffer that grows is there twice for a moment.
    assert!(after < before + 24 * 1024, "{before} KiB before, at most {after} KiB");
    assert!(opens(&sidecar, &key(1)));
}

/// The most memory that the process ever had.
fn peak_kib(sidecar: &Sidecar) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", sidecar.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn slow_portal_delays_no_request() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).start();
    eventually("it serves", || opens(&sidecar, &key(1)));
    portal.answer(PortalAnswer::document(&document(&[&key(2)])).held());
    let before = portal.requests().len();
    eventually("it is asked", || portal.requests().len() > before);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| assert!(opens(&sidecar, &key(1)))));
        }
    });
    assert!(!portal.requests().last().unwrap().over);
    assert_eq!(reloads(&sidecar), 1);
    portal.release();
    eventually("then the answer is taken", || reloads(&sidecar) == 2);
}
