//! `alewife check` and `alewife keygen`, run as a user would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the binary with nothing of this process's settings.
fn alewife(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alewife"));
    command.args(arguments).env_remove("ALEWIFE_CONFIG");
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("the process ended by itself")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A directory with a configuration and its key file, both as given.
fn house(config: &str, keys: &str) -> TempDir {
    let house = tempfile::tempdir().unwrap();
    fs::write(house.path().join("config.toml"), config).unwrap();
    write_private(&house.path().join("keys.toml"), keys);
    house
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    set_mode(path, 0o600);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn check(house: &TempDir) -> Output {
    alewife(&["check", "--config", house.path().join("config.toml").to_str().unwrap()])
}

fn keygen(arguments: &[&str]) -> String {
    let output = alewife(&[&["keygen"], arguments].concat());
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    stdout(&output).to_owned()
}

const SMALLEST: &str = r#"[keys]
file = "keys.toml"
[[proxy]]
name = "kitchen"
mode = "inbound"
listen = "127.0.0.1:8080"
upstream = "http://127.0.0.1:3000"
"#;

#[test]
fn right_configuration_with_fresh_keys_is_approved() {
    let house = house(SMALLEST, &keygen(&["--fingerprint", "first"]));
    let output = check(&house);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    let summary = stdout(&output);
    assert!(summary.contains("kitchen: inbound, 127.0.0.1:8080 -> http://127.0.0.1:3000\n"), "{summary}");
    assert!(summary.contains("first (AES-256-GCM) seals\n"), "{summary}");
}

#[test]
fn example_configuration_is_approved() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let house = house(&fs::read_to_string(example).unwrap(), &keygen(&[]));
    assert_eq!(code(&check(&house)), 0);
}

#[test]
fn outbound_example_is_approved_and_named_as_such() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.outbound.example.toml");
    let house = house(&fs::read_to_string(example).unwrap(), &keygen(&[]));
    let output = check(&house);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    let summary = stdout(&output);
    assert!(summary.contains("pos: outbound, 127.0.0.1:8081 -> http://kitchen.example:8080\n"), "{summary}");
}

#[test]
fn outbound_proxy_that_believes_plain_replies_or_listens_to_others_is_told() {
    let outbound = SMALLEST
        .replace("\"inbound\"", "\"outbound\"\nreplies = \"either\"")
        .replace("127.0.0.1:8080", "0.0.0.0:8080");
    let house = house(&outbound, &keygen(&[]));
    let output = check(&house);
    let directory = house.path().display();
    let expected = format!(
        "warning: {directory}/config.toml:6:11: proxy.kitchen.replies: until the peer has sealed a reply, whoever \
         is on the line can make replies up\n    remedy: write \"sealed\" if the peer always seals its replies, \
         \"plain\" if it never does\n\
         note: proxy.kitchen.listen: whoever reaches 0.0.0.0:8080 can have requests sealed and sent from here\n"
    );
    assert_eq!((code(&output), stderr(&output)), (0, expected.as_str()));
}

#[test]
fn nothing_is_bound_by_a_check() {
    // The addresses are taken, which would be in the way of whoever binds them.
    let (proxy, admin) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let taken = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let config = format!(
        "[admin]\nlisten = \"{}\"\n{}",
        taken(&admin),
        SMALLEST.replace("127.0.0.1:8080", &taken(&proxy))
    );
    let house = house(&config, &keygen(&[]));
    let output = check(&house);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn faults_of_configuration_and_keys_are_told_together() {
    let config = SMALLEST.replace("mode = \"inbound\"", "mode = \"bridge\"\nlsiten = 1");
    let keys = "[[key]]\nfingerprint = \"a\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"utf8:PLANTEDSECRET\"\n";
    let house = house(&config, keys);
    let output = check(&house);
    assert_eq!((code(&output), stdout(&output)), (78, ""));
    let told = stderr(&output);
    let directory = house.path().display();
    let expected = format!(
        "{directory}/config.toml:5:8: proxy.kitchen.mode: \"bridge\" is not a known mode\n    \
             remedy: write \"inbound\" or \"outbound\"\n\
         {directory}/config.toml:6:1: proxy.kitchen.lsiten: unknown key\n    \
             remedy: write `listen` if that is what is meant\n\
         {directory}/keys.toml:4:10: key[0].secret: AES-256-GCM takes 32 bytes, but this utf8 secret has 13\n    \
             remedy: correct the secret or its algorithm, and see that the encoding before the colon is the right one\n\
         3 faults\n"
    );
    assert_eq!(told, expected);
}

#[test]
fn secrets_of_broken_key_files_are_not_printed() {
    let secret = "base64:UExBTlRFRFNFQ1JFVA==";
    for broken in [
        format!("[[key]]\nsecret = {secret}\n"),
        format!("[[key]]\nsecret = \"{secret}\n"),
        format!("[[key]]\nsecret = \"{secret}\"\nsecret = \"{secret}\"\n"),
        format!("[[key]]\nsecret = [\"{secret}\"]\n"),
        format!("[[key]]\n\"{secret}\" = 1\n"),
        format!("[[key]]\nsecret = {{ \"{secret}\" = 1 }}\n"),
        format!(
            "[[key]]\nalgorithm = \"{secret}\"\nfingerprint = \" {secret}\"\nvalid_after = \"{secret}\"\n"
        ),
        format!("primary = \"{secret}\"\n[[{secret}]]\n"),
        secret.to_owned(),
    ] {
        let house = house(SMALLEST, &broken);
        let output = check(&house);
        assert_eq!(code(&output), 78, "for {broken}");
        assert!(!stderr(&output).contains("UExBTlRFRFNFQ1JFV"), "for {broken}: {}", stderr(&output));
    }
}

#[test]
fn missing_files_are_faults() {
    let house = house(SMALLEST, "");
    fs::remove_file(house.path().join("keys.toml")).unwrap();
    let output = check(&house);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).contains("keys.toml: it cannot be read: "), "{}", stderr(&output));
    fs::remove_file(house.path().join("config.toml")).unwrap();
    let output = check(&house);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).contains("config.toml: it cannot be read: "), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn world_writable_key_file_is_a_fault_and_a_readable_one_a_note() {
    let house = house(SMALLEST, &keygen(&[]));
    let keys = house.path().join("keys.toml");
    set_mode(&keys, 0o644);
    let output = check(&house);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).starts_with("note: "), "{}", stderr(&output));
    set_mode(&keys, 0o622);
    let output = check(&house);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).contains("everyone may write to it"), "{}", stderr(&output));
}

#[test]
fn odd_but_allowed_settings_are_told() {
    let later = keygen(&["--valid-after", "+1h"]);
    let house = house(&format!("max_held = \"4MiB\"\n{SMALLEST}"), &later);
    let output = check(&house);
    assert_eq!(code(&output), 0);
    let told = stderr(&output);
    assert!(told.contains("warning: ") && told.contains("no key is valid for sealing now"), "{told}");
    assert!(
        told.contains("note: proxy.kitchen.max_body: 16777216 bytes are more than the 1048576"),
        "{told}"
    );
    assert!(
        told.contains("note: proxy.kitchen.websocket.max_message: 16777216 bytes are more than the 1048576"),
        "{told}"
    );
}

#[test]
fn window_that_keys_outlive_is_warned_about() {
    let keys = keygen(&["--fingerprint", "lasting"]);
    let house = house(&format!("{SMALLEST}replay_window = \"24h\"\n"), &keys);
    let output = check(&house);
    let told = "warning: proxy.kitchen.replay_window: what was recorded opens again after 24h: lasting has no \
                valid_until; lengthen the window, or give keys a shorter time\n";
    assert_eq!((code(&output), stderr(&output)), (0, told));
}

#[test]
fn window_as_long_as_a_key_holds_is_no_matter() {
    let keys = keygen(&["--valid-until", "+23h"]);
    assert!(keys.contains("\nvalid_until = "), "{keys}");
    let output = check(&house(&format!("{SMALLEST}replay_window = \"24h\"\n"), &keys));
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn store_in_clear_on_another_machine_is_noted() {
    let store = "replay_window = \"24h\"\nreplay_store_failure = \"open\"\n";
    for (url, noted) in [
        ("redis://store.test", true),
        ("redis://192.0.2.1", true),
        ("rediss://store.test", false),
        ("redis://localhost", false),
        ("redis://[::1]", false),
    ] {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let keys = keygen(&[]) + &format!("valid_until = {until}\n");
        let house = house(&format!("{SMALLEST}{store}replay_store = \"{url}\"\n"), &keys);
        let output = check(&house);
        let told = stderr(&output).contains("note: proxy.kitchen.replay_store: nothing proves what");
        assert_eq!((code(&output), told), (0, noted), "{url}");
    }
}

#[test]
fn key_that_seals_without_a_proof_is_noted() {
    let gcm = keygen(&["--fingerprint", "proven", "--valid-after", "-1h"]);
    // Longer ago than keys.seal_delay.
    let since = ["--valid-after", "-30m"];
    let ctr = keygen(&[&["--fingerprint", "unproven", "--algorithm", "AES-256-CTR"][..], &since].concat());
    let house = house(SMALLEST, &(gcm + &ctr));
    let output = check(&house);
    let expected = format!(
        "note: {}/keys.toml: unproven seals now, and AES-256-CTR proves nothing: neither who sent a message nor \
         that it is unchanged; see keys.require_authenticated\n",
        house.path().display()
    );
    assert_eq!((code(&output), stderr(&output)), (0, expected.as_str()));
}

#[test]
fn of_keys_without_a_start_the_later_entry_seals() {
    let entry = |name: &str, byte: &str| {
        let secret = byte.repeat(32);
        format!("[[key]]\nfingerprint = \"{name}\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:{secret}\"\n")
    };
    let (first, second) = (entry("first", "a1"), entry("second", "b2"));
    let output = check(&house(SMALLEST, &format!("{first}{second}")));
    assert!(stdout(&output).contains("second (AES-256-GCM) seals\n"), "{}", stdout(&output));
    let output = check(&house(SMALLEST, &format!("primary = \"first\"\n{first}{second}")));
    assert!(stdout(&output).contains("first (AES-256-GCM) seals\n"), "{}", stdout(&output));
}

#[test]
fn configuration_may_be_named_by_the_environment() {
    let house = house(SMALLEST, &keygen(&[]));
    let output =
        command(&["check"]).env("ALEWIFE_CONFIG", house.path().join("config.toml")).output().unwrap();
    assert_eq!(code(&output), 0);
    let help = command(&["check", "--help"]).env("ALEWIFE_CONFIG", "/planted/path").output().unwrap();
    assert_eq!(code(&help), 0);
    assert!(!stdout(&help).contains("/planted/path"));
}

#[test]
fn rotation_as_the_help_tells_it_makes_a_working_file() {
    let keys = keygen(&["--fingerprint", "old", "--valid-after", "-1h"])
        + &keygen(&["--fingerprint", "new", "--valid-after", "+10m", "--algorithm", "aes-128-ctr"]);
    let house = house(SMALLEST, &keys);
    let output = check(&house);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    assert!(stdout(&output).contains("keys: 2 in "), "{}", stdout(&output));
    assert!(stdout(&output).contains("old (AES-256-GCM) seals"), "{}", stdout(&output));
    assert_ne!(keygen(&[]), keygen(&[]));
}

#[test]
fn wrong_command_lines_end_with_64() {
    for arguments in [
        &[][..],
        &["chek"],
        &["check"],
        &["check", "--config", "a", "b"],
        &["keygen", "--algorithm", "AES-256-XTS"],
        &["keygen", "--fingerprint", "a b"],
        &["keygen", "--valid-after", "tomorrow"],
        &["keygen", "--valid-after", "+99999999h"],
        &["keygen", "--valid-until", "tomorrow"],
        &["keygen", "--valid-until", "-1s"],
        &["keygen", "--valid-after", "+1h", "--valid-until", "+1h"],
    ] {
        let output = alewife(arguments);
        assert_eq!((code(&output), stdout(&output)), (64, ""), "for {arguments:?}");
        assert!(!stderr(&output).is_empty());
    }
}

#[test]
fn missing_configuration_names_the_variable_that_may_hold_it() {
    for command in ["check", "run"] {
        let output = alewife(&[command]);
        assert_eq!(code(&output), 64);
        assert!(stderr(&output).contains("ALEWIFE_CONFIG may name"), "{}", stderr(&output));
    }
    assert!(!stderr(&alewife(&["seal"])).contains("ALEWIFE_CONFIG"));
}

#[test]
fn single_brackets_around_proxy_are_told_with_the_name() {
    let house = house(&SMALLEST.replace("[[proxy]]", "[proxy]"), &keygen(&[]));
    let output = check(&house);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).contains("two brackets: [[proxy]]\n"), "{}", stderr(&output));
}

#[test]
fn help_and_version_end_with_0() {
    for arguments in [&["--help"][..], &["--version"], &["check", "--help"], &["keygen", "--help"]] {
        let output = alewife(arguments);
        assert_eq!((code(&output), stderr(&output)), (0, ""), "for {arguments:?}");
    }
    assert!(stdout(&alewife(&["keygen", "--help"])).contains("cat next.toml >> keys.toml"));
}
