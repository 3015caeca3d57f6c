//! examples/portal: what the configurations point at is where the answers in the README have it.

use std::path::Path;
use std::process::Command;

use alewife::crypto::encoding;
use alewife::sources::portal::{PortalHeader, PortalUrl};
use serde_json::Value;
use toml::Table;

use super::read;
use crate::support::Authority;

/// `[keys.portal]` of an example.
fn portal(name: &str) -> Table {
    let mut example: Table = read(&format!("examples/portal/{name}")).parse().unwrap();
    let mut keys = example.remove("keys").unwrap();
    keys.as_table_mut().unwrap().remove("portal").unwrap().as_table().unwrap().clone()
}

/// The answers that the README shows, in order.
fn answers() -> Vec<Value> {
    let readme = read("examples/portal/README.md");
    let blocks = readme.split("```json\n").skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

#[test]
fn answers_have_their_keys_where_the_configurations_look_for_them() {
    let examples = [portal("site.toml"), portal("vault.toml")];
    let answers = answers();
    assert_eq!(answers.len(), examples.len());
    for (portal, answer) in examples.into_iter().zip(answers) {
        // The preset's, where the example names none.
        let pointer = portal.get("keys_pointer").map_or("/keys", |pointer| pointer.as_str().unwrap());
        let keys = answer.pointer(pointer).unwrap().as_array().unwrap();
        assert!(!keys.is_empty());
        for key in keys {
            assert!(key["fingerprint"].is_string() && key["value"].is_string());
            assert!(key["valid_after"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
            if portal.get("encoding").is_some_and(|encoding| encoding.as_str() == Some("base64")) {
                let value = key["value"].as_str().unwrap();
                assert_eq!(encoding::base64_decode(value.as_bytes()).map(|key| key.len()), Some(32));
            }
        }
    }
}

#[test]
fn places_and_headers_are_such_as_the_client_takes() {
    let readme = read("examples/portal/README.md");
    for (name, header) in [("site.toml", "authorization"), ("vault.toml", "x-vault-token")] {
        let portal = portal(name);
        let url = portal["url"].as_str().unwrap();
        assert!(url.parse::<PortalUrl>().is_ok(), "{url}");
        assert!(readme.contains(&format!("`GET {url}`")), "{url}");
        let headers = portal["headers"].as_table().unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), [header]);
        assert_eq!(PortalHeader::check_name(&header.parse().unwrap()), Ok(()));
        for file in [headers[header]["file"].as_str().unwrap(), portal["cache_key"]["file"].as_str().unwrap()]
        {
            assert!(readme.contains(file), "{file}");
        }
    }
}

/// What `alewife check` says of a configuration in a directory that has the files which it names.
fn checked(text: &str) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for token in ["portal-token", "token", "vault-token"] {
        std::fs::write(at(token), "token\n").unwrap();
    }
    std::fs::write(at("cache.key"), format!("hex:{}\n", "07".repeat(32))).unwrap();
    Authority::new().write_to(&at("ca.pem"));
    std::fs::write(at("config.toml"), text).unwrap();
    check(&at("config.toml"))
}

fn check(config: &Path) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alewife"));
    let output = command.args(["check", "--config"]).arg(config).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

#[test]
fn examples_are_accepted_by_check_which_asks_nobody() {
    let examples = ["config.portal.example.toml", "examples/portal/site.toml", "examples/portal/vault.toml"];
    for example in examples {
        let (code, stdout, stderr) = checked(&read(example));
        assert_eq!((code, stderr.as_str()), (0, ""), "{example}");
        assert!(stdout.contains("which was not asked (--fetch asks it)"), "{example}: {stdout}");
    }
}

#[test]
fn section_in_the_document_is_accepted_by_check() {
    let text = read("docs/KEYS.md");
    let section = text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let proxy = "[[proxy]]\nname = \"kitchen\"\nmode = \"inbound\"\nlisten = 8080\nupstream = \"http://127.0.0.1:3000\"\n";
    let (code, stdout, stderr) = checked(&format!("{section}{proxy}"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("https://portal.example/sites/4711"), "{stdout}");
}
