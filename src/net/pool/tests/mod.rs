//! A pool against upstreams that do what a test tells them.

mod http2;
mod upgrade;

use std::time::Duration;

use http_body_util::{Empty, Full};
use tokio::net::TcpListener;

use super::*;
use crate::metrics::Metrics;

impl Resend for Empty<Bytes> {
    fn again(&self) -> Option<Self> {
        Some(Self::new())
    }
}

impl Resend for Full<Bytes> {
    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }
}

fn pool<B: Resend>(listener: &TcpListener, protocol: UpstreamProtocol) -> Arc<Pool<B>> {
    let settings = PoolSettings {
        address: UpstreamAddress::Inet {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        },
        authority: Authority::from_static("upstream.test"),
        tls: None,
        protocol,
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(4),
    };
    Pool::new(&settings, Metrics::new().proxy("kitchen"))
}
