//! By what names one exchange is known beyond this process: the id of the request, and that of the trace it is part of.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rand::{Rng, RngExt};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes that an id of somebody else's may have.
const LONGEST_ID: usize = 128;

/// The names of one exchange, for the log and for whoever is asked next.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    request_id: HeaderValue,
    trace_id: Option<TraceId>,
}

impl Trace {
    /// Those that a head bears. Where it has no usable `x-request-id`, one is made: 32 random hexadecimal digits.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let passed = only(headers, &X_REQUEST_ID).filter(|id| is_usable(id));
        let request_id = passed.map_or_else(|| made(&mut rand::rng()), HeaderValue::clone);
        Self { request_id, trace_id: only(headers, &TRACEPARENT).and_then(TraceId::of) }
    }

    /// The id as the log has it.
    pub(crate) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The id of the trace, if the request is part of one.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_ref().map(TraceId::as_str)
    }

    /// Gives a head the id, whatever it had in its place.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.request_id.clone());
    }
}

/// The id of a trace: 32 hexadecimal digits in lower case, not all of them 0 (W3C Trace Context §3.2.2.3).
#[derive(Clone, Debug)]
struct TraceId(HeaderValue);

impl TraceId {
    const START: usize = 3;
    const END: usize = 35;

    /// W3C Trace Context §3.2: `00-<trace id>-<parent id>-<flags>`; later versions may have more after it.
    fn of(traceparent: &HeaderValue) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        let fields = bytes.get(..55)?;
        let is_hex = |range: &[u8]| range.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_zero = |range: &[u8]| range.iter().all(|&byte| byte == b'0');
        let (version, trace, parent, flags) =
            (&fields[..2], &fields[Self::START..Self::END], &fields[36..52], &fields[53..]);
        let ends = match version {
            b"00" => bytes.len() == fields.len(),
            _ => bytes.get(55).is_none_or(|&byte| byte == b'-'),
        };
        let is_valid = [fields[2], fields[35], fields[52]] == *b"---"
            && [version, trace, parent, flags].into_iter().all(is_hex)
            && version != b"ff"
            && !is_zero(trace)
            && !is_zero(parent)
            && ends;
        is_valid.then(|| Self(traceparent.clone()))
    }

    fn as_str(&self) -> &str {
        self.0.to_str().ok().and_then(|text| text.get(Self::START..Self::END)).unwrap_or_default()
    }
}

/// The one value of a field; none if there are several, of which nobody could say which is meant.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_usable(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn made(rng: &mut impl Rng) -> HeaderValue {
    let digits = const_hex::encode(rng.random::<[u8; 16]>());
    HeaderValue::from_maybe_shared(Bytes::from(digits)).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &[(&'static str, &str)]) -> Trace {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Trace::of(&headers)
    }

    fn is_made(trace: &Trace) -> bool {
        let id = trace.request_id();
        id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn an_id_that_is_given_stays() {
        for id in ["a", "0f4b8a52-6d3e-4b1f-9d0a-1b2c3d4e5f60", "Root=1-67891233-abc", &"x".repeat(128)] {
            assert_eq!(trace(&[("x-request-id", id)]).request_id(), id);
        }
    }

    #[test]
    fn an_id_that_nobody_could_use_is_replaced() {
        assert!(is_made(&trace(&[])));
        for id in ["", "two words", "tab\there", &"x".repeat(129)] {
            assert!(is_made(&trace(&[("x-request-id", id)])), "{id:?}");
        }
        assert!(is_made(&trace(&[("x-request-id", "one"), ("x-request-id", "two")])));
    }

    #[test]
    fn no_two_requests_are_given_the_same_id() {
        assert_ne!(trace(&[]).request_id(), trace(&[]).request_id());
    }

    #[test]
    fn the_trace_is_that_of_a_valid_traceparent_alone() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |value: &str| trace(&[("traceparent", value)]).trace_id().map(str::to_owned);
        let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(of(&valid).as_deref(), Some(TRACE));
        assert_eq!(of(&valid.replacen("00", "01", 1)).as_deref(), Some(TRACE), "a later version");
        assert_eq!(of(&format!("{}-more", valid.replacen("00", "cc", 1))).as_deref(), Some(TRACE));
        for wrong in [
            String::new(),
            valid[..54].to_owned(),
            format!("{valid}-more"),
            format!("{}more", valid.replacen("00", "cc", 1)),
            valid.replacen("00", "ff", 1),
            valid.to_uppercase(),
            valid.replace(TRACE, &"0".repeat(32)),
            valid.replace("00f067aa0ba902b7", &"0".repeat(16)),
            valid.replace('-', "_"),
        ] {
            assert_eq!(of(&wrong), None, "{wrong:?}");
        }
        assert!(trace(&[("traceparent", &valid), ("traceparent", &valid)]).trace_id().is_none());
    }
}
