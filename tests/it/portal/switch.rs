//! The portal's switch: a service that is not secured, for operators who follow it and for those who don't.

use crate::support::{
    Connection, Frame, Opcode, Origin, Portal, Reply, Sidecar, SidecarBuilder, TestKey, WebSocketOrigin,
    eventually,
};

/// The vendor's object of one service.
fn document(key: &TestKey, encryption: bool) -> String {
    format!(
        "{{\"encryption\":{encryption},\"keys\":[{{\"fingerprint\":\"{}\",\"value\":\"{}\"}}]}}",
        key.fingerprint,
        key.secret_base64()
    )
}

/// A sidecar of this mode whose keys come from `portal`, which is asked all the time.
fn sidecar(portal: &Portal, mode: &str, upstream: std::net::SocketAddr, follow: bool) -> Sidecar {
    let text = format!(
        "workers = 2\n[keys.portal]\nurl = \"{}\"\nalgorithm = \"AES-256-GCM\"\nencoding = \"base64\"\n\
         encryption_pointer = \"/encryption\"\npoll_interval = \"20ms\"\nfollow_portal = {follow}\n\
         [admin]\nlisten = 0\n[[proxy]]\nname = \"kitchen\"\nmode = \"{mode}\"\nlisten = 0\nupstream = \"http://{upstream}\"\n",
        portal.url()
    );
    SidecarBuilder::configured(Sidecar::inbound(), &text).start()
}

fn plain_order(sidecar: &Sidecar) -> Reply {
    let order = b"POST /orders HTTP/1.1\r\nhost: kitchen.test\r\ncontent-length: 4\r\n\r\nsoup";
    sidecar.connect().exchange(order)
}

#[test]
fn switch_that_is_not_followed_is_told_and_sealing_goes_on() {
    let Some(portal) = Portal::start_plain() else { return };
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    portal.serve(&document(&key, false));
    let sidecar = sidecar(&portal, "inbound", application.address(), false);
    let told = "not secured: sealing goes on, unless follow_portal = true";
    eventually("the switch is told", || sidecar.log().contains(told));
    assert_eq!(plain_order(&sidecar).status, 400);
    let sealed = sidecar.connect().exchange(&key.request("POST", "/orders", "", b"soup"));
    assert_eq!(sealed.open(&key).unwrap(), b"soup");
    assert_eq!(application.count(), 1);
}

#[test]
fn switch_that_is_followed_has_plain_requests_pass_and_sealed_ones_opened_until_it_is_on_again() {
    let Some(portal) = Portal::start_plain() else { return };
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    portal.serve(&document(&key, false));
    let sidecar = sidecar(&portal, "inbound", application.address(), true);
    let reply = plain_order(&sidecar);
    assert_eq!((reply.status, reply.text(), reply.header("sec-iv")), (200, "soup", None));
    let sealed = sidecar.connect().exchange(&key.request("POST", "/orders", "", b"stew"));
    assert_eq!(sealed.open(&key).unwrap(), b"stew");
    assert_eq!(application.count(), 2);
    // Who bears half an envelope is not plain.
    let half =
        b"POST /orders HTTP/1.1\r\nhost: kitchen.test\r\nsec-fingerprint: x\r\ncontent-length: 4\r\n\r\nsoup";
    assert_eq!(sidecar.connect().exchange(half).status, 400);

    portal.serve(&document(&key, true));
    eventually("the switch is on again", || plain_order(&sidecar).status == 400);
}

#[test]
fn outbound_proxy_that_follows_sends_in_clear_and_takes_what_comes() {
    let Some(portal) = Portal::start_plain() else { return };
    let (key, peer) = (TestKey::new("AES-256-GCM"), Origin::echo());
    portal.serve(&document(&key, false));
    let sidecar = sidecar(&portal, "outbound", peer.address(), true);
    let reply = plain_order(&sidecar);
    assert_eq!((reply.status, reply.text()), (200, "soup"));
    let received = peer.only();
    assert_eq!((received.body.as_slice(), received.header("sec-iv")), (&b"soup"[..], None));
    portal.serve(&document(&key, true));
    // The peer does not seal its replies, so a sealed request gets no plain one back.
    eventually("the switch is on again", || plain_order(&sidecar).status == 502);
}

#[test]
fn plain_session_ends_when_the_service_is_secured_again() {
    let Some(portal) = Portal::start_plain() else { return };
    let (key, application) = (TestKey::new("AES-256-GCM"), WebSocketOrigin::echo());
    portal.serve(&document(&key, false));
    let sidecar = sidecar(&portal, "inbound", application.address(), true);
    let mut talk = Connection::to(sidecar.address());
    let handshake = "GET /talk HTTP/1.1\r\nhost: kitchen.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    talk.send(handshake.as_bytes());
    assert!(talk.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    talk.send_frame(&Frame::new(Opcode::Text, "soup").masked());
    assert_eq!(talk.read_frame().unwrap(), Frame::new(Opcode::Text, "soup"));

    portal.serve(&document(&key, true));
    eventually("the switch is on again", || plain_order(&sidecar).status == 400);
    talk.send_frame(&Frame::new(Opcode::Text, "stew").masked());
    assert_eq!(talk.read_frame().unwrap(), Frame::close(1008, ""));
}
