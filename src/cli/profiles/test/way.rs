//! One request, opened or sealed as its profile says.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use http::request::Parts;
use jiff::Timestamp;

use super::choice::Chosen;
use super::http_file::Sample;
use super::show::{self, Named};
use crate::ale::{self, PlainBody, Refusal, WholeFault};
use crate::crypto::MessageTooLong;
use crate::keys::{Fingerprint, Key};
use crate::profile::{Profile, StreamProfile};

/// What became of a request.
pub(super) enum Came {
    Opened { head: Parts, body: PlainBody, key: Fingerprint },
    Refused(WholeFault),
    Sealed { head: Parts, body: Vec<u8>, key: Fingerprint, again: Again },
}

/// What came of opening a sealed request again.
pub(super) enum Again {
    /// The same, but for how these headers are.
    Same { but_for: Vec<String> },
    /// Something else.
    Other(Vec<String>),
    /// Nothing.
    Refused(WholeFault),
}

impl Again {
    pub(super) fn is_same(&self) -> bool {
        matches!(self, Self::Same { .. })
    }

    fn of(before: &Sample, opened: Came) -> Self {
        let (head, body) = match opened {
            Came::Opened { head, body, .. } => (head, body),
            Came::Refused(fault) => return Self::Refused(fault),
            Came::Sealed { .. } => return Self::Other(Vec::new()),
        };
        let is_header = |named: &Named| named.name.starts_with("header:");
        let (plain_headers, plain): (Vec<_>, Vec<_>) =
            show::values(&before.head, &before.body).into_iter().partition(is_header);
        let (headers, values): (Vec<_>, Vec<_>) = show::values(&head, &body).into_iter().partition(is_header);
        // A body that was no form may be said to be one now, or the other way round, and is the same all the same.
        let is_same = before.head.method == head.method
            && before.head.uri.path() == head.uri.path()
            && (plain == values || (before.body == *body && before.head.uri == head.uri));
        if is_same {
            Self::Same { but_for: show::changes(&plain_headers, &headers) }
        } else {
            Self::Other(show::changes(&plain, &values))
        }
    }
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { but_for } if but_for.is_empty() => f.write_str("opens again to the same request"),
            Self::Same { but_for } => {
                write!(f, "opens again to the same request, but for {}", but_for.join(", "))
            }
            Self::Other(changes) => write!(f, "opens again to ANOTHER request: {}", changes.join(", ")),
            Self::Refused(fault) => write!(f, "DOES NOT OPEN again: {fault}"),
        }
    }
}

/// Why nothing can be sealed at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum WayFault {
    #[error("no key of the profile's algorithm is valid for sealing now")]
    NoSealingKey,
    #[error(
        "the profile {0} puts several values or messages under one iv, and whoever sees them learns what they have in \
         common; write danger_static_iv = true if the vendor wants it so"
    )]
    SharesIv(String),
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}

/// Opens a request as an inbound proxy does.
pub(super) fn open(chosen: &Chosen<'_>, sample: &Sample, now: Timestamp) -> Came {
    open_parts(chosen, sample.head.clone(), &sample.body, now).unwrap_or_else(Came::Refused)
}

fn open_parts(chosen: &Chosen<'_>, mut head: Parts, body: &[u8], now: Timestamp) -> Result<Came, WholeFault> {
    match chosen.profile {
        Profile::Whole(profile) => {
            let opened = ale::open_whole(profile, &mut head, body, chosen.ring, now)?;
            let key = opened.reply.key().fingerprint.clone();
            Ok(Came::Opened { head, body: opened.body, key })
        }
        Profile::Stream(profile) => Ok(open_stream(profile, chosen, head, body, now)?),
    }
}

fn open_stream(
    profile: &Arc<StreamProfile>,
    chosen: &Chosen<'_>,
    mut head: Parts,
    body: &[u8],
    now: Timestamp,
) -> Result<Came, Refusal> {
    let mut opening = ale::open_request(profile, &mut head, chosen.ring, now)?;
    let mut plain = BytesMut::with_capacity(body.len());
    opening.body.update(body, &mut plain)?;
    opening.body.finish()?;
    let key = opening.reply.key().fingerprint.clone();
    Ok(Came::Opened { head, body: PlainBody::new(plain.to_vec()), key })
}

/// Seals a request as an outbound proxy does, and opens it again.
pub(super) fn seal(chosen: &Chosen<'_>, sample: &Sample, now: Timestamp) -> Result<Came, WayFault> {
    let mut head = sample.head.clone();
    let key = sealing_key(chosen, now)?;
    let body = match chosen.profile {
        Profile::Whole(profile) if !profile.may_seal() => {
            return Err(WayFault::SharesIv(profile.name.to_string()));
        }
        Profile::Whole(profile) => {
            match ale::seal_whole(profile, &mut head, &sample.body, &key, now, &mut rand::rng()) {
                Ok(sealed) => sealed.body,
                Err(fault) => return Ok(Came::Refused(fault)),
            }
        }
        Profile::Stream(profile) => {
            let has_body = !sample.body.is_empty();
            let sealing = ale::seal_request(profile, &mut head, has_body, &key, now, &mut rand::rng());
            let mut sealed = BytesMut::new();
            if let Some(mut sealer) = sealing.body {
                sealer.update(&sample.body, &mut sealed)?;
                sealer.finish(&mut sealed);
            }
            sealed.to_vec()
        }
    };
    let opened = open_parts(chosen, head.clone(), &body, now).unwrap_or_else(Came::Refused);
    Ok(Came::Sealed { head, body, key: key.fingerprint.clone(), again: Again::of(sample, opened) })
}

fn sealing_key(chosen: &Chosen<'_>, now: Timestamp) -> Result<Arc<Key>, WayFault> {
    let key = match chosen.profile {
        Profile::Whole(profile) => ale::whole_sealing_key(profile, chosen.ring, now),
        Profile::Stream(profile) => {
            let key = chosen.ring.sealing_key(now);
            key.filter(|key| profile.takes(key.secret.algorithm())).cloned()
        }
    };
    key.ok_or(WayFault::NoSealingKey)
}
