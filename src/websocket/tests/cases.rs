//! The situations of the Autobahn suite's groups 1 to 7 and 10, as a table.

use super::*;

/// Longest message in these cases.
const MAX: u64 = 1 << 17;

struct Case {
    name: &'static str,
    /// First byte and payload of each frame.
    frames: Vec<(u8, Vec<u8>)>,
    expected: Vec<Seen>,
}

fn case(name: &'static str, frames: &[(u8, &[u8])], expected: &[Seen]) -> Case {
    let frames = frames.iter().map(|(first, payload)| (*first, payload.to_vec())).collect();
    Case { name, frames, expected: expected.to_vec() }
}

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

fn fault(fault: FrameFault) -> Seen {
    Seen::Fault(fault)
}

fn closed(code: u16, reason: &str) -> Seen {
    Seen::Close(Some((code, reason.to_owned())))
}

/// Groups 1 and 10: messages of all lengths around the borders of the length's encodings.
fn lengths() -> Vec<Case> {
    [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537]
        .into_iter()
        .flat_map(|length| {
            let stars = vec![b'*'; length];
            let bytes: Vec<u8> = (0..length).map(|index| index as u8 ^ 0x80).collect();
            [
                case("text of a length", &[(FIN | TEXT, &stars)], &[text(&"*".repeat(length))]),
                case("binary of a length", &[(FIN | BINARY, &bytes)], &[Seen::Binary(bytes.clone())]),
            ]
        })
        .collect()
}

/// Group 2: pings and pongs.
fn pings() -> Vec<Case> {
    let full = [b'p'; 125];
    let bytes = [0, 0xff, 0xfe, 0xfd];
    vec![
        case("ping without payload", &[(FIN | PING, b"")], &[Seen::Ping(vec![])]),
        case("ping of any bytes", &[(FIN | PING, &bytes)], &[Seen::Ping(bytes.to_vec())]),
        case("ping of 125 bytes", &[(FIN | PING, &full)], &[Seen::Ping(full.to_vec())]),
        case("ping of 126 bytes", &[(FIN | PING, &[1; 126])], &[fault(FrameFault::LongControl)]),
        case("pong that nobody asked for", &[(FIN | PONG, b"a")], &[Seen::Pong(b"a".to_vec())]),
        case(
            "ten pings in a row",
            &[(FIN | PING, b"x" as &[u8]); 10],
            &std::array::from_fn::<_, 10, _>(|_| Seen::Ping(b"x".to_vec())),
        ),
    ]
}

/// Groups 3 and 4: reserved bits and opcodes.
fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 1..8 {
        let first = FIN | bits << 4;
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            let frames: [(u8, &[u8]); 2] = [(FIN | TEXT, b"before"), (first | opcode, b"")];
            cases.push(case(
                "a reserved bit is set",
                &frames,
                &[text("before"), fault(FrameFault::ReservedBit)],
            ));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [b"" as &[u8], b"payload"] {
            cases.push(case(
                "a reserved opcode",
                &[(FIN | opcode, payload), (FIN | PING, b"")],
                &[fault(FrameFault::ReservedOpcode(opcode))],
            ));
        }
    }
    cases
}

/// Group 5: fragments.
fn fragments() -> Vec<Case> {
    let pong = Seen::Pong(b"p".to_vec());
    let ping = Seen::Ping(b"p".to_vec());
    vec![
        case("ping in fragments", &[(PING, b"a"), (FIN, b"b")], &[fault(FrameFault::FragmentedControl)]),
        case("pong in fragments", &[(PONG, b"a"), (FIN, b"b")], &[fault(FrameFault::FragmentedControl)]),
        case("text in two fragments", &[(TEXT, b"a"), (FIN, b"b")], &[text("ab")]),
        case(
            "ping and pong between fragments",
            &[(TEXT, b"a"), (FIN | PING, b"p"), (CONTINUATION, b"b"), (FIN | PONG, b"p"), (FIN, b"c")],
            &[ping.clone(), pong, text("abc")],
        ),
        case(
            "empty fragments",
            &[(BINARY, b""), (CONTINUATION, b""), (FIN, b"")],
            &[Seen::Binary(Vec::new())],
        ),
        case(
            "only the last of three fragments holds something",
            &[(TEXT, b""), (CONTINUATION, b""), (FIN, "é".as_bytes())],
            &[text("é")],
        ),
        case("continuation of nothing", &[(FIN, b"a")], &[fault(FrameFault::Continuation)]),
        case("unfinished continuation of nothing", &[(0, b"a")], &[fault(FrameFault::Continuation)]),
        case(
            "continuation after the end",
            &[(TEXT, b"a"), (FIN, b"b"), (FIN, b"c")],
            &[text("ab"), fault(FrameFault::Continuation)],
        ),
        case("text within a message", &[(TEXT, b"a"), (FIN | TEXT, b"b")], &[fault(FrameFault::Interleaved)]),
        case(
            "binary within a message",
            &[(TEXT, b"a"), (FIN | PING, b"p"), (BINARY, b"b")],
            &[ping, fault(FrameFault::Interleaved)],
        ),
        case(
            "close within a message",
            &[(TEXT, b"a"), (FIN | CLOSE, &[3, 232]), (FIN, b"b")],
            &[closed(1000, "")],
        ),
    ]
}

/// Group 6: valid and invalid UTF-8, whole and in fragments that cut characters.
fn utf8() -> Vec<Case> {
    let mut cases = Vec::new();
    // Noncharacters are characters all the same (6.22); the rest are the borders of what can be encoded (6.23).
    let valid =
        ["κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\0", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}"];
    let more = ["\u{e000}", "\u{fffd}", "\u{fffe}", "\u{ffff}", "\u{10000}", "\u{1fffe}", "\u{10ffff}", ""];
    for valid in valid.into_iter().chain(more) {
        cases.push(case("UTF-8", &[(FIN | TEXT, valid.as_bytes())], &[text(valid)]));
        let mut bytes: Vec<(u8, &[u8])> = valid.as_bytes().chunks(1).map(|byte| (0, byte)).collect();
        bytes.push((FIN, b""));
        bytes[0].0 |= TEXT;
        if !valid.is_empty() {
            cases.push(case("UTF-8, each byte a fragment", &bytes, &[text(valid)]));
        }
    }
    let invalid: [&[u8]; 19] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\x80",
        b"\xbf",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xed\xad\xbf\xed\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xc2",
        b"\xe1\x80",
        b"ok\xf1\x80\x80",
        b"\xc2\x20",
    ];
    for invalid in invalid {
        cases.push(case("not UTF-8", &[(FIN | TEXT, invalid)], &[fault(FrameFault::NotUtf8)]));
        let mut bytes: Vec<(u8, &[u8])> = invalid.chunks(1).map(|byte| (0, byte)).collect();
        bytes.push((FIN, b""));
        bytes[0].0 |= TEXT;
        cases.push(case("not UTF-8, each byte a fragment", &bytes, &[fault(FrameFault::NotUtf8)]));
        cases.push(case(
            "binary may be anything",
            &[(FIN | BINARY, invalid)],
            &[Seen::Binary(invalid.to_vec())],
        ));
    }
    cases
}

/// Group 7: closing.
fn closes() -> Vec<Case> {
    let with = |code: u16, reason: &[u8]| [&code.to_be_bytes(), reason].concat();
    let mut cases = vec![
        case("close without payload", &[(FIN | CLOSE, b"")], &[Seen::Close(None)]),
        case("close of one byte", &[(FIN | CLOSE, b"\x03")], &[fault(FrameFault::CloseLength)]),
        case(
            "all that follows a close is thrown away",
            &[(FIN | CLOSE, &[3, 232]), (FIN | TEXT, b"a"), (FIN | CLOSE, b"x"), (0x7f, b"")],
            &[closed(1000, "")],
        ),
        case(
            "close with a reason",
            &[(FIN | CLOSE, &with(1000, "Größe".as_bytes()))],
            &[closed(1000, "Größe")],
        ),
        case(
            "close with the longest reason",
            &[(FIN | CLOSE, &with(1000, &[b'*'; 123]))],
            &[closed(1000, &"*".repeat(123))],
        ),
        case(
            "close of 126 bytes",
            &[(FIN | CLOSE, &with(1000, &[b'*'; 124]))],
            &[fault(FrameFault::LongControl)],
        ),
        case(
            "close with a reason that is not UTF-8",
            &[(FIN | CLOSE, &with(1000, b"\xce\xba\xed\xa0\x80"))],
            &[fault(FrameFault::CloseReason)],
        ),
        case(
            "close with a reason that breaks off in a character",
            &[(FIN | CLOSE, &with(1000, b"\xce"))],
            &[fault(FrameFault::CloseReason)],
        ),
    ];
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        cases.push(case("a code", &[(FIN | CLOSE, &with(code, b""))], &[closed(code, "")]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(case(
            "a code that may not be sent",
            &[(FIN | CLOSE, &with(code, b"why"))],
            &[fault(FrameFault::CloseCode(code))],
        ));
    }
    cases
}

fn all() -> Vec<Case> {
    [lengths(), pings(), reserved(), fragments(), utf8(), closes()].into_iter().flatten().collect()
}

#[test]
fn cases_come_out_alike_from_either_side_whole_and_byte_by_byte() {
    let cases = all();
    assert!(cases.len() > 170, "{} cases", cases.len());
    for Case { name, frames, expected } in cases {
        for sender in [Role::Client, Role::Server] {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(first, payload)| frame(sender, *first, payload)).collect();
            let whole = decode_all(&mut Decoder::new(sender, MAX), [&bytes[..]]);
            assert_eq!(whole, expected, "{name} from the {sender:?}: {frames:02x?}");
            let in_bytes = decode_all(&mut Decoder::new(sender, MAX), bytes.chunks(1));
            assert_eq!(in_bytes, expected, "{name} from the {sender:?}, byte by byte: {frames:02x?}");
        }
    }
}

#[test]
fn bad_byte_is_refused_before_the_rest_of_its_frame_is_there() {
    let text = "a".repeat(1000) + "\u{10ffff}";
    let mut bytes = frame(Role::Client, FIN | TEXT, text.as_bytes());
    // The third byte of the last character; what it becomes is no continuation.
    let bad = bytes.len() - 2;
    bytes[bad] ^= 0x40;
    let mut decoder = Decoder::new(Role::Client, MAX);
    assert_eq!(decode_all(&mut decoder, [&bytes[..bad]]), []);
    assert_eq!(decode_all(&mut decoder, [&bytes[bad..=bad]]), [fault(FrameFault::NotUtf8)]);
}

#[test]
fn mask_is_required_of_clients_and_refused_from_servers() {
    let masked = frame(Role::Client, FIN | TEXT, b"a");
    let plain = frame(Role::Server, FIN | TEXT, b"a");
    let from_client = decode_all(&mut Decoder::new(Role::Client, MAX), [&plain[..2]]);
    assert_eq!(from_client, [fault(FrameFault::Unmasked)]);
    let from_server = decode_all(&mut Decoder::new(Role::Server, MAX), [&masked[..2]]);
    assert_eq!(from_server, [fault(FrameFault::Masked)]);
}

#[test]
fn length_in_more_bytes_than_it_takes_or_of_64_bits_is_refused() {
    let wrong: [&[u8]; 6] = [
        &[0x82, 126, 0, 125],
        &[0x82, 126, 0, 0],
        &[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for bytes in wrong {
        let seen = decode_all(&mut Decoder::new(Role::Server, u64::MAX), [bytes]);
        assert_eq!(seen, [fault(FrameFault::Length)], "{bytes:?}");
    }
}

#[test]
fn message_that_is_too_long_is_refused_by_its_head() {
    let mut decoder = Decoder::new(Role::Server, 1000);
    assert_eq!(decode_all(&mut decoder, [&[0x82, 126, 3, 233][..]]), [fault(FrameFault::TooLong)]);
    let huge = [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let mut decoder = Decoder::new(Role::Server, 1000);
    assert_eq!(decode_all(&mut decoder, [&huge[..]]), [fault(FrameFault::TooLong)]);
    let just = frame(Role::Server, FIN | BINARY, &[1; 1000]);
    let mut decoder = Decoder::new(Role::Server, 1000);
    assert_eq!(decode_all(&mut decoder, [&just[..]]), [Seen::Binary(vec![1; 1000])]);
}

#[test]
fn fragments_are_too_long_together() {
    let first = frame(Role::Server, BINARY, &[1; 600]);
    let ping = frame(Role::Server, FIN | PING, &[2; 100]);
    let second = [0x80, 126, 1, 145];
    let mut decoder = Decoder::new(Role::Server, 1000);
    let seen = decode_all(&mut decoder, [&first[..], &ping, &second]);
    assert_eq!(seen, [Seen::Ping(vec![2; 100]), fault(FrameFault::TooLong)]);
    let huge = [0x80, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let mut decoder = Decoder::new(Role::Server, u64::MAX >> 1);
    assert_eq!(decode_all(&mut decoder, [&first[..], &huge]), [fault(FrameFault::TooLong)]);
}

#[test]
fn memory_is_taken_for_what_has_come_and_given_away_with_the_message() {
    let mut decoder = Decoder::new(Role::Server, 1 << 40);
    let head = [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0];
    decode_all(&mut decoder, [&head[..], &[0; 1000]]);
    assert_eq!(decoder.held(), 1000);
    assert!(decoder.reserved() <= 4096);
    let mut decoder = Decoder::new(Role::Server, 1 << 20);
    let bytes = frame(Role::Server, BINARY, &[1; 100_000]);
    decode_all(&mut decoder, bytes.chunks(1000));
    assert_eq!(decoder.held(), 100_000);
    decode_all(&mut decoder, [&frame(Role::Server, FIN, b"")[..]]);
    assert_eq!(decoder.held(), 0);
}

#[test]
fn decoder_knows_whether_anything_is_unfinished() {
    let fragments = [
        frame(Role::Client, TEXT, b"ab"),
        frame(Role::Client, FIN | PING, b""),
        frame(Role::Client, FIN, b"c"),
    ];
    let mut decoder = Decoder::new(Role::Client, MAX);
    assert!(decoder.is_between_messages());
    let bytes = fragments.concat();
    for (at, byte) in bytes.chunks(1).enumerate() {
        decode_all(&mut decoder, [byte]);
        assert_eq!(decoder.is_between_messages(), at + 1 == bytes.len(), "{at}");
    }
    decode_all(&mut decoder, [&frame(Role::Client, FIN | BINARY, b"d")[..3]]);
    assert!(!decoder.is_between_messages());
}

#[test]
fn a_fault_is_told_once_and_ends_everything() {
    let mut decoder = Decoder::new(Role::Client, MAX);
    let text = frame(Role::Client, FIN | TEXT, b"a");
    let bad = frame(Role::Client, FIN | 3, b"");
    let seen = decode_all(&mut decoder, [&bad[..], &text, &bad]);
    assert_eq!(seen, [fault(FrameFault::ReservedOpcode(3))]);
}

#[test]
fn faults_have_the_codes_of_the_standard() {
    let codes = [
        (FrameFault::NotUtf8, 1007),
        (FrameFault::CloseReason, 1007),
        (FrameFault::TooLong, 1009),
        (FrameFault::CloseCode(0), 1002),
        (FrameFault::CloseLength, 1002),
        (FrameFault::Continuation, 1002),
        (FrameFault::FragmentedControl, 1002),
        (FrameFault::Interleaved, 1002),
        (FrameFault::LongControl, 1002),
        (FrameFault::Masked, 1002),
        (FrameFault::Length, 1002),
        (FrameFault::ReservedBit, 1002),
        (FrameFault::ReservedOpcode(3), 1002),
        (FrameFault::Unmasked, 1002),
    ];
    for (fault, code) in codes {
        assert_eq!(fault.close_code(), code, "{fault}");
    }
}
