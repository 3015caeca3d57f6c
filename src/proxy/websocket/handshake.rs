//! What a WebSocket's handshake asks for, and what an answer must be to be one (RFC 6455 §4).

use http::header::{
    self, CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use crate::proxy::forward::{FramingFault, HandshakeFault, elements};
use crate::websocket::accept_key;

/// A client's handshake, as far as the answer is held to it.
pub(crate) struct Handshake {
    accept: [u8; 28],
    protocols: Vec<HeaderValue>,
}

impl Handshake {
    /// `None` for a request that is something else. To be asked before the hop-by-hop fields are taken out.
    pub(crate) fn asked_by(head: &Parts, has_body: bool) -> Result<Option<Self>, FramingFault> {
        let asks = |name: &HeaderName, token: &[u8]| {
            elements(&head.headers, name).any(|element| element.eq_ignore_ascii_case(token))
        };
        let is_handshake = head.headers.contains_key(UPGRADE)
            && head.method == Method::GET
            && head.version == Version::HTTP_11
            && asks(&UPGRADE, b"websocket")
            && asks(&CONNECTION, b"upgrade");
        if !is_handshake {
            return Ok(None);
        }
        let mut keys = head.headers.get_all(SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None, false) = (keys.next(), keys.next(), has_body) else {
            return Err(FramingFault::Handshake);
        };
        let protocols = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect();
        Ok(Some(Self { accept: accept_key(key.as_bytes()), protocols }))
    }

    /// Makes an outgoing request the handshake that came in. Extensions are declined for both sides: ciphertext does not
    /// shrink.
    pub(crate) fn ask(headers: &mut HeaderMap) {
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        switch(headers);
    }

    /// Whether a 101 is the answer to this handshake; to be asked before its hop-by-hop fields are taken out.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), HandshakeFault> {
        let only = |name: &HeaderName| {
            let mut lines = headers.get_all(name).iter();
            lines.next().filter(|_| lines.next().is_none()).map(HeaderValue::as_bytes)
        };
        let switches = only(&UPGRADE).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
            && elements(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
        if !switches {
            return Err(HandshakeFault::Upgrade);
        }
        if only(&SEC_WEBSOCKET_ACCEPT) != Some(&self.accept) {
            return Err(HandshakeFault::Accept);
        }
        if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return Err(HandshakeFault::Extension);
        }
        if headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
            && !only(&SEC_WEBSOCKET_PROTOCOL).is_some_and(|chosen| self.offers(chosen))
        {
            return Err(HandshakeFault::Protocol);
        }
        Ok(())
    }

    /// Makes the checked answer that of this side, whose hop-by-hop fields are gone.
    pub(crate) fn agree(headers: &mut HeaderMap) {
        headers.remove(header::CONTENT_LENGTH);
        switch(headers);
    }

    /// The answer that agrees and chooses nothing, but for what [`Handshake::agree`] adds.
    pub(crate) fn accepted(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        if let Ok(accept) = HeaderValue::from_bytes(&self.accept) {
            response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }

    fn offers(&self, chosen: &[u8]) -> bool {
        let lines = self.protocols.iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        !chosen.is_empty() && lines.map(<[u8]>::trim_ascii).any(|offered| offered == chosen)
    }
}

fn switch(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}
