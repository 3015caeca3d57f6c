//! examples/bridge, as far as it runs without containers.

use std::net::SocketAddr;
use std::process::Command;

use super::read;
use crate::support::{Connection, Frame, Opcode, Origin, Sidecar, SidecarBuilder, TestKey, WebSocketOrigin};

fn example(name: &str) -> String {
    read(&format!("examples/bridge/{name}"))
}

/// One of the configurations, on free ports of this machine.
fn here(name: &str, builder: SidecarBuilder, key: &TestKey, addresses: &[(&str, SocketAddr)]) -> Sidecar {
    let text = addresses.iter().fold(example(name), |text, (said, real)| {
        assert!(text.contains(said), "{name} does not name {said}");
        text.replace(said, &real.to_string())
    });
    builder.keys(&[key]).configured(&format!("{text}\n[admin]\nlisten = 0\n")).start()
}

/// Both sidecars of the example in front of `application`.
fn bridge(key: &TestKey, application: &Origin) -> (Sidecar, Sidecar) {
    let free = "127.0.0.1:0".parse().unwrap();
    let addresses = [("0.0.0.0:8080", free), ("127.0.0.1:3000", application.address())];
    let kitchen = here("kitchen.toml", Sidecar::inbound(), key, &addresses);
    let addresses = [("127.0.0.1:8081", free), ("kitchen-sidecar:8080", kitchen.address())];
    let pos = here("pos.toml", Sidecar::outbound(), key, &addresses);
    (pos, kitchen)
}

#[test]
fn order_reaches_the_kitchen_as_it_would_without_the_bridge() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let (pos, _kitchen) = bridge(&key, &application);
    let order = "POST /orders?table=7 HTTP/1.1\r\nhost: kitchen.test\r\ncontent-type: application/json\r\n\
                 content-length: 15\r\n\r\n{\"dish\":\"soup\"}";
    let reply = Connection::to(pos.address()).exchange(order.as_bytes());
    assert_eq!((reply.status, reply.text()), (200, "{\"dish\":\"soup\"}"));
    assert_eq!(reply.header("sec-iv"), None);
    let received = application.only();
    assert_eq!(received.request_line, "POST /orders?table=7 HTTP/1.1");
    assert_eq!((received.header("host"), received.header("x-forwarded-for")), (Some("kitchen.test"), None));
    assert_eq!(received.body, b"{\"dish\":\"soup\"}");
}

#[test]
fn websocket_reaches_the_kitchen_as_it_would_without_the_bridge() {
    let (key, kitchen) = (TestKey::new("AES-256-GCM"), WebSocketOrigin::echo());
    let (pos, _kitchen) = bridge(&key, &Origin::at(kitchen.address()));
    let mut talk = Connection::to(pos.address());
    let handshake = "GET /talk HTTP/1.1\r\nhost: kitchen.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    talk.send(handshake.as_bytes());
    let head = talk.read_head().unwrap();
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    talk.send_frame(&Frame::new(Opcode::Text, "soup").masked());
    assert_eq!(talk.read_frame().unwrap(), Frame::new(Opcode::Text, "soup"));
}

#[test]
fn both_sidecars_understand_each_other() {
    let (key, application) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let (pos, _kitchen) = bridge(&key, &application);
    // As it runs: the example's own port is not the one that it got here.
    let config = pos.directory().join("asked.toml");
    let text = example("pos.toml").replace("127.0.0.1:8081", &pos.address().to_string());
    std::fs::write(&config, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .arg("ping")
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(application.count(), 0);
}

#[test]
fn containers_meet_where_the_configurations_say() {
    let compose = example("compose.yaml");
    let (pos, kitchen) = (example("pos.toml"), example("kitchen.toml"));
    // The names and the ports by which one container finds the other.
    assert!(compose.contains("\n  kitchen-sidecar:\n") && pos.contains("\"http://kitchen-sidecar:8080\""));
    assert!(kitchen.contains("\"0.0.0.0:8080\""));
    // An application and its sidecar share a loopback.
    for (application, sidecar) in [("pos", "pos-sidecar"), ("kitchen", "kitchen-sidecar")] {
        let (_, service) = compose.split_once(&format!("\n  {application}:\n")).unwrap();
        let service = service.split("\n\n").next().unwrap();
        assert!(service.contains(&format!("network_mode: \"service:{sidecar}\"")), "{service}");
    }
    assert!(pos.contains("\"127.0.0.1:8081\"") && compose.contains("http://127.0.0.1:8081/"));
    assert!(kitchen.contains("\"http://127.0.0.1:3000\"") && compose.contains("-listen=127.0.0.1:3000"));
    for file in ["pos.toml", "kitchen.toml", "keys.toml"] {
        assert!(compose.contains(&format!("- ./{file}:/etc/alewife/{file}:ro")), "{file} is not mounted");
    }
}
