//! Single keys on the terminal of `alewife dev`.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{alewife, run};
use crate::support::{Connection, Origin, Terminal, eventually};

const SOUP: &str = r#"{"dish":"soup"}"#;
const READY: &str = "Press h for help.";

/// One on a terminal of its own.
struct OnTerminal {
    terminal: Terminal,
    state: tempfile::TempDir,
    application: Origin,
}

impl OnTerminal {
    fn start(args: &[&str]) -> Option<Self> {
        Self::start_with(args, &[])
    }

    fn start_with(args: &[&str], environment: &[(&str, &Path)]) -> Option<Self> {
        let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
        let to = application.address().to_string();
        let mut command = alewife([&["dev", "--listen", "127.0.0.1:0", "--to", &to], args].concat());
        command.env("XDG_STATE_HOME", state.path()).env("TERM", "xterm").envs(environment.iter().copied());
        let terminal = Terminal::run(&command)?;
        terminal.shows(READY);
        Some(Self { terminal, state, application })
    }

    fn word_after(&self, title: &str) -> String {
        let screen = self.terminal.screen();
        let line = screen.lines().find(|line| line.contains(title)).unwrap_or_else(|| panic!("{screen}"));
        line.split(title)
            .nth(1)
            .unwrap()
            .trim_start_matches("\u{1b}[0m")
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    }

    fn order(&self) {
        let keys = self.state.path().join("alewife/dev-keys.toml");
        let url = format!("{}/orders", self.word_after("send to").trim_end_matches(','));
        let ended = run(["send", "--keys", keys.to_str().unwrap(), "--json", SOUP, &url], b"");
        assert_eq!(ended.text(), SOUP, "{}", ended.stderr);
    }
}

const NO_INSPECTOR: [&str; 1] = ["--no-inspect"];
const INSPECTOR: [&str; 2] = ["--inspect", "127.0.0.1:0"];

#[test]
fn help_lists_the_keys_and_the_lines_go_on() {
    let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
    dev.order();
    dev.terminal.shows("/orders");
    dev.terminal.press(b"h");
    for does in ["open the inspector", "rotate the key", "clear the screen", "this help", "quit"] {
        dev.terminal.shows(does);
    }
    dev.order();
    eventually("both are shown", || dev.terminal.screen().matches("/orders").count() == 2);
    assert_eq!(dev.application.count(), 2);
}

#[test]
fn quitting_by_key_ctrl_c_or_signal_gives_the_terminal_back_as_it_was() {
    for end in [&b"q"[..], b"\x03", b"\x1c", b"TERM", b"HUP"] {
        let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
        assert!(!dev.terminal.is_for_lines(), "keys come one by one");
        match std::str::from_utf8(end).unwrap() {
            signal @ ("TERM" | "HUP") => {
                let id = dev.terminal.process_id().to_string();
                assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
            }
            key => dev.terminal.press(key.as_bytes()),
        }
        assert_eq!(dev.terminal.wait().code(), Some(0), "{end:?}: {}", dev.terminal.screen());
        assert!(dev.terminal.is_for_lines(), "{end:?}: {}", dev.terminal.screen());
    }
}

#[test]
fn key_is_rotated_from_the_terminal() {
    let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
    let first = dev.word_after("key    ").trim_end_matches(',').to_owned();
    dev.terminal.press(b"r");
    dev.terminal.shows(" seals from now on");
    let screen = dev.terminal.screen();
    let line = screen.lines().find(|line| line.contains("seals from now on")).unwrap();
    let second = line.split_whitespace().find(|word| word.len() == 32).unwrap_or_else(|| panic!("{line}"));
    assert_ne!(first, second);
    dev.order();
    dev.terminal.shows(&format!("  {second}"));
}

#[test]
fn why_there_is_no_new_key_is_said() {
    let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
    std::fs::remove_file(dev.state.path().join("alewife/dev-keys.toml")).unwrap();
    dev.terminal.press(b"r");
    dev.terminal.shows("no new key: ");
}

#[test]
fn clearing_leaves_the_addresses_and_forgets_the_exchanges() {
    let Some(mut dev) = OnTerminal::start(&INSPECTOR) else { return };
    dev.order();
    dev.terminal.shows("/orders");
    dev.terminal.press(b"c");
    eventually("it is announced again", || dev.terminal.screen().matches(READY).count() == 2);
    let screen = dev.terminal.screen();
    let (_, after) = screen.split_once("\u{1b}[H\u{1b}[2J\u{1b}[3J").unwrap();
    assert!(after.contains("send to") && after.contains("inspect"), "{after:?}");
    let url = dev.word_after("inspect").trim_start_matches("http://").to_owned();
    let (address, path) = url.split_once('/').unwrap();
    let asked = format!("GET /{path}api/exchanges HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let reply = Connection::to(address.parse().unwrap()).exchange(asked.as_bytes());
    assert!(reply.text().contains("\"exchanges\":[]"), "{}", reply.text());
}

#[test]
fn inspector_is_opened_in_the_browser_and_where_there_is_none_the_address_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let browser = directory.path().join("browser");
    std::fs::write(&browser, "#!/bin/sh\nprintf %s \"$1\" > \"$0.opened\"\n").unwrap();
    std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755)).unwrap();
    let Some(mut dev) = OnTerminal::start_with(&INSPECTOR, &[("BROWSER", &browser)]) else { return };
    let opened = directory.path().join("browser.opened");
    dev.terminal.press(b"o");
    let url = dev.word_after("inspect");
    eventually("it is opened", || std::fs::read_to_string(&opened).is_ok_and(|address| address == url));
    std::fs::write(&browser, "#!/bin/sh\nexit 3\n").unwrap();
    dev.terminal.press(b"o");
    dev.terminal.shows(&format!("the inspector is at {url}"));
    std::fs::remove_file(&browser).unwrap();
    dev.terminal.press(b"o");
    dev.terminal.shows("No such file or directory");

    let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
    dev.terminal.press(b"o");
    dev.terminal.shows("There is no inspector");
}

#[test]
fn arrows_and_pasted_text_are_no_keys_and_another_key_is_told_once() {
    let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
    dev.terminal.press(b"\x1b[A");
    dev.terminal.press(b"quit, and clear");
    let told = "That key does nothing";
    eventually("it is told", || {
        // The first may have been read with what was pasted.
        dev.terminal.press(b"x");
        dev.terminal.screen().contains(told)
    });
    dev.terminal.press(b"x");
    dev.order();
    let screen = dev.terminal.screen();
    assert_eq!(screen.matches(told).count(), 1, "{screen}");
    assert!(!screen.contains("clear the screen") && !screen.contains("\u{1b}[2J"), "{screen:?}");
}

#[test]
fn stopped_and_continued_it_has_the_terminal_and_gives_it_back_meanwhile() {
    let Some(mut dev) = OnTerminal::start(&NO_INSPECTOR) else { return };
    let id = dev.terminal.process_id();
    // Nobody is there to continue an orphaned group, so the kernel would not stop it for Ctrl-Z; the signal itself does.
    let signal = |name: &str| {
        assert!(Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap().success());
    };
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    signal("TSTP");
    eventually("it is stopped", state);
    assert!(dev.terminal.is_for_lines());
    signal("CONT");
    eventually("it goes on", || !dev.terminal.is_for_lines());
    dev.terminal.press(b"q");
    assert_eq!(dev.terminal.wait().code(), Some(0));
    assert!(dev.terminal.is_for_lines());
}

#[test]
fn in_the_background_it_serves_and_leaves_the_terminal_alone() {
    let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
    let script = format!(
        "set -m; '{}' dev --no-inspect --listen 127.0.0.1:0 --to {} & echo \"job $!\"; while read -r line; do echo \"shell $line\"; done",
        env!("CARGO_BIN_EXE_alewife"),
        application.address()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("XDG_STATE_HOME", state.path());
    let Some(mut terminal) = Terminal::run(&shell) else { return };
    terminal.shows("Ctrl-C ends this.");
    assert!(!terminal.screen().contains(READY) && terminal.is_for_lines());
    terminal.press(b"q\n");
    terminal.shows("shell q");
    let screen = terminal.screen();
    let url = screen.lines().find(|line| line.contains("send to")).unwrap();
    let address = url.split("http://").nth(1).unwrap().split(',').next().unwrap();
    let reply = Connection::to(address.parse().unwrap()).exchange(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(reply.status, 400);
    let job = screen.split("job ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(Command::new("kill").arg(job).status().unwrap().success());
}

#[test]
fn application_that_goes_and_comes_back_is_told_of() {
    let (state, free) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = free.local_addr().unwrap();
    let to = address.to_string();
    let mut command = alewife(["dev", "--no-inspect", "--listen", "127.0.0.1:0", "--to", &to]);
    command.env("XDG_STATE_HOME", state.path());
    let Some(terminal) = Terminal::run(&command) else { return };
    terminal.shows(READY);
    // The look at the start finds it.
    drop(free.accept().unwrap());
    drop(free);
    let screen = terminal.screen();
    let line = screen.lines().find(|line| line.contains("send to")).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches(',');
    let keys = state.path().join("alewife/dev-keys.toml");
    let waiting = format!("waiting for http://{address}");
    // The end of the look at the start is seen by nobody: an order may come before it.
    eventually("it is missed", || {
        run(["send", "--keys", keys.to_str().unwrap(), "-s", url], b"");
        terminal.screen().contains(&waiting)
    });
    let _back = TcpListener::bind(address).unwrap();
    terminal.shows(&format!("http://{address} is there"));
}
