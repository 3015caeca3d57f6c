//! Certificates that are believed and others, and servers that speak something else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio_rustls::rustls::{ServerConfig, version};

use super::https;
use super::server::{Handshake, Http2Origin, TlsOrigin};
use crate::support::{Authority, Sidecar, SidecarBuilder, TestKey, Window, eventually};

fn key() -> TestKey {
    TestKey::new("AES-256-GCM")
}

/// One order through the sidecar and back.
fn order_passes(sidecar: &Sidecar) {
    let reply = sidecar.connect().exchange(&key().request("POST", "/orders", "", b"soup"));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.open(&key()).unwrap(), b"soup");
}

/// The order is refused with 103, and the log says why in these words.
fn order_is_refused(sidecar: SidecarBuilder, why: &str) {
    let sidecar = sidecar.start();
    let reply = sidecar.connect().exchange(&key().request("POST", "/orders", "", b"soup"));
    assert_eq!(reply.status, 502, "{reply:?}");
    // Nothing of the certificate and its faults.
    assert!(reply.text().starts_with("{\"errorCode\":103,"), "{reply:?}");
    assert!(reply.text().len() < 70, "{reply:?}");
    let why = format!("the upstream cannot be reached by TLS: {why}");
    eventually("the log says why", || sidecar.log().contains(&why));
    let refused = sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"upstream_refused\"}");
    assert_eq!(refused, 1.0);
}

fn served(config: Arc<ServerConfig>) -> TlsOrigin {
    TlsOrigin::echo(config, usize::MAX)
}

#[test]
fn a_name_is_asked_for_and_an_address_is_not() {
    let authority = Authority::new();
    for (host, server_name) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let origin = served(authority.server(&[host], &["http/1.1"]));
        let (sidecar, _directory) = https(&authority, &key(), host, origin.address());
        order_passes(&sidecar.start());
        let agreed = Handshake {
            server_name: server_name.map(str::to_owned),
            alpn: Some("http/1.1".to_owned()),
            version: "TLSv1_3".to_owned(),
        };
        assert_eq!(origin.handshakes(), [agreed]);
    }
}

#[test]
fn both_versions_of_tls_are_spoken() {
    let authority = Authority::new();
    for (only, name) in [(&version::TLS12, "TLSv1_2"), (&version::TLS13, "TLSv1_3")] {
        let origin = served(authority.server_in(&["localhost"], Window::Now, &[only], &[]));
        let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
        order_passes(&sidecar.start());
        assert_eq!(origin.handshakes()[0].version, name);
    }
}

#[test]
fn an_issuer_that_nobody_named_is_not_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let origin = served(other.server(&["localhost"], &[]));
    let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
    order_is_refused(sidecar, "its certificate has an issuer who is not among the roots");
    // Nor by the roots that browsers trust.
    let url = format!("https://localhost:{}", origin.address().port());
    let sidecar = Sidecar::inbound().keys(&[&key()]).upstream_url(&url);
    order_is_refused(sidecar, "its certificate has an issuer who is not among the roots");
    assert_eq!(origin.handshakes(), []);
}

#[test]
fn a_certificate_for_others_is_not_believed() {
    let authority = Authority::new();
    for (host, names, why) in [
        ("localhost", &["a.test", "b.test"][..], "its certificate is for a.test, b.test, not for localhost"),
        ("127.0.0.1", &["127.0.0.2"], "its certificate is for 127.0.0.2, not for 127.0.0.1"),
    ] {
        let origin = served(authority.server(names, &[]));
        let (sidecar, _directory) = https(&authority, &key(), host, origin.address());
        order_is_refused(sidecar, why);
    }
}

#[test]
fn a_certificate_out_of_its_time_is_not_believed() {
    let authority = Authority::new();
    let both = [&version::TLS13, &version::TLS12];
    for (window, why) in
        [(Window::Over, "its certificate has expired"), (Window::ToCome, "its certificate is not valid yet")]
    {
        let origin = served(authority.server_in(&["localhost"], window, &both, &[]));
        let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
        order_is_refused(sidecar, why);
    }
}

#[test]
fn an_application_without_tls_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let (sidecar, _directory) = https(&Authority::new(), &key(), "localhost", address);
    order_is_refused(sidecar, "what it answers is not TLS");
}

#[test]
fn a_handshake_that_takes_too_long_is_given_up_in_the_time_for_connecting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (sidecar, _directory) = https(&Authority::new(), &key(), "127.0.0.1", silent.local_addr().unwrap());
    let sidecar = sidecar.proxy("timeouts = { connect = \"200ms\" }").start();
    let reply = sidecar.connect().exchange(&key().bodyless("GET", "/", ""));
    assert_eq!(reply.status, 504, "{reply:?}");
    assert!(reply.text().starts_with("{\"errorCode\":107,"), "{reply:?}");
}

#[test]
fn tls_agrees_on_the_version_of_http_unless_it_is_named() {
    let authority = Authority::new();
    let h2 = || Http2Origin::echo(Some(authority.server(&["localhost"], &["h2", "http/1.1"])));
    let http1 = || served(authority.server(&["localhost"], &["http/1.1"]));
    for version in ["auto", "2"] {
        let origin = h2();
        let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
        order_passes(&sidecar.proxy(&format!("upstream_http = {version:?}")).start());
        let uri = &origin.heads()[0].uri;
        assert_eq!(uri.to_string(), "https://kitchen.test/orders");
    }
    for version in ["auto", "1.1"] {
        let origin = http1();
        let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
        order_passes(&sidecar.proxy(&format!("upstream_http = {version:?}")).start());
        assert_eq!(origin.handshakes()[0].alpn.as_deref(), Some("http/1.1"));
    }
}

#[test]
fn an_application_that_does_not_take_the_named_version_of_http_is_not_reached() {
    let authority = Authority::new();
    let why = "it does not take this version of HTTP (ALPN)";
    // One says so, the other says nothing.
    for alpn in [&["http/1.1"][..], &[]] {
        let origin = served(authority.server(&["localhost"], alpn));
        let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
        order_is_refused(sidecar.proxy("upstream_http = \"2\""), why);
    }
    let origin = Http2Origin::echo(Some(authority.server(&["localhost"], &["h2"])));
    let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
    order_is_refused(sidecar.proxy("upstream_http = \"1.1\""), why);
}

#[test]
fn a_kept_connection_bears_the_next_order_and_one_that_was_closed_does_not() {
    let authority = Authority::new();
    for (most, connections) in [(usize::MAX, 1), (2, 5)] {
        let origin = TlsOrigin::echo(authority.server(&["localhost"], &[]), most);
        let (sidecar, _directory) = https(&authority, &key(), "localhost", origin.address());
        let sidecar = sidecar.start();
        let mut client = sidecar.connect();
        for number in 0..10 {
            let order = format!("order {number}");
            let reply = client.exchange(&key().request("POST", "/", "", order.as_bytes()));
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(reply.open(&key()).unwrap(), order.as_bytes());
            // Or its end might meet the next order half-way, which may then not be sent again.
            eventually("the end was noticed", || origin.closed() == (number + 1) / most);
        }
        assert_eq!(origin.handshakes().len(), connections);
    }
}
