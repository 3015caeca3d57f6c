//! `alewife ping`: what it says and how it ends, wherever the way of an echo ends.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use super::{Ended, KeyFile, run};
use crate::support::{Origin, TestKey};

fn key() -> TestKey {
    TestKey::new("AES-256-GCM")
}

/// A configuration of a near sidecar beside its key file.
struct Near {
    files: KeyFile,
    listen: SocketAddr,
}

impl Near {
    /// One that listens where `listen` is, with these keys.
    fn at(listen: SocketAddr, keys: &[&TestKey]) -> Self {
        let near = Self { files: KeyFile::of(keys), listen };
        near.write("");
        near
    }

    /// Lines for the proxy.
    fn write(&self, lines: &str) {
        let text = format!(
            "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"pos\"\nmode = \"outbound\"\nlisten = \"{}\"\nupstream = \
             \"http://kitchen.test:8080\"\n{lines}\n",
            self.listen
        );
        std::fs::write(self.files.at("config.toml"), text).unwrap();
    }

    fn ping(&self, args: &[&str]) -> Ended {
        let config = self.files.at("config.toml");
        run([&["ping", "--config", &config, "--count", "2", "--timeout", "20s"], args].concat(), b"")
    }
}

fn assert_failed(ended: &Ended, expected: &str) {
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""), "{}", ended.text());
    assert!(ended.text().contains(expected), "{}", ended.text());
    assert!(ended.text().ends_with("  not well\n"), "{}", ended.text());
}

/// An address at which nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn near_sidecar_that_does_not_listen_is_told() {
    let near = Near::at(nowhere(), &[&key()]);
    let expected = format!(
        "proxy pos: http://{0} -> http://kitchen.test:8080\n  http: the near sidecar does not listen on {0}: ",
        near.listen
    );
    let ended = near.ping(&[]);
    assert_failed(&ended, &expected);
    assert!(ended.text().contains("\n    remedy: start it with `alewife run`"), "{}", ended.text());
}

#[test]
fn port_that_only_the_system_knows_is_told() {
    let near = Near::at("127.0.0.1:0".parse().unwrap(), &[&key()]);
    assert_failed(
        &near.ping(&[]),
        "  http: listen names port 0, so nobody knows where the near sidecar is\n",
    );
}

#[test]
fn whoever_answers_something_else_is_told() {
    let stranger = Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let near = Near::at(stranger.address(), &[&key()]);
    assert_failed(&near.ping(&[]), "  http: the answer (200 OK) is not that of a sidecar\n");
    let request = stranger.only();
    assert_eq!(request.request_line, "POST /.well-known/alewife/ping HTTP/1.1");
    assert_eq!(request.body.len(), 256);
}

#[test]
fn whoever_hangs_up_is_told() {
    let stranger = Origin::answering(|_, _| Err(std::io::ErrorKind::ConnectionAborted.into()));
    let near = Near::at(stranger.address(), &[&key()]);
    assert_failed(&near.ping(&[]), "  http: the near sidecar broke the exchange: ");
}

#[test]
fn whoever_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = Near::at(silent.local_addr().unwrap(), &[&key()]);
    let config = near.files.at("config.toml");
    let ended = run(["ping", "--config", &config, "--timeout", "20ms"], b"");
    assert_failed(&ended, "  http: no answer within 20ms\n");
}

#[test]
fn echo_that_is_another_one_is_told() {
    let report = r#"{"alewife":"9","proxy":"p","fingerprint":"f","algorithm":"AES-256-GCM","ivBytes":16,
                     "sealsReplies":true,"time":"2026-01-01T00:00:00Z","echo":"AAAA"}"#;
    let liar = Origin::answering(move |_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{report}", report.len())
    });
    let near = Near::at(liar.address(), &[&key()]);
    assert_failed(&near.ping(&[]), "  http: the far side opened something else than was sent\n");
}

#[test]
fn json_says_the_same() {
    let near = Near::at(nowhere(), &[&key()]);
    let ended = near.ping(&["--json"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    let told: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(told[0]["proxy"], "pos");
    assert_eq!((&told[0]["well"], &told[0]["far"]), (&Value::Bool(false), &Value::Null));
    assert!(told[0]["http"]["problem"].as_str().unwrap().contains("does not listen"), "{told}");
    assert!(told[0]["http"]["remedy"].is_string());
}

#[test]
fn proxy_that_is_not_there_is_a_wrong_command_line() {
    let near = Near::at(nowhere(), &[&key()]);
    let ended = near.ping(&["--proxy", "bar"]);
    let config = near.files.at("config.toml");
    let expected = format!("alewife ping: {config} has no outbound proxy bar; there is pos\n");
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (64, "", expected.as_str()));
    for wrong in [["--count", "0"], ["--timeout", "3"]] {
        assert_eq!(near.ping(&wrong).status, 64, "{wrong:?}");
    }
    assert_eq!(run(["ping"], b"").status, 64);
}

#[test]
fn configuration_that_cannot_be_used_ends_with_78() {
    let near = Near::at(nowhere(), &[&key()]);
    near.write("replies = \"all\"");
    let ended = near.ping(&[]);
    assert_eq!((ended.status, ended.text()), (78, ""));
    assert!(ended.stderr.contains("proxy.pos.replies: \"all\" is not a known kind of replies"));

    near.write("");
    std::fs::write(near.files.path(), "").unwrap();
    assert_eq!(near.ping(&[]).status, 78);

    let inbound = "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"kitchen\"\nmode = \"inbound\"\nlisten = 0\n\
                   upstream = \"http://127.0.0.1:9\"\n";
    std::fs::write(near.files.at("config.toml"), inbound).unwrap();
    std::fs::write(near.files.path(), key().entry()).unwrap();
    let ended = near.ping(&[]);
    assert_eq!((ended.status, ended.text()), (78, ""));
    let expected = "proxy: there is no outbound proxy, whose far side could be asked\n    remedy: ";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}
