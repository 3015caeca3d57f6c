//! Heads of the PROXY protocol, from those who send them and from others.

use std::process::Command;

use super::{TLS, handshakes_failed, key};
use crate::support::{Authority, Origin, Sidecar, SidecarBuilder, TestKey, eventually};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\n";

/// The head of version 2 for a connection over TCP.
fn v2(source: &str) -> Vec<u8> {
    let source: std::net::SocketAddr = source.parse().unwrap();
    let (family, mut addresses) = match source.ip() {
        std::net::IpAddr::V4(ip) => (0x11, [ip.octets(), [10, 0, 0, 1]].concat()),
        std::net::IpAddr::V6(ip) => (0x21, [ip.octets(), [0; 16]].concat()),
    };
    addresses.extend(source.port().to_be_bytes());
    addresses.extend([1, 0xBB]);
    let extension = [0x05, 0, 2, b'i', b'd'];
    let length = u16::try_from(addresses.len() + extension.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n\x21", &[family][..], &length, &addresses, &extension].concat()
}

/// The proxy's own connection.
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn behind(networks: &str, origin: &Origin) -> SidecarBuilder {
    Sidecar::inbound()
        .keys(&[&key()])
        .upstream(origin.address())
        .proxy(&format!("proxy_protocol_from = {networks}"))
}

/// One order behind this head, and whose it is for the application.
fn seen(sidecar: &Sidecar, origin: &Origin, head: &[u8]) -> String {
    let mut connection = sidecar.connect();
    let reply = connection.exchange_after(head, &key().request("POST", "/", "", b"soup"));
    assert_eq!(reply.status, 200, "{reply:?}");
    let received = origin.received();
    received.last().unwrap().header("x-forwarded-for").unwrap().to_owned()
}

#[test]
fn address_in_the_head_is_that_of_the_client() {
    let origin = Origin::echo();
    let sidecar = behind("\"127.0.0.0/8\"", &origin).start();
    for (head, client) in [
        (V1.to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 51234 443\r\n".to_vec(), "2001:db8::7"),
        (v2("192.0.2.8:51234"), "192.0.2.8"),
        (v2("[2001:db8::8]:51234"), "2001:db8::8"),
        (v2("[::ffff:192.0.2.9]:51234"), "192.0.2.9"),
        // Of the proxy's own connections the socket tells.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (V2_LOCAL.to_vec(), "127.0.0.1"),
    ] {
        assert_eq!(seen(&sidecar, &origin, &head), client);
    }
    eventually("the access log has it", || sidecar.log().contains("\"peer\":\"192.0.2.7\""));
    assert_eq!(handshakes_failed(&sidecar, "proxy_protocol"), 0.0);
}

#[test]
fn head_may_come_byte_by_byte_and_with_the_request_behind_it() {
    let origin = Origin::echo();
    let sidecar = behind("\"127.0.0.0/8\"", &origin).start();
    for head in [V1.to_vec(), v2("192.0.2.7:1")] {
        let mut connection = sidecar.connect();
        head.iter().for_each(|byte| connection.send(&[*byte]));
        assert_eq!(connection.exchange(&key().request("POST", "/", "", b"soup")).status, 200);
        // Kept alive: the head is the connection's, not the request's.
        assert_eq!(connection.exchange(&key().request("POST", "/", "", b"soup")).status, 200);
    }
    // HTTP/2 with prior knowledge, of which the first bytes come with the head.
    let mut connection = sidecar.connect();
    connection.send(&[V1, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"].concat());
    let settings = connection.read_some(9).unwrap();
    assert_eq!(settings[3], 4, "a frame of settings: {settings:?}");
}

#[test]
fn heads_that_are_cut_off_at_any_length_reach_nobody() {
    let origin = Origin::echo();
    let sidecar = behind("\"127.0.0.0/8\"", &origin).start();
    let mut cut = 0;
    for head in [V1.to_vec(), v2("192.0.2.7:1")] {
        for length in 0..head.len() {
            let mut connection = sidecar.connect();
            connection.send(&head[..length]);
            connection.close_write();
            assert!(connection.closed().unwrap(), "{:?}", &head[..length]);
            cut += 1;
        }
    }
    let accepted = sidecar.metric("alewife_connections_accepted_total{proxy=\"kitchen\"}");
    assert_eq!(accepted, f64::from(cut));
    assert_eq!(origin.count(), 0);
}

#[test]
fn peer_that_must_send_a_head_and_does_not_is_refused() {
    let origin = Origin::echo();
    let sidecar = behind("\"127.0.0.0/8\"", &origin)
        .log("level = \"debug\"")
        .proxy("timeouts = { headers = \"300ms\" }")
        .start();
    let wrong: [&[u8]; 4] = [
        &key().request("POST", "/", "", b"soup"),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51234\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        // It never ends.
        b"PROXY TCP4 192.0.2.7 ",
    ];
    for (number, bytes) in wrong.into_iter().enumerate() {
        let mut connection = sidecar.connect();
        connection.send(bytes);
        // Nothing is answered: what is behind a head is no client.
        assert_eq!(connection.read_to_close().unwrap_or_default(), b"");
        eventually("it is counted", || handshakes_failed(&sidecar, "proxy_protocol") == (number + 1) as f64);
    }
    assert_eq!(origin.count(), 0);
    assert!(sidecar.log().contains("it sends no head of the PROXY protocol"), "{}", sidecar.log());
}

#[test]
fn head_from_others_is_a_broken_request() {
    let origin = Origin::echo();
    for networks in ["[]", "[\"10.0.0.0/8\", \"2001:db8::/32\"]"] {
        let sidecar = behind(networks, &origin).start();
        let before = origin.count();
        for head in [V1.to_vec(), v2("192.0.2.7:1")] {
            let mut connection = sidecar.connect();
            connection.send(&[&head[..], &key().request("POST", "/", "", b"soup")].concat());
            let answer = connection.read_to_close().unwrap_or_default();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
        assert_eq!(origin.count(), before);
        assert_eq!(sidecar.connect().exchange(&key().request("POST", "/", "", b"soup")).status, 200);
        assert_eq!(origin.received().pop().unwrap().header("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[test]
fn trust_and_budget_are_those_of_the_address_in_the_head() {
    let origin = Origin::echo();
    let sidecar = behind("\"127.0.0.0/8\"", &origin).proxy("trust_forwarded_from = \"192.0.2.0/24\"").start();
    let with = |client: &str| {
        let head = format!("PROXY TCP4 {client} 10.0.0.1 51234 443\r\n");
        let request = key().request("POST", "/", "x-forwarded-for: 203.0.113.9\r\n", b"soup");
        let reply = sidecar.connect().exchange_after(head.as_bytes(), &request);
        assert_eq!(reply.status, 200);
        origin.received().pop().unwrap().header_all("x-forwarded-for").join(", ")
    };
    assert_eq!(with("192.0.2.7"), "203.0.113.9, 192.0.2.7");
    assert_eq!(with("198.51.100.7"), "198.51.100.7");
}

#[test]
fn head_stands_before_tls() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let (certificate, key_pem) = authority.issue_pem(&["127.0.0.1"]);
    let key = TestKey::new("AES-256-CTR");
    let sidecar = behind("\"127.0.0.0/8\"", &origin)
        .keys(&[&key])
        .file("tls.crt", certificate)
        .file("tls.key", key_pem)
        .tables(TLS)
        .start();
    authority.write_to(&sidecar.directory().join("ca.pem"));
    let ca = sidecar.directory().join("ca.pem").display().to_string();
    let envelope = key.envelope(&key.fresh_iv());
    let fields: Vec<_> = envelope.lines().collect();
    let url = format!("https://127.0.0.1:{}/menu", sidecar.address().port());
    // What curl says in it is its own address.
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--haproxy-protocol", "--cacert", &ca, "-o", "/dev/null"])
        .args(["-w", "%{http_code}", "-H", fields[0], "-H", fields[1], &url])
        .output();
    let Ok(output) = output else { return eprintln!("skipped: curl is not here") };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200", "{}", String::from_utf8_lossy(&output.stderr));
    let received = origin.only();
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
}
