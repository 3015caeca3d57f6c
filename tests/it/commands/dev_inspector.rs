//! The inspector of `alewife dev`: what it shows and does of a running sidecar, over its API.

use std::net::SocketAddr;

use alewife::crypto::encoding::{base64_decode, base64_encode};
use serde_json::{Value, json};

use super::KeyFile;
use super::dev::Dev;
use crate::support::{Connection, Origin, Peer, Reply, TestKey, WebSocketOrigin, eventually};

const SOUP: &str = r#"{"dish":"soup"}"#;

/// The inspector of a running `alewife dev`.
struct Inspector {
    address: SocketAddr,
    token: String,
}

impl Inspector {
    fn of(dev: &Dev) -> Self {
        let url = dev.announced("inspect  ").split_whitespace().nth(1).unwrap().to_owned();
        let (address, rest) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        Self { address: address.parse().unwrap(), token: rest.trim_end_matches('/').to_owned() }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} /{}/{path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.token,
            self.address,
            body.len()
        );
        Connection::to(self.address).exchange(format!("{head}{body}").as_bytes())
    }

    fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let reply = self.ask(method, path, body);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        serde_json::from_slice(&reply.body).unwrap()
    }

    fn exchange(&self, id: &Value) -> Value {
        let read = || self.json("GET", &format!("api/exchanges/{id}"), None);
        eventually("the exchange has ended", || read()["state"] == "done");
        read()
    }
}

fn body(side: &Value) -> Vec<u8> {
    base64_decode(side["body"]["base64"].as_str().unwrap().as_bytes()).unwrap()
}

fn header<'v>(side: &'v Value, name: &str) -> Option<&'v str> {
    side["headers"].as_array()?.iter().find(|field| field[0] == name)?[1].as_str()
}

fn started() -> (tempfile::TempDir, Origin, Dev, Inspector) {
    let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
    let dev = Dev::inspected(state.path(), application.address());
    let inspector = Inspector::of(&dev);
    (state, application, dev, inspector)
}

fn order(dev: &Dev) {
    let ended = dev.send(&["--json", SOUP, &format!("{}/orders", dev.url())], b"");
    assert_eq!(ended.text(), SOUP, "{}", ended.stderr);
}

#[test]
fn order_is_shown_on_the_wire_and_in_plain() {
    let (_state, _application, dev, inspector) = started();
    order(&dev);
    let shown = inspector.exchange(&json!(1));
    assert_eq!(
        (&shown["target"], &shown["status"], &shown["outcome"]),
        (&"/orders".into(), &200.into(), &"answered".into())
    );
    for half in ["request", "reply"] {
        let half = &shown[half];
        assert_eq!(body(&half["plain"]), SOUP.as_bytes());
        let sealed = body(&half["sealed"]);
        assert_eq!(sealed.len(), SOUP.len() + 16);
        assert_eq!(half["envelope"]["tag"], base64_encode(&sealed[SOUP.len()..]));
        assert_eq!(half["envelope"]["iv"], header(&half["sealed"], "sec-iv").unwrap());
        assert_eq!(half["envelope"]["fingerprint"], header(&half["sealed"], "sec-fingerprint").unwrap());
        assert_eq!(header(&half["plain"], "sec-iv"), None);
    }
    assert!(shown["timings"]["upstream"].as_f64().unwrap() > 0.0, "{shown}");
    let text = String::from_utf8(inspector.ask("GET", "api/keys", None).body).unwrap();
    assert!(text.contains("dev-") && !text.contains("secret"), "{text}");
}

#[test]
fn order_is_repeated_sealed_anew_and_to_the_byte() {
    let (_state, application, dev, inspector) = started();
    order(&dev);
    let first = inspector.exchange(&json!(1));
    let repeat = |exactly: bool| {
        let made = inspector.json("POST", "api/exchanges/1/repeat", Some(&json!({ "exactly": exactly })));
        inspector.exchange(&made["id"])
    };
    let (anew, exactly) = (repeat(false), repeat(true));
    let iv = |shown: &Value| shown["request"]["envelope"]["iv"].clone();
    assert_ne!(iv(&anew), iv(&first));
    assert_eq!(iv(&exactly), iv(&first));
    for shown in [&anew, &exactly] {
        assert_eq!((&shown["repeats"], &shown["status"]), (&1.into(), &200.into()), "{shown}");
        assert_eq!(body(&shown["request"]["plain"]), SOUP.as_bytes());
    }
    assert_eq!(body(&exactly["request"]["sealed"]), body(&first["request"]["sealed"]));
    assert_eq!(application.count(), 3);
}

#[test]
fn message_that_a_profile_holds_whole_is_shown_with_its_envelope_and_sealed_anew() {
    for profile in ["payon", "sibs", "wechatpay-v3", "ccavenue-gcm"] {
        let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
        let to = application.address().to_string();
        let dev = Dev::launch(state.path(), &["--inspect", "127.0.0.1:0", "--to", &to, "--profile", profile]);
        let inspector = Inspector::of(&dev);
        let written = json!({
            "proxy": "dev", "method": "POST", "target": "/notify", "headers": [["content-type", "application/json"]],
            "body": base64_encode(SOUP.as_bytes()),
        });
        let sent = inspector.json("POST", "api/send", Some(&written));
        let first = inspector.exchange(&sent["id"]);
        assert_eq!(
            (&first["status"], body(&first["request"]["plain"])),
            (&200.into(), SOUP.into()),
            "{profile}: {first}"
        );
        let repeat = |exactly: bool| {
            let path = format!("api/exchanges/{}/repeat", sent["id"]);
            let made = inspector.json("POST", &path, Some(&json!({ "exactly": exactly })));
            inspector.exchange(&made["id"])
        };
        let (anew, exactly) = (repeat(false), repeat(true));
        let envelope = |shown: &Value, part: &str| shown["request"]["envelope"][part].clone();
        for part in ["iv", "tag"] {
            assert!(envelope(&first, part).is_string(), "{profile}, {part}: {first}");
            assert_ne!(envelope(&anew, part), envelope(&first, part), "{profile}, {part}");
            assert_eq!(envelope(&exactly, part), envelope(&first, part), "{profile}, {part}");
        }
        for shown in [&anew, &exactly] {
            assert_eq!(
                (&shown["status"], body(&shown["request"]["plain"])),
                (&200.into(), SOUP.into()),
                "{profile}: {shown}"
            );
        }
        assert_eq!(body(&exactly["request"]["sealed"]), body(&first["request"]["sealed"]), "{profile}");
        assert!(application.received().iter().all(|received| received.body == SOUP.as_bytes()), "{profile}");
        let copied = inspector.ask("GET", &format!("api/exchanges/{}/copy?as=send", sent["id"]), None);
        assert_eq!(copied.status, 409, "{profile}: {}", copied.text());
    }
}

#[test]
fn edited_order_is_sent() {
    let (_state, application, _dev, inspector) = started();
    let edited = json!({
        "proxy": "dev", "method": "PUT", "target": "/orders/7?rush=1",
        "headers": [["content-type", "text/plain"]], "body": base64_encode(b"two soups"),
    });
    let made = inspector.json("POST", "api/send", Some(&edited));
    assert_eq!(inspector.exchange(&made["id"])["status"], 200);
    let received = application.only();
    assert_eq!(
        (received.request_line.as_str(), &received.body[..]),
        ("PUT /orders/7?rush=1 HTTP/1.1", &b"two soups"[..])
    );
}

#[test]
fn faults_are_what_the_next_clients_meet_and_no_others() {
    let (_state, _application, dev, inspector) = started();
    let url = format!("{}/orders", dev.url());
    for (kind, met) in [
        ("wrong_tag", "not"),
        ("unknown_fingerprint", "errorCode\":2"),
        ("expired_key", "errorCode\":2"),
        ("error_code_1", "errorCode\":1"),
        ("error_code_2", "errorCode\":2"),
        ("truncated_body", ""),
        ("drop_reply", ""),
    ] {
        inspector.json("POST", "api/faults", Some(&json!({ "kind": kind, "count": 1 })));
        let ended = dev.send(&["--json", SOUP, &url], b"");
        assert_ne!(ended.text(), SOUP, "{kind}: {}", ended.stderr);
        let all = format!("{}{}", ended.text(), ended.stderr);
        assert!(all.contains(met), "{kind}: {all}");
        order(&dev);
    }
    let shown = inspector.json("GET", "api/exchanges", None);
    let faults: Vec<_> = shown["exchanges"].as_array().unwrap().iter().map(|shown| &shown["fault"]).collect();
    assert_eq!(faults.len(), 14);
    assert_eq!(faults.iter().filter(|fault| fault.is_null()).count(), 7);
}

#[test]
fn wrong_tag_of_an_outbound_proxy_is_an_error_that_can_be_read() {
    let (state, key) = (tempfile::tempdir().unwrap(), TestKey::new("AES-256-GCM"));
    let (peer, keys) = (Peer::echo(&key), KeyFile::of(&[&key]));
    let (to, file) = (format!("http://{}", peer.address()), keys.path());
    let dev =
        Dev::launch(state.path(), &["--inspect", "127.0.0.1:0", "--to", &to, "--keys", &file, "--outbound"]);
    let inspector = Inspector::of(&dev);
    inspector.json("POST", "api/faults", Some(&json!({ "kind": "wrong_tag", "count": 1 })));
    let address = dev.url().strip_prefix("http://").unwrap().parse().unwrap();
    let reply = Connection::to(address).exchange(b"GET /orders HTTP/1.1\r\nhost: kitchen\r\n\r\n");
    let told: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &told["errorCode"]), (502, &108.into()));
}

#[test]
fn session_is_copied_as_one_of_its_own() {
    let (state, application) = (tempfile::tempdir().unwrap(), WebSocketOrigin::echo());
    let dev = Dev::inspected(state.path(), application.address());
    let inspector = Inspector::of(&dev);
    let url = format!("{}/orders", dev.url().replace("http://", "ws://"));
    assert_eq!(dev.send(&[&url], b"soup\n").ok(), b"soup\n");
    let copied = inspector.ask("GET", "api/exchanges/1/copy?as=send", None);
    assert!(copied.text().ends_with(&format!(" '{url}'\n")), "{}", copied.text());
    assert_eq!(inspector.ask("GET", "api/exchanges/1/copy?as=curl", None).status, 409);
}

#[test]
fn key_is_rotated_and_the_next_order_is_sealed_with_it() {
    let (_state, _application, dev, inspector) = started();
    order(&dev);
    let rotated = inspector.json("POST", "api/keys/rotate", Some(&json!({})));
    let next = json!({ "proxy": "dev", "method": "POST", "target": "/orders", "headers": [], "body": "" });
    let made = inspector.json("POST", "api/send", Some(&next));
    assert_eq!(inspector.exchange(&made["id"])["key"], rotated["fingerprint"]);
    // The older one still opens.
    order(&dev);
}

#[test]
fn nobody_gets_in_without_the_token_from_another_page_or_by_another_name() {
    let (_state, _application, _dev, inspector) = started();
    let page = inspector.ask("GET", "", None);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(
        page.text().contains(&format!("<script nonce=\"{nonce}\">")),
        "the page is not that of this policy"
    );
    assert!(!page.text().contains("{{"), "a place of the page was left empty");
    let status = |path: &str, lines: &str| {
        let request = format!("GET {path} HTTP/1.1\r\n{lines}\r\n");
        Connection::to(inspector.address).exchange(request.as_bytes()).status
    };
    let (own, token) = (format!("host: {}\r\n", inspector.address), &inspector.token);
    assert_eq!(status(&format!("/{token}/api/about"), &own), 200);
    assert_eq!(status("/api/about", &own), 404);
    assert_eq!(status(&format!("/{}/api/about", "0".repeat(32)), &own), 404);
    assert_eq!(status(&format!("/{token}/api/about"), "host: rebound.example\r\n"), 403);
    assert_eq!(
        status(&format!("/{token}/api/about"), &format!("{own}origin: https://evil.example\r\n")),
        403
    );
}
