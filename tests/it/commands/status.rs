//! `alewife status`, asked of a running sidecar.

use std::io::Write;

use super::{Ended, assert_no_secret, run};
use crate::support::{Origin, Sidecar, SidecarBuilder, TestKey, eventually};

const GCM: &str = "AES-256-GCM";

fn status_of(sidecar: &Sidecar, args: &[&str]) -> Ended {
    let admin = sidecar.admin().to_string();
    run([&["status", "--admin", &admin, "--timeout", "20s"], args].concat(), b"")
}

fn page(sidecar: &Sidecar) -> String {
    String::from_utf8(status_of(sidecar, &[]).ok()).unwrap()
}

/// The lines of the table under the heading that begins with `heading`, as cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let table = page.split("\n\n").find(|part| part.starts_with(heading));
    let table = table.unwrap_or_else(|| panic!("no {heading} in\n{page}"));
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    table.lines().skip(1).map(cells).collect()
}

fn kitchen(key: &TestKey, origin: &Origin) -> SidecarBuilder {
    let route = "policy = \"shadow\"\nfrom = \"127.0.0.0/8\"\nuntil = 2099-01-01\n";
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy(route)
}

#[test]
fn page_shows_listeners_keys_sources_plain_clients_and_repeated_ivs() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = kitchen(&key, &origin).start();
    let fresh = page(&sidecar);
    assert!(fresh.ends_with("\nno repeated IVs\n"), "{fresh}");
    let mut client = sidecar.connect();
    for dish in [b"soup", b"fish"] {
        assert_eq!(client.exchange(&key.request("POST", "/", "", dish)).status, 200);
    }
    assert_eq!(client.exchange(b"GET / HTTP/1.1\r\nhost: kitchen.test\r\n\r\n").status, 200);
    eventually("it is counted", || rows(&page(&sidecar), "PROXY    ROUTE")[0][5] == "1");
    let page = page(&sidecar);
    assert_no_secret(page.as_bytes(), &key);
    let first = page.lines().next().unwrap();
    let start = format!("alewife {}, pid {}, up ", env!("CARGO_PKG_VERSION"), sidecar.process_id());
    assert!(first.starts_with(&start) && first.ends_with(" ago, not reloaded yet"), "{first}");
    let digest = sidecar.status()["configuration"]["digest"].as_str().unwrap().to_owned();
    assert!(first.contains(&format!("configuration {digest} of ")), "{first}");

    let listeners = rows(&page, "LISTENER");
    let expected = ["kitchen", "inbound", &sidecar.url(), "no", "1 of 8192", "0 of 4096", "0 of 4096"]
        .map(str::to_owned);
    assert_eq!(listeners, [expected.to_vec()]);
    let keys = rows(&page, "KEY SET  KEY");
    assert_eq!(keys[0][..5], ["default", &key.fingerprint, GCM, "sealing", "always"], "{page}");
    assert_eq!(keys[0][5], "2 of 4294967296");
    assert!(keys[0][6].ends_with(" ago") && keys[0][7] == "no: it seals", "{page}");
    let sources = rows(&page, "KEY SET  SOURCE");
    assert_eq!((&*sources[0][1], &*sources[0][4]), ("file", "none"), "{page}");
    assert!(sources[0][3].ends_with(" ago"), "{page}");
    let migration = rows(&page, "PROXY    ROUTE");
    assert_eq!(migration[0][2..7], ["shadow", "2099-01-01T00:00:00Z", "2", "1", "0"], "{page}");
    assert!(migration[0][8].starts_with("no: "), "{page}");
    assert_eq!(rows(&page, "no repeated IVs"), Vec::<Vec<String>>::new());
}

#[test]
fn page_names_who_repeats_ivs_and_why_a_reload_was_refused() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let mut client = sidecar.connect();
    let iv = key.fresh_iv();
    for dish in [b"soup", b"fish"] {
        let head = format!("POST / HTTP/1.1\r\nhost: kitchen.test\r\n{}content-length: ", key.envelope(&iv));
        let body = key.seal_with(&iv, dish);
        let request = [format!("{head}{}\r\n\r\n", body.len()).as_bytes(), &body].concat();
        assert_eq!(client.exchange(&request).status, 200);
    }
    eventually("it is counted", || !page(&sidecar).contains("no repeated IVs"));
    let reuses = rows(&page(&sidecar), "PROXY    KEY");
    assert_eq!(reuses[0][..4], ["kitchen", "944e5bb2", "127.0.0.0/24", "1"]);
    sidecar.reconfigure(|text| format!("nonsense = 1\n{text}"));
    eventually("it is refused", || page(&sidecar).contains(": refused\n"));
    let page = page(&sidecar);
    let fault = page.lines().find(|line| line.starts_with("    refused: ")).unwrap();
    assert!(fault.contains("config.toml:1:1") && fault.contains("nonsense"), "{fault}");
}

#[test]
fn json_is_what_the_sidecar_tells() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let told = status_of(&sidecar, &["--json"]).ok();
    assert_no_secret(&told, &key);
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    let itself = sidecar.status();
    for member in ["version", "pid", "started", "listeners", "configuration", "migration", "iv_reuses"] {
        assert!(!itself[member].is_null(), "{member}");
        assert_eq!(told[member], itself[member], "{member}");
    }
}

#[test]
fn configuration_says_where_to_ask() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let written = std::fs::read_to_string(sidecar.directory().join("config.toml")).unwrap();
    let asked = |listen: &str| {
        let path = sidecar.directory().join("asked.toml");
        std::fs::write(&path, written.replace("[admin]\nlisten = \"127.0.0.1:0\"", listen)).unwrap();
        run(["status", "--config", path.to_str().unwrap(), "--timeout", "20s"], b"")
    };
    let page = asked(&format!("[admin]\nlisten = \"{}\"", sidecar.admin())).ok();
    assert!(String::from_utf8(page).unwrap().contains(&format!("pid {}", sidecar.process_id())));
    for (listen, what) in [
        ("[admin]\nlisten = \"off\"", "(it is \"off\")"),
        ("[admin]\nlisten = \"127.0.0.1:0\"", "(port 0 is any)"),
    ] {
        let ended = asked(listen);
        assert_eq!((ended.status, ended.text()), (1, ""));
        assert!(
            ended.stderr.contains(what) && ended.stderr.contains("\n    remedy: --admin "),
            "{}",
            ended.stderr
        );
    }
    let ended = asked("[admin]\nlisten = 1.5");
    assert_eq!((ended.status, ended.text()), (78, ""));
    assert!(
        ended.stderr.contains("asked.toml:") && ended.stderr.contains("--admin ADDRESS"),
        "{}",
        ended.stderr
    );
}

#[test]
fn where_nothing_answers_the_place_and_what_to_do_are_said() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let ended = |args: &[&str]| {
        let ended = run([&["status"], args].concat(), b"");
        assert!(ended.stdout.is_empty(), "{}", ended.text());
        (ended.status, ended.stderr)
    };
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (status, said) = ended(&["--admin", &gone, "--timeout", "200ms"]);
    assert_eq!(status, 1);
    assert!(said.starts_with(&format!("alewife status: http://{gone}/: cannot connect: ")), "{said}");
    assert!(said.ends_with("\n    remedy: see that the sidecar runs on this machine; --admin or --config says where its admin listener is\n"), "{said}");
    let (status, said) = ended(&["--admin", &sidecar.address().to_string(), "--timeout", "20s"]);
    assert!(status == 1 && said.contains("400 Bad Request: {\"errorCode\":1"), "{said}");
    let other = Origin::answering(|_, stream| {
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\"version\":\"\x1b[2J\"}")?;
        Err(std::io::ErrorKind::Other.into())
    });
    let (status, said) = ended(&["--admin", &other.address().to_string(), "--timeout", "20s"]);
    assert!(status == 1 && said.contains("the answer is not an Alewife's status\n    remedy: "), "{said}");
    assert_eq!(ended(&["--admin", "https://127.0.0.1:9180"]).0, 64);
    assert_eq!(ended(&["--admin", "127.0.0.1:9180", "--config", "config.toml"]).0, 64);
}

#[test]
fn commands_of_a_strangers_json_do_not_reach_the_terminal() {
    let hostile = "{\"version\":\"\u{1b}[2J\u{9b}31m\",\"now\":\"\",\"keysets\":[]}";
    let other = Origin::answering(move |_, stream| {
        // What JSON must write by its number is written so.
        let body = hostile.replace('\u{1b}', "\\u001b");
        stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes())?;
        Err(std::io::ErrorKind::Other.into())
    });
    for json in [&[][..], &["--json"]] {
        let address = other.address().to_string();
        let shown = run([&["status", "--timeout", "20s", "--admin", &address], json].concat(), b"").ok();
        assert!(shown.iter().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "{shown:?}");
    }
}
