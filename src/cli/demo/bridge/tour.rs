//! One order and one message of a WebSocket over the bridge, and whether every step held.

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::tap::Heard;
use super::{BridgeFault, Chain};
use crate::cli::demo::kitchen::{Said, Seen, TALK};
use crate::cli::demo::tour::{ENVELOPE, ORDER, hides};
use crate::cli::demo::wire::{self, Message, PATIENCE, WireFault};
use crate::cli::socket::{Socket, SocketFault};
use crate::websocket::{Decoder, Event, Kind, Role};

/// What the point of sale says over the WebSocket.
pub(super) const WISH: &str = "table 7 would like the bill";

/// What everybody saw.
pub(super) struct Tour {
    pub(super) sent: Message,
    pub(super) there: Message,
    pub(super) seen: Seen,
    pub(super) back: Message,
    pub(super) got: Message,
    pub(super) talk: Talk,
    meddled: Message,
    /// Requests that reached the kitchen through the changed copy.
    leaked: usize,
}

/// One message each way over a WebSocket.
pub(super) struct Talk {
    /// The head of the handshake on the line.
    pub(super) handshake: Message,
    /// The messages on the line.
    pub(super) there: Vec<Bytes>,
    pub(super) back: Vec<Bytes>,
    /// What the kitchen heard and said.
    pub(super) said: Said,
    /// What the point of sale was told.
    pub(super) told: Bytes,
}

impl Tour {
    /// Sends an order, has a copy of it changed on the line, and talks.
    pub(super) async fn take(chain: &Chain, seen: &mut UnboundedReceiver<Seen>) -> Result<Self, BridgeFault> {
        let sent = order(chain);
        let got = wire::exchange(chain.near, &sent).await?;
        let Heard { there, back } = chain.tap.last();
        let seen = seen.try_recv().map_err(|_| BridgeFault::NotSeen)?;
        let before = chain.kitchen.served();
        chain.tap.meddle();
        let meddled = wire::exchange(chain.near, &sent).await?;
        let leaked = chain.kitchen.served() - before;
        let talk = timeout(PATIENCE, Talk::hold(chain)).await.map_err(|_| BridgeFault::TimedOut)??;
        let (there, back) = (Message::parse(&there)?, Message::parse(&back)?);
        Ok(Self { sent, there, seen, back, got, talk, meddled, leaked })
    }

    /// What was to be shown, and whether it is so.
    pub(super) fn checks(&self) -> [(&'static str, bool); 7] {
        let Self { there, seen, back, got, talk, .. } = self;
        let unmarked = |headers: &http::HeaderMap| ENVELOPE.iter().all(|name| !headers.contains_key(*name));
        [
            ("nothing readable of the order was on the line between the sidecars", {
                hides(there, ORDER.as_bytes())
            }),
            ("the kitchen saw the exact order, and no header of the encryption", {
                seen.body == ORDER && unmarked(&seen.headers)
            }),
            ("nothing readable of the answer was on the line", hides(back, &seen.answer)),
            ("the point of sale got exactly what the kitchen answered, and no header of the encryption", {
                got.body == seen.answer && got.status() == Some(seen.status) && unmarked(&got.headers())
            }),
            ("an order of which one bit was changed on the line was refused before the kitchen", {
                self.meddled_is_refused() && self.leaked == 0
            }),
            ("the messages of the WebSocket arrived as they were said, in both directions", {
                talk.said.heard == WISH && talk.told == talk.said.answered
            }),
            ("nothing readable of them was on the line", talk.is_hidden()),
        ]
    }

    /// The kitchen's sidecar says errorCode 2, and the other one tells of it in its own words.
    fn meddled_is_refused(&self) -> bool {
        let told: Option<serde_json::Value> = serde_json::from_slice(&self.meddled.body).ok();
        let code = |name: &str| told.as_ref().and_then(|told| told.get(name)?.as_u64());
        self.meddled.status().is_some_and(|status| status.as_u16() == 400)
            && (code("errorCode"), code("peerErrorCode")) == (Some(111), Some(2))
    }
}

impl Talk {
    async fn hold(chain: &Chain) -> Result<Self, BridgeFault> {
        let stream = TcpStream::connect(chain.near).await.map_err(WireFault::Io)?;
        let mut socket = Socket::open(stream, &chain.near.to_string(), TALK).await?;
        socket.send(Kind::Text, WISH.as_bytes()).await?;
        let told = socket.receive().await?.payload.freeze();
        let Heard { there, back } = chain.tap.last();
        socket.close().await?;
        let said = chain.kitchen.said().into_iter().next_back().ok_or(BridgeFault::NotHeard)?;
        let (handshake, agreed) = (Message::parse(&there)?, Message::parse(&back)?);
        let there = messages(&handshake.body, Role::Client)?;
        let back = messages(&agreed.body, Role::Server)?;
        Ok(Self { handshake, there, back, said, told })
    }

    fn is_hidden(&self) -> bool {
        let hidden = |messages: &[Bytes], plain: &[u8]| {
            let head = || self.handshake.head.clone();
            let mut on_line = messages.iter().map(|body| Message { head: head(), body: body.clone() });
            !messages.is_empty() && on_line.all(|message| hides(&message, plain))
        };
        hidden(&self.there, WISH.as_bytes()) && hidden(&self.back, self.said.answered.as_bytes())
    }
}

/// The order as a point of sale sends it.
fn order(chain: &Chain) -> Message {
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close",
        chain.near,
        ORDER.len()
    );
    Message { head, body: ORDER.into() }
}

/// The messages in what was heard of one side.
fn messages(heard: &[u8], sender: Role) -> Result<Vec<Bytes>, BridgeFault> {
    let mut decoder = Decoder::new(sender, u64::MAX);
    let mut bytes = BytesMut::from(heard);
    let mut found = Vec::new();
    while let Some(event) = decoder.decode(&mut bytes).map_err(SocketFault::Frame)? {
        if let Event::Message(message) = event {
            found.push(message.payload.freeze());
        }
    }
    Ok(found)
}
