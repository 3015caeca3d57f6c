//! Applications under `https://` and HTTP/2, behind the real binary.

mod http2;
mod node;
mod server;
mod tls;
mod websocket;

use std::net::SocketAddr;

use crate::support::{Authority, Sidecar, SidecarBuilder, TestKey};

/// A sidecar in front of `https://HOST:PORT`, which trusts `authority` alone.
fn https(
    authority: &Authority,
    key: &TestKey,
    host: &str,
    address: SocketAddr,
) -> (SidecarBuilder, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    authority.write_to(&ca_file);
    let sidecar = Sidecar::inbound()
        .keys(&[key])
        .upstream_url(&format!("https://{host}:{}", address.port()))
        .proxy(&format!("ca_file = {ca_file:?}"));
    (sidecar, directory)
}
