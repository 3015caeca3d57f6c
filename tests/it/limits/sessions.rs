//! WebSocket sessions.

use super::*;
use crate::support::{Event, Frame, Message, Opcode, WebSocketOrigin};

fn handshake(headers: &str) -> Vec<u8> {
    handshake_to("/orders", headers)
}

fn handshake_to(target: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

pub(super) fn sealed(key: &TestKey) -> Vec<u8> {
    handshake(&key.envelope(&key.fresh_iv()))
}

/// A session, if there is a place for it.
pub(super) fn open(sidecar: &Sidecar, handshake: &[u8]) -> Result<Connection, Box<Reply>> {
    let mut client = sidecar.connect();
    client.send(handshake);
    let reply = client.try_reply("GET").unwrap();
    if reply.status == 101 { Ok(client) } else { Err(Box::new(reply)) }
}

#[track_caller]
fn assert_full(reply: &Reply) {
    assert_error(reply, 503, 118, "Too many WebSockets");
    assert_eq!((reply.header("retry-after"), reply.header("connection")), (Some("1"), None));
}

fn open_sessions(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_websocket_sessions{proxy=\"kitchen\"}")
}

#[test]
fn two_hundred_sessions_are_carried_and_the_next_is_503_until_one_ends() {
    const SESSIONS: usize = 200;
    let (key, application) = (gcm(), WebSocketOrigin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address());
    let sidecar = sidecar.proxy(&format!("[proxy.limits]\nsessions = {SESSIONS}")).start();
    let mut sessions: Vec<_> =
        (0..SESSIONS).map(|_| open(&sidecar, &sealed(&key)).expect("a session")).collect();
    for _ in 0..5 {
        assert_full(&open(&sidecar, &sealed(&key)).err().unwrap());
    }
    assert_eq!((shed(&sidecar, "sessions"), open_sessions(&sidecar)), (5.0, SESSIONS as f64));
    // Requests have places of their own, and each session goes on.
    assert_ne!(sidecar.connect().exchange(&key.bodyless("GET", "/", "")).status, 503);
    for session in &mut sessions {
        session.send_frame(&Frame::new(Opcode::Ping, "here?").masked());
        let mut partial = None;
        assert_eq!(session.read_event(&mut partial).unwrap(), Event::Pong(b"here?".to_vec()));
    }
    drop(sessions.pop());
    eventually("there is room again", || open(&sidecar, &sealed(&key)).is_ok());
    drop(sessions);
    eventually("all have ended", || open_sessions(&sidecar) == 0.0);
}

#[test]
fn handshake_that_the_application_refuses_leaves_its_place() {
    let (key, origin) = (gcm(), Origin::fixed(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"));
    let sidecar = limited(&key, &origin, "sessions = 1").start();
    for _ in 0..5 {
        assert_eq!(open(&sidecar, &sealed(&key)).err().unwrap().status, 404);
    }
    assert_eq!(shed(&sidecar, "sessions"), 0.0);
}

#[test]
fn application_hears_nothing_of_a_session_past_the_limit() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "sessions = 1").start();
    // One that is being agreed on has its place already.
    let mut asking = sidecar.connect();
    asking.send(&handshake_to("/wait", &key.envelope(&key.fresh_iv())));
    eventually("it is asked for", || waiting.origin.count() == 1);
    assert_full(&open(&sidecar, &sealed(&key)).err().unwrap());
    assert_eq!(waiting.origin.count(), 1);
    waiting.let_go();
    assert_eq!(asking.reply("GET").status, 200);
    eventually("there is room again", || {
        open(&sidecar, &sealed(&key)).err().is_some_and(|reply| reply.status == 200)
    });
}

#[test]
fn plain_outbound_and_own_sessions_count_as_well() {
    let (key, application) = (gcm(), WebSocketOrigin::echo());
    let limits = "[proxy.limits]\nsessions = 1";
    let bypass = Sidecar::inbound().proxy(&format!("{limits}\n[[proxy.route]]\npolicy = \"bypass\""));
    let outbound = Sidecar::outbound().proxy(limits);
    let inbound = Sidecar::inbound().proxy(limits);
    let own = || handshake_to("/.well-known/alewife/ping", &key.envelope(&key.fresh_iv()));
    let plain = || handshake("");
    let kinds: [(SidecarBuilder, &dyn Fn() -> Vec<u8>); 3] =
        [(bypass, &plain), (outbound, &plain), (inbound, &own)];
    for (builder, handshake) in kinds {
        let sidecar = builder.keys(&[&key]).upstream(application.address()).start();
        let first = open(&sidecar, &handshake()).expect("a session");
        assert_full(&open(&sidecar, &handshake()).err().unwrap());
        drop(first);
        eventually("there is room again", || open(&sidecar, &handshake()).is_ok());
    }
}

#[test]
fn message_of_a_session_may_take_its_time() {
    let (key, application) = (gcm(), WebSocketOrigin::echo());
    let sidecar = Sidecar::outbound().keys(&[&key]).upstream(application.address());
    let sidecar =
        sidecar.proxy("timeouts = { body = \"100ms\" }\nlimits = { min_body_rate = \"1GiB\" }").start();
    let mut client = open(&sidecar, &handshake("")).expect("a session");
    client.send_frame(&Frame::new(Opcode::Ping, "slow").masked());
    let mut partial: Option<Message> = None;
    assert_eq!(client.read_event(&mut partial).unwrap(), Event::Pong(b"slow".to_vec()));
}
