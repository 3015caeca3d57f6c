//! The four examples of a configuration against the code.

use std::collections::BTreeSet;
use std::path::Path;

use super::{SMALLEST, SMALLEST_OUTBOUND, parse};
use crate::capture::CaptureLimits;
use crate::config::file::{RawAdmin, RawLog, RawProcess};
use crate::config::inspector::RawInspector;
use crate::config::keys::{RawFormat, RawKeys, RawMembers, RawPortal};
use crate::config::profile::{RawError, RawProfile};
use crate::config::proxy::{
    RawCertificate, RawInbound, RawLimits, RawOutbound, RawProxy, RawReplay, RawRoute, RawTimeouts, RawTls,
    RawWebSocket,
};
use crate::config::{Config, ConfigDigest};
use crate::document::fields;
use crate::inspector::InspectorConfig;
use crate::profile::Draft;
use crate::proxy::{Migration, Mode, Replies};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

pub(super) fn inbound() -> String {
    text("config.example.toml")
}

pub(super) fn outbound() -> String {
    text("config.outbound.example.toml")
}

/// A line `#key = value` without its `#`; prose has a space behind it.
pub(super) fn setting(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

fn with_all_settings(text: &str) -> String {
    // Without `ca_file` others are trusted than those of any file, without a window nothing is remembered, where all is
    // required nobody is plain, and certificates are read.
    let without_default = [
        "#ca_file = ",
        "#cert_file = ",
        "#client_ca_file = ",
        "#client_cert_file = ",
        "#client_key_file = ",
        "#from = ",
        "#key_file = ",
        "#quiet_for = ",
        "#replay_entries = ",
        "#replay_store",
        "#until = ",
    ];
    // Written at all, the section switches something on.
    let (before, inspector) = text.split_once("#[inspector]\n").unwrap_or((text, ""));
    let after = inspector.split_once("\n\n[log]").map_or(String::new(), |(_, after)| format!("[log]{after}"));
    let text = &format!("{before}{after}");
    let with_default = text.lines().filter(|line| !without_default.iter().any(|key| line.starts_with(key)));
    let uncommented: Vec<_> = with_default.map(|line| setting(line).unwrap_or(line)).collect();
    uncommented.join("\n")
}

fn commented(text: &str) -> usize {
    text.lines().filter(|line| setting(line).is_some()).count()
}

fn keys(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| setting(line).unwrap_or(line).split_once(" = "))
        .map(|(key, _)| key)
        .filter(|key| !key.contains([' ', '#']))
        .collect()
}

/// All that it says, whatever the text was.
pub(super) fn meaning(config: Config) -> String {
    format!("{:?}", Config { digest: ConfigDigest::of(b""), ..config })
}

#[test]
fn examples_mean_the_defaults_as_they_are() {
    for (text, smallest) in [(inbound(), SMALLEST), (outbound(), SMALLEST_OUTBOUND)] {
        assert_eq!(meaning(parse(&text).unwrap()), meaning(parse(smallest).unwrap()));
    }
}

#[test]
fn commented_settings_are_the_defaults() {
    let text = inbound();
    let without_routes = text.split("#[proxy.tls]").next().unwrap();
    let mut config = parse(&with_all_settings(without_routes)).unwrap();
    // These two depend on the machine.
    let smallest = parse(SMALLEST).unwrap();
    assert_eq!((config.workers.get(), config.max_held), (1, 64 * 1024 * 1024));
    (config.workers, config.max_held) = (smallest.workers, smallest.max_held);
    assert_eq!(meaning(config), meaning(smallest));
    assert_eq!(commented(&text), keys(&text).len() - 5, "all but the five required keys are commented");
}

#[test]
fn commented_settings_of_an_outbound_proxy_are_the_defaults() {
    let text = outbound();
    let mut config = parse(&with_all_settings(&text)).unwrap();
    // What is believed follows from the profile, unless it is written.
    let Mode::Outbound(outbound) = &mut config.proxies[0].mode else { panic!("it is outbound") };
    assert_eq!(outbound.replies.take(), Some(Replies::Sealed));
    assert_eq!(meaning(config), meaning(parse(SMALLEST_OUTBOUND).unwrap()));
    assert_eq!(commented(&text), keys(&text).len() - 5, "all but the five required keys are commented");
}

#[test]
fn inspector_of_the_example_has_the_defaults_but_for_its_file_and_its_names() {
    let text = inbound();
    let (_, section) = text.split_once("#[inspector]\n").unwrap();
    let section = section.split("\n\n[log]").next().unwrap();
    let written: Vec<_> = section.lines().filter_map(setting).collect();
    let read = |lines: &str| parse(&format!("{SMALLEST}[inspector]\n{lines}\n")).unwrap().inspector.unwrap();
    let inspector = read(&written.join("\n"));
    let least = read("url_file = \"inspector.url\"\nmask = [\"table\", \"*note*\"]");
    assert_eq!(inspector, least);
    assert_eq!((inspector.listen, inspector.limits), (InspectorConfig::LISTEN, CaptureLimits::default()));
    assert_ne!(inspector, read("url_file = \"inspector.url\"\nmask_defaults = false"));
}

#[test]
fn every_key_of_the_code_is_in_the_examples() {
    let known = [
        fields::<RawProcess>(),
        fields::<RawKeys>(),
        fields::<RawAdmin>(),
        fields::<RawInspector>(),
        fields::<RawLog>(),
        fields::<RawProxy>(),
        fields::<RawReplay>(),
        &["replay_store_password"],
        fields::<RawInbound>(),
        fields::<RawWebSocket>(),
        fields::<RawTimeouts>(),
        fields::<RawLimits>(),
        fields::<RawTls>(),
        fields::<RawCertificate>(),
        fields::<RawRoute>(),
    ];
    assert_eq!(keys(&inbound()), known.concat());
    let required_or_different = ["file", "name", "mode", "listen", "upstream", "host", "forwarded"];
    assert_eq!(keys(&outbound()), [&required_or_different, fields::<RawOutbound>()].concat());
}

#[test]
fn route_of_the_example_is_right() {
    let text = inbound().replace("#[[proxy.route]]", "[[proxy.route]]");
    let config = parse(&with_all_settings(&text)).unwrap_or_else(|faults| panic!("{faults}"));
    let route = config.proxies[0].routes.first();
    assert_eq!(route.upstream.authority(), "orders.example");
    assert_eq!(route.rewritten("/orders/7").as_deref(), Some("/v2/orders/7"));
}

#[test]
fn clients_of_the_example_can_be_moved_over_by_the_proxy_and_by_its_route() {
    let text = inbound().replace("#[[proxy.route]]", "[[proxy.route]]");
    let lines = ["#policy = ", "#from = ", "#until = ", "#quiet_for = "];
    let uncommented = |line: &str| match lines.iter().any(|key| line.starts_with(key)) {
        true => line[1..].replace("\"require\"", "\"permit\""),
        false => line.to_owned(),
    };
    let text = text.lines().map(uncommented).collect::<Vec<_>>().join("\n");
    let config = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let migration = config.proxies[0].routes.first().migration().unwrap();
    assert_eq!(migration.to_string(), "permit from 192.0.2.0/24 until 2027-03-31T00:00:00Z");
    assert_eq!(migration.quiet_for, Migration::QUIET_FOR);
}

/// The example of a portal, in which what is commented out is the default unless it stands below "For example:".
fn portal() -> String {
    text("config.portal.example.toml")
}

#[test]
fn example_of_a_portal_means_the_defaults_with_and_without_its_commented_settings() {
    let text = portal();
    let as_it_is = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let mut only_example = false;
    let with_defaults: Vec<_> = text
        .lines()
        .map(|line| {
            only_example =
                if line.ends_with("or example:") { true } else { only_example && !line.is_empty() };
            setting(line).filter(|_| !only_example).unwrap_or(line)
        })
        .collect();
    assert!(with_defaults.iter().filter(|line| line.contains(" = ")).count() > 15);
    let config = parse(&with_defaults.join("\n")).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(meaning(config), meaning(as_it_is));
}

#[test]
fn every_key_of_a_portal_is_in_its_example() {
    let known = [fields::<RawPortal>(), fields::<RawFormat>(), fields::<RawMembers>()].concat();
    let of_the_proxy = ["name", "mode", "listen", "upstream"];
    let text = portal();
    let found: BTreeSet<_> = keys(&text).into_iter().filter(|key| !of_the_proxy.contains(key)).collect();
    assert_eq!(found, known.into_iter().chain(["cache_key"]).collect());
}

/// The example of a profile, with every default written out.
fn profile_in_full() -> String {
    let text = text("config.profiles.example.toml");
    let lines = text.lines().filter(|line| !line.starts_with("#static_iv"));
    lines.map(|line| setting(line).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn example_of_a_profile_means_ale_with_and_without_its_commented_settings() {
    for text in [text("config.profiles.example.toml"), profile_in_full()] {
        let config = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(format!("{:?}", config.proxies), format!("{:?}", parse(SMALLEST).unwrap().proxies));
        let [profile] = &config.profiles[..] else { panic!("one profile") };
        let ale = Draft::default();
        assert!(profile.draft.differences(&ale).is_empty());
        assert_eq!(profile.draft.errors, ale.errors);
    }
    assert!(profile_in_full().contains("\nalgorithm = \"key\"\n"));
}

#[test]
fn every_key_of_a_profile_is_in_its_example() {
    let text = text("config.profiles.example.toml");
    let of_others = ["file", "name", "mode", "listen", "upstream"];
    let keys: Vec<_> = keys(&text).into_iter().filter(|key| !of_others.contains(key)).collect();
    let mut expected = fields::<RawProfile>().to_vec();
    expected.insert(5, "static_iv");
    let errors = std::iter::repeat_n(fields::<RawError>(), 3).flatten();
    expected.extend(errors);
    assert_eq!(keys, expected);
}
