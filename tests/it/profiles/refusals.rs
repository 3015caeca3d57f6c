//! Callbacks that are refused: nothing is forwarded, the peer hears the profile's words, and the log says where it was.

use super::{Callback, FORM, IV, Php, content_type, request};
use crate::support::{Connection, Origin, Sidecar, SidecarBuilder, TestKey, eventually};

const ERRORS: &str = "[profile.NAME.errors.decrypt]\nstatus = 422\ncontent_type = \"text/plain; charset=utf-8\"\n\
                      body = \"nicht lesbar\"\n";

/// What the callback on each path must bear.
const PROFILES: [(&str, &str); 4] = [
    ("query", "include = [\"query:phone\", \"query:note\"]\noptional = [\"query:note\"]"),
    ("form", "include = [\"form:phone\", \"form:note\"]\noptional = [\"form:note\"]"),
    ("json", "include = [\"json:/phone\", \"json:/n\"]\nliteral = [\"/n\"]\noptional = [\"json:/n\"]"),
    ("header", "include = [\"header:x-caller\"]"),
];

fn sidecar(mode: fn() -> SidecarBuilder, callback: &Callback, origin: &Origin) -> Sidecar {
    let (mut profiles, mut routes) = (String::new(), String::new());
    for (name, lines) in PROFILES {
        profiles += &format!(
            "[profile.{name}]\npreset = \"kaleyra\"\nalgorithm = \"{}\"\nstatic_iv = {{ file = \"iv\" }}\n\
             danger_static_iv = true\n{lines}\n{}",
            callback.algorithm,
            ERRORS.replace("NAME", name)
        );
        routes += &format!("[[proxy.route]]\npath = \"/{name}\"\nprofile = \"{name}\"\nkeys = \"hooks\"\n");
    }
    mode()
        .keys(&[&TestKey::new("AES-128-CTR")])
        .upstream(origin.address())
        .proxy(&routes)
        .tables(&format!("{profiles}[keyset.hooks]\nfile = \"hooks.toml\"\n"))
        .file("iv", IV)
        .file("hooks.toml", callback.entry())
        .start()
}

/// A callback, and what the log is to say of it.
struct Case {
    request: Vec<u8>,
    said: &'static str,
}

fn case(said: &'static str, request: Vec<u8>) -> Case {
    Case { request, said }
}

fn assert_refused(sidecar: &Sidecar, origin: &Origin, cases: Vec<Case>) {
    let mut connection = sidecar.connect();
    let mut told = std::collections::BTreeMap::<&str, usize>::new();
    for Case { request, said } in cases {
        let shown = String::from_utf8_lossy(&request).into_owned();
        let reply = connection.exchange(&request);
        assert_eq!((reply.status, reply.text()), (422, "nicht lesbar"), "{said}: {shown}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.header("connection"), None, "{said}: it serves on");
        let count = told.entry(said).or_default();
        *count += 1;
        let line = format!("\"reason\":\"errorCode 2: {said}\"");
        eventually(said, || sidecar.log().matches(&line).count() == *count);
    }
    assert_eq!(origin.count(), 0, "{:?}", origin.received());
    let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
    for (said, count) in told {
        *reasons.entry(said.split(' ').next().unwrap()).or_default() += count;
    }
    for (reason, count) in reasons {
        let series = format!("alewife_ale_errors_total{{proxy=\"kitchen\",code=\"2\",reason=\"{reason}\"}}");
        assert_eq!(sidecar.metric(&series), count as f64, "{reason}");
    }
}

#[test]
fn callback_of_which_a_value_is_missing_empty_or_false_reaches_nobody() {
    let Some(php) = Php::start() else { return };
    let callback = Callback::of("AES-256-GCM");
    let origin = Origin::echo();
    let sidecar = sidecar(Sidecar::inbound, &callback, &origin);
    let value = |text: &str| php.seal_escaped(&callback, text);
    let (good, raw) = (value("+49 30 secret"), php.seal(&callback, "+49 30 secret"));
    let forged = format!("{}{}", if raw.starts_with('A') { 'B' } else { 'A' }, &raw[1..]);
    let bad = forged.replace('+', "%2B");
    let get = |query: String| request("GET", &format!("/query{query}"), "", "");
    let post = |path: &str, kind: &str, body: String| request("POST", path, &content_type(kind), &body);
    let json = |body: String| post("/json", "application/json", body);
    let header =
        |text: &str| request("GET", "/header", &format!("x-caller: {}\r\n", php.seal(&callback, text)), "");
    let cases = vec![
        case("missing_value at query:phone", get(String::new())),
        case("missing_value at query:phone", get(format!("?note={good}&Phone={good}"))),
        case("empty_value at query:phone", get(format!("?phone=&note={good}"))),
        case("empty_value at query:phone", get(format!("?note={good}&phone"))),
        case("bad_message at query:phone", get("?phone=+49-30-plain".to_owned())),
        case("not_authentic at query:phone", get(format!("?phone={bad}"))),
        case("not_authentic at query:phone", get(format!("?phone={good}&phone={bad}"))),
        case("not_authentic at query:note", get(format!("?phone={good}&note={bad}"))),
        case("not_authentic at query:phone", get("?phone=AAAA".to_owned())),
        case("bad_value at query:phone", get("?phone=%zz".to_owned())),
        case("missing_value at form:phone", post("/form", FORM, format!("note={good}"))),
        case("empty_value at form:phone", post("/form", FORM, format!("note={good}&phone="))),
        case("not_authentic at form:note", post("/form", FORM, format!("phone={good}&note={bad}"))),
        case("missing_value at form:phone", request("DELETE", "/form", "", "")),
        case("unsupported_body at content-type", post("/form", "text/xml", format!("phone={good}"))),
        case(
            "unsupported_body at content-type",
            post("/form", "multipart/form-data; boundary=x", "--x".to_owned()),
        ),
        case(
            "unsupported_body at content-type",
            post("/form", "application/json", format!("{{\"phone\":\"{raw}\"}}")),
        ),
        case("unsupported_body at content-type", request("PUT", "/form", "", &format!("phone={good}"))),
        case(
            "unsupported_body at content-encoding",
            request("PUT", "/form", &format!("{}content-encoding: gzip\r\n", content_type(FORM)), "phone=x"),
        ),
        case("unsupported_body at body", json("{\"phone\":".to_owned())),
        case("missing_value at json:/phone", json("{\"Phone\":1,\"n\":\"\"}".to_owned())),
        case("missing_value at json:/phone", json("[]".to_owned())),
        case("empty_value at json:/phone", json("{\"phone\":\"\"}".to_owned())),
        case("bad_value at json:/phone", json("{\"phone\":493012}".to_owned())),
        case("bad_message at json:/phone", json("{\"phone\":\"+49 30\"}".to_owned())),
        case("not_authentic at json:/phone", json(format!("{{\"phone\":\"{forged}\"}}"))),
        case("bad_value at json:/n", json(format!("{{\"phone\":\"{raw}\",\"n\":\"{raw}\"}}"))),
        case("missing_value at header:x-caller", request("GET", "/header", "", "")),
        case("bad_value at header:x-caller", header("secret\r\nx-evil: 1")),
        case("bad_value at header:x-caller", header("secret\nx")),
        case("bad_value at header:x-caller", header("secret\rx")),
        case("bad_value at header:x-caller", header("secret\0")),
        case("bad_value at header:x-caller", header(" secret")),
    ];
    assert_refused(&sidecar, &origin, cases);
    let log = sidecar.log();
    for kept in ["secret", "+49", &callback.key, IV, raw.as_str(), good.as_str(), "nicht lesbar"] {
        assert!(!log.contains(kept), "{kept} in {log}");
    }
    // What is optional may be absent, or empty.
    for query in [format!("?phone={good}"), format!("?phone={good}&note="), format!("?phone={good}&note")] {
        assert_eq!(sidecar.connect().exchange(&get(query.clone())).status, 200);
        let target = origin.received().pop().unwrap().target().to_owned();
        assert_eq!(target, format!("/query{}", query.replace(&good, "%2B49%2030%20secret")));
    }
}

#[test]
fn value_that_no_tag_vouches_for_is_refused_for_its_form_only() {
    let Some(php) = Php::start() else { return };
    let callback = Callback::of("AES-128-CFB");
    let origin = Origin::echo();
    let sidecar = sidecar(Sidecar::inbound, &callback, &origin);
    let json = |body: String| request("POST", "/json", &content_type("application/json"), &body);
    let cases = vec![
        case("missing_value at query:phone", request("GET", "/query?note=AAAA", "", "")),
        case("empty_value at query:phone", request("GET", "/query?phone=", "", "")),
        case("bad_message at query:phone", request("GET", "/query?phone=AAA", "", "")),
        case("bad_value at json:/phone", json("{\"phone\":true}".to_owned())),
    ];
    assert_refused(&sidecar, &origin, cases);
    // A refusal because of what is in clear would tell whoever changes the ciphertext what that is.
    let mut connection = sidecar.connect();
    let noise = php.seal(&callback, "no number");
    for number in 0..64_u8 {
        let forged = alewife::crypto::encoding::base64_encode(&[number; 9]);
        let body = format!("{{\"phone\":\"{forged}\",\"n\":\"{noise}\"}}");
        assert_eq!(connection.exchange(&json(body)).status, 200);
    }
}

#[test]
fn callback_that_an_application_triggers_without_what_must_be_sealed_goes_nowhere() {
    let callback = Callback::of("AES-128-GCM");
    let origin = Origin::echo();
    let sidecar = sidecar(Sidecar::outbound, &callback, &origin);
    let post = |path: &str, kind: &str, body: &str| request("POST", path, &content_type(kind), body);
    let json = |body: &str| post("/json", "application/json", body);
    let cases = vec![
        case("missing_value at query:phone", request("GET", "/query?note=secret", "", "")),
        case("bad_value at query:phone", request("GET", "/query?phone=%zz", "", "")),
        case("bad_value at query:note", request("GET", "/query?phone=secret&note=%c", "", "")),
        case("missing_value at form:phone", post("/form", FORM, "note=secret")),
        case("missing_value at form:phone", request("POST", "/form", "", "")),
        case("unsupported_body at content-type", post("/form", "text/plain", "phone=secret")),
        case("unsupported_body at body", json("{\"phone\":secret}")),
        case("missing_value at json:/phone", json("{}")),
        case("bad_value at json:/phone", json("{\"phone\":4930}")),
        case("bad_value at json:/n", json("{\"phone\":\"secret\",\"n\":\"secret\"}")),
        case("missing_value at header:x-caller", request("GET", "/header", "", "")),
    ];
    assert_refused(&sidecar, &origin, cases);
    assert!(!sidecar.log().contains("secret"), "{}", sidecar.log());
    let reply = Connection::to(sidecar.address()).exchange(&request("GET", "/query?phone=secret", "", ""));
    assert_eq!(reply.status, 200);
    assert!(!origin.only().target().contains("secret"));
}
