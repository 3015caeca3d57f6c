//! Configurations that are right, and every way to be wrong.

mod addresses;
mod environment;
mod example;
mod faults;
mod keys;
mod limits;
mod modes;
mod policy;
mod profile;
mod replay;
mod routes;
mod texts;
mod upstream;

use std::path::Path;
use std::time::Duration;

use super::file;
use super::*;
use crate::keys::{OnSealLimit, SealLimit};
use crate::profile::Profile;
use crate::proxy::{ForwardedPolicy, InboundConfig, Mode, Timeouts};

const SMALLEST: &str = r#"[keys]
file = "keys.toml"
[[proxy]]
name = "kitchen"
mode = "inbound"
listen = "127.0.0.1:8080"
upstream = "http://127.0.0.1:3000"
"#;

const SMALLEST_OUTBOUND: &str = r#"[keys]
file = "keys.toml"
[[proxy]]
name = "pos"
mode = "outbound"
listen = "127.0.0.1:8081"
upstream = "http://kitchen.example:8080"
"#;

fn parse(text: &str) -> Result<Config, Faults> {
    file::parse(text, "config.toml", Path::new("/etc/alewife")).config
}

/// What is wrong with `text`, one line each: place, key path and problem.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).expect_err("the text has faults");
    let short = |fault: &Fault| {
        let text = fault.to_string();
        text.split_once("\n    remedy: ").expect("each fault has a remedy").0["config.toml:".len()..]
            .to_owned()
    };
    faults.iter().map(short).collect()
}

/// [`SMALLEST`] with another line in place of the one that begins alike, or with the line at its end.
fn with(line: &str) -> String {
    let key = line.split('=').next().unwrap();
    let mut replaced = false;
    let mut lines: Vec<&str> = SMALLEST
        .lines()
        .map(|old| {
            let same = old.starts_with(key);
            replaced |= same;
            if same { line } else { old }
        })
        .collect();
    if !replaced {
        lines.push(line);
    }
    lines.join("\n")
}

/// What the messages of a proxy's first route look like.
fn profile(proxy: &ProxyConfig) -> &Profile {
    proxy.routes.first().profile().unwrap()
}

#[test]
fn smallest_file_means_the_defaults() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.shutdown_grace, Duration::from_secs(30));
    let [keys] = &config.key_sets[..] else { panic!("one key set") };
    assert_eq!(keys.file.as_deref(), Some(Path::new("/etc/alewife/keys.toml")));
    assert_eq!(keys.clock_skew, Duration::from_secs(30));
    assert_eq!(keys.seal_delay, Duration::from_secs(60));
    assert_eq!(keys.refetch_cooldown, Duration::from_secs(10));
    assert_eq!(keys.refetch_timeout, Duration::from_secs(5));
    assert_eq!(keys.poll_interval, Duration::from_secs(30));
    assert!(!keys.require_authenticated);
    assert_eq!(config.admin, AdminConfig::default());
    assert_eq!(config.log, LogConfig::default());
    let [proxy] = &config.proxies[..] else { panic!("one proxy") };
    assert_eq!(&*proxy.name, "kitchen");
    assert_eq!(proxy.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(proxy.routes.first().upstream.to_string(), "http://127.0.0.1:3000");
    assert_eq!(proxy.max_body, 16 * 1024 * 1024);
    assert_eq!(proxy.forwarded, ForwardedPolicy::Append);
    assert_eq!(proxy.timeouts, Timeouts::default());
    assert_eq!(proxy.mode, Mode::Inbound(InboundConfig::default()));
    let profile = profile(proxy);
    assert!(profile.terms().seal_replies && !profile.terms().credential_mismatch);
}

#[test]
fn every_setting_reaches_its_place() {
    let config = parse(
        r#"
        workers = 3
        shutdown_grace = "0s"
        max_held = 1024
        [keys]
        file = "/keys.toml"
        clock_skew = "1m"
        require_authenticated = true
        seal_delay = "0s"
        refetch_cooldown = "1ms"
        refetch_timeout = "2s"
        poll_interval = "500ms"
        observation = "2h"
        seal_limit = 7
        on_seal_limit = "refuse"
        [admin]
        listen = "off"
        [log]
        level = "off"
        format = "json"
        access = false
        access_limit = 7
        [[proxy]]
        name = "a"
        mode = "inbound"
        listen = 0
        upstream = "http://[::1]"
        seal_replies = false
        max_body = "1GiB"
        required_headers = ["Authorization"]
        bodyless_methods = []
        credential_mismatch = true
        forwarded = "replace"
        timeouts = { first_byte = "1s", headers = "2s", body = "3s", idle = "4s", connect = "5s", reply = "6s", pool_idle = "7s" }
        [[proxy]]
        name = "b"
        mode = "inbound"
        listen = "[::1]:9"
        upstream = "http://kitchen.local:80"
        "#,
    )
    .unwrap();
    assert_eq!((config.workers.get(), config.max_held), (3, 1024));
    assert_eq!(config.shutdown_grace, Duration::ZERO);
    assert_eq!(config.admin.listen, None);
    let log = LogConfig {
        level: crate::telemetry::Level::Off,
        format: crate::telemetry::LogFormat::Json,
        access: false,
        access_limit: std::num::NonZeroU32::new(7),
    };
    assert_eq!(config.log, log);
    let keys = KeysConfig {
        clock_skew: Duration::from_secs(60),
        require_authenticated: true,
        seal_delay: Duration::ZERO,
        refetch_cooldown: Duration::from_millis(1),
        refetch_timeout: Duration::from_secs(2),
        poll_interval: Duration::from_millis(500),
        observation: Duration::from_secs(7200),
        seal_limit: SealLimit { most: 7, on_limit: OnSealLimit::Refuse },
        ..KeysConfig::of_file("/keys.toml".into())
    };
    assert_eq!(format!("{:?}", config.key_sets), format!("{:?}", [keys]));
    let [a, b] = &config.proxies[..] else { panic!("two proxies") };
    assert_eq!([a, b].map(|proxy| proxy.listen.to_string()), ["127.0.0.1:0", "[::1]:9"]);
    let [to_a, to_b] = [a, b].map(|proxy| &proxy.routes.first().upstream);
    assert_eq!(to_a.to_string(), "http://[::1]:80");
    assert!(to_b.to_string().contains("://kitchen.local:"), "{to_b}");
    assert_eq!(a.max_body, 1 << 30);
    assert!(matches!(&a.mode, Mode::Inbound(inbound) if inbound.required_headers == ["authorization"]));
    assert_eq!(a.forwarded, ForwardedPolicy::Replace);
    let profile = profile(a);
    assert!(
        !profile.terms().seal_replies
            && profile.terms().credential_mismatch
            && profile.terms().bodyless_methods.is_empty()
    );
    let seconds = [1, 2, 3, 4, 5, 6, 7].map(Duration::from_secs);
    let Timeouts { first_byte, headers, body, idle, connect, reply, pool_idle } = a.timeouts;
    assert_eq!([first_byte, headers, body, idle, connect, reply, pool_idle], seconds);
}

#[test]
fn a_wrong_proxy_does_not_hide_where_the_keys_are() {
    let examined = file::parse(&with("listen = \"x\""), "config.toml", Path::new(""));
    assert!(examined.config.is_err());
    assert_eq!(examined.key_sets[0].file.as_deref(), Some(Path::new("keys.toml")));
}
