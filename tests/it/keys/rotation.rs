//! Keys that rotate on the portal in the middle of traffic, between two sidecars that share it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use jiff::Timestamp;
use serde_json::json;

use super::{GCM, await_fetch, entry, fetches, from_now, key, of_keys, opens, reloads, sealing, sidecar};
use crate::support::{
    Connection, Event, Frame, Message, Opcode, Origin, Portal, Sidecar, SidecarBuilder, TestKey,
    WebSocketOrigin, eventually,
};

const ROTATIONS: u32 = 4;
/// Milliseconds from a key's coming to its beginning: both sides have asked by then.
const NOTICE: i64 = 700;
/// Milliseconds for which the one before it still holds.
const OVERLAP: i64 = 10_000;

/// Both sidecars of a bridge: one proxy for HTTP, and one for a WebSocket.
struct Bridge {
    near: Sidecar,
    far: Sidecar,
}

impl Bridge {
    fn start(portal: &Portal, http: &Origin, websocket: &WebSocketOrigin) -> Self {
        let build = |builder: SidecarBuilder, mode: &str, upstreams: [std::net::SocketAddr; 2]| {
            let second = format!(
                "[[proxy]]\nname = \"socket\"\nmode = \"{mode}\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"",
                upstreams[1]
            );
            let builder = builder.portal(portal, GCM).keys_section("seal_delay = \"0s\"").tables(&second);
            builder.upstream(upstreams[0]).log("access = false").start()
        };
        let far = build(Sidecar::inbound(), "inbound", [http.address(), websocket.address()]);
        let doors = ["kitchen", "socket"].map(|name| far.address_of(name));
        Self { near: build(Sidecar::outbound(), "outbound", doors), far }
    }

    fn both(&self) -> [&Sidecar; 2] {
        [&self.near, &self.far]
    }
}

/// Opens a session through the bridge, as a plain client.
fn handshake(near: &Sidecar) -> Connection {
    let mut client = Connection::to(near.address_of("socket"));
    client.send(
        b"GET /orders HTTP/1.1\r\nhost: kitchen.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
          sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    client
}

fn window(key: &TestKey, after: Timestamp, until: Option<Timestamp>) -> serde_json::Value {
    let mut entry = entry(key, None, None);
    entry["valid_after"] = json!(after.to_string());
    entry["valid_until"] = json!(until.map(|until| until.to_string()));
    entry
}

#[test]
fn rotation_on_the_portal_in_mid_load_loses_no_request_and_no_message() {
    let Some(portal) = Portal::start() else { return };
    let mut began = from_now(-60_000);
    portal.serve(&json!({ "keys": [window(&key(0), began, None)] }).to_string());
    let (http, websocket) = (Origin::echo(), WebSocketOrigin::echo());
    let bridge = Bridge::start(&portal, &http, &websocket);
    let (over, answered, echoed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for client in 0..2 {
            let (bridge, over, answered) = (&bridge, &over, &answered);
            scope.spawn(move || {
                let mut connection = Connection::to(bridge.near.address_of("kitchen"));
                for number in 0_u32.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let order = format!("order {number} of {client}");
                    let head = format!(
                        "POST / HTTP/1.1\r\nhost: kitchen.test\r\ncontent-length: {}\r\n\r\n",
                        order.len()
                    );
                    let reply = connection.exchange(&[head.as_bytes(), order.as_bytes()].concat());
                    assert_eq!((reply.status, &reply.body[..]), (200, order.as_bytes()), "{reply:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            // One session from the first key to the last.
            let mut client = handshake(&bridge.near);
            for number in 0_u32.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let text = format!("message {number}").into_bytes();
                client.send_frame(&Frame::new(Opcode::Text, &text[..]).masked());
                let heard = client.read_event(&mut None).unwrap();
                assert_eq!(heard, Event::Message(Message::Text(text)));
                echoed.fetch_add(1, Ordering::Relaxed);
            }
        });
        let rotating = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=ROTATIONS {
                let begins = from_now(NOTICE);
                let ends = from_now(NOTICE + OVERLAP);
                let keys = [window(&key(number - 1), began, Some(ends)), window(&key(number), begins, None)];
                portal.serve(&json!({ "keys": keys }).to_string());
                began = begins;
                for sidecar in bridge.both() {
                    eventually("the new key seals", || sealing(sidecar) == Some(key(number).fingerprint));
                }
                let before = (answered.load(Ordering::Relaxed), echoed.load(Ordering::Relaxed));
                eventually("traffic goes on", || {
                    answered.load(Ordering::Relaxed) > before.0 + 4
                        && echoed.load(Ordering::Relaxed) > before.1 + 4
                });
            }
        }));
        over.store(true, Ordering::Relaxed);
        rotating.unwrap();
    });
    println!("{answered:?} requests, {echoed:?} messages");
    for sidecar in bridge.both() {
        assert_eq!(reloads(sidecar), u64::from(ROTATIONS) + 1);
        assert_eq!(of_keys(sidecar, "key_reload_failures_total"), 0.0);
        assert_eq!((fetches(sidecar, "failed"), fetches(sidecar, "refused")), (0, 0));
        assert!(fetches(sidecar, "unchanged") > 0);
        for outcome in ["ale_error", "no_key", "peer_error", "reply_refused", "upstream_broke"] {
            let series = format!("alewife_requests_total{{proxy=\"kitchen\",outcome=\"{outcome}\"}}");
            assert_eq!(sidecar.metric(&series), 0.0, "{outcome}");
        }
        assert_eq!(of_keys(sidecar, "keys"), 2.0);
    }
    assert_eq!(http.count() as u64, answered.load(Ordering::Relaxed));
}

#[test]
fn window_begins_and_ends_by_the_clock_without_a_reload() {
    let Some(portal) = Portal::start() else { return };
    let (begins, ends) = (from_now(1_500), from_now(3_000));
    let keys = [window(&key(1), from_now(-60_000), Some(ends)), window(&key(2), begins, None)];
    portal.serve(&json!({ "keys": keys }).to_string());
    let sidecar = sidecar(&portal).keys_section("clock_skew = \"0s\"").start();
    assert!(opens(&sidecar, &key(1)) && !opens(&sidecar, &key(2)));
    assert_eq!(sealing(&sidecar), Some(key(1).fingerprint));
    // Whoever is not asked changes nothing any more.
    portal.go_down();
    eventually("the second begins", || opens(&sidecar, &key(2)));
    assert!(Timestamp::now() >= begins);
    assert_eq!(sealing(&sidecar), Some(key(2).fingerprint));
    eventually("the first ends", || !opens(&sidecar, &key(1)));
    assert!(Timestamp::now() >= ends);
    assert!(opens(&sidecar, &key(2)));
    assert_eq!(reloads(&sidecar), 1);
}

#[test]
fn a_rotation_by_hundreds_of_polls_asks_for_nothing_twice() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&super::document(&[&key(1)]));
    let lines = GCM.replace("100ms", "5ms");
    let sidecar = sidecar(&portal).portal(&portal, &lines).start();
    await_fetch(&sidecar, "unchanged");
    for number in 2..8 {
        portal.serve(&super::document(&[&key(number - 1), &key(number)]));
        eventually("the new key is there", || opens(&sidecar, &key(number)));
    }
    assert_eq!((reloads(&sidecar), fetches(&sidecar, "taken")), (7, 7));
    eventually("most fetches bring nothing new", || fetches(&sidecar, "unchanged") > 7);
}
