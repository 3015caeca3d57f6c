//! `alewife profiles` and its subcommands.

mod import;
mod test;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use alewife::profile::PRESETS;

use super::{Ended, run};

/// A directory with a key of AES-256-GCM under the name `k`, and a configuration of one proxy, with more lines at its end.
struct Directory(tempfile::TempDir);

const KEYS: &str = "[[key]]\nfingerprint = \"k\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"utf8:0123456789abcdef0123456789ABCDEF\"\n";

impl Directory {
    fn with(lines: &str) -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        let keys = directory.write("keys.toml", KEYS);
        std::fs::set_permissions(keys, std::fs::Permissions::from_mode(0o600)).unwrap();
        directory.write("config.toml", &format!("{}{lines}", config(&["kitchen"])));
        directory
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(name), text).unwrap();
        self.at(name)
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        Path::new(&self.at(name)).exists()
    }
}

fn config(proxies: &[&str]) -> String {
    let proxies = proxies.iter().enumerate().map(|(index, name)| {
        format!("[[proxy]]\nname = \"{name}\"\nmode = \"inbound\"\nlisten = {}\nupstream = \"http://127.0.0.1:3000\"\n", 8080 + index)
    });
    format!("[keys]\nfile = \"keys.toml\"\n{}", proxies.collect::<String>())
}

fn profiles(args: &[&str]) -> Ended {
    run([&["profiles"], args].concat(), b"")
}

/// The table of a profile without comments and without its heading's name.
fn table(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split("  # ").next().unwrap().trim_end());
    lines
        .filter(|line| !line.starts_with('#') && !line.is_empty() && !line.starts_with('['))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_preset_has_a_line() {
    let ended = profiles(&[]);
    let text = ended.text().to_owned();
    assert_eq!(ended.status, 0);
    for preset in PRESETS {
        let line = text.lines().find(|line| line.starts_with(&format!("{} ", preset.name))).unwrap();
        assert!(line.ends_with(preset.about), "{line}");
    }
}

#[test]
fn printed_table_of_every_preset_can_be_put_into_a_configuration_and_means_the_preset() {
    for preset in PRESETS {
        let printed = profiles(&[preset.name]);
        let directory = Directory::with(printed.text());
        directory.write(&format!("my-{}.iv", preset.name), "0123456789abcdef\n");
        let config = directory.at("config.toml");
        let check = run(["check", "--config", &config], b"");
        assert_eq!((check.status, check.stderr.as_str()), (0, ""), "{}", printed.text());
        let own = profiles(&[&format!("my-{}", preset.name), "--config", &config]);
        let without_iv = |text: &str| {
            table(text).into_iter().filter(|line| !line.starts_with("static_iv")).collect::<Vec<_>>()
        };
        assert_eq!(without_iv(own.text()), without_iv(printed.text()));
        let listed = profiles(&["--config", &config]);
        assert!(listed.text().contains(&format!("As {}.\n", preset.name)), "{}", listed.text());
    }
}

#[test]
fn profile_of_a_configuration_is_listed_with_what_differs_and_printed_with_where_its_iv_is() {
    let directory = Directory::with(
        "[profile.calls]\npreset = \"kaleyra\"\nalgorithm = \"AES-256-GCM\"\nstatic_iv = { file = \"calls.iv\" }\n\
         errors.decrypt.status = 422\n",
    );
    directory.write("calls.iv", "0123456789abcdef\n");
    let config = directory.at("config.toml");
    let listed = profiles(&["--config", &config]);
    let line = listed.text().lines().find(|line| line.starts_with("calls ")).unwrap().to_owned();
    assert!(line.ends_with("  held      As kaleyra, but for algorithm, errors."), "{line}");
    let printed = profiles(&["calls", "--config", &config]);
    let iv = format!("static_iv = {{ file = \"{}\" }}", directory.at("calls.iv"));
    assert!(
        printed.text().contains(&iv)
            && printed.text().contains("[profile.calls.errors.decrypt]\nstatus = 422\n")
    );
    assert!(!printed.text().contains("0123456789"), "the iv is shown");
}

#[test]
fn static_iv_comes_from_the_environment_where_the_profile_says_so() {
    let directory =
        Directory::with("[profile.calls]\npreset = \"kaleyra\"\nstatic_iv = { env = \"CALLS_IV\" }\n");
    let check = |iv: Option<&str>| {
        let mut command = super::alewife(["check", "--config", &directory.at("config.toml")]);
        if let Some(iv) = iv {
            command.env("CALLS_IV", iv);
        }
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(Some("0123456789abcdef")), (0, String::new()));
    for (iv, problem) in [
        (None, "the environment has no CALLS_IV"),
        (Some("short-one"), "the environment's CALLS_IV holds no iv"),
    ] {
        let (status, told) = check(iv);
        assert_eq!(status, 78);
        assert!(told.contains(problem) && !told.contains("short-one"), "{told}");
    }
}

#[test]
fn name_that_no_profile_has_is_a_wrong_command_line_and_told_with_those_that_there_are() {
    let ended = profiles(&["payone"]);
    assert_eq!((ended.status, ended.text()), (64, ""));
    assert!(
        ended.stderr.starts_with("alewife profiles: there is no profile \"payone\"; there are ale, "),
        "{}",
        ended.stderr
    );
    let directory = Directory::with("[profile.own]\n");
    let ended = profiles(&["payone", "--config", &directory.at("config.toml")]);
    assert!(ended.stderr.contains("there are own, ale, "), "{}", ended.stderr);
}

#[test]
fn configuration_that_is_wrong_is_told_as_check_does() {
    let directory = Directory::with("[profile.own]\ntag = 1\n");
    let ended = profiles(&["--config", &directory.at("config.toml")]);
    assert_eq!((ended.status, ended.text()), (78, ""));
    assert!(ended.stderr.contains("profile.own.tag: expected a place in quotes"), "{}", ended.stderr);
}
