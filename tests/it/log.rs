//! What the log says of exchanges and sessions, and by what names they are known elsewhere.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Frame, Opcode, Origin, Reply, Sidecar, TestKey, WebSocketOrigin, eventually};

const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The lines of the access log, once there are `count`.
fn lines(sidecar: &Sidecar, count: usize) -> Vec<BTreeMap<String, Value>> {
    let lines = || -> Vec<String> {
        sidecar.log().lines().filter(|line| line.contains("alewife::access")).map(str::to_owned).collect()
    };
    eventually("the exchanges are logged", || lines().len() >= count);
    let lines = lines();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_made(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn stage(sidecar: &Sidecar, stage: &str) -> f64 {
    sidecar.metric(&format!("alewife_stage_duration_seconds_count{{proxy=\"kitchen\",stage=\"{stage}\"}}"))
}

#[test]
fn id_and_trace_of_a_request_are_the_same_at_both_ends_of_a_bridge_and_at_the_application() {
    let key = TestKey::new("AES-256-GCM");
    let origin = Origin::echo();
    let far = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let near = Sidecar::outbound().keys(&[&key]).upstream(far.address()).start();
    let ask = |headers: &str| -> Reply {
        let request =
            format!("POST /orders HTTP/1.1\r\nhost: kitchen.test\r\ncontent-length: 2\r\n{headers}\r\nhi");
        near.connect().exchange(request.as_bytes())
    };
    assert_eq!(ask(&format!("x-request-id: till-7/42\r\n{TRACEPARENT}")).status, 200);
    assert_eq!(ask("").status, 200);
    assert_eq!(ask("x-request-id: one\r\nx-request-id: two\r\ntraceparent: nonsense\r\n").status, 200);
    let received = origin.received();
    let ids: Vec<_> = received.iter().map(|request| request.header("x-request-id").unwrap()).collect();
    assert_eq!(ids[0], "till-7/42");
    assert!(is_made(ids[1]) && is_made(ids[2]) && ids[1] != ids[2], "{ids:?}");
    assert!(received[0].header("traceparent").unwrap().contains(TRACE));
    for sidecar in [&near, &far] {
        let lines = lines(sidecar, 3);
        let logged: Vec<_> = lines.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
        assert_eq!(logged, ids);
        assert_eq!(lines[0]["trace_id"], TRACE);
        assert!(lines[1..].iter().all(|line| !line.contains_key("trace_id")), "{lines:?}");
    }
}

#[test]
fn refusal_bears_the_id_under_which_the_log_has_its_reason() {
    let key = TestKey::new("AES-256-GCM");
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let reply =
        sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: kitchen.test\r\nx-request-id: mine\r\n\r\n");
    assert_eq!((reply.status, reply.header("x-request-id")), (400, Some("mine")));
    let reply = sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: kitchen.test\r\n\r\n");
    let made = reply.header("x-request-id").unwrap();
    assert!(is_made(made), "{reply:?}");
    let lines = lines(&sidecar, 2);
    assert_eq!(lines[1]["request_id"], made);
    assert_eq!(lines[1]["outcome"], "ale_error");
    let reply = sidecar.connect().exchange(&key.request("POST", "/", "", b"{}"));
    assert_eq!(
        (reply.status, reply.header("x-request-id")),
        (200, None),
        "what the application says passes as it is"
    );
}

#[test]
fn session_bears_the_names_of_its_handshake() {
    let key = TestKey::new("AES-256-GCM");
    let application = WebSocketOrigin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let mut client = sidecar.connect();
    let headers = format!(
        "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-request-id: table-3\r\n{TRACEPARENT}"
    );
    client.send(&key.bodyless("GET", "/orders", &headers));
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    client.send_frame(&Frame::new(Opcode::Close, [0x03, 0xe8]).masked());
    for line in lines(&sidecar, 2) {
        assert_eq!((&line["request_id"], &line["trace_id"]), (&"table-3".into(), &TRACE.into()), "{line:?}");
        assert_eq!(line["path"], "/orders");
    }
}

#[test]
fn parts_of_an_exchange_add_up_and_its_bytes_are_those_of_the_plaintext() {
    let origin = Origin::echo();
    for (algorithm, mode) in [("AES-256-GCM", "held"), ("AES-256-CTR", "streamed")] {
        let key = TestKey::new(algorithm);
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address());
        let sidecar = sidecar
            .proxy(
                "[[proxy.route]]\npath = \"/plain\"\npolicy = \"bypass\"\n[[proxy.route]]\nname = \"rest\"",
            )
            .start();
        let plain = vec![b'p'; 100_000];
        assert_eq!(sidecar.connect().exchange(&key.request("POST", "/orders", "", &plain)).status, 200);
        let head =
            format!("POST /plain HTTP/1.1\r\nhost: kitchen.test\r\ncontent-length: {}\r\n\r\n", plain.len());
        assert_eq!(sidecar.connect().exchange(&[head.as_bytes(), &plain].concat()).status, 200);
        assert_eq!(sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: kitchen.test\r\n\r\n").status, 400);
        let lines = lines(&sidecar, 3);
        let number = |line: &BTreeMap<String, Value>, field: &str| line[field].as_f64().unwrap();
        let [sealed, bypassed, refused] = &lines[..] else { unreachable!("there are three") };
        let parts: f64 =
            ["opening_ms", "upstream_ms", "sealing_ms"].map(|part| number(sealed, part)).iter().sum();
        assert!((parts - number(sealed, "ms")).abs() < 0.003, "{mode}: {sealed:?}");
        for line in [sealed, bypassed] {
            assert_eq!(
                (number(line, "request_bytes"), number(line, "reply_bytes")),
                (1e5, 1e5),
                "{mode}: {line:?}"
            );
        }
        assert!(number(bypassed, "upstream_ms") > 0.0);
        assert!(!bypassed.contains_key("opening_ms") && !bypassed.contains_key("sealing_ms"));
        assert!(!refused.contains_key("upstream_ms"), "{refused:?}");
        assert_eq!(["opening", "upstream", "sealing"].map(|part| stage(&sidecar, part)), [1.0, 2.0, 1.0]);
    }
}

#[test]
fn request_that_the_application_never_answers_counts_as_time_of_the_upstream() {
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).start();
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"{}")).status, 502);
    let line = &lines(&sidecar, 1)[0];
    assert!(line["upstream_ms"].as_f64().is_some(), "{line:?}");
    assert_eq!(stage(&sidecar, "upstream"), 1.0);
}

#[test]
fn flood_of_requests_is_no_flood_of_lines_and_what_is_left_out_is_counted() {
    let key = TestKey::new("AES-256-GCM");
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).log("access_limit = 5").start();
    let mut connection = sidecar.connect();
    for _ in 0..200 {
        assert_eq!(connection.exchange(&key.request("POST", "/", "", b"{}")).status, 200);
    }
    let logged = || sidecar.log().lines().filter(|line| line.contains("alewife::access")).count();
    eventually("each is logged or counted", || {
        logged() as f64 + sidecar.metric("alewife_access_lines_left_out_total") == 200.0
    });
    assert!(logged() < 200);
}
