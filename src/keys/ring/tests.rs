//! Which ring may follow which.

use super::*;
use crate::crypto::SecretKey;
use crate::keys::Validity;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(day * 86_400).unwrap()
}

const NOW: i64 = 100;

/// A key whose secret goes by its first letter, so that `a` and `a-other` are under one secret.
fn key(name: &str, after: Option<i64>, until: Option<i64>) -> Key {
    let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[name.as_bytes()[0]; 16]).unwrap();
    Key::new(name.parse().unwrap(), secret, Validity { after: after.map(at), until: until.map(at) })
}

fn led(keys: Vec<Key>, primary: Option<&str>) -> KeyRing {
    let primary = primary.map(|name| name.parse().unwrap());
    KeyRing::new(keys, primary.as_ref(), RingPolicy::default(), at(NOW)).ok().unwrap()
}

fn ring(keys: Vec<Key>) -> KeyRing {
    led(keys, None)
}

fn name(name: &str) -> Fingerprint {
    name.parse().unwrap()
}

/// What an `old` ring of two keys says, of which `b` seals.
fn refuses(next: Vec<Key>) -> Option<StepBack> {
    let old = ring(vec![key("a", Some(10), Some(120)), key("b", Some(90), Some(200))]);
    assert_eq!(old.sealing_key(at(NOW)).unwrap().fingerprint.as_str(), "b");
    old.refuses(&ring(next), at(NOW))
}

#[test]
fn ring_with_the_same_sealing_key_may_follow() {
    assert_eq!(refuses(vec![key("b", Some(90), Some(200))]), None);
    assert_eq!(
        refuses(vec![key("b", None, None), key("a", Some(95), None)]),
        None,
        "under other windows too"
    );
    assert_eq!(refuses(vec![key("b", Some(90), Some(200)), key("c", Some(99), None)]), None);
}

#[test]
fn ring_with_a_fresh_sealing_key_may_follow() {
    assert_eq!(refuses(vec![key("c", Some(95), None)]), None);
    assert_eq!(refuses(vec![key("c", None, None)]), None, "a key that was not known is no step back");
    let of_another_secret = Key::new(name("b"), key("c", None, None).secret, Validity::default());
    assert_eq!(refuses(vec![of_another_secret]), None);
}

#[test]
fn ring_restored_from_a_backup_is_refused() {
    let older = StepBack::Older { lost: name("b"), successor: name("a") };
    assert_eq!(refuses(vec![key("a", Some(10), Some(120))]), Some(older.clone()));
    assert_eq!(refuses(vec![key("a", None, None)]), Some(older.clone()), "no start is the earliest");
    let expired = key("b", Some(90), Some(NOW));
    assert_eq!(refuses(vec![key("a", Some(10), None), expired]), Some(older));
}

#[test]
fn ring_restored_from_a_backup_whose_keys_were_never_seen_is_refused_by_their_start() {
    let older = StepBack::Older { lost: name("b"), successor: name("z") };
    assert_eq!(refuses(vec![key("z", Some(5), None)]), Some(older.clone()));
    assert_eq!(refuses(vec![key("z", Some(89), None), key("y", Some(5), None)]), Some(older));
    assert_eq!(refuses(vec![key("z", Some(90), None)]), None, "it began at the same time");
    assert_eq!(refuses(vec![key("z", None, None)]), None, "nobody says that it is older");
}

#[test]
fn ring_in_which_nothing_seals_is_refused() {
    let none = StepBack::NoSealingKey { lost: name("b") };
    assert_eq!(refuses(vec![key("a", Some(10), Some(NOW))]), Some(none.clone()));
    assert_eq!(
        refuses(vec![key("b", Some(101), None)]),
        Some(none.clone()),
        "it has not begun in the new ring"
    );
    assert_eq!(refuses(vec![key("c", Some(101), None)]), Some(none));
}

#[test]
fn ring_without_keys_follows_only_one_without() {
    let (none, policy) = (KeyRing::empty(RingPolicy::default()), RingPolicy::default());
    assert_eq!(ring(vec![key("a", None, None)]).refuses(&none, at(NOW)), Some(StepBack::NoKeys));
    assert_eq!(ring(vec![key("a", None, Some(1))]).refuses(&none, at(NOW)), Some(StepBack::NoKeys));
    assert_eq!(none.refuses(&KeyRing::empty(policy), at(NOW)), None);
    assert_eq!(none.refuses(&ring(vec![key("a", None, Some(1))]), at(NOW)), None);
    assert!(none.sealing_key(at(NOW)).is_none() && none.is_empty() && none.encryption());
}

#[test]
fn ring_in_which_nothing_seals_may_be_followed_by_any_other() {
    let old = ring(vec![key("a", Some(10), Some(NOW))]);
    assert_eq!(old.refuses(&ring(vec![key("b", None, Some(1))]), at(NOW)), None);
}

#[test]
fn key_that_began_at_the_same_time_is_no_step_back() {
    let old = ring(vec![key("a", None, None), key("b", None, None)]);
    assert_eq!(old.sealing_key(at(NOW)).unwrap().fingerprint.as_str(), "b");
    assert_eq!(old.refuses(&ring(vec![key("a", None, None)]), at(NOW)), None);
}

#[test]
fn primary_that_goes_may_be_followed_by_a_younger_known_key_and_not_by_an_older_one() {
    let keys = || vec![key("a", Some(10), None), key("b", Some(50), None), key("c", Some(90), None)];
    let old = led(keys(), Some("b"));
    assert_eq!(old.refuses(&ring(keys()), at(NOW)), None, "it is still there");
    assert_eq!(old.refuses(&led(keys(), Some("a")), at(NOW)), None, "a primary is somebody's will");
    let without = || keys().into_iter().filter(|key| key.fingerprint.as_str() != "b").collect::<Vec<_>>();
    assert_eq!(old.refuses(&ring(without()), at(NOW)), None);
    let older = StepBack::Older { lost: name("b"), successor: name("a") };
    assert_eq!(old.refuses(&led(without(), Some("a")), at(NOW)), Some(older));
}

#[test]
fn step_back_names_the_key_that_would_be_lost() {
    for (step, told) in [
        (
            StepBack::NoSealingKey { lost: name("b") },
            "the new keys lack b, which seals now, and none of them may",
        ),
        (
            StepBack::Older { lost: name("b"), successor: name("a") },
            "the new keys lack b, which seals now, and a, which is older, would take over, as after",
        ),
    ] {
        assert!(step.to_string().starts_with(told), "{step}");
    }
}

#[test]
fn keys_are_told_by_age() {
    let ring = ring(vec![
        key("a", None, None),
        key("b", Some(90), None),
        key("c", Some(10), None),
        key("d", Some(90), None),
        key("e", None, None),
    ]);
    let names: Vec<_> = ring.keys().map(|key| key.fingerprint.to_string()).collect();
    assert_eq!(names, ["d", "b", "c", "e", "a"]);
    assert_eq!(ring.keys().len(), ring.len());
}

#[test]
fn key_that_ends_soon_is_told_only_where_no_other_seals_from_then_on() {
    let soon = Duration::from_secs(86_400);
    let ends = |keys: Vec<Key>, primary| {
        let ring = led(keys, primary);
        let ending = ring.ends_without_successor(at(NOW), soon);
        ending.map(|(key, until)| (key.fingerprint.to_string(), until))
    };
    let told = Some(("b".to_owned(), at(101)));
    let b = || key("b", Some(90), Some(101));
    assert_eq!(ends(vec![b()], None), told);
    assert_eq!(ends(vec![b(), key("c", Some(102), None)], None), told, "after a gap");
    assert_eq!(ends(vec![b(), key("a", None, None)], Some("b")), told, "nobody else may");
    assert_eq!(ends(vec![b(), key("c", Some(101), None)], None), None);
    assert_eq!(ends(vec![b(), key("a", None, None)], None), None);
    assert_eq!(ends(vec![key("b", Some(90), Some(102))], None), None, "it is not soon");
    assert_eq!(ends(vec![key("b", Some(90), None)], None), None);
    assert_eq!(ends(vec![key("b", Some(90), Some(95))], None), None, "it is over");
}
