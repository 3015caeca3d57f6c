//! Messages as text, for the pipe tools: header lines as they were written, an empty line, the raw body.
//!
//! Every byte that need not change is kept: letter case, order, spaces and the end of each line.

use std::io::{self, BufRead, Read, Write};

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, request};

/// More header bytes than this are no message.
const LARGEST_HEAD: u64 = 1024 * 1024;

/// Everything before the body.
pub(super) struct Head {
    start: Option<Line>,
    fields: Vec<Field>,
    /// How the empty line ends, and each line that is added.
    ending: Ending,
}

impl Head {
    /// Reads up to and with the empty line; what follows stays in `input`.
    pub(super) fn read(input: &mut impl BufRead) -> Result<Self, HeadFault> {
        let mut input = input.take(LARGEST_HEAD);
        let (mut start, mut fields) = (None, Vec::new());
        for number in 1.. {
            let line = Line::read(&mut input)?;
            if line.text.is_empty() {
                return Ok(Self { start, fields, ending: line.ending });
            }
            if number == 1 && is_start(&line.text) {
                start = Some(line);
            } else {
                fields.push(Field::parse(line).ok_or(HeadFault::NotAHeader { line: number })?);
            }
        }
        Err(HeadFault::Endless)
    }

    /// The same as the protocol takes it. A message that names no method counts as a POST.
    pub(super) fn parts(&self) -> request::Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method().unwrap_or(Method::POST);
        for field in &self.fields {
            parts.headers.append(field.name.clone(), field.value.clone());
        }
        parts
    }

    /// Removes every field called `name`.
    pub(super) fn remove(&mut self, name: &HeaderName) {
        self.fields.retain(|field| field.name != name);
    }

    /// Gives each field called `from` another name, and its line nothing else.
    pub(super) fn rename(&mut self, from: &HeaderName, to: &HeaderName) {
        for field in self.fields.iter_mut().filter(|field| field.name == from) {
            let colon = field.line.text.iter().position(|&byte| byte == b':').unwrap_or_default();
            field.line.text.splice(..colon, to.as_str().bytes());
            field.name = to.clone();
        }
    }

    /// Adds every field called `name` that `headers` has.
    pub(super) fn append(&mut self, name: &HeaderName, headers: &HeaderMap) {
        for value in headers.get_all(name) {
            self.fields.push(Field::written(name, value, self.ending));
        }
    }

    /// The one length that the header lines state.
    pub(super) fn content_length(&self) -> Result<Option<u64>, HeadFault> {
        let mut stated = self.fields.iter().filter(|field| field.name == CONTENT_LENGTH);
        let Some(first) = stated.next() else { return Ok(None) };
        let digits = first.value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse().ok());
        length.filter(|_| stated.next().is_none()).map(Some).ok_or(HeadFault::BadLength)
    }

    /// States another length, where one is stated.
    pub(super) fn set_content_length(&mut self, length: u64) {
        for field in self.fields.iter_mut().filter(|field| field.name == CONTENT_LENGTH) {
            let end = field.line.text.trim_ascii_end().len();
            let digits = end - field.value.len()..end;
            field.line.text.splice(digits, length.to_string().into_bytes());
            field.value = HeaderValue::from(length);
        }
    }

    /// Writes the lines and the empty one.
    pub(super) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let fields = self.fields.iter().map(|field| &field.line);
        for line in self.start.iter().chain(fields) {
            output.write_all(&line.text)?;
            output.write_all(line.ending.bytes())?;
        }
        output.write_all(self.ending.bytes())
    }

    fn method(&self) -> Option<Method> {
        let text = &self.start.as_ref()?.text;
        Method::from_bytes(text.split(|&byte| byte == b' ').next()?).ok()
    }
}

/// A line without its end.
struct Line {
    text: Vec<u8>,
    ending: Ending,
}

impl Line {
    fn read(input: &mut impl BufRead) -> Result<Self, HeadFault> {
        let mut text = Vec::new();
        input.read_until(b'\n', &mut text)?;
        text.pop_if(|last| *last == b'\n').ok_or(HeadFault::Endless)?;
        let ending = if text.pop_if(|last| *last == b'\r').is_some() { Ending::CrLf } else { Ending::Lf };
        Ok(Self { text, ending })
    }
}

/// A header line, and what it says.
struct Field {
    name: HeaderName,
    value: HeaderValue,
    line: Line,
}

impl Field {
    fn parse(line: Line) -> Option<Self> {
        let colon = line.text.iter().position(|&byte| byte == b':')?;
        let name = HeaderName::from_bytes(&line.text[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line.text[colon + 1..].trim_ascii()).ok()?;
        Some(Self { name, value, line })
    }

    fn written(name: &HeaderName, value: &HeaderValue, ending: Ending) -> Self {
        let text = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
        Self { name: name.clone(), value: value.clone(), line: Line { text, ending } }
    }
}

/// How a line ends.
#[derive(Clone, Copy)]
enum Ending {
    CrLf,
    Lf,
}

impl Ending {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// Why the input does not begin with header lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadFault {
    /// A length that is no number, or more than one.
    #[error("content-length is not one number")]
    BadLength,
    /// No empty line.
    #[error("no empty line ends the headers; a body without headers begins with an empty line")]
    Endless,
    /// The input cannot be read.
    #[error("standard input: {0}")]
    Input(#[from] io::Error),
    /// A line is neither a header nor, as the first, a request or status line.
    #[error("line {line} is not a header such as content-type: application/json")]
    NotAHeader { line: usize },
}

/// Whether the first line is a request line or a status line rather than a header.
fn is_start(text: &[u8]) -> bool {
    let mut words = text.split(|&byte| byte == b' ');
    let (first, last) = (words.next().unwrap_or_default(), words.next_back().unwrap_or_default());
    first.starts_with(b"HTTP/") || last.starts_with(b"HTTP/")
}
