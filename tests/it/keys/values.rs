//! How values become keys, and what a request for them bears.

use std::fs;

use serde_json::json;

use super::faults::shown;
use super::{GCM, await_fetch, document, entry, failure, key, opens, sidecar};
use crate::support::{Authority, Portal, PortalAnswer, Sidecar, TestKey, Window, eventually};

fn derived(algorithm: &str, fingerprint: &str, hex: &str) -> TestKey {
    let secret = alewife::crypto::encoding::hex_decode(hex.as_bytes()).unwrap();
    TestKey { algorithm: algorithm.parse().unwrap(), fingerprint: fingerprint.to_owned(), secret }
}

/// By Python's hashlib.pbkdf2_hmac.
fn of_passphrases() -> [TestKey; 2] {
    [
        derived("AES-256-GCM", "one", "c3a867752d83115e8d3f3cfc246fda931ce5a79e3ef8af91fa857df3115cac36"),
        derived("AES-128-GCM", "two", "d003c2d850c41d54d08acaf40070fddd"),
    ]
}

#[test]
fn passphrases_of_a_portal_become_the_keys_that_other_languages_make_of_them() {
    let Some(portal) = Portal::start() else { return };
    let [one, _] = of_passphrases();
    portal.serve(&json!({ "keys": [{ "fingerprint": "one", "value": "Grüße, Küche" }] }).to_string());
    let lines = "algorithm = \"AES-256-GCM\"\npoll_interval = \"100ms\"\nderive = { pbkdf2 = { hash = \"sha512\", iterations \
                 = 100000, salt = \"hex:00ff10\" } }";
    let sidecar = sidecar(&portal).portal(&portal, lines).start();
    assert!(opens(&sidecar, &one));
}

#[test]
fn passphrase_in_a_key_file_does_as_well_and_few_iterations_are_warned_about() {
    let [_, two] = of_passphrases();
    let file = |iterations: u32| {
        format!(
            "[[key]]\nfingerprint = \"two\"\nalgorithm = \"AES-128-GCM\"\nsecret = \"pbkdf2:Grüße, Küche\"\n\
             pbkdf2 = {{ hash = \"sha1\", iterations = {iterations}, salt = \"utf8:kitchen\" }}\n"
        )
    };
    let sidecar = Sidecar::inbound().key_file(&file(1000)).log("format = \"text\"").start();
    assert!(opens(&sidecar, &two));
    super::logged(&sidecar, &["keys.toml:", "iterations"]);
    let (code, _, stderr) = Sidecar::inbound().key_file(&file(0)).run(&["run"]);
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains("iterations") && !stderr.contains("Küche"), "{stderr}");
}

#[test]
fn members_of_other_names_and_algorithms_of_their_own_are_read() {
    let Some(portal) = Portal::start() else { return };
    let (one, two) = (TestKey::new("AES-128-GCM"), TestKey::new("AES-256-CTR"));
    let entry = |key: &TestKey| {
        let hex = alewife::crypto::encoding::hex_encode(&key.secret);
        json!({ "kid": key.fingerprint, "k": hex, "nbf": "2026-01-01T00:00:00Z", "exp": null, "alg": key.algorithm.to_string() })
    };
    portal.serve(&json!([{ "site": 7, "ring": [entry(&one), entry(&two)] }]).to_string());
    let lines = "keys_pointer = \"/0/ring\"\nencoding = \"hex\"\npoll_interval = \"100ms\"\nmembers = { fingerprint = \"kid\", \
                 value = \"k\", valid_after = \"nbf\", valid_until = \"exp\", algorithm = \"alg\" }";
    let sidecar = sidecar(&portal).portal(&portal, lines).start();
    assert!(opens(&sidecar, &one) && opens(&sidecar, &two));
}

#[test]
fn vault_is_one_more_portal_and_a_token_that_is_renewed_is_used_at_the_next_fetch() {
    let Some(portal) = Portal::start() else { return };
    let vault = |keys: &[&TestKey]| {
        let keys: Vec<_> = keys.iter().map(|key| entry(key, Some(-60), None)).collect();
        json!({ "request_id": "6c1c7c5e", "data": { "data": { "keys": keys }, "metadata": { "version": 1 } } }).to_string()
    };
    // Vault bears no `etag`.
    portal.answer(PortalAnswer::document(&vault(&[&key(1)])));
    let lines = format!(
        "{GCM}keys_pointer = \"/data/data/keys\"\nheaders = {{ x-vault-token = {{ file = \"vault-token\" }}, \
         x-vault-namespace = {{ value = \"kitchens\" }}, x-site = {{ env = \"ALEWIFE_TEST_SITE\" }} }}"
    );
    let sidecar = sidecar(&portal)
        .portal(&portal, &lines)
        .file("vault-token", "hvs.first\n")
        .environment("ALEWIFE_TEST_SITE", "seven")
        .start();
    assert!(opens(&sidecar, &key(1)));
    let last = |name: &str| portal.requests().last().unwrap().header(name).map(str::to_owned);
    assert_eq!(last("x-vault-token").as_deref(), Some("hvs.first"));
    assert_eq!(last("x-vault-namespace").as_deref(), Some("kitchens"));
    assert_eq!(last("x-site").as_deref(), Some("seven"));
    let token = sidecar.directory().join("vault-token");
    fs::write(&token, "hvs.second\n").unwrap();
    eventually("the new token is used", || last("x-vault-token").as_deref() == Some("hvs.second"));
    fs::remove_file(&token).unwrap();
    eventually("it is missed", || failure(&sidecar).is_some());
    shown(&sidecar, "a header's file or variable that is not there");
    assert!(opens(&sidecar, &key(1)));
    fs::write(&token, "hvs.third\n").unwrap();
    portal.answer(PortalAnswer::document(&vault(&[&key(1), &key(2)])));
    eventually("the new key is there", || opens(&sidecar, &key(2)));
    assert_eq!(last("x-vault-token").as_deref(), Some("hvs.third"));
}

#[test]
fn certificate_is_shown_to_a_portal_that_demands_one_and_may_be_renewed() {
    let Some(portal) = Portal::start() else { return };
    let clients = Authority::new();
    let issue = |window| {
        let (certificate, key) = clients.issue(&["kitchen.test"], window);
        (certificate.pem(), key.serialize_pem())
    };
    portal.demand_certificate_by(&clients);
    portal.serve(&document(&[&key(1)]));
    let lines = format!("{GCM}client_certificate = \"client.pem\"\nclient_key = \"client.key\"");
    let (certificate, private) = issue(Window::Now);
    let sidecar = sidecar(&portal)
        .portal(&portal, &lines)
        .file("client.pem", certificate)
        .file("client.key", private)
        .start();
    assert!(opens(&sidecar, &key(1)));
    let write = |window| {
        let (certificate, private) = issue(window);
        fs::write(sidecar.directory().join("client.key"), private).unwrap();
        fs::write(sidecar.directory().join("client.pem"), certificate).unwrap();
    };
    write(Window::Over);
    eventually("an expired one is refused", || failure(&sidecar).is_some());
    shown(&sidecar, "a client certificate that the portal refuses");
    assert!(opens(&sidecar, &key(1)));
    write(Window::Now);
    sidecar.signal("HUP");
    await_fetch(&sidecar, "unchanged");
    assert_eq!(failure(&sidecar), None);
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let Some(portal) = Portal::start_plain() else { return };
    portal.serve(&document(&[&key(1)]));
    let plain = sidecar(&portal).start();
    assert!(opens(&plain, &key(1)));
    let text = format!(
        "[keys.portal]\nurl = \"http://portal.example/sites/7?token=s3cret\"\n{GCM}[[proxy]]\nname = \"kitchen\"\nmode = \
         \"inbound\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n"
    );
    let (code, _, stderr) = Sidecar::inbound().configured(&text).run(&["run"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("keys.portal.url") && !stderr.contains("s3cret"), "{stderr}");
}
