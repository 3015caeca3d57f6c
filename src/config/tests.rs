//! Configurations that are right, and every way to be wrong.

mod example;

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::file;
use super::values::ByteSize;
use super::*;
use crate::document::Value;
use crate::proxy::{ForwardedPolicy, InboundConfig, Mode, Timeouts};

const SMALLEST: &str = r#"[keys]
file = "keys.toml"
[[proxy]]
name = "kitchen"
mode = "inbound"
listen = "127.0.0.1:8080"
upstream = "http://127.0.0.1:3000"
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

#[test]
fn smallest_file_means_the_defaults() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.shutdown_grace, Duration::from_secs(30));
    assert_eq!(config.keys.file, Path::new("/etc/alewife/keys.toml"));
    assert_eq!(config.keys.clock_skew, Duration::from_secs(30));
    assert_eq!(config.keys.poll_interval, Duration::from_secs(30));
    assert!(!config.keys.require_authenticated);
    assert_eq!(config.admin, Some("127.0.0.1:9180".parse().unwrap()));
    assert_eq!(config.log, LogConfig::default());
    let [proxy] = &config.proxies[..] else { panic!("one proxy") };
    assert_eq!(&*proxy.name, "kitchen");
    assert_eq!(proxy.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(proxy.upstream.to_string(), "http://127.0.0.1:3000");
    assert_eq!(proxy.max_body, 16 * 1024 * 1024);
    assert_eq!(proxy.forwarded, ForwardedPolicy::Append);
    assert_eq!(proxy.timeouts, Timeouts::default());
    assert_eq!(proxy.mode, Mode::Inbound(InboundConfig::default()));
    assert!(proxy.profile.seal_replies && !proxy.profile.credential_mismatch);
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
        poll_interval = "500ms"
        [admin]
        listen = "off"
        [log]
        level = "off"
        format = "json"
        access = false
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
    assert_eq!(config.admin, None);
    let log = LogConfig {
        level: crate::telemetry::Level::Off,
        format: crate::telemetry::LogFormat::Json,
        access: false,
    };
    assert_eq!(config.log, log);
    let keys = KeysConfig {
        file: "/keys.toml".into(),
        clock_skew: Duration::from_secs(60),
        require_authenticated: true,
        poll_interval: Duration::from_millis(500),
    };
    assert_eq!(config.keys, keys);
    let [a, b] = &config.proxies[..] else { panic!("two proxies") };
    assert_eq!((a.listen, b.listen), ("127.0.0.1:0".parse().unwrap(), "[::1]:9".parse().unwrap()));
    assert_eq!((a.upstream.host.as_str(), a.upstream.port), ("::1", 80));
    assert_eq!(b.upstream.host, "kitchen.local");
    assert_eq!(a.max_body, 1 << 30);
    assert!(matches!(&a.mode, Mode::Inbound(inbound) if inbound.required_headers == ["authorization"]));
    assert_eq!(a.forwarded, ForwardedPolicy::Replace);
    assert!(
        !a.profile.seal_replies && a.profile.credential_mismatch && a.profile.bodyless_methods.is_empty()
    );
    let seconds = [1, 2, 3, 4, 5, 6, 7].map(Duration::from_secs);
    let Timeouts { first_byte, headers, body, idle, connect, reply, pool_idle } = a.timeouts;
    assert_eq!([first_byte, headers, body, idle, connect, reply, pool_idle], seconds);
}

#[test]
fn each_wrong_line_is_told_with_its_place() {
    let table = [
        ("listen = \"12345678\"", "6:10: proxy.kitchen.listen: \"12345678\" is not an address"),
        ("listen = \"localhost:80\"", "6:10: proxy.kitchen.listen: \"localhost:80\" is not an address"),
        ("listen = 65536", "6:10: proxy.kitchen.listen: 65536 is not a port"),
        (
            "listen = true",
            "6:10: proxy.kitchen.listen: expected an address such as \"127.0.0.1:8080\", found a boolean",
        ),
        ("name = \"a b\"", "4:8: proxy[0].name: \"a b\" is not a name"),
        ("name = \"\"", "4:8: proxy[0].name: \"\" is not a name"),
        ("mode = \"bridge\"", "5:8: proxy.kitchen.mode: \"bridge\" is not a known mode"),
        (
            "upstream = \"https://localhost\"",
            "7:12: proxy.kitchen.upstream: \"https://localhost\" asks for https, which is not supported yet",
        ),
        (
            "upstream = \"http://a/b\"",
            "7:12: proxy.kitchen.upstream: \"http://a/b\" has more than a host and a port",
        ),
        (
            "upstream = \"http://a?b\"",
            "7:12: proxy.kitchen.upstream: \"http://a?b\" has more than a host and a port",
        ),
        (
            "upstream = \"http://a#b\"",
            "7:12: proxy.kitchen.upstream: \"http://a#b\" has more than a host and a port",
        ),
        (
            "upstream = \"http://a:b@c\"",
            "7:12: proxy.kitchen.upstream: \"http://a:b@c\" has more than a host and a port",
        ),
        (
            "upstream = \"http://a:0\"",
            "7:12: proxy.kitchen.upstream: \"http://a:0\" has no port of 1 to 65535",
        ),
        (
            "upstream = \"http://a:99999\"",
            "7:12: proxy.kitchen.upstream: \"http://a:99999\" has no port of 1 to 65535",
        ),
        ("upstream = \"a:80\"", "7:12: proxy.kitchen.upstream: \"a:80\" is not an http URL"),
        ("upstream = \"ftp://a\"", "7:12: proxy.kitchen.upstream: \"ftp://a\" is not an http URL"),
        ("seal_replies = 1", "8:16: proxy.kitchen.seal_replies: expected true or false, found an integer"),
        ("max_body = \"16MB\"", "8:12: proxy.kitchen.max_body: \"16MB\" is not a size"),
        ("max_body = -1", "8:12: proxy.kitchen.max_body: -1 is less than nothing"),
        (
            "required_headers = [\"a\", \"b c\"]",
            "8:20: proxy.kitchen.required_headers: \"b c\" is not the name of a header",
        ),
        ("bodyless_methods = [\"get\"]", "8:20: proxy.kitchen.bodyless_methods: \"get\" is not a method"),
        ("forwarded = \"add\"", "8:13: proxy.kitchen.forwarded: \"add\" is not a known policy"),
        ("timeouts = { body = \"0s\" }", "8:21: proxy.kitchen.timeouts.body: no time at all"),
        ("timeouts = { body = 3 }", "8:21: proxy.kitchen.timeouts.body: 3 has no unit"),
        ("timeouts = { idle = \"9000h\" }", "8:21: proxy.kitchen.timeouts.idle: \"9000h\" is too long"),
        ("timeouts = 3", "8:12: proxy.kitchen.timeouts: expected a table, found a value of type integer"),
        ("timeouts = { bod = \"1s\" }", "8:14: proxy.kitchen.timeouts.bod: unknown key"),
        ("lsiten = 1", "8:1: proxy.kitchen.lsiten: unknown key"),
        ("file = \"\"", "2:8: keys.file: not a path"),
        ("file = 1979-05-27", "2:8: keys.file: expected a path in quotes, found a time"),
        ("file = {}", "2:8: keys.file: expected a path in quotes, found a table"),
        ("file = 1.5", "2:8: keys.file: expected a path in quotes, found a number with a fraction"),
    ];
    for (line, fault) in table {
        assert_eq!(faults(&with(line)), [fault], "for the line {line}");
    }
}

#[test]
fn each_wrong_section_is_told_with_its_place() {
    let table = [
        ("workers = 0", "1:11: workers: 0 is not a number of threads"),
        (
            "workers = 99999999999999999999",
            "1:11: workers: expected a number of threads, found a number out of range",
        ),
        ("shutdown_grace = \"1 s\"", "1:18: shutdown_grace: \"1 s\" is not a duration"),
        ("max_held = \"9999999999GiB\"", "1:12: max_held: \"9999999999GiB\" is too large"),
        ("kyes = 1", "1:1: kyes: unknown key"),
        ("admin = 5", "1:9: admin: expected a table, found a value of type integer"),
        ("[admin]\nlisten = \"on\"", "2:10: admin.listen: \"on\" is not an address"),
        (
            "[admin]\nlisten = \"0.0.0.0:8080\"",
            "8:10: proxy.kitchen.listen: 127.0.0.1:8080 is taken by the admin listener, which listens on 0.0.0.0:8080 in line 2",
        ),
        ("[log]\nlevel = \"loud\"", "2:9: log.level: \"loud\" is not a known level"),
        ("[log]\nformat = \"xml\"", "2:10: log.format: \"xml\" is not a known format"),
        ("[log]\ncolour = true", "2:1: log.colour: unknown key"),
    ];
    for (section, fault) in table {
        assert_eq!(faults(&format!("{section}\n{SMALLEST}")), [fault], "for {section}");
    }
}

#[test]
fn several_faults_are_told_in_the_order_of_the_file() {
    let text = "workers = \"many\"\n[[proxy]]\nname = \"é\"\nupstream = 'x'\n[[proxy]]\nmode = \"inbound\"\n\
                listen = \"é:1\" # é\nétage = 1";
    let not_toml = faults(text);
    assert_eq!(not_toml.len(), 1, "a syntax error is told alone");
    assert_eq!(
        faults(&text.replace("étage", "etage")),
        [
            "1:11: workers: expected a number of threads, found a string",
            "2:1: proxy[0].mode: missing",
            "2:1: proxy[0].listen: missing",
            "3:8: proxy[0].name: \"é\" is not a name",
            "4:12: proxy[0].upstream: \"x\" is not an http URL",
            "5:1: proxy[1].name: missing",
            "5:1: proxy[1].upstream: missing",
            "7:10: proxy[1].listen: \"é:1\" is not an address",
            "8:1: proxy[1].etage: unknown key",
            " keys.file: missing",
        ]
    );
}

#[test]
fn empty_file_lacks_keys_and_a_proxy() {
    assert_eq!(faults(""), [" keys.file: missing", " proxy: there is no proxy at all"]);
}

#[test]
fn broken_toml_is_one_fault_with_its_place() {
    assert_eq!(
        faults("[keys]\nfile = \n"),
        ["2:8: not TOML: string values must be quoted, expected literal string"]
    );
}

#[test]
fn a_name_or_an_address_taken_twice_names_the_first() {
    let second = SMALLEST.split_once("\n[[proxy]]").unwrap().1;
    let text = format!("{SMALLEST}[[proxy]]{}", second.replace("127.0.0.1:8080", "[::]:8080"));
    assert_eq!(
        faults(&text),
        [
            "9:8: proxy.kitchen.name: \"kitchen\" is the name of another proxy already, in line 4",
            "11:10: proxy.kitchen.listen: [::]:8080 is taken by proxy.kitchen, which listens on 127.0.0.1:8080 in line 6",
        ]
    );
    let text = format!(
        "{SMALLEST}[[proxy]]{}",
        second.replace("\"127.0.0.1:8080\"", "9180").replace("kitchen", "b")
    );
    assert_eq!(
        faults(&text),
        [
            "11:10: proxy.b.listen: 127.0.0.1:9180 is taken by the admin listener, which listens on 127.0.0.1:9180 by default"
        ]
    );
}

#[test]
fn port_zero_is_never_taken() {
    let second = SMALLEST.split_once("\n[[proxy]]").unwrap().1.replace("kitchen", "b");
    let text = format!("{SMALLEST}[[proxy]]{second}").replace("127.0.0.1:8080", "127.0.0.1:0");
    assert_eq!(parse(&text).unwrap().proxies.len(), 2);
}

#[test]
fn remedies_name_what_is_known() {
    let remedy = |line: &str| parse(&with(line)).unwrap_err().iter().next().unwrap().remedy.clone();
    assert_eq!(remedy("lsiten = 1"), "write `listen` if that is what is meant");
    assert_eq!(remedy("max-body = 1"), "write `max_body` if that is what is meant");
    assert_eq!(
        remedy("zzz = 1"),
        "remove it; the keys here are name, mode, listen, upstream, seal_replies, max_body, required_headers, \
         bodyless_methods, credential_mismatch, forwarded, timeouts"
    );
    assert_eq!(remedy("forwarded = \"x\""), "write \"append\" or \"replace\" or \"off\"");
    assert_eq!(remedy("listen = \"x\""), "write \"IP:PORT\", or a port alone for loopback");
}

#[test]
fn a_wrong_proxy_does_not_hide_where_the_keys_are() {
    let examined = file::parse(&with("listen = \"x\""), "config.toml", Path::new(""));
    assert!(examined.config.is_err());
    assert_eq!(examined.keys.unwrap().file, Path::new("keys.toml"));
}

proptest! {
    #[test]
    fn durations_read_as_they_are_written(number in 0u64..8760, unit in prop::sample::select(vec![("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)])) {
        let read = Duration::from_text(&format!("{number}{}", unit.0)).unwrap();
        prop_assert_eq!(read, Duration::from_millis(number * unit.1));
    }

    #[test]
    fn no_duration_passes_a_year(number: u64, unit in prop::sample::select(vec!["ms", "s", "m", "h"])) {
        if let Ok(read) = Duration::from_text(&format!("{number}{unit}")) {
            prop_assert!(read <= Duration::from_secs(365 * 86_400));
        }
    }

    #[test]
    fn sizes_read_as_they_are_written(number in 0u64..1 << 30, unit in prop::sample::select(vec![("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)])) {
        let read = ByteSize::from_text(&format!("{number}{}", unit.0)).unwrap();
        prop_assert_eq!(read, ByteSize(number << unit.1));
        prop_assert_eq!(ByteSize::from_integer(number as i64).unwrap(), ByteSize(number));
    }

    #[test]
    fn any_text_is_refused_or_read_without_a_panic(text in "\\PC*") {
        let _ = Duration::from_text(&text);
        let _ = ByteSize::from_text(&text);
        let _ = crate::proxy::Upstream::from_text(&text);
        let _ = parse(&text);
    }

    #[test]
    fn any_change_of_a_file_is_refused_or_read_without_a_panic(at in 0..SMALLEST.len(), piece in "\\PC{0,3}") {
        let text = format!("{}{piece}{}", &SMALLEST[..at], &SMALLEST[at + 1..]);
        if let Err(faults) = parse(&text) {
            prop_assert!(faults.iter().count() > 0);
        }
    }
}

#[test]
fn upstream_that_is_a_listener_of_the_same_configuration_is_refused() {
    let upstream = |listen: &str, upstream: &str| {
        let text = SMALLEST.replace("127.0.0.1:8080", listen);
        text.replace("http://127.0.0.1:3000", upstream)
    };
    let told = |url: &str, owner: &str, address: &str| {
        vec![format!("7:12: proxy.kitchen.upstream: {url} is {owner} itself, which listens on {address}")]
    };
    for (listen, url) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(faults(&upstream(listen, url)), told(url, "proxy.kitchen", listen));
    }
    let admin = "http://127.0.0.1:9180";
    assert_eq!(
        faults(&upstream("127.0.0.1:8080", admin)),
        told(admin, "the admin listener", "127.0.0.1:9180")
    );
    for (listen, url) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8081"),
        ("127.0.0.1:8080", "http://127.0.0.2:8080"),
        ("127.0.0.1:8080", "http://kitchen:8080"),
        ("0.0.0.0:8080", "http://192.0.2.1:8080"),
        ("0.0.0.0:8080", "http://[::1]:8080"),
        ("127.0.0.1:0", "http://127.0.0.1:80"),
    ] {
        assert!(parse(&upstream(listen, url)).is_ok(), "{listen} {url}");
    }
}
