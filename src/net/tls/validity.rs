//! When a certificate holds: the one thing that is wanted of it before a peer looks at it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// From when to when a certificate holds (RFC 5280 §4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Reads it out of a certificate's DER; `None` if that is no certificate.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (signed, _) = element(certificate, SEQUENCE)?;
        let after_version = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
        let (_serial, rest) = element(after_version, INTEGER)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, _) = element(rest, SEQUENCE)?;
        let (not_before, rest) = time(validity)?;
        let (not_after, _) = time(rest)?;
        Some(Self { not_before, not_after })
    }
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`.
const VERSION: u8 = 0xA0;

/// The content of the element of DER with which `bytes` begin, if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            (digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length).filter(|_| first == tag)
}

/// A time of either form, and what follows it.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (year, text, rest) = if let Some((text, rest)) = element(bytes, UTC_TIME) {
        let (year, text) = digits(text, 2)?;
        // RFC 5280 §4.1.2.5.1.
        (if year >= 50 { 1900 + year } else { 2000 + year }, text, rest)
    } else {
        let (text, rest) = element(bytes, GENERALIZED_TIME)?;
        let (year, text) = digits(text, 4)?;
        (year, text, rest)
    };
    let mut fields = [0; 5];
    let mut text = text;
    for field in &mut fields {
        let (number, after) = digits(text, 2)?;
        (*field, text) = (i8::try_from(number).ok()?, after);
    }
    let [month, day, hour, minute, second] = fields;
    let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (text == b"Z").then_some((time, rest))
}

fn digits(text: &[u8], count: usize) -> Option<(i16, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let number = digits
        .iter()
        .try_fold(0_i16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i16::from(digit - b'0')))?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: i32, to: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 2, 3), date_time_ymd(to, 4, 5));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn times_are_read_in_both_forms() {
        // From 2050 on years have four digits.
        for (from, to) in [(2020, 2031), (1999, 2049), (2020, 2050), (2051, 2999)] {
            let validity = Validity::of(&certificate(from, to)).unwrap();
            assert_eq!(validity.not_before.to_string(), format!("{from}-02-03T00:00:00Z"));
            assert_eq!(validity.not_after.to_string(), format!("{to}-04-05T00:00:00Z"));
        }
    }

    #[test]
    fn certificate_that_is_cut_off_has_no_times() {
        let whole = certificate(2020, 2031);
        let enough = (0..whole.len()).find(|length| Validity::of(&whole[..*length]).is_some());
        assert_eq!(enough, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Validity::of(&bytes);
        }

        #[test]
        fn certificate_with_a_changed_byte_is_read_or_not(at in 0..400_usize, byte: u8) {
            let mut changed = certificate(2020, 2031);
            let at = at % changed.len();
            changed[at] = byte;
            let _ = Validity::of(&changed);
        }
    }
}
