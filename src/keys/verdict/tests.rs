use std::sync::Arc;

use super::*;
use crate::crypto::SecretKey;
use crate::keys::{KeyStore, RingPolicy, Validity};

const HOUR: i64 = 3_600;
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(name: &str, after: Option<i64>, until: Option<i64>) -> Key {
    let byte = name.bytes().fold(0, u8::wrapping_add);
    let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[byte; 16]).unwrap();
    let validity = Validity { after: after.map(at), until: until.map(at) };
    Key::new(name.parse().unwrap(), secret, validity)
}

/// A store whose keys are watched from 0 on; they seal as soon as they are valid.
fn store(keys: Vec<Key>) -> KeyStore {
    let policy =
        RingPolicy { clock_skew: Duration::ZERO, seal_delay: Duration::ZERO, ..RingPolicy::default() };
    KeyStore::new(KeyRing::new(keys, None, policy, at(0)).ok().unwrap(), at(0))
}

/// What is said of each key, by name.
fn said(store: &KeyStore, now: i64) -> Vec<(String, KeyState, String)> {
    let ring = store.snapshot();
    let mut said: Vec<_> = verdicts(&ring, DAY, at(now))
        .into_iter()
        .map(|verdict| (verdict.key.fingerprint.to_string(), verdict.state, verdict.retirement.to_string()))
        .collect();
    said.sort_by(|one, other| one.0.cmp(&other.0));
    said
}

fn is(name: &str, state: KeyState, reason: &str) -> (String, KeyState, String) {
    (name.to_owned(), state, reason.to_owned())
}

use KeyState::{Accepting, Expired, NotYetValid, Sealing};

#[test]
fn old_key_may_go_once_nobody_used_it_for_a_whole_observation() {
    let store = store(vec![key("old", Some(-100), None), key("young", Some(-50), None)]);
    let young = || is("young", Sealing, "it seals");
    let old = |now, reason| assert_eq!(said(&store, now), [is("old", Accepting, reason), young()]);
    old(0, "watched 0s of 24h");
    old(3 * HOUR, "watched 3h of 24h");
    old(24 * HOUR - 1, "watched 23h59m of 24h");
    old(24 * HOUR, "not used for 24h");
    let ring = store.snapshot();
    ring.key("old").unwrap().note_opened(at(24 * HOUR));
    old(24 * HOUR, "used 0s ago");
    ring.key("old").unwrap().note_sealed(at(25 * HOUR));
    old(25 * HOUR + 180, "used 3m ago");
    // The last use is known to the second, so one more has to pass.
    old(49 * HOUR, "used 24h ago");
    old(49 * HOUR + 1, "not used for 24h");
}

#[test]
fn watch_that_began_anew_vouches_for_nothing_before() {
    let store = store(vec![key("old", Some(-100), None), key("young", Some(-50), None)]);
    let ring = store.snapshot();
    ring.keys().for_each(|key| key.usage().unwrap().watch_anew(at(30 * HOUR)));
    assert_eq!(said(&store, 40 * HOUR)[0], is("old", Accepting, "watched 10h of 24h"));
    assert_eq!(said(&store, 54 * HOUR)[0], is("old", Accepting, "not used for 24h"));
}

#[test]
fn refused_messages_are_no_use() {
    let store = store(vec![key("old", Some(-100), Some(10)), key("young", Some(-50), None)]);
    store.snapshot().key("old").unwrap().note_unopened(at(24 * HOUR));
    assert_eq!(said(&store, 24 * HOUR)[0], is("old", Expired, "not used for 24h"));
}

#[test]
fn key_for_the_time_to_come_never_goes() {
    let store = store(vec![key("next", Some(90 * HOUR), None), key("now", Some(-50), None)]);
    let expected = [is("next", NotYetValid, "it is not yet valid"), is("now", Sealing, "it seals")];
    assert_eq!(said(&store, 48 * HOUR), expected);
}

#[test]
fn key_that_has_begun_and_does_not_seal_yet_is_kept() {
    let policy = RingPolicy { seal_delay: Duration::from_secs(60), ..RingPolicy::default() };
    let keys = vec![key("new", Some(48 * HOUR), None), key("old", None, None)];
    let store = KeyStore::new(KeyRing::new(keys, None, policy, at(0)).ok().unwrap(), at(0));
    let reason = "it seals from 1970-01-03T00:01:00Z on";
    let expected = [is("new", Accepting, reason), is("old", Sealing, "it seals")];
    assert_eq!(said(&store, 48 * HOUR + 59), expected);
    let expected = [is("new", Sealing, "it seals"), is("old", Accepting, "not used for 24h")];
    assert_eq!(said(&store, 48 * HOUR + 60), expected);
}

#[test]
fn key_is_kept_that_outlives_all_younger_ones() {
    let older = || key("a", Some(-300), None);
    let ends = |at| key("b", Some(-200), Some(at));
    let reason = "it seals from 1970-01-05T04:00:00Z on";
    let kept = |keys| assert_eq!(said(&store(keys), 48 * HOUR)[0], is("a", Accepting, reason));
    let goes = |keys| assert_eq!(said(&store(keys), 48 * HOUR)[0], is("a", Accepting, "not used for 24h"));
    kept(vec![older(), ends(100 * HOUR)]);
    // A successor closes the gap, or comes too late, or ends as well.
    goes(vec![older(), ends(100 * HOUR), key("c", Some(90 * HOUR), None)]);
    goes(vec![older(), ends(100 * HOUR), key("c", Some(100 * HOUR), None)]);
    kept(vec![older(), ends(100 * HOUR), key("c", Some(101 * HOUR), None)]);
    kept(vec![older(), ends(90 * HOUR), key("c", Some(80 * HOUR), Some(100 * HOUR))]);
    goes(vec![
        older(),
        ends(90 * HOUR),
        key("c", Some(80 * HOUR), Some(100 * HOUR)),
        key("d", Some(99 * HOUR), None),
    ]);
    // One that ends first is not needed.
    goes(vec![key("a", Some(-300), Some(99 * HOUR)), ends(100 * HOUR)]);
    // Of two that outlive the young one, the younger takes over.
    goes(vec![older(), key("b", Some(-250), None), key("c", Some(-200), Some(100 * HOUR))]);
}

#[test]
fn named_key_is_the_only_one_that_seals() {
    let primary = "b".parse().unwrap();
    let keys = vec![key("a", None, None), key("b", None, Some(100 * HOUR))];
    let ring = KeyRing::new(keys, Some(&primary), RingPolicy::default(), at(0)).ok().unwrap();
    let store = KeyStore::new(ring, at(0));
    let expected = [is("a", Accepting, "not used for 24h"), is("b", Sealing, "it seals")];
    assert_eq!(said(&store, 48 * HOUR), expected);
}

#[test]
fn key_that_nobody_watches_is_not_judged() {
    let keys = vec![key("a", Some(-9), None), key("b", Some(-5), None)];
    let ring = KeyRing::new(keys, None, RingPolicy::default(), at(0)).ok().unwrap();
    let verdicts = verdicts(&ring, DAY, at(200 * HOUR));
    let unwatched = Retirement::Unwatched { watched: Duration::ZERO, observation: DAY };
    assert_eq!(verdicts[1].retirement, unwatched);
}

#[test]
fn each_of_many_keys_is_judged() {
    let keys = (0..10_000).map(|n| Arc::new(key_of(n, (n % 7 > 0).then_some(n + 500)))).collect();
    let store = KeyStore::new(KeyRing::of_examined(keys, None, RingPolicy::default()), at(0));
    let ring = store.snapshot();
    let judged = verdicts(&ring, DAY, at(5_000));
    assert_eq!(judged.len(), 10_000);
    assert_eq!(judged.iter().filter(|verdict| verdict.state == KeyState::Sealing).count(), 1);
}

fn key_of(number: i64, until: Option<i64>) -> Key {
    let mut secret = [0; 16];
    secret[..8].copy_from_slice(&number.to_be_bytes());
    let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &secret).unwrap();
    let validity = Validity { after: Some(at(number)), until: until.map(at) };
    Key::new(format!("key-{number}").parse().unwrap(), secret, validity)
}

#[test]
fn times_are_said_in_two_units_at_most() {
    let said = |milliseconds| Roughly(Duration::from_millis(milliseconds)).to_string();
    assert_eq!(said(0), "0s");
    assert_eq!(said(250), "250ms");
    assert_eq!(said(1_999), "1s");
    assert_eq!(said(192_000), "3m12s");
    assert_eq!(said(3_600_000), "1h");
    assert_eq!(said(5_400_000), "1h30m");
    assert_eq!(said(86_400_000), "24h");
    assert_eq!(said(172_800_000), "2d");
    assert_eq!(said(277_200_000), "3d5h");
}

mod any_ring {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    /// The windows of a ring's keys, in hours; none is empty.
    fn windows() -> impl Strategy<Value = Vec<(Option<i64>, Option<i64>)>> {
        let window = (option::weighted(0.9, 1..60_i64), option::weighted(0.8, 1..30_i64));
        vec(
            window.prop_map(|(after, length)| (after, length.map(|length| after.unwrap_or(0) + length))),
            1..7,
        )
    }

    proptest! {
        #[test]
        fn keys_that_will_seal_are_the_ones_that_the_ring_would_choose(windows in windows(), now in 1..60_i64) {
            let key = |(number, (after, until)): (usize, &(Option<i64>, Option<i64>))| {
                key(&number.to_string(), after.map(|hour| hour * HOUR), until.map(|hour| hour * HOUR))
            };
            let store = store(windows.iter().enumerate().map(key).collect());
            let (ring, now) = (store.snapshot(), now * HOUR);
            for Verdict { key, retirement, .. } in verdicts(&ring, DAY, at(now)) {
                let chosen = |hour: &i64| {
                    ring.sealing_key(at(hour * HOUR)).is_some_and(|chosen| Arc::ptr_eq(chosen, key))
                };
                let first = (now / HOUR + 1..100).find(chosen).map(|hour| at(hour * HOUR));
                match retirement {
                    Retirement::Seals | Retirement::NotYetValid => {}
                    Retirement::SealsLater { from } => prop_assert_eq!(Some(from), first),
                    _ => prop_assert_eq!(None, first),
                }
            }
        }
    }
}
