//! WebSocket sessions through the bridge: what each end hears is what it hears without the bridge.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::differences::{Between, Exchange};
use super::generated::{Reply, Request, handshakes};
use super::heard::Heard;
use super::sessions::{HeardSession, Script, Side, hold, scripts};
use crate::support::{Bridge, Connection, PATIENCE, TestKey};

const CASES: u32 = 150;

/// What the server of the next session does: its answer, its script, and how many messages it is to hear.
type Part = (Reply, Script, usize);

/// A server that holds each session as its part says, and tells what it heard.
struct Stage {
    address: SocketAddr,
    next: Arc<Mutex<Option<Part>>>,
    heard: Receiver<(Heard, HeardSession)>,
}

/// What both ends heard.
#[derive(Debug, PartialEq, Eq)]
struct Session {
    handshake: Exchange,
    at_client: HeardSession,
    at_server: HeardSession,
}

impl Stage {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let next = Arc::<Mutex<Option<Part>>>::default();
        let (tell, heard) = mpsc::channel();
        let stage = Arc::clone(&next);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut connection, stage, tell) =
                    (Connection::over(stream.unwrap()), Arc::clone(&stage), tell.clone());
                thread::spawn(move || {
                    let Ok(request) = Heard::head(&mut connection) else { return };
                    let (reply, script, theirs) =
                        stage.lock().unwrap().clone().expect("a session that nobody opened");
                    connection.send(&reply.bytes("GET"));
                    tell.send((request, hold(connection, Side::Server, &script, theirs))).unwrap();
                });
            }
        });
        Self { address, next, heard }
    }

    /// One session with `address`, heard from both ends.
    fn session(
        &self,
        address: SocketAddr,
        (request, reply): &(Request, Reply),
        (client, server): &(Script, Script),
    ) -> Result<Session, String> {
        *self.next.lock().unwrap() = Some((reply.clone(), server.clone(), client.messages()));
        let mut connection = Connection::to(address);
        connection.send(&request.bytes());
        let reply = Heard::head(&mut connection).map_err(|error| format!("no reply: {error}"))?;
        if reply.status() != 101 {
            return Err(format!("refused: {reply:?}"));
        }
        let at_client = hold(connection, Side::Client, client, server.messages());
        let heard = self.heard.recv_timeout(PATIENCE);
        let (request, at_server) = heard.map_err(|_| "the server's end does not end".to_owned())?;
        let handshake = Exchange { method: "GET".to_owned(), request, reply };
        Ok(Session { handshake, at_client, at_server })
    }
}

fn sessions_pass_the_bridge_as_they_pass_without_it(algorithm: &str) {
    let stage = Stage::open();
    // What the first sidecar says of the client, the second has to believe.
    let bridge = Bridge::before(stage.address)
        .keys(&[&TestKey::new(algorithm)])
        .inbound("trust_forwarded_from = \"127.0.0.1\"")
        .start();
    let between =
        Between { inbound: bridge.inbound.address().to_string(), authenticated: algorithm.ends_with("GCM") };
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(handshakes(), scripts()), |(handshake, scripts)| {
        let direct = stage.session(stage.address, &handshake, &scripts).map_err(TestCaseError::fail)?;
        let bridged = stage.session(bridge.address(), &handshake, &scripts).map_err(TestCaseError::fail)?;
        prop_assert_eq!(bridged.handshake.in_order(), direct.handshake.expected_handshake(&between));
        prop_assert_eq!(bridged.at_server, direct.at_server, "at the server");
        prop_assert_eq!(bridged.at_client, direct.at_client, "at the client");
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn sessions_pass_the_bridge_under_gcm_as_they_pass_without_it() {
    sessions_pass_the_bridge_as_they_pass_without_it("AES-256-GCM");
}

#[test]
fn sessions_pass_the_bridge_under_ctr_as_they_pass_without_it() {
    sessions_pass_the_bridge_as_they_pass_without_it("AES-256-CTR");
}
