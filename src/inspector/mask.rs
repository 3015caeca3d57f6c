//! Values that are not shown, by the names that they bear.
//!
//! What cannot be looked through is not shown either: with a mask, a plain body is shown only where every name in it could be
//! read. A value under a name that is not masked is shown, whatever is in it.

mod names;

use std::ops::Deref;

use crate::capture::{Body, Captured, Half, Head, Side, Summary};
use crate::payload::json::{self, Json};
use crate::payload::{Splice, form};
pub use names::{DEFAULT_NAMES, Mask, NotAName};

/// What stands in the place of a value.
const MASKED: &str = "[masked]";

/// How deep the documents are that are looked through: the way to each value is gone from the top.
const DEEPEST: usize = 64;

/// What may be shown, and what is not to be shown is not in it.
pub(super) struct Shown<T>(T);

impl<T> Deref for Shown<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Mask {
    pub(super) fn summary(&self, mut summary: Summary) -> Shown<Summary> {
        if !self.is_empty() {
            self.target(&mut summary.target);
        }
        Shown(summary)
    }

    /// The body by itself, of a kind that is not told.
    #[cfg(test)]
    pub(super) fn tried_on(&self, body: &mut Body) {
        self.body(&Content::Unknown, body);
    }

    pub(super) fn captured(&self, mut captured: Captured) -> Shown<Captured> {
        if self.is_empty() {
            return Shown(captured);
        }
        self.target(&mut captured.summary.target);
        for half in [Half::Request, Half::Reply] {
            self.half(&mut captured, half);
        }
        // Only where a key is known and the envelope stands beside the body is all of the body sealed.
        let sealed_whole = captured.summary.key.is_some() && captured.names.is_some();
        for message in &mut captured.messages {
            let plain = message.plain.clone().unwrap_or_default();
            if let Some(sealed) = &mut message.sealed
                && !(sealed_whole && is_sealed(sealed, &plain))
            {
                self.body(&Content::Unknown, sealed);
            }
            if let Some(plain) = &mut message.plain {
                self.body(&Content::Unknown, plain);
            }
        }
        Shown(captured)
    }

    fn half(&self, captured: &mut Captured, half: Half) {
        let direction = captured.summary.direction;
        let sealed_whole = captured.summary.key.is_some() && captured.names.is_some();
        let stays = sealed_whole
            && is_sealed(captured.body(half, direction.sealed()), captured.body(half, direction.plain()));
        for side in [Side::Client, Side::Upstream] {
            let content = captured.head(half, side).map_or(Content::Unknown, Content::of);
            if side != direction.sealed() || !stays {
                self.body(&content, captured.body_mut(half, side));
            }
            if let Some(head) = captured.head_mut(half, side) {
                self.target(&mut head.start);
                self.fields(&mut head.fields);
                self.fields(&mut head.trailers);
            }
        }
    }

    fn fields(&self, fields: &mut [(String, String)]) {
        for (name, value) in fields {
            if self.hides(name) {
                MASKED.clone_into(value);
            } else {
                // That of a referer, or where a redirection leads to.
                self.target(value);
            }
        }
    }

    /// The query of what is a target, or a line with one in it.
    fn target(&self, text: &mut String) {
        let Some(query) = text.find('?').map(|at| at + 1) else { return };
        let end = text[query..].find([' ', '#']).map_or(text.len(), |end| query + end);
        if let Some(masked) = self.pairs(&text.as_bytes()[query..end]) {
            text.replace_range(query..end, &String::from_utf8_lossy(&masked));
        }
    }

    /// The pairs of a form or a query, if there is anything to mask.
    fn pairs(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut edits = Splice::of(text);
        for pair in form::pairs(text) {
            let Some(value) = pair.value.clone() else { continue };
            let name = form::decode(&text[pair.span.start..value.start - 1]);
            // What cannot be read may mean anything to whoever reads it all the same.
            if name.is_none_or(|name| self.hides(&String::from_utf8_lossy(&name))) {
                edits.replace(value, MASKED.as_bytes().to_vec());
            }
        }
        (!edits.is_empty()).then(|| edits.finish())
    }

    fn body(&self, content: &Content, body: &mut Body) {
        if body.length == 0 {
            return;
        }
        let masked = match content {
            _ if !body.is_whole() => Err("it was not kept whole"),
            Content::Encoded => Err("it is compressed"),
            Content::Pairs if body.kept.is_ascii() => Ok(self.pairs(&body.kept)),
            Content::Pairs => Err("it is no form"),
            Content::Json => self.json(&body.kept).ok_or("it is no JSON, or nested too deeply"),
            Content::Unknown => {
                self.json(&body.kept).ok_or("its names cannot be told in a body of this kind")
            }
        };
        match masked {
            Ok(None) => {}
            Ok(Some(masked)) => {
                // It is whole still, and as long as it is now.
                body.length = masked.len() as u64;
                body.kept = masked;
            }
            Err(why) => {
                body.kept.clear();
                body.withheld = Some(why);
            }
        }
    }

    /// The document, masked if there is anything to mask; `None` where it is none, or one that takes too long.
    fn json(&self, text: &[u8]) -> Option<Option<Vec<u8>>> {
        let document = Json::parse(text).ok().filter(|document| document.depth() <= DEEPEST)?;
        let mut hidden: Vec<_> = document
            .leaves()
            .chain(document.containers())
            .filter(|value| self.hides_at(value.pointer().segments()))
            .map(|value| value.span)
            .collect();
        hidden.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let (mut edits, mut end) = (Splice::of(text), 0);
        for span in hidden.into_iter().filter(|span| !span.is_empty()) {
            // What is within one that is hidden is hidden with it.
            if span.start >= end {
                end = span.end;
                edits.replace(span, json::escape(MASKED));
            }
        }
        Some((!edits.is_empty()).then(|| edits.finish()))
    }
}

/// What a body is, by its head.
enum Content {
    Json,
    /// A form.
    Pairs,
    /// Compressed, so that nothing can be told of it.
    Encoded,
    /// It may be JSON all the same.
    Unknown,
}

impl Content {
    fn of(head: &Head) -> Self {
        let field =
            |name: &str| head.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if field("content-encoding").is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
            return Self::Encoded;
        }
        let kind = field("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Pairs,
            json if json.ends_with("/json") || json.ends_with("+json") => Self::Json,
            _ => Self::Unknown,
        }
    }
}

/// Whether `sealed` is no plaintext: what came out of it is something else, or nothing came out and it is no text.
fn is_sealed(sealed: &Body, plain: &Body) -> bool {
    if plain.length == 0 {
        return std::str::from_utf8(&sealed.kept).is_err();
    }
    let both = sealed.kept.len().min(plain.kept.len());
    both > 0 && sealed.kept[..both] != plain.kept[..both]
}
