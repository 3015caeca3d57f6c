//! WebSockets to an application behind TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use alewife::crypto::encoding;
use tokio_rustls::rustls::{ServerConnection, StreamOwned};

use super::https;
use crate::support::{
    Authority, Connection, Frame, Opcode, PATIENCE, Sidecar, TestKey, accept_of, eventually, field,
};

const LENGTH: usize = 4096;

/// An application that agrees to a WebSocket on each connection, reads nothing of it until it is told to, and then tells
/// how many bytes have come, again and again.
struct Deaf {
    address: SocketAddr,
    reads: Receiver<(Sender<()>, Receiver<usize>)>,
}

impl Deaf {
    fn start(authority: &Authority) -> Self {
        let config = authority.server(&["localhost"], &["http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, reads) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.extend(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let accept = accept_of(field(&head, "sec-websocket-key").unwrap());
                write!(
                    stream,
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-accept: {accept}\r\n\r\n"
                )
                .unwrap();
                stream.flush().unwrap();
                let ((start, started), (count, counted)) = (channel::<()>(), channel());
                tell.send((start, counted)).unwrap();
                thread::spawn(move || {
                    if started.recv().is_err() {
                        return;
                    }
                    let mut piece = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = stream.read(&mut piece) {
                        let _ = count.send(read);
                    }
                });
            }
        });
        Self { address, reads }
    }
}

fn open(sidecar: &Sidecar, key: &TestKey) -> Connection {
    let mut client = sidecar.connect();
    let envelope = key.envelope(&key.fresh_iv());
    client.send(
        format!(
            "GET / HTTP/1.1\r\nhost: kitchen.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{envelope}\r\n"
        )
        .as_bytes(),
    );
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    client
}

fn carried(sidecar: &Sidecar) -> usize {
    sidecar.metric("alewife_websocket_messages_total{proxy=\"kitchen\",direction=\"to_server\"}") as usize
}

/// TLS takes more than its socket does, and must be seen to until all of it is out.
#[test]
fn last_messages_reach_an_application_that_took_nothing_for_a_while() {
    let (authority, key) = (Authority::new(), TestKey::new("AES-256-GCM"));
    let application = Deaf::start(&authority);
    let (sidecar, _directory) = https(&authority, &key, "localhost", application.address);
    let sidecar = sidecar.start();
    let iv = key.fresh_iv();
    let message = encoding::base64_encode(&key.seal_with(&iv, &[b'x'; LENGTH]));
    let iv = encoding::base64_encode(&iv);
    let envelope = format!(r#"{{"iv":"{iv}","fingerprint":"{}","message":"{message}"}}"#, key.fingerprint);
    let frame = Frame::new(Opcode::Binary, envelope).masked().bytes();

    // How much all that stands between takes.
    let mut client = open(&sidecar, &key);
    client.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    while client.stream.write_all(&frame).is_ok() {}
    let most = carried(&sidecar);
    drop((client, application.reads.recv().unwrap()));

    // 64 KiB of it wait here and as much in TLS, so less than that reaches into what TLS holds.
    for kibibytes in [80, 96, 112] {
        let before = carried(&sidecar);
        let count = most - kibibytes * 1024 / LENGTH;
        let mut client = open(&sidecar, &key);
        for _ in 0..count {
            client.send(&frame);
        }
        eventually("all is carried", || carried(&sidecar) == before + count);
        let (start, counted) = application.reads.recv().unwrap();
        start.send(()).unwrap();
        let until = Instant::now() + PATIENCE;
        // Head, mask and payload.
        let mut left = count * (LENGTH + 8);
        while left > 0 {
            let wait = until.saturating_duration_since(Instant::now());
            left -= counted.recv_timeout(wait).unwrap_or_else(|_| panic!("{left} bytes do not come"));
        }
    }
}
