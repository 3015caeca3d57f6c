//! Messages that are held, and opened and sealed whole, as a vendor's profile lays them out.
//!
//! Nothing of a message is changed unless all of it can be: on any failure there is nothing to forward.

mod cipher;
mod fault;
mod keys;
mod look;
mod open;
mod parts;
mod plain;
mod seal;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use jiff::Timestamp;
use rand::CryptoRng;
use zeroize::Zeroizing;

pub use fault::WholeFault;
pub use look::{EnvelopePart, WholeEnvelope, look_at_whole};
pub use plain::{bears_sealed, would_refuse};

use super::context::{Context, Way};
use super::receipt::Mark;
use super::{Receipt, ReplyFault, envelope, reply};
use crate::crypto::Iv;
use crate::keys::{Key, KeyRing};
use crate::metrics::AleReason;
use crate::profile::{Aad, KeyNaming, Place, Scope, WholeProfile};

/// A body in clear, wiped when nobody has it any more.
pub type PlainBody = Zeroizing<Vec<u8>>;

/// A request that was opened whole.
pub struct OpenedWhole {
    /// The plaintext.
    pub body: PlainBody,
    /// Which message it was; absent where messages cannot be known again by their IV.
    pub receipt: Option<Receipt>,
    /// The way back.
    pub reply: WholeReplySealing,
}

/// Opens a request. `head` becomes the plaintext's then, but for its framing; where the request is refused, neither has
/// changed.
pub fn open_whole(
    profile: &Arc<WholeProfile>,
    head: &mut Parts,
    body: &[u8],
    ring: &KeyRing,
    now: Timestamp,
) -> Result<OpenedWhole, WholeFault> {
    open_whole_as(profile, head, body, ring, now, Counting::Uses)
}

/// Opens a request that came before, to send it once more; nothing is noted on the account of any key. `head` becomes the
/// plaintext's, as [`open_whole`] has it.
pub fn reopen_whole(
    profile: &Arc<WholeProfile>,
    head: &mut Parts,
    body: &[u8],
    ring: &KeyRing,
    now: Timestamp,
) -> Result<PlainBody, WholeFault> {
    open_whole_as(profile, head, body, ring, now, Counting::Nothing).map(|opened| opened.body)
}

/// What is noted on the accounts of keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    /// That they opened a message, or did not.
    Uses,
    /// Nothing: it is only asked what would happen.
    Nothing,
}

fn open_whole_as(
    profile: &Arc<WholeProfile>,
    head: &mut Parts,
    body: &[u8],
    ring: &KeyRing,
    now: Timestamp,
    counting: Counting,
) -> Result<OpenedWhole, WholeFault> {
    let context = Context::of(head);
    let named = named_key(profile, &head.headers, Some(&head.uri), body)?;
    let keys = keys::opening(profile, named.as_deref(), ring, now)?;
    if is_bodyless(profile, &head.method, body) {
        let key = keys.into_iter().next().ok_or(super::Refusal::unable(AleReason::UnknownFingerprint))?;
        parts::strip_head(profile, &mut head.headers, Some(&mut head.uri));
        let reply = WholeReplySealing { profile: Arc::clone(profile), key, context, request_iv: None };
        return Ok(OpenedWhole { body: PlainBody::default(), receipt: None, reply });
    }
    let aad = if profile.aad == Aad::Context { context.aad(Way::Request) } else { Vec::new() };
    let opening = open::Opening { profile, keys, context: aad, now, counting };
    let opened = opening.open(&mut head.headers, Some(&mut head.uri), body)?;
    if matches!(profile.scope, Scope::Body) {
        envelope::restore_content_encoding(&mut head.headers)?;
    }
    let open::Opened { key, body, iv, tag } = opened;
    let receipt = iv.filter(|_| profile.is_known_by_iv());
    let receipt = receipt.map(|iv| Receipt { key: Arc::clone(&key), iv, mark: tag.map(Mark::from) });
    let reply = WholeReplySealing { profile: Arc::clone(profile), key, context, request_iv: iv };
    Ok(OpenedWhole { body, receipt, reply })
}

/// The name of the key, where a message bears it. Its body is looked into only if that stands there.
fn named_key(
    profile: &WholeProfile,
    headers: &HeaderMap,
    target: Option<&Uri>,
    body: &[u8],
) -> Result<Option<String>, WholeFault> {
    let body = match &profile.key {
        KeyNaming::At(Place::Field(_) | Place::Member(_)) if !body.is_empty() => {
            open::read_body(&profile.scope, headers, body)?
        }
        KeyNaming::At(_) | KeyNaming::Fixed(_) | KeyNaming::SealingKey => parts::Body::Bytes,
    };
    parts::Message { headers, target, body: &body }.fingerprint(profile)
}

/// P4: a method that may come without a body, without one. Where values are sealed, those of the query are there all the
/// same.
fn is_bodyless(profile: &WholeProfile, method: &Method, body: &[u8]) -> bool {
    body.is_empty() && !matches!(profile.scope, Scope::Values(_)) && profile.bodyless_methods.contains(method)
}

/// The key that seals new messages under `profile`, if there is one.
pub fn whole_sealing_key(profile: &WholeProfile, ring: &KeyRing, now: Timestamp) -> Option<Arc<Key>> {
    keys::sealing(profile, ring, now)
}

/// A request that was sealed whole.
pub struct SealedWhole {
    /// What goes over the wire.
    pub body: Vec<u8>,
    /// The way into the reply.
    pub reply: WholeReplyOpening,
}

/// Seals a request with `key`. `head` becomes that of a sealed one, but for its framing.
pub fn seal_whole<R: CryptoRng>(
    profile: &Arc<WholeProfile>,
    head: &mut Parts,
    body: &[u8],
    key: &Arc<Key>,
    now: Timestamp,
    rng: &mut R,
) -> Result<SealedWhole, WholeFault> {
    let context = Context::of(head);
    let aad = || context.aad(Way::Request);
    let sealing = seal::Sealing { profile, key, other: None, context: &aad, now };
    let (body, iv) = if is_bodyless(profile, &head.method, body) {
        sealing.name_key(&mut head.headers, Some(&mut head.uri))?;
        (Vec::new(), None)
    } else {
        if matches!(profile.scope, Scope::Body) {
            envelope::rename_content_encoding(&mut head.headers);
        }
        sealing.seal(&mut head.headers, Some(&mut head.uri), body, rng)?
    };
    let reply =
        WholeReplyOpening { profile: Arc::clone(profile), key: Arc::clone(key), context, request_iv: iv };
    Ok(SealedWhole { body, reply })
}

/// The right to answer one opened request, under the key that it came with.
#[must_use]
pub struct WholeReplySealing {
    profile: Arc<WholeProfile>,
    key: Arc<Key>,
    context: Context,
    request_iv: Option<Iv>,
}

impl WholeReplySealing {
    /// The key of the exchange.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Whether the reply is sealed at all.
    pub fn seals(&self) -> bool {
        self.profile.seal_replies
    }

    /// Seals the application's reply; `None` where it has no body. Its head becomes that of a sealed one, but for its
    /// framing.
    pub fn seal<R: CryptoRng>(
        self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
        body: &[u8],
        now: Timestamp,
        rng: &mut R,
    ) -> Result<Option<Vec<u8>>, WholeFault> {
        let Self { profile, key, context, request_iv } = self;
        parts::strip_head(&profile, headers, None);
        if reply::is_bodyless(method, status) {
            return Ok(None);
        }
        if matches!(profile.scope, Scope::Body) {
            envelope::rename_content_encoding(headers);
        }
        let aad = || context.aad(Way::Reply(request_iv.as_ref()));
        let sealing = seal::Sealing { profile: &profile, key: &key, other: request_iv, context: &aad, now };
        sealing.seal(headers, None, body, rng).map(|(body, _iv)| Some(body))
    }
}

/// The right to open the one reply to a sealed request.
#[must_use]
pub struct WholeReplyOpening {
    profile: Arc<WholeProfile>,
    key: Arc<Key>,
    context: Context,
    request_iv: Option<Iv>,
}

impl WholeReplyOpening {
    /// The key of the exchange.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Whether the reply is sealed at all.
    pub fn is_sealed(&self) -> bool {
        self.profile.seal_replies
    }

    /// Opens the peer's reply; `None` where it has no body. Its head becomes the plaintext's, but for its framing.
    pub fn open(
        self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
        body: &Bytes,
        now: Timestamp,
    ) -> Result<Option<OpenedWholeReply>, ReplyFault> {
        let Self { profile, key, context, request_iv } = self;
        if reply::is_bodyless(method, status) {
            return Ok(None);
        }
        let named = named_key(&profile, headers, None, body)?;
        if named.is_some_and(|named| named != key.fingerprint.as_str()) {
            return Err(ReplyFault::OtherKey);
        }
        let aad = match profile.aad {
            Aad::Context => context.aad(Way::Reply(request_iv.as_ref())),
            Aad::At(_) | Aad::Literal(_) | Aad::None => Vec::new(),
        };
        let opening =
            open::Opening { profile: &profile, keys: vec![key], context: aad, now, counting: Counting::Uses };
        let opened = opening.open(headers, None, body)?;
        if matches!(profile.scope, Scope::Body) {
            envelope::restore_content_encoding(headers)?;
        }
        let open::Opened { key, body, iv, tag } = opened;
        let iv = iv.filter(|_| profile.is_known_by_iv());
        if iv.is_some() && iv == request_iv {
            return Err(ReplyFault::Reflected);
        }
        let receipt = iv.map(|iv| Receipt { key, iv, mark: tag.map(Mark::from) });
        Ok(Some(OpenedWholeReply { body, receipt }))
    }
}

/// A reply that was opened whole.
pub struct OpenedWholeReply {
    /// The plaintext.
    pub body: PlainBody,
    /// Which message it was; absent where messages cannot be known again by their IV.
    pub receipt: Option<Receipt>,
}
