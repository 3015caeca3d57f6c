//! Requests in flight.

use super::*;
use crate::life::http2::RawHttp2;

fn in_flight(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_requests_in_flight{proxy=\"kitchen\"}")
}

#[test]
fn request_past_the_limit_is_503_and_one_that_ends_makes_room() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "requests = 3").start();
    let mut busy = waiting.occupy(&sidecar, &key, 3);
    let seen = waiting.origin.count();
    let mut connection = sidecar.connect();
    for _ in 0..5 {
        let reply = connection.exchange(&key.bodyless("GET", "/", ""));
        assert_overloaded(&reply);
        assert_eq!(reply.header("connection"), None);
    }
    assert_eq!((shed(&sidecar, "requests"), waiting.origin.count()), (5.0, seen));
    drop(busy.pop());
    eventually("there is room again", || in_flight(&sidecar) == 2.0);
    assert_eq!(connection.exchange(&key.bodyless("GET", "/", "")).open(&key).unwrap(), b"ok");
    waiting.let_go();
    for connection in &mut busy {
        assert_eq!(connection.reply("GET").open(&key).unwrap(), b"ok");
    }
    eventually("nothing is under way", || in_flight(&sidecar) == 0.0);
    assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"overloaded\"}"), 5.0);
}

#[test]
fn body_of_a_request_past_the_limit_is_not_taken_and_ends_its_connection() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "requests = 1").start();
    let _busy = waiting.occupy(&sidecar, &key, 1);
    let request = key.request("POST", "/", "", &[7; 1_000_000]);
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    for sent in [head, request.len()] {
        let mut connection = sidecar.connect();
        let _ = connection.stream.write_all(&request[..sent]);
        let reply = connection.try_reply("POST").unwrap();
        assert_overloaded(&reply);
        assert_eq!(reply.header("connection"), Some("close"));
    }
    let hoping = key.request("POST", "/", "expect: 100-continue\r\n", &[7; 1000]);
    let mut connection = sidecar.connect();
    connection.send(&hoping[..hoping.len() - 1016]);
    assert_overloaded(&connection.try_reply("POST").unwrap());
    waiting.let_go();
}

#[test]
fn streams_of_http2_count_as_requests_do() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "requests = 2").start();
    let mut busy = waiting.occupy(&sidecar, &key, 2);
    let overloaded = br#"{"errorCode":117,"message":"Overloaded"}"#;
    let mut client = RawHttp2::connect(sidecar.address(), None);
    client.head(1, "GET", &key, &key.fresh_iv(), true);
    assert_eq!(client.body(), overloaded);
    // With a body that is yet to come, and never will.
    client.head(3, "POST", &key, &key.fresh_iv(), false);
    assert_eq!(client.body(), overloaded);
    drop(busy.pop());
    eventually("there is room again", || in_flight(&sidecar) == 1.0);
    client.head(5, "GET", &key, &key.fresh_iv(), true);
    assert_eq!(client.body().len(), 2 + 16);
    waiting.let_go();
}

#[test]
fn ping_counts_as_any_request() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "requests = 1").start();
    let _busy = waiting.occupy(&sidecar, &key, 1);
    let reply = sidecar.connect().exchange(&key.bodyless("GET", "/.well-known/alewife/ping", ""));
    assert_overloaded(&reply);
    waiting.let_go();
}

#[test]
fn outbound_and_plain_requests_count_as_well() {
    let (key, waiting) = (gcm(), Waiting::start());
    let limits = "[proxy.limits]\nrequests = 1";
    let plain = "[[proxy.route]]\npolicy = \"bypass\"";
    let outbound = Sidecar::outbound().proxy(limits);
    let bypass = Sidecar::inbound().proxy(&format!("{limits}\n{plain}"));
    for builder in [outbound, bypass] {
        let sidecar = builder.keys(&[&key]).upstream(waiting.origin.address()).start();
        let before = waiting.origin.count();
        let mut busy = sidecar.connect();
        busy.send(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n");
        eventually("it is under way", || waiting.origin.count() == before + 1);
        assert_overloaded(&sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    }
    waiting.let_go();
}
