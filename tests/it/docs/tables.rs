//! docs/METRICS.md and the table of settings against the code.

use std::collections::{BTreeMap, BTreeSet};

use alewife::metrics::{
    AleReason, FetchOutcome, KeyUse, Limit, MessageRefusal, Metrics, MigrationVerdict, Outcome,
    ProcessFigures, ReplyReason, Shed, SourceKind,
};
use jiff::Timestamp;

use super::{quoted, read, table};

/// Type and labels of a metric.
type Shape = (String, BTreeSet<String>);

/// What a scrape shows of a process with one proxy.
fn exported() -> BTreeMap<String, Shape> {
    let metrics = Metrics::new();
    let _kitchen = metrics.proxy("kitchen");
    let _orders = metrics.migration("kitchen", "orders");
    let _keys = metrics.key_set("default", &SourceKind::ALL, Timestamp::UNIX_EPOCH);
    metrics.certificates("kitchen").expires(&"default".into(), Timestamp::UNIX_EPOCH);
    metrics.asks_of_keys(|| {
        let key = KeyUse {
            keyset: "default".into(),
            key: "0a1b2c3d".to_owned(),
            seals: 0,
            opens: 0,
            seal_limit: Some(1),
        };
        vec![key]
    });
    metrics.asks_of_process(|| ProcessFigures {
        cpu_seconds: Some(0.0),
        start_time_seconds: Some(0.0),
        open_fds: Some(0),
        max_fds: Some(0),
        virtual_memory_bytes: Some(0),
        resident_memory_bytes: Some(0),
    });
    let text = metrics.encode(Timestamp::UNIX_EPOCH);
    let mut found = BTreeMap::new();
    let mut family = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            family = (name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels =
                labels.trim_end_matches('}').split(',').filter_map(|label| Some(label.split_once('=')?.0));
            let labels = labels.filter(|label| *label != "le").map(str::to_owned).collect();
            let name = if family.1 == "histogram" { family.0.clone() } else { name.to_owned() };
            found.insert(name, (family.1.clone(), labels));
        }
    }
    found
}

#[test]
fn table_of_metrics_is_what_a_scrape_shows() {
    let rows = table(&read("docs/METRICS.md"), "| name | type | labels |");
    let documented: BTreeMap<String, Shape> = rows
        .iter()
        .map(|row| (quoted(&row[0])[0].clone(), (row[1].clone(), quoted(&row[2]).into_iter().collect())))
        .collect();
    assert_eq!(documented, exported());
}

#[test]
fn tables_of_label_values_are_those_of_the_code() {
    let text = read("docs/METRICS.md");
    let first = |head: &str| -> Vec<String> {
        table(&text, head).iter().map(|row| quoted(&row[0])[0].clone()).collect()
    };
    assert_eq!(first("| `outcome` |"), Outcome::ALL.map(Outcome::label));
    assert_eq!(first("| refused as `reason` |"), MessageRefusal::ALL.map(MessageRefusal::label));
    assert_eq!(first("| a reply's `reason` |"), ReplyReason::ALL.map(ReplyReason::label));
    assert_eq!(first("| turned away for `reason` |"), Shed::ALL.map(Shed::label));
    let limits = table(&text, "| name | type | labels |");
    let limits = limits.iter().find(|row| row[0].contains("alewife_limit")).unwrap()[3].clone();
    assert!(Limit::ALL.iter().all(|limit| limits.contains(&format!("`{}`", limit.label()))), "{limits}");
    assert_eq!(first("| `verdict` |"), MigrationVerdict::ALL.map(MigrationVerdict::label));
    assert_eq!(first("| a fetch's `outcome` |"), FetchOutcome::ALL.map(FetchOutcome::label));
    let reasons: BTreeSet<_> = first("| `reason` |").into_iter().collect();
    assert_eq!(reasons, AleReason::ALL.map(|reason| reason.label().to_owned()).into_iter().collect());
}

/// The example with every key but those that only an outbound proxy or a portal has, and those with these.
fn examples() -> String {
    ["config.example.toml", "config.outbound.example.toml", "config.portal.example.toml"].map(read).concat()
}

/// Every key of the examples by its full name.
fn settings() -> BTreeSet<String> {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in examples().lines() {
        if line.trim_start_matches('#').starts_with('[') {
            section = line.trim_matches(['#', '[', ']']).to_owned() + ".";
        } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            found.insert(section.clone() + key);
        }
    }
    found
}

#[test]
fn settings_in_the_readme_exist() {
    let settings = settings();
    assert!(settings.contains("proxy.timeouts.first_byte") && settings.contains("workers"), "{settings:?}");
    for row in table(&read("README.md"), "| key | default |") {
        let key = quoted(&row[0])[0].clone();
        let family =
            key.strip_suffix('*').filter(|prefix| settings.iter().any(|known| known.starts_with(prefix)));
        assert!(family.is_some() || settings.contains(&key), "the README names a setting {key} that is none");
    }
}

#[test]
fn defaults_in_the_readme_are_those_of_the_example() {
    let example = examples();
    let mut compared = 0;
    for row in table(&read("README.md"), "| key | default |") {
        let name = quoted(&row[0])[0].clone();
        let key = name.rsplit('.').next().unwrap();
        if let Some(value) = row[1].strip_prefix('`').and_then(|value| value.strip_suffix('`')) {
            assert!(
                example.contains(&format!("\n#{key} = {value}\n")),
                "{name} = {value} is not the default"
            );
            compared += 1;
        }
    }
    assert!(compared >= 3, "the README names no defaults as code any more");
}
