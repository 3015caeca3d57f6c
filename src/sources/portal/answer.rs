//! What an answer is, judged by its head and then by its bytes as they arrive.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, LOCATION, RETRY_AFTER, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use zeroize::Zeroizing;

use super::url::Astray;
use super::{FetchFault, PortalUrl, Validator};

/// The longest wait that a portal can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// A buffer's first size, unless the answer says that it needs less.
const FIRST_ROOM: usize = 64 * 1024;
/// As much of what a portal says as a log line bears.
const MOST_TOLD: usize = 40;

/// What a fetch brought.
pub enum Answer {
    /// The document as it is now.
    Document {
        /// Its text, which is a secret.
        text: Zeroizing<String>,
        /// With which to ask whether it has changed.
        validator: Option<Validator>,
    },
    /// It is what it was when it had the validator that was asked with.
    NotModified,
}

/// Where one request led.
pub(super) enum Step {
    Answered(Answer),
    Redirected(PortalUrl),
}

/// What to hold an answer to.
pub(super) struct Expected<'a> {
    /// The URL that was asked.
    pub(super) url: &'a PortalUrl,
    /// Whether it was asked for a document only if that has changed.
    pub(super) conditional: bool,
    /// The most bytes.
    pub(super) limit: u64,
}

impl Expected<'_> {
    /// Reads the answer to its end, or to where it turns out to be none.
    pub(super) async fn take(&self, response: Response<Incoming>) -> Result<Step, FetchFault> {
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::OK => {
                check_codings(&head.headers)?;
                let validator = Validator::of(&head.headers);
                let text = self.text(&head.headers, body).await?;
                Ok(Step::Answered(Answer::Document { text, validator }))
            }
            StatusCode::NOT_MODIFIED if self.conditional => Ok(Step::Answered(Answer::NotModified)),
            StatusCode::NOT_MODIFIED => Err(FetchFault::NotModifiedUnasked),
            status if is_redirect(status) => Ok(Step::Redirected(self.redirected(status, &head.headers)?)),
            status => {
                let retry_after = match status {
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                        retry_after(&head.headers, Timestamp::now())
                    }
                    _ => None,
                };
                Err(FetchFault::Status { status, retry_after })
            }
        }
    }

    fn redirected(&self, status: StatusCode, head: &HeaderMap) -> Result<PortalUrl, FetchFault> {
        let nowhere = || FetchFault::RedirectNowhere(status);
        let location = head.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(nowhere)?;
        self.url.follow(location).map_err(|astray| match astray {
            Astray::Elsewhere(origin) => FetchFault::RedirectElsewhere(origin),
            Astray::Unreadable => nowhere(),
        })
    }

    async fn text<B>(&self, head: &HeaderMap, body: B) -> Result<Zeroizing<String>, FetchFault>
    where
        B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        let too_large = || FetchFault::TooLarge { limit: self.limit };
        let promised = content_length(head);
        if promised.is_some_and(|promised| promised > self.limit) {
            return Err(too_large());
        }
        let mut wiping = WipingBuffer::with_room(promised);
        let mut body = body;
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(FetchFault::from_hyper)?.into_data() else { continue };
            if (wiping.bytes.len() as u64).saturating_add(piece.len() as u64) > self.limit {
                return Err(too_large());
            }
            wiping.append(&piece);
        }
        if wiping.bytes.is_empty() {
            return Err(FetchFault::Empty);
        }
        wiping.into_text().ok_or(FetchFault::NotUtf8)
    }
}

/// Bytes that leave no copies behind: a vector that grew by itself would.
struct WipingBuffer {
    bytes: Zeroizing<Vec<u8>>,
}

impl WipingBuffer {
    /// What is promised is believed up to a point only, so that nobody has memory set aside by a promise.
    fn with_room(promised: Option<u64>) -> Self {
        let room = promised.and_then(|promised| usize::try_from(promised).ok()).unwrap_or(FIRST_ROOM);
        Self { bytes: Zeroizing::new(Vec::with_capacity(room.min(FIRST_ROOM))) }
    }

    fn append(&mut self, piece: &[u8]) {
        let needed = self.bytes.len().saturating_add(piece.len());
        if needed > self.bytes.capacity() {
            let room = needed.max(self.bytes.capacity().saturating_mul(2));
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// The same memory as text; wiped if it is none.
    fn into_text(mut self) -> Option<Zeroizing<String>> {
        match String::from_utf8(std::mem::take(&mut *self.bytes)) {
            Ok(text) => Some(Zeroizing::new(text)),
            Err(error) => {
                let _wiped = Zeroizing::new(error.into_bytes());
                None
            }
        }
    }
}

/// RFC 9110 §15.4: those that lead somewhere by `location`.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// What was asked for with `accept-encoding: identity` comes so, or it is not what was asked for. hyper takes off
/// `chunked` and knows no other coding.
fn check_codings(head: &HeaderMap) -> Result<(), FetchFault> {
    let others = head.get_all(CONTENT_ENCODING).iter().map(|value| (value, "identity"));
    let others = others.chain(head.get_all(TRANSFER_ENCODING).iter().map(|value| (value, "chunked")));
    for (value, harmless) in others {
        let plain = value.to_str().is_ok_and(|value| value.trim().eq_ignore_ascii_case(harmless));
        if !plain {
            return Err(FetchFault::Encoded(told(value.as_bytes())));
        }
    }
    Ok(())
}

fn told(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(MOST_TOLD).collect()
}

fn content_length(head: &HeaderMap) -> Option<u64> {
    head.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// RFC 9110 §10.2.3: seconds or a date. What is over, or cannot be read, asks for nothing.
fn retry_after(head: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = head.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long wait as well.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(date.duration_since(now)).ok()?
    };
    Some(wait.min(LONGEST_WAIT)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn head(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut head = HeaderMap::new();
        for (name, value) in fields {
            head.append(name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn wait_is_told_in_seconds_or_as_a_date_and_is_an_hour_at_most() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let seconds = |value| retry_after(&head(&[(RETRY_AFTER, value)]), now).map(|wait| wait.as_secs());
        assert_eq!(seconds("1"), Some(1));
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("3600"), Some(3600));
        assert_eq!(seconds("3601"), Some(3600));
        assert_eq!(seconds("99999999999999999999999999"), Some(3600));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(seconds("Sun, 06 Nov 1994 18:49:37 GMT"), Some(3600));
        for nothing in
            ["0", "", "-1", "1.5", "soon", "Sun, 06 Nov 1994 08:49:00 GMT", "Sun, 06 Nov 1994 08:48:00 GMT"]
        {
            assert_eq!(seconds(nothing), None, "{nothing}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn answer_in_any_coding_but_its_own_is_refused() {
        for plain in [
            &[][..],
            &[(CONTENT_ENCODING, "identity")],
            &[(CONTENT_ENCODING, "Identity"), (TRANSFER_ENCODING, "Chunked")],
        ] {
            assert!(check_codings(&head(plain)).is_ok(), "{plain:?}");
        }
        for coded in [
            &[(CONTENT_ENCODING, "gzip")][..],
            &[(CONTENT_ENCODING, "identity"), (CONTENT_ENCODING, "br")],
            &[(CONTENT_ENCODING, "identity, gzip")],
            &[(TRANSFER_ENCODING, "gzip, chunked")],
            &[(TRANSFER_ENCODING, "identity")],
        ] {
            assert!(matches!(check_codings(&head(coded)), Err(FetchFault::Encoded(_))), "{coded:?}");
        }
        let long = HeaderValue::from_str(&"x".repeat(1000)).unwrap();
        let Err(FetchFault::Encoded(told)) = check_codings(&[(CONTENT_ENCODING, long)].into_iter().collect())
        else {
            panic!()
        };
        assert_eq!(told, "x".repeat(MOST_TOLD));
    }

    #[test]
    fn buffer_holds_what_it_was_given_however_it_came() {
        let whole: String = ('a'..='z').cycle().take(300_000).collect();
        for (piece, promised) in [(1, None), (7, Some(0)), (65_537, Some(300_000)), (300_000, Some(u64::MAX))]
        {
            let mut buffer = WipingBuffer::with_room(promised);
            assert!(buffer.bytes.capacity() <= FIRST_ROOM);
            whole.as_bytes().chunks(piece).for_each(|piece| buffer.append(piece));
            assert_eq!(*buffer.into_text().unwrap(), whole);
        }
        let mut buffer = WipingBuffer::with_room(None);
        buffer.append(b"\xff");
        assert!(buffer.into_text().is_none());
    }
}
