//! Which keys a section has, asked from its type, so that the list is written once.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The names of the fields of `T`, in order of declaration.
pub fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // The answer is the side effect: a struct's implementation names its fields and then gets an error.
    let _ = T::deserialize(Introspection(&mut names));
    names
}

/// Writes down the fields that a struct asks for and gives it nothing.
struct Introspection<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Introspection<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only the fields of a struct are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The one of `known` that `name` is most likely meant to be.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // No key is longer than 64 characters, so neither is a slip; this bounds the work on hostile files.
    if name.len() > 64 {
        return None;
    }
    let tolerance = name.chars().count().div_ceil(3);
    known
        .map(|known| (edits(name, known), known))
        .filter(|(edits, _)| *edits <= tolerance)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, known)| known)
}

/// Levenshtein's distance; an underscore for a hyphen and a capital for a small letter cost nothing.
fn edits(left: &str, right: &str) -> usize {
    let fold = |text: &str| text.replace('-', "_").to_ascii_lowercase().chars().collect::<Vec<_>>();
    let (left, right) = (fold(left), fold(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only the names are asked for")]
    struct Sample {
        first: u8,
        second_one: String,
    }

    #[test]
    fn fields_of_a_struct_are_named_in_order() {
        assert_eq!(fields::<Sample>(), ["first", "second_one"]);
        assert!(fields::<u8>().is_empty());
    }

    #[test]
    fn distance_counts_what_was_typed_wrong() {
        assert_eq!(edits("listen", "listen"), 0);
        assert_eq!(edits("Max-Body", "max_body"), 0);
        assert_eq!(edits("lsiten", "listen"), 2);
        assert_eq!(edits("", "idle"), 4);
        assert_eq!(edits("idle", ""), 4);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn nearest_name_is_meant_unless_it_is_far() {
        let known = ["listen", "upstream", "max_body"];
        let nearest = |name| nearest(name, known.into_iter());
        assert_eq!(nearest("upstraem"), Some("upstream"));
        assert_eq!(nearest("upward"), None);
        assert_eq!(nearest(&"listen".repeat(20)), None);
    }
}
