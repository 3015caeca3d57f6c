//! What goes along with an exchange and notes what passes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use jiff::Timestamp;

use super::body::{Body, Head, Message, fields};
use super::exchange::{Begun, Captured, Direction, Kind, Names, Stages, Summary};
use super::store::{Capture, Event, Kept};
use super::{Fault, Half, Side};
use crate::keys::Key;

/// Notes what passes, if it is to be kept; a clone is for the same exchange.
#[derive(Clone, Default)]
pub(crate) struct Tap(Option<Arc<Noting>>);

struct Noting {
    capture: Arc<Capture>,
    kept: Arc<Kept>,
    direction: Direction,
    fault: Option<Fault>,
}

impl Tap {
    /// Keeps an exchange that begins, if there is anything to keep it in.
    pub(crate) fn begin<'a>(capture: Option<&Arc<Capture>>, begun: impl FnOnce() -> Begun<'a>) -> Self {
        Self(capture.map(|capture| Arc::new(Noting::begin(capture, &begun()))))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What is to be done to the exchange on purpose.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.0.as_ref()?.fault
    }

    /// The headers of its envelope.
    pub(crate) fn names(&self, names: impl FnOnce() -> Option<Names>) {
        if let Some(noting) = &self.0 {
            noting.kept.lock().names = names();
        }
    }

    pub(crate) fn request_head<B>(&self, side: Side, request: &Request<B>) {
        if let Some(noting) = &self.0 {
            let (method, uri) = (request.method(), request.uri());
            noting.head(
                Half::Request,
                side,
                Head::of_request(method, uri, request.version(), request.headers()),
            );
        }
    }

    pub(crate) fn reply_head<B>(&self, side: Side, reply: &Response<B>) {
        if let Some(noting) = &self.0 {
            noting.head(Half::Reply, side, Head::of_reply(reply));
        }
    }

    pub(crate) fn piece(&self, half: Half, side: Side, piece: &[u8]) {
        if let Some(noting) = &self.0 {
            noting.piece(half, side, piece);
        }
    }

    /// A frame of a body.
    pub(crate) fn frame(&self, half: Half, side: Side, frame: &Frame<Bytes>) {
        if !self.is_on() {
            return;
        }
        if let Some(piece) = frame.data_ref() {
            self.piece(half, side, piece);
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers(half, side, trailers);
        }
    }

    pub(crate) fn trailers(&self, half: Half, side: Side, trailers: &HeaderMap) {
        if let Some(noting) = &self.0
            && let Some(head) = noting.kept.lock().head_mut(half, side)
        {
            head.trailers = fields(trailers);
        }
    }

    pub(crate) fn keyed(&self, key: &Key) {
        if let Some(noting) = &self.0 {
            noting.keyed(key);
        }
    }

    /// A WebSocket was agreed on; the exchange goes on until its session ends.
    pub(crate) fn switches(&self) {
        if let Some(noting) = &self.0 {
            noting.change(|captured| captured.summary.kind = Kind::WebSocket);
        }
    }

    /// As much of `bytes` as is kept of a message, if anything is.
    pub(crate) fn cut(&self, bytes: &[u8]) -> Option<Body> {
        self.0.as_ref().map(|noting| Body::of(bytes, noting.capture.limits().body))
    }

    /// What became of a message of a WebSocket.
    pub(crate) fn message(&self, message: impl FnOnce(&dyn Fn(&[u8]) -> Body) -> Message) {
        if let Some(noting) = &self.0 {
            let most = noting.capture.limits().body;
            noting.message(message(&|bytes| Body::of(bytes, most)));
        }
    }

    /// The exchange has ended, or the session that it became. The first end counts.
    pub(crate) fn ended(&self, ended: impl FnOnce(&mut Summary, &mut Stages)) {
        if let Some(noting) = &self.0 {
            noting.change(|captured| {
                if !captured.summary.done {
                    ended(&mut captured.summary, &mut captured.stages);
                }
            });
        }
    }

    /// Its session has ended.
    pub(crate) fn session_ended(&self, lasted: Duration, reason: Option<&str>) {
        if let Some(noting) = &self.0 {
            noting.change(|captured| {
                let summary = &mut captured.summary;
                summary.done = true;
                summary.duration = Some(lasted);
                summary.reason = reason.map(str::to_owned).or(summary.reason.take());
            });
        }
    }
}

impl Noting {
    fn begin(capture: &Arc<Capture>, begun: &Begun<'_>) -> Self {
        let Begun { proxy, direction, peer, head, request_id } = *begun;
        let fault = capture.faults.take();
        if fault.is_some() {
            capture.tell(Event::Faults);
        }
        let kept = capture.begin(|id| {
            let summary = Summary {
                id,
                kind: Kind::Http,
                started: Timestamp::now(),
                proxy: Arc::clone(proxy),
                direction,
                peer: peer.to_string(),
                method: head.method.to_string(),
                target: head.uri.to_string(),
                done: false,
                status: None,
                outcome: None,
                reason: None,
                key: None,
                algorithm: None,
                authenticated: false,
                request_bytes: 0,
                reply_bytes: 0,
                duration: None,
                request_id: request_id.to_owned(),
                repeats: None,
                fault,
            };
            Captured::new(summary, None)
        });
        let noting = Self { capture: Arc::clone(capture), kept, direction, fault };
        noting.head(
            Half::Request,
            Side::Client,
            Head::of_request(&head.method, &head.uri, head.version, &head.headers),
        );
        noting
    }

    fn head(&self, half: Half, side: Side, head: Head) {
        self.capture.grows(&self.kept, head.size());
        *self.kept.lock().head_mut(half, side) = Some(head);
    }

    fn piece(&self, half: Half, side: Side, piece: &[u8]) {
        // What was forgotten takes no memory.
        if !self.capture.keeps(&self.kept) {
            return;
        }
        let most = self.capture.limits().body;
        let mut captured = self.kept.lock();
        let kept = captured.body_mut(half, side).append(piece, most);
        if side == self.direction.plain() {
            let summary = &mut captured.summary;
            let bytes = match half {
                Half::Request => &mut summary.request_bytes,
                Half::Reply => &mut summary.reply_bytes,
            };
            *bytes += piece.len() as u64;
        }
        drop(captured);
        if kept > 0 {
            self.capture.grows(&self.kept, kept);
        }
    }

    fn keyed(&self, key: &Key) {
        let algorithm = key.secret.algorithm();
        let mut captured = self.kept.lock();
        captured.summary.key = Some(key.fingerprint.as_str().to_owned());
        captured.summary.algorithm = Some(algorithm.to_string());
        captured.summary.authenticated = algorithm.is_authenticated();
    }

    fn message(&self, message: Message) {
        if !self.capture.keeps(&self.kept) {
            return;
        }
        self.capture.grows(&self.kept, message.size());
        let mut captured = self.kept.lock();
        let length = |body: &Option<Body>| body.as_ref().map_or(0, |body| body.length);
        let bytes = length(&message.plain);
        match message.to_server {
            true => captured.summary.request_bytes += bytes,
            false => captured.summary.reply_bytes += bytes,
        }
        captured.messages.push(message);
        let index = captured.messages.len() - 1;
        drop(captured);
        self.capture.tell(Event::Message { id: self.kept.id, index });
    }

    fn change(&self, change: impl FnOnce(&mut Captured)) {
        let mut captured = self.kept.lock();
        change(&mut captured);
        let summary = captured.summary.clone();
        drop(captured);
        if self.capture.keeps(&self.kept) {
            self.capture.tell(Event::Exchange(Box::new(summary)));
        }
    }
}
