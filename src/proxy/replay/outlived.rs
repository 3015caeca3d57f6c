//! Windows that are shorter than keys hold.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::keys::{Key, KeyRing};
use crate::proxy::ProxyConfig;

/// What is to be said of a window that a key of `ring` outlives: messages carry no time, so what was recorded opens again
/// when the window has passed and the key still holds.
pub fn replay_warning(config: &ProxyConfig, ring: &KeyRing, now: Timestamp) -> Option<String> {
    let window = config.replay.as_ref()?.window;
    let mut outliving = ring.keys().filter(|key| outlives(key, window, ring, now));
    let first = outliving.next()?;
    let until = first
        .validity
        .until
        .map_or_else(|| "has no valid_until".to_owned(), |until| format!("holds until {until}"));
    let others = match outliving.count() {
        0 => String::new(),
        1 => ", and another key outlives it too".to_owned(),
        count => format!(", and {count} other keys outlive it too"),
    };
    Some(format!(
        "proxy.{}.replay_window: what was recorded opens again after {}: {} {until}{others}; lengthen the window, or give \
         keys a shorter time",
        config.name,
        shown(window),
        first.fingerprint,
    ))
}

/// Whether a message that opens at once, or as soon as the key holds, would open again after `window`.
fn outlives(key: &Arc<Key>, window: Duration, ring: &KeyRing, now: Timestamp) -> bool {
    let first = key.validity.after.map_or(now, |after| after.max(now));
    let later = first.checked_add(window).unwrap_or(Timestamp::MAX);
    ring.opening_key(key.fingerprint.as_str(), later).is_ok()
}

/// A duration as a configuration has it.
fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, name) in [(3_600_000_u128, "h"), (60_000, "m"), (1000, "s")] {
        if milliseconds.is_multiple_of(unit) {
            return format!("{}{name}", milliseconds / unit);
        }
    }
    format!("{milliseconds}ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::keys::{RingPolicy, Validity};
    use crate::profile::Profile;
    use crate::proxy::{
        ForwardedPolicy, HostPolicy, InboundConfig, Mode, Policy, ReplayConfig, RouteConfig, Routes,
        Timeouts, Upstream, WebSocketConfig,
    };

    fn config(window: Option<u64>) -> ProxyConfig {
        let window = window.map(Duration::from_secs);
        ProxyConfig {
            name: "kitchen".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            mode: Mode::Inbound(InboundConfig::default()),
            routes: Routes::one(RouteConfig::of_all(
                Policy::Require {
                    keys: "default".into(),
                    profile_name: "ale".into(),
                    profile: Arc::new(Profile::ale()),
                },
                Upstream { host: "test".into(), port: 80, tls: None, protocol: Default::default() },
            )),
            host: HostPolicy::Pass,
            forwarded: ForwardedPolicy::Off,
            max_body: 1024,
            replay: window.map(|window| ReplayConfig { window, entries: ReplayConfig::ENTRIES, store: None }),
            websocket: WebSocketConfig::default(),
            timeouts: Timeouts::default(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Keys with these windows, a skew of 30 s, and a minute past the epoch.
    fn warning(window: Option<u64>, keys: &[(&str, Option<i64>, Option<i64>)]) -> Option<String> {
        let keys = keys.iter().map(|(name, after, until)| {
            let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[name.as_bytes()[0]; 16]).unwrap();
            let validity = Validity { after: after.map(at), until: until.map(at) };
            Key::new(name.parse().unwrap(), secret, validity)
        });
        let ring = KeyRing::new(keys.collect(), None, RingPolicy::default(), at(60)).ok().unwrap();
        replay_warning(&config(window), &ring, at(60))
    }

    #[test]
    fn window_that_a_key_outlives_is_warned_about_with_the_key_and_its_end() {
        let keys = [("one", None, Some(10_000)), ("two", None, None), ("three", None, Some(90_000))];
        let told = "proxy.kitchen.replay_window: what was recorded opens again after 3h: one holds until \
                    1970-01-01T02:46:40Z; lengthen the window, or give keys a shorter time";
        assert_eq!(warning(Some(3 * 3600), &keys[..1]), None);
        assert_eq!(warning(Some(9000), &keys[..1]).unwrap(), told.replace("3h", "150m"));
        let told = warning(Some(3 * 3600), &keys).unwrap();
        assert!(told.contains("after 3h: three holds until 1970-01-02T01:00:00Z, and another key"), "{told}");
        let told = warning(Some(100_000), &keys).unwrap();
        assert!(told.contains("two has no valid_until; "), "{told}");
    }

    #[test]
    fn the_skew_that_opening_grants_belongs_to_a_key_s_time() {
        let key = [("one", None, Some(160))];
        assert_eq!(warning(Some(130), &key), None);
        assert!(warning(Some(129), &key).is_some());
    }

    #[test]
    fn key_that_is_to_come_counts_from_its_beginning_and_one_that_is_over_not_at_all() {
        let future = [("one", Some(50_000), Some(50_100))];
        assert_eq!(warning(Some(130), &future), None);
        assert!(warning(Some(99), &future).is_some());
        assert_eq!(warning(Some(1), &[("one", None, Some(10))]), None);
    }

    #[test]
    fn without_a_window_there_is_nothing_to_say() {
        assert_eq!(warning(None, &[("one", None, None)]), None);
    }
}
