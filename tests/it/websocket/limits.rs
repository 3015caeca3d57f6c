//! Long messages, peers that take nothing, and the memory that they may cost.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::support::eventually;

/// Resident memory, in KiB.
fn resident(sidecar: &Sidecar) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn short() -> Stage {
    Stage::with("AES-256-GCM", |builder| builder.proxy("[proxy.websocket]\nmax_message = 1000"))
}

#[test]
fn message_just_as_long_as_allowed_passes_both_ways() {
    let stage = short();
    let (mut client, mut application) = stage.open();
    let longest = "x".repeat(1000);
    client.text(&sealed(&stage.key, longest.as_bytes()));
    application.gets_text(&longest);
    application.text(&longest);
    client.gets_sealed(&stage.key, &text(&longest));
}

#[test]
fn longest_message_of_the_defaults_passes_both_ways() {
    let stage = Stage::set("AES-128-CTR");
    let (mut client, mut application) = stage.open();
    let longest = vec![7; 16 << 20];
    client.send(Frame::new(Opcode::Binary, sealed(&stage.key, &longest)));
    assert!(application.next() == Event::Message(Message::Binary(longest.clone())));
    application.send(Frame::new(Opcode::Binary, longest.clone()));
    client.gets_sealed(&stage.key, &Message::Binary(longest));
    eventually("nothing is held", || stage.sidecar.metric("alewife_held_bytes") == 0.0);
}

#[test]
fn message_that_opens_to_more_is_1009() {
    let stage = short();
    let (mut client, mut application) = stage.open();
    client.text(&sealed(&stage.key, &[b'x'; 1001]));
    client.gets_close(Some((1009, "")));
    application.gets_close(Some((1001, "")));
    assert_eq!(stage.metric("messages_refused_total", "reason=\"too_long\""), 1.0);
}

#[test]
fn frame_that_is_too_long_is_1009_before_its_payload_comes() {
    let stage = short();
    let (mut client, mut application) = stage.open();
    application.wire.send(&[0x81, 126, 0x03, 0xe9]);
    application.gets_close(Some((1009, "")));
    client.gets_close(Some((1001, "")));
    let (mut client, _application) = stage.open();
    client.wire.send(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]);
    client.gets_close(Some((1009, "")));
}

#[test]
fn fragments_that_are_too_long_together_are_1009() {
    let stage = short();
    let (mut client, mut application) = stage.open();
    application.send(Frame::new(Opcode::Text, "x".repeat(900)).unfinished());
    application.send(Frame::new(Opcode::Continuation, "x".repeat(101)));
    application.gets_close(Some((1009, "")));
    client.gets_close(Some((1001, "")));
}

#[test]
fn promise_of_a_long_message_costs_nothing() {
    let stage = Stage::set("AES-256-GCM");
    let before = resident(&stage.sidecar);
    let sessions: Vec<_> = (0..50)
        .map(|_| {
            let (mut client, mut application) = stage.open();
            // 16 MiB each way are announced, and a few bytes come.
            client.wire.send(&[0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
            application.wire.send(&[0x82, 0x7f, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3]);
            (client, application)
        })
        .collect();
    let now = resident(&stage.sidecar);
    assert!(now < before + 6_000, "{before} KiB before, {now} KiB with {} sessions", sessions.len());
}

#[test]
fn message_for_which_there_is_no_capacity_is_1013() {
    let stage =
        Stage::with("AES-256-GCM", |builder| builder.top("max_held = \"1MiB\"").proxy("max_body = 100000"));
    let (mut client, mut application) = stage.open();
    // A quarter of a MiB is what one peer may have held.
    application.send(Frame::new(Opcode::Binary, vec![1; 200_000]).unfinished());
    client.send(Frame::new(Opcode::Ping, ""));
    assert_eq!(client.next(), Event::Pong(Vec::new()));
    eventually("it is held", || stage.sidecar.metric("alewife_held_bytes") >= 180_000.0);
    application.send(Frame::new(Opcode::Continuation, vec![1; 100_000]).unfinished());
    application.gets_close(Some((1013, "")));
    client.gets_close(Some((1001, "")));
    eventually("nothing is held", || stage.sidecar.metric("alewife_held_bytes") == 0.0);
    assert_eq!(stage.metric("messages_refused_total", "reason=\"no_capacity\""), 1.0);
}

/// Sends `bytes` again and again until the other side takes no more for a while. Says how much it took.
fn flood(peer: &Peer, bytes: &[u8], at_most: usize) -> usize {
    peer.wire.stream.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut sent = 0;
    while sent < at_most {
        match (&peer.wire.stream).write(&bytes[sent % bytes.len()..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_full) => break,
        }
    }
    sent
}

#[test]
fn slow_reader_s_back_pressure_reaches_the_sender_and_memory_stays_bounded() {
    let stage = Stage::set("AES-256-GCM");
    for from_client in [false, true] {
        let (client, application) = stage.open();
        let before = resident(&stage.sidecar);
        let plain = vec![b'x'; 10_000];
        let (sender, message) = match from_client {
            true => (&client, Frame::new(Opcode::Text, sealed(&stage.key, &plain)).masked()),
            false => (&application, Frame::new(Opcode::Text, plain)),
        };
        let sent = flood(sender, &message.bytes(), 256 << 20);
        let now = resident(&stage.sidecar);
        assert!(sent < 64 << 20, "{sent} bytes were taken, and nobody reads them");
        assert!(now < before + 3_000, "{before} KiB before, {now} KiB with {sent} bytes sent");
    }
}

#[test]
fn million_pings_whose_answers_nobody_reads_cost_no_memory() {
    let stage = Stage::set("AES-256-GCM");
    let (first, second) = (stage.open(), stage.open());
    let before = resident(&stage.sidecar);
    for peer in [&first.0, &second.1] {
        let pings = peer.bytes(Frame::new(Opcode::Ping, vec![7; 100])).repeat(1000);
        let length = pings.len();
        // All of them are read: an answer that waits gives way to the next.
        assert_eq!(flood(peer, &pings, length * 1000), length * 1000);
    }
    let now = resident(&stage.sidecar);
    assert!(now < before + 2_000, "{before} KiB before, {now} KiB after");
}

#[test]
fn messages_pass_one_way_while_the_other_is_stuck() {
    let stage = Stage::set("AES-256-GCM");
    let (client, mut application) = stage.open();
    flood(&application, &Frame::new(Opcode::Binary, vec![1; 60_000]).bytes(), 256 << 20);
    let mut client = client;
    for number in 0..100 {
        client.text(&sealed(&stage.key, format!("upstream {number}").as_bytes()));
        application.gets_text(&format!("upstream {number}"));
    }
}

#[test]
fn peers_that_both_send_before_they_read_do_not_stop_each_other() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    // Less than the sockets on the way take, but many times more than one read.
    let plain = "x".repeat(300_000);
    let key = stage.key.clone();
    let (from_client, from_application) = (sealed(&key, plain.as_bytes()), plain.clone());
    client.text(&from_client);
    application.text(&from_application);
    application.gets_text(&plain);
    client.gets_sealed(&key, &text(&plain));
    // Far more than all of them take, both at once.
    let expected = plain.clone();
    let sending = thread::spawn(move || {
        for _ in 0..50 {
            client.text(&from_client);
        }
        for _ in 0..50 {
            client.gets_sealed(&key, &text(&expected));
        }
    });
    let mut writer = application.wire.stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        let frame = Frame::new(Opcode::Text, from_application).bytes();
        for _ in 0..50 {
            writer.write_all(&frame).unwrap();
        }
    });
    for _ in 0..50 {
        application.gets_text(&plain);
    }
    writing.join().unwrap();
    sending.join().unwrap();
}

#[test]
fn peer_that_takes_nothing_is_given_up_after_its_time() {
    let stage = Stage::with("AES-256-GCM", |builder| builder.proxy("timeouts = { body = \"500ms\" }"));
    let (client, application) = stage.open();
    let started = Instant::now();
    let frame = Frame::new(Opcode::Binary, vec![1; 60_000]).bytes();
    application.wire.stream.set_write_timeout(Some(crate::support::PATIENCE)).unwrap();
    while (&application.wire.stream).write_all(&frame).is_ok() {}
    assert!(started.elapsed() >= Duration::from_millis(500));
    assert_eq!(stage.session_line()["reason"], "client: it takes nothing");
    drop(client);
}

/// One session of a crowd, made without a thread of its own.
fn join_crowd(stage: &Stage, address: SocketAddr) -> (Peer, Peer) {
    let mut client = Connection::to(address);
    client.send(handshake(&stage.key.envelope(&stage.key.fresh_iv())).as_bytes());
    let (application, _) = stage.agree("");
    client.read_head().unwrap();
    (Peer { wire: client, masks: true, partial: None }, application)
}

#[test]
fn crowd_of_sessions_that_talk_now_and_then_costs_40_kb_each_at_most() {
    const CROWD: u64 = 400;
    let stage = Stage::set("AES-256-GCM");
    // What comes with the first sessions stays with the process.
    for _ in 0..20 {
        let (mut client, mut application) = join_crowd(&stage, stage.sidecar.address());
        talk(&stage, &mut client, &mut application, 20_000);
    }
    eventually("they have ended", || stage.metric("sessions", "") == 0.0);
    let before = resident(&stage.sidecar);
    let mut sessions: Vec<_> = (0..CROWD).map(|_| join_crowd(&stage, stage.sidecar.address())).collect();
    for (number, (client, application)) in sessions.iter_mut().enumerate() {
        // A long message leaves nothing behind either.
        let length = if number % 10 == 0 { 200_000 } else { 256 };
        talk(&stage, client, application, length);
        talk(&stage, client, application, 256);
    }
    let now = resident(&stage.sidecar);
    let each = (now.saturating_sub(before)) as f64 / CROWD as f64;
    println!("{each:.1} KiB for each of {CROWD} sessions");
    assert!(each < 40.0 * 1000.0 / 1024.0, "{each:.1} KiB for each of {CROWD} sessions");
}

fn talk(stage: &Stage, client: &mut Peer, application: &mut Peer, length: usize) {
    let plain = "m".repeat(length);
    client.text(&sealed(&stage.key, plain.as_bytes()));
    application.gets_text(&plain);
    application.text(&plain);
    client.gets_sealed(&stage.key, &text(&plain));
}
