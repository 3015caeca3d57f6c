//! Text of a peer that a terminal could obey.

use std::io::Write;
use std::process::Command;

use crate::support::{Origin, Sidecar, TestKey, eventually};

/// CSI as one character: terminals obey it as they obey ESC [.
const CSI: &str = "\u{9b}31m";

#[test]
fn a_path_with_terminal_controls_is_not_in_the_log_as_it_came() {
    for format in ["format = \"text\"", "format = \"json\""] {
        let (origin, key) = (Origin::echo(), TestKey::new("AES-256-GCM"));
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).log(format).start();
        let mut client = sidecar.connect();
        let reply = client.exchange(&key.bodyless("GET", &format!("/{CSI}"), ""));
        assert_eq!(reply.status, 400);
        eventually("the exchange is logged", || sidecar.log().contains("exchange"));
        assert!(!sidecar.log().contains('\u{9b}'), "{:?}", sidecar.log());
    }
}

#[test]
fn verbose_output_shows_no_header_as_a_terminal_would_obey_it() {
    let origin = Origin::answering(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nx-name: {CSI}soup\r\ncontent-length: 2\r\n\r\nok");
        stream.write_all(head.as_bytes())
    });
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let keys = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), key.entry()).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(["send", "-v", "--keys"])
        .arg(keys.path())
        .arg(format!("http://{}/", sidecar.address()))
        .output()
        .unwrap();
    assert_eq!((ended.status.code(), &ended.stdout[..]), (Some(0), &b"ok"[..]));
    let shown = String::from_utf8(ended.stderr).unwrap();
    assert!(shown.contains("< x-name: \u{fffd}31msoup\n"), "{shown:?}");
    assert!(!shown.contains('\u{9b}'), "{shown:?}");
}

#[test]
fn a_peer_cannot_fill_the_log_with_one_long_line() {
    let (origin, key) = (Origin::echo(), TestKey::new("AES-256-GCM"));
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let long = "é".repeat(25_000);
    sidecar.connect().exchange(&key.bodyless("GET", &format!("/{long}"), ""));
    sidecar.connect().exchange(&key.bodyless(&"X".repeat(50_000), "/", ""));
    eventually("both are logged", || sidecar.log().matches("exchange").count() == 2);
    let log = sidecar.log();
    assert!(log.lines().all(|line| line.len() < 2000), "{log}");
    assert!(log.contains("ééé"), "{log}");
}
