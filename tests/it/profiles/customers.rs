//! One outbound proxy that calls several customers, each in the way of its own callback profile.

use super::{Callback, FORM, IV, Php, assert_error, content_type, request};
use crate::support::{Origin, Sidecar};

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nsec-iv: theirs\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn each_customer_gets_callbacks_under_its_own_algorithm_key_and_iv_policy_or_none() {
    let Some(php) = Php::start() else { return };
    let (gcm, cfb) = (Callback::of("AES-256-GCM"), Callback::of("AES-128-CFB"));
    let [safe, fixed, plain] = [(); 3].map(|()| Origin::fixed(ACCEPTED));
    let text = format!(
        r#"workers = 1
[admin]
listen = "127.0.0.1:0"
[profile.safe]
preset = "kaleyra"
algorithm = "AES-256-GCM"
iv = "prefix"
include = ["query:phone", "form:phone", "json:/calls/*/phone"]
optional = ["query:*", "form:*"]
[keyset.safe]
file = "safe.toml"
{}
[[proxy]]
name = "callbacks"
mode = "outbound"
listen = "127.0.0.1:0"
[[proxy.route]]
path = "/customers/safe"
profile = "safe"
keys = "safe"
upstream = "http://{}"
rewrite = "/hooks/v2"
[[proxy.route]]
path = "/customers/fixed"
profile = "{cfb}"
keys = "{cfb}"
upstream = "http://{}"
rewrite = "/"
[[proxy.route]]
path = "/customers/plain"
policy = "bypass"
upstream = "http://{}"
"#,
        cfb.tables(
            "danger_static_iv = true\ninclude = [\"query:phone\", \"form:*\"]\noptional = [\"query:*\"]"
        ),
        safe.address(),
        fixed.address(),
        plain.address(),
        cfb = cfb.name(),
    );
    let sidecar = Sidecar::outbound()
        .configured(&text)
        .file("safe.toml", gcm.entry())
        .file("aes-128-cfb.toml", cfb.entry())
        .file("iv", IV)
        .start();
    let mut connection = sidecar.connect();
    let mut ask = |request: Vec<u8>| {
        let reply = connection.exchange(&request);
        assert_eq!((reply.status, reply.text()), (202, "ok"));
    };
    let value =
        |target: &str| target.rsplit_once("phone=").unwrap().1.replace("%2B", "+").replace("%2F", "/");

    ask(request("GET", "/customers/safe/a%20b?id=7&phone=%2B49", "", ""));
    ask(request("GET", "/customers/safe/a%20b?id=7&phone=%2B49", "", ""));
    let targets: Vec<_> = safe.received().iter().map(|received| received.target().to_owned()).collect();
    assert!(targets.iter().all(|target| target.starts_with("/hooks/v2/a%20b?id=7&phone=")), "{targets:?}");
    assert_ne!(targets[0], targets[1], "each value has an iv of its own");
    for target in &targets {
        let sealed = value(target).replace("%3D", "=");
        assert_eq!(php.open_prefixed(&gcm, &sealed).as_deref(), Some("+49"), "{target}");
    }
    ask(request(
        "POST",
        "/customers/safe",
        &content_type("application/json"),
        r#"{"calls":[{"phone":"1"},{"phone":"1"}]}"#,
    ));
    let document: serde_json::Value = serde_json::from_slice(&safe.received().pop().unwrap().body).unwrap();
    let [one, two] = [0, 1].map(|index| document["calls"][index]["phone"].as_str().unwrap());
    assert_ne!(one, two);
    for sealed in [one, two] {
        assert_eq!(php.open_prefixed(&gcm, sealed).as_deref(), Some("1"));
    }

    ask(request("POST", "/customers/fixed/x?phone=%2B49", &content_type(FORM), "note=soup&x=1"));
    let received = fixed.only();
    let (path, query) = received.target().split_once('?').unwrap();
    assert_eq!((path, php.open_escaped(&cfb, &query[6..]).as_deref()), ("/x", Some("+49")));
    let body = String::from_utf8(received.body).unwrap();
    let opened: Vec<_> = body
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| format!("{name}={}", php.open_escaped(&cfb, value).unwrap()))
        .collect();
    assert_eq!(opened, ["note=soup", "x=1"]);

    ask(request("PUT", "/customers/plain/x?phone=%2B49", "content-type: text/xml\r\n", "<phone>1</phone>"));
    let received = plain.only();
    assert_eq!(
        (received.target(), &received.body[..]),
        ("/customers/plain/x?phone=%2B49", &b"<phone>1</phone>"[..])
    );
    assert_error(
        &connection.exchange(&request("GET", "/customers/other?phone=1", "", "")),
        404,
        114,
        "No route",
    );
    assert_eq!([safe.count(), fixed.count(), plain.count()], [3, 1, 1]);
}
