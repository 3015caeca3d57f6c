//! The ways of messages that are held whole, since their profile has them opened and sealed so.

mod inbound;
mod outbound;
mod taken;

use http::{Response, response};

pub(crate) use inbound::WholeInbound;
pub(crate) use outbound::WholeOutbound;

use super::body::{HeldBody, ReplyBody, Stated};
use super::exchange::Exchange;
use super::forward::Framing;

/// A reply that was opened or sealed whole.
pub(crate) struct WholeAnswer {
    head: response::Parts,
    /// The body and the length that is stated; none where there is no body.
    body: Option<HeldBody>,
}

impl WholeAnswer {
    /// The reply as the client gets it.
    pub(super) fn finish(self, mut exchange: Exchange) -> Response<ReplyBody> {
        let Self { mut head, body } = self;
        exchange.answered(head.status);
        head.version = exchange.version();
        let framing = body.as_ref().map_or(Framing::Unstated, |body| Framing::Length(body.left()));
        framing.write(&mut head.headers);
        let body = body.unwrap_or_else(HeldBody::empty);
        Response::from_parts(head, ReplyBody::held(body, Stated::Yes, exchange))
    }
}
