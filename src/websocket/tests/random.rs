//! The decoder against a plain reading of the standard, with bytes in any pieces.

use proptest::prelude::*;

use super::*;

const MAX: u64 = 300;

/// Reads everything at once, as the standard says it, without a thought for speed or memory.
fn reference(sender: Role, bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut message: Option<(u8, Vec<u8>)> = None;
    let mut rest = bytes;
    while rest.len() >= 2 {
        match reference_frame(sender, rest, &mut message) {
            Ok((length, found)) => {
                rest = &rest[length.min(rest.len())..];
                let is_last = matches!(found, Some(Seen::Close(_)));
                seen.extend(found);
                if is_last {
                    break;
                }
            }
            Err(fault) => {
                seen.push(Seen::Fault(fault));
                break;
            }
        }
    }
    seen
}

/// One frame, perhaps cut off: its length, and what it completes.
fn reference_frame(
    sender: Role,
    bytes: &[u8],
    message: &mut Option<(u8, Vec<u8>)>,
) -> Result<(usize, Option<Seen>), FrameFault> {
    let cut_off = Ok((usize::MAX, None));
    let (fin, opcode) = (bytes[0] & 0x80 != 0, bytes[0] & 0x0f);
    let (masked, short) = (bytes[1] & 0x80 != 0, bytes[1] & 0x7f);
    let is_control = opcode >= 8;
    let faults = [
        (bytes[0] & 0x70 != 0, FrameFault::ReservedBit),
        (![0, 1, 2, 8, 9, 10].contains(&opcode), FrameFault::ReservedOpcode(opcode)),
        (is_control && !fin, FrameFault::FragmentedControl),
        (is_control && short > 125, FrameFault::LongControl),
        (sender == Role::Client && !masked, FrameFault::Unmasked),
        (sender == Role::Server && masked, FrameFault::Masked),
    ];
    if let Some((_, fault)) = faults.into_iter().find(|(wrong, _)| *wrong) {
        return Err(fault);
    }
    let wide = [0, 2, 8][usize::from(short.saturating_sub(125))];
    let start = 2 + wide + if masked { 4 } else { 0 };
    if bytes.len() >= 2 + wide && wide > 0 {
        let mut written = [0; 8];
        written[8 - wide..].copy_from_slice(&bytes[2..2 + wide]);
        let written = u64::from_be_bytes(written);
        if written > u64::MAX >> 1 || written < [126, 65_536][usize::from(wide == 8)] {
            return Err(FrameFault::Length);
        }
    }
    if bytes.len() < start {
        return cut_off;
    }
    let length = match wide {
        0 => u64::from(short),
        _ => bytes[2..2 + wide].iter().fold(0, |length, byte| length * 256 + u64::from(*byte)),
    };
    let there = &bytes[start..bytes.len().min(start + length as usize)];
    let mask: Vec<u8> = if masked { bytes[start - 4..start].to_vec() } else { vec![0; 4] };
    let payload: Vec<u8> = there.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
    let is_whole = there.len() as u64 == length;
    if is_control {
        if !is_whole {
            return cut_off;
        }
        return Ok((start + length as usize, Some(reference_control(opcode, payload)?)));
    }
    match (opcode, &message) {
        (0, None) => return Err(FrameFault::Continuation),
        (1 | 2, Some(_)) => return Err(FrameFault::Interleaved),
        (0, Some(_)) => {}
        _ => *message = Some((opcode, Vec::new())),
    }
    let (kind, mut so_far) = message.take().unwrap();
    if so_far.len() as u64 + length > MAX {
        return Err(FrameFault::TooLong);
    }
    so_far.extend(payload);
    let ends = is_whole && fin;
    let incomplete = |error: std::str::Utf8Error| error.error_len().is_none() && !ends;
    if kind == TEXT && !std::str::from_utf8(&so_far).map_or_else(incomplete, |_| true) {
        return Err(FrameFault::NotUtf8);
    }
    if !ends {
        *message = Some((kind, so_far));
        return if is_whole { Ok((start + length as usize, None)) } else { cut_off };
    }
    let found =
        if kind == TEXT { Seen::Text(String::from_utf8(so_far).unwrap()) } else { Seen::Binary(so_far) };
    Ok((start + length as usize, Some(found)))
}

fn reference_control(opcode: u8, payload: Vec<u8>) -> Result<Seen, FrameFault> {
    match (opcode, payload.as_slice()) {
        (PING, _) => Ok(Seen::Ping(payload)),
        (PONG, _) => Ok(Seen::Pong(payload)),
        (_, []) => Ok(Seen::Close(None)),
        (_, [_]) => Err(FrameFault::CloseLength),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from(*high) * 256 + u16::from(*low);
            let known = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
            if !known.contains(&code) && !(3000..5000).contains(&code) {
                return Err(FrameFault::CloseCode(code));
            }
            let reason = String::from_utf8(reason.to_vec()).map_err(|_| FrameFault::CloseReason)?;
            Ok(Seen::Close(Some((code, reason))))
        }
    }
}

/// Mostly text, so that UTF-8 is cut and broken in all places.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => ".{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..140),
        1 => (3..6_u8, any::<u8>(), ".{0,4}").prop_map(|(high, low, reason)| [&[high, low], reason.as_bytes()].concat()),
    ]
}

/// Frames that mostly make sense, and sometimes a byte that does not.
fn stream(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![4 => Just(TEXT), 2 => Just(BINARY), 4 => Just(CONTINUATION), 2 => Just(PING),
        1 => Just(PONG), 1 => Just(CLOSE)];
    let one = (opcode, any::<bool>(), payload()).prop_map(move |(opcode, fin, payload)| {
        let first = if fin || opcode >= 8 { FIN | opcode } else { opcode };
        frame(sender, first, &payload)
    });
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (prop::collection::vec(one, 1..12), damage).prop_map(|(frames, damage)| {
        let mut bytes = frames.concat();
        if let Some((place, value)) = damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        bytes
    })
}

/// Cuts `bytes` at each of `places`.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.push(bytes.len());
    places.sort_unstable();
    let mut start = 0;
    places.iter().map(|&end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_in_any_pieces_mean_what_the_standard_says(
        (sender, bytes) in prop_oneof![Just(Role::Client), Just(Role::Server)]
            .prop_flat_map(|sender| (Just(sender), stream(sender))),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let seen = decode_all(&mut Decoder::new(sender, MAX), cut(&bytes, &places));
        prop_assert_eq!(seen, reference(sender, &bytes));
    }

    #[test]
    fn messages_in_any_fragments_and_pieces_come_out_as_they_went_in(
        messages in prop::collection::vec((any::<bool>(), ".{0,60}"), 1..6),
        fragments in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        for (is_text, message) in &messages {
            let pieces = cut(message.as_bytes(), &fragments);
            for (number, piece) in pieces.iter().enumerate() {
                let opcode = if number > 0 { CONTINUATION } else if *is_text { TEXT } else { BINARY };
                let fin = if number + 1 == pieces.len() { FIN } else { 0 };
                bytes.extend(frame(Role::Client, FIN | PING, b"between"));
                bytes.extend(frame(Role::Client, fin | opcode, piece));
            }
        }
        let mut seen = decode_all(&mut Decoder::new(Role::Client, MAX), cut(&bytes, &places));
        seen.retain(|seen| *seen != Seen::Ping(b"between".to_vec()));
        let expected: Vec<_> = messages.into_iter().map(|(is_text, message)| {
            if is_text { Seen::Text(message) } else { Seen::Binary(message.into_bytes()) }
        }).collect();
        prop_assert_eq!(seen, expected);
    }
}
