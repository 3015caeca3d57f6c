//! Heads, bodies and messages as they were.

use http::{HeaderMap, Method, Response, Uri, Version};
use jiff::Timestamp;

/// The head of a message, with the trailers that followed it. Names are in small letters, whatever they were on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The request line or the status line.
    pub start: String,
    /// Names and values; bytes that are no UTF-8 are replaced.
    pub fields: Vec<(String, String)>,
    /// Those of the end.
    pub trailers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn of_request(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Self {
        let start = format!("{method} {uri} {version:?}");
        Self { start, fields: fields(headers), trailers: Vec::new() }
    }

    pub(super) fn of_reply<B>(reply: &Response<B>) -> Self {
        let reason = reply.status().canonical_reason().unwrap_or_default();
        let start = format!("{:?} {} {reason}", reply.version(), reply.status().as_u16());
        Self { start: start.trim_end().to_owned(), fields: fields(reply.headers()), trailers: Vec::new() }
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        let of = |fields: &[(String, String)]| {
            fields.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>()
        };
        self.start.len() + of(&self.fields) + of(&self.trailers)
    }
}

pub(super) fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// A body, or as much of it as is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Bytes that there were.
    pub length: u64,
    /// The first of them.
    pub kept: Vec<u8>,
    /// Why none of them is shown, where that is so.
    pub withheld: Option<&'static str>,
}

impl Body {
    /// A body of which at most `most` bytes are kept.
    pub(super) fn of(bytes: &[u8], most: usize) -> Self {
        let mut body = Self::default();
        body.append(bytes, most);
        body
    }

    /// What is appended in all; gives back how many bytes of `piece` are kept.
    pub(super) fn append(&mut self, piece: &[u8], most: usize) -> usize {
        self.length += piece.len() as u64;
        let kept = &piece[..piece.len().min(most.saturating_sub(self.kept.len()))];
        self.kept.extend_from_slice(kept);
        kept.len()
    }

    /// Whether all of it is kept.
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.length
    }
}

/// A message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it went over, or was refused.
    pub at: Timestamp,
    /// Whether the client sent it.
    pub to_server: bool,
    /// Whether it is a text, on the plain side.
    pub text: bool,
    /// As it was on the side where messages are sealed.
    pub sealed: Option<Body>,
    /// As it was on the other one.
    pub plain: Option<Body>,
    /// Why it did not go over.
    pub refused: Option<String>,
}

impl Message {
    pub(super) fn size(&self) -> usize {
        let of = |body: &Option<Body>| body.as_ref().map_or(0, |body| body.kept.len());
        of(&self.sealed) + of(&self.plain) + 96
    }
}
