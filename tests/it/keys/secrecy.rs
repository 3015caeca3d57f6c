//! Nothing of what keys are made of, and nothing that they are fetched with, is ever told.

use std::fs;

use alewife::crypto::encoding;
use serde_json::json;

use super::{GCM, await_fetch, document, document_of, entry, fetches, key, opens, sidecar};
use crate::support::{Portal, PortalAnswer, Sidecar, TestKey, eventually};

const TOKEN: &str = "hvs.planted-token-5d28";
const IN_URL: &str = "planted-in-the-url-7f3a";
const PASSPHRASE: &str = "planted passphrase 91bd";
const CACHE_KEY: [u8; 32] = [0x5e; 32];

fn in_every_form(secret: &[u8]) -> Vec<String> {
    let hex = encoding::hex_encode(secret).to_string();
    let base64 = encoding::base64_encode(secret).to_string();
    vec![hex.to_uppercase(), hex, base64.trim_end_matches('=').to_owned(), format!("{secret:?}")]
}

fn planted(keys: &[TestKey]) -> Vec<String> {
    let mut planted: Vec<_> = [TOKEN, IN_URL, PASSPHRASE].map(str::to_owned).into();
    planted.extend(keys.iter().flat_map(|key| in_every_form(&key.secret)));
    planted.extend(in_every_form(&CACHE_KEY));
    planted
}

/// Everything that the process says of itself.
fn said(sidecar: &Sidecar) -> String {
    let pages = ["/metrics", "/status", "/readyz", "/readyz?verbose", "/livez"]
        .map(|page| sidecar.admin_page(page).1);
    pages.concat() + &sidecar.log() + &sidecar.output()
}

fn assert_untold(sidecar: &Sidecar, keys: &[TestKey]) {
    let said = said(sidecar);
    for secret in planted(keys) {
        assert!(!said.contains(&secret), "{secret} is told");
    }
}

fn files(builder: crate::support::SidecarBuilder) -> crate::support::SidecarBuilder {
    builder
        .file("token", format!("{TOKEN}\n"))
        .file("cache.key", format!("hex:{}\n", encoding::hex_encode(&CACHE_KEY)))
}

fn lines(portal: &Portal) -> String {
    // A second `url` would be a fault; the whole section is written here.
    format!(
        "url = \"{}?token={IN_URL}\"\nca_file = \"{}\"\n{GCM}cache_file = \"keys.cache\"\ncache_key = {{ file = \
         \"cache.key\" }}\nheaders = {{ authorization = {{ file = \"token\", prefix = \"Bearer \" }} }}\n",
        portal.url(),
        portal.ca_file().display()
    )
}

fn configured(portal: &Portal) -> String {
    format!(
        "[keys.portal]\n{}[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"trace\"\n[[proxy]]\nname = \"kitchen\"\nmode = \
         \"inbound\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n",
        lines(portal)
    )
}

#[test]
fn neither_the_log_at_trace_nor_any_page_tells_a_secret_of_a_portal() {
    let Some(portal) = Portal::start() else { return };
    let keys = [key(1), key(2), key(3)];
    let good = document(&[&keys[0], &keys[1]]);
    portal.serve(&good);
    let builder = files(Sidecar::inbound()).configured(&configured(&portal)).environment("RUST_LOG", "trace");
    let sidecar = builder.start();
    assert!(opens(&sidecar, &keys[0]));
    assert!(portal.requests()[0].target.ends_with(IN_URL));
    assert!(portal.requests()[0].header("authorization").unwrap().ends_with(TOKEN));
    let broken = |member: &str, value: serde_json::Value| {
        let mut other = entry(&keys[2], None, None);
        other[member] = value;
        PortalAnswer::document(&document_of(vec![entry(&keys[0], None, None), other]))
    };
    let secret = keys[2].secret_base64();
    for answer in [
        broken("value", json!(format!("{secret}!"))),
        broken("value", json!([secret])),
        broken("fingerprint", json!(7)),
        broken("valid_until", json!(secret)),
        PortalAnswer::document(&good[..good.len() - 5]),
        PortalAnswer::document(&good.replace(",", ";")),
        PortalAnswer::document(&good.replace("value", "worth")),
        PortalAnswer::document(&document(&[&keys[0], &keys[0]])),
        PortalAnswer::document(&document(&[])),
        PortalAnswer::document(&good).cut_after(60),
        PortalAnswer::document(&good).header("content-encoding", "gzip"),
        PortalAnswer::status(500),
        PortalAnswer::status(302).location(&format!("https://other.example/?token={IN_URL}")),
        PortalAnswer::raw(&format!("HTTP/1.1 200 OK\r\n{TOKEN}\r\n\r\n")),
    ] {
        let ended = || fetches(&sidecar, "failed") + fetches(&sidecar, "refused");
        let before = ended();
        portal.answer(answer);
        eventually("it is noticed", || ended() > before);
        assert_untold(&sidecar, &keys);
        portal.serve(&good);
        sidecar.signal("HUP");
        await_fetch(&sidecar, "unchanged");
    }
    fs::write(sidecar.directory().join("token"), format!("{TOKEN}\nand more")).unwrap();
    await_fetch(&sidecar, "failed");
    fs::write(sidecar.directory().join("cache.key"), format!("base64:{}!", encoding::hex_encode(&CACHE_KEY)))
        .unwrap();
    fs::write(sidecar.directory().join("token"), TOKEN).unwrap();
    portal.serve(&document(&[&keys[0], &keys[1], &keys[2]]));
    sidecar.signal("HUP");
    eventually("the third is there", || opens(&sidecar, &keys[2]));
    super::logged(&sidecar, &["the cache of the keys was not written"]);
    assert_untold(&sidecar, &keys);
    assert!(sidecar.log().contains("TRACE") || sidecar.log().contains("DEBUG"), "the log is detailed");
}

#[test]
fn passphrases_are_not_told_either() {
    let Some(portal) = Portal::start() else { return };
    let passphrase = |text: &str| json!({ "keys": [{ "fingerprint": "one", "value": text }] }).to_string();
    portal.serve(&passphrase(PASSPHRASE));
    let derive = "algorithm = \"AES-256-GCM\"\npoll_interval = \"100ms\"\nderive = { pbkdf2 = { hash = \"sha256\", iterations = \
                  1000, salt = \"utf8:kitchen\" } }";
    let sidecar = sidecar(&portal).portal(&portal, derive).log("level = \"trace\"").start();
    eventually("it is taken", || fetches(&sidecar, "taken") == 1);
    portal.serve(&passphrase(PASSPHRASE).replace("value\":\"", "value\":[\""));
    await_fetch(&sidecar, "refused");
    portal.serve(&json!({ "keys": [{ "fingerprint": PASSPHRASE, "value": PASSPHRASE }] }).to_string());
    await_fetch(&sidecar, "refused");
    assert_untold(&sidecar, &[]);
}
