//! Where in a text a byte stands, as a person counts: lines and columns.

use super::Place;

/// The lines of a text, and marks within them, so that a place in a line of megabytes is found as fast as in a short one.
pub struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters begin before each block of [`BLOCK`] bytes.
    marks: Vec<usize>,
}

/// Bytes that are counted anew for a place.
const BLOCK: usize = 256;

impl<'t> Places<'t> {
    /// Goes once through `text`.
    pub fn of(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        let mut before = 0;
        let mark = |block: &[u8]| {
            let mark = before;
            before += characters(block);
            mark
        };
        // Whether the last block is full or not, the end of the text has a mark before it.
        let marks = text.as_bytes().chunks(BLOCK).chain([&[][..]]).map(mark).collect();
        Self { text, lines, marks }
    }

    /// The text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The line and column of a byte of the text; the end for whatever lies beyond.
    pub fn at(&self, at: usize) -> Place {
        let at = at.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines[line - 1];
        let column = if at - start <= BLOCK {
            characters(&self.text.as_bytes()[start..at])
        } else {
            self.characters_before(at) - self.characters_before(start)
        };
        Place { line, column: column + 1 }
    }

    /// The byte at which `line` begins, counted from 1; the end for a line beyond the last.
    pub fn line_start(&self, line: usize) -> usize {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    fn characters_before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        self.marks[block] + characters(&self.text.as_bytes()[block * BLOCK..at])
    }
}

/// How many characters begin in a piece of UTF-8.
fn characters(piece: &[u8]) -> usize {
    piece.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by counting from the beginning.
    fn counted(text: &str, at: usize) -> Place {
        let before = &text[..at];
        let line = before.rsplit('\n').next().unwrap();
        Place { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }

    #[test]
    fn end_of_a_text_has_a_place() {
        for text in ["", "a", "a\n", &"é".repeat(BLOCK / 2), &"a".repeat(BLOCK)] {
            assert_eq!(Places::of(text).at(text.len()), counted(text, text.len()));
            assert_eq!(Places::of(text).at(text.len() + 1), counted(text, text.len()));
        }
    }

    #[test]
    fn lines_begin_behind_line_ends() {
        let places = Places::of("é\n\nab");
        assert_eq!([0, 1, 2, 3, 4].map(|line| places.line_start(line)), [0, 0, 3, 4, 6]);
    }

    proptest! {
        #[test]
        fn place_is_that_of_counting(
            pieces in proptest::collection::vec(("[a-zé☕\n]{0,30}", 1..60usize), 1..6),
            chosen in proptest::collection::vec(any::<proptest::sample::Index>(), 20),
        ) {
            let text: String = pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect();
            let starts: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let places = Places::of(&text);
            for at in chosen.iter().map(|index| *index.get(&starts)) {
                prop_assert_eq!(places.at(at), counted(&text, at));
            }
        }
    }
}
