//! Messages under keys that are not known yet, or that nobody ever made.

use std::thread;
use std::time::{Duration, Instant};

use alewife::crypto::encoding;
use serde_json::{Value, json};

use super::faults::shown;
use super::{
    GCM, answer, answer_at, document, error_code, failure, is_opened, key, of_keys, opens, reloads, sidecar,
};
use crate::support::{
    Connection, Event, Frame, Message, Opcode, Portal, PortalAnswer, Sidecar, TestKey, WebSocketOrigin,
    eventually,
};

/// A portal that is asked by nobody but who has a message to open.
fn seldom(more: &str) -> String {
    format!("{}{more}", GCM.replace("100ms", "1h"))
}

fn refetches(sidecar: &Sidecar) -> u64 {
    of_keys(sidecar, "key_refetches_total") as u64
}

#[test]
fn message_under_a_key_that_the_portal_has_by_now_is_opened_and_all_who_wait_share_one_fetch() {
    const WAITING: usize = 40;
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).portal(&portal, &seldom("")).start();
    assert!(opens(&sidecar, &key(1)));
    portal.answer(PortalAnswer::document(&document(&[&key(1), &key(2)])).held());
    let asked = portal.requests().len();
    thread::scope(|scope| {
        for _ in 0..WAITING {
            scope.spawn(|| assert!(opens(&sidecar, &key(2))));
        }
        let under_way = || sidecar.metric("alewife_requests_in_flight{proxy=\"kitchen\"}") as usize;
        eventually("all wait", || under_way() == WAITING);
        eventually("the portal is asked", || portal.requests().len() > asked);
        // Those whose key is there wait for nothing.
        assert!(opens(&sidecar, &key(1)));
        portal.release();
    });
    assert_eq!((portal.requests().len(), refetches(&sidecar), reloads(&sidecar)), (asked + 1, 1, 2));
}

#[test]
fn body_is_not_read_while_its_message_waits_and_the_wait_has_an_end() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal)
        .portal(&portal, &seldom(""))
        .keys_section("refetch_timeout = \"300ms\"")
        .proxy("credential_mismatch = true")
        .start();
    portal.answer(PortalAnswer::document(&document(&[&key(1), &key(2)])).held());
    let began = Instant::now();
    let mut waiting = sidecar.connect();
    // More than sockets hold, of which nothing comes.
    let head = format!(
        "POST / HTTP/1.1\r\nhost: kitchen.test\r\n{}content-length: 5000000\r\n\r\n",
        key(2).envelope(&key(2).fresh_iv())
    );
    waiting.send(head.as_bytes());
    let reply = waiting.reply("POST");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((reply.status, error_code(&reply)), (400, 3));
    assert_eq!(sidecar.metric("alewife_held_bytes"), 0.0);
    // The fetch goes on without it, and whoever comes then is served.
    portal.release();
    eventually("the key is there", || reloads(&sidecar) == 2);
    assert!(opens(&sidecar, &key(2)));
}

#[test]
fn flood_of_made_up_fingerprints_reaches_the_portal_once_and_holds_up_nobody() {
    const FLOOD: usize = 600;
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal)
        .portal(&portal, &seldom(""))
        .keys_section("refetch_cooldown = \"1h\"")
        .log("format = \"text\"\naccess = false")
        .start();
    let asked = portal.requests().len();
    let forged = |thread: usize, number: usize| TestKey {
        fingerprint: format!("made-up-{thread}-{number}-{}", "x".repeat(200)),
        ..key(9)
    };
    thread::scope(|scope| {
        for flood in 0..3 {
            let (sidecar, forged) = (&sidecar, &forged);
            scope.spawn(move || {
                let mut connection = sidecar.connect();
                for number in 0..FLOOD {
                    let forged = forged(flood, number);
                    assert!(!is_opened(&answer_at(&mut connection, &forged), &forged));
                }
            });
        }
        let mut connection = sidecar.connect();
        let slowest = (0..200).map(|_| {
            let began = Instant::now();
            assert!(is_opened(&answer_at(&mut connection, &key(1)), &key(1)));
            began.elapsed()
        });
        let slowest = slowest.max().unwrap();
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
    assert_eq!((portal.requests().len(), refetches(&sidecar)), (asked + 1, 1));
    // No name of theirs is kept, nor told of.
    assert!(!sidecar.admin_page("/metrics").1.contains("made-up"));
    assert!(!sidecar.admin_page("/status").1.contains("made-up"));
    assert_eq!(
        sidecar.log().matches("a message names a key that is not known").count(),
        1,
        "{}",
        sidecar.log()
    );
}

#[test]
fn portal_that_fails_or_wants_to_be_left_alone_keeps_nobody_waiting() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal)
        .portal(&portal, &seldom(""))
        .keys_section("refetch_cooldown = \"1ms\"\nrefetch_timeout = \"1h\"")
        .start();
    portal.go_down();
    let reply = answer(&sidecar, &key(2));
    assert_eq!((reply.status, error_code(&reply)), (400, 2));
    assert!(failure(&sidecar).is_some());
    shown(&sidecar, "a message under a key that is not known");
    portal.come_up();
    portal.answer(PortalAnswer::status(429).retry_after("3600"));
    assert!(!opens(&sidecar, &key(2)));
    let (asked, counted) = (portal.requests().len(), refetches(&sidecar));
    portal.serve(&document(&[&key(1), &key(2)]));
    for _ in 0..5 {
        assert!(!opens(&sidecar, &key(2)));
    }
    assert_eq!((portal.requests().len(), refetches(&sidecar)), (asked, counted));
    // The operator may ask all the same.
    sidecar.signal("HUP");
    eventually("the key is there", || opens(&sidecar, &key(2)));
}

#[test]
fn message_that_came_while_the_portal_was_asked_does_not_have_it_asked_again_once_it_wants_to_be_left_alone()
{
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal)
        .portal(&portal, &seldom(""))
        .keys_section("refetch_cooldown = \"1ms\"\nrefetch_timeout = \"1h\"")
        .start();
    portal.answer(PortalAnswer::status(429).retry_after("3600").held());
    let asked = portal.requests().len();
    sidecar.signal("HUP");
    eventually("the portal is asked", || portal.requests().len() > asked);
    thread::scope(|scope| {
        scope.spawn(|| assert!(!opens(&sidecar, &key(2))));
        eventually("the message waits", || refetches(&sidecar) == 1);
        portal.release();
    });
    assert_eq!(portal.requests().len(), asked + 1);
    // The operator may ask all the same.
    portal.serve(&document(&[&key(1), &key(2)]));
    sidecar.signal("HUP");
    eventually("the key is there", || reloads(&sidecar) == 2);
}

#[test]
fn message_of_a_session_waits_for_its_key_as_well() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let application = WebSocketOrigin::echo();
    let sidecar = sidecar(&portal).portal(&portal, &seldom("")).upstream(application.address()).start();
    let mut client = Connection::to(sidecar.address());
    let headers = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(&key(1).bodyless("GET", "/orders", headers));
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    portal.serve(&document(&[&key(1), &key(2)]));
    let iv = key(2).fresh_iv();
    let envelope = json!({
        "iv": encoding::base64_encode(&iv),
        "fingerprint": key(2).fingerprint,
        "message": encoding::base64_encode(&key(2).seal_with(&iv, b"soup")),
    });
    client.send_frame(&Frame::new(Opcode::Text, envelope.to_string()).masked());
    let Ok(Event::Message(Message::Text(text))) = client.read_event(&mut None) else { panic!() };
    let envelope: Value = serde_json::from_slice(&text).unwrap();
    let part = |name: &str| encoding::base64_decode(envelope[name].as_str().unwrap().as_bytes()).unwrap();
    let under = [key(1), key(2)].into_iter().find(|key| key.fingerprint == envelope["fingerprint"]).unwrap();
    assert_eq!(under.open_with(&part("iv"), &part("message")).as_deref(), Some(&b"soup"[..]));
    assert_eq!(refetches(&sidecar), 1);
}
