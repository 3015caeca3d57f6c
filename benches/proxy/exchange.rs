//! One exchange of the benchmark: the request as bytes, and what its reply must be.

use crate::envelope::Envelope;
use crate::fault::Fault;
use crate::server::Kind;
use crate::wire::pattern;

/// Which way the bodies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Request and reply have a body of the size.
    BothWays,
    /// A GET without a body, a reply of the size.
    Replies,
}

/// A request, and the means to check its reply.
pub(crate) struct Exchange<'a> {
    pub(crate) who: &'static str,
    /// The whole request, head and body.
    pub(crate) request: Vec<u8>,
    /// Length of the reply's body on the wire.
    pub(crate) reply_length: u64,
    size: usize,
    envelope: Option<&'a Envelope>,
}

impl<'a> Exchange<'a> {
    /// The exchange of `shape` with bodies of `size` bytes, sealed for Alewife and plain for nginx.
    pub(crate) fn new(kind: Kind, shape: Shape, size: usize, envelope: &'a Envelope) -> Result<Self, Fault> {
        let envelope = (kind == Kind::Alewife).then_some(envelope);
        let fields = envelope.map(Envelope::fields).unwrap_or_default();
        let request = match shape {
            Shape::Replies => {
                format!("GET /bytes/{size} HTTP/1.1\r\nhost: kitchen\r\n{fields}\r\n").into_bytes()
            }
            Shape::BothWays => {
                let plaintext = pattern(size);
                let body = envelope.map_or(Ok(plaintext.clone()), |envelope| envelope.seal(&plaintext))?;
                let length = body.len();
                let mut request = format!(
                    "POST /bytes/{size} HTTP/1.1\r\nhost: kitchen\r\ncontent-type: application/octet-stream\r\n\
                     {fields}content-length: {length}\r\n\r\n"
                )
                .into_bytes();
                request.extend_from_slice(&body);
                request
            }
        };
        let reply_length = size as u64 + envelope.map_or(0, Envelope::overhead);
        Ok(Self { who: kind.name(), request, reply_length, size, envelope })
    }

    /// Proves that a reply is the origin's, opened if it was sealed.
    pub(crate) fn prove(&self, sec_iv: Option<&str>, body: Vec<u8>) -> Result<(), Fault> {
        let plaintext = match self.envelope {
            Some(envelope) => envelope.open(sec_iv, &body)?,
            None => body,
        };
        if plaintext == pattern(self.size) { Ok(()) } else { Err(self.wrong("the body is not the origin's")) }
    }

    /// The fault of a reply that is not as expected.
    pub(crate) fn wrong(&self, detail: &'static str) -> Fault {
        Fault::Reply { who: self.who, detail }
    }
}
