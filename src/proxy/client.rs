//! What requests come from: one connection of a client.

use std::net::IpAddr;
use std::sync::Arc;

use crate::proxy::body::Arriving;
use bytes::Bytes;
use http::Version;
use http::header::{EXPECT, HeaderValue};
use http::request::Parts;
use http_body::Body;
use http_body_util::BodyExt;

use super::websocket::AfterHttp;
use super::{ForwardedPolicy, ProxyConfig};
use crate::net::{Activity, Peer, PeerAccount, SpareTimer};

/// Bytes of a refused body that are read away so that the connection can serve on.
const DISCARD_AT_MOST: usize = 1024 * 1024;

/// What a request comes from.
pub(crate) struct Client {
    pub(crate) peer: IpAddr,
    pub(crate) forwarding: Forwarding,
    pub(crate) activity: Arc<Activity>,
    pub(crate) account: Arc<PeerAccount>,
    pub(crate) timer: SpareTimer,
    pub(crate) after_http: AfterHttp,
}

/// What an application is told of where its requests come from.
pub(crate) struct Forwarding {
    pub(crate) policy: ForwardedPolicy,
    /// The peer as `x-forwarded-for` has it, unless it has no address.
    pub(crate) peer: Option<HeaderValue>,
    /// As `x-forwarded-proto` has it.
    pub(crate) scheme: HeaderValue,
}

impl Forwarding {
    pub(crate) fn of(config: &ProxyConfig, peer: Peer, is_tls: bool) -> Self {
        let ip = peer.ip();
        let is_trusted = config.trust_forwarded_from.contain(ip);
        let policy = match config.forwarded {
            ForwardedPolicy::Append if !is_trusted => ForwardedPolicy::Replace,
            policy => policy,
        };
        let shown = match peer {
            Peer::Inet(_) => HeaderValue::from_str(&ip.to_string()).ok(),
            Peer::Unix => None,
        };
        let scheme = HeaderValue::from_static(if is_tls { "https" } else { "http" });
        Self { policy, peer: shown, scheme }
    }
}

impl Client {
    /// A client is refused whose body, if it has one, is not even read away. Whether the connection can't serve on.
    pub(crate) fn leave(&self, body: &Arriving, head: &Parts) -> bool {
        let is_left = !body.is_end_stream() && head.version != Version::HTTP_2;
        if is_left {
            self.activity.linger();
        }
        is_left
    }

    /// A client that is still sending when it is refused would be reset before it reads why. What it still sends is
    /// read away beside the reply, so that the connection can serve on; after too much of it the connection closes
    /// with patience. Nothing of it is kept.
    pub(crate) fn discard(&self, mut body: Arriving, head: &Parts) {
        if body.is_end_stream() || head.version == Version::HTTP_2 {
            return;
        }
        self.activity.linger();
        if head.headers.contains_key(EXPECT) {
            // It waits for leave to send; reading would give it.
            return;
        }
        let patience = self.activity.limits().body;
        let arriving = self.activity.body_arrives();
        tokio::spawn(tokio::time::timeout(patience, async move {
            let _arriving = arriving;
            let mut discarded = 0;
            while let Some(Ok(frame)) = body.frame().await
                && discarded <= DISCARD_AT_MOST
            {
                discarded += frame.data_ref().map_or(0, Bytes::len);
            }
        }));
    }
}
