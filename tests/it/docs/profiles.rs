//! docs/PROFILES.md against the code.

use std::process::Command;

use alewife::profile::{Draft, PRESETS, about};

use super::{quoted, read, table};

#[test]
fn table_of_presets_is_that_of_the_code() {
    let rows = table(&read("docs/PROFILES.md"), "| preset | messages | whose |");
    let documented: Vec<_> = rows.iter().map(|row| (quoted(&row[0])[0].clone(), row[1].clone())).collect();
    let known = PRESETS.iter().map(|preset| {
        let way = if preset.draft().streams() { "streamed" } else { "held" };
        (preset.name.to_owned(), way.to_owned())
    });
    assert_eq!(documented, known.collect::<Vec<_>>());
}

#[test]
fn table_of_keys_has_each_with_its_default_and_what_the_command_says_of_it() {
    let rows = table(&read("docs/PROFILES.md"), "| key | default | says |");
    let mut expected: Vec<_> = Draft::default().settings();
    expected.insert(0, ("preset", "\"ale\"".to_owned()));
    expected.insert(5, ("static_iv", String::new()));
    let (keys, errors) = rows.split_at(expected.len());
    for (row, (key, default)) in keys.iter().zip(&expected) {
        let shown = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        assert_eq!(row[..], [format!("`{key}`"), shown, about(key).unwrap().to_owned()]);
    }
    let classes = Draft::default().errors;
    let classes: Vec<_> = classes.classes().map(|(class, _)| format!("errors.{class}")).to_vec();
    assert_eq!(errors.iter().map(|row| quoted(&row[0])[0].clone()).collect::<Vec<_>>(), classes);
}

/// The blocks of that language.
fn blocks(language: &str) -> Vec<String> {
    let text = read("docs/PROFILES.md");
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn profiles_in_the_document_are_accepted_by_check() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("calls.iv"), "fedcba9876543210\n").unwrap();
    let keygen = Command::new(env!("CARGO_BIN_EXE_alewife")).arg("keygen").output().unwrap();
    std::fs::write(at("keys.toml"), keygen.stdout).unwrap();
    let blocks = blocks("toml");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let rest = "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"a\"\nmode = \"inbound\"\nlisten = 8080\nupstream = \"http://127.0.0.1:3000\"\n";
        std::fs::write(at("config.toml"), format!("{block}{rest}")).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_alewife"));
        let output = check.args(["check", "--config"]).arg(at("config.toml")).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        // A note on who may read the key file depends on the machine.
        let is_told = told.lines().any(|line| !line.starts_with("note: "));
        assert!(output.status.success() && !is_told, "{told}\n{block}");
    }
}

#[test]
fn sample_requests_in_the_document_come_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let [samples] = &blocks("http")[..] else { panic!("one block of requests") };
    std::fs::write(at("samples.http"), samples).unwrap();
    std::fs::write(at("calls.iv"), "fedcba9876543210\n").unwrap();
    std::fs::write(
        at("keys.toml"),
        "[[key]]\nfingerprint = \"calls\"\nalgorithm = \"AES-128-CFB\"\nsecret = \"utf8:0123456789abcdef\"\n",
    )
    .unwrap();
    let config = "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"a\"\nmode = \"inbound\"\nlisten = 8080\nupstream = \"http://127.0.0.1:3000\"\n\
                  [profile.calls]\npreset = \"kaleyra\"\nalgorithm = \"AES-128-CFB\"\nfingerprint = \"key:calls\"\n\
                  static_iv = { file = \"calls.iv\" }\ninclude = [\"form:phone\"]\n";
    std::fs::write(at("config.toml"), config).unwrap();
    let mut test = Command::new(env!("CARGO_BIN_EXE_alewife"));
    test.args(["profiles", "test", "--profile", "calls", "--config"])
        .arg(at("config.toml"))
        .arg(at("samples.http"));
    let output = test.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("2 requests, all as expected"), "{shown}");
}
