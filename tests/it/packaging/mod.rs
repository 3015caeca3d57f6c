//! The image and what examples/ hand to other people's tools, held by those tools.

mod compose;
mod confined;
mod dockerfile;
mod kubernetes;
mod monitoring;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Program, node_path, run};

const MANIFESTS: Program = Program {
    needs: "Python with the packages `kubernetes-validate`, `jsonschema` and `PyYAML`",
    program: "python3",
    file: "tests/peers/manifests.py",
    probe: &["-c", "import jsonschema, kubernetes_validate, yaml"],
};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(here(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of `yaml`, which must be right by `rules` (`tests/peers/manifests.py`); `None` where Python is missing.
fn documents(rules: &[&str], yaml: &[u8]) -> Option<Vec<Value>> {
    if !MANIFESTS.is_here() {
        return None;
    }
    let judged = run(&mut manifests(rules), yaml);
    assert_eq!((judged.said.as_str(), judged.exit_status), ("", Some(0)));
    Some(serde_json::from_slice(&judged.output).unwrap())
}

/// What `rules` have against `yaml`; `None` where Python is missing.
fn faults(rules: &[&str], yaml: &[u8]) -> Option<String> {
    MANIFESTS.is_here().then(|| {
        let judged = run(&mut manifests(rules), yaml);
        assert_eq!(judged.exit_status, Some(1));
        judged.said
    })
}

fn manifests(rules: &[&str]) -> Command {
    let mut command = Command::new(MANIFESTS.program);
    command.arg(here(MANIFESTS.file)).args(rules).env("NODE_PATH", node_path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The member of `list` that has this `name`.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut members = list.as_array().unwrap().iter();
    members.find(|member| member["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// A configuration of examples/.
fn configuration(path: &str) -> toml::Table {
    read(path).parse().unwrap()
}

/// The text of a configuration of examples/ with its `listeners` on free ports of this machine, and its keys beside it.
fn here_and_now(text: &str, listeners: &[&str]) -> String {
    let keys = text.lines().find_map(|line| line.strip_prefix("file = ")).unwrap();
    let text = text.replace(keys, "\"keys.toml\"");
    listeners.iter().fold(text, |text, listener| {
        assert!(text.contains(listener), "{listener} is not there");
        text.replace(listener, "127.0.0.1:0")
    })
}

/// The port at the end of the text under `key`, which is an address.
fn port(table: &toml::Value, key: &str) -> u16 {
    table[key].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}
