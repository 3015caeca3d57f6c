//! A request on its way to a proxy of this process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Fault;
use crate::capture::Expected;

/// How long the proxy may take to see a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the whole exchange may take.
const LIFETIME: Duration = Duration::from_secs(600);

/// Where a listener can be reached from here.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(here, address.port())
}

/// Sends `request` and waits until it is known under which number it is kept; its reply is the proxy's to note.
pub(super) async fn send(
    address: SocketAddr,
    request: Request<Bytes>,
    expected: Expected,
    stop: CancellationToken,
) -> Result<u64, Fault> {
    let unreachable =
        || Fault::new(StatusCode::BAD_GATEWAY, format!("the proxy cannot be reached at {address}"));
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    let Ok(Ok(stream)) = connected else { return Err(unreachable()) };
    tokio::spawn(async move {
        let exchange = timeout(LIFETIME, exchange(stream, request.map(Full::new)));
        // How it ends is seen where it is kept.
        let _ = stop.run_until_cancelled(exchange).await;
    });
    let begun = timeout(PATIENCE, expected.begun()).await;
    begun.ok().flatten().ok_or_else(|| {
        Fault::new(StatusCode::GATEWAY_TIMEOUT, "it was sent, but the proxy did not take it within 5 seconds")
    })
}

async fn exchange(stream: TcpStream, request: Request<Full<Bytes>>) -> Result<(), hyper::Error> {
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
    let asking = async {
        let mut reply = sender.send_request(request).await?.into_body();
        while let Some(frame) = reply.frame().await {
            frame?;
        }
        drop(sender);
        Ok::<_, hyper::Error>(())
    };
    let (asked, _) = tokio::join!(asking, connection);
    asked
}
