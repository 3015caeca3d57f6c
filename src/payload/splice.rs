//! A text of which parts are replaced.

use std::ops::Range;

use zeroize::Zeroizing;

/// Replacements in a text, which do not overlap; what is not replaced stays byte for byte.
pub struct Splice<'t> {
    text: &'t [u8],
    edits: Vec<(Range<usize>, Zeroizing<Vec<u8>>)>,
}

impl<'t> Splice<'t> {
    /// No replacement yet.
    pub fn of(text: &'t [u8]) -> Self {
        Self { text, edits: Vec::new() }
    }

    /// Puts `with` in the place of `span`, which is a range of the text; an empty range inserts. Insertions at one place keep
    /// the order in which they are asked for.
    pub fn replace(&mut self, span: Range<usize>, with: impl Into<Zeroizing<Vec<u8>>>) {
        self.edits.push((span, with.into()));
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The text with its replacements. It may hold secrets, and lies in memory once.
    pub fn finish(mut self) -> Vec<u8> {
        // Stable, so that insertions stay in order.
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let added: usize = self.edits.iter().map(|(_, with)| with.len()).sum();
        let mut text = Vec::with_capacity(self.text.len() + added);
        let mut at = 0;
        for (span, with) in &self.edits {
            text.extend_from_slice(self.text.get(at..span.start).unwrap_or_default());
            text.extend_from_slice(with);
            at = at.max(span.end);
        }
        text.extend_from_slice(self.text.get(at..).unwrap_or_default());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_inserted_and_cut_parts_come_in_the_order_of_the_text() {
        let mut edits = Splice::of(b"0123456789");
        assert!(edits.is_empty());
        edits.replace(8..10, b"end".to_vec());
        edits.replace(2..4, b"".to_vec());
        edits.replace(0..0, b"a".to_vec());
        edits.replace(0..0, b"b".to_vec());
        edits.replace(4..5, b"four".to_vec());
        assert!(!edits.is_empty());
        assert_eq!(edits.finish(), b"ab01four567end");
        assert_eq!(Splice::of(b"text").finish(), b"text");
    }
}
