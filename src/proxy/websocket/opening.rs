//! From HTTP to WebSocket: what a connection's service leaves behind for the time after HTTP.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Response, response};
use hyper::body::Incoming;

use super::crossing::Crossing;
use super::leg::Leg;
use super::record::{Record, SessionAsked};
use super::session::Session;
use super::wire::{Server, Wire};
use super::{Handshake, Side};
use crate::ale::MessageSession;
use crate::keys::Key;
use crate::metrics::Outcome;
use crate::net::{PeerAccount, Stop, Upgrade};
use crate::proxy::body::ReplyBody;
use crate::proxy::client::Client;
use crate::proxy::exchange::{Exchange, Shared, shown};
use crate::proxy::forward::{self, ReplyFault};
use crate::proxy::limits::Place;
use crate::proxy::migration::SessionPass;
use crate::proxy::{KeyAccess, Network, ProxyConfig};
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
    agreed: Box<Agreed>,
    asked: SessionAsked,
}

/// What is agreed on.
struct Agreed {
    seat: Seat,
    peer: IpAddr,
    /// Who pays for what is held.
    account: Arc<PeerAccount>,
    /// The connection to the upstream.
    server: Server,
}

/// What a proxy knows of a session before the upstream has agreed to it.
pub(crate) struct Seat {
    /// Its place among the sessions.
    pub(crate) place: Place,
    pub(crate) config: Arc<ProxyConfig>,
    pub(crate) shared: Arc<Shared>,
    /// None where nothing is ever sealed.
    pub(crate) keys: Option<KeyAccess>,
    /// The handshake's key, and what opens and seals; none where all of it is plain.
    pub(crate) sealing: Option<(Arc<Key>, MessageSession)>,
    /// What lets a session go on that began plain where it may only for a while.
    pub(crate) pass: Option<SessionPass>,
    /// On which side messages are sealed.
    pub(crate) sealed: Side,
}

/// An upstream's 101, held to the handshake that it answers.
pub(crate) struct Agreement {
    head: response::Parts,
    agreed: Box<Agreed>,
}

impl Agreement {
    /// Takes the 101 for an agreement, if it is one.
    pub(crate) fn reached(
        handshake: &Handshake,
        mut response: Response<Incoming>,
        client: &Client,
        seat: Seat,
    ) -> Result<Self, ReplyFault> {
        handshake.check(response.headers())?;
        let server = Server::Upstream(Upgrade::granted_by(&mut response));
        let (mut head, _nothing) = response.into_parts();
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_sealed_body_fields(&mut head.headers);
        // P5: a 101 bears nothing of the envelope.
        seat.shared.strip_envelope(&mut head.headers);
        Ok(Self::with(head, client, seat, server))
    }

    /// Agrees in the upstream's place, to say back what the client says.
    pub(crate) fn to_echo(handshake: &Handshake, client: &Client, seat: Seat) -> Self {
        let (head, ()) = handshake.accepted().into_parts();
        Self::with(head, client, seat, Server::Echo)
    }

    fn with(mut head: response::Parts, client: &Client, seat: Seat, server: Server) -> Self {
        Handshake::agree(&mut head.headers);
        let account = Arc::clone(&client.account);
        Self { head, agreed: Box::new(Agreed { seat, peer: client.peer, account, server }) }
    }

    /// The client's 101, with which the exchange ends, and what follows it.
    pub(crate) fn finish(self, mut exchange: Exchange) -> (Response<ReplyBody>, Box<Opening>) {
        let Self { mut head, agreed } = self;
        exchange.answered(head.status);
        head.version = exchange.version();
        exchange.end(Outcome::Answered);
        let asked = SessionAsked {
            path: shown(exchange.path()).into(),
            trace: exchange.trace().clone(),
            tap: exchange.tap().clone(),
        };
        asked.tap.switches();
        let opening = Box::new(Opening { agreed, asked });
        (Response::from_parts(head, ReplyBody::own(Bytes::new(), exchange)), opening)
    }
}

impl Opening {
    async fn run(self: Box<Self>, client: Upgrade, stop: &Stop) {
        let Self { agreed, asked } = *self;
        let Agreed { seat, peer, account, server } = *agreed;
        let Seat { place, config, shared, keys, sealing, pass, sealed } = seat;
        let (key, messages) = sealing.unzip();
        let settings = &config.websocket;
        let max_message = server.max_message(settings.max_message);
        let echoes = matches!(server, Server::Echo);
        let client = async { client.granted().await.map(Wire::Socket) };
        let (Some(client), Some(server)) = tokio::join!(client, server.granted()) else { return };
        let leg = |wire, side: Side, peer| {
            let is_sealed = side == sealed && messages.is_some();
            let longest = if is_sealed { sealed_longest(max_message) } else { max_message };
            Leg::new(wire, peer, is_sealed, longest, settings.ping_interval, Arc::clone(&account))
        };
        let client = leg(client, Side::Client, Role::Client);
        let server = leg(server, Side::Server, Role::Server);
        let record = Record::begin(&shared, place, peer, asked, key.as_deref());
        // From here on a key is known by its name only: once it leaves the ring, nothing of this session holds on to it.
        drop(key);
        let taking = config.timeouts.body;
        let from = match sealed {
            Side::Client => Network::of(peer),
            Side::Server => Network::Upstream,
        };
        let replay = (shared.replay.clone(), from);
        let crossing = Crossing::new(messages, sealed, keys, config, replay).with_pass(pass);
        let crossing = if echoes { crossing.echoing() } else { crossing };
        Session::new(client, server, crossing, record, taking).run(stop).await;
    }
}

/// How long the envelope of a message of `plaintext` bytes may be: base64 with its escapes, and what else an envelope
/// bears. What opens to more than `plaintext` bytes is refused when it has been opened.
fn sealed_longest(plaintext: u64) -> u64 {
    let base64 = plaintext.saturating_add(16).div_ceil(3).saturating_mul(4);
    base64.saturating_add(base64 / 8).saturating_add(4096)
}
