//! Connections to the application: never used again before both messages on them have ended.

use std::io::Write;

use crate::support::{Origin, Sidecar, TestKey};

fn ctr() -> TestKey {
    TestKey::new("AES-256-CTR")
}

/// A chunked request under CTR with one declared trailer.
fn chunked_with_trailer(key: &TestKey) -> Vec<u8> {
    let iv = key.fresh_iv();
    let body = key.seal_with(&iv, b"order");
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: kitchen.test\r\n{}transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\n",
        key.envelope(&iv)
    );
    [head.as_bytes(), &body, b"\r\n0\r\nx-sum: 1\r\n\r\n"].concat()
}

#[test]
fn a_streamed_upload_that_ends_in_trailers_is_whole_and_its_connection_is_kept() {
    let (origin, key) = (Origin::echo(), ctr());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let mut client = sidecar.connect();
    for _ in 0..2 {
        let reply = client.exchange(&chunked_with_trailer(&key));
        assert_eq!((reply.status, reply.open(&key).as_deref()), (200, Some(&b"order"[..])));
    }
    let seen: Vec<_> =
        origin.received().into_iter().map(|seen| (seen.connection, seen.trailers.len())).collect();
    assert_eq!(seen, [(0, 1), (0, 1)]);
}

#[test]
fn an_application_that_answers_more_than_it_was_asked_never_answers_the_next_request() {
    let extra = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-stray: yes\r\n\r\nstray";
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 66\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 66\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        ("GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ];
    for (method, answer) in cases {
        let first = format!("{answer}{extra}");
        let origin = Origin::answering(move |received, stream| {
            let next = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext";
            stream.write_all(if received.target() == "/first" { first.as_bytes() } else { next })
        });
        let key = TestKey::new("AES-256-GCM");
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        for _ in 0..20 {
            let mut client = sidecar.connect();
            let mut both = key.bodyless(method, "/first", "");
            both.extend(key.bodyless("GET", "/next", ""));
            client.send(&both);
            assert!(client.reply(method).status < 400);
            let next = client.reply("GET");
            assert_eq!(next.header("x-stray"), None, "{method} {answer}");
            assert_eq!(next.open(&key).as_deref(), Some(&b"next"[..]), "{method} {answer}");
        }
    }
}

#[test]
fn an_early_reply_to_an_unfinished_upload_does_not_free_its_connection() {
    let origin = early();
    let key = ctr();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let iv = key.fresh_iv();
    let sealed = key.seal_with(&iv, &[b'x'; 100]);
    let mut slow = sidecar.connect();
    slow.send(
        format!(
            "POST /early HTTP/1.1\r\nhost: kitchen.test\r\n{}content-length: 100\r\n\r\n",
            key.envelope(&iv)
        )
        .as_bytes(),
    );
    slow.send(&sealed[..50]);
    assert_eq!(slow.reply("POST").status, 200);
    // One of them falls to the same worker.
    for _ in 0..2 {
        let reply = sidecar.connect().exchange(&key.request("POST", "/other", "", b"other"));
        assert_eq!(reply.open(&key).as_deref(), Some(&b"other"[..]));
    }
    slow.send(&sealed[50..]);
    let reply = slow.exchange(&key.request("POST", "/last", "", b"last"));
    assert_eq!(reply.open(&key).as_deref(), Some(&b"last"[..]));
}

/// Answers `/early` with its head alone, anything else with its body.
fn early() -> Origin {
    use std::io::{BufRead, BufReader, Read};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut first, mut length) = (String::new(), 0);
                    if reader.read_line(&mut first).unwrap_or(0) == 0 {
                        return;
                    }
                    loop {
                        let mut line = String::new();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                            break;
                        }
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    let early = first.contains("/early");
                    if early {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                    let mut body = vec![0; length];
                    if reader.read_exact(&mut body).is_err() {
                        return;
                    }
                    if !early {
                        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
                    }
                }
            });
        }
    });
    Origin::at(address)
}

#[test]
fn a_large_streamed_upload_to_an_application_that_is_down_reads_its_502() {
    let key = ctr();
    let sidecar = Sidecar::inbound().keys(&[&key]).start();
    let plain = vec![b'x'; 8 * 1024 * 1024];
    for _ in 0..5 {
        let mut client = sidecar.connect();
        client.send(&key.request("POST", "/orders", "", &plain));
        let reply = client.try_reply("POST").expect("the reply, not a reset");
        assert_eq!(reply.status, 502);
        assert_eq!(reply.text(), r#"{"errorCode":103,"message":"Upstream not reachable"}"#);
    }
}

#[test]
fn a_large_streamed_upload_that_the_application_does_not_take_reads_its_504() {
    // Accepted by the kernel, read by nobody.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let key = ctr();
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .proxy("timeouts = { body = \"300ms\", reply = \"300ms\" }")
        .upstream(deaf.local_addr().unwrap())
        .start();
    let plain = vec![b'x'; 15 * 1024 * 1024];
    for _ in 0..5 {
        let mut client = sidecar.connect();
        let mut writer = client.stream.try_clone().unwrap();
        let request = key.request("POST", "/orders", "", &plain);
        let writing = std::thread::spawn(move || writer.write_all(&request));
        let reply = client.try_reply("POST").expect("the reply, not a reset");
        assert_eq!(reply.status, 504);
        let _ = writing.join().unwrap();
    }
}
