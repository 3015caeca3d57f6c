//! Replies that stream, break, never come, or come on a connection that was gone.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use alewife::crypto::encoding;
use bytes::BytesMut;

use super::strict::StrictOrigin;
use super::{assert_error, fill};
use crate::support::{Sidecar, TestKey, eventually};

const NOT_REACHABLE: &str = r#"{"errorCode":103,"message":"Upstream not reachable"}"#;
const BROKE: &str = r#"{"errorCode":104,"message":"Upstream broke the exchange"}"#;

fn start(origin: &StrictOrigin, key: &TestKey) -> Sidecar {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).start()
}

/// Gives an error, which closes the application's connection.
fn hang_up() -> io::Result<()> {
    Err(io::ErrorKind::BrokenPipe.into())
}

/// The application writes each piece only when the client has opened the one before.
fn streams(algorithm: &str, chunked: bool) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let pieces: Vec<String> = (0..5).map(|number| format!("data: {number}\n\n")).collect();
    let length: usize = pieces.iter().map(String::len).sum();
    let written = pieces.clone();
    let origin = StrictOrigin::answering(move |_, stream| {
        let framing = if chunked {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {length}")
        };
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{framing}\r\n\r\n")?;
        for piece in &written {
            wait.lock().unwrap().recv().map_err(io::Error::other)?;
            if chunked {
                write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
            } else {
                stream.write_all(piece.as_bytes())?;
            }
        }
        if chunked { stream.write_all(b"0\r\n\r\n") } else { Ok(()) }
    });
    let key = TestKey::new(algorithm);
    let sidecar = start(&origin, &key);
    let mut connection = sidecar.connect();
    connection.send(&key.bodyless("GET", "/events", ""));
    let head = String::from_utf8(connection.read_head().unwrap()).unwrap();
    assert_eq!(head.contains("transfer-encoding: chunked"), chunked);
    assert_eq!(head.contains(&format!("content-length: {}", length + key.algorithm.tag_len())), !chunked);
    let iv = head.lines().find_map(|line| line.strip_prefix("sec-iv: ")).unwrap();
    let iv = encoding::base64_decode(iv.as_bytes()).unwrap();
    let (secret, mut plain) = (key.secret_key(), BytesMut::new());
    let mut opener = secret.opener(&iv, &[]).unwrap();
    // An opener of GCM keeps back what may be the tag, so what has come is also opened as a keystream would.
    let mut sealed = Vec::new();
    let mut expected = String::new();
    for piece in &pieces {
        go.send(()).unwrap();
        expected.push_str(piece);
        while sealed.len() < expected.len() {
            let more = if chunked {
                connection.read_chunk().unwrap().unwrap()
            } else {
                connection.read_some(1).unwrap()
            };
            opener.update(&more, &mut plain).unwrap();
            sealed.extend(more);
        }
        assert_eq!(opened_so_far(&key, &iv, &sealed, expected.len()), expected.as_bytes());
    }
    let rest = length + key.algorithm.tag_len() - sealed.len();
    let tag = match (chunked, rest) {
        (_, 0) => Vec::new(),
        (true, _) => connection.read_chunk().unwrap().unwrap(),
        (false, _) => connection.read_some(rest).unwrap(),
    };
    opener.update(&tag, &mut plain).unwrap();
    opener.finish().unwrap();
    assert_eq!(plain, expected.as_bytes());
    if chunked {
        assert_eq!(connection.read_chunk().unwrap(), None);
    }
}

/// The first `length` bytes of plaintext, without regard to the tag.
fn opened_so_far(key: &TestKey, iv: &[u8], sealed: &[u8], length: usize) -> Vec<u8> {
    let secret = key.secret_key();
    let mut plain = BytesMut::new();
    let padded = [&sealed[..length], &[0; 16][..key.algorithm.tag_len()]].concat();
    secret.opener(iv, &[]).unwrap().update(&padded, &mut plain).unwrap();
    plain.to_vec()
}

#[test]
fn each_piece_of_a_reply_is_sealed_and_sent_on_before_the_next_is_written() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR", "AES-128-CFB", "AES-128-CFB8"] {
        streams(algorithm, true);
        streams(algorithm, false);
    }
}

#[test]
fn an_application_that_dies_in_mid_reply_is_never_a_whole_message() {
    let known = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    let known_to_the_last = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let in_the_end = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    let bad_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n";
    for reply in [known, known_to_the_last, chunked, in_the_end, bad_chunk] {
        for (algorithm, seal) in [("AES-256-GCM", true), ("AES-256-CTR", true), ("AES-256-GCM", false)] {
            let origin = StrictOrigin::answering(move |_, stream| {
                stream.write_all(reply.as_bytes())?;
                hang_up()
            });
            let key = TestKey::new(algorithm);
            let sidecar = Sidecar::inbound()
                .keys(&[&key])
                .proxy(&format!("seal_replies = {seal}"))
                .upstream(origin.address())
                .start();
            let mut connection = sidecar.connect();
            connection.send(&key.bodyless("GET", "/", ""));
            // The break may overtake the head, which is then none.
            if let Ok(reply) = connection.try_reply("GET") {
                assert!(!reply.is_whole(), "{reply:?}");
            }
            let mut old = sidecar.connect();
            old.send(&fill("GET / HTTP/1.0\r\nhost: a\r\n{E}\r\n", &key, b""));
            let broken = match old.try_reply("GET") {
                Ok(reply) => {
                    reply.end == crate::support::End::Broken(io::ErrorKind::ConnectionReset)
                        || (reply.header("content-length").is_some() && !reply.is_whole())
                }
                Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
            };
            assert!(broken, "{reply:?}");
            eventually("both are counted as broken", || {
                sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"reply_broken\"}") == 2.0
            });
        }
    }
}

#[test]
fn what_is_no_reply_is_502_and_keeps_the_client() {
    let replies: [&[u8]; 13] = [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header: 1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n",
    ];
    for reply in replies {
        let origin = StrictOrigin::answering(move |_, stream| {
            stream.write_all(reply)?;
            hang_up()
        });
        let key = TestKey::new("AES-256-GCM");
        let sidecar = start(&origin, &key);
        let mut connection = sidecar.connect();
        for count in 1..=2 {
            let told = connection.exchange(&key.request("POST", "/", "", b"order"));
            assert_error(&told, 502, BROKE, false);
            // What was written is never sent again.
            assert_eq!(origin.requests().len(), count);
        }
    }
}

#[test]
fn interim_replies_end_here_and_the_final_one_passes() {
    let origin = StrictOrigin::fixed(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let key = TestKey::new("AES-256-GCM");
    let reply = start(&origin, &key).connect().exchange(&key.request("POST", "/", "", b"x"));
    assert_eq!((reply.status, reply.open(&key).unwrap(), reply.header("link")), (200, b"ok".to_vec(), None));
}

#[test]
fn a_refused_connection_to_the_application_is_502_with_code_103() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let key = TestKey::new(algorithm);
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(unused).start();
        let mut connection = sidecar.connect();
        assert_error(&connection.exchange(&key.bodyless("GET", "/", "")), 502, NOT_REACHABLE, false);
        assert_error(&connection.exchange(&key.bodyless("DELETE", "/", "")), 502, NOT_REACHABLE, false);
        let reply = sidecar.connect().exchange(&key.request("POST", "/", "", b"x"));
        assert_eq!((reply.status, reply.text()), (502, NOT_REACHABLE));
    }
}

#[test]
fn a_kept_connection_that_was_closed_silently_costs_no_request() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        // Each connection of the application serves one request and is closed when the test says so.
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = Arc::clone(&open);
        let origin = StrictOrigin::answering(move |received, stream| {
            kept.lock().unwrap().push(stream.try_clone()?);
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", received.body.len())?;
            stream.write_all(&received.body)
        });
        let key = TestKey::new(algorithm);
        let sidecar = start(&origin, &key);
        let mut connection = sidecar.connect();
        for number in 1..=20 {
            let plain = format!("order {number}");
            let reply = connection.exchange(&key.request("POST", "/", "", plain.as_bytes()));
            assert_eq!((reply.status, reply.open(&key).unwrap()), (200, plain.into_bytes()));
            for stream in open.lock().unwrap().drain(..) {
                stream.shutdown(std::net::Shutdown::Both).unwrap();
            }
            assert_eq!(origin.requests().len(), number);
        }
    }
}

#[test]
fn a_request_that_was_written_is_never_sent_again() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let origin = StrictOrigin::answering(|received, stream| match received.target() {
            "/answer" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
            _close => hang_up(),
        });
        let key = TestKey::new(algorithm);
        let sidecar = start(&origin, &key);
        let mut connection = sidecar.connect();
        assert_eq!(connection.exchange(&key.request("POST", "/answer", "", b"x")).open(&key).unwrap(), b"ok");
        assert_error(&connection.exchange(&key.request("POST", "/close", "", b"x")), 502, BROKE, false);
        assert_error(&connection.exchange(&key.bodyless("GET", "/close", "")), 502, BROKE, false);
        let targets: Vec<_> = origin.requests().iter().map(|request| request.target().to_owned()).collect();
        assert_eq!(targets, ["/answer", "/close", "/close"]);
    }
}

#[test]
fn an_application_that_answers_before_it_has_read_the_request_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut first = [0; 1];
            if stream.read_exact(&mut first).is_ok() {
                let _ = stream.write_all(
                    b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig",
                );
            }
            let _ = io::copy(&mut stream, &mut io::sink());
        }
    });
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let key = TestKey::new(algorithm);
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(address).start();
        let reply = sidecar.connect().exchange(&key.request("POST", "/", "", &[7; 300_000]));
        assert_eq!((reply.status, reply.open(&key).unwrap()), (413, b"big".to_vec()));
    }
}
