//! The one place where a failure becomes what the client is told. The table stands in docs/PROTOCOL.md.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode, Version};
use http_body::Body;

use super::body::{HoldFault, ReplyBody};
use super::client::Client;
use super::exchange::Exchange;
use super::forward::{FramingFault, ReplyFault};
use super::limits::HeadFault;
use crate::ale::{self, Refusal, WholeFault};
use crate::metrics::Outcome;
use crate::net::{ConnectFault, NoCapacity, SendFault};
use crate::profile::{ErrorText, Errors, Profile};

/// Why a request is not answered by the application.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// P1–P4: the envelope is refused.
    #[error(transparent)]
    Ale(#[from] Refusal),
    /// The upstream did not take the request, or did not answer, in time.
    #[error("the upstream did not answer in time")]
    UpstreamTimedOut,
    /// The envelope of a message that is held is refused.
    #[error(transparent)]
    Whole(#[from] WholeFault),
    /// A reply that cannot be sealed as the profile has it.
    #[error("the reply cannot be sealed: {0}")]
    Unsealable(WholeFault),
    /// A WebSocket where messages are held whole.
    #[error("the profile of this route has no websocket")]
    NoWebSocket,
    /// The client ended its body early.
    #[error("the client broke off its body")]
    ClientBroke,
    /// The client stopped sending its body.
    #[error("the client did not send its body in time")]
    ClientTimedOut,
    /// The client sent its body more slowly than `min_body_rate`.
    #[error("the client sent its body more slowly than min_body_rate")]
    ClientTooSlow,
    /// P10: a stream of events under GCM would be held to an end that it does not have.
    #[error(
        "an event stream cannot be held until its tag verifies; a key under CTR or a websocket carries it"
    )]
    EventStream,
    /// The request can be read in more than one way.
    #[error("the request is not clear: {0}")]
    Framing(#[from] FramingFault),
    /// The request's head is past its limits.
    #[error("the head of the request {0}")]
    Head(#[from] HeadFault),
    /// The upstream's reply cannot be passed on.
    #[error("the upstream's reply is not clear: {0}")]
    Reply(#[from] ReplyFault),
    /// Too many bytes are held already.
    #[error(transparent)]
    NoCapacity(NoCapacity),
    /// Too many bytes are held already to hold a reply.
    #[error("a reply cannot be held: {0}")]
    NoCapacityForReply(NoCapacity),
    /// No key may seal now.
    #[error("no key of the ring may seal now")]
    NoSealingKey,
    /// The proxy has routes, and none is for it.
    #[error("no route is for this request")]
    NoRoute,
    /// A page that may not open WebSockets.
    #[error("the origin is not one that may open a websocket")]
    Origin,
    /// P5: an error that nothing vouches for.
    #[error("the peer answered {status} unsealed, with {}", told(*code))]
    Peer {
        /// The peer's.
        status: StatusCode,
        /// The peer's, if it has one.
        code: Option<u64>,
    },
    /// P11: nobody can say whether a message has been opened before.
    #[error("the replay store did not say whether this was opened before")]
    ReplayStore,
    /// As many requests are in flight as may be.
    #[error("as many requests are in flight as may be")]
    Requests {
        /// Whether the connection cannot serve on.
        closes: bool,
    },
    /// As many WebSockets are open as may be.
    #[error("as many websockets are open as may be")]
    Sessions,
    /// The reply is longer than `max_body`.
    #[error("the reply is longer than max_body")]
    ReplyTooLarge,
    /// The body is longer than `max_body`.
    #[error("the body is longer than max_body")]
    TooLarge,
    /// P5, P9: a reply that counts as forged.
    #[error("the reply is not believed: {0}")]
    Unbelieved(ale::ReplyFault),
    /// No reply came from the upstream.
    #[error(transparent)]
    Upstream(#[from] SendFault),
}

impl From<HoldFault<Refusal>> for Failure {
    /// Of a request that was to be held.
    fn from(fault: HoldFault<Refusal>) -> Self {
        match fault {
            HoldFault::Broke(_) => Self::ClientBroke,
            HoldFault::Forged(refusal) => Self::Ale(refusal),
            HoldFault::NoCapacity(full) => Self::NoCapacity(full),
            HoldFault::TimedOut => Self::ClientTimedOut,
            HoldFault::TooLarge => Self::TooLarge,
            HoldFault::TooSlow => Self::ClientTooSlow,
        }
    }
}

impl From<HoldFault<ale::ReplyFault>> for Failure {
    /// Of a reply that was to be held.
    fn from(fault: HoldFault<ale::ReplyFault>) -> Self {
        match fault {
            HoldFault::Broke(error) => Self::Upstream(SendFault::Broke(error)),
            HoldFault::Forged(fault) => Self::Unbelieved(fault),
            HoldFault::NoCapacity(full) => Self::NoCapacityForReply(full),
            HoldFault::TimedOut | HoldFault::TooSlow => Self::UpstreamTimedOut,
            HoldFault::TooLarge => Self::ReplyTooLarge,
        }
    }
}

/// What the client is told of the sidecar's own faults; the vendor's codes are 1 to 3.
struct Told {
    status: StatusCode,
    code: u16,
    message: &'static str,
    /// The errorCode of the peer that is reported.
    peer: Option<u64>,
}

impl Failure {
    /// Ends `exchange` with what its client is told.
    pub(crate) fn refuse(&self, mut exchange: Exchange) -> Response<ReplyBody> {
        let response = self.respond(exchange.shared().profile.as_ref());
        exchange.failed(self, response.status());
        let (mut head, body) = response.into_parts();
        head.version = exchange.version();
        // Whoever asks about this refusal can name it.
        exchange.trace().write(&mut head.headers);
        if !exchange.request_is_whole() {
            // What the client still sends cannot be told from a next request.
            exchange.activity().linger();
            head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if head.version == Version::HTTP_2 {
            head.headers.remove(CONNECTION);
        }
        Response::from_parts(head, ReplyBody::own(body, exchange))
    }

    /// Under which outcome the exchange is counted.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Ale(_) | Self::Whole(_) => Outcome::AleError,
            Self::UpstreamTimedOut
            | Self::ClientTimedOut
            | Self::ClientTooSlow
            | Self::Upstream(SendFault::Connect(ConnectFault::TimedOut)) => Outcome::TimedOut,
            Self::ClientBroke => Outcome::ClientGone,
            Self::Framing(_) => Outcome::Framing,
            Self::NoRoute => Outcome::NoRoute,
            Self::Origin => Outcome::Origin,
            Self::NoCapacity(_) | Self::NoCapacityForReply(_) => Outcome::NoCapacity,
            Self::Requests { .. } | Self::Sessions => Outcome::Overloaded,
            Self::NoSealingKey => Outcome::NoKey,
            Self::ReplayStore => Outcome::ReplayStore,
            Self::Peer { .. } => Outcome::PeerError,
            Self::Head(_) | Self::TooLarge | Self::ReplyTooLarge => Outcome::TooLarge,
            Self::EventStream | Self::Unbelieved(_) | Self::Unsealable(_) => Outcome::ReplyRefused,
            Self::NoWebSocket => Outcome::NoRoute,
            Self::Upstream(SendFault::Connect(ConnectFault::Refused(_) | ConnectFault::Tls(_))) => {
                Outcome::UpstreamRefused
            }
            Self::Reply(_) | Self::Upstream(SendFault::Broke(_) | SendFault::GoingAway) => {
                Outcome::UpstreamBroke
            }
        }
    }

    /// The reply, whole; the vendor's own words are the profile's.
    fn respond(&self, profile: Option<&Profile>) -> Response<Bytes> {
        let refusal = match self {
            Self::Ale(refusal) => Some(*refusal),
            Self::Whole(fault) => Some(fault.refusal),
            _ => None,
        };
        let (status, content_type, body) = match refusal {
            Some(refusal) => {
                let ErrorText { status, content_type, body } = profile.map_or_else(
                    || Errors::ale().of(refusal.code).clone(),
                    |profile| profile.terms().errors.of(refusal.code).clone(),
                );
                (status, content_type, body)
            }
            None => {
                let (status, body) = self.told().into_parts();
                (status, HeaderValue::from_static("application/json"), body)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CONTENT_LENGTH, length);
        if self.may_be_tried_again() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.leaves_body_unread() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether the same request may well be answered in a second.
    fn may_be_tried_again(&self) -> bool {
        matches!(
            self,
            Self::NoCapacity(_)
                | Self::NoCapacityForReply(_)
                | Self::ReplayStore
                | Self::Requests { .. }
                | Self::Sessions
        )
    }

    /// Whether the connection cannot serve on, since its next bytes belong to this request still.
    fn leaves_body_unread(&self) -> bool {
        matches!(
            self,
            Self::ClientBroke
                | Self::ClientTimedOut
                | Self::ClientTooSlow
                | Self::Framing(_)
                | Self::Head(_)
                | Self::Requests { closes: true }
                | Self::NoCapacity(_)
                | Self::TooLarge
        )
    }

    fn told(&self) -> Told {
        let (status, code, message) = match self {
            Self::Ale(_) | Self::Whole(_) | Self::ClientBroke | Self::Framing(_) => {
                (StatusCode::BAD_REQUEST, 100, "Malformed request")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 101, "Payload too large"),
            Self::ClientTimedOut | Self::ClientTooSlow => {
                (StatusCode::REQUEST_TIMEOUT, 102, "Request not received in time")
            }
            Self::Upstream(SendFault::Connect(ConnectFault::Refused(_) | ConnectFault::Tls(_))) => {
                (StatusCode::BAD_GATEWAY, 103, "Upstream not reachable")
            }
            Self::Reply(_) | Self::Upstream(SendFault::Broke(_) | SendFault::GoingAway) => {
                (StatusCode::BAD_GATEWAY, 104, "Upstream broke the exchange")
            }
            Self::Origin => (StatusCode::FORBIDDEN, 112, "Origin not allowed"),
            Self::NoRoute => (StatusCode::NOT_FOUND, 114, "No route"),
            Self::NoCapacity(_) | Self::NoCapacityForReply(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, 105, "No capacity")
            }
            Self::Requests { .. } => (StatusCode::SERVICE_UNAVAILABLE, 117, "Overloaded"),
            Self::Sessions => (StatusCode::SERVICE_UNAVAILABLE, 118, "Too many WebSockets"),
            Self::Head(_) => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, 119, "Request head too large"),
            Self::NoSealingKey => (StatusCode::SERVICE_UNAVAILABLE, 106, "No usable key"),
            Self::ReplayStore => (StatusCode::SERVICE_UNAVAILABLE, 113, "Replay store not reachable"),
            Self::UpstreamTimedOut | Self::Upstream(SendFault::Connect(ConnectFault::TimedOut)) => {
                (StatusCode::GATEWAY_TIMEOUT, 107, "Upstream not in time")
            }
            Self::Unbelieved(_) => (StatusCode::BAD_GATEWAY, 108, "Reply not believed"),
            Self::NoWebSocket => (StatusCode::NOT_FOUND, 115, "No WebSocket here"),
            Self::Unsealable(_) => (StatusCode::BAD_GATEWAY, 116, "Reply cannot be sealed"),
            Self::EventStream => (StatusCode::BAD_GATEWAY, 109, "Event stream cannot be held"),
            Self::ReplyTooLarge => (StatusCode::BAD_GATEWAY, 110, "Reply too large"),
            Self::Peer { status, .. } => (*status, 111, "Peer answered with an unsealed error"),
        };
        let peer = if let Self::Peer { code, .. } = self { *code } else { None };
        Told { status, code, message, peer }
    }
}

/// What a client is told under HTTP/1 whose connection is one too many, before it has asked for anything.
pub(crate) fn turned_away() -> Bytes {
    let (status, body) = Failure::Requests { closes: true }.told().into_parts();
    let mut reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    reply.extend_from_slice(&body);
    reply.into()
}

/// Tells the client whether its connection stays.
pub(crate) fn settle_connection(response: &mut Response<ReplyBody>, client: &Client) {
    let is_last = client.activity.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if is_last && response.version() < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // hyper keeps the connection of an HTTP/1.0 client that asked for it only if the reply claims to be HTTP/1.1,
    // which it then writes as 1.0. A reply without a length ends with its connection.
    let may_stay =
        !response.headers().contains_key(CONNECTION) && response.body().size_hint().exact().is_some();
    if response.version() == Version::HTTP_10 && may_stay {
        *response.version_mut() = Version::HTTP_11;
    }
}

impl Told {
    fn into_parts(self) -> (StatusCode, Bytes) {
        let Self { status, code, message, peer } = self;
        let peer = peer.map_or_else(String::new, |peer| format!(r#","peerErrorCode":{peer}"#));
        (status, format!(r#"{{"errorCode":{code},"message":"{message}"{peer}}}"#).into())
    }
}

fn told(code: Option<u64>) -> String {
    code.map_or_else(|| "no errorCode".to_owned(), |code| format!("errorCode {code}"))
}
