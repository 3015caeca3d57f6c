//! Time, limits, memory, stop and secrecy of a running sidecar, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod applications;
mod command;
mod deadlines;
pub(crate) mod http2;
mod idle;
mod inspector;
mod limits;
mod memory;
mod metrics;
mod passed;
mod reconfigure;
mod reload_load;
mod secrecy;
mod start;
mod status_page;
mod stop;
mod stop_load;
mod supervised;
mod ways_under_load;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::{Connection, End, Origin, PATIENCE, Sidecar, SidecarBuilder, TestKey};

/// Longer than any test runs.
const NEVER: &str = "1h";

/// Deadlines of which only the named ones can pass while a test runs.
fn timeouts(short: &[(&str, &str)]) -> String {
    let mut lines = "[proxy.timeouts]\n".to_owned();
    for name in ["first_byte", "headers", "body", "idle", "connect", "reply", "pool_idle"] {
        let value = short.iter().find(|(known, _)| *known == name).map_or(NEVER, |(_, value)| value);
        lines += &format!("{name} = \"{value}\"\n");
    }
    lines
}

/// A sidecar with `keys` in front of `origin`, whose only short deadlines are `short`.
fn patient(keys: &[&TestKey], origin: SocketAddr, short: &[(&str, &str)]) -> SidecarBuilder {
    Sidecar::inbound().keys(keys).upstream(origin).proxy(&timeouts(short))
}

/// An application that answers each request with what `reply` makes; without an end if that never returns.
fn replying(reply: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Origin {
    Origin::answering(move |_, stream| reply(stream))
}

/// A connection from one of this machine's many loopback addresses.
fn connect_from(last: u8, to: SocketAddr) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    Connection::over(socket.into())
}

/// Waits for the end of a connection, however it comes; what still arrives is thrown away.
fn await_end(stream: &mut TcpStream) {
    let mut scratch = [0; 64 * 1024];
    loop {
        match crate::support::uninterrupted(|| stream.read(&mut scratch)) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return,
                _ => panic!("the connection stays open: {error}"),
            },
        }
    }
}

/// Lets the deadline `first_byte` pass: a silent socket, opened now, is closed by it.
fn first_byte_passes(sidecar: &Sidecar) {
    await_end(&mut sidecar.connect().stream);
}

/// Sends `bytes` over and over, one at a time, until the other side closes.
fn dribble(connection: &mut Connection, bytes: &[u8]) {
    let started = Instant::now();
    connection.stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut scratch = [0; 1024];
    for byte in bytes.iter().cycle() {
        assert!(started.elapsed() < PATIENCE, "the dribble is taken for ever");
        if connection.stream.write_all(&[*byte]).is_err() {
            return;
        }
        // The read time-out sets the pace.
        match connection.stream.read(&mut scratch) {
            Ok(0) => return,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
            _ => {}
        }
    }
}

/// A listener whose queue of connections is full, so that connecting to it waits; and what fills it.
fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue has no end");
    }
    (listener, waiting)
}

/// An application whose one connection is handed to the test.
fn by_hand() -> (SocketAddr, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// A line of `/proc/PID/status`, in KiB.
fn status_kib(sidecar: &Sidecar, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", sidecar.process_id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// An address of this machine at which nobody listens, and which nobody is given meanwhile who takes any.
fn free_address() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.local_addr().unwrap().as_socket().unwrap()
}

/// The number of a proxy's exchanges with this outcome.
fn outcome(sidecar: &Sidecar, outcome: &str) -> u64 {
    let series = format!("alewife_requests_total{{proxy=\"kitchen\",outcome=\"{outcome}\"}}");
    sidecar.metric(&series) as u64
}

fn open_connections(sidecar: &Sidecar) -> u64 {
    sidecar.metric("alewife_connections{proxy=\"kitchen\"}") as u64
}

fn held_bytes(sidecar: &Sidecar) -> u64 {
    sidecar.metric("alewife_held_bytes") as u64
}

fn in_flight(sidecar: &Sidecar) -> u64 {
    sidecar.metric("alewife_requests_in_flight{proxy=\"kitchen\"}") as u64
}

/// Asserts an error of the sidecar's own, by its bytes.
#[track_caller]
fn assert_error(reply: &crate::support::Reply, status: u16, code: u32, message: &str) {
    assert_eq!((reply.status, reply.end), (status, End::Whole), "{reply:?}");
    assert_eq!(reply.text(), format!("{{\"errorCode\":{code},\"message\":\"{message}\"}}"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

/// The head of a sealed request, followed by `body` bytes of the sealed body under `content-length`.
fn split(request: &[u8]) -> (&[u8], &[u8]) {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    request.split_at(end)
}

/// A sealed request in chunks of `size`, the last chunk included.
fn chunked(key: &TestKey, target: &str, plain: &[u8], size: usize) -> Vec<u8> {
    let iv = key.fresh_iv();
    let mut raw = format!(
        "POST {target} HTTP/1.1\r\nhost: kitchen.test\r\n{}transfer-encoding: chunked\r\n\r\n",
        key.envelope(&iv)
    )
    .into_bytes();
    for piece in key.seal_with(&iv, plain).chunks(size) {
        raw.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        raw.extend_from_slice(piece);
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"0\r\n\r\n");
    raw
}

const LARGE: usize = 32 * 1024 * 1024;

/// An application whose reply is more than the buffers on its way take.
fn large_application() -> Origin {
    replying(|stream| {
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes())?;
        stream.write_all(&vec![b'x'; LARGE])
    })
}

/// A client that stops reading when the sidecar has handed on the last piece of a large reply, and not yet sent it.
struct SlowReader {
    connection: Connection,
    left: usize,
}

impl SlowReader {
    fn start(sidecar: &Sidecar, key: &TestKey) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.connect(&sidecar.address().into()).unwrap();
        let mut connection = Connection::over(socket.into());
        connection.send(&key.bodyless("GET", "/", ""));
        connection.read_head().unwrap();
        let mut this = Self { connection, left: LARGE + 16 };
        this.read(LARGE - 6 * 1024 * 1024);
        while outcome(sidecar, "answered") == 0 {
            this.read(8 * 1024);
        }
        this
    }

    fn read(&mut self, count: usize) {
        self.connection.read_some(count).expect("a reply that goes on");
        self.left -= count;
    }

    fn read_the_rest(&mut self) {
        self.read(self.left);
    }
}
