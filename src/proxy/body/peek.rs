//! Looking into a short body in clear before it is passed on or given up.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::arriving::Arriving;
use super::hold::HoldFault;

/// The errors of the protocol are far shorter; what is longer is none.
const LONGEST: usize = 16 * 1024;

/// What has been read of a body, and whether there is more.
pub(crate) struct Peeked {
    pub(crate) pieces: VecDeque<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether that is all of it.
    pub(crate) whole: bool,
}

impl Peeked {
    /// The whole body in one piece, if it has been read to its end.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        self.whole.then(|| self.pieces.iter().flatten().copied().collect())
    }
}

/// Reads on until `body` ends or is too long to be an error of the protocol. `progress` is the time between two pieces.
pub(crate) async fn peek<F>(body: &mut Arriving, progress: Duration) -> Result<Peeked, HoldFault<F>> {
    let mut peeked = Peeked { pieces: VecDeque::new(), trailers: None, whole: false };
    let mut length = 0;
    while length <= LONGEST {
        let frame = match timeout(progress, body.frame()).await {
            Err(_elapsed) => return Err(HoldFault::TimedOut),
            Ok(None) => {
                peeked.whole = true;
                break;
            }
            Ok(Some(frame)) => frame.map_err(HoldFault::Broke)?,
        };
        match frame.into_data() {
            Ok(piece) => {
                length += piece.len();
                peeked.pieces.push_back(piece);
            }
            Err(frame) => peeked.trailers = frame.into_trailers().ok(),
        }
    }
    Ok(peeked)
}
