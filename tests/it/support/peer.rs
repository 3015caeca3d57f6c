//! The other end of an outbound proxy: a server that speaks ALE, made of raw sockets and the test's own envelope.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};

use alewife::crypto::encoding;

use super::{Origin, Received, TestKey};

/// A peer that opens what it gets.
pub(crate) struct Peer {
    origin: Origin,
    key: TestKey,
}

impl Peer {
    /// Seals each opened body and sends it back, with the request's `content-type`.
    pub(crate) fn echo(key: &TestKey) -> Self {
        let own = key.clone();
        Self::answering(key, move |received, stream| {
            let plain = opened(&own, received).unwrap_or_default();
            let media_type = received.header("content-type").unwrap_or("text/plain");
            let extra = format!("content-type: {media_type}\r\n");
            stream.write_all(&sealed_reply(&own, "200 OK", &extra, &plain))
        })
    }

    /// Answers every request with `plain`, sealed.
    pub(crate) fn sealing(
        key: &TestKey,
        status: &'static str,
        headers: &'static str,
        plain: &'static [u8],
    ) -> Self {
        let own = key.clone();
        Self::answering(key, move |_, stream| stream.write_all(&sealed_reply(&own, status, headers, plain)))
    }

    /// Answers every request with these bytes.
    pub(crate) fn fixed(key: &TestKey, reply: &'static [u8]) -> Self {
        Self::answering(key, move |_, stream| stream.write_all(reply))
    }

    /// Answers as `handler` does; its error closes the connection.
    pub(crate) fn answering(
        key: &TestKey,
        handler: impl Fn(&Received, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { origin: Origin::answering(handler), key: key.clone() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// Everything received so far, as it came.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.origin.received()
    }

    /// The only request received, as it came.
    pub(crate) fn only(&self) -> Received {
        self.origin.only()
    }

    pub(crate) fn count(&self) -> usize {
        self.origin.count()
    }

    /// What a received request opens to.
    pub(crate) fn open(&self, received: &Received) -> Option<Vec<u8>> {
        opened(&self.key, received)
    }
}

/// The IV that a request bears; its headers must be there, each once.
pub(crate) fn iv_of(received: &Received) -> Vec<u8> {
    let ivs = received.header_all("sec-iv");
    assert_eq!((ivs.len(), received.header_all("sec-fingerprint").len()), (1, 1), "{received:?}");
    encoding::base64_decode(ivs[0].as_bytes()).expect("base64").to_vec()
}

/// What a request opens to under `key`; a body without a byte stands for none.
pub(crate) fn opened(key: &TestKey, received: &Received) -> Option<Vec<u8>> {
    let iv = iv_of(received);
    assert_eq!(received.header("sec-fingerprint"), Some(key.fingerprint.as_str()));
    if received.body.is_empty() {
        return Some(Vec::new());
    }
    key.open_with(&iv, &received.body)
}

/// A sealed reply with `content-length`; `headers` end in CRLF each.
pub(crate) fn sealed_reply(key: &TestKey, status: &str, headers: &str, plain: &[u8]) -> Vec<u8> {
    let iv = key.fresh_iv();
    reply_of(status, &format!("{headers}{}", key.envelope(&iv)), &key.seal_with(&iv, plain))
}

/// A reply of these very bytes, with `content-length`.
pub(crate) fn reply_of(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
