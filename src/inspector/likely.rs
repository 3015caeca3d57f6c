//! Where an exchange failed, and what it may be.

use super::report::FailureReport;
use crate::capture::{Direction, Summary};
use crate::metrics::{AleReason, Outcome};

/// What went wrong; nothing where all is well, or still under way.
pub(super) fn failure(summary: &Summary) -> Option<FailureReport> {
    let outcome = Outcome::ALL.into_iter().find(|outcome| Some(outcome.label()) == summary.outcome)?;
    let reason = summary.reason.as_deref().unwrap_or_default();
    if outcome == Outcome::Answered && reason.is_empty() {
        return None;
    }
    let told = if reason.is_empty() { outcome.label().replace('_', " ") } else { reason.to_owned() };
    let stage = stage(outcome, summary.direction, reason);
    Some(FailureReport { stage, reason: told, likely: likely(outcome, reason) })
}

fn stage(outcome: Outcome, direction: Direction, reason: &str) -> &'static str {
    match (outcome, direction) {
        (Outcome::AleError | Outcome::ReplayStore, Direction::Inbound)
        | (Outcome::ReplyRefused, Direction::Outbound) => "opening",
        (Outcome::AleError | Outcome::ReplayStore, Direction::Outbound)
        | (Outcome::ReplyRefused, Direction::Inbound)
        | (Outcome::NoKey, _) => "sealing",
        (Outcome::TimedOut, _) if reason.starts_with("the client") => "request",
        (
            Outcome::PeerError
            | Outcome::UpstreamRefused
            | Outcome::UpstreamBroke
            | Outcome::TimedOut
            | Outcome::ReplyBroken,
            _,
        ) => "upstream",
        (Outcome::TooLarge | Outcome::NoCapacity, _) if reason.contains("reply") => "upstream",
        (
            Outcome::Answered
            | Outcome::Framing
            | Outcome::NoRoute
            | Outcome::Origin
            | Outcome::TooLarge
            | Outcome::NoCapacity
            | Outcome::Overloaded
            | Outcome::ClientGone,
            _,
        ) => "request",
    }
}

fn likely(outcome: Outcome, reason: &str) -> &'static str {
    match outcome {
        Outcome::AleError => named(reason).map_or(FOR_NOTHING_KNOWN, of_envelope),
        Outcome::ReplyRefused => of_reply(reason),
        Outcome::Answered => "The session ended otherwise than by a close of either side.",
        Outcome::Framing => {
            "The head can be read in more than one way, as by two lengths or a raw byte in the target; look at how the \
             client writes it."
        }
        Outcome::NoRoute => "The path, the method or the host is none that the proxy's routes name.",
        Outcome::Origin => "The page's origin is not in `origins` of the proxy.",
        Outcome::PeerError => {
            "The other side did not take the sealed request, and said so in clear: it may not have this key, or expect \
             another profile."
        }
        Outcome::TooLarge => "A body or a head is longer than `max_body` or [proxy.limits] allow.",
        Outcome::UpstreamRefused => {
            "Nothing listens at the upstream's address, or it speaks TLS otherwise than expected; see that it runs, and on \
             which port."
        }
        Outcome::UpstreamBroke => {
            "The upstream closed the connection before it had answered: it may have crashed on this request, or speak \
             another protocol."
        }
        Outcome::NoCapacity => "Too many bytes are held at once; bodies that are held need room.",
        Outcome::Overloaded => "As many requests or WebSockets are under way as [proxy.limits] allow.",
        Outcome::NoKey => "No key of the ring is in its window and may seal; look at the keys.",
        Outcome::ReplayStore => {
            "The replay store cannot be reached, and the configuration says that it must be."
        }
        Outcome::TimedOut if reason.starts_with("the client") => {
            "The client promised a longer body than it sent, or is slow."
        }
        Outcome::TimedOut => {
            "The upstream took longer than `timeouts` allow; it may wait for something itself."
        }
        Outcome::ClientGone => {
            "The client closed the connection before all of it was over; it may have a shorter time-out."
        }
        Outcome::ReplyBroken => "The upstream's connection broke in the middle of its reply.",
    }
}

const FOR_NOTHING_KNOWN: &str = "The envelope is not as the profile has it.";

/// The reason that stands as a word of its own in what was told.
fn named(reason: &str) -> Option<AleReason> {
    let words: Vec<_> = reason.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).collect();
    AleReason::ALL.into_iter().find(|known| words.contains(&known.label()))
}

fn of_reply(reason: &str) -> &'static str {
    if let Some(reason) = named(reason) {
        return of_envelope(reason);
    }
    let texts = [
        ("not authentic", of_envelope(AleReason::NotAuthentic)),
        (
            "another key",
            "The other side answered with another key than the request's; a reply must be sealed with the same.",
        ),
        ("iv of the request", "The other side used the request's IV again; each message needs a fresh one."),
        ("opened before", of_envelope(AleReason::Replayed)),
        (
            "not sealed",
            "The other side answered in clear; it may not seal its replies (`replies` says whether it must).",
        ),
        ("has no body", "The other side put the headers of a sealed message on a reply that has no body."),
        (
            "event stream",
            "Under GCM nothing can be handed on before its end; a key under CTR or a WebSocket carries events.",
        ),
    ];
    let known = texts.into_iter().find(|(text, _)| reason.contains(text));
    known.map_or("The reply is not as the profile has it.", |(_, likely)| likely)
}

fn of_envelope(reason: AleReason) -> &'static str {
    match reason {
        AleReason::MissingIv => {
            "No header bears the IV: the client does not seal, sends it under another name, or something on the way \
             removed it."
        }
        AleReason::BadIv => {
            "The IV is not standard base64 with padding of 12 or 16 random bytes (16 under CFB and CTR), or there are two."
        }
        AleReason::MissingFingerprint => {
            "No header names the key: the client sends it under another name, or something on the way removed it."
        }
        AleReason::BadFingerprint => {
            "The fingerprint is empty, too long, there twice, or has characters that are not visible ASCII."
        }
        AleReason::MissingRequiredHeader => "A header of `required_headers` is absent.",
        AleReason::UnknownFingerprint => {
            "No key here has this fingerprint: the client has a newer or another key file, or writes the name otherwise."
        }
        AleReason::Expired => {
            "The key's window is over: the client has not taken the new key yet, or a clock is wrong."
        }
        AleReason::NotYetValid => {
            "The key's window has not begun: the client uses a new key too early, or a clock is wrong."
        }
        AleReason::NotAuthentic => {
            "The tag does not verify: another key under this fingerprint, another IV than the header says, a body that was \
             changed, or a tag that stands elsewhere."
        }
        AleReason::ConflictingEncoding => {
            "A sealed body bears content-encoding in clear besides the one that was sealed: something on the way \
             compressed it."
        }
        AleReason::ConflictingCarriers => {
            "IV or fingerprint stand in more than one place, such as headers and query."
        }
        AleReason::BadEnvelope => {
            "The message of the WebSocket is no JSON object with IV, fingerprint and ciphertext."
        }
        AleReason::MissingMessage => "The message of the WebSocket has an envelope, but no ciphertext in it.",
        AleReason::BadMessage => "The ciphertext of the message is not standard base64 with padding.",
        AleReason::Reflected => {
            "It bears an IV that was used to seal here: something sends back what it got."
        }
        AleReason::Replayed => {
            "The same message was opened before: a client that tries again must seal anew."
        }
        AleReason::OtherAlgorithm => "The key has another algorithm than the profile asks for.",
        AleReason::MissingTag => {
            "There is no tag where the profile has it; it may stand elsewhere, or be missing."
        }
        AleReason::BadTag => "The tag is there twice, or not in the profile's encoding.",
        AleReason::UnsupportedBody => {
            "The content type is not one of the profile's, or the body is not what it says."
        }
        AleReason::MissingValue => "A value that the profile has sealed is not there.",
        AleReason::EmptyValue => "A value that the profile has sealed is empty.",
        AleReason::BadValue => "A value is no sealed text, or not one that may stand in its place.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_found_where_it_stands_as_a_word() {
        assert_eq!(named("errorCode 2: not_authentic"), Some(AleReason::NotAuthentic));
        assert_eq!(named("errorCode 1: missing_iv at header:sec-iv"), Some(AleReason::MissingIv));
        assert_eq!(named("the unexpired one"), None);
    }

    #[test]
    fn every_reason_of_a_reply_that_is_not_believed_has_words_of_its_own() {
        use crate::ale::ReplyFault::*;
        for fault in [
            EnvelopeWithoutBody,
            Headers(AleReason::BadIv),
            NotAuthentic,
            OtherKey,
            Reflected,
            Replayed,
            Unsealed,
        ] {
            let told = format!("the reply is not believed: {fault}");
            assert_ne!(of_reply(&told), of_reply(""), "{told}");
        }
    }
}
