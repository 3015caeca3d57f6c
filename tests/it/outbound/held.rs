//! Replies under GCM are held until their tag verifies (P10), within bounds.

use std::io::Write;
use std::net::TcpListener;

use super::{GCM, assert_error, bodyless, outcome, refused, towards};
use crate::support::{Connection, Peer, Sidecar, TestKey, eventually, sealed_reply};

/// The head of a sealed reply, and its body with the tag.
fn parts(key: &TestKey, plain: &[u8]) -> (String, Vec<u8>) {
    let iv = key.fresh_iv();
    (key.envelope(&iv), key.seal_with(&iv, plain))
}

#[test]
fn nothing_of_a_reply_is_passed_on_before_its_tag_is_there() {
    let key = TestKey::new(GCM);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar = Sidecar::outbound().keys(&[&key]).upstream(listener.local_addr().unwrap()).start();
    let mut client = sidecar.connect();
    client.send(&bodyless("GET", "/", ""));
    let mut peer = Connection::over(listener.accept().unwrap().0);
    peer.read_head().unwrap();
    let (envelope, sealed) = parts(&key, &[b'x'; 50_000]);
    peer.send(format!("HTTP/1.1 200 OK\r\n{envelope}content-length: {}\r\n\r\n", sealed.len()).as_bytes());
    peer.send(&sealed[..sealed.len() - 1]);
    // All of it is there but the last byte, and what may be the tag is kept back.
    eventually("the body is held", || sidecar.metric("alewife_held_bytes") == 49_999.0);
    client.stream.set_nonblocking(true).unwrap();
    let early = std::io::Read::read(&mut client.stream, &mut [0]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    client.stream.set_nonblocking(false).unwrap();
    peer.send(&sealed[sealed.len() - 1..]);
    let reply = client.reply("GET");
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("50000")));
    assert_eq!(reply.body, [b'x'; 50_000]);
    eventually("nothing is held", || sidecar.metric("alewife_held_bytes") == 0.0);
}

#[test]
fn reply_beyond_max_body_is_502_whether_its_length_is_stated_or_not() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |received, stream| {
        let length: usize = received.target()[2..].parse().unwrap();
        let (envelope, sealed) = parts(&own, &vec![b'x'; length]);
        if received.target().starts_with("/s") {
            return stream.write_all(&sealed_reply(&own, "200 OK", "", &vec![b'x'; length]));
        }
        stream.write_all(
            format!("HTTP/1.1 200 OK\r\n{envelope}transfer-encoding: chunked\r\n\r\n").as_bytes(),
        )?;
        stream.write_all(format!("{:x}\r\n", sealed.len()).as_bytes())?;
        stream.write_all(&[&sealed[..], b"\r\n0\r\n\r\n"].concat())
    });
    let sidecar = towards(&peer, &key).proxy("max_body = \"1KiB\"").start();
    for kind in ["s", "c"] {
        let reply = sidecar.connect().exchange(&bodyless("GET", &format!("/{kind}1024"), ""));
        assert_eq!((reply.status, reply.body.len()), (200, 1024), "{kind}");
        // Chunks stay chunks.
        assert_eq!(reply.header("transfer-encoding").is_some(), kind == "c");
        let reply = sidecar.connect().exchange(&bodyless("GET", &format!("/{kind}1025"), ""));
        assert_error(&reply, 502, 110, "Reply too large");
    }
    eventually("they are counted", || outcome(&sidecar, "too_large") == 2.0);
}

#[test]
fn reply_that_stalls_while_it_is_held_is_504_and_one_that_breaks_off_502() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |received, stream| {
        let (envelope, _) = parts(&own, b"");
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\n{envelope}content-length: 100\r\n\r\nhalf").as_bytes())?;
        if received.target() == "/broken" { Err(std::io::ErrorKind::Other.into()) } else { Ok(()) }
    });
    let sidecar = towards(&peer, &key).proxy("timeouts = { body = \"200ms\" }").start();
    let reply = sidecar.connect().exchange(&bodyless("GET", "/stalled", ""));
    assert_error(&reply, 504, 107, "Upstream not in time");
    let reply = sidecar.connect().exchange(&bodyless("GET", "/broken", ""));
    assert_error(&reply, 502, 104, "Upstream broke the exchange");
}

#[test]
fn held_replies_share_the_budget_and_are_503_beyond_it() {
    let key = TestKey::new(GCM);
    let peer = Peer::sealing(&key, "200 OK", "", &[b'x'; 5000]);
    // One peer address may have a quarter.
    let sidecar = towards(&peer, &key).top("max_held = 16000").start();
    let mut connection = sidecar.connect();
    let reply = connection.exchange(&bodyless("GET", "/", ""));
    assert_error(&reply, 503, 105, "No capacity");
    assert_eq!(reply.header("retry-after"), Some("1"));
    // The request had come whole, so its connection stays.
    assert_error(&connection.exchange(&bodyless("GET", "/", "")), 503, 105, "No capacity");
    assert_eq!(sidecar.metric("alewife_held_bytes"), 0.0);
}

#[test]
fn event_stream_under_gcm_is_refused_at_its_head_and_the_log_says_what_helps() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |_, stream| {
        let (envelope, _) = parts(&own, b"");
        // Of its body nothing ever comes.
        let head = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream ; charset=utf-8\r\n";
        stream.write_all(format!("{head}{envelope}transfer-encoding: chunked\r\n\r\n").as_bytes())
    });
    let sidecar = towards(&peer, &key).start();
    let reply = sidecar.connect().exchange(&bodyless("GET", "/events", ""));
    assert_error(&reply, 502, 109, "Event stream cannot be held");
    eventually("it is counted", || refused(&sidecar, "event_stream") == 1.0);
    eventually("the log names the remedy", || {
        sidecar.log().contains("a key under CTR or a websocket carries it")
    });
}

#[test]
fn trailers_of_a_held_reply_follow_its_plaintext() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |_, stream| {
        let (envelope, sealed) = parts(&own, b"hello");
        let head = format!(
            "HTTP/1.1 200 OK\r\n{envelope}trailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            sealed.len()
        );
        stream.write_all(&[head.as_bytes(), &sealed, b"\r\n0\r\nx-sum: 7\r\nsec-iv: x\r\n\r\n"].concat())
    });
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        let reply = connection.exchange(&bodyless("GET", "/", "te: trailers\r\nconnection: te\r\n"));
        assert_eq!(
            (reply.body.as_slice(), reply.trailers.as_slice()),
            (&b"hello"[..], &[("x-sum".to_owned(), "7".to_owned())][..])
        );
    }
    assert!(peer.received().iter().all(|received| received.connection == 0));
}

#[test]
fn empty_reply_in_chunks_is_one() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |_, stream| {
        let (envelope, sealed) = parts(&own, b"");
        let head = format!("HTTP/1.1 200 OK\r\n{envelope}transfer-encoding: chunked\r\n\r\n10\r\n");
        stream.write_all(&[head.as_bytes(), &sealed, b"\r\n0\r\n\r\n"].concat())
    });
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        let reply = connection.exchange(&bodyless("GET", "/", ""));
        assert_eq!((reply.status, reply.body.as_slice(), reply.is_whole()), (200, &b""[..], true));
    }
    eventually("both are counted", || outcome(&sidecar, "answered") == 2.0);
}
