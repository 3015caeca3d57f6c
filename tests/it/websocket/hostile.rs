//! Frames that break the rules, through the real process from either side.

use super::*;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// A frame by its first byte and its payload.
type RawFrame = (u8, Vec<u8>);

/// What is wrong, the frames, and the code that their sender gets.
fn cases() -> Vec<(&'static str, Vec<RawFrame>, u16)> {
    let case = |name, frames: &[(u8, &[u8])], code| {
        (name, frames.iter().map(|(first, payload)| (*first, payload.to_vec())).collect(), code)
    };
    let mut cases = vec![
        case("a long ping", &[(FIN | PING, &[1; 126])], 1002),
        case("a ping in fragments", &[(PING, b"a"), (FIN, b"b")], 1002),
        case("a pong in fragments", &[(PONG, b"a"), (FIN, b"b")], 1002),
        case("a close in fragments", &[(CLOSE, &[3, 232])], 1002),
        case("a continuation of nothing", &[(FIN | CONTINUATION, b"a")], 1002),
        case("a message within another", &[(TEXT, b"a"), (FIN | TEXT, b"b")], 1002),
        case("bytes within a text", &[(TEXT, b"a"), (FIN | PING, b""), (BINARY, b"b")], 1002),
        case("a close of one byte", &[(FIN | CLOSE, b"\x03")], 1002),
        case("a long close", &[(FIN | CLOSE, &[3; 126])], 1002),
        case("a close with a reason that is not UTF-8", &[(FIN | CLOSE, b"\x03\xe8\xff")], 1007),
        case("a text that is not UTF-8", &[(FIN | TEXT, b"\xc0\xaf")], 1007),
        case("a text that breaks off in a character", &[(FIN | TEXT, b"\xe1\x80")], 1007),
        case("a text that goes wrong in its second fragment", &[(TEXT, b"\xe1\x80"), (0, b"x")], 1007),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(case("a reserved opcode", &[(FIN | opcode, b"")], 1002));
    }
    for bits in 1..8 {
        cases.push(case("a reserved bit", &[(FIN | bits << 4 | TEXT, b"")], 1002));
        cases.push(case("a reserved bit on a ping", &[(FIN | bits << 4 | PING, b"")], 1002));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(case("a code that may not be sent", &[(FIN | CLOSE, &code.to_be_bytes())], 1002));
    }
    cases
}

/// A frame by hand.
fn raw(masked: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Frame::new(Opcode::Text, payload);
    if masked {
        frame = frame.masked();
    }
    let mut bytes = frame.bytes();
    bytes[0] = first;
    bytes
}

#[test]
fn frames_that_break_the_rules_end_the_session_with_their_code_and_reach_nobody() {
    let stage = Stage::set("AES-256-GCM");
    for (name, frames, code) in cases() {
        for from_client in [true, false] {
            let (client, application) = stage.open();
            let (mut guilty, mut other) =
                if from_client { (client, application) } else { (application, client) };
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(first, payload)| raw(guilty.masks, *first, payload)).collect();
            guilty.wire.send(&bytes);
            loop {
                match guilty.next() {
                    Event::Pong(_) => {}
                    last => {
                        break assert_eq!(
                            last,
                            Event::Close(code.to_be_bytes().to_vec()),
                            "{name}: {frames:02x?}"
                        );
                    }
                }
            }
            other.gets_close(Some((1001, "")));
            guilty.gets_end();
        }
    }
    let refused = |reason: &str| stage.metric("messages_refused_total", &format!("reason=\"{reason}\""));
    assert_eq!(refused("protocol") + refused("not_utf8"), 2.0 * cases().len() as f64);
    assert_eq!(stage.metric("closes_total", "by=\"sidecar\""), 2.0 * cases().len() as f64);
}

#[test]
fn masks_are_required_of_the_client_and_refused_from_the_application() {
    let stage = Stage::set("AES-256-GCM");
    for from_client in [true, false] {
        let (client, application) = stage.open();
        let (mut guilty, mut other) = if from_client { (client, application) } else { (application, client) };
        guilty.wire.send(&raw(!guilty.masks, FIN | TEXT, b"x"));
        guilty.gets_close(Some((1002, "")));
        other.gets_close(Some((1001, "")));
    }
}

#[test]
fn lengths_in_too_many_bytes_are_refused() {
    let stage = Stage::set("AES-256-GCM");
    let wrong: [&[u8]; 4] = [
        &[0x82, 126, 0, 125],
        &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for bytes in wrong {
        let (mut client, mut application) = stage.open();
        application.wire.send(bytes);
        application.gets_close(Some((1002, "")));
        client.gets_close(Some((1001, "")));
    }
}

#[test]
fn bad_byte_of_a_text_is_refused_before_its_frame_is_whole() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    let frame = Frame::new(Opcode::Text, [&[b'x'; 1000][..], b"\xff", &[b'x'; 1000]].concat()).bytes();
    application.wire.send(&frame[..1010]);
    application.gets_close(Some((1007, "")));
    client.gets_close(Some((1001, "")));
}

#[test]
fn noise_instead_of_frames_ends_one_session_and_nothing_else() {
    let stage = Stage::set("AES-256-GCM");
    let (mut bystander, mut application_of_bystander) = stage.open();
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..50 {
        let (client, application) = stage.open();
        let bytes: Vec<u8> = (0..500)
            .flat_map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                noise.to_be_bytes()
            })
            .collect();
        // It may be closed before all of it is sent.
        let _ = io::Write::write_all(&mut &client.wire.stream, &bytes);
        let _ = io::Write::write_all(&mut &application.wire.stream, &bytes);
    }
    bystander.text(&sealed(&stage.key, b"unharmed"));
    application_of_bystander.gets_text("unharmed");
    crate::support::eventually("the others have ended", || stage.metric("sessions", "") == 1.0);
}
