//! The tour: one sealed order there and back, and whether every step held.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use super::kitchen::{Kitchen, Seen};
use super::wire::{self, Message, SealedOrder, WireFault};
use crate::keys::Key;

/// The order that is sent.
pub(super) const ORDER: &str = r#"{"table":7,"dish":"onion soup","note":"no onions, please"}"#;

/// What an application never gets to see.
pub(super) const ENVELOPE: [&str; 3] = ["sec-iv", "sec-fingerprint", "x-ale-content-encoding"];

/// The exchange, seen from all sides.
pub(super) struct Tour {
    pub(super) sent: Message,
    pub(super) seen: Seen,
    pub(super) replied: Message,
    pub(super) opened: Bytes,
    pub(super) tampered: Message,
    /// Requests that reached the kitchen through the tampered copy.
    pub(super) leaked: usize,
}

impl Tour {
    /// Sends the order, opens the reply, and sends a tampered copy of the order.
    pub(super) async fn take(
        sidecar: SocketAddr,
        kitchen: &Kitchen,
        watcher: &mut UnboundedReceiver<Seen>,
        key: &Arc<Key>,
    ) -> Result<Self, TourFault> {
        let order = SealedOrder::seal(sidecar, ORDER, key)?;
        let sent = order.message.clone();
        let replied = wire::exchange(sidecar, &sent).await?;
        let seen = watcher.try_recv().map_err(|_| TourFault::NotSeen)?;
        let opened = order.open(&replied)?;
        let before = kitchen.served();
        let tampered = wire::exchange(sidecar, &sent.tampered()).await?;
        let leaked = kitchen.served() - before;
        Ok(Self { sent, seen, replied, opened, tampered, leaked })
    }

    /// What was to be shown, and whether it is so.
    pub(super) fn checks(&self) -> [(&'static str, bool); 5] {
        let hidden = |message: &Message, plain: &[u8]| !contains(&message.body, plain);
        let refusal = br#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
        let refused = self.tampered.status().is_some_and(|status| status.as_u16() == 400)
            && self.tampered.body == refusal[..];
        let unmarked = ENVELOPE.iter().all(|name| !self.seen.headers.contains_key(*name));
        [
            ("nothing readable of the order went over the wire", hides(&self.sent, ORDER.as_bytes())),
            ("the application saw the exact order, and no header of the encryption", {
                self.seen.body == ORDER && unmarked
            }),
            ("nothing readable of the answer went back", {
                hides(&self.replied, &self.seen.answer) && hidden(&self.replied, b"receipt")
            }),
            ("the client opened exactly what the application answered", self.opened == self.seen.answer),
            ("a copy of the order with one bit changed was refused (errorCode 2) before the application", {
                refused && self.leaked == 0
            }),
        ]
    }
}

/// Whether a body is another one than `plain`, and no eight bytes of it stand there either.
pub(super) fn hides(message: &Message, plain: &[u8]) -> bool {
    const WORD: usize = 8;
    !message.body.is_empty()
        && message.body != plain
        && !plain.windows(WORD).any(|word| contains(&message.body, word))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Why the tour could not be taken to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum TourFault {
    #[error("the order never reached the kitchen")]
    NotSeen,
    #[error(transparent)]
    Wire(#[from] WireFault),
}
