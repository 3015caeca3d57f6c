//! What each mode has for itself, and WebSocket sessions.

use std::time::Duration;

use super::{Mode, SMALLEST, SMALLEST_OUTBOUND, faults, parse};
use crate::proxy::{
    Carriers, ForwardedPolicy, HostPolicy, InboundConfig, OnBadMessage, OutboundConfig, PlainErrors,
    ProxyConfig, Replies, WebSocketConfig,
};

fn inbound(lines: &str) -> String {
    format!("{SMALLEST}{lines}")
}

fn outbound(lines: &str) -> String {
    format!("{SMALLEST_OUTBOUND}{lines}")
}

/// The one proxy of a text that is right and warns of nothing.
fn proxy(text: &str) -> ProxyConfig {
    let config = parse(text).unwrap();
    assert_eq!(config.warnings, []);
    config.proxies.into_iter().next().unwrap()
}

#[test]
fn outbound_proxy_asks_for_the_peer_by_its_own_name_and_adds_nothing() {
    let proxy = proxy(SMALLEST_OUTBOUND);
    assert_eq!(proxy.mode, Mode::Outbound(OutboundConfig::default()));
    assert_eq!((proxy.host, proxy.forwarded), (HostPolicy::Upstream, ForwardedPolicy::Off));
    assert_eq!(proxy.websocket, WebSocketConfig::default());
    assert_eq!(proxy.mode.to_string(), "outbound");
}

#[test]
fn settings_of_an_outbound_proxy_reach_their_place() {
    let text = "host = \"pass\"\nforwarded = \"append\"\nreplies = \"sealed\"\nplain_errors = \"pass\"\nmax_body = 7";
    let proxy = proxy(&outbound(text));
    let expected = OutboundConfig { replies: Some(Replies::Sealed), plain_errors: PlainErrors::Pass };
    assert_eq!(proxy.mode, Mode::Outbound(expected));
    assert_eq!((proxy.host, proxy.forwarded, proxy.max_body), (HostPolicy::Pass, ForwardedPolicy::Append, 7));
}

#[test]
fn settings_of_an_inbound_proxy_reach_their_place() {
    let text = "host = \"upstream\"\ncarriers = [\"query\", \"x-ale\"]\norigins = [\"https://POS.example\"]\nanswer_ping = false";
    let proxy = proxy(&inbound(text));
    let expected = InboundConfig {
        carriers: Carriers { x_ale: true, query: true },
        origins: vec!["https://pos.example".into()],
        answer_ping: false,
        ..InboundConfig::default()
    };
    assert_eq!(proxy.mode, Mode::Inbound(expected));
    assert_eq!((proxy.host, proxy.forwarded), (HostPolicy::Upstream, ForwardedPolicy::Append));
    assert_eq!(proxy.mode.to_string(), "inbound");
}

#[test]
fn one_carrier_alone_is_on_alone() {
    for (carrier, expected) in
        [("x-ale", Carriers { x_ale: true, query: false }), ("query", Carriers { x_ale: false, query: true })]
    {
        let text = inbound(&format!("carriers = [\"{carrier}\"]\norigins = [\"http://localhost:5173\"]"));
        assert!(matches!(proxy(&text).mode, Mode::Inbound(inbound) if inbound.carriers == expected));
    }
}

#[test]
fn settings_of_websocket_sessions_reach_their_place() {
    let of = |lines: &str| proxy(&outbound(&format!("[proxy.websocket]\n{lines}"))).websocket;
    let expected = WebSocketConfig {
        max_message: 65536,
        ping_interval: None,
        on_bad_message: OnBadMessage::Reply,
        plaintext_to_server: Vec::new(),
        plaintext_to_client: vec!["isAlive?".into(), "".into()],
    };
    let text = "max_message = \"64KiB\"\nping_interval = \"off\"\non_bad_message = \"reply\"\nplaintext_messages = [\"isAlive?\", \"\"]";
    assert_eq!(of(text), expected);
    assert_eq!(of("ping_interval = \"200ms\"").ping_interval, Some(Duration::from_millis(200)));
    let texts: Vec<Box<str>> = vec!["a".into()];
    for (direction, to_server, to_client) in
        [("to_server", &texts, &vec![]), ("to_client", &vec![], &texts), ("both", &texts, &texts)]
    {
        let read = of(&format!("plaintext_messages = [\"a\"]\nplaintext_direction = \"{direction}\""));
        assert_eq!((&read.plaintext_to_server, &read.plaintext_to_client), (to_server, to_client));
    }
}

#[test]
fn keys_of_the_other_mode_are_faults_with_a_remedy() {
    let of_inbound = [
        ("seal_replies = true", "remove it; outbound, replies says whether the peer seals its own"),
        ("required_headers = []", "remove it; the application's own headers pass as they are"),
        ("credential_mismatch = 7", "remove it; the application that sends here knows nothing of encryption"),
        ("carriers = []", "remove it; the application that sends here knows nothing of encryption"),
        ("origins = []", "remove it; the application that sends here knows nothing of encryption"),
        ("answer_ping = true", "remove it; the far sidecar answers a ping"),
    ];
    let of_outbound = [
        ("replies = \"sealed\"", "remove it; inbound, seal_replies says whether replies are sealed"),
        ("plain_errors = \"pass\"", "remove it; inbound, replies come from the application itself"),
    ];
    let told = |text: &str, line: &str, name: &str, mode: &str, remedy: &str| {
        let key = line.split(' ').next().unwrap();
        assert_eq!(faults(text), [format!("8:1: proxy.{name}.{key}: only an {mode} proxy has it")]);
        assert_eq!(parse(text).unwrap_err().iter().next().unwrap().remedy, remedy);
    };
    for (line, remedy) in of_inbound {
        told(&outbound(line), line, "pos", "inbound", remedy);
    }
    for (line, remedy) in of_outbound {
        told(&inbound(line), line, "kitchen", "outbound", remedy);
    }
}

#[test]
fn without_a_mode_the_keys_of_both_are_looked_at() {
    let text = inbound("replies = \"all\"\nseal_replies = 3\ncarriers = [\"query\"]");
    let either = [
        "8:11: proxy.kitchen.replies: \"all\" is not a known kind of replies",
        "9:16: proxy.kitchen.seal_replies: expected true or false, found an integer",
        "10:12: proxy.kitchen.carriers: \"query\" lets any page on the web connect unless origins says which",
    ];
    let mut expected = vec!["5:8: proxy.kitchen.mode: \"bridge\" is not a known mode"];
    expected.extend(either);
    assert_eq!(faults(&text.replace("\"inbound\"", "\"bridge\"")), expected);
}

#[test]
fn each_wrong_line_of_a_mode_is_told_with_its_place() {
    let of_inbound = [
        ("carriers = [\"cookie\"]", "8:12: proxy.kitchen.carriers: \"cookie\" is not a known carrier"),
        (
            "carriers = [\"query\"]\norigins = []",
            "8:12: proxy.kitchen.carriers: \"query\" lets any page on the web connect unless origins says which",
        ),
        ("host = \"own\"", "8:8: proxy.kitchen.host: \"own\" is not a known policy"),
        ("websocket.ping_interval = \"0s\"", "8:27: proxy.kitchen.websocket.ping_interval: no time at all"),
        ("websocket.ping_interval = 30", "8:27: proxy.kitchen.websocket.ping_interval: 30 has no unit"),
        (
            "websocket.on_bad_message = \"drop\"",
            "8:28: proxy.kitchen.websocket.on_bad_message: \"drop\" is not a known policy",
        ),
        (
            "websocket.plaintext_messages = \"isAlive?\"",
            "8:32: proxy.kitchen.websocket.plaintext_messages: expected a list, found a string",
        ),
        (
            "websocket.plaintext_messages = [1]",
            "8:32: proxy.kitchen.websocket.plaintext_messages: expected a text in quotes, found an integer",
        ),
        (
            "websocket.plaintext_direction = \"up\"",
            "8:33: proxy.kitchen.websocket.plaintext_direction: \"up\" is not a known direction",
        ),
        ("websocket.max_frame = 1", "8:11: proxy.kitchen.websocket.max_frame: unknown key"),
    ];
    for (lines, fault) in of_inbound {
        assert_eq!(faults(&inbound(lines)), [fault], "for {lines}");
    }
    let of_outbound = [
        ("replies = \"any\"", "8:11: proxy.pos.replies: \"any\" is not a known kind of replies"),
        ("plain_errors = \"drop\"", "8:16: proxy.pos.plain_errors: \"drop\" is not a known policy"),
    ];
    for (lines, fault) in of_outbound {
        assert_eq!(faults(&outbound(lines)), [fault], "for {lines}");
    }
}

#[test]
fn origins_are_what_browsers_send() {
    let of = |origin: &str| parse(&inbound(&format!("origins = [{origin:?}]")));
    for origin in [
        "https://pos.example",
        "http://localhost:5173",
        "https://pos.example:8443",
        "http://[::1]:8080",
        "https://[2001:db8::1]",
        "http://127.0.0.1:443",
        "https://xn--caf-dma.example",
        "chrome-extension://abcdefghijklmnop",
    ] {
        assert!(of(origin).is_ok(), "{origin}");
    }
    for (origin, problem) in [
        ("null", "is every page without an origin, local files and sandboxes of any site included"),
        ("", "is not an origin"),
        ("*", "is not an origin"),
        ("pos.example", "is not an origin"),
        ("https://", "is not an origin"),
        ("https://*.example", "is not an origin"),
        ("https://café.example", "is not an origin"),
        ("https://[]", "is not an origin"),
        ("https://[::1", "has no port of 1 to 65535"),
        ("https://[v1.a]", "is not an origin"),
        ("1a://b", "is not an origin"),
        ("://b", "is not an origin"),
        ("https://pos.example/", "has more than a scheme, a host and a port"),
        ("https://pos.example/till", "has more than a scheme, a host and a port"),
        ("https://pos.example?a", "has more than a scheme, a host and a port"),
        ("https://me@pos.example", "has more than a scheme, a host and a port"),
        ("https://pos.example:", "has no port of 1 to 65535"),
        ("https://pos.example:0", "has no port of 1 to 65535"),
        ("https://pos.example:+1", "has no port of 1 to 65535"),
        ("https://pos.example:65536", "has no port of 1 to 65535"),
        ("https://a:1:2", "has no port of 1 to 65535"),
        ("https://pos.example:443", "has the scheme's own port, which browsers leave out"),
        ("HTTP://pos.example:80", "has the scheme's own port, which browsers leave out"),
    ] {
        let faults = of(origin).unwrap_err();
        let problems: Vec<_> = faults.iter().map(|fault| fault.problem.as_str()).collect();
        assert_eq!(problems, [format!("{origin:?} {problem}")]);
    }
}

#[test]
fn replies_that_nothing_proves_are_warned_of_at_their_place() {
    for (replies, problem) in [
        ("either", "until the peer has sealed a reply, whoever is on the line can make replies up"),
        ("plain", "whoever is on the line can read replies and make them up"),
    ] {
        let config = parse(&outbound(&format!("replies = \"{replies}\""))).unwrap();
        let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.one_line()).collect();
        let [warning] = &warnings[..] else { panic!("one warning, not {warnings:?}") };
        let begin = format!("config.toml:8:11: proxy.pos.replies: {problem}; remedy: ");
        assert!(warning.starts_with(&begin), "{warning}");
    }
}
