//! One request on one connection.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::FetchFault;
use super::answer::{Expected, Step};
use crate::net::UpstreamStream;

/// A head of an answer that is twice as long is too long for certain, and a piece of a body is never longer.
const MAX_BUFFER: usize = 64 * 1024;
/// For the words with which a connection ends.
const PARTING: Duration = Duration::from_secs(1);

/// Sends `request` and takes the answer as `expected` says. The connection lives in this future, and goes with it.
pub(super) async fn exchange(
    stream: UpstreamStream,
    request: Request<Empty<Bytes>>,
    expected: &Expected<'_>,
) -> Result<Step, FetchFault> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_BUFFER);
    let shaken = builder.handshake(TokioIo::new(stream)).await.map_err(FetchFault::from_hyper)?;
    let (mut sender, connection) = shaken;
    let mut connection = pin!(connection);
    let mut asking = pin!(async {
        let response = sender.send_request(request).await.map_err(FetchFault::from_hyper)?;
        expected.take(response).await
    });
    let step = tokio::select! {
        biased;
        step = &mut asking => step?,
        // What it has read is still to be taken, or it tells why there is nothing.
        _ended = &mut connection => return asking.await,
    };
    // The other side is told that this is the end, if it still listens. The answer is whole either way.
    let _ended = timeout(PARTING, connection).await;
    Ok(step)
}
