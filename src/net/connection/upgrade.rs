//! A connection on which a client asked for another protocol (RFC 9110 §7.8).

use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// How long a connection that is closed may be read on; see [`super::Activity`].
const CLOSING: Duration = Duration::from_secs(2);

/// A stream that bears another protocol than HTTP now.
pub type UpgradedStream = TokioIo<Upgraded>;

/// What a request with `upgrade` makes of its connection once HTTP has ended there.
///
/// hyper does not close such a connection by itself, whether the upgrade was granted or not: it must be kept and asked
/// for when [`serve_connection`](super::serve_connection) has ended.
#[must_use = "the connection is closed without patience when this is dropped"]
pub struct Upgrade(OnUpgrade);

impl Upgrade {
    /// Takes it out of `request`; `None` for one that asks for no upgrade.
    pub fn asked_by(request: &mut Request<Incoming>) -> Option<Self> {
        request.headers().contains_key(UPGRADE).then(|| Self(hyper::upgrade::on(request)))
    }

    /// The same of an upstream's connection: `reply` is its 101.
    pub fn granted_by<B>(reply: &mut Response<B>) -> Self {
        Self(hyper::upgrade::on(reply))
    }

    /// The upgrade was granted, and HTTP has ended: the stream, unless the connection is gone altogether.
    pub async fn granted(self) -> Option<UpgradedStream> {
        self.0.await.ok().map(TokioIo::new)
    }

    /// The upgrade was not granted, and HTTP has ended: closes the connection as any other.
    pub async fn refused(self) {
        if let Some(mut stream) = self.granted().await {
            let _ = timeout(CLOSING, stream.shutdown()).await;
        }
    }
}
