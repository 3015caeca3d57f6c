//! What the far side told, against what stands on the near one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::crypto::IvLength;
use crate::keys::KeyRing;
use crate::proxy::{OutboundConfig, PingReport, Replies};

/// What the far side told.
pub(super) struct Far {
    pub(super) report: PingReport,
    /// By how much its clock is ahead of this one.
    pub(super) clock: Option<SignedDuration>,
}

/// Something in which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) problem: String,
    pub(super) remedy: &'static str,
}

/// Compares the two sides; `clock_skew` is what this side grants.
pub(super) fn compare(
    far: &Far,
    outbound: &OutboundConfig,
    ring: &KeyRing,
    clock_skew: Duration,
) -> Vec<Finding> {
    [
        key(&far.report, ring),
        iv(&far.report),
        replies(&far.report, outbound.replies.unwrap_or_default()),
        clock(far.clock, clock_skew),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn key(report: &PingReport, ring: &KeyRing) -> Option<Finding> {
    let opened = format!("{} ({})", report.fingerprint, report.algorithm);
    let Some(key) = ring.sealing_key(Timestamp::now()) else {
        return Some(Finding {
            problem: format!("the far side opened with {opened}, but no key of this side's file seals now"),
            remedy: "see which keys are valid with `alewife check`",
        });
    };
    let expected = format!("{} ({})", key.fingerprint, key.secret.algorithm());
    (opened != expected).then(|| Finding {
        problem: format!("the far side opened with {opened}, but by this side's key file {expected} seals"),
        remedy: "read the near sidecar's log: it may have refused the file, or not seen it yet",
    })
}

fn iv(report: &PingReport) -> Option<Finding> {
    // P1: what a sealer sends.
    let sent = IvLength::Sixteen.bytes();
    (report.iv_bytes != sent).then(|| Finding {
        problem: format!("the far side saw an IV of {} bytes instead of {sent}", report.iv_bytes),
        remedy: "see what stands between the two",
    })
}

fn replies(report: &PingReport, expected: Replies) -> Option<Finding> {
    let (problem, remedy) = match (report.seals_replies, expected) {
        (true, Replies::Plain) => (
            "the far side seals its replies, and this side takes plain ones for granted",
            "write replies = \"sealed\" here",
        ),
        (false, Replies::Sealed) => {
            ("the far side does not seal its replies", "write seal_replies = true there")
        }
        _ => return None,
    };
    Some(Finding { problem: problem.to_owned(), remedy })
}

fn clock(ahead: Option<SignedDuration>, granted: Duration) -> Option<Finding> {
    let apart = ahead?.unsigned_abs();
    (apart > granted).then(|| Finding {
        problem: format!(
            "the clocks are {} s apart, and keys.clock_skew grants {granted:?}",
            apart.as_secs()
        ),
        remedy: "set both clocks, or keys will be refused at the ends of their windows",
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;
    use crate::keys::{RingPolicy, parse_key_file};

    fn ring(text: &str) -> KeyRing {
        parse_key_file(text, "keys.toml", RingPolicy::default(), Timestamp::now()).unwrap().ring
    }

    fn known() -> KeyRing {
        let secret = "11".repeat(32);
        ring(&format!(
            "[[key]]\nfingerprint = \"a\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:{secret}\"\n"
        ))
    }

    fn far() -> Far {
        let report = PingReport {
            alewife: "0.1.0".to_owned(),
            proxy: "kitchen".to_owned(),
            fingerprint: "a".to_owned(),
            algorithm: "AES-256-GCM".to_owned(),
            iv_bytes: 16,
            seals_replies: true,
            time: String::new(),
            echo: None,
        };
        Far { report, clock: None }
    }

    fn problems(far: &Far, replies: Replies) -> Vec<String> {
        let outbound = OutboundConfig { replies: Some(replies), ..OutboundConfig::default() };
        let findings = compare(far, &outbound, &known(), Duration::from_secs(30));
        findings.into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn equal_sides_have_nothing_to_tell() {
        assert!(problems(&far(), Replies::Sealed).is_empty());
        assert!(problems(&far(), Replies::Either).is_empty());
        let within = Far { clock: Some(SignedDuration::from_secs(-30)), ..far() };
        assert!(problems(&within, Replies::Sealed).is_empty());
    }

    #[test]
    fn another_fingerprint_or_algorithm_is_told() {
        let mut other = far();
        other.report.fingerprint = "b".to_owned();
        let expected = "by this side's key file a (AES-256-GCM) seals";
        assert_eq!(
            problems(&other, Replies::Sealed),
            [format!("the far side opened with b (AES-256-GCM), but {expected}")]
        );
        let mut other = far();
        other.report.algorithm = "AES-256-CTR".to_owned();
        assert_eq!(
            problems(&other, Replies::Sealed),
            [format!("the far side opened with a (AES-256-CTR), but {expected}")]
        );
    }

    #[test]
    fn other_wire_formats_are_told() {
        let mut other = far();
        other.report.iv_bytes = 12;
        other.report.seals_replies = false;
        assert_eq!(
            problems(&other, Replies::Sealed),
            ["the far side saw an IV of 12 bytes instead of 16", "the far side does not seal its replies"]
        );
        assert!(problems(&far(), Replies::Plain)[0].starts_with("the far side seals its replies"));
    }

    #[test]
    fn clocks_that_differ_by_more_than_is_granted_are_told() {
        for ahead in [31, -31] {
            let other = Far { clock: Some(SignedDuration::from_secs(ahead)), ..far() };
            assert_eq!(
                problems(&other, Replies::Sealed),
                ["the clocks are 31 s apart, and keys.clock_skew grants 30s"]
            );
        }
    }

    #[test]
    fn without_a_key_that_seals_the_far_key_is_told() {
        let later = Timestamp::from_str("2999-01-01T00:00:00Z").unwrap();
        let secret = "11".repeat(32);
        let ring = ring(&format!(
            "[[key]]\nfingerprint = \"a\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:{secret}\"\nvalid_after = {later}\n"
        ));
        let findings = compare(&far(), &OutboundConfig::default(), &ring, Duration::from_secs(30));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].problem.ends_with("no key of this side's file seals now"));
    }
}
