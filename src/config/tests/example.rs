//! config.example.toml against the code.

use std::path::Path;

use super::{SMALLEST, parse};
use crate::config::file::{RawAdmin, RawKeys, RawLog, RawProcess};
use crate::config::proxy::{RawProxy, RawTimeouts};
use crate::document::fields;

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    std::fs::read_to_string(path).unwrap()
}

/// A line `#key = value` without its `#`; prose has a space behind it.
fn setting(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

#[test]
fn example_means_the_defaults_as_it_is() {
    assert_eq!(format!("{:?}", parse(&text()).unwrap()), format!("{:?}", parse(SMALLEST).unwrap()));
}

#[test]
fn commented_settings_are_the_defaults() {
    let text = text();
    let commented = text.lines().filter(|line| setting(line).is_some()).count();
    // Without `ca_file` others are trusted than those of any file.
    let with_default = text.lines().filter(|line| !line.starts_with("#ca_file = "));
    let uncommented: Vec<_> = with_default.map(|line| setting(line).unwrap_or(line)).collect();
    let mut config = parse(&uncommented.join("\n")).unwrap();
    // These two depend on the machine.
    let smallest = parse(SMALLEST).unwrap();
    assert_eq!((config.workers.get(), config.max_held), (1, 64 * 1024 * 1024));
    (config.workers, config.max_held) = (smallest.workers, smallest.max_held);
    assert_eq!(format!("{config:?}"), format!("{smallest:?}"));
    assert_eq!(commented, known().len() - 5, "all but the five required keys are commented");
}

#[test]
fn every_key_of_the_code_is_in_the_example() {
    let text = text();
    let written: Vec<_> = text
        .lines()
        .filter_map(|line| setting(line).unwrap_or(line).split_once(" = "))
        .map(|(key, _)| key)
        .filter(|key| !key.contains([' ', '#']))
        .collect();
    assert_eq!(written, known());
}

fn known() -> Vec<&'static str> {
    [
        fields::<RawProcess>(),
        fields::<RawKeys>(),
        fields::<RawAdmin>(),
        fields::<RawLog>(),
        fields::<RawProxy>(),
        fields::<RawTimeouts>(),
    ]
    .concat()
}
