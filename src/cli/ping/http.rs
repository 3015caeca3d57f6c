//! Echoes over HTTP.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rand::Rng;
use tokio::time::Instant;

use super::fault::PingFault;
use super::{Door, PAYLOAD, Times};
use crate::crypto::encoding::base64_decode;
use crate::proxy::{PING_PATH, PingReport};

/// An answer beyond this is no report.
const LARGEST_REPORT: usize = 64 * 1024;

/// One echo that came back.
pub(super) struct Echo {
    pub(super) report: PingReport,
    round_trip: Duration,
    /// The time here when the answer was there.
    at: Timestamp,
}

impl Echo {
    /// By how much the far clock is ahead, give or take half a round trip; `None` if it told no time.
    pub(super) fn clock(&self) -> Option<jiff::SignedDuration> {
        let far: Timestamp = self.report.time.parse().ok()?;
        let halfway = jiff::SignedDuration::try_from(self.round_trip / 2).ok()?;
        Some(far.duration_since(self.at.checked_sub(halfway).ok()?))
    }
}

/// Sends `count` echoes over one connection; the last that came back, too.
pub(super) async fn ask(door: &Door, count: NonZeroU16) -> (Result<Times, PingFault>, Option<Echo>) {
    let mut last = None;
    let mut times = Vec::new();
    let ended = async {
        let mut near = door.within(connect(door)).await?;
        for _ in 0..count.get() {
            let echo = door.within(ask_once(door, &mut near)).await?;
            times.push(echo.round_trip);
            last = Some(echo);
        }
        Ok(())
    }
    .await;
    (ended.map(|()| Times::of(times)), last)
}

async fn connect(door: &Door) -> Result<SendRequest<Full<Bytes>>, PingFault> {
    let stream = TokioIo::new(door.connect().await?);
    let (near, connection) = http1::handshake(stream).await.map_err(PingFault::NearBroke)?;
    // What goes wrong with the connection is told to the request.
    tokio::spawn(connection);
    Ok(near)
}

async fn ask_once(door: &Door, near: &mut SendRequest<Full<Bytes>>) -> Result<Echo, PingFault> {
    let mut payload = [0; PAYLOAD];
    rand::rng().fill_bytes(&mut payload);
    let request = request(door, &payload);
    near.ready().await.map_err(PingFault::NearBroke)?;
    let began = Instant::now();
    let (head, body) = near.send_request(request).await.map_err(PingFault::NearBroke)?.into_parts();
    let body = match Limited::new(body, LARGEST_REPORT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return Err(match error.downcast::<hyper::Error>() {
                Ok(broke) => PingFault::NearBroke(*broke),
                Err(_too_long) => PingFault::NotASidecar(head.status),
            });
        }
    };
    let (round_trip, at) = (began.elapsed(), Timestamp::now());
    let report = read(head.status, &body)?;
    match &report.echo {
        Some(echo) if base64_decode(echo.as_bytes()).as_deref() != Some(&payload) => {
            Err(PingFault::EchoDiffers)
        }
        _ => Ok(Echo { report, round_trip, at }),
    }
}

fn request(door: &Door, payload: &[u8]) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(payload)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(PING_PATH);
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(&door.host()) {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    request
}

fn read(status: StatusCode, body: &[u8]) -> Result<PingReport, PingFault> {
    let report = serde_json::from_slice(body).ok().filter(|_| status == StatusCode::OK);
    report.ok_or_else(|| PingFault::of_answer(status, body))
}
