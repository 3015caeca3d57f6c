//! Keys that took a while to derive, kept so that each is derived once.

use std::collections::{HashMap, HashSet};

use zeroize::Zeroizing;

use super::SourceKeys;
use crate::crypto::{DerivationId, Pbkdf2};

/// What passphrases gave, for the sources of a process together.
///
/// A reading adds what it needs; [`Self::retain`] drops what no source uses any more. All of it is wiped when it goes.
#[derive(Default)]
pub struct Derivations {
    known: HashMap<DerivationId, Zeroizing<Vec<u8>>>,
    made: u64,
}

impl Derivations {
    /// Keeps what these readings use and drops the rest.
    ///
    /// To be called after each reading that derived anything, with the last good one of every source, and the latest
    /// where that was refused later on, so that the same refused answer is not derived anew at each poll.
    pub fn retain(&mut self, in_use: &[&SourceKeys]) {
        let in_use: HashSet<_> = in_use.iter().flat_map(|source| &source.derived).collect();
        self.known.retain(|id, _| in_use.contains(id));
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many keys were derived so far.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// The key of a passphrase, and by what it is known here.
    pub(super) fn key(&mut self, pbkdf2: &Pbkdf2, passphrase: &[u8], length: usize) -> (DerivationId, &[u8]) {
        let id = pbkdf2.id(passphrase, length);
        let made = &mut self.made;
        let key = self.known.entry(id.clone()).or_insert_with(|| {
            *made += 1;
            pbkdf2.derive(passphrase, length)
        });
        (id, key)
    }
}
