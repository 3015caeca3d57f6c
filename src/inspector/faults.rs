//! Faults on demand.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::answer::{Fault, Reply, json};
use super::state::Serving;
use crate::capture::{self, Event};

/// Exchanges that one order may spoil.
const MOST: u32 = 10_000;

/// The longest delay, in milliseconds.
const LONGEST_DELAY: u64 = 600_000;

#[derive(Serialize)]
struct FaultsReport {
    faults: Vec<Planned>,
    kinds: Vec<Kind>,
}

#[derive(Serialize)]
struct Planned {
    kind: &'static str,
    left: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
}

#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    title: &'static str,
    does: &'static str,
}

/// What is ordered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    kind: String,
    count: u32,
    #[serde(default)]
    ms: Option<u64>,
}

pub(super) fn list(serving: &Serving) -> Reply {
    let planned = serving.capture().faults.planned().into_iter().map(|planned| Planned {
        kind: planned.fault.label(),
        left: planned.left,
        ms: match planned.fault {
            capture::Fault::Delay(by) => u64::try_from(by.as_millis()).ok(),
            _ => None,
        },
    });
    let kinds = capture::Fault::ALL.into_iter().map(kind).collect();
    json(StatusCode::OK, &FaultsReport { faults: planned.collect(), kinds })
}

pub(super) fn plan(serving: &Serving, order: &Order) -> Result<Reply, Fault> {
    let known = capture::Fault::ALL.into_iter().find(|fault| fault.label() == order.kind);
    let fault = match (known, order.ms) {
        (None, _) => return Err(Fault::bad("no kind of fault has this name")),
        (Some(capture::Fault::Delay(_)), Some(ms @ 1..=LONGEST_DELAY)) => {
            capture::Fault::Delay(Duration::from_millis(ms))
        }
        (Some(capture::Fault::Delay(_)), _) => {
            return Err(Fault::bad(format!("a delay needs ms from 1 to {LONGEST_DELAY}")));
        }
        (Some(_), Some(_)) => return Err(Fault::bad("only a delay has ms")),
        (Some(fault), None) => fault,
    };
    if !(1..=MOST).contains(&order.count) {
        return Err(Fault::bad(format!("count must be from 1 to {MOST}")));
    }
    serving.capture().faults.plan(fault, order.count);
    serving.capture().tell(Event::Faults);
    Ok(list(serving))
}

pub(super) fn clear(serving: &Serving) {
    serving.capture().faults.clear();
    serving.capture().tell(Event::Faults);
}

fn kind(fault: capture::Fault) -> Kind {
    let (title, does) = match fault {
        capture::Fault::WrongTag => {
            ("Wrong tag", "The last byte of the sealed reply is changed, so that its tag does not verify.")
        }
        capture::Fault::UnknownFingerprint => {
            ("Unknown fingerprint", "The request is refused as if no key had its fingerprint.")
        }
        capture::Fault::ExpiredKey => {
            ("Expired key", "The request is refused as if its key were past its time.")
        }
        capture::Fault::TruncatedBody => {
            ("Truncated body", "The reply breaks off in the middle of its body.")
        }
        capture::Fault::Delay(_) => ("Delay", "The reply begins later by so many milliseconds."),
        capture::Fault::DropReply => ("Dropped reply", "The connection ends without a reply."),
        capture::Fault::ErrorCode1 => {
            ("errorCode 1", "The request is refused with errorCode 1, incorrect security headers.")
        }
        capture::Fault::ErrorCode2 => {
            ("errorCode 2", "The request is refused with errorCode 2, unable to decrypt.")
        }
    };
    Kind { kind: fault.label(), title, does }
}
