//! How sessions end: closes both ways, peers that vanish, pings, and the end of the process.

use std::time::{Duration, Instant};

use super::*;
use crate::support::eventually;

#[test]
fn codes_and_reasons_pass_in_both_directions() {
    let stage = Stage::set("AES-256-GCM");
    let closes = [
        None,
        Some((1000, "")),
        Some((1001, "ade")),
        Some((1011, "ä")),
        Some((3000, "x")),
        Some((4999, "y")),
    ];
    for close in closes {
        let frame = || match close {
            None => Frame::new(Opcode::Close, ""),
            Some((code, reason)) => Frame::close(code, reason),
        };
        let (mut client, mut application) = stage.open();
        client.send(frame());
        application.gets_close(close);
        application.send(Frame::close(4000, "answer"));
        client.gets_close(Some((4000, "answer")));
        // RFC 6455 §7.1.1: the server ends the connection first.
        client.gets_end();
        let (mut client, mut application) = stage.open();
        application.send(frame());
        client.gets_close(close);
        client.send(Frame::new(Opcode::Close, ""));
        application.gets_close(None);
        client.gets_end();
    }
    assert_eq!(stage.metric("closes_total", "by=\"client\""), 6.0);
    assert_eq!(stage.metric("closes_total", "by=\"server\""), 6.0);
    assert_eq!(stage.metric("closes_total", "by=\"sidecar\""), 0.0);
}

#[test]
fn longest_reason_passes_whole() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    let reason = "r".repeat(123);
    client.send(Frame::close(1000, &reason));
    application.gets_close(Some((1000, &reason)));
}

#[test]
fn nothing_is_lost_that_the_other_side_still_sends_before_its_own_close() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    for number in 0..100 {
        client.text(&sealed(&stage.key, format!("from the client {number}").as_bytes()));
    }
    client.send(Frame::close(1000, "done"));
    for number in 0..100 {
        application.gets_text(&format!("from the client {number}"));
    }
    application.gets_close(Some((1000, "done")));
    for number in 0..100 {
        application.text(&format!("from the application {number}"));
    }
    application.send(Frame::close(1000, "too"));
    for number in 0..100 {
        client.gets_sealed(&stage.key, &text(&format!("from the application {number}")));
    }
    client.gets_close(Some((1000, "too")));
    client.gets_end();
    // The same, the other way round.
    let (mut client, mut application) = stage.open();
    application.text("last");
    application.send(Frame::close(1001, ""));
    client.gets_sealed(&stage.key, &text("last"));
    client.gets_close(Some((1001, "")));
    client.text(&sealed(&stage.key, b"late"));
    client.send(Frame::close(1001, ""));
    application.gets_text("late");
    application.gets_close(Some((1001, "")));
}

#[test]
fn closes_that_meet_are_each_other_s_answer() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    client.send(Frame::close(4001, "client"));
    application.send(Frame::close(4002, "application"));
    application.gets_close(Some((4001, "client")));
    client.gets_close(Some((4002, "application")));
    client.gets_end();
}

#[test]
fn leg_that_ends_without_a_close_ends_the_other_without_one() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, application) = stage.open();
    drop(application);
    client.gets_end();
    drop(client);
    let (mut client, mut application) = stage.open();
    client.text(&sealed(&stage.key, b"last word"));
    drop(client);
    application.gets_text("last word");
    application.gets_end();
    drop(application);
    eventually("both are counted", || {
        stage.metric("closes_total", "by=\"client\"") + stage.metric("closes_total", "by=\"server\"") == 2.0
    });
    eventually("neither is open", || stage.metric("sessions", "") == 0.0);
}

#[test]
fn connection_that_is_reset_in_mid_message_ends_the_other() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    let half = client.bytes(Frame::new(Opcode::Text, sealed(&stage.key, &[b'x'; 1000])));
    client.wire.send(&half[..500]);
    socket2::SockRef::from(&client.wire.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    application.gets_end();
}

#[test]
fn pings_are_answered_by_the_sidecar_on_each_leg_and_reach_nobody_else() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    for payload in [&b""[..], b"hello", &[0xff; 125]] {
        client.send(Frame::new(Opcode::Ping, payload));
        assert_eq!(client.next(), Event::Pong(payload.to_vec()));
        application.send(Frame::new(Opcode::Ping, payload));
        assert_eq!(application.next(), Event::Pong(payload.to_vec()));
    }
    for number in 0..10 {
        client.send(Frame::new(Opcode::Ping, number.to_string()));
    }
    for number in 0..10 {
        assert_eq!(client.next(), Event::Pong(number.to_string().into_bytes()));
    }
    client.send(Frame::new(Opcode::Pong, "unasked for"));
    client.text(&sealed(&stage.key, b"goes on"));
    application.gets_text("goes on");
}

#[test]
fn silent_legs_are_pinged_and_stay_open_for_as_long_as_they_answer() {
    let stage = Stage::with("AES-256-GCM", |builder| {
        builder.proxy("timeouts = { idle = \"100ms\" }\n[proxy.websocket]\nping_interval = \"200ms\"")
    });
    let (mut client, mut application) = stage.open();
    let started = Instant::now();
    for _ in 0..4 {
        for peer in [&mut client, &mut application] {
            let Event::Ping(payload) = peer.next() else { panic!("no ping") };
            peer.send(Frame::new(Opcode::Pong, payload));
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
    client.text(&sealed(&stage.key, b"still there"));
    loop {
        match application.next() {
            Event::Ping(payload) => application.send(Frame::new(Opcode::Pong, payload)),
            other => break assert_eq!(other, Event::Message(text("still there"))),
        }
    }
}

#[test]
fn peer_that_answers_no_ping_is_given_up_and_the_other_leg_with_it() {
    let stage =
        Stage::with("AES-256-GCM", |builder| builder.proxy("[proxy.websocket]\nping_interval = \"300ms\""));
    let (mut client, mut application) = stage.open();
    // The client is half open: it says nothing, and its system acknowledges everything.
    let started = Instant::now();
    while let Ok(event) = application.try_next() {
        let Event::Ping(payload) = event else { panic!("{event:?}") };
        application.send(Frame::new(Opcode::Pong, payload));
    }
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());
    assert_eq!(client.next(), Event::Ping(Vec::new()));
    client.gets_end();
    assert_eq!(stage.session_line()["reason"], "client: it does not answer");
}

#[test]
fn no_pings_are_sent_where_they_are_off() {
    let stage = Stage::with("AES-256-GCM", |builder| {
        builder.proxy("timeouts = { idle = \"100ms\", first_byte = \"100ms\", headers = \"100ms\" }\n[proxy.websocket]\nping_interval = \"off\"")
    });
    let (mut client, mut application) = stage.open();
    client.wire.stream.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
    let kind = client.try_next().unwrap_err().kind();
    assert!(matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{kind}");
    client.text(&sealed(&stage.key, b"no deadline of HTTP holds here"));
    application.gets_text("no deadline of HTTP holds here");
}

#[test]
fn stop_ends_each_leg_with_1001_behind_what_was_under_way() {
    let mut stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    client.text(&sealed(&stage.key, b"before"));
    application.gets_text("before");
    // Half of a message is there when the stop comes.
    let envelope = sealed(&stage.key, b"under way");
    client.send(Frame::new(Opcode::Text, &envelope[..20]).unfinished());
    client.send(Frame::new(Opcode::Ping, "read so far"));
    assert_eq!(client.next(), Event::Pong(b"read so far".to_vec()));
    stage.sidecar.signal("TERM");
    eventually("it is stopping", || stage.sidecar.log().contains("stopping"));
    client.send(Frame::new(Opcode::Continuation, &envelope[20..]));
    application.gets_text("under way");
    application.gets_close(Some((1001, "")));
    client.gets_close(Some((1001, "")));
    client.send(Frame::close(1001, ""));
    application.send(Frame::close(1001, ""));
    client.gets_end();
    drop((client, application));
    assert!(stage.sidecar.wait().success());
    assert!(stage.sidecar.log().contains("\"reason\":\"stopping\""), "{}", stage.sidecar.log());
}

#[test]
fn session_that_does_not_end_by_itself_is_cut_at_the_end_of_the_grace() {
    let mut stage = Stage::with("AES-256-GCM", |builder| builder.top("shutdown_grace = \"500ms\""));
    let (mut client, mut application) = stage.open();
    stage.sidecar.signal("TERM");
    client.gets_close(Some((1001, "")));
    application.gets_close(Some((1001, "")));
    let started = Instant::now();
    stage.sidecar.wait();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    client.gets_end();
}

#[test]
fn nothing_is_lost_that_a_side_sent_before_it_would_take_no_more() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    let carried = || stage.metric("messages_total", "direction=\"to_client\"") as usize;
    // The client takes nothing, until the sidecar reads no more of the application.
    let plain = "x".repeat(60_000);
    let mut sent = 0;
    let is_carried = |sent| {
        let until = Instant::now() + Duration::from_millis(500);
        while carried() < sent && Instant::now() < until {}
        carried() == sent
    };
    while is_carried(sent) {
        application.text(&plain);
        sent += 1;
    }
    application.text("last words");
    application.send(Frame::close(4000, "done"));
    // Bytes that nobody reads make the application's end a reset, and the next write of the sidecar fails.
    client.text(&sealed(&stage.key, b"unread"));
    eventually("it is carried", || stage.metric("messages_total", "direction=\"to_server\"") == 1.0);
    application.wire.stream.set_nonblocking(true).unwrap();
    eventually("it has come", || application.wire.stream.peek(&mut [0]).is_ok());
    drop(application);
    for _ in 0..2 {
        client.text(&sealed(&stage.key, b"to nobody"));
    }
    for _ in 0..sent {
        client.gets_sealed(&stage.key, &text(&plain));
    }
    client.gets_sealed(&stage.key, &text("last words"));
    client.gets_close(Some((4000, "done")));
    client.gets_end();
    eventually("it is over", || stage.metric("sessions", "") == 0.0);
    assert_eq!(stage.metric("closes_total", "by=\"server\""), 1.0);
}
