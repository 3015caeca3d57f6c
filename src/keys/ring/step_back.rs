//! When a new ring may not replace the one in force: what a portal answers after a slip, or restored from a backup.

use std::time::Duration;

use jiff::Timestamp;

use super::KeyRing;
use crate::keys::{Fingerprint, Key};

impl KeyRing {
    /// Why `next` may not replace this ring; `None` where it may.
    ///
    /// A ring that has keys is never emptied, and the key that seals now may only go if one takes its place that began no
    /// earlier, or that this ring does not have yet and of which nobody says when it began.
    pub fn refuses(&self, next: &Self, now: Timestamp) -> Option<StepBack> {
        if next.is_empty() && !self.is_empty() {
            return Some(StepBack::NoKeys);
        }
        let lost = self.sealing_key(now)?;
        let stays = |key: &Key| key.is_same(lost) && key.validity.contains(now, Duration::ZERO);
        if next.key(lost.fingerprint.as_str()).is_some_and(|key| stays(key)) {
            return None;
        }
        let fingerprint = lost.fingerprint.clone();
        let Some(successor) = next.sealing_key(now) else {
            return Some(StepBack::NoSealingKey { lost: fingerprint });
        };
        let is_known = self.key(successor.fingerprint.as_str()).is_some_and(|known| known.is_same(successor));
        // A backup may be from before anything that this ring has, so that only the start tells it. No start is earlier
        // than any, but of a key that was never seen it says nothing.
        let tells_its_age = is_known || successor.validity.after.is_some();
        let is_older = tells_its_age && successor.validity.after < lost.validity.after;
        is_older.then(|| StepBack::Older { lost: fingerprint, successor: successor.fingerprint.clone() })
    }
}

/// Why a ring may not replace the one in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepBack {
    /// It has no key at all.
    #[error("the new keys are none at all; have the source give its keys again")]
    NoKeys,
    /// It drops the key that seals now, and none of its keys may seal now.
    #[error(
        "the new keys lack {lost}, which seals now, and none of them may seal in its place; give the source a key that \
         is valid now, or {lost} back"
    )]
    NoSealingKey {
        /// The key that seals now.
        lost: Fingerprint,
    },
    /// It drops the key that seals now, and an older one would take over.
    #[error(
        "the new keys lack {lost}, which seals now, and {successor}, which is older, would take over, as after a \
         backup was restored; give the source {lost} back, or a newer key"
    )]
    Older {
        /// The key that seals now.
        lost: Fingerprint,
        /// The key that would seal.
        successor: Fingerprint,
    },
}
