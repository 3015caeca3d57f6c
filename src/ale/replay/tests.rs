use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn iv(number: u64, len: usize) -> Iv {
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Iv::from_slice(&bytes[..len]).unwrap()
}

fn window(lasts: u64, capacity: u32) -> ReplayWindow {
    ReplayWindow::new(lasts, NonZeroU32::new(capacity).unwrap())
}

/// The same, in the plainest way.
struct Model {
    lasts: u64,
    capacity: usize,
    entries: VecDeque<(String, Vec<u8>, u64)>,
    latest: u64,
    evicted: u64,
}

impl Model {
    fn admit(&mut self, fingerprint: &str, iv: &Iv, now: u64) -> Admission {
        self.latest = self.latest.max(now);
        let (lasts, latest) = (self.lasts, self.latest);
        self.entries.retain(|(.., at)| latest - at < lasts);
        if self.entries.iter().any(|(name, bytes, _)| name == fingerprint && bytes == iv.as_bytes()) {
            return Admission::Replayed;
        }
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
            self.evicted += 1;
        }
        self.entries.push_back((fingerprint.to_owned(), iv.as_bytes().to_vec(), latest));
        Admission::First
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn window_does_what_a_plain_list_would(
        lasts in 1..40_u64,
        capacity in 1..20_u32,
        messages in prop::collection::vec((0..3_usize, 0..24_u64, any::<bool>(), -3..12_i64), 0..300),
    ) {
        let mut window = window(lasts, capacity);
        let mut model = Model {
            lasts, capacity: capacity as usize, entries: VecDeque::new(), latest: 0, evicted: 0,
        };
        let mut now = 10_u64;
        for (name, number, short, step) in messages {
            now = now.saturating_add_signed(step);
            let (name, iv) = (["a", "b", "ab"][name], iv(number, if short { 12 } else { 16 }));
            let expected = model.admit(name, &iv, now);
            prop_assert_eq!(window.admit_pair(name, &iv, now), expected);
            prop_assert_eq!(window.evicted(), model.evicted);
            prop_assert!(window.len() >= model.entries.len() && window.len() <= capacity as usize);
            let found = window.find(window.hash(name, &iv), &iv);
            prop_assert!(found.is_some_and(|place| window.holds(window.entry_at(place), window.latest)));
        }
        let taken = window.index.iter().filter(|place| **place != 0).count();
        prop_assert!(taken <= window.len());
    }
}

#[test]
fn pair_opens_again_when_its_time_is_over_and_not_a_millisecond_sooner() {
    let mut window = window(1000, 10);
    let first = iv(1, 16);
    assert_eq!(window.admit_pair("k", &first, 5), Admission::First);
    assert_eq!(window.admit_pair("k", &first, 1004), Admission::Replayed);
    assert_eq!(window.admit_pair("k", &first, 1005), Admission::First);
    // The attempt in between has not prolonged it, and the second time runs from its own moment.
    assert_eq!(window.admit_pair("k", &first, 2004), Admission::Replayed);
    assert_eq!(window.admit_pair("k", &first, 2005), Admission::First);
}

#[test]
fn clock_that_is_read_in_another_order_opens_nothing_again() {
    let mut window = window(1000, 10);
    assert_eq!(window.admit_pair("k", &iv(1, 16), 5000), Admission::First);
    assert_eq!(window.admit_pair("k", &iv(2, 16), 3000), Admission::First);
    assert_eq!(window.admit_pair("k", &iv(2, 16), 5999), Admission::Replayed);
    assert_eq!(window.admit_pair("k", &iv(1, 16), 0), Admission::Replayed);
}

#[test]
fn other_key_and_other_length_are_another_message() {
    let mut window = window(1000, 10);
    let zero_tailed = |len: usize| {
        let mut bytes = [7; 16];
        bytes[12..].fill(0);
        Iv::from_slice(&bytes[..len]).unwrap()
    };
    assert_eq!(window.admit_pair("k", &zero_tailed(16), 0), Admission::First);
    assert_eq!(window.admit_pair("k", &zero_tailed(12), 0), Admission::First);
    assert_eq!(window.admit_pair("K", &zero_tailed(16), 0), Admission::First);
    assert_eq!(window.admit_pair("k", &zero_tailed(12), 0), Admission::Replayed);
}

#[test]
fn flood_pushes_out_the_oldest_and_never_what_came_last() {
    let mut window = window(1_000_000, 1000);
    for number in 0..50_000 {
        assert_eq!(window.admit_pair("k", &iv(number, 16), number), Admission::First);
        assert_eq!(window.admit_pair("k", &iv(number, 16), number), Admission::Replayed);
    }
    assert_eq!((window.len(), window.evicted()), (1000, 49_000));
    for number in 49_000..50_000 {
        assert_eq!(window.admit_pair("k", &iv(number, 16), 50_000), Admission::Replayed);
    }
}

#[test]
fn entry_takes_forty_eight_bytes_in_all_and_nothing_grows() {
    assert_eq!(ReplayWindow::BYTES_PER_ENTRY, 48);
    for capacity in [1, 2, 3, 1000, 65_537] {
        let mut window = window(10, capacity);
        for number in 0..u64::from(capacity) * 3 {
            window.admit_pair("a fingerprint", &iv(number, 16), number);
        }
        let bytes = window.entries.capacity() * size_of::<Entry>() + size_of_val(&*window.index);
        assert_eq!(bytes, capacity as usize * ReplayWindow::BYTES_PER_ENTRY);
    }
}

#[test]
fn few_places_are_looked_at_in_a_full_window() {
    let mut window = window(u64::MAX, 100_000);
    for number in 0..300_000 {
        window.admit_pair("k", &iv(number, 16), number);
    }
    let longest = window.entries.iter().map(|entry| window.places(entry.hash).count()).max().unwrap();
    assert!(longest < 100, "{longest} places");
}
