//! What a proxy does not take on: each limit at its edge, past it, and when there is room again.

mod connections;
mod head;
mod pace;
mod requests;
mod sessions;
mod status;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use socket2::{Domain, Socket, Type};

use crate::support::{
    Connection, End, Origin, PATIENCE, Reply, Sidecar, SidecarBuilder, TestKey, eventually,
};

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

/// A sidecar of two workers with these limits.
fn limited(key: &TestKey, origin: &Origin, limits: &str) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy(&format!("[proxy.limits]\n{limits}"))
}

/// An application that answers nothing on `/wait` until it is let go.
struct Waiting {
    origin: Origin,
    go: Arc<(Mutex<bool>, Condvar)>,
}

impl Waiting {
    fn start() -> Self {
        let go = Arc::<(Mutex<bool>, Condvar)>::default();
        let told = Arc::clone(&go);
        let origin = Origin::answering(move |received, stream| {
            if received.target() == "/wait" {
                let (goes, bell) = &*told;
                let waited = bell.wait_timeout_while(goes.lock().unwrap(), PATIENCE, |goes| !*goes);
                drop(waited);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        });
        Self { origin, go }
    }

    fn let_go(&self) {
        let (goes, bell) = &*self.go;
        *goes.lock().unwrap() = true;
        bell.notify_all();
    }

    /// `count` connections with a request under way on each.
    fn occupy(&self, sidecar: &Sidecar, key: &TestKey, count: usize) -> Vec<Connection> {
        let before = self.origin.count();
        let mut connections: Vec<_> = (0..count).map(|_| sidecar.connect()).collect();
        for connection in &mut connections {
            connection.send(&key.bodyless("GET", "/wait", ""));
        }
        eventually("all are under way", || self.origin.count() == before + count);
        connections
    }
}

fn shed(sidecar: &Sidecar, reason: &str) -> f64 {
    sidecar.metric(&format!("alewife_shed_total{{proxy=\"kitchen\",reason=\"{reason}\"}}"))
}

/// Asserts an error of the sidecar's own, by its bytes.
#[track_caller]
fn assert_error(reply: &Reply, status: u16, code: u32, message: &str) {
    assert_eq!((reply.status, reply.end), (status, End::Whole), "{reply:?}");
    assert_eq!(reply.text(), format!("{{\"errorCode\":{code},\"message\":\"{message}\"}}"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[track_caller]
fn assert_overloaded(reply: &Reply) {
    assert_error(reply, 503, 117, "Overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
}

/// A socket from one of this machine's many loopback addresses.
fn connect_from(last: u8, to: SocketAddr) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    Connection::over(TcpStream::from(socket))
}

#[test]
fn limits_are_shown_as_they_are_configured() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = limited(&key, &origin, "connections = 7\nmin_body_rate = \"off\"").start();
    let limit = |name: &str| sidecar.metric(&format!("alewife_limit{{proxy=\"kitchen\",limit=\"{name}\"}}"));
    assert_eq!((limit("connections"), limit("connections_per_peer")), (7.0, 2048.0));
    assert_eq!((limit("header_bytes"), limit("min_body_rate")), (65_536.0, 0.0));
}

#[test]
fn flood_writes_one_line_for_each_reason() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "requests = 1").start();
    let _busy = waiting.occupy(&sidecar, &key, 1);
    let mut connection = sidecar.connect();
    for _ in 0..100 {
        assert_overloaded(&connection.exchange(&key.bodyless("GET", "/", "")));
    }
    assert_eq!(shed(&sidecar, "requests"), 100.0);
    let lines = || sidecar.log().lines().filter(|line| line.contains("turned away")).count();
    eventually("it is logged", || lines() > 0);
    eventually("all exchanges are logged", || sidecar.log().matches("\"overloaded\"").count() == 100);
    assert_eq!(lines(), 1, "{}", sidecar.log());
    waiting.let_go();
}
