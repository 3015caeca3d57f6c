//! Bytes and fields of heads.

use super::*;
use crate::life::http2::RawHttp2;

const TOO_LARGE: &[u8] = br#"{"errorCode":119,"message":"Request head too large"}"#;

#[track_caller]
fn assert_too_large(reply: &Reply) {
    assert_error(reply, 431, 119, "Request head too large");
    assert_eq!(reply.header("connection"), Some("close"));
}

/// The bytes of a head that count: without its version, its line ends but those of fields, and the space around values.
fn counted(request: &[u8]) -> usize {
    let head = String::from_utf8_lossy(request);
    let (head, _) = head.split_once("\r\n\r\n").unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let fields = fields.lines().map(|line| line.len() + 2);
    line.trim_end_matches(" HTTP/1.1").len() - 1 + fields.sum::<usize>()
}

#[test]
fn head_of_just_header_bytes_passes_and_a_byte_more_is_431() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "header_bytes = 2048").start();
    let of_length = |length: usize| {
        let bare = counted(&key.request("POST", "/", "x-a: \r\n", b"one"));
        let request = key.request("POST", "/", &format!("x-a: {}\r\n", "b".repeat(length - bare)), b"one");
        assert_eq!(counted(&request), length);
        request
    };
    assert_eq!(sidecar.connect().exchange(&of_length(2048)).status, 200);
    assert_too_large(&sidecar.connect().exchange(&of_length(2049)));
    let target = format!("/{}", "a".repeat(2048));
    assert_too_large(&sidecar.connect().exchange(&key.bodyless("GET", &target, "")));
    assert_eq!((shed(&sidecar, "header"), origin.count()), (2.0, 1));
    assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"too_large\"}"), 2.0);
}

#[test]
fn head_of_just_header_count_passes_and_a_field_more_is_431() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "header_count = 20").start();
    let with_fields = |fields: usize| {
        let request = key.request("POST", "/", "", b"one");
        let bare = String::from_utf8_lossy(&request).split("\r\n\r\n").next().unwrap().lines().count() - 1;
        key.request("POST", "/", &"x-a: b\r\n".repeat(fields - bare), b"one")
    };
    assert_eq!(sidecar.connect().exchange(&with_fields(20)).status, 200);
    assert_too_large(&sidecar.connect().exchange(&with_fields(21)));
    assert_too_large(&sidecar.connect().exchange(&with_fields(100)));
    assert_eq!(shed(&sidecar, "header"), 2.0);
    // So many are read no more: the library answers, without a body.
    let reply = sidecar.connect().exchange(&with_fields(101));
    assert_eq!((reply.status, reply.text()), (431, ""));
    eventually("it is counted all the same", || shed(&sidecar, "header") == 3.0);
}

#[test]
fn more_fields_may_be_allowed() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "header_count = 300").start();
    let reply = sidecar.connect().exchange(&key.request("POST", "/", &"x-a: b\r\n".repeat(290), b"one"));
    assert_eq!(reply.status, 200);
    assert_eq!(origin.only().header_all("x-a").len(), 290);
}

#[test]
fn head_that_is_twice_too_long_ends_in_a_bare_431_and_is_counted() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "header_bytes = 1024").start();
    let reply =
        sidecar.connect().exchange(&key.bodyless("GET", "/", &format!("x-a: {}\r\n", "b".repeat(3000))));
    assert_eq!((reply.status, reply.text()), (431, ""));
    eventually("it is counted", || shed(&sidecar, "header") == 1.0);
}

#[test]
fn heads_of_http2_are_held_to_the_same() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "header_bytes = 1024\nheader_count = 12").start();
    let mut client = RawHttp2::connect(sidecar.address(), None);
    let iv = key.fresh_iv();
    client.head_with(1, "GET", &key, &iv, &[("x-a", "b"); 10], true);
    assert_eq!(client.body().len(), 16);
    client.head_with(3, "GET", &key, &key.fresh_iv(), &[("x-a", "b"); 11], true);
    assert_eq!(client.body(), TOO_LARGE);
    let long = "b".repeat(250);
    client.head_with(5, "GET", &key, &key.fresh_iv(), &[("x-a", &*long); 4], true);
    assert_eq!(client.body(), TOO_LARGE);
    // The connection serves on.
    client.head(7, "GET", &key, &key.fresh_iv(), true);
    assert_eq!(client.body().len(), 16);
    assert_eq!(shed(&sidecar, "header"), 2.0);
}
