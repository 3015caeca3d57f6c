//! WebSockets through a proxy (P7): the handshake, and the session that follows it.

mod crossing;
mod fault;
mod handshake;
mod held;
mod leg;
mod liveness;
mod opening;
mod outbox;
mod record;
mod scratch;
mod session;
mod wire;

pub(crate) use handshake::Handshake;
pub(crate) use opening::{AfterHttp, Agreement, Seat};

use crate::metrics::Closer;

/// Where a leg leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// To whom asked for the WebSocket.
    Client,
    /// To the upstream.
    Server,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn closer(self) -> Closer {
        match self {
            Self::Client => Closer::Client,
            Self::Server => Closer::Server,
        }
    }

    fn label(self) -> &'static str {
        self.closer().label()
    }
}
