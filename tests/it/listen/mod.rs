//! The wire around the protocol: TLS, Unix sockets, the PROXY protocol, and who is believed.

mod certificates;
mod clients;
mod faults;
mod proxy_protocol;
mod tls;
mod unix;
mod upstream;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::{Authority, Connection, Origin, PATIENCE, Sidecar, SidecarBuilder, TestKey, Tunnel};

fn key() -> TestKey {
    TestKey::new("AES-256-GCM")
}

/// The section with the usual names of files.
const TLS: &str = "[proxy.tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n";

/// A sidecar in front of `origin` whose listener presents what `authority` issues for these names.
fn under_tls(authority: &Authority, names: &[&str], origin: &Origin) -> SidecarBuilder {
    let (certificate, key_pem) = authority.issue_pem(names);
    Sidecar::inbound()
        .keys(&[&key()])
        .upstream(origin.address())
        .file("tls.crt", certificate)
        .file("tls.key", key_pem)
        .tables(TLS)
}

/// A connection of a client that has shaken hands with `name`.
fn shaken(address: SocketAddr, config: Arc<ClientConfig>, name: &str) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// One order through a connection and back.
fn order_passes(connection: &mut Connection) {
    let reply = connection.exchange(&key().request("POST", "/orders", "", b"soup"));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.open(&key()).unwrap(), b"soup");
}

/// A tunnel of HTTP/1.1 to the sidecar's listener under TLS.
fn tunnel(sidecar: &Sidecar, authority: &Authority, name: &str) -> Tunnel {
    Tunnel::to_tls(sidecar.address(), authority.client(&["http/1.1"], None), name)
}

/// What the metric says of connections that ended before HTTP began.
fn handshakes_failed(sidecar: &Sidecar, kind: &str) -> f64 {
    sidecar.metric(&format!("alewife_handshakes_failed_total{{proxy=\"kitchen\",kind=\"{kind}\"}}"))
}
