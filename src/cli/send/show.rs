//! What `-v` and `--offline` show: both sides of each message.

use std::io::Write;

use bytes::BytesMut;
use http::header::HeaderMap;
use http::request::Parts;
use http::{StatusCode, Version};

use super::super::hexdump;
use crate::keys::Key;
use crate::websocket::Kind;

/// Rows of a hex dump, and lines of a text.
const ROWS: usize = 4;

/// Writes with curl's marks: `>` goes out, `<` comes in, `*` is said about it.
pub(super) struct Show<W> {
    output: W,
    wanted: bool,
}

impl<W: Write> Show<W> {
    pub(super) fn new(output: W, wanted: bool) -> Self {
        Self { output, wanted }
    }

    pub(super) fn note(&mut self, text: &str) {
        self.line('*', text);
    }

    pub(super) fn plain_request(&mut self, head: &Parts, body: &[u8]) {
        self.note("the plain request, which stays here:");
        self.request_head(head);
        self.lines('>', hexdump::readable(body, ROWS));
    }

    pub(super) fn sealed_request(&mut self, head: &Parts, body: &[u8], key: &Key) {
        let (algorithm, fingerprint) = (key.secret.algorithm(), &key.fingerprint);
        self.note(&format!("the sealed request, under {fingerprint} ({algorithm}):"));
        self.request_head(head);
        self.lines('>', hexdump::excerpt(body, ROWS));
    }

    pub(super) fn reply_head(&mut self, about: &str, status: StatusCode, headers: &HeaderMap) {
        self.note(about);
        self.line('<', &status_line(status));
        self.headers('<', headers);
    }

    pub(super) fn sent_message(&mut self, about: &str, envelope: &[u8]) {
        self.note(about);
        self.lines('>', hexdump::readable(envelope, ROWS));
    }

    pub(super) fn received_message(&mut self, kind: Kind, envelope: &[u8]) {
        self.note(match kind {
            Kind::Text => "a text as it came:",
            Kind::Binary => "a binary message as it came:",
        });
        self.lines('<', hexdump::readable(envelope, ROWS));
    }

    pub(super) fn sealed_body(&mut self, bytes: &[u8]) {
        self.lines('<', hexdump::excerpt(bytes, ROWS));
    }

    fn request_head(&mut self, head: &Parts) {
        let target = head.uri.path_and_query().map_or("/", |path| path.as_str());
        self.line('>', &format!("{} {target} HTTP/1.1", head.method));
        self.headers('>', &head.headers);
    }

    fn headers(&mut self, mark: char, headers: &HeaderMap) {
        for (name, value) in headers {
            self.line(mark, &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        self.line(mark, "");
    }

    fn lines(&mut self, mark: char, lines: Vec<String>) {
        lines.iter().for_each(|line| self.line(mark, line));
    }

    fn line(&mut self, mark: char, text: &str) {
        if self.wanted {
            // A peer wrote some of it, and a terminal obeys the controls above U+007F as well.
            let harmless = text.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
            // Nobody is left to be told if this is closed.
            let _ = writeln!(self.output, "{mark} {harmless}");
        }
    }
}

/// The head of a reply as `-i` puts it before the body.
pub(super) fn head_bytes(status: StatusCode, headers: &HeaderMap) -> BytesMut {
    let mut bytes = BytesMut::from(format!("{}\r\n", status_line(status)).as_str());
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn status_line(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("{:?} {} {reason}", Version::HTTP_11, status.as_u16()).trim_end().to_owned()
}
