//! Values that are not shown, by the names that they bear.
//!
//! What cannot be looked through is not shown either: with a mask, a plain body is shown only where every name in it could be
//! read. A value under a name that is not masked is shown, whatever is in it.

mod names;

use std::ops::Deref;

use crate::capture::{Body, Captured, Half, Head, Side, Summary};
use crate::metrics::Outcome;
use crate::payload::json::{self, Json};
use crate::payload::{Splice, form};
pub use names::{DEFAULT_NAMES, Mask, NotAName};

/// What stands in the place of a value.
const MASKED: &str = "[masked]";

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
        self.line(&mut summary);
        Shown(summary)
    }

    pub(super) fn captured(&self, mut captured: Captured) -> Shown<Captured> {
        if self.is_empty() {
            return Shown(captured);
        }
        self.line(&mut captured.summary);
        for half in [Half::Request, Half::Reply] {
            self.half(&mut captured, half);
        }
        let proves = proves_sealing(&captured);
        for message in &mut captured.messages {
            let plain = message.plain.as_ref().filter(|_| message.refused.is_none());
            let stays = proves
                && plain.zip(message.sealed.as_ref()).is_some_and(|(plain, sealed)| differ(sealed, plain));
            if let Some(sealed) = message.sealed.as_mut().filter(|_| !stays) {
                self.body(&Content::Unknown, sealed);
            }
            if let Some(plain) = &mut message.plain {
                self.body(&Content::Unknown, plain);
            }
        }
        Shown(captured)
    }

    /// The body by itself, of a kind that is not told.
    #[cfg(test)]
    pub(super) fn tried_on(&self, body: &mut Body) {
        self.body(&Content::Unknown, body);
    }

    fn line(&self, summary: &mut Summary) {
        if self.is_empty() {
            return;
        }
        self.text(&mut summary.target, b"& #");
        if self.hides("x-request-id") {
            MASKED.clone_into(&mut summary.request_id);
        }
    }

    fn half(&self, captured: &mut Captured, half: Half) {
        let direction = captured.summary.direction;
        let (sealed, plain) = (direction.sealed(), direction.plain());
        // A request was opened or sealed once it went on. A reply that was refused is another's than what was handed on.
        let passed = match half {
            Half::Request => captured.head(half, Side::Upstream).is_some(),
            Half::Reply => captured.summary.outcome == Some(Outcome::Answered.label()),
        };
        let stays = passed
            && proves_sealing(captured)
            && differ(captured.body(half, sealed), captured.body(half, plain));
        for side in [Side::Client, Side::Upstream] {
            let content = captured.head(half, side).map_or(Content::Unknown, Content::of);
            if side != sealed || !stays {
                self.body(&content, captured.body_mut(half, side));
            }
            if let Some(head) = captured.head_mut(half, side) {
                self.text(&mut head.start, b"& #");
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
                self.text(value, b"&>");
            }
        }
    }

    /// What may have pairs in it, or a URL with a password.
    fn text(&self, text: &mut String, ends: &[u8]) {
        if let Some(masked) = self.pairs(text.as_bytes(), ends) {
            *text = String::from_utf8_lossy(&masked).into_owned();
        }
        let mut from = 0;
        while let Some(at) = text[from..].find("://").map(|at| from + at + 3) {
            let end = text[at..].find(['/', '?', '#', ' ', '>']).map_or(text.len(), |end| at + end);
            let user = text[at..end].rfind('@').map(|user| at + user);
            if let Some(user) = user {
                text.replace_range(at..user, MASKED);
            }
            from = at;
        }
    }

    /// The pairs of a form, a query, a fragment or a path, if there is anything to mask: a name goes from whatever parts pairs to the
    /// `=`, and a value that is hidden to one of `ends`, whatever else may part pairs for others.
    fn pairs(&self, text: &[u8], ends: &[u8]) -> Option<Vec<u8>> {
        let mut edits = Splice::of(text);
        let (mut at, mut start, mut is_named) = (0, 0, false);
        while let Some(&byte) = text.get(at) {
            at += 1;
            if b"&;?#,<> \"".contains(&byte) {
                (start, is_named) = (at, false);
            } else if byte == b'=' && !is_named {
                is_named = true;
                let name = form::decode(&text[start..at - 1]);
                // What cannot be read may mean anything to whoever reads it all the same.
                if name.is_none_or(|name| self.hides(&String::from_utf8_lossy(&name))) {
                    let value = text[at..].iter().position(|byte| ends.contains(byte));
                    let end = value.map_or(text.len(), |length| at + length);
                    edits.replace(at..end, MASKED.as_bytes().to_vec());
                    at = end;
                }
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
            // What says that it is a form is often JSON all the same.
            Content::Pairs => match self.json(&body.kept) {
                Some(masked) => Ok(masked),
                None if is_form(&body.kept) => Ok(self.pairs(&body.kept, b"&")),
                None => Err("it is no form"),
            },
            Content::Json => self.json(&body.kept).ok_or("it is no JSON"),
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

    /// The document, masked if there is anything to mask; `None` where it is none.
    fn json(&self, text: &[u8]) -> Option<Option<Vec<u8>>> {
        let document = Json::parse(text).ok()?;
        let hidden = document.chosen(|name, around| {
            self.hides(name) || around.is_some_and(|around| self.hides_within(name, around))
        });
        let mut edits = Splice::of(text);
        for span in hidden {
            edits.replace(span, json::escape(MASKED));
        }
        Some((!edits.is_empty()).then(|| edits.finish()))
    }
}

/// Whether what went through was proven to be sealed: a tag was made or verified under a known key, for the whole of the body.
fn proves_sealing(captured: &Captured) -> bool {
    captured.summary.key.is_some() && captured.summary.authenticated && captured.names.is_some()
}

/// Whether one is something else than the other, and not nothing.
fn differ(sealed: &Body, plain: &Body) -> bool {
    let both = sealed.kept.len().min(plain.kept.len());
    both > 0 && sealed.kept[..both] != plain.kept[..both]
}

/// Whether every piece has a name that could be one.
fn is_form(text: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%+*[]:$@!/()".contains(byte);
    let is_pair = |piece: &[u8]| {
        let name = piece.iter().position(|byte| *byte == b'=');
        name.is_some_and(|end| piece[..end].iter().all(is_of_name))
    };
    text.is_ascii() && text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).all(is_pair)
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
        if head.fields.iter().any(|(name, coding)| {
            name == "content-encoding" && !coding.trim().eq_ignore_ascii_case("identity")
        }) {
            return Self::Encoded;
        }
        // Two kinds are none.
        let mut kinds = head.fields.iter().filter(|(name, _)| name == "content-type");
        let (kind, None) = (kinds.next(), kinds.next()) else { return Self::Unknown };
        let kind = kind.map_or("", |(_, value)| value).split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Pairs,
            json if json.ends_with("/json") || json.ends_with("+json") => Self::Json,
            _ => Self::Unknown,
        }
    }
}
