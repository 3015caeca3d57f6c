//! One pass over the text: the grammar of RFC 8259, and where each value stands.

use std::ops::Range;

use super::{Kind, Node, Step};

/// Containers within containers; deeper documents are refused.
const DEEPEST: usize = 128;

/// The text is no JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON document, from byte {at} on")]
pub struct NotJson {
    /// Where it ends to be one, counted from 0.
    pub at: usize,
}

/// Every value of `text` in its order.
pub(super) fn scan(text: &[u8]) -> Result<Vec<Node>, NotJson> {
    let text = std::str::from_utf8(text).map_err(|error| NotJson { at: error.valid_up_to() })?;
    let mut scanner = Scanner { text: text.as_bytes(), at: 0, nodes: Vec::new() };
    scanner.document()?;
    Ok(scanner.nodes)
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
}

/// A container that is not closed yet.
struct Open {
    node: usize,
    /// Elements so far; unused in objects.
    elements: usize,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), NotJson> {
        let mut open: Vec<Open> = Vec::new();
        let mut step = Step::Root;
        loop {
            self.blank();
            let opened = self.value(&open, step)?;
            if let Some(node) = opened {
                if open.len() == DEEPEST {
                    return Err(self.fault());
                }
                open.push(Open { node, elements: 0 });
            }
            match self.next_step(&mut open, opened.is_some())? {
                Some(next) => step = next,
                None => break,
            }
        }
        self.blank();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault()) }
    }

    /// Closes what is to be closed, and says how the next value is reached; `None` at the end of the document.
    fn next_step(&mut self, open: &mut Vec<Open>, mut is_fresh: bool) -> Result<Option<Step>, NotJson> {
        loop {
            let Some(container) = open.last_mut() else { return Ok(None) };
            self.blank();
            let is_object = self.nodes[container.node].kind == Kind::Object;
            let close = if is_object { b'}' } else { b']' };
            match self.peek() {
                Some(byte) if byte == close => {
                    self.at += 1;
                    self.nodes[container.node].span.end = self.at;
                    open.pop();
                    is_fresh = false;
                    continue;
                }
                Some(b',') if !is_fresh => self.at += 1,
                Some(_) if is_fresh => {}
                _ => return Err(self.fault()),
            }
            if !is_object {
                let index = container.elements;
                container.elements += 1;
                return Ok(Some(Step::Element(index)));
            }
            self.blank();
            let name = self.string()?;
            self.blank();
            self.expect(b':')?;
            return Ok(Some(Step::Member(name)));
        }
    }

    /// Reads a value that holds no others, or the beginning of one that does, whose node is given back.
    fn value(&mut self, open: &[Open], step: Step) -> Result<Option<usize>, NotJson> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => {
                self.string()?;
                Kind::String
            }
            Some(b't') => self.word(b"true", Kind::Boolean)?,
            Some(b'f') => self.word(b"false", Kind::Boolean)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => self.number()?,
        };
        let opens = matches!(kind, Kind::Object | Kind::Array);
        self.at += usize::from(opens);
        let (parent, depth) = (open.last().map(|open| open.node), open.len());
        self.nodes.push(Node { span: start..self.at, kind, parent, step, depth });
        Ok(opens.then(|| self.nodes.len() - 1))
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fault());
        }
        self.at += word.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<Kind, NotJson> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let count = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.fault()) } else { Ok(()) }
    }

    /// Reads a string with its quotes.
    fn string(&mut self) -> Result<Range<usize>, NotJson> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek().ok_or(self.fault())? {
                b'"' => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                b'\\' => self.escape()?,
                0..0x20 => return Err(self.fault()),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                // A surrogate is half a character, and comes with its other half or not at all.
                match self.unit()? {
                    0xd800..0xdc00 => {
                        let has_other = self.text[self.at..].starts_with(b"\\u");
                        self.at += usize::from(has_other);
                        match if has_other { self.unit()? } else { 0 } {
                            0xdc00..0xe000 => Ok(()),
                            _ => Err(NotJson { at: start }),
                        }
                    }
                    0xdc00..0xe000 => Err(NotJson { at: start }),
                    _ => Ok(()),
                }
            }
            _ => Err(self.fault()),
        }
    }

    /// Reads `u` and four digits.
    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.get(self.at + 1..self.at + 5).ok_or(self.fault())?;
        let unit = digits.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?));
        let unit = unit.ok_or(self.fault())?;
        self.at += 5;
        Ok(unit)
    }

    fn blank(&mut self) {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.text[self.at..].iter().take_while(is_blank).count();
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(self.fault());
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fault(&self) -> NotJson {
        NotJson { at: self.at }
    }
}
