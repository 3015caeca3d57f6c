//! From HTTP to WebSocket: what a connection's service leaves behind for the time after HTTP.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::Side;
use super::crossing::Crossing;
use super::leg::Leg;
use super::record::Record;
use super::session::Session;
use crate::ale::MessageSession;
use crate::keys::{Key, KeyStore};
use crate::net::{PeerAccount, Stop, Upgrade};
use crate::proxy::ProxyConfig;
use crate::proxy::exchange::Shared;
use crate::websocket::Role;

/// What follows HTTP on a connection of a client; each connection has one, mostly empty.
///
/// The session runs in the connection's own future, so that it counts as that connection does: a stop waits for it.
#[derive(Default)]
pub(crate) struct AfterHttp(Mutex<Option<(Upgrade, Option<Box<Opening>>)>>);

impl AfterHttp {
    /// A request asked for an upgrade, and has got `opening`, or none.
    pub(crate) fn leave(&self, upgrade: Upgrade, opening: Option<Box<Opening>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, opening));
    }

    /// HTTP has ended on the connection.
    pub(crate) async fn follow(&self, stop: &Stop) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match left {
            None => {}
            Some((upgrade, None)) => upgrade.refused().await,
            // In a box, so that connections without a session have no room for one.
            Some((upgrade, Some(opening))) => Box::pin(opening.run(upgrade, stop)).await,
        }
    }
}

/// A session to which both sides have agreed.
pub(crate) struct Opening {
    pub(crate) config: Arc<ProxyConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) peer: IpAddr,
    /// Who pays for what is held.
    pub(crate) account: Arc<PeerAccount>,
    /// Of the handshake.
    pub(crate) path: Box<str>,
    /// The handshake's.
    pub(crate) key: Arc<Key>,
    /// On which side messages are sealed.
    pub(crate) sealed: Side,
    pub(crate) messages: MessageSession,
    /// The connection to the upstream.
    pub(crate) server: Upgrade,
}

impl Opening {
    async fn run(self: Box<Self>, client: Upgrade, stop: &Stop) {
        let Self { config, shared, keys, peer, account, path, key, sealed, messages, server } = *self;
        let (Some(client), Some(server)) = tokio::join!(client.granted(), server.granted()) else { return };
        let settings = &config.websocket;
        let longest = |side| match side == sealed {
            true => sealed_longest(settings.max_message),
            false => settings.max_message,
        };
        let ping = settings.ping_interval;
        let client = Leg::new(client, Role::Client, longest(Side::Client), ping, Arc::clone(&account));
        let server = Leg::new(server, Role::Server, longest(Side::Server), ping, account);
        let record = Record::begin(&shared, peer, &path, &key);
        let taking = config.timeouts.body;
        let crossing = Crossing::new(messages, sealed, keys, config);
        // The handshake's key is the ring's from here on: once it leaves, nothing of this session holds on to it.
        drop(key);
        Session::new(client, server, crossing, record, taking).run(stop).await;
    }
}

/// How long the envelope of a message of `plaintext` bytes may be: base64 with its escapes, and what else an envelope
/// bears. What opens to more than `plaintext` bytes is refused when it has been opened.
fn sealed_longest(plaintext: u64) -> u64 {
    let base64 = plaintext.saturating_add(16).div_ceil(3).saturating_mul(4);
    base64.saturating_add(base64 / 8).saturating_add(4096)
}
