//! How old keys and their sources are, and how fetches end.

use super::*;

#[test]
fn the_ring_ages_from_its_last_load_and_a_failed_reload_does_not_make_it_young() {
    let metrics = Metrics::new();
    let keys = metrics.key_set("default", &[SourceKind::File], epoch_second(0));
    let at = |second| {
        let found = samples(&metrics.encode(epoch_second(second)));
        ["key_ring_age_seconds", "keys", "key_reloads_total", "key_reload_failures_total"]
            .map(|name| found[&format!("alewife_{name}{{keyset=\"default\"}}")].clone())
    };
    assert_eq!(at(500), ["0.0", "0", "0", "0"]);
    keys.ring_loaded(2, epoch_second(1000));
    assert_eq!(at(1000), ["0.0", "2", "0", "0"]);
    keys.reload_failed();
    assert_eq!(at(1030), ["30.0", "2", "0", "1"]);
    keys.ring_reloaded(3, epoch_second(1031));
    assert_eq!(at(1031), ["0.0", "3", "1", "1"]);
    assert_eq!(at(900), ["0.0", "3", "1", "1"], "a clock that was set back gives no negative age");
}

#[test]
fn a_source_ages_from_the_start_until_it_is_confirmed_and_each_set_has_only_its_own_sources() {
    let metrics = Metrics::new();
    let near = metrics.key_set("default", &[SourceKind::File, SourceKind::Portal], epoch_second(100));
    let _far = metrics.key_set("far", &[SourceKind::Portal], epoch_second(200));
    near.confirmed(SourceKind::Portal, epoch_second(250));
    let found = samples(&metrics.encode(epoch_second(300)));
    let age = |keyset: &str, source: &str| {
        let name = format!("alewife_key_source_age_seconds{{keyset=\"{keyset}\",source=\"{source}\"}}");
        found.get(&name).map(String::as_str)
    };
    assert_eq!([age("default", "file"), age("default", "portal")], [Some("200.0"), Some("50.0")]);
    assert_eq!([age("far", "file"), age("far", "portal")], [None, Some("100.0")]);
}

#[test]
fn fetches_are_counted_by_how_they_ended() {
    let metrics = Metrics::new();
    let keys = metrics.key_set("default", &[SourceKind::Portal], epoch_second(0));
    for (outcome, times) in FetchOutcome::ALL.into_iter().zip(1..) {
        (0..times).for_each(|_| keys.fetched(outcome));
    }
    keys.refetched();
    let found = samples(&scrape(&metrics));
    let counts = FetchOutcome::ALL.map(|outcome| {
        let outcome = outcome.label();
        found[&format!("alewife_portal_fetches_total{{keyset=\"default\",outcome=\"{outcome}\"}}")].clone()
    });
    assert_eq!(counts, ["1", "2", "3", "4"]);
    assert_eq!(found["alewife_key_refetches_total{keyset=\"default\"}"], "1");
}
