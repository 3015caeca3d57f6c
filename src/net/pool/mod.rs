//! Connections to the application, kept for a short while.
//!
//! hyper-util's client would do, but not with this promise: a request that was not yet written may be sent again
//! on a fresh connection, once, and never otherwise. Each worker has a pool of its own, so nothing is contended.

mod connect;
mod fault;
mod http1;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use crate::metrics::ProxyMetrics;
use crate::net::tls::{TlsSettings, UpstreamProtocol};
use connect::Dialler;
pub use fault::{ConnectFault, SendFault};
use http1::{IdleWires, Wire};

/// Where a pool connects, how, and its patience.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// TLS, and whom to trust there.
    pub tls: Option<TlsSettings>,
    /// The version of HTTP that is spoken.
    pub protocol: UpstreamProtocol,
    /// For connecting, the handshake of TLS included.
    pub connect: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

/// The connections of one worker to one application.
pub struct Pool<B> {
    dialler: Dialler,
    longest_idle: Duration,
    metrics: ProxyMetrics,
    idle: IdleWires<B>,
    sweeping: AtomicBool,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// An empty pool.
    pub fn new(settings: &PoolSettings, metrics: ProxyMetrics) -> Arc<Self> {
        Arc::new(Self {
            dialler: Dialler::new(settings, metrics.clone()),
            longest_idle: settings.idle,
            metrics,
            idle: IdleWires::default(),
            sweeping: AtomicBool::new(false),
        })
    }

    /// Sends `request` on a kept connection or a fresh one, and waits for the head of the reply.
    ///
    /// The reply's body comes with the [`Lease`]; hand it back with [`Lease::give_back`] once the body has ended.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        if let Some(mut wire) = self.idle.take(self.longest_idle) {
            match wire.try_send(request).await {
                Ok(response) => return Ok((response, self.lease(wire))),
                Err(mut fault) => match fault.take_message() {
                    // Not a byte of it was written: the application closed the kept connection meanwhile.
                    Some(unsent) => request = unsent,
                    None => return Err(SendFault::Broke(fault.into_error())),
                },
            }
            self.metrics.upstream_retried();
        }
        let (stream, _) = self.dialler.dial().await?;
        let mut wire = Wire::begin(stream).await.map_err(SendFault::Broke)?;
        let response = wire.send(request).await.map_err(SendFault::Broke)?;
        Ok((response, self.lease(wire)))
    }

    /// Sends `request`, which asks for another protocol, on a connection of its own, and waits for the head of the
    /// reply. If that is a 101, `hyper::upgrade::on` gets the connection out of it.
    ///
    /// Whatever else the application speaks, this is HTTP/1.1, which alone has upgrades.
    pub async fn upgrade(
        self: &Arc<Self>,
        request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        let stream = self.dialler.dial_http1().await?;
        let mut wire = Wire::begin_with_upgrades(stream).await.map_err(SendFault::Broke)?;
        let response = wire.send(request).await.map_err(SendFault::Broke)?;
        Ok((response, self.lease(wire)))
    }

    fn lease(self: &Arc<Self>, wire: Wire<B>) -> Lease<B> {
        Lease { wire, pool: Arc::clone(self) }
    }

    /// Drops what is closed or too old, until nothing is left.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.longest_idle).await;
            if !self.idle.sweep(self.longest_idle) {
                self.sweeping.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// A connection in use by one exchange. Dropping it closes the connection, unless that was upgraded.
pub struct Lease<B> {
    wire: Wire<B>,
    pool: Arc<Pool<B>>,
}

impl<B> Lease<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Keeps the connection for the next exchange; request and reply must have ended.
    pub fn give_back(self) {
        let Self { wire, pool } = self;
        if pool.idle.keep(wire) && !pool.sweeping.swap(true, Ordering::Relaxed) {
            tokio::spawn(pool.sweep());
        }
    }
}
