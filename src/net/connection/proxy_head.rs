//! The head of the PROXY protocol, versions 1 and 2, with which a proxy in front says whose connection it passes on
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Longest head of version 1, its line's end included (§2.1).
const LONGEST_LINE: usize = 107;
/// The fixed part of version 2 (§2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;
/// Longest head of version 2 that is taken. The standard allows 65,551 bytes, of which addresses take 232 at most; what
/// follows them is not used here.
const LONGEST: usize = 16 * 1024;

/// A head, as far as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// More has to come.
    Unfinished,
    /// It is there.
    Whole {
        /// Its bytes.
        length: usize,
        /// Whose connection it is; `None` for the proxy's own (a health check), and for addresses of no IP.
        source: Option<SocketAddr>,
    },
}

/// Why bytes are no head that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeadFault {
    /// The line of version 1 says something else.
    #[error("its head of the PROXY protocol (version 1) is malformed")]
    Line,
    /// The head of version 2 says something else.
    #[error("its head of the PROXY protocol (version 2) is malformed")]
    Binary,
    /// The connection begins with something else.
    #[error("it sends no head of the PROXY protocol, which proxy_protocol_from has it do")]
    Missing,
    /// A head of version 2 beyond what is held of one.
    #[error("its head of the PROXY protocol is longer than 16 KiB")]
    TooLong,
    /// Its end does not come.
    #[error("its head of the PROXY protocol is unfinished at its deadline")]
    Unfinished,
}

/// Reads what is there of a head. More bytes never change a fault, nor what is whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyHeadFault> {
    const LINE: &[u8] = b"PROXY ";
    let begins = |start: &[u8]| {
        let common = start.len().min(bytes.len());
        bytes[..common] == start[..common]
    };
    if begins(LINE) {
        if bytes.len() < LINE.len() { Ok(Parsed::Unfinished) } else { parse_line(bytes) }
    } else if begins(SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err(ProxyHeadFault::Missing)
    }
}

fn parse_line(bytes: &[u8]) -> Result<Parsed, ProxyHeadFault> {
    let Some(feed) = bytes.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n') else {
        return if bytes.len() < LONGEST_LINE { Ok(Parsed::Unfinished) } else { Err(ProxyHeadFault::Line) };
    };
    let line = bytes[..feed].strip_suffix(b"\r").ok_or(ProxyHeadFault::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyHeadFault::Line)?;
    let source = source_of(line).ok_or(ProxyHeadFault::Line)?;
    Ok(Parsed::Whole { length: feed + 1, source })
}

/// The source that a line names, if it names one; `None` for a line that is none.
fn source_of(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    if words.next()? != "PROXY" {
        return None;
    }
    match words.next()? {
        // What follows it is to be passed over (§2.1).
        "UNKNOWN" => Some(None),
        "TCP4" => addresses::<Ipv4Addr>(words).map(Some),
        "TCP6" => addresses::<Ipv6Addr>(words).map(Some),
        _ => None,
    }
}

fn addresses<'a, A: FromStr + Into<IpAddr>>(mut words: impl Iterator<Item = &'a str>) -> Option<SocketAddr> {
    let source: A = words.next()?.parse().ok()?;
    let _destination: A = words.next()?.parse().ok()?;
    let port = port(words.next()?)?;
    let _port = self::port(words.next()?)?;
    words.next().is_none().then(|| SocketAddr::new(source.into(), port))
}

/// Decimal without leading zeros (§2.1); `parse` alone would take those, and a sign.
fn port(word: &str) -> Option<u16> {
    let plain = word == "0" || !word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| plain)
}

fn parse_binary(bytes: &[u8]) -> Result<Parsed, ProxyHeadFault> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(Parsed::Unfinished) };
    let (version_and_command, family) = (fixed[12], fixed[13]);
    let stated = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyHeadFault::Binary),
    };
    let needed = match family {
        // Of its own connections a proxy may state any (§2.2).
        _ if is_local => 0,
        // Addresses of a Unix socket, or unspecified; and datagrams, which no stream has.
        0x00 | 0x31 => 0,
        0x11 => 12,
        0x21 => 36,
        _ => return Err(ProxyHeadFault::Binary),
    };
    if stated < needed {
        return Err(ProxyHeadFault::Binary);
    }
    if FIXED + stated > LONGEST {
        return Err(ProxyHeadFault::TooLong);
    }
    let Some(rest) = rest.get(..stated) else { return Ok(Parsed::Unfinished) };
    let source = if is_local { None } else { source_in(family, rest) };
    Ok(Parsed::Whole { length: FIXED + stated, source })
}

fn source_in(family: u8, addresses: &[u8]) -> Option<SocketAddr> {
    let (ip, port): (IpAddr, &[u8]) = match family {
        0x11 => (<[u8; 4]>::try_from(addresses.get(..4)?).ok()?.into(), addresses.get(8..10)?),
        0x21 => (<[u8; 16]>::try_from(addresses.get(..16)?).ok()?.into(), addresses.get(32..34)?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(port.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    /// 192.0.2.7:51234 to 10.0.0.1:443, and after it two extensions.
    fn binary_v4() -> Vec<u8> {
        let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0xC8, 0x22, 1, 0xBB];
        binary(0x21, 0x11, &[&addresses[..], &[0x04, 0, 1, 0], &[0x02, 0, 3, b'a', b'.', b'b']].concat())
    }

    fn binary_v6() -> Vec<u8> {
        let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let addresses =
            [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xC8, 0x22, 1, 0xBB]].concat();
        binary(0x21, 0x21, &addresses)
    }

    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        vec![
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\n".to_vec(), Some("192.0.2.7:51234")),
            (b"PROXY TCP6 2001:db8::7 ::1 51234 443\r\n".to_vec(), Some("[2001:db8::7]:51234")),
            (
                b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n".to_vec(),
                Some("255.255.255.255:65535"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
            (binary_v4(), Some("192.0.2.7:51234")),
            (binary_v6(), Some("[2001:db8::7]:51234")),
            // The proxy's own, whatever it states; a Unix socket's; none at all.
            (binary(0x20, 0x00, &[]), None),
            (binary(0x20, 0x11, &[0; 12]), None),
            (binary(0x20, 0xFF, &[0; 3]), None),
            (binary(0x21, 0x31, &[0; 216]), None),
            (binary(0x21, 0x00, &[]), None),
        ]
    }

    #[test]
    fn head_is_read_and_what_follows_is_left() {
        for (head, source) in good() {
            let source = source.map(|text| text.parse().unwrap());
            let whole = Ok(Parsed::Whole { length: head.len(), source });
            assert_eq!(parse(&head), whole, "{head:?}");
            assert_eq!(parse(&[&head[..], b"GET / HTTP/1.1\r\n\r\n"].concat()), whole);
        }
    }

    #[test]
    fn head_is_awaited_at_every_length() {
        for (head, _) in good() {
            for length in 0..head.len() {
                assert_eq!(parse(&head[..length]), Ok(Parsed::Unfinished), "{:?}", &head[..length]);
            }
        }
    }

    #[test]
    fn what_is_no_head_is_refused_at_its_first_wrong_byte() {
        for bytes in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], b"POST", b"PRI * HTTP/2.0", b"\x16\x03\x01", b"PROXYX", b"\r\nG"]
        {
            assert_eq!(parse(bytes), Err(ProxyHeadFault::Missing), "{bytes:?}");
        }
    }

    #[test]
    fn head_that_says_something_else_is_refused() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n",
            "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
            "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
            "PROXY TCP4 ::1 ::1 1 1\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4\r 1 1\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(ProxyHeadFault::Line), "{line:?}");
        }
        let endless = [&b"PROXY UNKNOWN "[..], &[b'1'; 200]].concat();
        assert_eq!(parse(&endless[..106]), Ok(Parsed::Unfinished));
        assert_eq!(parse(&endless[..107]), Err(ProxyHeadFault::Line));
        for head in [
            binary(0x22, 0x11, &[0; 12]),
            binary(0x11, 0x11, &[0; 12]),
            binary(0x21, 0x11, &[0; 11]),
            binary(0x21, 0x21, &[0; 35]),
            binary(0x21, 0x12, &[0; 12]),
            binary(0x21, 0x41, &[0; 12]),
        ] {
            assert_eq!(parse(&head), Err(ProxyHeadFault::Binary), "{head:?}");
        }
    }

    #[test]
    fn head_beyond_what_is_held_is_refused_before_it_comes() {
        let longest = binary(0x21, 0x11, &vec![0; LONGEST - FIXED]);
        assert!(matches!(parse(&longest), Ok(Parsed::Whole { length: LONGEST, .. })));
        let longer = binary(0x21, 0x11, &vec![0; LONGEST - FIXED + 1]);
        assert_eq!(parse(&longer[..FIXED]), Err(ProxyHeadFault::TooLong));
    }

    proptest! {
        /// Whatever comes is judged, and more of it changes no judgement but `Unfinished`.
        #[test]
        fn any_bytes_are_judged_once(start in 0..4_usize, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let starts: [&[u8]; 4] = [b"", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"];
            let bytes = [starts[start], &rest].concat();
            let mut judged = None;
            for length in 0..=bytes.len() {
                let found = parse(&bytes[..length]);
                if let Some(judged) = judged {
                    prop_assert_eq!(found, judged);
                } else if found != Ok(Parsed::Unfinished) {
                    judged = Some(found);
                }
            }
        }
    }
}
