//! Unix sockets, to listen on and to go on to.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use super::{key, order_passes};
use crate::support::{Connection, Origin, Sidecar, SidecarBuilder, TestKey, Tunnel, eventually};

/// A path in a directory that goes with the test.
fn socket() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    (directory, path)
}

fn on(path: &std::path::Path, origin: &Origin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[&key()]).upstream(origin.address()).listen(&format!("unix:{}", path.display()))
}

#[test]
fn orders_pass_over_a_unix_socket_from_nobody_with_an_address() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let sidecar = on(&path, &origin).start();
    assert!(
        sidecar.output().contains(&format!("inbound on unix:{}, ", path.display())),
        "{}",
        sidecar.output()
    );
    let tunnel = Tunnel::to_unix(&path);
    order_passes(&mut Connection::to(tunnel.address()));
    let received = origin.only();
    assert_eq!(
        (received.header("x-forwarded-for"), received.header("x-forwarded-proto")),
        (None, Some("http"))
    );
    // For networks and the log it is this machine.
    eventually("it is logged", || sidecar.log().contains("\"peer\":\"127.0.0.1\""));
}

#[test]
fn whoever_comes_over_a_unix_socket_may_be_believed_as_this_machine() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let _sidecar = on(&path, &origin).proxy("trust_forwarded_from = \"127.0.0.1\"").start();
    let tunnel = Tunnel::to_unix(&path);
    let request = key().request("POST", "/", "x-forwarded-for: 203.0.113.9\r\n", b"soup");
    assert_eq!(Connection::to(tunnel.address()).exchange(&request).status, 200);
    assert_eq!(origin.only().header_all("x-forwarded-for"), ["203.0.113.9"]);
}

#[test]
fn curl_is_served_over_a_unix_socket() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let key = TestKey::new("AES-256-CTR");
    let _sidecar = on(&path, &origin).keys(&[&key]).start();
    for flag in ["--http1.1", "--http2-prior-knowledge"] {
        let envelope = key.envelope(&key.fresh_iv());
        let fields: Vec<_> = envelope.lines().collect();
        let output = Command::new("curl")
            .args(["-sS", flag, "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"])
            .arg(&path)
            .args(["-H", fields[0], "-H", fields[1], "http://kitchen.test/menu"])
            .output();
        let Ok(output) = output else { return eprintln!("skipped: curl is not here") };
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "200",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn socket_goes_with_the_process_and_one_left_behind_is_replaced() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut sidecar = on(&path, &origin).start();
    order_passes(&mut Connection::to(Tunnel::to_unix(&path).address()));
    assert!(sidecar.stop().success());
    assert!(!path.exists());
}

#[test]
fn socket_of_another_process_is_not_taken() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let theirs = UnixListener::bind(&path).unwrap();
    let (status, _, told) = on(&path, &origin).run(&["run"]);
    assert_eq!(status, 1, "{told}");
    let expected = format!("cannot listen on unix:{}: another process listens there", path.display());
    assert!(told.contains(&expected), "{told}");
    // It asked, and left it as it is.
    theirs.accept().unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn connections_that_wait_in_the_queue_are_served_at_a_stop() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let mut sidecar = on(&path, &origin).start();
    let tunnel = Tunnel::to_unix(&path);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut connection = Connection::to(tunnel.address());
            connection.send(&key().request("POST", "/", "", b"soup"));
            connection
        })
        .collect();
    eventually("one has arrived", || origin.count() > 0);
    let accepted = sidecar.metric("alewife_connections_accepted_total{proxy=\"kitchen\"}");
    assert!(accepted > 0.0);
    sidecar.signal("TERM");
    let mut served = 0;
    for mut connection in clients {
        // Those whose connection was made are answered; the tunnel may not have got through to the socket with others.
        if let Ok(reply) = connection.try_reply("POST") {
            assert_eq!(reply.status, 200);
            served += 1;
        }
    }
    assert!(served > 0 && sidecar.wait().success());
    assert_eq!(origin.count(), served);
}

#[test]
fn application_on_a_unix_socket_is_reached_as_localhost() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let _application = Tunnel::from_unix(&path, origin.address());
    let sidecar = Sidecar::inbound()
        .keys(&[&key()])
        .upstream_url(&format!("unix:{}", path.display()))
        .proxy("host = \"upstream\"")
        .start();
    assert!(
        sidecar.output().contains(&format!("upstream unix:{}\n", path.display())),
        "{}",
        sidecar.output()
    );
    let mut connection = sidecar.connect();
    order_passes(&mut connection);
    order_passes(&mut connection);
    assert_eq!(origin.received()[0].header("host"), Some("localhost"));
    assert_eq!(sidecar.metric("alewife_upstream_connections_opened_total{proxy=\"kitchen\"}"), 1.0);
}

#[test]
fn application_that_is_not_there_yet_is_refused_and_reached_later() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let sidecar =
        Sidecar::inbound().keys(&[&key()]).upstream_url(&format!("unix:{}", path.display())).start();
    let reply = sidecar.connect().exchange(&key().request("POST", "/", "", b"soup"));
    assert_eq!(reply.status, 502);
    assert!(reply.text().starts_with("{\"errorCode\":103,"), "{reply:?}");
    let _application = Tunnel::from_unix(&path, origin.address());
    order_passes(&mut sidecar.connect());
}

#[test]
fn client_that_sends_no_first_byte_over_a_unix_socket_is_closed() {
    let ((_directory, path), origin) = (socket(), Origin::echo());
    let _sidecar = on(&path, &origin).proxy("timeouts = { first_byte = \"200ms\" }").start();
    let stream = UnixStream::connect(&path).unwrap();
    let closed = thread::spawn(move || std::io::Read::read(&mut &stream, &mut [0]));
    assert_eq!(closed.join().unwrap().unwrap(), 0);
}
