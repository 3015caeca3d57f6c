//! TLS on a listener.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Stream, TLS, handshakes_failed, key, order_passes, shaken, tunnel, under_tls};
use crate::support::{Authority, Connection, End, Origin, Sidecar, eventually};

fn agreed(stream: &Stream) -> Option<&str> {
    stream.conn.alpn_protocol().map(|name| std::str::from_utf8(name).unwrap())
}

#[test]
fn orders_pass_under_tls_and_the_application_hears_of_it() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let address = sidecar.address();
    assert!(sidecar.output().contains(&format!("inbound on https://{address}, ")), "{}", sidecar.output());
    let tunnel = tunnel(&sidecar, &authority, "kitchen.test");
    let mut connection = Connection::to(tunnel.address());
    order_passes(&mut connection);
    // Kept alive.
    order_passes(&mut connection);
    for received in origin.received() {
        assert_eq!(received.header("x-forwarded-proto"), Some("https"));
    }
    assert_eq!(sidecar.metric("alewife_connections_accepted_total{proxy=\"kitchen\"}"), 1.0);
}

#[test]
fn version_of_http_is_agreed_on() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    for (offered, taken) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = shaken(sidecar.address(), authority.client(offered, None), "kitchen.test").unwrap();
        assert_eq!(agreed(&stream), taken, "{offered:?}");
    }
    // Who speaks nothing that is spoken here is told so.
    let error = shaken(sidecar.address(), authority.client(&["imap"], None), "kitchen.test").unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    eventually("it is counted", || handshakes_failed(&sidecar, "tls") == 1.0);
}

#[test]
fn http2_is_not_taken_from_whom_has_not_agreed_on_it() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let mut stream = shaken(sidecar.address(), authority.client(&[], None), "kitchen.test").unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"\0\0"), "no frame of HTTP/2: {answer:?}");
    assert_eq!(origin.count(), 0);
}

#[test]
fn clear_http_at_a_port_of_tls_is_refused_and_counted() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).log("level = \"debug\"").start();
    let mut connection = sidecar.connect();
    connection.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = connection.read_to_close();
    eventually("it is counted", || handshakes_failed(&sidecar, "tls") == 1.0);
    eventually("it is logged", || sidecar.log().contains("TLS handshake failed"));
    assert_eq!(origin.count(), 0);
}

#[test]
fn handshake_that_stalls_is_closed_at_its_deadline() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin)
        .proxy("timeouts = { first_byte = \"300ms\", headers = \"300ms\" }")
        .start();
    // Nothing; the head of a record; a record that is whole and says nothing of use yet.
    let hellos: [&[u8]; 3] = [b"", b"\x16\x03\x01", b"\x16\x03\x01\0\x04\x01\0\x01\0"];
    for hello in hellos {
        let mut connection = sidecar.connect();
        connection.send(hello);
        let _ = connection.read_to_close();
    }
    eventually("those that began are counted", || handshakes_failed(&sidecar, "tls") == 2.0);
    // A connection that has shaken hands and then says nothing is closed as well.
    let mut stream =
        shaken(sidecar.address(), authority.client(&["http/1.1"], None), "kitchen.test").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(handshakes_failed(&sidecar, "tls"), 2.0);
}

#[test]
fn connections_in_a_handshake_do_not_keep_the_process_from_its_end() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let mut sidecar = under_tls(&authority, &["kitchen.test"], &origin)
        .top("shutdown_grace = \"20s\"")
        .proxy("timeouts = { headers = \"500ms\" }")
        .start();
    let mut stalled = TcpStream::connect(sidecar.address()).unwrap();
    stalled.write_all(b"\x16\x03\x01").unwrap();
    let idle = TcpStream::connect(sidecar.address()).unwrap();
    eventually("both are accepted", || {
        sidecar.metric("alewife_connections_accepted_total{proxy=\"kitchen\"}") == 2.0
    });
    assert!(sidecar.stop().success());
    drop((stalled, idle));
}

#[test]
fn reply_that_breaks_is_no_end_that_tls_vouches_for() {
    let authority = Authority::new();
    // Without a length its end is that of the connection.
    let origin = Origin::answering(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsoup\r\n")?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let mut stream = shaken(sidecar.address(), authority.client(&[], None), "kitchen.test").unwrap();
    let request = String::from_utf8_lossy(&key().bodyless("GET", "/", "")).replace("HTTP/1.1", "HTTP/1.0");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap_err();
    assert!(reply.starts_with(b"HTTP/1.1 200") || reply.starts_with(b"HTTP/1.0 200"), "{reply:?}");
}

#[test]
fn large_bodies_pass_both_ways() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let tunnel = tunnel(&sidecar, &authority, "kitchen.test");
    let order = vec![b'x'; 3 * 1024 * 1024];
    let reply = Connection::to(tunnel.address()).exchange(&key().request("POST", "/", "", &order));
    assert_eq!((reply.status, reply.end), (200, End::Whole));
    assert!(reply.open(&key()).unwrap() == order);
}

#[test]
fn client_that_takes_nothing_is_closed_at_the_deadline_of_bodies() {
    let authority = Authority::new();
    let origin = Origin::answering(|_, stream| {
        let piece = vec![b'x'; 1024 * 1024];
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n")?;
        (0..64).try_for_each(|_| stream.write_all(&piece))
    });
    let sidecar =
        under_tls(&authority, &["kitchen.test"], &origin).proxy("timeouts = { body = \"500ms\" }").start();
    let mut stream = shaken(sidecar.address(), authority.client(&[], None), "kitchen.test").unwrap();
    stream.write_all(&key().bodyless("GET", "/", "")).unwrap();
    eventually("it is accepted", || {
        sidecar.metric("alewife_connections_accepted_total{proxy=\"kitchen\"}") == 1.0
    });
    eventually("it is closed", || sidecar.metric("alewife_connections{proxy=\"kitchen\"}") == 0.0);
    assert_eq!(sidecar.metric("alewife_requests_in_flight{proxy=\"kitchen\"}"), 0.0);
}

#[test]
fn keep_alive_connection_is_told_to_go_at_a_stop() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let mut sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let tunnel = tunnel(&sidecar, &authority, "kitchen.test");
    let mut connection = Connection::to(tunnel.address());
    order_passes(&mut connection);
    sidecar.signal("TERM");
    assert!(sidecar.wait().success());
    assert!(connection.closed().unwrap());
}

#[test]
fn connections_that_were_taken_without_tls_are_told_to_go_once_it_is_asked_for() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let (certificate, key_pem) = authority.issue_pem(&["kitchen.test"]);
    let sidecar = Sidecar::inbound()
        .keys(&[&key()])
        .upstream(origin.address())
        .file("tls.crt", certificate)
        .file("tls.key", key_pem)
        .start();
    let (mut idle, mut busy) = (sidecar.connect(), sidecar.connect());
    order_passes(&mut idle);
    let request = key().request("POST", "/", "", b"soup");
    let (begun, rest) = request.split_at(request.len() - 3);
    busy.send(begun);
    let in_flight = "alewife_requests_in_flight{proxy=\"kitchen\"}";
    eventually("its request has begun", || sidecar.metric(in_flight) == 1.0);
    sidecar.reconfigure(|text| format!("{text}{TLS}"));
    assert_eq!(idle.read_to_close().unwrap(), b"");
    busy.send(rest);
    let reply = busy.reply("POST");
    assert_eq!(reply.open(&key()).unwrap(), b"soup");
    assert_eq!(reply.header("connection"), Some("close"));
    order_passes(&mut Connection::to(tunnel(&sidecar, &authority, "kitchen.test").address()));
}
