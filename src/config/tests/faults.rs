//! Every way for a line or a section to be wrong.

use super::{SMALLEST, faults, parse, with};

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
            "upstream = \"https://a..b\"",
            "7:12: proxy.kitchen.upstream: \"https://a..b\" has a host that no certificate can be for",
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
        ("upstream_http = \"3\"", "8:17: proxy.kitchen.upstream_http: \"3\" is not a known version of HTTP"),
        (
            "upstream_http = 2",
            "8:17: proxy.kitchen.upstream_http: expected a version of HTTP in quotes, found an integer",
        ),
        (
            "ca_file = \"ca.pem\"",
            "8:11: proxy.kitchen.ca_file: nothing to use it for, since upstream is http://",
        ),
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
fn remedies_name_what_is_known() {
    let remedy = |line: &str| parse(&with(line)).unwrap_err().iter().next().unwrap().remedy.clone();
    assert_eq!(remedy("lsiten = 1"), "write `listen` if that is what is meant");
    assert_eq!(remedy("max-body = 1"), "write `max_body` if that is what is meant");
    assert_eq!(
        remedy("zzz = 1"),
        "remove it; the keys here are name, mode, listen, proxy_protocol_from, upstream, keys, profile, ca_file, \
         client_cert_file, client_key_file, upstream_http, host, forwarded, trust_forwarded_from, max_body, \
         bodyless_methods, policy, from, until, quiet_for, timeouts, websocket, limits, tls, seal_replies, required_headers, \
         credential_mismatch, carriers, origins, answer_ping, replies, plain_errors, replay_window, replay_entries, replay_store, replay_store_failure, replay_store_timeout, \
         replay_store_ca_file, replay_store_user, replay_store_password, route"
    );
    assert_eq!(remedy("forwarded = \"x\""), "write \"append\" or \"replace\" or \"off\"");
    assert_eq!(
        remedy("listen = \"x\""),
        "write \"IP:PORT\", or a port alone for loopback, or \"unix:/PATH\" for a Unix socket"
    );
}

#[test]
fn limit_of_seals_may_be_lower_than_the_bound_and_not_higher() {
    let with_limit = |line: &str| SMALLEST.replace("[keys]\n", &format!("[keys]\n{line}\n"));
    assert_eq!(parse(&with_limit("seal_limit = 1")).unwrap().key_sets[0].seal_limit.most, 1);
    assert_eq!(parse(&with_limit("seal_limit = 4294967296")).unwrap().key_sets[0].seal_limit.most, 1 << 32);
    for number in ["0", "-1", "4294967297"] {
        let fault = format!("2:14: keys.seal_limit: {number} is no number of messages that a key may seal");
        assert_eq!(faults(&with_limit(&format!("seal_limit = {number}"))), [fault]);
    }
    let fault = "2:17: keys.on_seal_limit: \"stop\" is not a known policy";
    assert_eq!(faults(&with_limit("on_seal_limit = \"stop\"")), [fault]);
}
