//! The handshake of a WebSocket (RFC 6455 §4), plain; it is sealed like any request without a body.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};

use super::fault::SendFault;
use crate::crypto::encoding;
use crate::websocket::accept_key;

/// What makes a request a handshake; none of it can be given by `-H`.
const OWN: [HeaderName; 6] = [
    CONNECTION,
    UPGRADE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
];

/// A handshake under way.
pub(super) struct Handshake {
    key: String,
    protocols: HeaderMap,
}

impl Handshake {
    /// Turns the `headers` of a GET into those of a handshake.
    pub(super) fn ask(headers: &mut HeaderMap) -> Result<Self, SendFault> {
        if let Some(name) = OWN.into_iter().find(|name| headers.contains_key(name)) {
            return Err(SendFault::HandshakeHeader(name));
        }
        let key = encoding::base64_encode(&rand::random::<[u8; 16]>());
        let value = HeaderValue::from_str(&key).expect("base64 is visible ASCII");
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, value);
        let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let protocols = protocols.map(|value| (SEC_WEBSOCKET_PROTOCOL, value.clone())).collect();
        Ok(Self { key, protocols })
    }

    /// Whether the `headers` of a 101 answer this handshake (RFC 6455 §4.1).
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), SendFault> {
        let fault = |what| Err(SendFault::Handshake(what));
        if !tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket")) {
            return fault("it does not upgrade to websocket");
        }
        if !tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
            return fault("its connection header does not say upgrade");
        }
        let mut accepts = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        let accept = accept_key(self.key.as_bytes());
        if accepts.next().is_none_or(|value| value.as_bytes() != accept) || accepts.next().is_some() {
            return fault("sec-websocket-accept is not the answer to this handshake's key");
        }
        if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return fault("it names an extension that nobody asked for");
        }
        let asked = |token: &str| tokens(&self.protocols, &SEC_WEBSOCKET_PROTOCOL).any(|own| own == token);
        if !tokens(headers, &SEC_WEBSOCKET_PROTOCOL).all(asked) {
            return fault("it names a subprotocol that nobody asked for");
        }
        Ok(())
    }
}

/// The members of every list that is called `name`; what is not text is in none.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("\0"));
    values.flat_map(|value| value.split(',').map(str::trim_ascii))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(given: &[(HeaderName, &str)]) -> (Handshake, HeaderMap) {
        let fields = given.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let mut headers: HeaderMap = fields.collect();
        let handshake = Handshake::ask(&mut headers).unwrap();
        (handshake, headers)
    }

    /// The headers of a right answer.
    fn answer(handshake: &Handshake) -> HeaderMap {
        let accept = accept_key(handshake.key.as_bytes());
        HeaderMap::from_iter([
            (UPGRADE, HeaderValue::from_static("WebSocket")),
            (CONNECTION, HeaderValue::from_static("keep-alive, Upgrade")),
            (SEC_WEBSOCKET_ACCEPT, HeaderValue::from_bytes(&accept).unwrap()),
        ])
    }

    fn fault(handshake: &Handshake, headers: &HeaderMap) -> &'static str {
        match handshake.check(headers) {
            Err(SendFault::Handshake(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_handshake_asks_as_the_standard_says_with_a_key_of_its_own() {
        let (handshake, headers) = asked(&[]);
        assert_eq!(
            (&headers[CONNECTION], &headers[UPGRADE]),
            (&"Upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        assert_eq!((&headers[SEC_WEBSOCKET_VERSION], headers.len()), (&"13".parse().unwrap(), 4));
        assert_eq!(encoding::base64_decode(headers[SEC_WEBSOCKET_KEY].as_bytes()).unwrap().len(), 16);
        assert_ne!(asked(&[]).0.key, handshake.key);
        assert!(handshake.check(&answer(&handshake)).is_ok());
    }

    #[test]
    fn an_answer_to_another_handshake_or_to_none_is_refused() {
        let (handshake, _) = asked(&[]);
        let accept = "sec-websocket-accept is not the answer to this handshake's key";
        assert_eq!(fault(&handshake, &answer(&asked(&[]).0)), accept);
        let mut twice = answer(&handshake);
        twice.append(SEC_WEBSOCKET_ACCEPT, twice[SEC_WEBSOCKET_ACCEPT].clone());
        assert_eq!(fault(&handshake, &twice), accept);
        let without = |name| {
            let mut headers = answer(&handshake);
            headers.remove(name);
            fault(&handshake, &headers)
        };
        assert_eq!(without(SEC_WEBSOCKET_ACCEPT), accept);
        assert_eq!(without(UPGRADE), "it does not upgrade to websocket");
        assert_eq!(without(CONNECTION), "its connection header does not say upgrade");
    }

    #[test]
    fn extensions_and_protocols_must_have_been_asked_for() {
        let (handshake, _) = asked(&[(SEC_WEBSOCKET_PROTOCOL, "orders.v1, orders.v2")]);
        let with = |name: HeaderName, value: &'static str| {
            let mut headers = answer(&handshake);
            headers.insert(name, HeaderValue::from_static(value));
            headers
        };
        assert!(handshake.check(&with(SEC_WEBSOCKET_PROTOCOL, "orders.v2")).is_ok());
        let unasked = "it names a subprotocol that nobody asked for";
        assert_eq!(fault(&handshake, &with(SEC_WEBSOCKET_PROTOCOL, "orders.v3")), unasked);
        let (without, _) = asked(&[]);
        let mut headers = answer(&without);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("orders.v1"));
        assert_eq!(fault(&without, &headers), unasked);
        let extension = with(SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate");
        assert_eq!(fault(&handshake, &extension), "it names an extension that nobody asked for");
    }

    #[test]
    fn what_makes_a_handshake_cannot_be_given() {
        for name in OWN {
            let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
            let Err(SendFault::HandshakeHeader(named)) = Handshake::ask(&mut headers) else {
                panic!("{name} was taken")
            };
            assert_eq!(named, name);
        }
    }
}
