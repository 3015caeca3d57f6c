//! Replies under CFB and CTR are opened as they stream.

use std::io;
use std::net::TcpListener;

use super::{CTR, bodyless, outcome};
use crate::support::{Connection, End, Sidecar, TestKey, eventually};

/// A sidecar and the two ends of an exchange, whose reply has begun with `head`.
fn begun(
    key: &TestKey,
    version: &str,
    head: impl Fn(&[u8]) -> String,
) -> (Sidecar, Connection, Connection, [u8; 16]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar = Sidecar::outbound().keys(&[key]).upstream(listener.local_addr().unwrap()).start();
    let mut client = sidecar.connect();
    let request = bodyless("GET", "/events", "");
    client.send(String::from_utf8(request).unwrap().replace("HTTP/1.1", version).as_bytes());
    let mut peer = Connection::over(listener.accept().unwrap().0);
    peer.read_head().unwrap();
    let iv = key.fresh_iv();
    peer.send(head(&iv).as_bytes());
    (sidecar, client, peer, iv)
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[test]
fn each_event_is_passed_on_before_the_next_is_written() {
    for name in ["AES-128-CFB", "AES-256-CFB8", CTR] {
        let key = TestKey::new(name);
        let (_sidecar, mut client, mut peer, iv) = begun(&key, "HTTP/1.1", |iv| {
            format!(
                "HTTP/1.1 200 OK\r\n{}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
                key.envelope(iv)
            )
        });
        let sealed = key.seal_with(&iv, b"data: 1\n\ndata: 2\n\n");
        client.read_head().unwrap();
        for (piece, event) in sealed.chunks(9).zip(["data: 1\n\n", "data: 2\n\n"]) {
            peer.send(&chunk(piece));
            assert_eq!(client.read_chunk().unwrap().as_deref(), Some(event.as_bytes()), "{name}");
        }
        peer.send(b"0\r\n\r\n");
        assert_eq!(client.read_chunk().unwrap(), None);
    }
}

#[test]
fn reply_that_breaks_off_is_never_a_whole_one() {
    let key = TestKey::new(CTR);
    for stated in [true, false] {
        let (sidecar, mut client, mut peer, iv) = begun(&key, "HTTP/1.1", |iv| {
            let framing = if stated { "content-length: 100" } else { "transfer-encoding: chunked" };
            format!("HTTP/1.1 200 OK\r\n{}{framing}\r\n\r\n", key.envelope(iv))
        });
        let half = key.seal_with(&iv, b"half");
        peer.send(&if stated { half } else { chunk(&half) });
        drop(peer);
        let reply = client.reply("GET");
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"half"[..]));
        assert!(matches!(reply.end, End::Broken(_)), "{reply:?}");
        eventually("it is counted", || outcome(&sidecar, "reply_broken") == 1.0);
    }
}

#[test]
fn reply_that_breaks_off_resets_a_client_that_could_not_tell() {
    let key = TestKey::new(CTR);
    let (_sidecar, mut client, mut peer, iv) = begun(&key, "HTTP/1.0", |iv| {
        format!("HTTP/1.1 200 OK\r\n{}transfer-encoding: chunked\r\n\r\n", key.envelope(iv))
    });
    peer.send(&chunk(&key.seal_with(&iv, b"half")));
    drop(peer);
    assert_eq!(client.reply("GET").end, End::Broken(io::ErrorKind::ConnectionReset));
}

#[test]
fn length_that_is_known_stays_known() {
    let key = TestKey::new(CTR);
    let (_sidecar, mut client, mut peer, iv) = begun(&key, "HTTP/1.1", |iv| {
        format!("HTTP/1.1 200 OK\r\n{}content-length: 5\r\n\r\n", key.envelope(iv))
    });
    peer.send(&key.seal_with(&iv, b"hello"));
    let reply = client.reply("GET");
    assert_eq!((reply.header("content-length"), reply.body.as_slice()), (Some("5"), &b"hello"[..]));
}
