//! What arrives through the bridge equals what arrives without it, byte for byte, but for the named differences.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::differences::{Between, DIFFERENCES, Exchange, ORDER};
use super::generated::{Reply, Request, replies, requests};
use super::heard::Heard;
use crate::support::{Bridge, Connection, PATIENCE, TestKey};

/// Enough to meet every branch of the generators many times.
const CASES: u32 = 400;

/// An application that answers each request with what stands on its stage, and tells what it heard.
struct Stage {
    address: SocketAddr,
    next: Arc<Mutex<Option<Reply>>>,
    heard: Receiver<Heard>,
}

impl Stage {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let next = Arc::<Mutex<Option<Reply>>>::default();
        let (tell, heard) = mpsc::channel();
        let stage = Arc::clone(&next);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut connection, stage, tell) =
                    (Connection::over(stream.unwrap()), Arc::clone(&stage), tell.clone());
                thread::spawn(move || {
                    while let Some(request) = Heard::request(&mut connection) {
                        let reply = stage.lock().unwrap().clone().expect("a request that nobody sent");
                        let method = request.start.split(' ').next().unwrap().to_owned();
                        tell.send(request).unwrap();
                        connection.send(&reply.bytes(&method));
                        if reply.ends_connection() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, next, heard }
    }

    /// One exchange over a connection of its own to `address`, heard from both ends.
    fn exchange(&self, address: SocketAddr, request: &Request, reply: &Reply) -> Result<Exchange, String> {
        *self.next.lock().unwrap() = Some(reply.clone());
        let mut connection = Connection::to(address);
        connection.send(&request.bytes());
        let reply =
            Heard::reply(&mut connection, &request.method).map_err(|error| format!("no reply: {error}"))?;
        let heard = self.heard.recv_timeout(PATIENCE);
        let request_heard =
            heard.map_err(|_| format!("the application heard nothing; the client got {reply:?}"))?;
        Ok(Exchange { method: request.method.clone(), request: request_heard, reply })
    }
}

fn exchanges_pass_the_bridge_as_they_pass_without_it(algorithm: &str) {
    let stage = Stage::open();
    // What the first sidecar says of the client, the second has to believe.
    let bridge = Bridge::before(stage.address)
        .keys(&[&TestKey::new(algorithm)])
        .inbound("trust_forwarded_from = \"127.0.0.1\"")
        .start();
    let between =
        Between { inbound: bridge.inbound.address().to_string(), authenticated: algorithm.ends_with("GCM") };
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(requests(), replies()), |(request, reply)| {
        let direct = stage.exchange(stage.address, &request, &reply).map_err(TestCaseError::fail)?;
        let bridged = stage.exchange(bridge.address(), &request, &reply).map_err(TestCaseError::fail)?;
        prop_assert_eq!(bridged.in_order(), direct.expected(&between));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn exchanges_pass_the_bridge_under_gcm_as_they_pass_without_it() {
    exchanges_pass_the_bridge_as_they_pass_without_it("AES-256-GCM");
}

#[test]
fn exchanges_pass_the_bridge_under_ctr_as_they_pass_without_it() {
    exchanges_pass_the_bridge_as_they_pass_without_it("AES-256-CTR");
}

#[test]
fn every_difference_is_named_in_the_protocol() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PROTOCOL.md");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let protocol = words(&std::fs::read_to_string(path).unwrap());
    for named in DIFFERENCES.iter().map(|difference| difference.named).chain([ORDER]) {
        assert!(protocol.contains(&words(named)), "docs/PROTOCOL.md does not name: {named}");
    }
}
