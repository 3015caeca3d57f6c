//! Connections of a listener, and of one peer.

use super::*;
use crate::life::http2::{GOAWAY, RawHttp2};

fn open(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_connections{proxy=\"kitchen\"}")
}

/// What a connection is told that says nothing.
fn told(connection: &mut Connection) -> Reply {
    let reply = connection.try_reply("GET").expect("an answer");
    assert!(connection.closed().unwrap(), "it stays open");
    reply
}

#[test]
fn connection_past_the_limit_is_turned_away_and_one_that_leaves_makes_room() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "connections = 3").start();
    let mut busy = waiting.occupy(&sidecar, &key, 3);
    for request in [Vec::new(), key.bodyless("GET", "/", ""), key.request("POST", "/", "", &[7; 100_000])] {
        let mut connection = sidecar.connect();
        // The answer does not wait for the request, and may be there before all of it is sent.
        let _ = connection.stream.write_all(&request);
        let reply = told(&mut connection);
        assert_overloaded(&reply);
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert_eq!((shed(&sidecar, "connections"), open(&sidecar)), (3.0, 3.0));
    drop(busy.pop());
    eventually("there is room again", || is_served(&sidecar, &key));
    waiting.let_go();
    for connection in &mut busy {
        assert_eq!(connection.reply("GET").open(&key).unwrap(), b"ok");
    }
}

#[test]
fn peer_past_its_limit_is_turned_away_and_others_are_not() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "connections = 100\nconnections_per_peer = 3").start();
    let busy = waiting.occupy(&sidecar, &key, 3);
    for _ in 0..5 {
        assert_overloaded(&told(&mut sidecar.connect()));
        let mut other = connect_from(2, sidecar.address());
        assert_eq!(other.exchange(&key.bodyless("GET", "/", "")).open(&key).unwrap(), b"ok");
    }
    assert_eq!((shed(&sidecar, "connections_per_peer"), shed(&sidecar, "connections")), (5.0, 0.0));
    drop(busy);
    waiting.let_go();
    eventually("there is room again", || is_served(&sidecar, &key));
}

#[test]
fn peer_that_relays_for_others_by_now_is_not_counted_as_one() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "connections = 100\nconnections_per_peer = 3").start();
    let _busy = waiting.occupy(&sidecar, &key, 3);
    assert_overloaded(&told(&mut sidecar.connect()));
    let swapped = "alewife_config_reloads_total{outcome=\"swapped\"}";
    sidecar.reconfigure(|text| {
        text.replace("name = \"kitchen\"", "name = \"kitchen\"\nproxy_protocol_from = \"127.0.0.1\"")
    });
    eventually("the configuration is taken", || sidecar.metric(swapped) == 1.0);
    let mut relayed = sidecar.connect();
    relayed.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n");
    let reply = relayed.exchange(b"GET / HTTP/1.1\r\nhost: kitchen.test\r\n\r\n");
    assert_eq!(reply.status, 400, "it is served: {reply:?}");
    waiting.let_go();
}

#[test]
fn http2_client_that_is_turned_away_is_told_to_go_elsewhere() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "connections = 1").start();
    let _busy = waiting.occupy(&sidecar, &key, 1);
    // Which of the two it is told depends on whether its first bytes come before it is looked at.
    eventually("one is told so in its own words", || {
        let mut client = RawHttp2::connect(sidecar.address(), None);
        std::iter::from_fn(|| client.read().ok()).any(|frame| frame.kind == GOAWAY)
    });
    waiting.let_go();
}

/// No deadline but those of a crowd can pass.
const PATIENT: &str = "[proxy.timeouts]\nfirst_byte = \"1h\"\nheaders = \"1h\"\nidle = \"1h\"";

/// Whether a new connection is served.
fn is_served(sidecar: &Sidecar, key: &TestKey) -> bool {
    let mut connection = sidecar.connect();
    let _ = connection.stream.write_all(&key.request("POST", "/", "", b"two"));
    connection.try_reply("POST").is_ok_and(|reply| reply.status == 200)
}

#[test]
fn connection_that_says_nothing_makes_room_when_places_are_scarce() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "connections = 1").proxy(PATIENT).start();
    let mut silent = sidecar.connect();
    eventually("it has its place", || open(&sidecar) == 1.0);
    eventually("there is room", || is_served(&sidecar, &key));
    assert!(silent.closed().unwrap());
}

#[test]
fn connection_that_is_kept_between_requests_makes_room_when_places_are_scarce() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "connections = 1").proxy(PATIENT).start();
    let mut kept = sidecar.connect();
    assert_eq!(kept.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    eventually("there is room", || is_served(&sidecar, &key));
    assert!(kept.closed().unwrap());
}

#[test]
fn connection_of_http2_without_a_stream_makes_room_when_places_are_scarce() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "connections = 1").proxy(PATIENT).start();
    let mut http2 = RawHttp2::connect(sidecar.address(), None);
    eventually("it has its place", || open(&sidecar) == 1.0);
    eventually("there is room", || is_served(&sidecar, &key));
    assert!(http2.closed(), "it is told to go");
}

#[test]
fn connections_that_do_nothing_stay_while_there_is_room() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "connections = 4").proxy(PATIENT).start();
    let mut kept = sidecar.connect();
    assert_eq!(kept.exchange(&key.bodyless("GET", "/", "")).status, 200);
    // Another sidecar, whose crowd is dense, shows that the time of a crowd has passed.
    let crowded = limited(&key, &waiting.origin, "connections = 1").proxy(PATIENT).start();
    let mut gone = crowded.connect();
    assert_eq!(gone.exchange(&key.bodyless("GET", "/", "")).status, 200);
    assert!(gone.closed().unwrap());
    assert_eq!(kept.exchange(&key.bodyless("GET", "/", "")).status, 200);
}

#[test]
fn flood_of_silent_connections_takes_no_place_and_hurts_nobody_who_is_served() {
    const FLOOD: usize = 800;
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "connections = 100\nconnections_per_peer = 2").start();
    let mut held = sidecar.connect();
    let request = key.request("POST", "/", "", &[7; 1000]);
    held.send(&request[..request.len() - 1]);
    let mut served = connect_from(2, sidecar.address());
    let mut other = sidecar.connect();
    other.send(&request[..request.len() - 1]);
    let in_flight = || sidecar.metric("alewife_requests_in_flight{proxy=\"kitchen\"}");
    eventually("its peer has its share", || in_flight() == 2.0);
    let mut flood = Vec::new();
    for number in 0..FLOOD {
        flood.push(sidecar.connect());
        if number % 50 == 0 {
            assert_eq!(served.exchange(&key.request("POST", "/", "", b"one")).open(&key).unwrap(), b"one");
        }
    }
    eventually("all are turned away", || shed(&sidecar, "connections_per_peer") == FLOOD as f64);
    assert_eq!(open(&sidecar), 3.0);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", sidecar.process_id())).unwrap().count();
    assert!(descriptors < 700, "{descriptors} descriptors are open");
    for connection in &mut flood {
        assert_overloaded(&told(connection));
    }
    held.send(&request[request.len() - 1..]);
    assert_eq!(held.reply("POST").open(&key).unwrap(), [7; 1000]);
}
