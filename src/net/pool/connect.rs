//! How a connection to the upstream comes about.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::fault::ConnectFault;
use super::stream::UpstreamStream;
use super::{PoolSettings, UpstreamAddress};
use crate::metrics::ProxyMetrics;
use crate::net::socket::PlainSocket;
use crate::net::tls::{Spoken, UpstreamProtocol, UpstreamTls};

/// Whether somebody accepts connections there. Nothing is said on the one that is made.
pub async fn reach(address: &UpstreamAddress) -> Result<(), ConnectFault> {
    socket(address).await.map(drop).map_err(ConnectFault::Refused)
}

async fn socket(address: &UpstreamAddress) -> io::Result<PlainSocket> {
    match address {
        UpstreamAddress::Inet { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true).map(|()| PlainSocket::Tcp(stream))
        }
        UpstreamAddress::Unix(path) => UnixStream::connect(path).await.map(PlainSocket::Unix),
    }
}

/// Makes connections to one upstream.
pub(super) struct Dialler {
    address: UpstreamAddress,
    patience: Duration,
    tls: Option<UpstreamTls>,
    protocol: UpstreamProtocol,
    metrics: ProxyMetrics,
}

impl Dialler {
    pub(super) fn new(settings: &PoolSettings, metrics: ProxyMetrics) -> Self {
        Self {
            address: settings.address.clone(),
            patience: settings.connect,
            tls: settings.tls.clone(),
            protocol: settings.protocol,
            metrics,
        }
    }

    /// Whether there is nothing to agree on, and nothing to share.
    pub(super) fn speaks_http1_only(&self) -> bool {
        match self.protocol {
            UpstreamProtocol::Auto => self.tls.is_none(),
            UpstreamProtocol::Http1 => true,
            UpstreamProtocol::Http2 => false,
        }
    }

    /// A connection, and the version of HTTP that is to be spoken on it.
    pub(super) async fn dial(&self) -> Result<(UpstreamStream, Spoken), ConnectFault> {
        self.in_time(async {
            let stream = self.socket().await?;
            let Some(tls) = &self.tls else {
                let only = if self.speaks_http1_only() { Spoken::Http1 } else { Spoken::Http2 };
                return Ok((UpstreamStream::Plain(stream), only));
            };
            let (stream, spoken) = tls.current().connect(stream).await?;
            Ok((UpstreamStream::Tls(Box::new(stream)), spoken))
        })
        .await
    }

    /// A connection for HTTP/1.1, whatever else the upstream may speak.
    pub(super) async fn dial_http1(&self) -> Result<UpstreamStream, ConnectFault> {
        self.in_time(async {
            let stream = self.socket().await?;
            let Some(tls) = &self.tls else { return Ok(UpstreamStream::Plain(stream)) };
            Ok(UpstreamStream::Tls(Box::new(tls.current().connect_http1(stream).await?)))
        })
        .await
    }

    async fn socket(&self) -> Result<PlainSocket, ConnectFault> {
        let socket = socket(&self.address).await;
        let socket = socket.map_err(ConnectFault::Refused)?;
        self.metrics.upstream_connection_opened();
        Ok(socket)
    }

    /// One deadline for the look-up of the name, the socket, the handshake of TLS, and the wait for others who do the same.
    pub(super) async fn in_time<T, E: From<ConnectFault>>(
        &self,
        connecting: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        timeout(self.patience, connecting).await.unwrap_or(Err(ConnectFault::TimedOut.into()))
    }
}
