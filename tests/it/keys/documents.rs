//! A portal whose document is not as it should be: the keys in force stay, and the operator is told where it is wrong.

use serde_json::json;

use super::faults::shown;
use super::{
    GCM, await_fetch, document, document_of, entry, failure, fetches, key, logged, opens, reloads, sealing,
    sidecar,
};
use crate::support::{Portal, PortalAnswer, TestKey, eventually};

#[test]
fn document_that_is_wrong_is_refused_and_the_keys_stay() {
    let Some(portal) = Portal::start() else { return };
    let good = document(&[&key(1)]);
    portal.serve(&good);
    let sidecar = sidecar(&portal).start();
    let one = entry(&key(1), None, None);
    let with = |member: &str, value: serde_json::Value| {
        let mut other = entry(&key(2), None, None);
        other[member] = value;
        document_of(vec![one.clone(), other])
    };
    for (fault, document) in [
        ("a document that is no JSON", "<html>502 Bad Gateway</html>".to_owned()),
        ("a document that ends in the middle", good[..20].to_owned()),
        ("a document without the array", json!({ "errors": ["no such site"] }).to_string()),
        ("an empty array", document_of(Vec::new())),
        ("a key without a value", with("value", json!(null))),
        ("a value in another encoding", with("value", json!("ein-Schlüssel!"))),
        ("a value of another length", with("value", json!("AAAA"))),
        ("a time without an offset", with("valid_until", json!("2027-01-01T00:00:00"))),
        (
            "a window that ends before it begins",
            document_of(vec![one.clone(), entry(&key(2), Some(60), Some(0))]),
        ),
        ("a fingerprint twice", document_of(vec![one.clone(), one.clone()])),
    ] {
        let refused = fetches(&sidecar, "refused");
        portal.serve(&document);
        eventually(fault, || fetches(&sidecar, "refused") > refused);
        shown(&sidecar, fault);
        assert!(opens(&sidecar, &key(1)) && !opens(&sidecar, &key(2)), "{fault}");
        portal.serve(&good);
        eventually(&format!("{fault}: it is over"), || failure(&sidecar).is_none());
    }
    assert_eq!(reloads(&sidecar), 1);
    assert!(super::of_keys(&sidecar, "key_reload_failures_total") >= 10.0);
}

#[test]
fn key_that_seals_is_not_dropped_without_a_successor() {
    let Some(portal) = Portal::start() else { return };
    let (old, new) = (entry(&key(1), Some(-7200), None), entry(&key(2), Some(-3600), None));
    portal.serve(&document_of(vec![old.clone(), new.clone()]));
    let sidecar = sidecar(&portal).start();
    eventually("the newer one seals", || sealing(&sidecar).as_ref() == Some(&key(2).fingerprint));
    // Nothing that seals: one to come, and one that is over.
    portal.serve(&document_of(vec![entry(&key(3), Some(3600), None), entry(&key(4), Some(-60), Some(-1))]));
    await_fetch(&sidecar, "refused");
    shown(&sidecar, "a document that drops the key that seals, with nothing to seal in its place");
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)));
    // A backup from before.
    portal.serve(&document_of(vec![old]));
    await_fetch(&sidecar, "refused");
    shown(&sidecar, "a document from before the key that seals: a backup");
    assert!(opens(&sidecar, &key(1)) && opens(&sidecar, &key(2)));
    // With a successor it goes.
    portal.serve(&document_of(vec![entry(&key(5), Some(-1), None)]));
    eventually("the successor seals", || sealing(&sidecar).as_ref() == Some(&key(5).fingerprint));
    assert!(!opens(&sidecar, &key(2)));
    assert_eq!(failure(&sidecar), None);
}

#[test]
fn switch_of_the_vendor_is_told_and_sealing_goes_on() {
    let Some(portal) = Portal::start() else { return };
    let passphrase = json!([{ "fingerprint": "one", "value": "correct horse battery staple" }]);
    portal.serve(&json!({ "encryption": true, "keys": passphrase }).to_string());
    let derive = "derive = { pbkdf2 = { hash = \"sha256\", iterations = 100000, salt = \"utf8:kitchen\" } }";
    let lines = format!("preset = \"enterprise-kitchen\"\npoll_interval = \"100ms\"\n{derive}");
    let sidecar = sidecar(&portal).portal(&portal, &lines).start();
    let key = TestKey {
        algorithm: "AES-256-CTR".parse().unwrap(),
        fingerprint: "one".to_owned(),
        // By Python's hashlib.pbkdf2_hmac.
        secret: hex("df26033ff547843bbced2d918e98c4e3c5b72087a45ce22b4b07732b204ccbb3"),
    };
    eventually("it serves", || opens(&sidecar, &key));
    assert!(!sidecar.log().contains("not secured"));
    portal.serve(&json!({ "encryption": false, "keys": passphrase }).to_string());
    eventually("it is taken", || fetches(&sidecar, "taken") == 2);
    shown(&sidecar, "the switch `encryption: false`");
    let reply = super::answer(&sidecar, &key);
    assert!(reply.header("sec-iv").is_some() && reply.open(&key).is_some());
    // What is plain is still no message.
    let plain = sidecar.connect().exchange(b"GET /.well-known/alewife/ping HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((plain.status, super::error_code(&plain)), (400, 1));
}

fn hex(digits: &str) -> Vec<u8> {
    alewife::crypto::encoding::hex_decode(digits.as_bytes()).unwrap()
}

#[test]
fn document_that_is_unchanged_is_no_reload() {
    let Some(portal) = Portal::start() else { return };
    let good = document(&[&key(1)]);
    portal.serve(&good);
    let sidecar = sidecar(&portal).start();
    await_fetch(&sidecar, "unchanged");
    let asked = portal.requests();
    assert!(asked[0].header("if-none-match").is_none());
    assert!(asked[1..].iter().all(|request| request.header("if-none-match").is_some()), "{asked:?}");
    // Nor is one without a validator.
    portal.answer(PortalAnswer::document(&good));
    let before = portal.requests().len();
    eventually("it is fetched whole", || portal.requests().len() > before + 2);
    await_fetch(&sidecar, "unchanged");
    assert_eq!((fetches(&sidecar, "taken"), reloads(&sidecar)), (1, 1));
    logged(&sidecar, &["keys reloaded"]);
    assert_eq!(sidecar.log().matches("keys reloaded").count(), 1);
}

#[test]
fn document_that_was_refused_is_asked_for_again_long_before_its_turn() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document_of(Vec::new()));
    let seldom = GCM.replace("100ms", "1h");
    let sidecar = sidecar(&portal).portal(&portal, &seldom).keys(&[&key(9)]).start();
    eventually("it is refused", || fetches(&sidecar, "refused") > 0);
    portal.serve(&document(&[&key(1)]));
    eventually("it is asked for again", || reloads(&sidecar) == 1);
}

#[test]
fn key_that_ends_soon_with_nothing_to_follow_is_told_once() {
    let Some(portal) = Portal::start() else { return };
    let (soon, late) = (entry(&key(1), None, Some(1800)), entry(&key(1), None, Some(7200)));
    portal.serve(&document_of(vec![late]));
    let sidecar = sidecar(&portal).start();
    await_fetch(&sidecar, "unchanged");
    portal.serve(&document_of(vec![soon.clone(), entry(&key(2), Some(1200), None)]));
    await_fetch(&sidecar, "unchanged");
    const TOLD: &str = "nothing is there to seal in its place";
    assert!(!sidecar.log().contains(TOLD), "{}", sidecar.log());
    portal.serve(&document_of(vec![soon]));
    shown(&sidecar, "a key that seals and ends within an hour, with none to follow");
    logged(&sidecar, &["nothing is there to seal in its place: ", &key(1).fingerprint, "; "]);
    await_fetch(&sidecar, "unchanged");
    assert_eq!(sidecar.log().matches(TOLD).count(), 1, "{}", sidecar.log());
}
