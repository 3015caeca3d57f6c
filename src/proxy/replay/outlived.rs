//! Windows that are shorter than keys hold.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::document::Written;
use crate::keys::{Fingerprint, Key, KeyRing};
use crate::proxy::ProxyConfig;

/// What is to be said of a window that a key of `ring` outlives: messages carry no time, so what was recorded opens again
/// when the window has passed and the key still holds.
pub fn replay_warning(config: &ProxyConfig, ring: &KeyRing, now: Timestamp) -> Option<String> {
    OutlivedWindow::default().warning(config, ring, now)
}

/// What was said of the window of one proxy, which is said again only for other keys.
#[derive(Default)]
pub struct OutlivedWindow {
    told: HashSet<Fingerprint>,
}

impl OutlivedWindow {
    /// As [`replay_warning`]; `None` where each key that outlives the window did so the last time that this was asked.
    pub fn warning(&mut self, config: &ProxyConfig, ring: &KeyRing, now: Timestamp) -> Option<String> {
        let window = config.replay.as_ref()?.window;
        let outliving: Vec<_> = ring.keys().filter(|key| outlives(key, window, ring, now)).collect();
        let names = outliving.iter().map(|key| key.fingerprint.clone()).collect();
        let told = std::mem::replace(&mut self.told, names);
        // The first of those that are new.
        let first = outliving.iter().find(|key| !told.contains(&key.fingerprint))?;
        let until = first
            .validity
            .until
            .map_or_else(|| "has no valid_until".to_owned(), |until| format!("holds until {until}"));
        let others = match outliving.len() {
            1 => String::new(),
            2 => ", and another key outlives it too".to_owned(),
            count => format!(", and {} other keys outlive it too", count - 1),
        };
        Some(format!(
            "proxy.{}.replay_window: what was recorded opens again after {}: {} {until}{others}; lengthen the window, or give \
             keys a shorter time",
            config.name,
            Written(window),
            first.fingerprint,
        ))
    }
}

/// Whether a message that opens at once, or as soon as the key holds, would open again after `window`.
fn outlives(key: &Arc<Key>, window: Duration, ring: &KeyRing, now: Timestamp) -> bool {
    let first = key.validity.after.map_or(now, |after| after.max(now));
    let later = first.checked_add(window).unwrap_or(Timestamp::MAX);
    ring.opening_key(key.fingerprint.as_str(), later).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::keys::{RingPolicy, Validity};
    use crate::net::Networks;
    use crate::profile::Profile;
    use crate::proxy::{
        ForwardedPolicy, HostPolicy, InboundConfig, LimitsConfig, Mode, Policy, ReplayConfig, RouteConfig,
        Routes, Timeouts, Upstream, WebSocketConfig,
    };

    fn config(window: Option<u64>) -> ProxyConfig {
        let window = window.map(Duration::from_secs);
        ProxyConfig {
            name: "kitchen".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            tls: None,
            proxy_protocol_from: Networks::default(),
            mode: Mode::Inbound(InboundConfig::default()),
            routes: Routes::one(RouteConfig::of_all(
                Policy::Require { keys: "default".into(), profile: Profile::ale() },
                Upstream::http("test", 80),
            )),
            host: HostPolicy::Pass,
            forwarded: ForwardedPolicy::Off,
            trust_forwarded_from: Networks::default(),
            max_body: 1024,
            replay: window.map(|window| ReplayConfig { window, entries: ReplayConfig::ENTRIES, store: None }),
            websocket: WebSocketConfig::default(),
            timeouts: Timeouts::default(),
            limits: LimitsConfig::default(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    type Keys<'k> = &'k [(&'k str, Option<i64>, Option<i64>)];

    /// Keys with these windows, a skew of 30 s, and a minute past the epoch.
    fn warning(window: Option<u64>, keys: Keys<'_>) -> Option<String> {
        replay_warning(&config(window), &ring(keys), at(60))
    }

    fn ring(keys: Keys<'_>) -> KeyRing {
        let keys = keys.iter().map(|(name, after, until)| {
            let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[name.as_bytes()[0]; 16]).unwrap();
            let validity = Validity { after: after.map(at), until: until.map(at) };
            Key::new(name.parse().unwrap(), secret, validity)
        });
        KeyRing::new(keys.collect(), None, RingPolicy::default(), at(60)).ok().unwrap()
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
    fn key_that_outlives_a_window_is_told_once_and_anew_when_it_was_gone() {
        let mut told = OutlivedWindow::default();
        let config = config(Some(3600));
        let mut tell = |keys: Keys<'_>| told.warning(&config, &ring(keys), at(60));
        let (one, two, over) = (("one", None, None), ("two", None, None), ("over", None, Some(70)));
        assert!(tell(&[one]).unwrap().contains("one has no valid_until; "));
        assert_eq!(tell(&[one, over]), None);
        assert!(
            tell(&[one, two]).unwrap().contains("two has no valid_until, and another key outlives it too")
        );
        assert_eq!(tell(&[two]), None);
        assert!(tell(&[one, two]).unwrap().contains("one has no valid_until"));
        assert_eq!(tell(&[over]), None);
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
