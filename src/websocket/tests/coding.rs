//! What is written, and the proof of a handshake.

use super::*;
use crate::websocket::{Message, accept_key};

#[test]
fn accept_is_that_of_the_standard_s_example() {
    assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn frames_of_the_standard_s_examples_are_written_byte_for_byte() {
    let (server, mut rng) = encoder(Role::Server);
    let mut out = BytesMut::new();
    server.message(Kind::Text, b"Hello", &mut out, &mut rng);
    server.ping(b"Hello", &mut out, &mut rng);
    server.message(Kind::Binary, &[0; 256], &mut out, &mut rng);
    let expected = [
        &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f][..],
        &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
        &[0x82, 0x7e, 0x01, 0x00],
        &[0; 256],
    ];
    assert_eq!(out, expected.concat());
    let mut out = BytesMut::new();
    server.message(Kind::Binary, &[0; 65_536], &mut out, &mut rng);
    assert_eq!(out[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn masks_differ_from_frame_to_frame() {
    let (client, mut rng) = encoder(Role::Client);
    let mut out = BytesMut::new();
    client.message(Kind::Text, b"Hello", &mut out, &mut rng);
    client.message(Kind::Text, b"Hello", &mut out, &mut rng);
    assert_eq!((out.len(), &out[..2], &out[11..13]), (22, &[0x81, 0x85][..], &[0x81, 0x85][..]));
    assert_ne!(out[2..6], out[13..17]);
    let seen = decode_all(&mut Decoder::new(Role::Client, 100), [&out[..]]);
    assert_eq!(seen, [Seen::Text("Hello".to_owned()), Seen::Text("Hello".to_owned())]);
}

#[test]
fn each_way_to_write_a_message_is_read_back_whatever_its_length() {
    for sender in [Role::Client, Role::Server] {
        let (encoder, mut rng) = encoder(sender);
        for length in [0, 1, 3, 4, 15, 16, 17, 125, 126, 1000, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..length).map(|index| (index * 7) as u8).collect();
            let mut out = BytesMut::from(&b"before"[..]);
            encoder.message(Kind::Binary, &payload, &mut out, &mut rng);
            let mut in_place = payload.clone();
            encoder.message_in_place(Kind::Binary, &mut in_place, &mut out, &mut rng);
            out.extend_from_slice(&in_place);
            // The second of them was promised another length.
            for expected in [length, length + 200] {
                let written = encoder.message_with(Kind::Binary, expected, &mut out, &mut rng, |out| {
                    out.extend_from_slice(&payload);
                    Ok::<_, ()>(())
                });
                assert_eq!(written, Ok(()));
            }
            assert_eq!(&out[..6], b"before");
            let seen = decode_all(&mut Decoder::new(sender, 1 << 20), [&out[6..]]);
            assert_eq!(seen, vec![Seen::Binary(payload); 4], "{length}");
        }
    }
}

#[test]
fn message_that_cannot_be_written_leaves_nothing_behind() {
    let (client, mut rng) = encoder(Role::Client);
    let mut out = BytesMut::from(&b"before"[..]);
    let written = client.message_with(Kind::Text, 10, &mut out, &mut rng, |out| {
        out.extend_from_slice(b"half");
        Err("no key")
    });
    assert_eq!((written, &out[..]), (Err("no key"), &b"before"[..]));
}

#[test]
fn control_frames_are_read_back_and_never_longer_than_125_bytes() {
    for sender in [Role::Client, Role::Server] {
        let (encoder, mut rng) = encoder(sender);
        let mut out = BytesMut::new();
        encoder.ping(&[1; 200], &mut out, &mut rng);
        encoder.pong(b"", &mut out, &mut rng);
        encoder.close(Close::new(1001, "bye").as_ref(), &mut out, &mut rng);
        let seen = decode_all(&mut Decoder::new(sender, 0), [&out[..]]);
        let close = Seen::Close(Some((1001, "bye".to_owned())));
        assert_eq!(seen, [Seen::Ping(vec![1; 125]), Seen::Pong(vec![]), close]);
        let mut out = BytesMut::new();
        encoder.close(None, &mut out, &mut rng);
        assert_eq!(decode_all(&mut Decoder::new(sender, 0), [&out[..]]), [Seen::Close(None)]);
    }
}

#[test]
fn close_has_a_code_that_may_be_sent_and_a_reason_that_fits() {
    assert_eq!(Close::new(1005, ""), None);
    assert_eq!(Close::new(1006, ""), None);
    let cut = Close::new(4000, &"ä".repeat(100)).unwrap();
    assert_eq!((cut.code(), cut.reason()), (4000, "ä".repeat(61).as_str()));
}

#[test]
fn text_of_a_message_is_not_printed() {
    let message = Message { kind: Kind::Text, payload: BytesMut::from(&b"secret"[..]) };
    assert_eq!(format!("{message:?}"), "Text of 6 bytes");
}
