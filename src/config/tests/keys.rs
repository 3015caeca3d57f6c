//! `[keys]`, `[keyset.NAME]`, and portals.

use super::*;
use crate::keys::ValueForm;
use crate::sources::SecretSource;
use crate::sources::portal::{HeaderSource, PortalHeader};

/// A configuration whose only keys come from a portal, with more lines in its section.
fn portal(lines: &str) -> String {
    let required = "algorithm = \"AES-256-GCM\"\nencoding = \"base64\"";
    let has = |key: &str| lines.lines().any(|line| line.starts_with(key));
    let is_said = |line: &str| match line.split(' ').next() {
        Some("encoding") => has("encoding") || has("derive"),
        Some("algorithm") => has("algorithm") || has("preset"),
        _ => false,
    };
    let required: Vec<_> = required.lines().filter(|line| !is_said(line)).collect();
    let url = if has("url") { "" } else { "url = \"https://portal.example/sites/7?token=x\"\n" };
    let proxy = SMALLEST.split_once("[[proxy]]").unwrap().1;
    format!("[keys.portal]\n{url}{}\n{lines}\n[[proxy]]{proxy}", required.join("\n"))
}

fn source(lines: &str) -> crate::sources::PortalSource {
    let config = parse(&portal(lines)).unwrap_or_else(|faults| panic!("{faults}"));
    config.key_sets[0].portal.clone().unwrap()
}

/// The first fault of such a configuration, without its place.
fn fault(lines: &str) -> String {
    let faults = faults(&portal(lines));
    assert_eq!(faults.len(), 1, "{faults:?}");
    let fault = &faults[0];
    fault.split_once(": ").map_or(fault.clone(), |(_, fault)| fault.to_owned())
}

#[test]
fn portal_alone_has_the_defaults() {
    let config = parse(&portal("")).unwrap();
    let [set] = &config.key_sets[..] else { panic!("one set") };
    assert_eq!((&*set.name, set.file.as_ref()), ("default", None));
    let portal = set.portal.as_ref().unwrap();
    assert_eq!(portal.client.url.reveal(), "https://portal.example/sites/7?token=x");
    assert_eq!(portal.client.url.to_string(), "https://portal.example/sites/7?…");
    assert_eq!(portal.poll_interval, Duration::from_secs(300));
    assert_eq!(portal.client.connect_timeout, Duration::from_secs(5));
    assert_eq!(portal.client.timeout, Duration::from_secs(15));
    assert_eq!(portal.client.max_answer, 4 * 1024 * 1024);
    assert_eq!(portal.max_stale, Duration::from_secs(7 * 24 * 3600));
    assert!(portal.cache.is_none() && !portal.unready_when_stale && !portal.follow);
    assert_eq!(portal.format.keys_pointer.to_string(), "/keys");
    assert_eq!(portal.format.encryption, None);
    // A file that is such a document is read as those of the portal.
    assert!(set.document.is_some());
}

#[test]
fn sets_are_chosen_by_name_and_a_file_may_do_without_the_default_one() {
    let text = "[keyset.far]\nfile = \"far.toml\"\n[[proxy]]\nname = \"kitchen\"\nmode = \"inbound\"\nlisten = 8080\n\
                upstream = \"http://127.0.0.1:3000\"\nkeys = \"far\"\n";
    let config = parse(text).unwrap();
    assert_eq!(config.proxies[0].routes.key_sets(), [&"far".into()]);
    assert_eq!(config.key_set("far").unwrap().file.as_deref(), Some(Path::new("/etc/alewife/far.toml")));
    assert_eq!(
        faults(&text.replace("keys = \"far\"", "keys = \"fra\"")),
        ["8:8: proxy.kitchen.keys: there is no key set \"fra\""]
    );
    assert_eq!(faults(&text.replace("keys = \"far\"\n", "")), [" keys.file: missing"]);
    assert_eq!(
        faults(&format!("[keyset.default]\nfile = \"x\"\n[keyset.\"a b\"]\nfile = \"x\"\n{SMALLEST}")),
        ["1:1: keyset.default: the name of [keys] itself", "3:1: keyset.a b: \"a b\" is not a name",]
    );
    let both = parse(&format!("{SMALLEST}[keyset.far]\nfile = \"far.toml\"\nseal_delay = \"0s\"\n")).unwrap();
    let named: Vec<_> = both.key_sets.iter().map(|set| (&*set.name, set.seal_delay.as_secs())).collect();
    assert_eq!(named, [("default", 60), ("far", 0)]);
}

#[test]
fn preset_has_the_vendors_algorithm_and_switch_and_lacks_how_its_passphrases_become_keys() {
    assert_eq!(
        faults(&portal("preset = \"enterprise-kitchen\"").replace("encoding = \"base64\"", "")),
        ["1:1: keys.portal.encoding: missing"]
    );
    let derive = "derive = { pbkdf2 = { hash = \"sha512\", iterations = 250000, salt = \"hex:00ff\" } }";
    let source =
        source(&format!("preset = \"enterprise-kitchen\"\nkeys_pointer = \"/services/kds/keys\"\n{derive}"));
    assert_eq!(source.format.algorithm.unwrap().to_string(), "AES-256-CTR");
    assert_eq!(source.format.encryption.unwrap().to_string(), "/services/kds/encryption");
    assert!(matches!(source.format.value, ValueForm::Derived(_)));
}

#[test]
fn few_iterations_are_warned_of_and_impossible_ones_refused() {
    let derive = |iterations: &str| {
        format!(
            "derive = {{ pbkdf2 = {{ hash = \"sha256\", iterations = {iterations}, salt = \"utf8:s\" }} }}"
        )
    };
    let warnings = |iterations| parse(&portal(&derive(iterations))).unwrap().warnings.len();
    assert_eq!([warnings("99999"), warnings("100000"), warnings("10000000")], [1, 0, 0]);
    for iterations in ["0", "10000001", "-1"] {
        assert_eq!(
            fault(&derive(iterations)),
            "keys.portal.derive.pbkdf2.iterations: a derivation takes 1 to 10000000 iterations"
        );
    }
}

#[test]
fn headers_have_their_values_from_elsewhere() {
    let source = source(
        "headers = { authorization = { file = \"token\", prefix = \"Bearer \" }, x-site = { value = \"7\" }, \
         x-vault-token = { env = \"VAULT\" } }",
    );
    let [authorization, site, vault] = &source.client.headers[..] else { panic!("three headers") };
    let header = |name: &'static str, prefix: &str, value| {
        PortalHeader::new(http::HeaderName::from_static(name), prefix.to_owned(), value).unwrap()
    };
    let token = HeaderSource::Secret(SecretSource::File("/etc/alewife/token".into()));
    let variable = HeaderSource::Secret(SecretSource::Environment("VAULT".to_owned()));
    let seven = HeaderSource::Literal(http::HeaderValue::from_static("7"));
    assert_eq!(*authorization, header("authorization", "Bearer ", token));
    assert_eq!((site, vault), (&header("x-site", "", seven), &header("x-vault-token", "", variable)));
}

#[test]
fn each_wrong_key_of_a_portal_is_told() {
    let table = [
        ("url = \"http://portal.example/\"", "keys.portal.url: "),
        ("url = \"https://user@portal.example/\"", "keys.portal.url: "),
        ("url = \"ftp://portal.example/\"", "keys.portal.url: "),
        ("keys_pointer = \"keys\"", "keys.portal.keys_pointer: "),
        ("algorithm = \"ROT-13\"", "keys.portal.algorithm: "),
        ("encoding = \"base32\"", "keys.portal.encoding: "),
        (
            "preset = \"acme\"\nalgorithm = \"AES-256-GCM\"",
            "keys.portal.preset: \"acme\" is not a known preset",
        ),
        ("ca_file = \"none.pem\"", "keys.portal.ca_file: the file cannot be read"),
        ("client_key = \"none.pem\"", "keys.portal.client_key: a key without its certificate"),
        (
            "client_certificate = \"none.pem\"",
            "keys.portal.client_certificate: a certificate without its key",
        ),
        ("cache_file = \"cache\"", "keys.portal.cache_file: a cache without a key"),
        ("cache_key = { file = \"key\" }", "keys.portal.cache_key: a key without a cache"),
        ("cache_file = \"c\"\ncache_key = { }", "keys.portal.cache_key: says not where the secret is"),
        (
            "cache_file = \"c\"\ncache_key = { file = \"k\", env = \"K\" }",
            "keys.portal.cache_key.env: a second place for one secret",
        ),
        ("headers = { authorization = \"secret\" }", "keys.portal.headers.authorization: expected a table"),
        ("headers = { host = { value = \"x\" } }", "keys.portal.headers.host: "),
        ("headers = { \"a b\" = { value = \"x\" } }", "keys.portal.headers.a b: "),
        ("headers = { a = { value = \"x\\n\" } }", "keys.portal.headers.a.value: not the value of a header"),
        ("headers = { a = { value = \"x\", env = \"A\" } }", "keys.portal.headers.a.value: a second value"),
        ("headers = { a = { } }", "keys.portal.headers.a: says not where the secret is"),
        ("poll_interval = \"0s\"", "keys.portal.poll_interval: no time at all"),
        ("derive = { }\nencoding = \"base64\"", "keys.portal.derive.pbkdf2"),
    ];
    for (lines, begin) in table {
        let faults = faults(&portal(lines));
        assert!(faults.iter().any(|fault| fault.contains(begin)), "{lines}: {faults:?}");
    }
}

#[test]
fn preset_that_is_not_known_is_not_told_to_lack_an_algorithm() {
    assert_eq!(fault("preset = \"acme\""), "keys.portal.preset: \"acme\" is not a known preset");
}

#[test]
fn encoding_that_is_not_known_may_have_been_meant_for_passphrases() {
    let faults = parse(&portal("encoding = \"pbkdf2\"")).unwrap_err();
    let remedies: Vec<_> = faults.iter().map(|fault| fault.remedy.as_str()).collect();
    assert_eq!(
        remedies,
        ["write \"base64\" or \"hex\" or \"utf8\"; for passphrases write derive in place of encoding"]
    );
}

#[test]
fn certificates_are_of_no_use_without_tls() {
    for key in ["ca_file", "client_certificate", "client_key"] {
        let lines = format!("url = \"http://127.0.0.1:8200/\"\n{key} = \"x.pem\"");
        assert_eq!(fault(&lines), format!("keys.portal.{key}: nothing to use it for, since url is http://"));
    }
}

#[test]
fn switch_that_is_followed_is_warned_of() {
    let warnings = parse(&portal("follow_portal = true")).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].key_path, "keys.portal.follow_portal");
}

#[test]
fn key_file_that_is_a_document_is_described_where_there_is_no_portal() {
    let layout = "[keys.document]\nalgorithm = \"AES-128-GCM\"\nencoding = \"hex\"\nkeys_pointer = \"\"\n";
    let config = parse(&format!("{SMALLEST}{layout}")).unwrap();
    let document = config.key_sets[0].document.as_ref().unwrap();
    assert_eq!(document.keys_pointer.to_string(), "");
    let proxy = SMALLEST.split_once("[[proxy]]").unwrap().1;
    let text = format!(
        "[keys.portal]\nurl = \"https://p.example\"\nalgorithm = \"AES-128-GCM\"\nencoding = \"hex\"\n{layout}[[proxy]]{proxy}"
    );
    assert_eq!(faults(&text), ["1:2: keys.document: there is no key file that it could describe"]);
}
