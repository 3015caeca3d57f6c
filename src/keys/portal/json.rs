//! JSON read where it stands: nothing of the text is copied but strings with escapes, and those copies are wiped.
//!
//! serde_json takes the text apart into pieces of itself, which know their place by their address. Its way over a value
//! that is not looked into keeps its state in a list, so neither does a deep document exhaust the stack.

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A value of a document, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Node<'t> {
    raw: &'t RawValue,
    /// The address of the document's first byte.
    base: usize,
}

impl<'t> Node<'t> {
    /// The one value of which `text` consists.
    pub(super) fn root(text: &'t str) -> Result<Self, serde_json::Error> {
        Ok(Self { raw: serde_json::from_str(text)?, base: text.as_ptr() as usize })
    }

    /// The byte of the document at which the value begins.
    pub(super) fn at(self) -> usize {
        // A value that is borrowed from the text lies within it.
        (self.raw.get().as_ptr() as usize).saturating_sub(self.base)
    }

    pub(super) fn kind(self) -> Kind {
        match self.raw.get().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn elements(self) -> Vec<Self> {
        // Only lists are asked, so that no error of serde can come up, which might quote a value.
        let list = if self.kind() == Kind::List { self.raw.get() } else { "[]" };
        let list: Vec<&'t RawValue> = serde_json::from_str(list).unwrap_or_default();
        list.into_iter().map(|raw| Self { raw, ..self }).collect()
    }

    /// The members of an object with their names, repeated ones included; none of anything else.
    pub(super) fn members(self) -> Vec<(Self, Self)> {
        let object = if self.kind() == Kind::Object { self.raw.get() } else { "{}" };
        let Members(members) = serde_json::from_str(object).unwrap_or_default();
        let node = |raw| Self { raw, ..self };
        members.into_iter().map(|(name, value)| (node(name), node(value))).collect()
    }

    /// What a string says; `None` for anything else and for half of a surrogate pair, which is no character.
    pub(super) fn text(self) -> Option<Text<'t>> {
        let inner = self.raw.get().strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') { unescaped(inner).map(Text::Unescaped) } else { Some(Text::Plain(inner)) }
    }

    /// `true` or `false`.
    pub(super) fn boolean(self) -> Option<bool> {
        match self.raw.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    List,
    Null,
    Number,
    Object,
    String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "a boolean",
            Self::List => "a list",
            Self::Null => "null",
            Self::Number => "a number",
            Self::Object => "an object",
            Self::String => "a string",
        })
    }
}

/// The text of a string: a piece of the document, or without its escapes a copy that is wiped.
pub(super) enum Text<'t> {
    Plain(&'t str),
    Unescaped(Zeroizing<String>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Unescaped(text) => text,
        }
    }
}

/// Takes the escapes out of what stands between two quotes.
fn unescaped(mut text: &str) -> Option<Zeroizing<String>> {
    // An escape is never shorter than its character, so the copy never has to move.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    while let Some((before, escape)) = text.split_once('\\') {
        plain.push_str(before);
        let (character, rest) = escaped_character(escape)?;
        plain.push(character);
        text = rest;
    }
    plain.push_str(text);
    Some(plain)
}

/// The character of an escape, given without its backslash, and what follows it.
fn escaped_character(escape: &str) -> Option<(char, &str)> {
    let mut characters = escape.chars();
    let character = match characters.next()? {
        '"' => '"',
        '\\' => '\\',
        '/' => '/',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return numbered_character(characters.as_str()),
        _ => return None,
    };
    Some((character, characters.as_str()))
}

/// The character of four hexadecimal digits, or of two such escapes that are a surrogate pair.
fn numbered_character(digits: &str) -> Option<(char, &str)> {
    let (first, rest) = code_unit(digits)?;
    match char::from_u32(u32::from(first)) {
        Some(character) => Some((character, rest)),
        None => {
            let (second, rest) = code_unit(rest.strip_prefix("\\u")?)?;
            let character = char::decode_utf16([first, second]).next()?.ok()?;
            Some((character, rest))
        }
    }
}

fn code_unit(digits: &str) -> Option<(u16, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| all_digits).map(|unit| (unit, rest))
}

/// The members of an object in their order.
#[derive(Default)]
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(text: &str) -> Node<'_> {
        Node::root(text).unwrap()
    }

    #[test]
    fn values_know_their_place() {
        let text = " { \"é\\u0061\" : [1, \"b\" , {}], \"x\":null}";
        let object = root(text);
        assert_eq!((object.at(), object.kind()), (1, Kind::Object));
        let members = object.members();
        let [(name, list), (_, null)] = members[..] else { panic!("two members") };
        assert_eq!(name.text().as_deref(), Some("éa"));
        let elements = list.elements();
        for (node, begins) in
            [(name, "\"é"), (list, "[1"), (elements[1], "\"b"), (elements[2], "{}"), (null, "null")]
        {
            assert!(text[node.at()..].starts_with(begins), "{begins}");
        }
    }

    #[test]
    fn only_lists_have_elements_and_only_objects_members() {
        for text in ["1", "null", "true", "\"[1]\"", "{\"a\":[1]}"] {
            assert!(root(text).elements().is_empty(), "{text}");
        }
        for text in ["1", "null", "true", "\"{}\"", "[{\"a\":1}]"] {
            assert!(root(text).members().is_empty(), "{text}");
        }
    }

    #[test]
    fn repeated_members_are_all_there() {
        assert_eq!(root(r#"{"a":1,"a":2,"\u0061":3}"#).members().len(), 3);
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for text in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\ud83d""#, r#""\ud83d\n""#] {
            assert!(root(text).text().is_none(), "{text}");
        }
        assert_eq!(root(r#""\ud83d\ude00""#).text().as_deref(), Some("😀"));
    }

    #[test]
    fn deep_documents_are_passed_over() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let mut node = root(&deep).members()[0].1;
        for _ in 0..10 {
            node = node.elements()[0];
        }
        assert_eq!(node.kind(), Kind::List);
        assert!(Node::root(&"[".repeat(100_000)).is_err());
        assert!(Node::root(&"{\"a\":".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn strings_read_as_serde_json_reads_them(text in "([\"\\\\/bfnrtu0-9a-fA-FdD é😀]|\\\\u[dD][89a-f][0-9a-f]{2}|\\\\u00[0-9a-f]{2}|\\\\[/bn]){0,12}") {
            let text = format!("\"{text}\"");
            let read = Node::root(&text).ok().and_then(Node::text);
            let oracle: Option<String> = serde_json::from_str(&text).ok();
            prop_assert_eq!(read.as_deref(), oracle.as_deref());
        }
    }
}
