mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::{
    AleCode, AleReason, Closer, Direction, FetchOutcome, HandshakeKind, KeyUse, Limit, MessageRefusal,
    Metrics, Outcome, PeerCode, ProcessFigures, ReplyReason, Shed, SourceKind, Stage,
};

fn epoch_second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn scrape(metrics: &Metrics) -> String {
    metrics.encode(epoch_second(0))
}

/// The samples by name with labels; fails where the text is not what a scraper takes.
fn samples(text: &str) -> BTreeMap<String, String> {
    let body = text.strip_suffix("# EOF\n").expect("the text ends with the mark of its end");
    let mut helped = BTreeSet::new();
    let mut typed = BTreeMap::new();
    let mut found = BTreeMap::new();
    for line in body.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", name, _] => assert!(helped.insert(name.to_string()), "second HELP: {line}"),
            ["#", "TYPE", name, kind] => {
                assert!(typed.insert(name.to_string(), kind.to_string()).is_none(), "second TYPE: {line}");
            }
            ["#", "UNIT", name, unit] => assert!(name.ends_with(unit), "the name lacks its unit: {line}"),
            _ => {
                let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
                let name = series.split('{').next().unwrap();
                let family = typed.keys().find(|family| belongs(name, family, &typed[*family]));
                let family = family.unwrap_or_else(|| panic!("no TYPE for {line}"));
                assert!(helped.contains(family), "no HELP for {line}");
                assert!(value.parse::<f64>().is_ok(), "not a number: {line}");
                assert!(found.insert(series.to_owned(), value.to_owned()).is_none(), "twice: {line}");
            }
        }
    }
    found
}

fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        other => panic!("a type that this project does not use: {other}"),
    };
    sample.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix))
}

fn label_names(series: &str) -> Vec<&str> {
    let labels = series.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    labels
        .split(',')
        .filter(|label| !label.is_empty())
        .map(|label| label.split('=').next().unwrap())
        .collect()
}

#[test]
fn each_enum_lists_all_its_values_in_the_order_that_indexes_the_counters() {
    let outcomes = Outcome::ALL.map(|outcome| outcome as usize);
    let codes = AleCode::ALL.map(|code| code as usize);
    let reasons = AleReason::ALL.map(|reason| reason as usize);
    assert_eq!(outcomes, std::array::from_fn(|index| index));
    assert_eq!(codes, std::array::from_fn(|index| index));
    assert_eq!(reasons, std::array::from_fn(|index| index));
    let directions = Direction::ALL.map(|direction| direction as usize);
    let refusals = MessageRefusal::ALL.map(|refusal| refusal as usize);
    let closers = Closer::ALL.map(|closer| closer as usize);
    assert_eq!(directions, std::array::from_fn(|index| index));
    assert_eq!(refusals, std::array::from_fn(|index| index));
    assert_eq!(closers, std::array::from_fn(|index| index));
    let replies = ReplyReason::ALL.map(|reason| reason as usize);
    let peers = PeerCode::ALL.map(|code| code as usize);
    assert_eq!(replies, std::array::from_fn(|index| index));
    assert_eq!(peers, std::array::from_fn(|index| index));
    assert_eq!(Shed::ALL.map(|reason| reason as usize), std::array::from_fn(|index| index));
    assert_eq!(Limit::ALL.map(|limit| limit as usize), std::array::from_fn(|index| index));
    let sources = SourceKind::ALL.map(|source| source as usize);
    let fetches = FetchOutcome::ALL.map(|outcome| outcome as usize);
    assert_eq!(sources, std::array::from_fn(|index| index));
    assert_eq!(fetches, std::array::from_fn(|index| index));
}

#[test]
fn a_process_without_proxies_shows_exactly_its_own_metrics_at_zero() {
    let found = samples(&scrape(&Metrics::new()));
    let version = format!("alewife_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    let expected = [
        (version.as_str(), "1"),
        ("alewife_access_lines_left_out_total", "0"),
        ("alewife_config_last_reload_successful", "1"),
        ("alewife_config_reloads_total{outcome=\"refused\"}", "0"),
        ("alewife_config_reloads_total{outcome=\"swapped\"}", "0"),
        ("alewife_config_reloads_total{outcome=\"unchanged\"}", "0"),
        ("alewife_held_bytes", "0"),
        ("alewife_log_lines_dropped_total", "0"),
    ];
    let expected = expected.map(|(series, value)| (series.to_owned(), value.to_owned()));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn figures_of_the_process_bear_the_names_of_all_exporters_and_those_unknown_are_left_out() {
    let metrics = Metrics::new();
    metrics.asks_of_process(|| ProcessFigures {
        cpu_seconds: Some(1.5),
        start_time_seconds: Some(1.7e9),
        open_fds: Some(7),
        max_fds: None,
        virtual_memory_bytes: Some(4096),
        resident_memory_bytes: Some(1024),
    });
    let mut found = samples(&scrape(&metrics));
    found.retain(|series, _| series.starts_with("process_"));
    let expected = [
        ("process_cpu_seconds_total", "1.5"),
        ("process_open_fds", "7.0"),
        ("process_resident_memory_bytes", "1024.0"),
        ("process_start_time_seconds", "1700000000.0"),
        ("process_virtual_memory_bytes", "4096.0"),
    ];
    let expected = expected.map(|(series, value)| (series.to_owned(), value.to_owned()));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn uses_of_keys_are_asked_for_at_each_scrape() {
    let metrics = Metrics::new();
    let seals = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seals);
    let of_key = move |key: &str, seal_limit| KeyUse {
        keyset: "default".into(),
        key: key.to_owned(),
        seals: counted.load(Ordering::Relaxed),
        opens: 7,
        seal_limit,
    };
    metrics.asks_of_keys(move || vec![of_key("0a1b2c3d", Some(1 << 32)), of_key("ffffffff", None)]);
    seals.store(5, Ordering::Relaxed);
    let found = samples(&scrape(&metrics));
    let of_key = |name: &str, key: &str| {
        found.get(&format!("alewife_{name}{{keyset=\"default\",key=\"{key}\"}}")).map(String::as_str)
    };
    assert_eq!(of_key("key_seals_total", "0a1b2c3d"), Some("5"));
    assert_eq!(of_key("key_opens_total", "ffffffff"), Some("7"));
    assert_eq!(of_key("key_seal_limit", "0a1b2c3d"), Some("4294967296"));
    assert_eq!(of_key("key_seal_limit", "ffffffff"), None);
}

#[test]
fn a_new_proxy_shows_every_combination_of_labels_at_zero() {
    let metrics = Metrics::new();
    let _proxy = metrics.proxy("kitchen");
    let found = samples(&scrape(&metrics));
    for outcome in Outcome::ALL {
        let series = format!("alewife_requests_total{{proxy=\"kitchen\",outcome=\"{}\"}}", outcome.label());
        assert_eq!(found[&series], "0");
    }
    for (code, reason) in AleCode::ALL.iter().flat_map(|code| AleReason::ALL.map(|reason| (code, reason))) {
        let labels = format!("proxy=\"kitchen\",code=\"{}\",reason=\"{}\"", code.label(), reason.label());
        assert_eq!(found[&format!("alewife_ale_errors_total{{{labels}}}")], "0");
    }
    for name in [
        "alewife_connections_accepted_total{proxy=\"kitchen\"}",
        "alewife_connections{proxy=\"kitchen\"}",
        "alewife_requests_in_flight{proxy=\"kitchen\"}",
        "alewife_upstream_connections_opened_total{proxy=\"kitchen\"}",
        "alewife_upstream_retries_total{proxy=\"kitchen\"}",
        "alewife_body_bytes_total{proxy=\"kitchen\",direction=\"request\"}",
        "alewife_body_bytes_total{proxy=\"kitchen\",direction=\"reply\"}",
        "alewife_websocket_sessions{proxy=\"kitchen\"}",
        "alewife_websocket_sessions_opened_total{proxy=\"kitchen\"}",
        "alewife_websocket_messages_total{proxy=\"kitchen\",direction=\"to_client\"}",
        "alewife_websocket_message_bytes_total{proxy=\"kitchen\",direction=\"to_server\"}",
        "alewife_websocket_messages_refused_total{proxy=\"kitchen\",reason=\"peer_error\"}",
        "alewife_websocket_closes_total{proxy=\"kitchen\",by=\"sidecar\"}",
        "alewife_replies_refused_total{proxy=\"kitchen\",reason=\"reflected\"}",
        "alewife_peer_errors_total{proxy=\"kitchen\",code=\"none\"}",
        "alewife_requests_resealed_total{proxy=\"kitchen\"}",
        "alewife_replay_entries{proxy=\"kitchen\"}",
        "alewife_replay_evicted_total{proxy=\"kitchen\"}",
        "alewife_replay_store_failures_total{proxy=\"kitchen\"}",
        "alewife_iv_reuses_total{proxy=\"kitchen\",key=\"other\",network=\"other\"}",
        "alewife_request_duration_seconds_count{proxy=\"kitchen\"}",
        "alewife_request_duration_seconds_bucket{le=\"0.0005\",proxy=\"kitchen\"}",
        "alewife_request_duration_seconds_bucket{le=\"60.0\",proxy=\"kitchen\"}",
        "alewife_request_duration_seconds_bucket{le=\"+Inf\",proxy=\"kitchen\"}",
        "alewife_stage_duration_seconds_count{proxy=\"kitchen\",stage=\"opening\"}",
        "alewife_stage_duration_seconds_count{proxy=\"kitchen\",stage=\"upstream\"}",
        "alewife_stage_duration_seconds_count{proxy=\"kitchen\",stage=\"sealing\"}",
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some("0"), "{name}");
    }
}

#[test]
fn labels_are_the_closed_set_of_names_and_each_proxy_adds_the_same_number_of_series() {
    let metrics = Metrics::new();
    let _proxies = ["kitchen", "bar"].map(|name| metrics.proxy(name));
    let two = samples(&scrape(&metrics));
    let names: BTreeSet<&str> = two.keys().flat_map(|series| label_names(series)).collect();
    assert_eq!(
        names,
        BTreeSet::from([
            "by",
            "code",
            "direction",
            "key",
            "kind",
            "le",
            "limit",
            "network",
            "outcome",
            "proxy",
            "reason",
            "stage",
            "version",
        ])
    );
    let of_proxy = |name: &str| two.keys().filter(|series| series.contains(&format!("\"{name}\""))).count();
    // Outcomes, code × reason, both directions, five single ones, and the histogram's 17 buckets, sum and
    // count; of sessions two single ones, messages and bytes in both directions, refusals, and who ends them.
    let all = Outcome::ALL.len() + AleCode::ALL.len() * AleReason::ALL.len() + 2 + 5 + 19;
    let all = all + 2 + 4 + MessageRefusal::ALL.len() + Closer::ALL.len();
    // Of peers, replies refused, errors, and requests sealed anew.
    let all = all + ReplyReason::ALL.len() + PeerCode::ALL.len() + 1;
    // Of the replay window what it remembers, what it forgot too soon, and where its store failed; and who else repeats IVs.
    let all = all + 4;
    // Of limits why something was turned away, and each as it is configured.
    let all = all + Shed::ALL.len() + Limit::ALL.len();
    // Of the wire what connections failed at before HTTP began.
    let all = all + HandshakeKind::ALL.len();
    // Of each part of an exchange a histogram.
    let all = all + Stage::ALL.len() * 19;
    assert_eq!((of_proxy("kitchen"), of_proxy("bar")), (all, all));
}

#[test]
fn what_is_counted_stands_in_the_text() {
    let metrics = Metrics::new();
    let proxy = metrics.proxy("kitchen");
    proxy.finished(Outcome::Answered, Duration::from_millis(3));
    proxy.finished(Outcome::AleError, Duration::from_secs(100));
    proxy.ale_error(AleCode::UnableToDecrypt, AleReason::Expired);
    proxy.request_bytes(1333);
    proxy.reply_bytes(7);
    proxy.upstream_connection_opened();
    proxy.upstream_retried();
    proxy.reply_refused(ReplyReason::OtherKey);
    proxy.peer_error(PeerCode::from(Some(2)));
    proxy.resealed();
    proxy.replay_window(17, 0);
    proxy.replay_window(16, 3);
    proxy.message(Direction::ToServer, 256);
    proxy.message(Direction::ToServer, 0);
    proxy.message_refused(MessageRefusal::Envelope);
    proxy.session_closed(Closer::Client);
    metrics.held_bytes.set(4096);
    let text = scrape(&metrics);
    for line in [
        "# TYPE alewife_requests counter",
        "# HELP alewife_requests Exchanges by how they ended.",
        "alewife_requests_total{proxy=\"kitchen\",outcome=\"answered\"} 1",
        "alewife_requests_total{proxy=\"kitchen\",outcome=\"ale_error\"} 1",
        "alewife_ale_errors_total{proxy=\"kitchen\",code=\"2\",reason=\"expired\"} 1",
        "alewife_body_bytes_total{proxy=\"kitchen\",direction=\"request\"} 1333",
        "alewife_body_bytes_total{proxy=\"kitchen\",direction=\"reply\"} 7",
        "# UNIT alewife_request_duration_seconds seconds",
        "alewife_request_duration_seconds_sum{proxy=\"kitchen\"} 100.003",
        "alewife_request_duration_seconds_bucket{le=\"0.0025\",proxy=\"kitchen\"} 0",
        "alewife_request_duration_seconds_bucket{le=\"0.005\",proxy=\"kitchen\"} 1",
        "alewife_request_duration_seconds_bucket{le=\"+Inf\",proxy=\"kitchen\"} 2",
        "alewife_upstream_connections_opened_total{proxy=\"kitchen\"} 1",
        "alewife_upstream_retries_total{proxy=\"kitchen\"} 1",
        "alewife_replies_refused_total{proxy=\"kitchen\",reason=\"other_key\"} 1",
        "alewife_peer_errors_total{proxy=\"kitchen\",code=\"2\"} 1",
        "alewife_requests_resealed_total{proxy=\"kitchen\"} 1",
        "alewife_websocket_messages_total{proxy=\"kitchen\",direction=\"to_server\"} 2",
        "alewife_websocket_message_bytes_total{proxy=\"kitchen\",direction=\"to_server\"} 256",
        "alewife_websocket_message_bytes_total{proxy=\"kitchen\",direction=\"to_client\"} 0",
        "alewife_websocket_messages_refused_total{proxy=\"kitchen\",reason=\"envelope\"} 1",
        "alewife_websocket_closes_total{proxy=\"kitchen\",by=\"client\"} 1",
        "alewife_replay_entries{proxy=\"kitchen\"} 16",
        "alewife_replay_evicted_total{proxy=\"kitchen\"} 3",
        "alewife_held_bytes 4096",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn guards_count_up_when_made_and_down_when_dropped() {
    let metrics = Metrics::new();
    let proxy = metrics.proxy("kitchen");
    let value =
        |series: &str| samples(&scrape(&metrics))[&format!("alewife_{series}{{proxy=\"kitchen\"}}")].clone();
    let (connection, second, request) =
        (proxy.connection_opened(), proxy.connection_opened(), proxy.request_started());
    assert_eq!((value("connections").as_str(), value("requests_in_flight").as_str()), ("2", "1"));
    drop((connection, request));
    assert_eq!((value("connections").as_str(), value("requests_in_flight").as_str()), ("1", "0"));
    drop(second);
    assert_eq!((value("connections").as_str(), value("connections_accepted_total").as_str()), ("0", "2"));
    let session = proxy.session_opened();
    assert_eq!(value("websocket_sessions"), "1");
    drop(session);
    let of_sessions = [value("websocket_sessions"), value("websocket_sessions_opened_total")];
    assert_eq!(of_sessions, ["0", "1"]);
}

#[test]
fn the_same_name_gives_the_same_counters() {
    let metrics = Metrics::new();
    metrics.proxy("kitchen").request_bytes(1);
    metrics.proxy("kitchen").request_bytes(2);
    let found = samples(&scrape(&metrics));
    assert_eq!(found["alewife_body_bytes_total{proxy=\"kitchen\",direction=\"request\"}"], "3");
}

#[test]
fn a_name_with_quotes_does_not_break_out_of_its_label() {
    let metrics = Metrics::new();
    let _proxy = metrics.proxy("a\"} 1\nb\\");
    assert!(scrape(&metrics).contains("alewife_connections{proxy=\"a\\\"} 1\\nb\\\\\"} 0\n"));
}

#[test]
fn certificates_of_a_listener_tell_when_they_end_and_what_became_of_their_changes() {
    let metrics = Metrics::new();
    let certificates = metrics.certificates("kitchen");
    certificates.expires(&"default".into(), epoch_second(4_102_444_800));
    certificates.reloaded();
    let found = samples(&scrape(&metrics));
    for (name, value) in [
        (
            "alewife_certificate_expiry_timestamp_seconds{proxy=\"kitchen\",certificate=\"default\"}",
            "4102444800",
        ),
        ("alewife_certificate_reloads_total{proxy=\"kitchen\",outcome=\"ok\"}", "1"),
        ("alewife_certificate_reloads_total{proxy=\"kitchen\",outcome=\"failed\"}", "0"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name} in {found:?}");
    }
}
