//! `alewife profiles import`.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::{Directory, KEYS, config, run};
use crate::commands::Ended;

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ\"\\[]{}";
const IV: &str = "fedcba98\"\\543210";

fn object(algo: &str, key: &str) -> String {
    serde_json::json!({ "url": "https://x", "enc": { "algo": algo, "key": key, "IV": IV } }).to_string()
}

fn import(directory: &Directory, text: &str, more: &[&str]) -> Ended {
    let file = directory.write("enc.json", text);
    let (keys, iv) = (directory.at("calls-keys.toml"), directory.at("calls.iv"));
    let args = ["profiles", "import", &file, "--name", "calls", "--keys", &keys, "--iv-file", &iv];
    run([&args, more].concat(), b"")
}

/// Nothing of the object's key and IV is told.
fn tells_no_secret(ended: &Ended) {
    let told = format!("{}{}", ended.text(), ended.stderr);
    assert!(!told.contains("ABCDEFGH") && !told.contains("fedcba98"), "{told}");
}

#[test]
fn imported_object_makes_files_for_its_owner_alone_and_a_profile_that_check_takes() {
    for (algo, length) in [("aes-128-cfb", 16), ("AES-192-GCM", 24), ("AES-256-gcm", 32)] {
        let directory = Directory::with("");
        let ended = import(&directory, &object(algo, &KEY[..length]), &[]);
        tells_no_secret(&ended);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        assert_eq!(directory.read("calls.iv"), format!("{IV}\n"));
        for name in ["calls.iv", "calls-keys.toml"] {
            assert_eq!(std::fs::metadata(directory.at(name)).unwrap().mode() & 0o777, 0o600, "{name}");
        }
        let keys = "[keys]\nfile = \"calls-keys.toml\"\n";
        let config = config(&["kitchen"]).replace("[keys]\nfile = \"keys.toml\"\n", keys);
        let config = directory.write("config.toml", &format!("{config}{}", ended.text()));
        let check = run(["check", "--config", &config], b"");
        assert_eq!(check.status, 0, "{}", check.stderr);
        assert!(check.text().contains(&format!("calls ({}) seals", algo.to_uppercase())), "{}", check.text());
        let listed = run(["profiles", "--config", &config], b"");
        assert!(listed.text().contains("As kaleyra, but for algorithm, fingerprint."), "{}", listed.text());
    }
}

#[test]
fn what_a_vendor_sealed_opens_under_the_imported_profile() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/profiles/php.json")).unwrap();
    for vector in vectors.as_array().unwrap().iter().filter(|vector| vector["preset"] == "kaleyra") {
        let directory = Directory::with("");
        let text = |member: &str| {
            let bytes =
                alewife::crypto::encoding::hex_decode(vector[member].as_str().unwrap().as_bytes()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let enc =
            serde_json::json!({ "algo": vector["algorithm"], "key": text("key"), "IV": text("static_iv") });
        let ended = import(&directory, &enc.to_string(), &[]);
        let config = directory.write("config.toml", &format!("{}{}", config(&["kitchen"]), ended.text()));
        let samples = format!("GET {}\n", vector["requests"][0]["target"].as_str().unwrap());
        let samples = directory.write("samples.http", &samples);
        let keys = directory.at("calls-keys.toml");
        let test = run(
            ["profiles", "test", &samples, "--config", &config, "--profile", "calls", "--keys", &keys],
            b"",
        );
        assert_eq!(test.status, 0, "{}{}", test.text(), test.stderr);
        assert!(test.text().contains("-> \"+49 30 1234567\""), "{}", test.text());
    }
}

#[test]
fn object_comes_from_standard_input_as_well() {
    let directory = Directory::with("");
    let (keys, iv) = (directory.at("k.toml"), directory.at("iv"));
    let args = [
        "profiles",
        "import",
        "-",
        "--name",
        "calls",
        "--keys",
        &keys,
        "--iv-file",
        &iv,
        "--fingerprint",
        "calls 2",
    ];
    // A fingerprint is one word.
    assert_eq!(run(args, object("AES-256-GCM", KEY).as_bytes()).status, 64);
    let ended =
        run([&args[..9], &["--fingerprint", "calls-2"]].concat(), object("AES-256-GCM", KEY).as_bytes());
    assert!(ended.text().contains("fingerprint = \"key:calls-2\""), "{}{}", ended.text(), ended.stderr);
    assert!(directory.read("k.toml").contains("fingerprint = \"calls-2\""));
}

#[test]
fn key_is_appended_to_a_file_that_is_there_with_its_comments_its_mode_and_its_link() {
    let directory = Directory::with("");
    let old = format!("# ours\n{KEYS}");
    directory.write("real.toml", old.trim_end());
    std::fs::set_permissions(directory.at("real.toml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(directory.at("real.toml"), directory.at("calls-keys.toml")).unwrap();
    let ended = import(&directory, &object("AES-256-GCM", KEY), &[]);
    tells_no_secret(&ended);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("has other keys, and of all of them this one began last"),
        "{}",
        ended.stderr
    );
    let new = directory.read("real.toml");
    assert!(new.starts_with(&format!("{}\n\n[[key]]\nfingerprint = \"calls\"\n", old.trim_end())), "{new}");
    assert_eq!(std::fs::metadata(directory.at("real.toml")).unwrap().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(directory.at("calls-keys.toml")).unwrap().is_symlink());
}

#[test]
fn iv_file_that_is_there_is_not_overwritten_and_nothing_else_changes() {
    let directory = Directory::with("");
    directory.write("calls.iv", "another's");
    let ended = import(&directory, &object("AES-256-GCM", KEY), &[]);
    tells_no_secret(&ended);
    assert_eq!((ended.status, ended.text()), (1, ""));
    assert!(
        ended.stderr.contains("calls.iv: the iv cannot be written: ")
            && ended.stderr.contains("remedy: name another file"),
        "{}",
        ended.stderr
    );
    assert_eq!(directory.read("calls.iv"), "another's");
    assert!(!directory.has("calls-keys.toml"));
}

#[test]
fn key_file_that_has_such_a_key_or_is_wrong_is_left_as_it_was_and_no_iv_is_written() {
    let taken = KEYS.replace("\"k\"", "\"calls\"");
    for (old, problem) in
        [(taken.as_str(), "it has a key \"calls\" already"), ("[[key]]\nfingerprint = 7\n", "fingerprint")]
    {
        let directory = Directory::with("");
        directory.write("calls-keys.toml", old);
        let ended = import(&directory, &object("AES-256-GCM", KEY), &[]);
        tells_no_secret(&ended);
        assert_eq!((ended.status, ended.text()), (78, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(problem) && ended.stderr.contains("remedy: "), "{}", ended.stderr);
        assert_eq!(directory.read("calls-keys.toml"), old);
        assert!(!directory.has("calls.iv"));
    }
}

#[test]
fn key_file_that_cannot_be_made_leaves_no_iv_behind() {
    let directory = Directory::with("");
    let file = directory.write("enc.json", &object("AES-256-GCM", KEY));
    let (keys, iv) = (directory.at("none/keys.toml"), directory.at("calls.iv"));
    let ended = run(["profiles", "import", &file, "--name", "calls", "--keys", &keys, "--iv-file", &iv], b"");
    tells_no_secret(&ended);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.contains("the key file cannot be made: ") && !directory.has("calls.iv"),
        "{}",
        ended.stderr
    );
}

#[test]
fn object_that_is_wrong_is_told_with_a_remedy_and_nothing_of_it() {
    let cases = [
        (object("AES-256-GCM", &KEY[..16]), "key has 16 characters, and must have 32"),
        (object(KEY, KEY), "algo names no algorithm that the vendor has"),
        (object("AES-256-GCM", KEY).replace("\"IV\"", &format!("\"{}\"", &KEY[..20])), "it has no IV"),
        (KEY.to_owned(), "it is no JSON object"),
    ];
    for (text, problem) in cases {
        let directory = Directory::with("");
        let ended = import(&directory, &text, &[]);
        tells_no_secret(&ended);
        assert_eq!((ended.status, ended.text()), (78, ""));
        assert!(
            ended.stderr.contains(problem) && ended.stderr.contains("\n    remedy: "),
            "{}",
            ended.stderr
        );
        assert!(!directory.has("calls.iv") && !directory.has("calls-keys.toml"));
    }
}

#[test]
fn file_that_is_not_there_or_far_too_long_is_told() {
    let directory = Directory::with("");
    let keys = directory.at("k.toml");
    let long = directory.write("long", &" ".repeat(65 * 1024));
    for (file, problem) in [("none/such", "none/such: "), (long.as_str(), "it is larger than 64 KiB")] {
        let ended = run(["profiles", "import", file, "--name", "a", "--keys", &keys, "--iv-file", "iv"], b"");
        assert_eq!(ended.status, 1);
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    }
}

#[test]
fn name_of_a_preset_or_no_name_at_all_is_a_wrong_command_line() {
    for name in ["kaleyra", "a b", "", "a.b"] {
        let ended = run(["profiles", "import", "-", "--name", name, "--keys", "k", "--iv-file", "i"], b"{}");
        assert_eq!(ended.status, 64, "{name}");
    }
}
