//! docs/OPERATIONS.md, tried out.

use std::collections::BTreeSet;
use std::process::Command;

use alewife::keys::RingPolicy;

use super::{console, quoted, read, table};
use crate::support::{Frame, Opcode, Origin, Sidecar, TestKey, WebSocketOrigin, eventually};

/// So that the lines have a trace.
const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

#[test]
fn rotation_of_keys_goes_as_described() {
    assert_eq!(console::run(&read("docs/OPERATIONS.md"), &Origin::echo()), 4);
}

#[test]
fn worked_example_of_doctor_prints_what_the_page_says() {
    assert_eq!(console::run(&read("docs/DOCTOR.md"), &Origin::echo()), 2);
}

#[test]
fn entries_of_key_files_are_right() {
    let text = read("docs/OPERATIONS.md");
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let entries: Vec<_> = blocks.filter(|block| block.starts_with("[[key]]")).collect();
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    for entry in &entries {
        let read = alewife::keys::parse_key_file(entry, "OPERATIONS.md", RingPolicy::default(), now);
        assert!(read.unwrap().warnings.is_empty());
    }
    assert_eq!(entries.len(), 2);
}

#[test]
fn table_of_exit_statuses_is_that_of_the_code() {
    let exit = read("src/cli/exit.rs");
    let code: BTreeSet<u8> = exit
        .lines()
        .filter_map(|line| line.split("=> ").nth(1)?.trim_end_matches(',').parse().ok())
        .collect();
    assert!(code.contains(&78), "the reading of src/cli/exit.rs is broken");
    let rows = table(&read("docs/OPERATIONS.md"), "| status | means |");
    assert_eq!(rows.iter().map(|row| row[0].parse().unwrap()).collect::<BTreeSet<u8>>(), code);
}

#[test]
fn table_of_log_fields_is_what_an_exchange_logs() {
    let key = TestKey::new("AES-256-GCM");
    let route = "[[proxy.route]]\npolicy = \"shadow\"\nfrom = \"127.0.0.0/8\"";
    let sidecar = Sidecar::inbound().keys(&[&key]).proxy(route).start();
    // Nobody listens behind it, so that this line has a reason and a key.
    let reply = sidecar.connect().exchange(&key.request("POST", "/orders", TRACEPARENT, b"{}"));
    assert_eq!(reply.status, 502);
    // And this one passes plain.
    assert_eq!(sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: kitchen.test\r\n\r\n").status, 502);
    let lines = || -> Vec<String> {
        sidecar.log().lines().filter(|line| line.contains("alewife::access")).map(str::to_owned).collect()
    };
    eventually("the exchanges are logged", || lines().len() == 2);
    let fields = |line: &String| -> Vec<String> {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        line.keys().cloned().collect()
    };
    let logged: BTreeSet<String> = lines().iter().flat_map(fields).collect();
    let rows = table(&read("docs/OPERATIONS.md"), "| field | holds |");
    assert_eq!(rows.iter().flat_map(|row| quoted(&row[0])).collect::<BTreeSet<_>>(), logged);
}

#[test]
fn table_of_the_fields_of_a_session_is_what_a_session_logs() {
    let key = TestKey::new("AES-256-GCM");
    let application = WebSocketOrigin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address());
    let sidecar = sidecar.proxy("[[proxy.route]]").start();
    let mut client = sidecar.connect();
    let headers = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(&key.bodyless("GET", "/orders", &format!("{headers}{TRACEPARENT}")));
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    // So that the line has a reason and a code.
    client.send_frame(&Frame::new(Opcode::Text, "no envelope").masked());
    let line =
        || sidecar.log().lines().find(|line| line.contains(r#""message":"session""#)).map(str::to_owned);
    eventually("the session is logged", || line().is_some());
    let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line().unwrap()).unwrap();
    let logged: BTreeSet<String> = line.keys().cloned().collect();
    let rows = table(&read("docs/OPERATIONS.md"), "| field of a session | holds |");
    assert_eq!(rows.iter().flat_map(|row| quoted(&row[0])).collect::<BTreeSet<_>>(), logged);
}

#[test]
fn table_of_what_status_tells_is_what_it_tells() {
    let sidecar = Sidecar::inbound().keys(&[&TestKey::new("AES-256-GCM")]).start();
    let told: BTreeSet<String> = sidecar.status().as_object().unwrap().keys().cloned().collect();
    let rows = table(&read("docs/OPERATIONS.md"), "| member of `/status` | holds |");
    assert_eq!(rows.iter().flat_map(|row| quoted(&row[0])).collect::<BTreeSet<_>>(), told);
}

#[test]
fn page_of_status_has_the_parts_and_columns_that_its_example_has() {
    let sidecar = Sidecar::inbound().keys(&[&TestKey::new("AES-256-GCM")]).start();
    // One that has ended, as in the example.
    sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: kitchen\r\n\r\n");
    let command = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(["status", "--timeout", "20s", "--admin", &sidecar.admin().to_string()])
        .output()
        .unwrap();
    assert!(command.status.success());
    // Of each table the headings, of the rest what does not change with the process.
    let parts = |page: &str| -> Vec<Vec<String>> {
        let part = |part: &str| {
            let first = part.lines().next().unwrap().split_whitespace();
            first
                .take_while(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
                .map(str::to_owned)
                .collect()
        };
        page.split("\n\n").map(part).collect()
    };
    let text = read("docs/OPERATIONS.md");
    let example = text.split("$ alewife status\n").nth(1).unwrap().split("\n```").next().unwrap();
    assert_eq!(parts(example), parts(std::str::from_utf8(&command.stdout).unwrap()));
    assert!(parts(example).iter().any(|part| part.contains(&"CONNECTIONS".to_owned())));
}
