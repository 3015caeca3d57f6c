//! What one body, one peer and all of them together may hold, and that streams hold nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{
    assert_error, await_end, chunked, connect_from, held_bytes, in_flight, open_connections, split,
    status_kib,
};
use crate::support::{Connection, Origin, Sidecar, SidecarBuilder, TestKey, eventually};

/// A quarter of it is one body of the longest kind.
const LIMITS: &str = "max_held = 400000";
const MAX_BODY: usize = 100_000;

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn limited(key: &TestKey, origin: &Origin) -> SidecarBuilder {
    Sidecar::inbound()
        .top(LIMITS)
        .keys(&[key])
        .upstream(origin.address())
        .proxy(&format!("max_body = {MAX_BODY}"))
}

/// A request of which the last byte is still to come, from this peer.
fn unfinished(sidecar: &Sidecar, key: &TestKey, peer: u8, length: usize) -> Connection {
    let request = key.request("POST", "/", "", &vec![7; length]);
    let mut connection = connect_from(peer, sidecar.address());
    connection.send(&request[..request.len() - 1]);
    connection
}

#[test]
fn a_body_of_just_max_body_passes_and_a_byte_more_is_refused() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin).start();
    let (longest, longer) = (vec![7; MAX_BODY], vec![7; MAX_BODY + 1]);
    assert_eq!(
        sidecar.connect().exchange(&key.request("POST", "/", "", &longest)).open(&key).unwrap(),
        longest
    );
    for size in [1000, 65_536, 200_000] {
        let reply = sidecar.connect().exchange(&chunked(&key, "/", &longest, size));
        assert_eq!(reply.open(&key).unwrap(), longest);
    }
    assert_eq!(origin.count(), 4);
    let refused = [key.request("POST", "/", "", &longer), chunked(&key, "/", &longer, 1000)];
    for request in refused {
        let reply = sidecar.connect().exchange(&request);
        assert_error(&reply, 413, 101, "Payload too large");
    }
    assert_eq!(origin.count(), 4);
    eventually("nothing is held", || held_bytes(&sidecar) == 0);
}

#[test]
fn a_body_declared_too_long_is_refused_before_it_comes() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin).start();
    let request = key.request("POST", "/", "", &vec![7; MAX_BODY + 1]);
    let mut connection = sidecar.connect();
    connection.send(split(&request).0);
    assert_error(&connection.reply("POST"), 413, 101, "Payload too large");
    let hoping = key.request("POST", "/", "expect: 100-continue\r\n", &vec![7; MAX_BODY + 1]);
    let mut connection = sidecar.connect();
    connection.send(split(&hoping).0);
    assert_error(&connection.try_reply("POST").unwrap(), 413, 101, "Payload too large");
}

#[test]
fn one_peer_may_hold_a_quarter_and_no_more() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin).start();
    let mut first = unfinished(&sidecar, &key, 2, 90_000);
    eventually("it is held", || held_bytes(&sidecar) >= 89_000);
    let reply = connect_from(2, sidecar.address()).exchange(&key.request("POST", "/", "", &[7; 20_000]));
    assert_error(&reply, 503, 105, "No capacity");
    assert_eq!(reply.header("retry-after"), Some("1"));
    let reply = connect_from(3, sidecar.address()).exchange(&key.request("POST", "/", "", &[7; 20_000]));
    assert_eq!(reply.status, 200);
    // The first is not harmed; its last byte makes it a forgery or, by chance, not.
    first.send(&[0]);
    assert!(matches!(first.reply("POST").status, 200 | 400));
    eventually("nothing is held", || held_bytes(&sidecar) == 0);
    let reply = connect_from(2, sidecar.address()).exchange(&key.request("POST", "/", "", &[7; MAX_BODY]));
    assert_eq!(reply.status, 200);
}

#[test]
fn all_peers_together_may_hold_max_held_and_no_more() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin).start();
    let held: Vec<_> = (2..6).map(|peer| unfinished(&sidecar, &key, peer, 95_000)).collect();
    eventually("they are held", || held_bytes(&sidecar) >= 4 * 94_000);
    let request = key.request("POST", "/", "", &[7; 30_000]);
    let reply = connect_from(6, sidecar.address()).exchange(&request);
    assert_error(&reply, 503, 105, "No capacity");
    assert_eq!(
        connect_from(6, sidecar.address()).exchange(&key.request("POST", "/", "", &[7; 5_000])).status,
        200
    );
    drop(held);
    eventually("nothing is held", || held_bytes(&sidecar) == 0);
    assert_eq!(connect_from(6, sidecar.address()).exchange(&request).status, 200);
    eventually("nothing is held", || held_bytes(&sidecar) == 0);
}

#[test]
fn declared_lengths_take_nothing_from_the_budget() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin).start();
    let request = key.request("POST", "/", "", &[7; MAX_BODY]);
    let promise = split(&request).0.len() + 100;
    let mut promises: Vec<_> = (0..50).map(|_| connect_from(2, sidecar.address())).collect();
    for connection in &mut promises {
        connection.send(&request[..promise]);
    }
    eventually("all have begun", || in_flight(&sidecar) == 50);
    eventually("what came is held", || held_bytes(&sidecar) >= 50 * (100 - 16));
    assert!(held_bytes(&sidecar) <= 50 * 100, "{} bytes are held", held_bytes(&sidecar));
    let reply = connect_from(2, sidecar.address()).exchange(&key.request("POST", "/", "", &[7; 90_000]));
    assert_eq!(reply.status, 200);
}

#[test]
fn the_budget_is_given_back_however_a_request_ends() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin).proxy("timeouts = { body = \"200ms\" }").start();
    let request = key.request("POST", "/", "", &[7; 50_000]);
    let mut forged = request.clone();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..10 {
        assert_eq!(sidecar.connect().exchange(&request).status, 200);
        assert_eq!(
            sidecar.connect().exchange(&forged).text(),
            r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#
        );
        // Cut off by the client, by the deadline, and by its own framing.
        drop(unfinished(&sidecar, &key, 2, 50_000));
        assert_eq!(unfinished(&sidecar, &key, 3, 50_000).reply("POST").status, 408);
        let mut framing = chunked(&key, "/", &[7; 50_000], 1000);
        let end = framing.len() - 5;
        framing.splice(end.., *b"nonsense\r\n");
        assert_error(&sidecar.connect().exchange(&framing), 400, 100, "Malformed request");
    }
    eventually("nothing is held", || held_bytes(&sidecar) == 0);
    eventually("nothing is under way", || in_flight(&sidecar) == 0);
}

#[test]
fn four_hundred_uploads_that_are_left_half_done_leave_nothing_behind() {
    let (gcm, ctr, origin) = (gcm(), TestKey::new("AES-256-CTR"), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&gcm, &ctr]).upstream(origin.address()).start();
    let mut half = Vec::new();
    for key in [&gcm, &ctr] {
        let request = key.request("POST", "/", "", &[7; 4000]);
        for _ in 0..200 {
            let mut connection = sidecar.connect();
            connection.send(&request[..request.len() - 2000]);
            half.push(connection);
        }
    }
    eventually("all are under way", || in_flight(&sidecar) == 400);
    drop(half);
    eventually("none is under way", || in_flight(&sidecar) == 0);
    eventually("none is connected", || open_connections(&sidecar) == 0);
    assert_eq!(held_bytes(&sidecar), 0);
    for key in [&gcm, &ctr] {
        assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
    }
}

/// Takes `length` bytes of a body and answers with as many, holding neither.
fn bulk_application(length: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut connection = Connection::over(stream);
            connection.read_head()?;
            let mut left = length;
            while left > 0 {
                left -= connection.read_some(left.min(64 * 1024))?.len();
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            connection.stream.write_all(head.as_bytes())?;
            for _ in 0..length / 65_536 {
                connection.stream.write_all(&[b'x'; 65_536])?;
            }
        }
        std::io::Result::Ok(())
    });
    address
}

#[test]
fn streams_of_256_mib_both_ways_take_less_than_20_mb_of_memory() {
    const LENGTH: usize = 256 * 1024 * 1024;
    let key = TestKey::new("AES-256-CTR");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(bulk_application(LENGTH)).start();
    let idle = status_kib(&sidecar, "VmRSS");
    let mut connection = sidecar.connect();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\n{}content-length: {LENGTH}\r\n\r\n",
        key.envelope(&key.fresh_iv())
    );
    connection.send(head.as_bytes());
    for _ in 0..LENGTH / 65_536 {
        connection.send(&[7; 65_536]);
    }
    connection.read_head().unwrap();
    let mut scratch = vec![0; 65_536];
    let mut left = LENGTH;
    while left > 0 {
        let wanted = left.min(scratch.len());
        let read = crate::support::uninterrupted(|| connection.stream.read(&mut scratch[..wanted])).unwrap();
        assert_ne!(read, 0, "{left} bytes are missing");
        // What came along with the head is not counted; the last bytes are awaited as an end below.
        left -= read;
        if left < 1 << 20 {
            break;
        }
    }
    let peak = status_kib(&sidecar, "VmHWM");
    println!("idle {idle} KiB, peak {peak} KiB");
    assert!(peak < idle + 20_000, "idle {idle} KiB, peak {peak} KiB");
    connection.close_write();
    await_end(&mut connection.stream);
}
