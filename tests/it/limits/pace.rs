//! How fast bodies must come.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::life::http2::RawHttp2;

/// No silence is long enough for the deadline itself.
const JUDGED_SOON: &str = "timeouts = { body = \"300ms\" }\nlimits = { min_body_rate = \"100KiB\" }";

fn judging(key: &TestKey, upstream: SocketAddr) -> Sidecar {
    Sidecar::inbound().keys(&[key]).upstream(upstream).proxy(JUDGED_SOON).start()
}

/// Sends single bytes until there is an answer.
fn trickle(connection: &mut Connection) -> Reply {
    let started = Instant::now();
    let (_never, pause) = mpsc::channel::<()>();
    let mut scratch = [0; 1];
    connection.stream.set_nonblocking(true).unwrap();
    while connection.stream.peek(&mut scratch).is_err() {
        assert!(started.elapsed() < PATIENCE, "the trickle is taken for ever");
        let _ = connection.stream.write(&[7]);
        let _ = pause.recv_timeout(Duration::from_millis(10));
    }
    connection.stream.set_nonblocking(false).unwrap();
    connection.reply("POST")
}

#[test]
fn body_that_trickles_is_408_held_and_streamed() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (key, origin) = (TestKey::new(algorithm), Origin::echo());
        let sidecar = judging(&key, origin.address());
        let request = key.request("POST", "/", "", &[7; 1_000_000]);
        let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        // A good beginning does not make up for it for long.
        for beginning in [1, 20_000] {
            let mut connection = sidecar.connect();
            connection.send(&request[..head + beginning]);
            let reply = trickle(&mut connection);
            assert_error(&reply, 408, 102, "Request not received in time");
            assert_eq!(reply.header("connection"), Some("close"));
        }
        assert_eq!(shed(&sidecar, "slow_body"), 2.0);
        eventually("nothing is held", || sidecar.metric("alewife_held_bytes") == 0.0);
        assert!(sidecar.log().contains("min_body_rate"), "the log says why");
        assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", &[7; 10_000])).status, 200);
    }
}

#[test]
fn body_that_trickles_under_http2_is_refused() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = judging(&key, origin.address());
    let mut client = RawHttp2::connect(sidecar.address(), None);
    client.head(1, "POST", &key, &key.fresh_iv(), false);
    let (_never, pause) = mpsc::channel::<()>();
    let started = Instant::now();
    while shed(&sidecar, "slow_body") == 0.0 {
        assert!(started.elapsed() < PATIENCE, "the trickle is taken for ever");
        client.data(1, &[7], false);
        let _ = pause.recv_timeout(Duration::from_millis(10));
    }
    assert_eq!(client.body(), br#"{"errorCode":102,"message":"Request not received in time"}"#);
}

#[test]
fn body_that_trickles_passes_where_no_rate_is_asked_for() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address());
    let sidecar =
        sidecar.proxy("timeouts = { body = \"300ms\" }\nlimits = { min_body_rate = \"off\" }").start();
    let request = key.request("POST", "/", "", &[7; 100]);
    let mut connection = sidecar.connect();
    let (slow, rest) = request.split_at(request.len() - 50);
    connection.send(slow);
    let (_never, pause) = mpsc::channel::<()>();
    for byte in rest {
        connection.send(&[*byte]);
        let _ = pause.recv_timeout(Duration::from_millis(10));
    }
    assert_eq!(connection.reply("POST").open(&key).unwrap(), [7; 100]);
}

/// An application that takes `length` bytes of a body, some at a time with a pause after each.
fn slow_application(length: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut connection = Connection::over(listener.accept().unwrap().0);
        connection.read_head().unwrap();
        let (_never, pause) = mpsc::channel::<()>();
        let mut piece = vec![0; length / 20];
        for _ in 0..20 {
            connection.stream.read_exact(&mut piece).unwrap();
            let _ = pause.recv_timeout(Duration::from_millis(120));
        }
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        connection.closed()
    });
    address
}

#[test]
fn application_that_takes_slowly_is_not_blamed_on_the_client() {
    const LENGTH: usize = 6_000_000;
    let key = TestKey::new("AES-256-CTR");
    // Were it for the whole time that it takes, the client would be too slow by far.
    let settings = "timeouts = { body = \"300ms\" }\nlimits = { min_body_rate = \"8MiB\" }";
    let application = slow_application(LENGTH - 20_000);
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application).proxy(settings).start();
    let reply = sidecar.connect().exchange(&key.request("POST", "/", "", &[7; LENGTH]));
    assert_eq!(reply.open(&key).unwrap(), b"ok");
    assert_eq!(shed(&sidecar, "slow_body"), 0.0);
}
