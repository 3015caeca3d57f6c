//! Values that stand in the environment, in the place of those in the file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::example::{inbound, meaning, outbound, setting};
use super::{SMALLEST, SMALLEST_OUTBOUND, parse};
use crate::config::{Config, Environment, file};
use crate::document::{Faults, capitals};
use crate::sources::SecretSource;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value))))
}

fn under(text: &str, variables: &[(&str, &str)]) -> Result<Config, Faults> {
    file::parse_under(text, &environment(variables), "config.toml", Path::new("/etc/alewife")).config
}

/// What is wrong, one line each, without remedies.
fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let faults = under(text, variables).expect_err("there are faults");
    faults.iter().map(|fault| fault.to_string().lines().next().unwrap().to_owned()).collect()
}

/// Each commented setting of an example: its section, its line, and the variable for it.
fn settings(text: &str, proxy: &str) -> Vec<(String, String, String)> {
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in text.lines() {
        let line = setting(line)
            .unwrap_or(line.strip_prefix('#').filter(|rest| rest.starts_with('[')).unwrap_or(line));
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| !key.contains([' ', '#']))
        {
            let levels: Vec<_> = section.split('.').filter(|level| !level.is_empty()).collect();
            let mut names = vec!["ALEWIFE".to_owned()];
            for level in levels {
                names.push(capitals(level));
                if level == "proxy" {
                    names.push(capitals(proxy));
                }
            }
            names.push(capitals(key));
            found.push((section.clone(), format!("{key} = {value}"), names.join("__")));
        }
    }
    found
}

#[test]
fn every_setting_of_the_examples_means_in_the_environment_what_it_means_in_the_file() {
    let mut tried = 0;
    for (example, smallest, proxy) in
        [(inbound(), SMALLEST, "kitchen"), (outbound(), SMALLEST_OUTBOUND, "pos")]
    {
        for (section, line, variable) in settings(&example, proxy) {
            let (key, value) = line.split_once(" = ").unwrap();
            // Names of proxies are how they are found; routes have a test of their own.
            if section.starts_with("proxy.route") || section.contains("certificate") || key == "name" {
                continue;
            }
            let text = value.trim_matches('"');
            let own =
                section != "inspector" && smallest.lines().any(|old| old.starts_with(&format!("{key} = ")));
            let in_file = match (own, section.as_str()) {
                (true, _) => smallest.to_owned(),
                (false, "") => format!("{line}\n{smallest}"),
                (false, "keys") => smallest.replace("[keys]\n", &format!("[keys]\n{line}\n")),
                (false, "proxy") => format!("{smallest}{line}\n"),
                (false, section) => format!("{smallest}[{section}]\n{line}\n"),
            };
            let shown = |config: Result<Config, Faults>| match config {
                Ok(mut config) => {
                    // A warning stands where what it is about does.
                    config
                        .warnings
                        .iter_mut()
                        .for_each(|warning| (warning.place, warning.file) = (None, "".into()));
                    meaning(config)
                }
                // What is wrong with it alone is so either way; only the places differ.
                Err(faults) => faults.iter().map(|fault| format!("{}|", fault.problem)).collect(),
            };
            let from_environment = under(smallest, &[(&variable, text)]);
            assert_eq!(shown(from_environment), shown(parse(&in_file)), "{variable}={text}");
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn environment_replaces_what_the_file_has_and_lists_are_told_apart_by_name() {
    let text = format!(
        "{SMALLEST}[[proxy]]\nname = \"snack-bar\"\nmode = \"inbound\"\nlisten = 8081\nupstream = \"http://127.0.0.1:3001\"\n[[proxy.route]]\nname = \"orders\"\npath = \"/orders\"\n"
    );
    let config = under(
        &text,
        &[
            ("ALEWIFE__PROXY__SNACK_BAR__LISTEN", "9000"),
            ("ALEWIFE__PROXY__SNACK_BAR__ROUTE__ORDERS__METHODS", "GET, POST"),
            ("ALEWIFE__PROXY__SNACK_BAR__ROUTE__REST__PATH", "/"),
            ("ALEWIFE__PROXY__KITCHEN__TIMEOUTS__IDLE", "7s"),
            ("ALEWIFE__LOG__ACCESS", "false"),
            ("ALEWIFE__WORKERS", "3"),
            ("ALEWIFE_PORT", "tcp://10.0.0.1:8080"),
        ],
    )
    .unwrap();
    let [kitchen, bar] = &config.proxies[..] else { panic!("two proxies") };
    assert_eq!(bar.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(kitchen.timeouts.idle.as_secs(), 7);
    let routes: Vec<_> = bar.routes.iter().collect();
    assert_eq!(
        routes.iter().map(|route| route.name.as_deref().unwrap()).collect::<Vec<_>>(),
        ["orders", "rest"]
    );
    assert_eq!(routes[0].matching.methods.len(), 2);
    assert!(!config.log.access);
    assert_eq!(config.workers.get(), 3);
}

#[test]
fn whole_configuration_may_come_from_the_environment() {
    let variables = [
        ("ALEWIFE__KEYSET__BAR__FILE", "bar.toml"),
        ("ALEWIFE__PROXY__BAR__MODE", "inbound"),
        ("ALEWIFE__PROXY__BAR__KEYS", "bar"),
        ("ALEWIFE__PROXY__BAR__LISTEN", "[::1]:8080"),
        ("ALEWIFE__PROXY__BAR__UPSTREAM", "http://127.0.0.1:3000"),
    ];
    let config = under("", &variables).unwrap();
    assert_eq!((&*config.proxies[0].name, &*config.key_sets[0].name), ("bar", "bar"));
    assert_eq!(config.proxies[0].listen.to_string(), "[::1]:8080");
    assert_eq!(config.key_sets[0].file.as_deref(), Some(Path::new("/etc/alewife/bar.toml")));
}

#[test]
fn what_is_wrong_with_a_variable_is_said_with_its_name() {
    for (variable, value, told) in [
        ("ALEWIFE__LOG__LEVEL", "loud", "ALEWIFE__LOG__LEVEL: log.level: \"loud\" is not a known level"),
        ("ALEWIFE__LOG__LEVLE", "info", "ALEWIFE__LOG__LEVLE: log.levle: unknown key"),
        ("ALEWIFE__LOGG__LEVEL", "info", "ALEWIFE__LOGG__LEVEL: logg: unknown key"),
        (
            "ALEWIFE__WORKERS",
            "many",
            "ALEWIFE__WORKERS: workers: expected a number of threads, found a string",
        ),
        (
            "ALEWIFE__WORKERS__FIRST",
            "1",
            "ALEWIFE__WORKERS__FIRST: workers: expected a number of threads, found a table",
        ),
        ("ALEWIFE__proxy__kitchen__listen", "1", "ALEWIFE__proxy__kitchen__listen: not the name of a key"),
        ("ALEWIFE__", "1", "ALEWIFE__: not the name of a key"),
        ("ALEWIFE__KEYS____FILE", "1", "ALEWIFE__KEYS____FILE: not the name of a key"),
        ("ALEWIFE__PROXY__KITCHEN", "1", "ALEWIFE__PROXY__KITCHEN: a name, and no key of it"),
        ("ALEWIFE__KEYS__FILE__X", "1", "ALEWIFE__KEYS__FILE__X: there is a value where it needs a table"),
    ] {
        assert!(
            faults(SMALLEST, &[(variable, value)]).contains(&told.to_owned()),
            "{:?}",
            faults(SMALLEST, &[(variable, value)])
        );
    }
    let raw = Environment::of([("ALEWIFE__LOG__LEVEL".into(), OsString::from_vec(vec![0xff]))]);
    assert_eq!(raw.faults()[0].to_string().lines().next().unwrap(), "ALEWIFE__LOG__LEVEL: not UTF-8");
    let twins = format!(
        "{SMALLEST}[[proxy]]\nname = \"KITCHEN\"\nmode = \"inbound\"\nlisten = 8081\nupstream = \"http://127.0.0.1:1\"\n"
    );
    let told = faults(&twins, &[("ALEWIFE__PROXY__KITCHEN__LISTEN", "1")]);
    assert_eq!(
        told,
        ["ALEWIFE__PROXY__KITCHEN__LISTEN: several have that name, if it is written in capitals"]
    );
}

#[test]
fn secret_stands_in_a_variable_or_in_a_file_that_one_names_and_never_in_both() {
    let store = format!(
        "{SMALLEST}replay_window = \"1h\"\nreplay_store = \"redis://127.0.0.1\"\nreplay_store_failure = \"open\"\n"
    );
    let password = "ALEWIFE__PROXY__KITCHEN__REPLAY_STORE_PASSWORD";
    let source = |variables: &[(&str, &str)]| {
        let config = under(&store, variables).unwrap();
        config.proxies[0].replay.clone().unwrap().store.unwrap().password.unwrap()
    };
    assert_eq!(source(&[(password, "hunter2")]), SecretSource::Environment(password.into()));
    let file = format!("{password}_FILE");
    assert_eq!(source(&[(&file, "/run/secrets/p")]), SecretSource::File("/run/secrets/p".into()));
    assert_eq!(
        source(&[(&format!("{password}__FILE"), "/run/secrets/p")]),
        SecretSource::File("/run/secrets/p".into())
    );
    let both = [(password, "hunter2"), (&*file, "/run/secrets/p")];
    assert_eq!(faults(&store, &both), [format!("{file}: {password} says the same already")]);
    let nested = format!("{password}__FILE");
    assert_eq!(
        faults(&store, &[(password, "hunter2"), (&nested, "x")]),
        [format!("{nested}: {password} says the same already")]
    );
    let shown = format!("{:?} {:?}", under(&store, &[(password, "hunter2")]), faults(&store, &both));
    assert!(!shown.contains("hunter2"));
}
