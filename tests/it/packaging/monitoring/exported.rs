//! What a scrape shows.

use std::collections::{BTreeMap, BTreeSet};

use alewife::metrics::{Metrics, SourceKind};
use jiff::Timestamp;

use super::expression::{groupings, selectors};
use crate::support::{Sidecar, TestKey};

/// Labels that Prometheus adds to whatever it scrapes.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];
/// Labels whose values are an installation's own.
const FREE: [&str; 5] = ["instance", "keyset", "network", "proxy", "route"];

/// Every name of a series with its labels and the values that they have.
pub(super) struct Exported(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Exported {
    /// By a sidecar, and by the code for what only other configurations have: keys from a portal, certificates.
    pub(super) fn by_a_running_sidecar() -> Self {
        let sidecar = Sidecar::inbound().keys(&[&TestKey::new("AES-256-GCM")]);
        // So that the migration of a route is counted.
        let sidecar = sidecar
            .proxy("[[proxy.route]]\npolicy = \"shadow\"\nfrom = [\"192.0.2.0/24\"]\nuntil = 2999-01-01");
        let sidecar = sidecar.start();
        let (status, running) = sidecar.admin_page("/metrics");
        assert_eq!(status, 200, "{running}");
        let metrics = Metrics::new();
        let _kitchen = metrics.proxy("kitchen");
        let _keys = metrics.key_set("default", &SourceKind::ALL, Timestamp::UNIX_EPOCH);
        metrics.certificates("kitchen").expires(&"default".into(), Timestamp::UNIX_EPOCH);
        let mut exported = Self(BTreeMap::new());
        exported.add(&running);
        exported.add(&metrics.encode(Timestamp::UNIX_EPOCH));
        exported
    }

    fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let known = self.0.entry(name.to_owned()).or_default();
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            for (label, value) in labels.map(|label| label.split_once('=').unwrap()) {
                known.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
    }

    /// The names of metrics, a histogram's once.
    pub(super) fn families(&self) -> BTreeSet<String> {
        let family = |name: &String| {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            base.unwrap_or(name).to_owned()
        };
        self.0.keys().map(family).collect()
    }

    /// Fails where `expression`, which stands at `place`, names a metric, label or value that there is not.
    pub(super) fn hold(&self, place: &str, expression: &str) {
        let selectors = selectors(expression, &["alewife_", "process_"]);
        assert!(!selectors.is_empty(), "{place} asks for nothing of ours");
        let mut labels: BTreeSet<&str> = OF_PROMETHEUS.into();
        for selector in &selectors {
            let known = self.0.get(&selector.metric);
            let known = known.unwrap_or_else(|| panic!("{place}: there is no {}", selector.metric));
            labels.extend(known.keys().map(String::as_str));
            for (label, _, value) in &selector.matchers {
                let free = FREE.contains(&label.as_str());
                let values = known.get(label);
                assert!(values.is_some() || free, "{place}: {} has no {label}", selector.metric);
                let values = values.filter(|_| !free);
                for value in values.iter().flat_map(|_| value.split('|')) {
                    assert!(values.unwrap().contains(value), "{place}: no {label} is {value}");
                }
            }
        }
        for label in groupings(expression) {
            assert!(labels.contains(&*label), "{place}: nothing there has a label {label}");
        }
    }
}

#[test]
#[should_panic(expected = "no reason is replay")]
fn value_that_is_never_exported_is_found() {
    Exported::by_a_running_sidecar().hold("here", "alewife_ale_errors_total{reason=\"replay\"}");
}

#[test]
#[should_panic(expected = "there is no alewife_request_total")]
fn metric_that_is_not_exported_is_found() {
    Exported::by_a_running_sidecar().hold("here", "rate(alewife_request_total[5m])");
}

#[test]
#[should_panic(expected = "nothing there has a label route")]
fn grouping_by_a_label_that_is_not_there_is_found() {
    Exported::by_a_running_sidecar().hold("here", "sum by (route) (alewife_requests_total)");
}
