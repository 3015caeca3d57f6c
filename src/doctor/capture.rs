//! A captured message as it is pasted: a request, headers and body, or one message alone.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Uri};

use super::site;
use crate::payload::json::Json;

/// What was captured of one message.
pub struct Capture {
    pub(super) head: Parts,
    pub(super) body: Vec<u8>,
    pub(super) kind: CaptureKind,
    /// What looks odd about it, whatever it is sealed with.
    pub(super) oddities: Vec<String>,
    /// Whether its head says that there was more of it.
    pub(super) is_cut: bool,
}

/// What a capture was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureKind {
    /// Bytes or text without anything around them.
    Bytes,
    /// Pairs of a form.
    Form,
    /// Headers and a body, without a request line.
    Headers,
    /// A JSON document.
    Json,
    /// A target, or a query that begins with `?`.
    Query,
    /// A whole HTTP/1 request.
    Request,
}

impl CaptureKind {
    /// What it is, in words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Bytes => "a bare message",
            Self::Form => "a form",
            Self::Headers => "headers and body",
            Self::Json => "a JSON document",
            Self::Query => "a query",
            Self::Request => "a request",
        }
    }
}

/// Why a text is no capture. Nothing of it is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureFault {
    /// Nothing is there.
    #[error("nothing was captured: the text is empty")]
    Empty,
    /// A line of a request's head is none.
    #[error("line {line} is not a header such as content-type: application/json")]
    NotAHeader {
        /// Its number, from 1.
        line: usize,
    },
    /// What stands in the request line cannot be a target.
    #[error("the target of the request line is none; spaces and letters beyond ASCII must be escaped")]
    Target,
    /// It is more than doctor takes.
    #[error("the capture is longer than {} bytes", Capture::MOST)]
    TooLong,
}

impl Capture {
    /// Bytes that are taken at most.
    pub const MOST: usize = 1024 * 1024;

    /// Reads what was captured. Lines may end in CRLF or LF; a body is taken as it is.
    pub fn read(text: &[u8]) -> Result<Self, CaptureFault> {
        if text.len() > Self::MOST {
            return Err(CaptureFault::TooLong);
        }
        if text.trim_ascii().is_empty() {
            return Err(CaptureFault::Empty);
        }
        match Self::with_head(text)? {
            Some(capture) => Ok(capture),
            None => Ok(Self::bare(text)),
        }
    }

    /// What it was taken for.
    pub fn kind(&self) -> CaptureKind {
        self.kind
    }

    /// A message that begins with a request line, a status line or headers.
    fn with_head(text: &[u8]) -> Result<Option<Self>, CaptureFault> {
        let (first, after) = next_line(text);
        let start = Start::read(first)?;
        let mut rest = if start.is_some() { after } else { text };
        let mut number = usize::from(start.is_some());
        let mut headers = HeaderMap::new();
        while !rest.is_empty() {
            let (line, after) = next_line(rest);
            rest = after;
            number += 1;
            if line.is_empty() {
                if start.is_none() && headers.is_empty() {
                    return Ok(None);
                }
                let kind = if let Some(Start::Request(..)) = start {
                    CaptureKind::Request
                } else {
                    CaptureKind::Headers
                };
                return Ok(Some(Self::of_parts(start, headers, rest, kind)));
            }
            let added = header(line).and_then(|(name, value)| headers.try_append(name, value).ok());
            match (added, &start) {
                (Some(_), _) => {}
                (None, Some(_)) => return Err(CaptureFault::NotAHeader { line: number }),
                (None, None) => return Ok(None),
            }
        }
        // Without an empty line only a request line makes it a head.
        let Some(Start::Request(..)) = start else { return Ok(None) };
        Ok(Some(Self::of_parts(start, headers, b"", CaptureKind::Request)))
    }

    fn of_parts(start: Option<Start>, headers: HeaderMap, body: &[u8], kind: CaptureKind) -> Self {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::POST;
        if let Some(Start::Request(method, target)) = start {
            head.method = method;
            head.uri = target;
        }
        head.headers = headers;
        let mut oddities = Vec::new();
        let body = real_body(&head.headers, body, &mut oddities);
        let is_cut = !oddities.is_empty();
        if head.headers.contains_key(http::header::CONTENT_ENCODING) {
            oddities.push(
                "content-encoding is set: the body may be compressed as it was captured; capture it uncompressed"
                    .to_owned(),
            );
        }
        Self { head, body, kind, oddities, is_cut }
    }

    /// A message without a head.
    fn bare(text: &[u8]) -> Self {
        let trimmed = text.trim_ascii();
        let is_container = matches!(trimmed.first(), Some(b'{' | b'['));
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::POST;
        let made = |head, body: &[u8], kind| Self {
            head,
            body: body.to_vec(),
            kind,
            oddities: Vec::new(),
            is_cut: false,
        };
        if is_container && Json::parse(trimmed).is_ok() {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return made(head, trimmed, CaptureKind::Json);
        }
        if let Some(target) = target_of(trimmed) {
            head.method = Method::GET;
            head.uri = target;
            return made(head, b"", CaptureKind::Query);
        }
        if site::is_form(trimmed) {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            head.headers.insert(CONTENT_TYPE, form);
            return made(head, trimmed, CaptureKind::Form);
        }
        // White space around a text is the paste's; among bytes it may be the message's.
        let body = if text.is_ascii() { trimmed } else { text };
        made(head, body, CaptureKind::Bytes)
    }
}

/// The first line of a message.
enum Start {
    Request(Method, Uri),
    Status,
}

impl Start {
    fn read(line: &[u8]) -> Result<Option<Self>, CaptureFault> {
        if line.starts_with(b"HTTP/") {
            return Ok(Some(Self::Status));
        }
        let mut words = line.split(|&byte| byte == b' ');
        let (method, target, version) = (words.next(), words.next(), words.next_back());
        let (Some(method), Some(target), Some(version)) = (method, target, version) else { return Ok(None) };
        if !version.starts_with(b"HTTP/") {
            return Ok(None);
        }
        let Ok(method) = Method::from_bytes(method) else { return Ok(None) };
        match (Uri::try_from(target), words.next()) {
            (Ok(target), None) => Ok(Some(Self::Request(method, target))),
            _ => Err(CaptureFault::Target),
        }
    }
}

/// The first line without its end, and what follows it.
fn next_line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match text.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
}

/// A target with a query, or a query with its mark.
fn target_of(text: &[u8]) -> Option<Uri> {
    let query = text.iter().position(|&byte| byte == b'?').map(|at| &text[at + 1..])?;
    let is_target = matches!(text.first(), Some(b'?' | b'/')) || text.starts_with(b"http");
    if !is_target || !site::is_form(query) {
        return None;
    }
    let target = if text.starts_with(b"?") { [b"/", text].concat() } else { text.to_vec() };
    Uri::try_from(target).ok()
}

/// The body that the head speaks of: chunks put together, and without the line end that a paste adds.
fn real_body(headers: &HeaderMap, body: &[u8], oddities: &mut Vec<String>) -> Vec<u8> {
    let is_chunked =
        headers.get(TRANSFER_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if is_chunked && let Some(whole) = of_chunks(body) {
        return whole;
    }
    let stated = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let Some(stated) = stated else {
        let end = if body.is_ascii() { body.trim_ascii_end().len() } else { body.len() };
        return body[..end].to_vec();
    };
    if let Some((real, rest)) = body.split_at_checked(stated)
        && rest.trim_ascii().is_empty()
    {
        return real.to_vec();
    }
    oddities.push(format!(
        "content-length says {stated}, but {} bytes of the body were captured: it was cut, or its line ends were changed",
        body.len()
    ));
    let end = if body.is_ascii() { body.trim_ascii_end().len() } else { body.len() };
    body[..end].to_vec()
}

/// The bytes of a chunked body; `None` where it is not chunked.
fn of_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let (line, rest) = next_line(body);
        let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
        let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        let (chunk, rest) = rest.split_at_checked(length)?;
        whole.extend_from_slice(chunk);
        let (end, rest) = next_line(rest);
        if !end.is_empty() {
            return None;
        }
        body = rest;
    }
}
