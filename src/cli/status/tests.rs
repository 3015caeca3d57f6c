use serde_json::{Value, json};

use super::*;

fn page(report: Value) -> String {
    page::of(&serde_json::from_value(report).unwrap()).unwrap()
}

fn used(count: u64, last: Value) -> Value {
    json!({ "count": count, "failures": 0, "first": null, "last": last, "last_failure": null, "limit": 4_294_967_296_u64 })
}

fn full() -> Value {
    let key = json!({
        "fingerprint": "0f3c2a9e417b00112233445566778d21b", "id": "0f3c2a9e41…8d21b", "algorithm": "AES-256-GCM",
        "valid_after": "2026-06-01T00:00:00Z", "valid_until": null, "state": "sealing",
        "retire": { "safe": false, "reason": "it seals" }, "watched_since": "2026-06-01T08:00:00Z",
        "opened": used(9, json!("2026-06-01T11:59:58Z")), "sealed": used(8_123, json!("2026-06-01T11:59:00Z")),
    });
    let sources = json!([
        { "kind": "file", "name": "keys.toml", "confirmed": "2026-06-01T11:59:57Z", "from_cache": false,
          "age_seconds": 3, "failure": null },
        { "kind": "portal", "name": "https://portal.test/keys", "confirmed": "2026-06-01T10:00:00Z",
          "from_cache": true, "age_seconds": 7200,
          "failure": { "at": "2026-06-01T11:00:00Z", "what": "the portal answers 500 Internal Server Error" } },
    ]);
    let listener = json!({
        "name": "kitchen", "mode": "inbound", "address": "https://127.0.0.1:8080", "tls": true, "connections": 12,
        "in_flight": 3, "sessions": 0, "limits": { "connections": 8192, "requests": 4096, "sessions": null },
        "goes_to": "http://127.0.0.1:3000", "outcomes": { "ale_error": 2, "answered": 8123, "timed_out": 0 },
    });
    let network = |sealed: u64, plain: u64| {
        json!({ "network": "192.0.2.0/24", "sealed": sealed, "plain": plain, "refused": 0, "would_refuse": [],
                "last": null, "last_plain": null })
    };
    let migration = json!({
        "proxy": "kitchen", "route": "orders", "policy": "shadow", "from": ["192.0.2.0/24"],
        "until": "2027-03-31T00:00:00Z", "quiet_for_seconds": 86_400, "since": "2026-06-01T08:00:00Z",
        "plain_under_way": 0, "last_plain": "2026-06-01T09:00:00Z", "safe_to_require": false,
        "reason": "plain 3h ago", "networks": [network(100, 1), network(20, 2)],
    });
    let reuse = json!({ "proxy": "kitchen", "fingerprint": "0f3c", "id": "0f3c", "network": "192.0.2.0/24",
                        "count": 7, "last": "2026-06-01T11:58:00Z" });
    let last_reload = json!({ "at": "2026-06-01T11:57:00Z", "outcome": "refused", "faults": ["config.toml:3:1: no such key"] });
    json!({
        "version": "0.1.0", "started": "2026-06-01T08:00:00Z", "pid": 4242, "now": "2026-06-01T12:00:00Z",
        "keysets": [{ "name": "default", "observation_seconds": 86_400, "keys": [key], "sources": sources }],
        "listeners": [listener],
        "configuration": { "path": "config.toml", "digest": "ba7816bf8f01cfea", "loaded": "2026-06-01T08:00:00Z",
                           "needs_restart": ["workers", "admin"], "last_reload": last_reload },
        "migration": [migration],
        "iv_reuses": { "named": [reuse], "others": { "count": 2, "last": "2026-06-01T11:00:00Z" } },
    })
}

#[test]
fn page_has_a_line_of_the_process_and_a_table_of_everything_else() {
    let expected = "\
alewife 0.1.0, pid 4242, up 4h, configuration ba7816bf8f01cfea of config.toml loaded 4h ago, last reload 3m ago: refused
    needs a restart to hold: workers, admin
    refused: config.toml:3:1: no such key

LISTENER  MODE     ADDRESS                 TLS  CONNECTIONS  REQUESTS   SESSIONS
kitchen   inbound  https://127.0.0.1:8080  yes  12 of 8192   3 of 4096  0

LISTENER  OUTCOME    EXCHANGES
kitchen   answered   8123
kitchen   ale_error  2

KEY SET  KEY               ALGORITHM    STATE    VALID                   SEALED              LAST USE  MAY GO
default  0f3c2a9e41…8d21b  AES-256-GCM  sealing  from 2026-06-01T00:00Z  8123 of 4294967296  2s ago    no: it seals

KEY SET  SOURCE  FROM                      CONFIRMED               ERROR SINCE
default  file    keys.toml                 3s ago                  none
default  portal  https://portal.test/keys  2h ago, from the cache  1h ago: the portal answers 500 Internal Server Error

PROXY    ROUTE   POLICY  UNTIL                 SEALED  PLAIN  REFUSED  LAST PLAIN  SAFE TO REQUIRE
kitchen  orders  shadow  2027-03-31T00:00:00Z  120     3      0        3h ago      no: plain 3h ago

PROXY    KEY   REPEATS IVS   TIMES  LAST
kitchen  0f3c  192.0.2.0/24  7      2m ago
and 2 of others, the last 1h ago
";
    assert_eq!(page(full()), expected);
}

#[test]
fn sidecar_that_tells_less_has_a_shorter_page() {
    let report = json!({ "version": "0.0.9", "now": "2026-06-01T12:00:00Z", "keysets": [] });
    let expected = "alewife 0.0.9\n\nno listeners\n\nno exchanges that have ended\n\nno keys\n\nno sources of keys\n\n\
                    no routes that let plain clients pass\n\nno repeated IVs\n";
    assert_eq!(page(report), expected);
}

#[test]
fn what_is_no_time_is_shown_as_it_is() {
    let mut report = full();
    report["configuration"]["loaded"] = json!("yesterday");
    report["configuration"]["last_reload"] = Value::Null;
    assert!(page(report).contains(" loaded yesterday, not reloaded yet\n"));
    let mut report = full();
    report["now"] = json!("noon");
    assert!(page(report).contains("last reload 2026-06-01T11:57:00Z: refused\n"));
}

#[test]
fn what_has_another_shape_is_no_status() {
    for (member, value) in [
        ("listeners", json!(7)),
        ("migration", json!([{}])),
        ("iv_reuses", json!({ "named": [1] })),
        ("configuration", json!([])),
    ] {
        let mut report = full();
        report[member] = value;
        assert!(page::of(&serde_json::from_value(report).unwrap()).is_err(), "{member}");
    }
    let mut report = full();
    report["keysets"][0]["sources"] = json!([[]]);
    assert!(page::of(&serde_json::from_value(report).unwrap()).is_err(), "sources");
}

/// Makes every text in `value` a hostile one, but for those that must be one of a few words.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) if text != "sealing" => *text = format!("\u{1b}[2J\u{7}{text}\r\n\u{202e}\u{9b}"),
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(members) => members.values_mut().for_each(poison),
        _ => {}
    }
}

#[test]
fn strangers_words_do_not_reach_the_terminal_as_they_are() {
    let mut report = full();
    poison(&mut report);
    let (clean, text) = (page(full()), page(report));
    assert!(text.chars().all(|c| matches!(c, '\n' | ' '..='~' | '…')), "{text:?}");
    assert_eq!(text.lines().count(), clean.lines().count(), "{text}");
    assert!(text.contains("\\u{1b}[2J\\u{7}kitchen"), "{text}");
}

#[test]
fn address_and_url_mean_the_same() {
    assert_eq!(target("127.0.0.1:9180").unwrap(), target("http://127.0.0.1:9180").unwrap());
    assert_eq!(target("[::1]:9180").unwrap().uri.to_string(), "http://[::1]:9180/");
    assert_eq!(target("https://127.0.0.1:9180"), Err(NotATarget::Scheme));
    assert_eq!(target(""), Err(NotATarget::Malformed));
}

#[test]
fn default_is_where_an_admin_listener_is_unless_told_otherwise() {
    #[derive(clap::Parser)]
    struct Asking {
        #[command(flatten)]
        args: Args,
    }
    let args = <Asking as clap::Parser>::try_parse_from(["asking"]).unwrap().args;
    assert_eq!(args.admin, target(&crate::admin::AdminConfig::LISTEN.to_string()).unwrap());
}

#[test]
fn listener_at_all_addresses_is_asked_on_loopback() {
    let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
    assert_eq!(reached("0.0.0.0:9180"), "127.0.0.1:9180");
    assert_eq!(reached("[::]:9180"), "[::1]:9180");
    assert_eq!(reached("192.0.2.7:9180"), "192.0.2.7:9180");
}
