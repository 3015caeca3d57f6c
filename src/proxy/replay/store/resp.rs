//! As much of Redis' protocol (RESP2) as one question needs, as bytes.

use bytes::{Buf, BytesMut};

/// Longer lines are none of Redis'.
const LONGEST_LINE: usize = 4096;

/// What the server says to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `+OK`, `+PONG`, or a number: it was done.
    Done,
    /// Nothing: `NX` found the key there.
    Nothing,
    /// It was refused. The first word says why, and is all that is kept of the server's text.
    Refused(Box<str>),
}

/// The other side speaks something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it answers is not Redis' protocol")]
pub(super) struct NotRedis;

/// Appends a command.
pub(super) fn command(words: &[&[u8]], out: &mut Vec<u8>) {
    let number = |mark: u8, number: usize, out: &mut Vec<u8>| {
        out.push(mark);
        out.extend_from_slice(number.to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    number(b'*', words.len(), out);
    for word in words {
        number(b'$', word.len(), out);
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Takes the next whole reply off `input`.
pub(super) fn reply(input: &mut BytesMut) -> Result<Option<Reply>, NotRedis> {
    let searched = &input[..input.len().min(LONGEST_LINE)];
    let Some(end) = searched.windows(2).position(|window| window == b"\r\n") else {
        return if input.len() < LONGEST_LINE { Ok(None) } else { Err(NotRedis) };
    };
    let reply = match &input[..end] {
        [b'+', ..] => Reply::Done,
        [b':', digits @ ..] if is_number(digits) => Reply::Done,
        b"$-1" => Reply::Nothing,
        [b'-', text @ ..] => Reply::Refused(first_word(text)),
        _ => return Err(NotRedis),
    };
    input.advance(end + 2);
    Ok(Some(reply))
}

fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Redis begins its errors with a word in capitals. Nothing else of a server's text comes into a log.
fn first_word(text: &[u8]) -> Box<str> {
    let word = text.iter().take_while(|byte| byte.is_ascii_uppercase()).take(32);
    word.map(|byte| char::from(*byte)).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replies(bytes: &[u8]) -> Result<Vec<Reply>, NotRedis> {
        let (mut input, mut found) = (BytesMut::from(bytes), Vec::new());
        while let Some(next) = reply(&mut input)? {
            found.push(next);
        }
        Ok(found)
    }

    #[test]
    fn command_is_a_list_of_counted_words() {
        let mut out = Vec::new();
        command(&[b"SET", b"", b"a\r\nb"], &mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
    }

    #[test]
    fn replies_are_told_apart() {
        let text = b"+OK\r\n$-1\r\n:1\r\n:-3\r\n-NOAUTH Authentication required.\r\n-secret text\r\n+PO";
        let refused = |word: &str| Reply::Refused(word.into());
        let expected =
            vec![Reply::Done, Reply::Nothing, Reply::Done, Reply::Done, refused("NOAUTH"), refused("")];
        assert_eq!(replies(text), Ok(expected));
    }

    #[test]
    fn anything_else_is_not_redis() {
        for text in
            ["HTTP/1.1 400 Bad Request\r\n", "$3\r\nabc\r\n", "*0\r\n", "\r\n", ":x\r\n", ":\r\n", "_\r\n"]
        {
            assert_eq!(replies(text.as_bytes()), Err(NotRedis), "{text:?}");
        }
        assert_eq!(replies(&[b'+'; 4096]), Err(NotRedis));
        assert_eq!(replies(&[b'+'; 4095]), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn replies_are_the_same_in_whatever_pieces_they_come(cuts in prop::collection::vec(1..6_usize, 0..20)) {
            let text: &[u8] = b"+OK\r\n$-1\r\n-OOM command not allowed\r\n:1\r\n+PONG\r\n";
            let (mut rest, mut input, mut found) = (text, BytesMut::new(), Vec::new());
            for cut in cuts.into_iter().chain([text.len()]) {
                let (piece, later) = rest.split_at(cut.min(rest.len()));
                input.extend_from_slice(piece);
                rest = later;
                while let Some(next) = reply(&mut input).unwrap() {
                    found.push(next);
                }
            }
            prop_assert_eq!(Ok(found), replies(text));
        }

        #[test]
        fn any_bytes_are_replies_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = replies(&bytes);
        }
    }
}
