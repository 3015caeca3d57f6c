//! Requests that two parsers could read differently: exactly one well-formed request reaches the application, or
//! nothing does and the connection is refused and closed.

use super::strict::StrictOrigin;
use super::{MALFORMED, fill};
use crate::support::{Sidecar, TestKey};

/// What has to come of a request.
enum Fate {
    /// It reaches the application with this request line and this host.
    Passes(&'static str, &'static str),
    /// The sidecar refuses it: code 100.
    Refused,
    /// The sidecar refuses its head: code 119.
    TooLarge,
    /// The HTTP parser refuses it, with this status and no body.
    Unparsed(u16),
}

use Fate::{Passes, Refused, TooLarge, Unparsed};

const HEAD_TOO_LARGE: &str = r#"{"errorCode":119,"message":"Request head too large"}"#;
const SEALED: &str = "{E}content-length: {L}\r\n\r\n{B}";
const CHUNKS: &str = "\r\n{X}\r\n{B}\r\n0\r\n\r\n";

/// The cases, in the order in which they are tried.
struct Table(Vec<(String, Fate)>);

impl Table {
    fn all() -> Self {
        let mut table = Self(Vec::new());
        transfer_encodings(&mut table);
        content_lengths(&mut table);
        chunks(&mut table);
        lines(&mut table);
        hosts(&mut table);
        targets(&mut table);
        request_lines(&mut table);
        sizes(&mut table);
        table
    }

    /// `§` in a pattern stands for `HTTP/1.1 CRLF host: a CRLF envelope`.
    fn add(&mut self, pattern: &str, fate: Fate) {
        self.0.push((pattern.replace('§', "HTTP/1.1\r\nhost: a\r\n{E}"), fate));
    }
}

/// It passes as it is.
fn ok() -> Fate {
    Passes("POST / HTTP/1.1", "a")
}

fn transfer_encodings(table: &mut Table) {
    // hyper refuses by itself what does not end in chunked.
    let unparsed = [
        "chunked, identity",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "chunked,",
        "identity",
        "",
        "gzip",
        "\u{0b}chunked",
        "chunked\u{e9}",
        "chun ked",
    ];
    let refused = ["identity, chunked", "chunked, chunked", "gzip, chunked", ",chunked"];
    let passing = ["chunked", "Chunked", " \t chunked \t"];
    let fates = passing.map(|coding| (coding, ok())).into_iter();
    let fates = fates.chain(refused.map(|coding| (coding, Refused)));
    for (coding, fate) in fates.chain(unparsed.map(|coding| (coding, Unparsed(400)))) {
        table.add(&format!("POST / §transfer-encoding: {coding}\r\n{CHUNKS}"), fate);
    }
    for lines in [
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
    ] {
        table.add(&format!("POST / §{lines}\r\n{CHUNKS}"), Refused);
    }
    let lines = "transfer-encoding: chunked\r\nTransfer-Encoding: identity";
    table.add(&format!("POST / §{lines}\r\n{CHUNKS}"), Unparsed(400));
    // hyper removes the length, and one framing goes on.
    table.add(&format!("POST / §transfer-encoding: chunked\r\ncontent-length: 3\r\n{CHUNKS}"), ok());
    table.add(&format!("POST / §content-length: 3\r\ntransfer-encoding: chunked\r\n{CHUNKS}"), ok());
    table.add(
        &format!("POST / HTTP/1.0\r\nhost: a\r\n{{E}}transfer-encoding: chunked\r\n{CHUNKS}"),
        Unparsed(400),
    );
}

fn content_lengths(table: &mut Table) {
    table.add("POST / §content-length: {L}\r\ncontent-length: {L}\r\n\r\n{B}", ok());
    table.add("POST / §content-length: {L}\r\ncontent-length: 5\r\n\r\n{B}", Unparsed(400));
    for length in [
        "+{L}",
        "-{L}",
        "{L},{L}",
        "{L}, 5",
        "{L} {L}",
        "0x{X}",
        "{L}.0",
        "",
        "99999999999999999999",
        "{L}\u{e9}",
        "\"{L}\"",
    ] {
        table.add(&format!("POST / §content-length: {length}\r\n\r\n{{B}}"), Unparsed(400));
    }
    table.add("POST / §content-length: 00{L}\r\n\r\n{B}", ok());
    table.add("POST / §content-length: \t{L} \r\n\r\n{B}", ok());
}

fn chunks(table: &mut Table) {
    let chunked = "POST / §transfer-encoding: chunked\r\n\r\n";
    table.add(&format!("{chunked}{{X}};a=b\r\n{{B}}\r\n0;c\r\n\r\n"), ok());
    table.add(&format!("{chunked}00{{X}}\r\n{{B}}\r\n000\r\n\r\n"), ok());
    for rest in [
        "{X}\r\n{B}0\r\n\r\n",
        "{X}\r\n{B}\r\n-1\r\n\r\n",
        "+{X}\r\n{B}\r\n0\r\n\r\n",
        "0x{X}\r\n{B}\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\n{B}\r\n0\r\n\r\n",
        "\r\n{X}\r\n{B}\r\n0\r\n\r\n",
        "{X}\n{B}\n0\n\n",
        "zz\r\n{B}\r\n0\r\n\r\n",
        "{X}\r\n{B}\r\n0\r\nbad trailer\r\n\r\n",
        "{X}\rX\n{B}\r\n0\r\n\r\n",
        "{X};a\nb\r\n{B}\r\n0\r\n\r\n",
    ] {
        table.add(&format!("{chunked}{rest}"), Refused);
    }
}

fn lines(table: &mut Table) {
    table.add(&format!("POST / §{}", "content-length: {L}\n\n{B}"), ok());
    table.add("POST / HTTP/1.1\nhost: a\n{E}content-length: {L}\n\n{B}", ok());
    for field in [
        "x-a: b\r\n c: d",
        "x-a: b\r\n\tfold",
        "x-a : b",
        "content-length : 3",
        "x-a\r\nx-b: c",
        ": empty",
        "x\u{e9}: a",
        "x-a: \0",
        "x-a: a\0b",
        "x-a: a\rb",
        "x-a: \u{7f}",
        "x-a: \u{1}",
        "x(a): b",
        " x-a: b",
        "transfer-encoding\t: chunked",
        "x-a: b\r\r",
    ] {
        table.add(&format!("POST / §{field}\r\ncontent-length: {{L}}\r\n\r\n{{B}}"), Unparsed(400));
    }
}

fn hosts(table: &mut Table) {
    let host = |lines: &str| format!("POST / HTTP/1.1\r\n{lines}{SEALED}");
    table.add(&host("host: a\r\nhost: a\r\n"), Refused);
    table.add(&host("host: a\r\nHost: b\r\n"), Refused);
    table.add(&host(""), Refused);
    for bad in ["a b", "a/b", "u@a", "a,b", "a:x", "a\u{e9}", "a?b", "a#b", "a\\b", "[::1"] {
        table.add(&host(&format!("host: {bad}\r\n")), Refused);
    }
    table.add(&host("host: [::1]:80\r\n"), Passes("POST / HTTP/1.1", "[::1]:80"));
    table.add(&host("host: A_b.c:8080\r\n"), Passes("POST / HTTP/1.1", "A_b.c:8080"));
    table.add(&host("host:\r\n"), Passes("POST / HTTP/1.1", ""));
}

fn targets(table: &mut Table) {
    for target in ["/\u{c3}\u{a9}", "/a?\u{c3}\u{a9}"] {
        table.add(&format!("POST {target} §content-length: {{L}}\r\n\r\n{{B}}"), Refused);
    }
    for target in [
        "/\u{ff}",
        "/a?\u{80}",
        "/<",
        "/a?>",
        "/`",
        "?a=b",
        "a?b/c",
        "/\u{c3}\u{a9}#\u{ff}",
        "/a b",
        "/\u{1}",
        "/\u{7f}",
        "/\t",
        "",
        "/\0",
    ] {
        table.add(&format!("POST {target} §content-length: {{L}}\r\n\r\n{{B}}"), Unparsed(400));
    }
    table.add("POST /a#b §content-length: {L}\r\n\r\n{B}", Passes("POST /a HTTP/1.1", "a"));
    table.add("POST http://a/ §content-length: {L}\r\n\r\n{B}", ok());
    table.add("POST http://b/ §content-length: {L}\r\n\r\n{B}", Passes("POST / HTTP/1.1", "b"));
    table.add(&format!("POST http://b/ HTTP/1.1\r\n{SEALED}"), Refused);
    table.add("POST http://u:p@a/ §content-length: {L}\r\n\r\n{B}", Refused);
    table.add("POST a:80 §content-length: {L}\r\n\r\n{B}", Refused);
    table.add("POST a §content-length: {L}\r\n\r\n{B}", Refused);
    table.add("POST * §content-length: {L}\r\n\r\n{B}", Refused);
    table.add("CONNECT a:80 §\r\n", Refused);
    table.add("CONNECT / §content-length: {L}\r\n\r\n{B}", Refused);
    table.add("POST http:// §content-length: {L}\r\n\r\n{B}", Unparsed(400));
}

fn request_lines(table: &mut Table) {
    for line in [
        "POST / HTTP/1.2",
        "POST / HTTP/2.0",
        "POST / http/1.1",
        "POST /  HTTP/1.1",
        "POST  / HTTP/1.1",
        "POST / HTTP/1.1 x",
        "P\u{e9}ST / HTTP/1.1",
        "PO(ST / HTTP/1.1",
        "POST /",
        "POST\t/\tHTTP/1.1",
        " POST / HTTP/1.1",
        "\u{16}\u{3}\u{1}",
        "garbage",
    ] {
        table.add(&format!("{line}\r\nhost: a\r\n{SEALED}"), Unparsed(400));
    }
    for line in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\nhost: a\r\n\r\n"] {
        table.add(line, Unparsed(400));
    }
}

fn sizes(table: &mut Table) {
    table.add(
        &format!("POST / §x-a: {}\r\ncontent-length: {{L}}\r\n\r\n{{B}}", "a".repeat(130_000)),
        TooLarge,
    );
    table.add(
        &format!("POST / §{}content-length: {{L}}\r\n\r\n{{B}}", "x-a: b\r\n".repeat(100)),
        Unparsed(431),
    );
    table.add(&format!("POST /{} §content-length: {{L}}\r\n\r\n{{B}}", "a".repeat(65_534)), Unparsed(414));
    table.add(
        &format!("POST / §x-a: {}\r\ncontent-length: {{L}}\r\n\r\n{{B}}", "a".repeat(140_000)),
        Unparsed(431),
    );
    table.add("PRI * §\r\n", Refused);
    table.add(&format!("\r\n\r\nPOST / HTTP/1.1\r\nhost: a\r\n{SEALED}"), ok());
}

fn run(algorithm: &str) {
    let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let Table(cases) = Table::all();
    assert_eq!(cases.len(), 135);
    let mut wrong = Vec::new();
    for (pattern, fate) in &cases {
        let before = origin.requests().len();
        let mut connection = sidecar.connect();
        connection.send(&fill(pattern, &key, b"plain order"));
        let reply = connection.try_reply("POST").ok();
        let told =
            reply.as_ref().map(|reply| (reply.status, String::from_utf8_lossy(&reply.body).into_owned()));
        let new = origin.requests().split_off(before);
        let holds = match (fate, &told) {
            (Passes(line, host), Some((200, _))) => {
                new.len() == 1
                    && new[0].request_line == *line
                    && new[0].header_all("host") == [*host]
                    && new[0].body == b"plain order"
                    && reply.unwrap().open(&key).unwrap() == b"plain order"
            }
            (Refused, Some((400, body))) => {
                new.is_empty() && body == MALFORMED && connection.closed().unwrap()
            }
            (TooLarge, Some((431, body))) => {
                new.is_empty() && body == HEAD_TOO_LARGE && connection.closed().unwrap()
            }
            (Unparsed(status), Some((told, body))) => {
                new.is_empty() && told == status && body.is_empty() && connection.closed().unwrap()
            }
            _ => false,
        };
        if !holds {
            wrong.push(format!("{pattern:?}: told {told:?}, the application got {new:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn unclear_requests_are_refused_and_clear_ones_pass_once_under_gcm() {
    run("AES-256-GCM");
}

#[test]
fn unclear_requests_are_refused_and_clear_ones_pass_once_under_ctr() {
    run("AES-256-CTR");
}

/// Two requests in one write, the second smuggled behind what only some parsers take for the end of the first.
#[test]
fn nothing_that_follows_a_refused_request_is_read_as_a_request() {
    let (origin, key) = (StrictOrigin::echo(), TestKey::new("AES-256-GCM"));
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let second = key.request("POST", "/smuggled", "", b"smuggled");
    for first in [
        "POST / HTTP/1.1\r\nhost: a\r\nhost: b\r\n{E}content-length: {L}\r\n\r\n{B}",
        "POST / HTTP/1.1\r\n{E}content-length: {L}\r\n\r\n{B}",
        "POST / HTTP/1.1\r\nhost: a\r\n{E}transfer-encoding: identity, chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\n{E}transfer-encoding: chunked\r\n\r\n{X}\r\n{B}0\r\n\r\n",
        "POST /\u{c3}\u{a9} HTTP/1.1\r\nhost: a\r\n{E}content-length: {L}\r\n\r\n{B}",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x, chunked\r\n{E}content-length: 0\r\n\r\n0\r\n\r\n",
    ] {
        let mut connection = sidecar.connect();
        connection.send(&[fill(first, &key, b"order"), second.clone()].concat());
        let reply = connection.reply("POST");
        assert_eq!((reply.status, reply.text()), (400, MALFORMED), "{first}");
        assert!(connection.closed().unwrap());
    }
    assert!(origin.requests().is_empty());
}
