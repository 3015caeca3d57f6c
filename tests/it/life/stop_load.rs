//! A stop in the middle of a crowd: whoever was let in is answered.
//!
//! A request is lost if a connection was made and its reply did not come whole: reset, ended early, or not sealed under
//! the right key. The only failure allowed is that no connection is made any more.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::support::{Connection, Origin, Sidecar, TestKey, eventually};

const ROUNDS: usize = 20;

/// What a client does until no connection is to be had.
struct Client {
    address: SocketAddr,
    key: TestKey,
    keeps_alive: bool,
    answered: Arc<AtomicU64>,
}

impl Client {
    fn run(self) -> Result<(), String> {
        loop {
            let stream = match TcpStream::connect(self.address) {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
                Err(error) => return Err(format!("connecting: {error}")),
            };
            self.use_up(&mut Connection::over(stream))?;
        }
    }

    /// One connection, for as long as it may be used.
    fn use_up(&self, connection: &mut Connection) -> Result<(), String> {
        for number in 0.. {
            let order = format!("order {number}");
            let header = if self.keeps_alive { "" } else { "connection: close\r\n" };
            let request = self.key.request("POST", "/orders", header, order.as_bytes());
            connection
                .stream
                .write_all(&request)
                .map_err(|error| format!("request {number}, sending: {error}"))?;
            let reply = connection.try_reply("POST").map_err(|error| format!("request {number}: {error}"))?;
            if !reply.is_whole() || reply.open(&self.key).as_deref() != Some(order.as_bytes()) {
                return Err(format!("request {number}: {reply:?}"));
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            if reply.header("connection") == Some("close") || !self.keeps_alive {
                break;
            }
        }
        Ok(())
    }
}

fn crowd(sidecar: &Sidecar, key: &TestKey) -> (Arc<AtomicU64>, Vec<JoinHandle<Result<(), String>>>) {
    let answered = Arc::new(AtomicU64::new(0));
    let clients = (0..32)
        .map(|number| Client {
            address: sidecar.address(),
            key: key.clone(),
            keeps_alive: number % 2 == 0,
            answered: Arc::clone(&answered),
        })
        .map(|client| thread::spawn(|| client.run()))
        .collect();
    (answered, clients)
}

#[test]
fn a_stop_under_load_loses_no_request() {
    let key = TestKey::new("AES-256-GCM");
    let mut lost = Vec::new();
    for round in 0..ROUNDS {
        let origin = Origin::echo();
        let mut sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        let (answered, clients) = crowd(&sidecar, &key);
        eventually("the crowd is served", || answered.load(Ordering::Relaxed) >= 300);
        let status = sidecar.stop();
        let faults = clients.into_iter().filter_map(|client| client.join().unwrap().err());
        lost.extend(faults.map(|fault| format!("round {round}: {fault}")));
        assert_eq!(status.code(), Some(0), "round {round}");
        if lost.is_empty() {
            assert_eq!(origin.count() as u64, answered.load(Ordering::Relaxed), "each was sent on once");
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}
