//! The page of the admin listener: what it is, and what Chromium makes of it (tests/peers/inspector/status.mjs).

use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::support::{Connection, Origin, Program, Sidecar, TestKey};

const PAGE: Program = Program::in_chromium("tests/peers/inspector/status.mjs");

fn ask(sidecar: &Sidecar, request_line: &str, lines: &str) -> crate::support::Reply {
    let request = format!("{request_line} HTTP/1.1\r\nhost: {}\r\n{lines}\r\n", sidecar.admin());
    Connection::to(sidecar.admin()).exchange(request.as_bytes())
}

fn served() -> (Origin, TestKey, Sidecar) {
    let (origin, key) = (Origin::echo(), TestKey::new("AES-256-GCM"));
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    for path in ["/one", "/two"] {
        assert_eq!(sidecar.connect().exchange(&key.request("POST", path, "", b"a secret soup")).status, 200);
    }
    let refused = sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: kitchen\r\n\r\n");
    assert_eq!(refused.status, 400);
    (origin, key, sidecar)
}

#[test]
fn page_is_one_document_that_allows_nothing_but_itself_and_status_counts_how_exchanges_ended() {
    let (_origin, key, sidecar) = served();
    let page = ask(&sidecar, "GET /", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(page.text().contains(&format!("<script nonce=\"{nonce}\">")) && !page.text().contains("{{"));
    assert_ne!(ask(&sidecar, "GET /", "").header("content-security-policy"), Some(policy));
    // It has nothing of this process in it: that comes by `status`, which only this machine is told.
    assert!(!page.text().contains(&key.fingerprint));
    let head = ask(&sidecar, "POST /", "content-length: 0\r\n");
    assert_eq!((head.status, head.header("allow")), (405, Some("GET, HEAD")));
    let listener = &sidecar.status()["listeners"][0];
    assert_eq!(listener["outcomes"]["answered"], 2, "{listener}");
    assert_eq!(
        (&listener["outcomes"]["ale_error"], &listener["outcomes"]["timed_out"]),
        (&1.into(), &0.into())
    );
    assert!(listener["goes_to"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{listener}");
}

#[test]
fn page_is_kept_from_foreign_names_and_is_not_beside_the_probes() {
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound()
        .keys(&[&TestKey::new("AES-256-GCM")])
        .upstream(origin.address())
        .environment("ALEWIFE__ADMIN__PROBES", "127.0.0.1:0")
        .start();
    let rebound =
        Connection::to(sidecar.admin()).exchange(b"GET / HTTP/1.1\r\nhost: rebound.example\r\n\r\n");
    assert_eq!(rebound.status, 403);
    crate::support::eventually("the probes' address is printed", || sidecar.output().contains("probes"));
    let output = sidecar.output();
    let line = output.lines().find(|line| line.contains("probes")).unwrap();
    let address = line.split("http://").nth(1).unwrap().split([' ', ',', '/']).next().unwrap();
    let probes = Connection::to(address.parse().unwrap()).exchange(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(probes.status, 404, "{line}");
}

#[test]
fn page_passes_every_check_in_chromium() {
    if !PAGE.is_here() {
        return;
    }
    let (_origin, _key, mut sidecar) = served();
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("inspector");
    let mut command = PAGE.command("");
    command
        .arg(format!("http://{}/", sidecar.admin()))
        .arg(sidecar.url())
        .env("ALEWIFE_INSPECTOR_SHOTS", shots);
    let mut child = command.spawn().unwrap();
    let mut told = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "# end it" {
            assert!(sidecar.stop().success());
        }
        told += &format!("{line}\n");
    }
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success() && told.contains("\nok 1 ") && !told.contains("\nnot ok"),
        "{told}\n{said}"
    );
}
