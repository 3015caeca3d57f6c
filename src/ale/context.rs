//! What an exchange says of itself, authenticated with each of its messages (P12).

use std::borrow::Cow;

use http::Method;

use crate::crypto::Iv;
use crate::profile::{StreamAad, StreamProfile};

/// The first line of every context, so that no other protocol's text can be taken for one.
const VERSION: &str = "ale-context-1";

/// Method and target of a request, as they go over the wire.
#[derive(Clone)]
pub(super) struct Context {
    method: Method,
    target: Box<str>,
}

/// Which way a message goes.
#[derive(Clone, Copy)]
pub(super) enum Way<'i> {
    /// A request.
    Request,
    /// The reply to a request under this IV.
    Reply(Option<&'i Iv>),
    /// A message of the session whose handshake was under this IV, from the side that sent the handshake.
    ToServer(&'i Iv),
    /// The same, from the other side.
    ToClient(&'i Iv),
}

impl Context {
    /// Of a request with this head.
    pub(super) fn of(head: &http::request::Parts) -> Self {
        let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Self { method: head.method.clone(), target: target.into() }
    }

    /// The same, if `profile` has it authenticated.
    pub(super) fn asked_for(profile: &StreamProfile, head: &http::request::Parts) -> Option<Self> {
        (profile.aad == StreamAad::Context).then(|| Self::of(head))
    }

    /// The additional data of one message.
    pub(super) fn aad(&self, way: Way<'_>) -> Vec<u8> {
        let (direction, iv) = match way {
            Way::Request => ("request", None),
            Way::Reply(iv) => ("reply", iv),
            Way::ToServer(iv) => ("to-server", Some(iv)),
            Way::ToClient(iv) => ("to-client", Some(iv)),
        };
        let iv = iv.map_or_else(String::new, |iv| crate::crypto::encoding::hex_encode(iv.as_bytes()));
        let Self { method, target } = self;
        // A method and a target have no line ends, so no two contexts give one text.
        format!("{VERSION}\n{direction}\n{method}\n{target}\n{iv}\n").into_bytes()
    }
}

/// What is authenticated besides a request with this head, where a profile says `aad = "context"` (P12).
pub fn request_context(head: &http::request::Parts) -> Vec<u8> {
    Context::of(head).aad(Way::Request)
}

/// What `profile` has authenticated besides a message, whose exchange has that context, if there is one.
pub(super) fn aad<'p>(profile: &'p StreamProfile, context: Option<&Context>, way: Way<'_>) -> Cow<'p, [u8]> {
    match (&profile.aad, context) {
        (StreamAad::Context, Some(context)) => Cow::Owned(context.aad(way)),
        (StreamAad::Literal(text), _) => Cow::Borrowed(text.as_bytes()),
        // A message that belongs to no exchange has none.
        (StreamAad::Context, None) => Cow::Borrowed(&[]),
    }
}

#[cfg(test)]
mod tests;
