//! What has been opened, for as long as a window lasts (P11).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU32;

use super::Receipt;
use crate::crypto::Iv;

/// Remembers pairs of fingerprint and IV, each for the same time, up to a number that is settled at the start.
///
/// Exact: of what it remembers it forgets nothing early but the oldest, and that only for want of room. It holds names
/// and no keys, so a reload of the keys changes nothing. Time is passed in, in milliseconds of a clock that never goes
/// back; a step of the wall clock would open the window again.
///
/// All of its memory is set aside at once, so that nothing is ever copied to another place, and is taken from the system
/// as it is used.
pub struct ReplayWindow {
    lasts: u64,
    capacity: usize,
    hasher: RandomState,
    /// In the order of time, from `oldest` on, and round at the end.
    entries: Vec<Entry>,
    oldest: usize,
    remembered: usize,
    /// Where entries are, each as near behind the place that its hash names as there was room; 0 is free. See [`Pointer`].
    index: Box<[u64]>,
    latest: u64,
    evicted: u64,
}

/// One pair. The fingerprint is in the hash, whose key nobody knows: two names that gave one hash beside one IV would be
/// a chance of 2^-64.
#[derive(Clone, Copy)]
struct Entry {
    iv: [u8; 16],
    hash: u64,
    at: u64,
}

/// What stands in the index: the upper half of an entry's hash, so that the entry itself, which seldom lies in a cache, is
/// looked at only where it is the one; below it the entry's position, from 1 on.
#[derive(Clone, Copy)]
struct Pointer(u64);

impl Pointer {
    fn to(position: usize, hash: u64) -> Self {
        Self(hash >> 32 << 32 | (position as u64 + 1))
    }

    fn position(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize - 1
    }

    fn is_for(self, hash: u64) -> bool {
        self.0 >> 32 == hash >> 32
    }
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is the first, and is remembered now.
    First,
    /// It has been opened before.
    Replayed,
}

/// Places of the index for each entry: half of them stay free, so that few are looked at.
const PLACES: usize = 2;
/// Entries that are over are forgotten as others come, so many for each: one would do to keep up.
const FORGOTTEN_AT_ONCE: usize = 2;

impl ReplayWindow {
    /// What one entry takes in all.
    pub const BYTES_PER_ENTRY: usize = size_of::<Entry>() + PLACES * size_of::<Pointer>();

    /// The most entries that a window can have.
    pub const MOST_ENTRIES: u32 = 100_000_000;

    /// Remembers each pair for `lasts` milliseconds, and at most `capacity` of them.
    pub fn new(lasts: u64, capacity: NonZeroU32) -> Self {
        let capacity = capacity.get().min(Self::MOST_ENTRIES) as usize;
        Self {
            lasts,
            capacity,
            hasher: RandomState::new(),
            entries: Vec::with_capacity(capacity),
            oldest: 0,
            remembered: 0,
            index: vec![0; capacity * PLACES].into_boxed_slice(),
            latest: 0,
            evicted: 0,
        }
    }

    /// Remembers what was opened at `now`, unless it is remembered already.
    pub fn admit(&mut self, receipt: &Receipt, now: u64) -> Admission {
        self.admit_pair(receipt.key.fingerprint.as_str(), &receipt.iv, now)
    }

    /// Whether it was opened before, as far as is remembered.
    pub fn has(&self, receipt: &Receipt, now: u64) -> bool {
        let hash = self.hash(receipt.key.fingerprint.as_str(), &receipt.iv);
        let found = self.find(hash, &receipt.iv);
        found.is_some_and(|place| self.holds(self.entry_at(place), now.max(self.latest)))
    }

    /// How many are remembered; those whose time is over count until they are forgotten.
    pub fn len(&self) -> usize {
        self.remembered
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.remembered == 0
    }

    /// How many were forgotten before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn admit_pair(&mut self, fingerprint: &str, iv: &Iv, now: u64) -> Admission {
        // Threads that ask at one time may come in another order than they looked at the clock.
        self.latest = self.latest.max(now);
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.remembered > 0 && !self.holds(&self.entries[self.oldest], self.latest) {
                self.forget_oldest();
            }
        }
        let hash = self.hash(fingerprint, iv);
        if let Some(place) = self.find(hash, iv) {
            if self.holds(self.entry_at(place), self.latest) {
                return Admission::Replayed;
            }
            // Its entry is over and waits to be forgotten; this is another.
            self.free(place);
        }
        if self.remembered == self.capacity {
            self.evicted += u64::from(self.holds(&self.entries[self.oldest], self.latest));
            self.forget_oldest();
        }
        self.remember(Entry { iv: padded(iv), hash, at: self.latest });
        Admission::First
    }

    fn holds(&self, entry: &Entry, now: u64) -> bool {
        now - entry.at < self.lasts
    }

    fn hash(&self, fingerprint: &str, iv: &Iv) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u8(iv.len().bytes() as u8);
        hasher.write(iv.as_bytes());
        hasher.write(fingerprint.as_bytes());
        hasher.finish()
    }

    fn remember(&mut self, entry: Entry) {
        let position = (self.oldest + self.remembered) % self.capacity;
        // Positions are taken in their order, so this is one that was used before, or the next.
        match self.entries.get_mut(position) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.remembered += 1;
        let mut place = self.home(entry.hash);
        while self.index[place] != 0 {
            place = self.next(place);
        }
        self.index[place] = Pointer::to(position, entry.hash).0;
    }

    fn forget_oldest(&mut self) {
        let position = self.oldest;
        // One that came again after its time has a later entry, and nothing leads to this one any more.
        let leads_here = |place: &usize| Pointer(self.index[*place]).position() == position;
        let place = self.places(self.entries[position].hash).find(leads_here);
        if let Some(place) = place {
            self.free(place);
        }
        self.oldest = (position + 1) % self.capacity;
        self.remembered -= 1;
    }

    /// Where the index leads to this pair.
    fn find(&self, hash: u64, iv: &Iv) -> Option<usize> {
        let iv = padded(iv);
        self.places(hash).find(|place| {
            let is_it = |entry: &Entry| entry.hash == hash && entry.iv == iv;
            Pointer(self.index[*place]).is_for(hash) && is_it(self.entry_at(*place))
        })
    }

    /// The taken places from that of `hash` on, up to the first free one.
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> {
        let home = self.home(hash);
        std::iter::successors(Some(home), |place| Some(self.next(*place)))
            .take_while(|place| self.index[*place] != 0)
    }

    fn entry_at(&self, place: usize) -> &Entry {
        &self.entries[Pointer(self.index[place]).position()]
    }

    /// Frees a place, and has those behind it move up, so that no search ends too early.
    fn free(&mut self, place: usize) {
        let (mut hole, mut place) = (place, self.next(place));
        while self.index[place] != 0 {
            let home = self.home(self.index[place]);
            if self.distance(home, place) >= self.distance(hole, place) {
                self.index[hole] = self.index[place];
                hole = place;
            }
            place = self.next(place);
        }
        self.index[hole] = 0;
    }

    /// Where a hash belongs, by its upper half, which a [`Pointer`] has as well: that times the number of places.
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.index.len() as u64) >> 32) as usize
    }

    fn next(&self, place: usize) -> usize {
        if place + 1 == self.index.len() { 0 } else { place + 1 }
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.index.len() - from }
    }
}

/// Zeros behind an IV of 12 bytes; its length is in the hash.
fn padded(iv: &Iv) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..iv.as_bytes().len()].copy_from_slice(iv.as_bytes());
    bytes
}

#[cfg(test)]
mod tests;
