//! The messages of one WebSocket, after its handshake (P7).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Refusal;
use super::context::{self, Context, Way};
use super::message::{self, Envelope, MessageSealing, OpenedMessage};
use crate::crypto::{Iv, IvSource};
use crate::keys::{Fingerprint, Key, KeyRing};
use crate::metrics::AleReason;
use crate::profile::StreamProfile;

/// Seals what goes to the peer of one session and opens what comes from it.
///
/// It can only be had from a handshake that was opened ([`ReplySealing::into_session`]) or sealed
/// ([`ReplyOpening::into_session`]). Of keys it holds names only: keys that leave the ring are wiped, however long
/// sessions last.
///
/// [`ReplySealing::into_session`]: super::ReplySealing::into_session
/// [`ReplyOpening::into_session`]: super::ReplyOpening::into_session
pub struct MessageSession {
    profile: Arc<StreamProfile>,
    side: Side,
    handshake_iv: Iv,
    context: Option<Context>,
    ivs: IvSource,
}

/// Which side of the handshake this is.
enum Side {
    /// It opened the handshake, and seals under the client's key.
    Answering {
        /// The name of that key.
        sealing: Fingerprint,
    },
    /// It sealed the handshake, and leads with the ring's sealing key.
    Leading,
}

impl MessageSession {
    pub(super) fn answering(
        profile: Arc<StreamProfile>,
        key: &Key,
        handshake_iv: Iv,
        context: Option<Context>,
        ivs: IvSource,
    ) -> Self {
        let side = Side::Answering { sealing: key.fingerprint.clone() };
        Self { profile, side, handshake_iv, context, ivs }
    }

    pub(super) fn leading(
        profile: Arc<StreamProfile>,
        handshake_iv: Iv,
        context: Option<Context>,
        ivs: IvSource,
    ) -> Self {
        Self { profile, side: Side::Leading, handshake_iv, context, ivs }
    }

    /// Settles key and IV of the next message to the peer. The IV has the handshake's length, where the key's algorithm
    /// takes that (P1).
    pub fn sealing(&mut self, ring: &KeyRing, now: Timestamp) -> Result<MessageSealing, NoSealingKey> {
        let key = self.sealing_key(ring, now).ok_or(NoSealingKey)?;
        let length = message::iv_length(key, self.handshake_iv.len());
        let mut iv = self.ivs.fresh(length);
        // P7: the handshake's opens no message.
        while iv == self.handshake_iv {
            iv = self.ivs.fresh(length);
        }
        Ok(MessageSealing::new(Arc::clone(key), iv, self.aad(true), now))
    }

    /// What is authenticated besides a message that goes out, or else one that comes in.
    fn aad(&self, goes_out: bool) -> Box<[u8]> {
        let leads = matches!(self.side, Side::Leading);
        let way = if leads == goes_out {
            Way::ToServer(&self.handshake_iv)
        } else {
            Way::ToClient(&self.handshake_iv)
        };
        context::aad(&self.profile, self.context.as_ref(), way).into()
    }

    /// Opens an envelope of the peer's (P1, P2, P3, P7, P9).
    pub fn open(
        &mut self,
        envelope: &[u8],
        ring: &KeyRing,
        now: Timestamp,
    ) -> Result<OpenedMessage, Refusal> {
        let envelope = Envelope::read(envelope)?;
        if self.has_sealed_under(&envelope.iv) {
            return Err(Refusal::unable(AleReason::Reflected));
        }
        let opened = envelope.open(&self.profile, ring, &self.aad(false), now)?;
        self.follow(&opened.receipt.key, ring);
        Ok(opened)
    }

    /// The answering side stays with its key until that ends or leaves the ring; what comes then stays likewise.
    fn sealing_key<'r>(&mut self, ring: &'r KeyRing, now: Timestamp) -> Option<&'r Arc<Key>> {
        let takes = |key: &&Arc<Key>| self.profile.takes(key.secret.algorithm());
        let Side::Answering { sealing } = &mut self.side else { return ring.sealing_key(now).filter(takes) };
        if let Some(key) = ring.key(sealing.as_str()).filter(|key| !key.validity.is_past(now, Duration::ZERO))
        {
            return Some(key);
        }
        let key = ring.sealing_key(now).filter(takes)?;
        *sealing = key.fingerprint.clone();
        Some(key)
    }

    /// P9: what was sealed here comes back. The client's handshake is sealed too; the server's reply to it is not.
    fn has_sealed_under(&self, iv: &Iv) -> bool {
        let sealed_handshake = matches!(self.side, Side::Leading) && *iv == self.handshake_iv;
        sealed_handshake || self.ivs.has_given(iv)
    }

    /// The client has shown that it has `opened`: if that is younger than the key so far, it seals from now on.
    ///
    /// Without a tag nothing was shown: anybody on the line could lead a session away from a key that authenticates.
    fn follow(&mut self, opened: &Key, ring: &KeyRing) {
        let Side::Answering { sealing } = &mut self.side else { return };
        let authenticates = |key: &Key| key.secret.algorithm().is_authenticated();
        let gives_way = |key: &Arc<Key>| {
            opened.validity.after > key.validity.after && (authenticates(opened) || !authenticates(key))
        };
        if ring.key(sealing.as_str()).is_some_and(gives_way) {
            *sealing = opened.fingerprint.clone();
        }
    }
}

/// No key of the ring may seal now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key is valid for sealing now")]
pub struct NoSealingKey;

#[cfg(test)]
mod tests;
