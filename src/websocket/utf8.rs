//! UTF-8 that comes in pieces.

/// The text is not UTF-8, whatever still comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Remembers the character that a piece broke off in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    begun: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Takes the next piece; fails with the first byte that no continuation could make good.
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.length > 0 {
            let Some((&next, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.begun[self.length] = next;
            self.length += 1;
            match std::str::from_utf8(&self.begun[..self.length]) {
                Ok(_character) => self.length = 0,
                // Of four bytes none is incomplete, so the array is never overrun.
                Err(error) if error.error_len().is_none() => {}
                Err(_never_valid) => return Err(Invalid),
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Invalid);
        }
        let begun = &piece[error.valid_up_to()..];
        self.begun[..begun.len()].copy_from_slice(begun);
        self.length = begun.len();
        Ok(())
    }

    /// The text ends here.
    pub(super) fn finish(self) -> Result<(), Invalid> {
        if self.length == 0 { Ok(()) } else { Err(Invalid) }
    }
}
