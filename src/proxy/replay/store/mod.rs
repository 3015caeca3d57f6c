//! What several sidecars remember together, in a Redis or a Valkey.
//!
//! A client of our own: one command is all that is asked of it, on one connection for each worker that is made when it is
//! first needed and again when it broke.

mod connect;
mod link;
mod resp;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{ReplayConfig, StoreConfig, StoreFailure};
use crate::ale::Receipt;

/// The store as one worker asks it.
#[derive(Clone)]
pub(super) struct Store {
    config: Arc<StoreConfig>,
    health: Arc<Health>,
    /// With which each key begins.
    prefix: Arc<str>,
    /// How long a key stays, in milliseconds.
    lasts: Arc<str>,
    link: Arc<Mutex<Option<mpsc::UnboundedSender<Ask>>>>,
}

/// What the store says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is the first, and is remembered now.
    First,
    /// Somebody has opened it before.
    Known,
}

/// No answer came, or not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// Whether the store answers, as far as the log was told; all workers of a proxy share it.
pub(super) struct Health {
    proxy: Arc<str>,
    is_lost: AtomicBool,
}

impl Health {
    pub(super) fn of(proxy: &Arc<str>) -> Arc<Self> {
        Arc::new(Self { proxy: Arc::clone(proxy), is_lost: AtomicBool::new(false) })
    }

    fn answers(&self) {
        if self.is_lost.swap(false, Ordering::Relaxed) {
            tracing::info!(proxy = &*self.proxy, "the replay store answers again");
        }
    }

    fn is_lost(&self, fault: &connect::StoreFault) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(proxy = &*self.proxy, "the replay store is not reachable: {fault}");
        }
    }
}

/// One question under way.
struct Ask {
    key: String,
    answer: oneshot::Sender<Told>,
    /// The message goes on without the answer, so whatever comes of it counts.
    stands: Arc<AtomicBool>,
}

impl Store {
    /// The store of `proxy`; nothing is connected yet. `None` if it has none.
    pub(super) fn of(health: Arc<Health>, config: &ReplayConfig) -> Option<Self> {
        let store = config.store.clone()?;
        let proxy = &health.proxy;
        Some(Self {
            prefix: format!("alewife:replay:{proxy}:").into(),
            lasts: config.window.as_millis().max(1).to_string().into(),
            link: Arc::default(),
            config: Arc::new(store),
            health,
        })
    }

    /// What holds when it does not answer.
    pub(super) fn failure(&self) -> StoreFailure {
        self.config.failure
    }

    /// Asks whether a message is the first, and has it remembered if so. Where the answer is not waited for, it is as if
    /// nothing had been asked, unless the store fails open: the message has gone on then.
    pub(super) async fn ask(&self, receipt: &Receipt) -> Result<Told, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let stands = Arc::new(AtomicBool::new(false));
        let key = format!("{}{}", self.prefix, digest_of(receipt));
        self.send(Ask { key, answer, stands: Arc::clone(&stands) });
        let told = timeout(self.config.timeout, answered).await;
        told.ok().and_then(Result::ok).ok_or_else(|| {
            stands.store(self.config.failure == StoreFailure::Open, Ordering::Relaxed);
            NoAnswer
        })
    }

    /// Hands a question to the task that has the connection, which is begun on this worker if there is none.
    fn send(&self, ask: Ask) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = match &*link {
            Some(asks) => match asks.send(ask) {
                Ok(()) => return,
                Err(unsent) => unsent.0,
            },
            None => ask,
        };
        let (asks, asked) = mpsc::unbounded_channel();
        // It does not hold on to the way by which it is asked, or it would never end.
        tokio::spawn(link::run(Self { link: Arc::default(), ..self.clone() }, asked));
        let _ = asks.send(ask);
        *link = Some(asks);
    }
}

/// Stands for fingerprint and IV in the store, and gives neither away.
fn digest_of(receipt: &Receipt) -> String {
    let (fingerprint, iv) = (receipt.key.fingerprint.as_str().as_bytes(), receipt.iv.as_bytes());
    // A fingerprint has 255 bytes at most (P2), so no two pairs give one text.
    let pair = [&[fingerprint.len() as u8], fingerprint, iv].concat();
    const_hex::encode(digest(&SHA256, &pair))
}

#[cfg(test)]
mod tests;
