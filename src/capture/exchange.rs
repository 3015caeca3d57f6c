//! One exchange as it is kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, request};
use jiff::Timestamp;

use super::body::{Body, Head, Message};
use super::{Fault, Half, Side};

/// What an exchange became.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A request and a reply.
    #[default]
    Http,
    /// A WebSocket.
    WebSocket,
}

/// Which side is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// That of the client.
    Inbound,
    /// That of the upstream.
    Outbound,
}

impl Direction {
    /// Where messages are sealed.
    pub fn sealed(self) -> Side {
        match self {
            Self::Inbound => Side::Client,
            Self::Outbound => Side::Upstream,
        }
    }

    /// Where they are plain.
    pub fn plain(self) -> Side {
        match self {
            Self::Inbound => Side::Upstream,
            Self::Outbound => Side::Client,
        }
    }
}

/// The headers of an envelope whose body streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// That of the IV.
    pub iv: HeaderName,
    /// That of the key.
    pub fingerprint: HeaderName,
}

/// How long each part took that was gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Until the sealed message was open and handed on.
    pub opening: Option<Duration>,
    /// Until the upstream began to answer.
    pub upstream: Option<Duration>,
    /// Until the other one was sealed and gone.
    pub sealing: Option<Duration>,
}

/// What a list tells of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its number; later ones have higher ones.
    pub id: u64,
    /// What it became.
    pub kind: Kind,
    /// When its head was there.
    pub started: Timestamp,
    /// The proxy.
    pub proxy: Arc<str>,
    /// Which side is sealed.
    pub direction: Direction,
    /// Who asked.
    pub peer: String,
    /// As it was asked.
    pub method: String,
    /// As it was asked.
    pub target: String,
    /// Whether it has ended; a WebSocket with its session.
    pub done: bool,
    /// What the client got.
    pub status: Option<u16>,
    /// How it ended, as the metrics have it.
    pub outcome: Option<&'static str>,
    /// Why it did not go well: what a developer may know and a peer may not.
    pub reason: Option<String>,
    /// The key's fingerprint, once it is known.
    pub key: Option<String>,
    /// The key's algorithm.
    pub algorithm: Option<String>,
    /// Whether the key's messages have a tag.
    pub authenticated: bool,
    /// Plaintext that was asked.
    pub request_bytes: u64,
    /// Plaintext that was answered.
    pub reply_bytes: u64,
    /// From the head of the request to the end of the reply.
    pub duration: Option<Duration>,
    /// The `x-request-id`.
    pub request_id: String,
    /// The exchange that this one repeats.
    pub repeats: Option<u64>,
    /// What was done to it on purpose.
    pub fault: Option<Fault>,
}

/// What is known of an exchange when it begins.
pub(crate) struct Begun<'a> {
    pub(crate) proxy: &'a Arc<str>,
    pub(crate) direction: Direction,
    pub(crate) peer: IpAddr,
    pub(crate) head: &'a request::Parts,
    pub(crate) request_id: &'a str,
}

/// All that is kept of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured {
    /// What a list tells of it.
    pub summary: Summary,
    /// The headers of its envelope, if it has any.
    pub names: Option<Names>,
    /// How long each part took.
    pub stages: Stages,
    /// The messages of a WebSocket.
    pub messages: Vec<Message>,
    heads: [Option<Head>; 4],
    bodies: [Body; 4],
}

fn place(half: Half, side: Side) -> usize {
    match (half, side) {
        (Half::Request, Side::Client) => 0,
        (Half::Request, Side::Upstream) => 1,
        (Half::Reply, Side::Client) => 2,
        (Half::Reply, Side::Upstream) => 3,
    }
}

impl Captured {
    pub(super) fn new(summary: Summary, names: Option<Names>) -> Self {
        let (heads, bodies) = Default::default();
        Self { summary, names, stages: Stages::default(), messages: Vec::new(), heads, bodies }
    }

    /// A head, if it came to that.
    pub fn head(&self, half: Half, side: Side) -> Option<&Head> {
        self.heads[place(half, side)].as_ref()
    }

    /// A body.
    pub fn body(&self, half: Half, side: Side) -> &Body {
        &self.bodies[place(half, side)]
    }

    pub(crate) fn head_mut(&mut self, half: Half, side: Side) -> &mut Option<Head> {
        &mut self.heads[place(half, side)]
    }

    pub(crate) fn body_mut(&mut self, half: Half, side: Side) -> &mut Body {
        &mut self.bodies[place(half, side)]
    }
}
