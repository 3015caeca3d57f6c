//! The way of requests that are not secured, whoever asks: plain in, plain on, and the reply as it comes.

use std::sync::Arc;

use crate::proxy::body::Arriving;
use http::header::{ORIGIN, UPGRADE};
use http::request::Parts;

use super::carriers::Carrier;
use super::clear::Clear;
use super::client::Client;
use super::exchange::{Exchange, Shared};
use super::onward::Onward;
use super::respond::Failure;
use super::service::Answer;
use super::websocket::Side;
use super::{Mode, ProxyConfig};

/// One route on one worker.
pub(crate) struct Bypass {
    config: Arc<ProxyConfig>,
    onward: Onward,
    shared: Arc<Shared>,
}

impl Bypass {
    pub(crate) fn new(config: Arc<ProxyConfig>, onward: Onward, shared: Arc<Shared>) -> Self {
        Self { config, onward, shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Passes one request on. Which pages may open WebSockets holds here as well.
    pub(crate) async fn exchange(
        &self,
        client: &Client,
        head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let Self { config, onward, shared } = self;
        let sealed = match &config.mode {
            Mode::Inbound(inbound) => {
                let origins = head.headers.get_all(ORIGIN);
                if head.headers.contains_key(UPGRADE) && !inbound.allows(origins, Carrier::Headers) {
                    client.discard(body, &head);
                    return Err(Failure::Origin);
                }
                Side::Client
            }
            Mode::Outbound(_) => Side::Server,
        };
        Clear { config, shared, keys: None, onward, sealed }.exchange(client, head, body, exchange).await
    }
}
