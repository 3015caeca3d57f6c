//! Faults that are made on purpose, to see how a client takes them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is done to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The tag of the message that comes back is wrong.
    WrongTag,
    /// The key of the request counts as unknown.
    UnknownFingerprint,
    /// The key of the request counts as past its time.
    ExpiredKey,
    /// The body that comes back breaks off in the middle.
    TruncatedBody,
    /// The reply begins later by so much.
    Delay(Duration),
    /// There is no reply: the connection ends.
    DropReply,
    /// Refused with errorCode 1.
    ErrorCode1,
    /// Refused with errorCode 2.
    ErrorCode2,
}

impl Fault {
    /// Every kind, a delay of nothing among them.
    pub const ALL: [Self; 8] = [
        Self::WrongTag,
        Self::UnknownFingerprint,
        Self::ExpiredKey,
        Self::TruncatedBody,
        Self::Delay(Duration::ZERO),
        Self::DropReply,
        Self::ErrorCode1,
        Self::ErrorCode2,
    ];

    /// What it is called.
    pub const fn label(self) -> &'static str {
        match self {
            Self::WrongTag => "wrong_tag",
            Self::UnknownFingerprint => "unknown_fingerprint",
            Self::ExpiredKey => "expired_key",
            Self::TruncatedBody => "truncated_body",
            Self::Delay(_) => "delay",
            Self::DropReply => "drop_reply",
            Self::ErrorCode1 => "error_code_1",
            Self::ErrorCode2 => "error_code_2",
        }
    }
}

/// A fault for exchanges to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// Which.
    pub fault: Fault,
    /// For how many exchanges still.
    pub left: u32,
}

/// What is planned, in its order: each exchange gets the first.
#[derive(Debug, Default)]
pub struct FaultPlan(Mutex<Vec<PlannedFault>>);

impl FaultPlan {
    /// Plans a fault for the next `count` exchanges, after those that are planned already.
    pub fn plan(&self, fault: Fault, count: u32) {
        if count > 0 {
            self.lock().push(PlannedFault { fault, left: count });
        }
    }

    /// Plans nothing any more.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What is planned.
    pub fn planned(&self) -> Vec<PlannedFault> {
        self.lock().clone()
    }

    /// That of the next exchange.
    pub(super) fn take(&self) -> Option<Fault> {
        let mut planned = self.lock();
        let first = planned.first_mut()?;
        let fault = first.fault;
        first.left -= 1;
        if first.left == 0 {
            planned.remove(0);
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PlannedFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
