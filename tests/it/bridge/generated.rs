//! Exchanges as no one would write them by hand: what a client sends and what an application answers, as bytes.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::heard::Fields;
use crate::support::{accept_of, shown};

/// Fields that mean something to a proxy, whose names no other generated field may have.
const MEANINGFUL: [&str; 35] = [
    "accept-encoding",
    "accept-ranges",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "cookie",
    "digest",
    "expect",
    "host",
    "http2-settings",
    "if-range",
    "keep-alive",
    "proxy-connection",
    "range",
    "repr-digest",
    "sec-fingerprint",
    "sec-iv",
    "sec-websocket-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
    "x-ale-content-encoding",
    "x-ale-fingerprint",
    "x-ale-iv",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-gone",
];

/// Bytes that are not printed whole.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

/// How a message says where its body ends.
#[derive(Clone, Debug)]
pub(super) enum Body {
    None,
    Length(Bytes),
    /// Pieces as they are chunked; trailers, and whether the head names them.
    Chunks {
        pieces: Vec<Bytes>,
        extension: bool,
        trailers: Fields,
        named: bool,
    },
    /// A reply up to the end of its connection.
    UntilClose(Bytes),
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    target: String,
    fields: Fields,
    body: Body,
}

/// What an application answers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    reason: String,
    fields: Fields,
    body: Body,
    interim: bool,
}

impl Request {
    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        message(&format!("{} {} HTTP/1.1", self.method, self.target), &self.fields, &self.body, true)
    }
}

impl Reply {
    /// Its bytes as the answer to a request of `method`.
    pub(super) fn bytes(&self, method: &str) -> Vec<u8> {
        let interim = if self.interim { "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" } else { "" };
        let bodyless = method == "HEAD" || matches!(self.status, 204 | 304);
        let start = format!("HTTP/1.1 {} {}", self.status, self.reason);
        [interim.as_bytes(), &message(&start, &self.fields, &self.body, !bodyless)].concat()
    }

    /// Whether its body ends with the connection.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self.body, Body::UntilClose(_))
    }
}

fn message(start: &str, fields: &Fields, body: &Body, with_body: bool) -> Vec<u8> {
    let mut text = format!("{start}\r\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name}: {value}\r\n"));
    fields.iter().for_each(|(name, value)| line(name, value));
    match body {
        Body::None => {}
        Body::Length(bytes) => line("Content-Length", &bytes.0.len().to_string()),
        Body::Chunks { trailers, named, .. } => {
            line("Transfer-Encoding", "chunked");
            if *named {
                let names: Vec<&str> = trailers.iter().map(|(name, _)| name.as_str()).collect();
                line("Trailer", &names.join(", "));
            }
        }
        Body::UntilClose(_) => line("Connection", "close"),
    }
    text.push_str("\r\n");
    let mut bytes = wire(&text);
    if with_body {
        bytes.extend(on_the_wire(body));
    }
    bytes
}

fn on_the_wire(body: &Body) -> Vec<u8> {
    match body {
        Body::None => Vec::new(),
        Body::Length(bytes) | Body::UntilClose(bytes) => bytes.0.clone(),
        Body::Chunks { pieces, extension, trailers, .. } => {
            let extension = if *extension { ";why=\"not\"" } else { "" };
            let mut bytes = Vec::new();
            for Bytes(piece) in pieces.iter().filter(|piece| !piece.0.is_empty()) {
                bytes.extend(format!("{:X}{extension}\r\n", piece.len()).into_bytes());
                bytes.extend(piece);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n");
            trailers.iter().for_each(|(name, value)| bytes.extend(wire(&format!("{name}: {value}\r\n"))));
            bytes.extend(b"\r\n");
            bytes
        }
    }
}

/// Characters as bytes: values may hold any above 0x7F.
fn wire(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Requests with every framing.
pub(super) fn requests() -> impl Strategy<Value = Request> {
    let body = prop_oneof![2 => Just(Body::None), 3 => bytes().prop_map(Body::Length), 3 => chunks()];
    (methods(), targets(), request_fields(), body).prop_map(|(method, target, mut fields, body)| {
        fields.push(("Host".to_owned(), "Kitchen.test:81".to_owned()));
        Request { method, target, fields, body }
    })
}

/// Replies with every framing.
pub(super) fn replies() -> impl Strategy<Value = Reply> {
    let status =
        prop_oneof![3 => 200u16..=599, 2 => select(vec![200, 201, 204, 206, 301, 304, 400, 404, 500, 503])];
    let body = prop_oneof![
        1 => Just(Body::Length(Bytes(Vec::new()))),
        3 => bytes().prop_map(Body::Length),
        3 => chunks(),
        1 => bytes().prop_map(Body::UntilClose),
    ];
    let reason = "[!-~\u{80}-\u{ff}]([ -~\u{80}-\u{ff}]{0,20}[!-~])?|";
    (status, reason, reply_fields(), body, prop::bool::weighted(0.1))
        .prop_map(|(status, reason, fields, body, interim)| Reply { status, reason, fields, body, interim })
}

/// The heads of a handshake: what a client asks, and what a server that accepts answers.
pub(super) fn handshakes() -> impl Strategy<Value = (Request, Reply)> {
    let extensions =
        option::of(Just(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")));
    let protocol = option::of(Just("order.v1"));
    (targets(), request_fields(), reply_fields(), extensions, protocol, any::<[u8; 16]>()).prop_map(
        |(target, mut asked, mut answered, extensions, protocol, key)| {
            let key = BASE64_STANDARD.encode(key);
            // A handshake names its own connection and has no body to speak of.
            let speaks_otherwise = |(name, _): &(String, String)| {
                let name = name.to_ascii_lowercase();
                !name.starts_with("content-") && name != "connection" && name != "te"
            };
            asked.retain(speaks_otherwise);
            answered.retain(speaks_otherwise);
            asked.extend(
                [("Host", "Kitchen.test:81"), ("Upgrade", "websocket"), ("Connection", "Upgrade")].map(owned),
            );
            asked.extend([("Sec-WebSocket-Key", key.as_str()), ("Sec-WebSocket-Version", "13")].map(owned));
            asked.extend([("Origin", "https://till.test")].map(owned));
            asked.extend(extensions.map(owned));
            asked.extend(protocol.map(|_| owned(("Sec-WebSocket-Protocol", "order.v2, order.v1"))));
            answered.extend([("Upgrade", "websocket"), ("Connection", "Upgrade")].map(owned));
            answered.extend([("Sec-WebSocket-Accept", accept_of(&key).as_str())].map(owned));
            answered.extend(protocol.map(|protocol| owned(("Sec-WebSocket-Protocol", protocol))));
            let request = Request { method: "GET".to_owned(), target, fields: asked, body: Body::None };
            let reason = "Switching Protocols".to_owned();
            (request, Reply { status: 101, reason, fields: answered, body: Body::None, interim: false })
        },
    )
}

fn methods() -> impl Strategy<Value = String> {
    let usual =
        select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]).prop_map(str::to_owned);
    prop_oneof![8 => usual, 1 => "[A-Za-z!#$%&'*+.^_|~-]{1,12}".prop_filter("CONNECT is no request", |m| m != "CONNECT")]
}

fn targets() -> impl Strategy<Value = String> {
    let path = "/[A-Za-z0-9/._~!$&'()*+,;=:@%|^\\\\\\[\\]{}\"-]{0,30}";
    let query = option::of("[A-Za-z0-9/._~!$&'()*+,;=:@%|^?`\\\\\\[\\]{}-]{0,30}");
    let origin = (path, query).prop_map(|(path, query)| match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    });
    prop_oneof![12 => origin.clone(), 1 => origin.prop_map(|target| format!("http://Other.test:82{target}"))]
}

fn request_fields() -> impl Strategy<Value = Fields> {
    let known = select(vec![
        ("Accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("Accept-Encoding", "identity;q=0"),
        ("Authorization", "Bearer a b  c"),
        ("Connection", "keep-alive, X-Gone"),
        ("connection", "x-gone"),
        ("Content-Encoding", "gzip"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("Cookie", "a=1; b=\"2\""),
        ("Digest", "sha-256=AAAA"),
        ("Forwarded", "for=x"),
        ("If-None-Match", "W/\"e\""),
        ("Keep-Alive", "timeout=5"),
        ("Max-Forwards", "3"),
        ("Proxy-Connection", "keep-alive"),
        ("Range", "bytes=0-1"),
        ("TE", "trailers"),
        ("User-Agent", "till/1 (x)"),
        ("Via", "1.0 x"),
        ("Want-Digest", "sha-256"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Request-Id", "till-7/42"),
        ("X-Request-Id", "two words"),
        ("x-forwarded-proto", "https"),
        ("X-Forwarded-Host", "till.test"),
        ("X-Gone", "listed or not"),
    ]);
    fields(known.prop_map(owned))
}

fn reply_fields() -> impl Strategy<Value = Fields> {
    let known = select(vec![
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "no-store"),
        ("Connection", "X-Gone"),
        ("Content-Encoding", "gzip"),
        ("Content-Digest", "sha-256=:AAAA:"),
        ("Content-Type", "text/html"),
        ("Date", "Tue, 24 Nov 2026 12:00:00 GMT"),
        ("ETag", "W/\"e\""),
        ("Keep-Alive", "timeout=5"),
        ("Location", "/elsewhere"),
        ("Server", "kitchen"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("Vary", "accept"),
        ("Via", "1.0 x"),
        ("X-Gone", "listed or not"),
    ]);
    fields(known.prop_map(owned))
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Known fields, and others with any name and value, some repeated.
fn fields(known: impl Strategy<Value = (String, String)>) -> impl Strategy<Value = Fields> {
    let others = vec((names(), vec(values(), 1..3)), 0..5).prop_map(|others| {
        let lines =
            others.into_iter().flat_map(|(name, values)| values.into_iter().map(move |v| (name.clone(), v)));
        lines.collect::<Fields>()
    });
    (vec(known, 0..6), others).prop_map(|(known, others)| [once_each(known), others].concat()).prop_shuffle()
}

/// Of fields that may stand there once only, the first.
fn once_each(fields: Fields) -> Fields {
    let mut kept: Fields = Vec::new();
    for (name, value) in fields {
        let repeatable = matches!(
            name.as_str(),
            "Set-Cookie" | "set-cookie" | "Cookie" | "X-Forwarded-For" | "X-Request-Id" | "Via"
        );
        if repeatable || kept.iter().all(|(known, _)| !known.eq_ignore_ascii_case(&name)) {
            kept.push((name, value));
        }
    }
    kept
}

fn names() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,16}".prop_filter("it would mean something", |name| {
        !MEANINGFUL.contains(&name.to_ascii_lowercase().as_str())
    })
}

fn values() -> impl Strategy<Value = String> {
    "([!-~\u{80}-\u{ff}]([ -~\t\u{80}-\u{ff}]{0,40}[!-~\u{80}-\u{ff}])?)?"
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..300).prop_map(Bytes),
        1 => (any::<u8>(), 1usize..200_000).prop_map(|(seed, length)| long(seed, length)),
    ]
}

/// Many bytes, cheap to make.
pub(super) fn long(seed: u8, length: usize) -> Bytes {
    Bytes((0..length).map(|at| (at * 31 + at / 253) as u8 ^ seed).collect())
}

fn chunks() -> impl Strategy<Value = Body> {
    let trailers = vec((names(), values()), 0..3);
    (vec(bytes(), 0..6), any::<bool>(), trailers, any::<bool>()).prop_map(
        |(pieces, extension, trailers, named)| {
            let named = named && !trailers.is_empty();
            Body::Chunks { pieces, extension, trailers, named }
        },
    )
}
