//! The window for messages that come a second time.

use std::time::Duration;

use super::super::file;
use super::{faults, parse, with};
use crate::ale::ReplayWindow;
use crate::net::Roots;
use crate::proxy::{ReplayConfig, StoreConfig, StoreFailure};
use crate::sources::SecretSource;

fn replay(lines: &str) -> Option<ReplayConfig> {
    parse(&with(lines)).unwrap().proxies.remove(0).replay
}

#[test]
fn window_is_off_unless_it_is_written() {
    assert_eq!(replay("forwarded = \"append\""), None);
    assert_eq!(replay("replay_window = \"off\""), None);
    let config = replay("replay_window = \"24h\"").unwrap();
    assert_eq!((config.window, config.entries.get()), (Duration::from_secs(86_400), 1_000_000));
    assert_eq!(replay("replay_window = \"1h\"\nreplay_entries = 7").unwrap().entries.get(), 7);
}

#[test]
fn entries_without_a_window_are_a_fault() {
    let fault = "8:18: proxy.kitchen.replay_entries: nothing to use it for, since replay_window is off";
    assert_eq!(faults(&with("replay_entries = 7")), [fault]);
    // A window that cannot be read is told, and not what hangs on it.
    let wrong = faults(&with("replay_window = \"ever\"\nreplay_entries = 7"));
    assert_eq!(wrong, ["8:17: proxy.kitchen.replay_window: \"ever\" is not a duration"]);
}

#[test]
fn number_of_entries_has_bounds() {
    for number in ["0", "-1", "100000001"] {
        let text = with(&format!("replay_window = \"1h\"\nreplay_entries = {number}"));
        let fault = format!("9:18: proxy.kitchen.replay_entries: {number} is not a number of messages");
        assert_eq!(faults(&text), [fault]);
    }
    let most = replay("replay_window = \"1h\"\nreplay_entries = 100_000_000").unwrap();
    assert_eq!(most.entries.get(), ReplayWindow::MOST_ENTRIES);
}

fn store(lines: &str) -> StoreConfig {
    replay(&format!("replay_window = \"1h\"\n{lines}")).unwrap().store.unwrap()
}

const CLOSED: &str = "replay_store_failure = \"closed\"";

#[test]
fn store_has_an_address_and_a_stated_choice() {
    for (url, host, port, database, secured) in [
        ("redis://127.0.0.1", "127.0.0.1", 6379, 0, false),
        ("redis://store.test:7000/3", "store.test", 7000, 3, false),
        ("redis://[::1]:7000/", "::1", 7000, 0, false),
        ("rediss://store.test/15", "store.test", 6379, 15, true),
    ] {
        let config = store(&format!("replay_store = \"{url}\"\n{CLOSED}"));
        let address = config.address;
        assert_eq!((address.host.as_str(), address.port, address.database), (host, port, database));
        assert_eq!(address.tls.map(|tls| tls.roots), secured.then_some(Roots::WebPki));
        assert_eq!((config.failure, config.timeout), (StoreFailure::Closed, Duration::from_millis(100)));
        assert_eq!((config.user, config.password), (None, None));
    }
    let more = "replay_store = \"redis://a\"\nreplay_store_failure = \"open\"\nreplay_store_timeout = \"1s\"\n\
                replay_store_user = \"ale\"\nreplay_store_password = { file = \"password\" }";
    let config = store(more);
    assert_eq!((config.failure, config.timeout), (StoreFailure::Open, Duration::from_secs(1)));
    assert_eq!(config.user.as_deref(), Some("ale"));
    assert_eq!(config.password, Some(SecretSource::File("/etc/alewife/password".into())));
}

#[test]
fn password_that_is_not_there_yet_is_a_warning_that_names_its_place() {
    let text = format!(
        "replay_window = \"1h\"\nreplay_store = \"redis://a\"\n{CLOSED}\n\
         replay_store_password = {{ env = \"ALEWIFE_TEST_HAS_NO_SUCH_VARIABLE\" }}"
    );
    let warnings = parse(&with(&text)).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let told = "config.toml:11:25: proxy.kitchen.replay_store_password: the environment has no \
                ALEWIFE_TEST_HAS_NO_SUCH_VARIABLE\n";
    assert!(warnings[0].starts_with(told), "{warnings:?}");
}

#[test]
fn store_without_what_it_needs_and_what_needs_a_store_are_faults() {
    let of = |lines: &str| faults(&with(&format!("replay_window = \"1h\"\n{lines}")));
    let path = "proxy.kitchen.replay_store";
    assert_eq!(of("replay_store = \"redis://a\""), [format!("3:1: {path}_failure: missing")]);
    let unused = |place: &str, key: &str| {
        format!("{place}: {path}{key}: nothing to use it for, since there is no replay_store")
    };
    let lines = format!("{CLOSED}\nreplay_store_timeout = \"1s\"\nreplay_store_password = {{ env = \"A\" }}");
    let expected = [unused("9:24", "_failure"), unused("10:24", "_timeout"), unused("11:25", "_password")];
    assert_eq!(of(&lines), expected);
    assert_eq!(
        of(&format!("replay_store = \"redis://a\"\n{CLOSED}\nreplay_store_user = \"ale\"")),
        [format!("11:21: {path}_user: a user without a password")]
    );
    assert_eq!(
        of(&format!("replay_store = \"redis://a\"\n{CLOSED}\nreplay_store_password = \"hunter2\"")),
        [format!("11:25: {path}_password: expected a table, found a value of type string")]
    );
    // Without a window none of it is used.
    let off = faults(&with(&format!("replay_store = \"redis://a\"\n{CLOSED}")));
    assert_eq!(off.len(), 2, "{off:?}");
    assert!(off.iter().all(|fault| fault.ends_with("since replay_window is off")), "{off:?}");
}

#[test]
fn what_is_no_store_is_told_and_no_password_with_it() {
    for (url, problem) in [
        ("http://a", "\"http://a\" is not a redis URL"),
        ("a:6379", "\"a:6379\" is not a redis URL"),
        ("redis://", "\"redis://\" is not a redis URL"),
        ("redis://a#b", "\"redis://a#b\" is not a redis URL"),
        ("redis://a/0?b", "\"redis://a/0?b\" is not a redis URL"),
        ("redis://a:0", "\"redis://a:0\" has no port of 1 to 65535"),
        ("redis://a/b", "\"redis://a/b\" has no number of a database behind the host"),
        ("redis://a//1", "\"redis://a//1\" has no number of a database behind the host"),
        ("redis://user:hunter2@a:6379", "\"a:6379\" has a user or a password in front of it"),
        ("rediss://a~b", "\"rediss://a~b\" has a host that no certificate can be for"),
    ] {
        let text = format!("replay_window = \"1h\"\nreplay_store = \"{url}\"\n{CLOSED}");
        assert_eq!(faults(&with(&text)), [format!("9:16: proxy.kitchen.replay_store: {problem}")], "{url}");
    }
}

#[test]
fn roots_of_a_store_come_from_a_file_and_only_under_tls() {
    let directory = tempfile::tempdir().unwrap();
    let pem = rcgen::generate_simple_self_signed(["store.test".to_owned()]).unwrap().cert.pem();
    std::fs::write(directory.path().join("ca.pem"), pem).unwrap();
    let text = |url: &str, file: &str| {
        with(&format!(
            "replay_window = \"1h\"\nreplay_store = \"{url}\"\n{CLOSED}\nreplay_store_ca_file = \"{file}\""
        ))
    };
    let of = |url, file| file::parse(&text(url, file), "config.toml", directory.path()).config;
    let mut config = of("rediss://store.test", "ca.pem").unwrap();
    let store = config.proxies.remove(0).replay.unwrap().store.unwrap();
    assert!(matches!(store.address.tls.unwrap().roots, Roots::File(_)));
    for (url, file, problem) in [
        ("redis://store.test", "ca.pem", "nothing to use it for, since replay_store is redis://"),
        ("rediss://store.test", "none.pem", "\"none.pem\" cannot be read: "),
    ] {
        let faults = of(url, file).unwrap_err().to_string();
        let fault = format!("config.toml:11:24: proxy.kitchen.replay_store_ca_file: {problem}");
        assert!(faults.starts_with(&fault), "{faults}");
    }
}
