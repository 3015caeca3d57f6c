//! Both ends of a bridge in one process, over everything that is new on the wire.

use crate::support::{
    Authority, Connection, Event, Frame, Message, Opcode, Origin, Sidecar, TestKey, Tunnel, WebSocketOrigin,
    accept_of, eventually, field,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// An application sends in clear over a Unix socket, the outbound proxy seals and shows a certificate, the inbound proxy asks
/// for one, opens, and goes on to a Unix socket. `client` is who the outbound proxy says it is.
struct Bridge {
    sidecar: Sidecar,
    near: Tunnel,
    _far: Tunnel,
    _directory: tempfile::TempDir,
}

impl Bridge {
    fn to(application: std::net::SocketAddr, own: &Authority, believed: &Authority) -> Self {
        let server = Authority::new();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let far = Tunnel::from_unix(&path("far.sock"), application);
        let port = free_port();
        let (certificate, key) = server.issue_pem(&["localhost"]);
        let (own_certificate, own_key) = own.issue_pem(&["pos.test"]);
        let config = format!(
            "workers = 1\n[keys]\nfile = \"keys.toml\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[proxy]]\nname = \"kitchen\"\nmode = \"inbound\"\nlisten = {port}\nupstream = \"unix:{}\"\n\
             [proxy.tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\nclient_ca_file = \"clients.pem\"\n\
             [[proxy]]\nname = \"pos\"\nmode = \"outbound\"\nlisten = \"unix:{}\"\n\
             upstream = \"https://localhost:{port}\"\nca_file = \"ca.pem\"\n\
             client_cert_file = \"own.crt\"\nclient_key_file = \"own.key\"\ntimeouts = {{ pool_idle = \"50ms\" }}\n",
            path("far.sock").display(),
            path("near.sock").display(),
        );
        let sidecar = Sidecar::inbound()
            .keys(&[&TestKey::new("AES-256-GCM")])
            .configured(&config)
            .file("tls.crt", certificate)
            .file("tls.key", key)
            .file("clients.pem", believed.pem())
            .file("ca.pem", server.pem())
            .file("own.crt", own_certificate)
            .file("own.key", own_key)
            .start();
        let near = Tunnel::to_unix(&path("near.sock"));
        Self { sidecar, near, _far: far, _directory: directory }
    }

    fn connect(&self) -> Connection {
        Connection::to(self.near.address())
    }
}

/// One that nobody has at the moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const ORDER: &[u8] = b"POST /orders HTTP/1.1\r\nhost: pos.test\r\ncontent-length: 4\r\n\r\nsoup";

#[test]
fn requests_cross_a_bridge_that_proves_both_of_its_ends() {
    let (origin, clients) = (Origin::echo(), Authority::new());
    let bridge = Bridge::to(origin.address(), &clients, &clients);
    let mut connection = bridge.connect();
    for _ in 0..2 {
        let reply = connection.exchange(ORDER);
        assert_eq!((reply.status, &reply.body[..]), (200, &b"soup"[..]), "{reply:?}");
    }
    let received = &origin.received()[0];
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
    let opened = bridge.sidecar.metric("alewife_upstream_connections_opened_total{proxy=\"pos\"}");
    assert_eq!(opened, 1.0, "both agree on HTTP/2, or keep the connection");
}

#[test]
fn client_whose_certificate_is_not_believed_is_told_in_the_log() {
    let origin = Origin::echo();
    let bridge = Bridge::to(origin.address(), &Authority::new(), &Authority::new());
    let reply = bridge.connect().exchange(ORDER);
    assert_eq!(reply.status, 502, "{reply:?}");
    assert_eq!(origin.count(), 0);
    eventually("it is counted where it was refused", || {
        bridge.sidecar.metric("alewife_handshakes_failed_total{proxy=\"kitchen\",kind=\"tls\"}") >= 1.0
    });
}

#[test]
fn both_ends_take_up_certificates_that_are_renewed() {
    let (origin, clients, next) = (Origin::echo(), Authority::new(), Authority::new());
    let bridge = Bridge::to(origin.address(), &clients, &clients);
    assert_eq!(bridge.connect().exchange(ORDER).status, 200);
    let write = |name: &str, text: &str| {
        std::fs::write(bridge.sidecar.directory().join(name), text).unwrap();
    };
    let taken = |proxy: &str| {
        let series = "alewife_certificate_reloads_total";
        bridge.sidecar.metric(&format!("{series}{{proxy=\"{proxy}\",outcome=\"ok\"}}"))
    };
    // Who asks believes another issuer now, and who is asked has a certificate of it.
    write("clients.pem", next.pem());
    eventually("the inbound end has taken it up", || taken("kitchen") == 1.0);
    let (certificate, key) = next.issue_pem(&["pos.test"]);
    write("own.crt", &certificate);
    write("own.key", &key);
    eventually("the outbound end has taken it up", || taken("pos") == 1.0);
    // The connection under the old one has no more use soon.
    eventually("the new one is shown", || {
        let opened = bridge.sidecar.metric("alewife_upstream_connections_opened_total{proxy=\"pos\"}");
        assert_eq!(bridge.connect().exchange(ORDER).status, 200);
        opened > 1.0
    });
    let end = "alewife_certificate_expiry_timestamp_seconds{proxy=\"pos\",certificate=\"upstream localhost:";
    let (_, metrics) = bridge.sidecar.admin_page("/metrics");
    assert!(metrics.contains(end), "{metrics}");
}

#[test]
fn websocket_crosses_unix_sockets_and_tls() {
    let (application, clients) = (WebSocketOrigin::echo(), Authority::new());
    let bridge = Bridge::to(application.address(), &clients, &clients);
    let mut client = bridge.connect();
    client.send(
        format!(
            "GET /orders HTTP/1.1\r\nhost: pos.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n\r\n"
        )
        .as_bytes(),
    );
    let head = String::from_utf8(client.read_head().unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(field(&head, "sec-websocket-accept"), Some(&*accept_of(KEY)));
    for length in [4, 70_000] {
        let text = "s".repeat(length);
        client.send_frame(&Frame::new(Opcode::Text, text.clone()).masked());
        let event = client.read_event(&mut None).unwrap();
        assert!(matches!(event, Event::Message(Message::Text(payload)) if payload == text.as_bytes()));
    }
    client.send_frame(&Frame::close(1000, "").masked());
    assert!(matches!(client.read_event(&mut None).unwrap(), Event::Close(_)));
}

#[test]
fn ping_crosses_the_bridge_from_a_unix_socket() {
    let (origin, clients) = (Origin::echo(), Authority::new());
    let bridge = Bridge::to(origin.address(), &clients, &clients);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(["ping", "--config"])
        .arg(bridge.sidecar.directory().join("config.toml"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("proxy pos: unix:"), "{told}");
    assert_eq!(origin.count(), 0);
}
