//! `alewife keys`, asked of a running sidecar.

use std::io::Write;

use super::{Ended, assert_no_secret, run};
use crate::support::{Origin, Sidecar, TestKey};

const GCM: &str = "AES-256-GCM";

fn keys_of(sidecar: &Sidecar, args: &[&str]) -> Ended {
    let url = format!("http://{}", sidecar.admin());
    run([&["keys", "--admin", &url, "--timeout", "20s"], args].concat(), b"")
}

/// The cells of a line, which two spaces part.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn table_has_a_line_for_each_key() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let (over, application) = (TestKey::numbered(GCM, 3), Origin::echo());
    let keys = format!(
        "{}valid_after = 2025-01-01T00:00:00Z\n{}valid_after = 2024-01-01T00:00:00Z\n{}valid_until = 2024-06-01T00:00:00Z\n",
        young.entry(),
        old.entry(),
        over.entry()
    );
    let sidecar = Sidecar::inbound().key_file(&keys).upstream(application.address()).start();
    let mut client = sidecar.connect();
    for key in [&old, &old, &young, &over] {
        client.exchange(&key.request("POST", "/", "", b"soup"));
    }
    let text = String::from_utf8(keys_of(&sidecar, &[]).ok()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "default: 3 keys; a key may go once it was not used for 24h");
    let headings =
        ["KEY", "ALGORITHM", "STATE", "VALID", "OPENED", "SEALED", "REFUSED", "LAST USE", "MAY GO"];
    assert_eq!(cells(lines[1]), headings);
    let young = cells(lines[2]);
    let expected = ["fp-AES-256-GCM-2", GCM, "sealing", "from 2025-01-01T00:00Z", "1", "1", "0"];
    assert_eq!(young[..7], expected, "{text}");
    assert!(young[7].ends_with("s ago"), "{text}");
    assert_eq!(young[8], "no: it seals");
    let old = cells(lines[3]);
    let expected = ["fp-AES-256-GCM-1", GCM, "accepting", "from 2024-01-01T00:00Z", "2", "2", "0"];
    assert_eq!(old[..7], expected, "{text}");
    assert!(old[8].starts_with("no: used "), "{text}");
    let over = cells(lines[4]);
    let expected = ["fp-AES-256-GCM-3", GCM, "expired", "until 2024-06-01T00:00Z", "0", "0"];
    assert_eq!(over[..6], expected, "{text}");
    assert!(over[6].starts_with("1, ") && over[7] == "never", "{text}");
    assert!(over[8].starts_with("no: watched "), "{text}");
    assert_eq!(lines.len(), 5, "{text}");
}

#[test]
fn json_is_what_the_sidecar_tells() {
    let (key, application) = (TestKey::new(GCM), Origin::echo());
    let key = TestKey { fingerprint: "0123456789abcdef0123456789abcdef".to_owned(), ..key };
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let told = keys_of(&sidecar, &["--json"]).ok();
    assert_no_secret(&told, &key);
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    let key = &told["keysets"][0]["keys"][0];
    assert_eq!(key["fingerprint"], "0123456789abcdef0123456789abcdef");
    assert_eq!((&key["id"], &key["algorithm"]), (&"0123456789…bcdef".into(), &GCM.into()));
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["keysets"][0]["observation_seconds"], 86_400);
}

#[test]
fn what_cannot_be_told_ends_with_1_and_a_wrong_command_line_with_64() {
    let (key, application) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let ended = |args: &[&str]| {
        let ended = run([&["keys", "--timeout", "20s"], args].concat(), b"");
        assert!(ended.stdout.is_empty(), "{}", ended.text());
        (ended.status, ended.stderr)
    };
    let other = Origin::answering(|_, stream| {
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello")?;
        Err(std::io::ErrorKind::Other.into())
    });
    let url = format!("http://{}", other.address());
    let (status, said) = ended(&["--admin", &url]);
    assert_eq!(
        (status, said.as_str()),
        (1, format!("alewife keys: {url}/: the answer is not an Alewife's status\n").as_str())
    );
    let (status, said) = ended(&["--admin", &sidecar.url()]);
    assert!(status == 1 && said.contains("400 Bad Request: {\"errorCode\":1"), "{said}");
    assert_eq!(ended(&["--admin", "https://127.0.0.1:9180"]).0, 64);
    assert_eq!(ended(&["--nonsense"]).0, 64);
}
