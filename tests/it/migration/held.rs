//! Profiles that have messages held: what of theirs is plain.

use alewife::crypto::encoding::{base64_encode, hex_encode};

use super::{GCM, ask, counted, error_code, lines, network, plain, sidecar};
use crate::support::{Origin, Sidecar, TestKey};

const JSON: &str = "content-type: application/json\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// A sidecar whose clients on this machine may be plain beside what the profile of these lines has sealed.
fn start(policy: &str, key: &TestKey, origin: &Origin, profile: &str) -> Sidecar {
    let profile = format!("[profile.own]\n{profile}");
    sidecar(policy, key, origin).proxy("profile = \"own\"\n").tables(&profile).start()
}

#[test]
fn body_that_is_sealed_whole_is_told_from_a_plain_one_by_its_headers_and_its_text() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = start("permit", &key, &origin, "encoding = \"base64\"\n");
    let iv = key.fresh_iv();
    let text = base64_encode(&key.seal_with(&iv, b"soup"));
    let sealed = ask(&sidecar, &plain("POST", "/", &key.envelope(&iv), &text));
    assert_eq!((sealed.status, sealed.header("sec-iv").is_some()), (200, true));
    let reply = ask(&sidecar, &plain("POST", "/", "range: bytes=0-1\r\n", "soup, please"));
    assert_eq!((reply.status, reply.text(), reply.header("sec-iv")), (200, "soup, please", None));
    assert_eq!(origin.received()[1].header("range"), Some("bytes=0-1"));
    assert_eq!(ask(&sidecar, &plain("GET", "/", "", "")).status, 200);
    // Its headers are gone, and its text is still one.
    assert_eq!(error_code(&ask(&sidecar, &plain("POST", "/", "", &text))), 1);
    assert_eq!(error_code(&ask(&sidecar, &plain("POST", "/", "sec-iv: a\r\n", "soup, please"))), 1);
    assert_eq!((counted(&sidecar), origin.count()), ([1, 2, 2], 3));
    let would = network(&sidecar, "127.0.0.0/24")["would_refuse"].clone();
    assert_eq!(would, serde_json::json!([{ "code": 1, "reason": "missing_fingerprint", "count": 2 }]));
}

#[test]
fn member_of_the_ciphertext_is_never_plain() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let profile = "scope = \"member:/data\"\niv = \"member:/iv\"\nfingerprint = \"member:/key\"\nencoding = \"base64\"\n";
    let sidecar = start("shadow", &key, &origin, profile);
    for body in ["{\"a\":1}", "[\"data\"]", "{\"nested\":{\"data\":\"x\"}}"] {
        let reply = ask(&sidecar, &plain("POST", "/", JSON, body));
        assert_eq!((reply.status, reply.text()), (200, body));
    }
    let other = "content-type: text/plain\r\n";
    assert_eq!(ask(&sidecar, &plain("POST", "/", other, "{ \"data\" no JSON")).status, 200);
    for (headers, body) in [
        (JSON, "{\"data\":1}"),
        (JSON, "{\"iv\":\"a\"}"),
        (JSON, "{\"a\":1,\"key\":null}"),
        (JSON, "{\"a\":1,\"a\":2,\"d\\u0061ta\":3}"),
        (JSON, "{ \"data\" no JSON"),
        (other, "{\"data\":1}"),
        ("content-encoding: gzip\r\n", "who knows"),
    ] {
        assert_eq!(ask(&sidecar, &plain("POST", "/", headers, body)).status, 400, "{body}");
    }
    assert_eq!((counted(&sidecar), origin.count()), ([0, 4, 7], 4));
}

#[test]
fn message_of_which_one_value_could_be_sealed_is_none_that_is_plain() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let profile = "iv = \"prefix\"\niv_length = 12\nfingerprint = \"sealing-key\"\nscope = \"values\"\nencoding = \"hex\"\nalgorithm = \"AES-256-GCM\"\n\
                   include = [\"form:*\", \"query:phone\"]\nexclude = [\"form:id\"]\n";
    let lines = format!("{}profile = \"own\"\nseal_replies = false\n", lines("permit"));
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .upstream(origin.address())
        .proxy(&lines)
        .tables(&format!("[profile.own]\n{profile}"))
        .start();
    let iv = &key.fresh_iv()[..12];
    let sealed = hex_encode(&[iv, &key.seal_with(iv, b"soup")].concat());
    let (one, all) = (format!("dish={sealed}&guest=Ann"), format!("id=abcd&dish={sealed}"));
    let phone = format!("/?phone={sealed}");
    let opened = ask(&sidecar, &plain("POST", "/?phone=", FORM, &format!("dish={sealed}")));
    assert_eq!(opened.status, 400, "the phone is missing");
    assert_eq!(ask(&sidecar, &plain("POST", &phone, FORM, &all)).text(), "id=abcd&dish=soup");
    for (target, headers, body) in [
        ("/?phone=0123", FORM, "dish=soup&guest=cafe"),
        ("/", FORM, "dish=&guest"),
        ("/", JSON, "{\"dish\":1}"),
        ("/?phone=0123", "", ""),
    ] {
        let reply = ask(&sidecar, &plain("POST", target, headers, body));
        assert_eq!((reply.status, reply.text()), (200, body), "{target} {body}");
    }
    for (target, headers, body) in [
        ("/", FORM, one.as_str()),
        (phone.as_str(), FORM, "dish=soup"),
        (phone.as_str(), JSON, "{\"dish\":1}"),
        ("/", FORM, "dish=%zz"),
    ] {
        assert_eq!(ask(&sidecar, &plain("POST", target, headers, body)).status, 400, "{target} {body}");
    }
    assert_eq!(counted(&sidecar), [1, 4, 5]);
    // What was refused named no key, and is on the account of the one that could have opened it; what passed plain is not.
    let opened = sidecar.key_status(&key.fingerprint)["opened"].clone();
    assert_eq!((&opened["count"], &opened["failures"]), (&1.into(), &5.into()));
}

#[test]
fn request_that_needs_no_sealing_is_answered_as_ever_and_not_called_plain() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let profile = "iv = \"prefix\"\niv_length = 12\nfingerprint = \"sealing-key\"\nencoding = \"base64\"\n";
    let sidecar = start("shadow", &key, &origin, profile);
    // Whoever has the profile without its key's name sends such a one, and gets a sealed reply.
    assert_eq!(ask(&sidecar, &plain("GET", "/", "", "")).status, 200);
    assert_eq!(counted(&sidecar), [1, 0, 0]);
    assert_eq!(ask(&sidecar, &plain("POST", "/", "", "soup, please")).text(), "soup, please");
    assert_eq!(counted(&sidecar), [1, 1, 0]);
}
