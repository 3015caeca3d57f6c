//! Other places for IV and fingerprint, for clients that cannot set `sec-*` headers.

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use super::Carriers;
use crate::ale::Refusal;
use crate::metrics::AleReason;
use crate::payload::form;
use crate::profile::StreamProfile;

const IV: HeaderName = HeaderName::from_static("x-ale-iv");
const FINGERPRINT: HeaderName = HeaderName::from_static("x-ale-fingerprint");

/// What names of headers begin with that are of this protocol only.
const RESERVED: &str = "x-ale-";
/// Those of the vendor's own, whatever names the profile has.
const SEC: [&str; 2] = ["sec-iv", "sec-fingerprint"];

/// Where IV and fingerprint stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// In the envelope's own headers, or nowhere.
    Headers,
    /// In `x-ale-iv` and `x-ale-fingerprint`.
    XAle,
    /// In the query.
    Query,
}

/// Whether anything of an envelope stands in any of these places.
pub(crate) fn are_borne(head: &Parts, carriers: Carriers, profile: &StreamProfile) -> bool {
    let borne = |name: &HeaderName| head.headers.contains_key(name);
    let in_headers = profile.carriers().into_iter().any(borne);
    let in_x_ale = carriers.x_ale && [IV, FINGERPRINT].iter().any(borne);
    in_headers || in_x_ale || (carriers.query && parameters(&head.uri).any(|part| carried(part).is_some()))
}

/// Whether anything stands in a request that could be meant for an envelope, open to it here or not. Only what has nothing of
/// the kind is plain on a route that requires sealing of others.
pub(crate) fn could_be_borne(head: &Parts, profile: &StreamProfile) -> bool {
    let is_known = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with(RESERVED) || SEC.contains(&name)
    };
    let in_headers = head.headers.keys().any(is_known)
        || profile.carriers().into_iter().any(|name| head.headers.contains_key(name));
    in_headers || form::pairs(head.uri.query().unwrap_or_default().as_bytes()).any(|pair| is_reserved(&pair))
}

/// However it is escaped, and in capitals or not.
fn is_reserved(pair: &form::Pair<'_>) -> bool {
    let name = pair.name();
    let decoded = form::decode(&name);
    let name = decoded.as_deref().map_or(&*name, |name| &name[..]);
    [IV, FINGERPRINT].iter().any(|known| name.eq_ignore_ascii_case(known.as_str().as_bytes()))
}

/// Moves IV and fingerprint to the envelope's own headers, where they are judged (P1, P2), and out of where they stood.
/// Two carriers at once are errorCode 1.
pub(crate) fn gather(
    head: &mut Parts,
    carriers: Carriers,
    is_handshake: bool,
    profile: &StreamProfile,
) -> Result<Carrier, Refusal> {
    let both = |iv: &HeaderName, fingerprint: &HeaderName, headers: &HeaderMap| {
        headers.contains_key(iv) || headers.contains_key(fingerprint)
    };
    let in_headers = both(&profile.iv, &profile.fingerprint, &head.headers);
    let in_x_ale = carriers.x_ale && both(&IV, &FINGERPRINT, &head.headers);
    let in_query =
        carriers.query && is_handshake && parameters(&head.uri).any(|part| carried(part).is_some());
    match (in_headers, in_x_ale, in_query) {
        (_, false, false) => Ok(Carrier::Headers),
        (false, true, false) => {
            move_all(&mut head.headers, &IV, &profile.iv);
            move_all(&mut head.headers, &FINGERPRINT, &profile.fingerprint);
            Ok(Carrier::XAle)
        }
        (false, false, true) => {
            take_from_query(head, profile)?;
            Ok(Carrier::Query)
        }
        _ => Err(Refusal::headers(AleReason::ConflictingCarriers)),
    }
}

fn move_all(headers: &mut HeaderMap, from: &HeaderName, to: &HeaderName) {
    let values: Vec<_> = headers.get_all(from).iter().cloned().collect();
    headers.remove(from);
    for value in values {
        headers.append(to.clone(), value);
    }
}

fn parameters(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().into_iter().flat_map(|query| query.split('&'))
}

/// The header that a parameter stands for, and its value as written. Names are compared as they stand.
fn carried(parameter: &str) -> Option<(HeaderName, &str)> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    [IV, FINGERPRINT].into_iter().find(|known| *name == *known.as_str()).map(|known| (known, value))
}

/// The rest of the query stays byte for byte.
fn take_from_query(head: &mut Parts, profile: &StreamProfile) -> Result<(), Refusal> {
    for (name, value) in parameters(&head.uri).filter_map(carried) {
        let (name, bad) = if name == IV {
            (&profile.iv, AleReason::BadIv)
        } else {
            (&profile.fingerprint, AleReason::BadFingerprint)
        };
        let value = percent_decoded(value).and_then(|value| HeaderValue::from_bytes(&value).ok());
        head.headers.append(name.clone(), value.ok_or(Refusal::headers(bad))?);
    }
    let rest: Vec<_> = parameters(&head.uri).filter(|part| carried(part).is_none()).collect();
    let target = match rest.as_slice() {
        [] => head.uri.path().to_owned(),
        rest => format!("{}?{}", head.uri.path(), rest.join("&")),
    };
    let mut parts = head.uri.clone().into_parts();
    let target = PathAndQuery::try_from(target).map_err(|_| Refusal::headers(AleReason::BadIv))?;
    parts.path_and_query = Some(target);
    head.uri = Uri::from_parts(parts).map_err(|_| Refusal::headers(AleReason::BadIv))?;
    Ok(())
}

/// RFC 3986 §2.1; a `+` is a `+`. `None` where a `%` is not followed by two hex digits.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?
        } else {
            byte
        });
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    const ALL: Carriers = Carriers { x_ale: true, query: true };

    fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn gathered(head: &mut Parts, carriers: Carriers, is_handshake: bool) -> Result<Carrier, AleReason> {
        gather(head, carriers, is_handshake, &StreamProfile::ale()).map_err(|refusal| refusal.reason)
    }

    fn values<'a>(head: &'a Parts, name: &str) -> Vec<&'a str> {
        head.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn headers_of_the_carrier_become_those_of_the_envelope_with_all_their_values() {
        let mut head = head("/", &[("x-ale-iv", "a"), ("x-ale-fingerprint", "f"), ("x-ale-iv", "b")]);
        assert_eq!(gathered(&mut head, ALL, false), Ok(Carrier::XAle));
        assert_eq!((values(&head, "sec-iv"), values(&head, "sec-fingerprint")), (vec!["a", "b"], vec!["f"]));
        assert_eq!(head.headers.keys().filter(|name| name.as_str().starts_with("x-ale")).count(), 0);
    }

    #[test]
    fn carrier_that_is_off_is_a_header_or_a_parameter_like_any_other() {
        let target = "/?x-ale-iv=a&x-ale-fingerprint=f";
        let mut head = head(target, &[("x-ale-iv", "a"), ("sec-iv", "own"), ("sec-fingerprint", "f")]);
        assert_eq!(gathered(&mut head, Carriers::default(), true), Ok(Carrier::Headers));
        assert_eq!((values(&head, "sec-iv"), values(&head, "x-ale-iv")), (vec!["own"], vec!["a"]));
        assert_eq!(head.uri, target);
    }

    #[test]
    fn nothing_of_an_envelope_may_stand_anywhere_in_what_is_taken_for_plain() {
        let other = StreamProfile { iv: HeaderName::from_static("x-nonce"), ..StreamProfile::ale() };
        let own: [(&str, &[(&str, &str)]); 9] = [
            ("/", &[("sec-iv", "")]),
            ("/", &[("sec-fingerprint", "f")]),
            ("/", &[("x-ale-iv", "a")]),
            ("/", &[("x-ale-fingerprint", "f")]),
            ("/", &[("x-ale-content-encoding", "gzip")]),
            ("/", &[("x-nonce", "a")]),
            ("/?a=b&x-ale-iv", &[]),
            ("/?x%2Dale%2Div=a", &[]),
            ("/?X-Ale-Fingerprint=f", &[]),
        ];
        for (target, headers) in own {
            assert!(could_be_borne(&head(target, headers), &other), "{target} {headers:?}");
        }
        let plain: [(&str, &[(&str, &str)]); 3] = [
            ("/", &[]),
            ("/x-ale-iv?x-ale=1&iv=x-ale-iv&%=", &[("iv", "a"), ("sec-fetch-mode", "cors")]),
            ("/", &[("x-alerts", "sec-iv"), ("sec-websocket-key", "a")]),
        ];
        for (target, headers) in plain {
            assert!(!could_be_borne(&head(target, headers), &other), "{target} {headers:?}");
        }
    }

    #[test]
    fn query_is_looked_at_for_handshakes_only() {
        let target = "/?x-ale-iv=a&x-ale-fingerprint=f";
        let mut head = head(target, &[]);
        assert_eq!(gathered(&mut head, ALL, false), Ok(Carrier::Headers));
        assert_eq!((values(&head, "sec-iv"), head.uri == target), (vec![], true));
    }

    #[test]
    fn parameters_are_decoded_and_taken_out_and_the_rest_of_the_query_stays() {
        let cases = [
            ("/a?x-ale-iv=AA%3d%3D&x-ale-fingerprint=f", "/a", "AA==", "f"),
            ("/a?b=%7E&&x-ale-iv=A+/A&c&x-ale-fingerprint=%66%2B&=", "/a?b=%7E&&c&=", "A+/A", "f+"),
            (
                "/?X-Ale-Iv=1&x-ale-iv=2&x%2Dale-iv=3&x-ale-fingerprint=f",
                "/?X-Ale-Iv=1&x%2Dale-iv=3",
                "2",
                "f",
            ),
        ];
        for (target, rest, iv, fingerprint) in cases {
            let mut head = head(target, &[]);
            assert_eq!(gathered(&mut head, ALL, true), Ok(Carrier::Query), "{target}");
            assert_eq!((head.uri.to_string().as_str(), values(&head, "sec-iv")), (rest, vec![iv]));
            assert_eq!(values(&head, "sec-fingerprint"), [fingerprint]);
        }
    }

    #[test]
    fn parameter_that_is_repeated_is_a_header_that_is_repeated() {
        let mut head = head("/?x-ale-iv=1&x-ale-iv=2", &[]);
        assert_eq!(gathered(&mut head, ALL, true), Ok(Carrier::Query));
        assert_eq!(values(&head, "sec-iv"), ["1", "2"]);
    }

    #[test]
    fn parameter_that_cannot_be_decoded_or_be_a_header_is_refused() {
        for (target, reason) in [
            ("/?x-ale-iv=%4", AleReason::BadIv),
            ("/?x-ale-iv=%zz", AleReason::BadIv),
            ("/?x-ale-iv=%+1", AleReason::BadIv),
            ("/?x-ale-fingerprint=%0a", AleReason::BadFingerprint),
        ] {
            assert_eq!(gathered(&mut head(target, &[]), ALL, true), Err(reason), "{target}");
        }
    }

    #[test]
    fn two_carriers_at_once_are_refused_even_where_each_brings_half() {
        let cases: [(&str, &[(&str, &str)]); 4] = [
            ("/", &[("sec-iv", "a"), ("x-ale-fingerprint", "f")]),
            ("/", &[("sec-fingerprint", "f"), ("sec-iv", "a"), ("x-ale-iv", "a")]),
            ("/?x-ale-iv=a", &[("sec-iv", "a"), ("sec-fingerprint", "f")]),
            ("/?x-ale-iv", &[("x-ale-fingerprint", "f")]),
        ];
        for (target, headers) in cases {
            let result = gathered(&mut head(target, headers), ALL, true);
            assert_eq!(result, Err(AleReason::ConflictingCarriers), "{target} {headers:?}");
        }
    }
    proptest! {
        #[test]
        fn whatever_stands_in_a_query_nothing_of_the_carrier_is_left_and_the_rest_stays(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[!$&-;=?-Z_a-z~%]{0,12}",
                    "x-ale-iv=[!$'-;=?-Z_a-z~%]{0,12}",
                    "x-ale-fingerprint=[!$'-;=?-Z_a-z~%]{0,12}",
                    "x-ale-(iv|fingerprint)",
                    "(%[0-9a-fA-F]{0,2}){0,4}",
                ],
                0..8,
            ),
            iv in proptest::option::of("[ -~]{0,12}"),
        ) {
            let target = format!("/orders?{}", parts.join("&"));
            let headers: Vec<_> = iv.iter().map(|iv| ("sec-iv", iv.as_str())).collect();
            prop_assume!(target.parse::<Uri>().is_ok());
            let mut head = head(&target, &headers);
            let own = |parameter: &&str| carried(parameter).is_none();
            let others: Vec<_> = target[8..].split('&').filter(own).map(str::to_owned).collect();
            let carried_any = others.len() < target[8..].split('&').count();
            match gathered(&mut head, ALL, true) {
                Ok(Carrier::Query) => {
                    prop_assert!(carried_any && iv.is_none());
                    let rest = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
                    prop_assert_eq!(head.uri.to_string(), format!("/orders{rest}"));
                }
                Ok(_) => prop_assert!(!carried_any && head.uri == target[..]),
                Err(AleReason::ConflictingCarriers) => prop_assert!(carried_any && iv.is_some()),
                Err(reason) => {
                    prop_assert!(carried_any);
                    prop_assert!(matches!(reason, AleReason::BadIv | AleReason::BadFingerprint));
                }
            }
        }
    }
}
