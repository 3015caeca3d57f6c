//! A number of places, each taken by a guard.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How many may be taken, and how many are.
#[derive(Debug)]
pub(super) struct Places {
    bound: AtomicU32,
    taken: Arc<AtomicU32>,
}

impl Places {
    pub(super) fn new(bound: NonZeroU32) -> Self {
        Self { bound: AtomicU32::new(bound.get()), taken: Arc::default() }
    }

    /// Another bound from now on; what is taken stays so.
    pub(super) fn set_bound(&self, bound: NonZeroU32) {
        self.bound.store(bound.get(), Relaxed);
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Relaxed)
    }

    /// One addition for each that finds a place, whichever worker's: one that finds none takes it back.
    pub(super) fn take(&self) -> Option<Place> {
        let before = self.taken.fetch_add(1, Relaxed);
        let place = Place { taken: Arc::clone(&self.taken) };
        (before < self.bound.load(Relaxed)).then_some(place)
    }
}

/// A place that is given back when this is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub(crate) struct Place {
    taken: Arc<AtomicU32>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(bound: u32) -> Places {
        Places::new(NonZeroU32::new(bound).unwrap())
    }

    #[test]
    fn one_more_than_the_bound_gets_none_and_leaves_no_trace() {
        let places = places(2);
        let first = places.take().unwrap();
        let _second = places.take().unwrap();
        for _ in 0..10 {
            assert!(places.take().is_none());
        }
        assert_eq!(places.taken(), 2);
        drop(first);
        let _third = places.take().unwrap();
        assert!(places.take().is_none());
    }

    #[test]
    fn lower_bound_keeps_what_is_taken_and_gives_nothing_more() {
        let places = places(3);
        let mut taken: Vec<_> = (0..3).map(|_| places.take().unwrap()).collect();
        places.set_bound(NonZeroU32::MIN);
        taken.pop();
        taken.pop();
        assert!(places.take().is_none());
        taken.pop();
        assert!(places.take().is_some());
    }

    #[test]
    fn bound_holds_among_threads_and_every_place_comes_back() {
        let places = places(50);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut held = Vec::new();
                    for round in 0..5000 {
                        held.extend(places.take());
                        assert!(held.len() <= 50);
                        if round % 3 == 0 {
                            held.pop();
                        }
                    }
                });
            }
        });
        assert_eq!(places.taken(), 0);
        let all: Vec<_> = std::iter::from_fn(|| places.take()).collect();
        assert_eq!(all.len(), 50);
    }
}
