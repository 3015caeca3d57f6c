//! Messages of HTTP/1 as an end of the wire hears them, byte for byte.

use std::fmt;
use std::io;

use crate::support::{Connection, shown};

/// Fields as they stand on the wire: bytes as characters, without the space around values.
pub(super) type Fields = Vec<(String, String)>;

/// One message.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The request line or status line.
    pub(super) start: String,
    pub(super) fields: Fields,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Fields,
    /// Start lines of interim replies.
    pub(super) interim: Vec<String>,
    /// Whether the end of the connection was the end of the body.
    pub(super) until_close: bool,
}

impl Heard {
    /// The next request of a connection; `None` at its end.
    pub(super) fn request(from: &mut Connection) -> Option<Self> {
        let mut heard = Self::head(from).ok()?;
        match (heard.field("transfer-encoding"), heard.field("content-length")) {
            (Some(_), _) => heard.chunks(from).ok()?,
            (None, Some(length)) => heard.body = from.read_some(length.parse().unwrap()).ok()?,
            (None, None) => {}
        }
        Some(heard)
    }

    /// The reply to a request of `method`.
    pub(super) fn reply(from: &mut Connection, method: &str) -> io::Result<Self> {
        let mut interim = Vec::new();
        let mut heard = loop {
            let heard = Self::head(from)?;
            if heard.status() >= 200 {
                break heard;
            }
            interim.push(heard.start);
        };
        heard.interim = interim;
        if method == "HEAD" || matches!(heard.status(), 204 | 304) {
            return Ok(heard);
        }
        match (heard.field("transfer-encoding"), heard.field("content-length")) {
            (Some(_), _) => heard.chunks(from)?,
            (None, Some(length)) => heard.body = from.read_some(length.parse().unwrap())?,
            (None, None) => {
                heard.until_close = true;
                heard.body = from.read_to_close()?;
            }
        }
        Ok(heard)
    }

    /// A head alone, whatever it says of what follows.
    pub(super) fn head(from: &mut Connection) -> io::Result<Self> {
        let head: String = from.read_head()?.into_iter().map(char::from).collect();
        let (start, fields) = head.split_once("\r\n").unwrap();
        Ok(Self { start: start.to_owned(), fields: parsed(fields), ..Self::default() })
    }

    fn chunks(&mut self, from: &mut Connection) -> io::Result<()> {
        while let Some(chunk) = from.read_chunk()? {
            self.body.extend(chunk);
        }
        let mut lines = Vec::new();
        while !lines.ends_with(b"\r\n\r\n") && lines != b"\r\n" {
            lines.extend(from.read_some(1)?);
        }
        self.trailers = parsed(&lines.into_iter().map(char::from).collect::<String>());
        Ok(())
    }

    pub(super) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The first value of `name`.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The members of a comma-separated list, in lower case.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        let lines = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let members = lines.flat_map(|(_, value)| value.split(','));
        members.map(|member| member.trim().to_ascii_lowercase()).collect()
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Puts one field of the name in the place of all, as the first is written.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let written =
            self.fields.iter().map(|(known, _)| known).find(|known| known.eq_ignore_ascii_case(name));
        let written = written.map_or(name, String::as_str).to_owned();
        self.remove(name);
        self.fields.push((written, value.to_owned()));
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, fields, body, trailers, interim, until_close } = self;
        let line = |(name, value): &(String, String)| format!("{name}: {value}");
        f.debug_struct("Heard")
            .field("start", start)
            .field("fields", &fields.iter().map(line).collect::<Vec<_>>())
            .field("body", &shown(body))
            .field("trailers", &trailers.iter().map(line).collect::<Vec<_>>())
            .field("interim", interim)
            .field("until_close", until_close)
            .finish()
    }
}

fn parsed(lines: &str) -> Fields {
    let lines = lines.split("\r\n").filter(|line| !line.is_empty());
    let fields = lines.map(|line| line.split_once(':').expect("a field"));
    fields.map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())).collect()
}
