//! The inbound way: a sealed request in, a plain one to the application, its reply sealed on the way back.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, GetAll, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;

use super::body::{HoldLimits, ReplyBody, RequestBody, Upload, UploadEnd, hold};
use super::carriers::{self, Carrier};
use super::exchange::{Exchange, Shared};
use super::forward::{self, Framing, ReplyFault};
use super::ping::{self, PingAnswer};
use super::respond::Failure;
use super::websocket::{AfterHttp, Handshake, Opening, Side};
use super::{InboundConfig, ProxyConfig, Timeouts};
use crate::ale::{self, BodyOpening, Opened, Refusal, ReplySealing, SealedReply};
use crate::keys::KeyStore;
use crate::metrics::{AleReason, Outcome};
use crate::net::{Activity, LazyTimer, Lease, PeerAccount, Pool, SendFault, SpareTimer, Upgrade};

/// Bytes of a refused body that are read away so that the connection can serve on.
const DISCARD_AT_MOST: usize = 1024 * 1024;

/// One proxy on one worker.
pub(crate) struct Inbound {
    config: Arc<ProxyConfig>,
    inbound: InboundConfig,
    keys: Arc<KeyStore>,
    pool: Arc<Pool<RequestBody>>,
    shared: Arc<Shared>,
    /// The host of requests that name none.
    upstream: HeaderValue,
}

/// What a request comes from.
pub(crate) struct Client {
    pub(crate) peer: IpAddr,
    /// The same, as `x-forwarded-for` has it.
    pub(crate) forwarded_for: HeaderValue,
    pub(crate) activity: Arc<Activity>,
    pub(crate) account: Arc<PeerAccount>,
    pub(crate) timer: SpareTimer,
    pub(crate) after_http: AfterHttp,
}

impl Inbound {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        inbound: InboundConfig,
        keys: Arc<KeyStore>,
        shared: Arc<Shared>,
    ) -> Self {
        let pool = Pool::new(&config.upstream.pool_settings(&config.timeouts), shared.metrics.clone());
        // RFC 9112 §3.2 asks for an empty value where there is no authority to name.
        let upstream =
            HeaderValue::from_str(&config.upstream.authority()).unwrap_or(HeaderValue::from_static(""));
        Self { config, inbound, keys, pool, shared, upstream }
    }

    /// Answers one request, come what may.
    pub(crate) async fn serve(
        self: Arc<Self>,
        client: Arc<Client>,
        mut request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Infallible> {
        let upgrade = Upgrade::asked_by(&mut request);
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::begin(&self.shared, &client.activity, &head, client.peer);
        let mut opening = None;
        let mut response = match self.exchange(&client, head, body, &mut exchange).await {
            Ok(Answer::Reply(reply)) => reply.finish(exchange),
            Ok(Answer::Switch(response, session)) => {
                opening = Some(session);
                switch(response, exchange)
            }
            Ok(Answer::Ping(answer)) => answer.finish(exchange),
            Err(failure) => refuse(failure, exchange),
        };
        if let Some(upgrade) = upgrade {
            client.after_http.leave(upgrade, opening);
        }
        let is_last = client.activity.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if is_last && response.version() < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        offer_keep_alive(&mut response);
        Ok(response)
    }

    async fn exchange(
        &self,
        client: &Client,
        mut head: Parts,
        body: Incoming,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let framing = forward::check_framing(&head)?;
        let handshake = Handshake::asked_by(&head, !body.is_end_stream())?;
        let takes_trailers = forward::strip_hop_by_hop(&mut head.headers);
        let is_ping = self.inbound.answer_ping && ping::is_asked_for(&head.uri);
        let (opening, sealing) = match self.open(&mut head, handshake.is_some(), is_ping) {
            Ok(opened) => opened,
            Err(failure) => {
                discard(body, &head, client);
                return Err(failure);
            }
        };
        exchange.keyed(sealing.key());
        if let Some(handshake) = handshake {
            return self.shake_hands(client, head, &handshake, sealing).await;
        }
        let method = head.method.clone();
        let (body, framing, upload) =
            self.open_body(body, opening, framing, head.version, client, exchange).await?;
        if is_ping {
            let upload = upload.as_deref();
            let answer = ping::answer(&self.config.name, method, body, upload, sealing, now()).await?;
            return Ok(Answer::Ping(answer));
        }
        let forwarded = self.config.forwarded;
        forward::to_application(&mut head, &client.forwarded_for, forwarded, takes_trailers, &self.upstream)?;
        framing.write(&mut head.headers);
        let request = Request::from_parts(head, body);
        let (response, lease) = self.send(request, upload.as_deref(), &client.timer).await?;
        forward::check_reply(response.status(), response.headers())?;
        Ok(Answer::Reply(Reply { response, lease, sealing, method }))
    }

    /// P7: asks the application for a WebSocket.
    async fn shake_hands(
        &self,
        client: &Client,
        mut head: Parts,
        handshake: &Handshake,
        sealing: ReplySealing,
    ) -> Result<Answer, Failure> {
        let path = head.uri.path().into();
        let forwarded = self.config.forwarded;
        forward::to_application(&mut head, &client.forwarded_for, forwarded, false, &self.upstream)?;
        Framing::Unstated.write(&mut head.headers);
        Handshake::ask(&mut head.headers);
        let request = Request::from_parts(head, RequestBody::Empty);
        let sent = self.in_time(self.pool.upgrade(request), None, &client.timer);
        let (mut response, lease) = sent.await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            forward::check_reply(response.status(), response.headers())?;
            return Ok(Answer::Reply(Reply { response, lease, sealing, method: Method::GET }));
        }
        handshake.check(response.headers()).map_err(ReplyFault::from)?;
        let opening = Opening {
            config: Arc::clone(&self.config),
            shared: Arc::clone(&self.shared),
            keys: Arc::clone(&self.keys),
            peer: client.peer,
            account: Arc::clone(&client.account),
            path,
            key: Arc::clone(sealing.key()),
            sealed: Side::Client,
            server: Upgrade::granted_by(&mut response),
            messages: sealing.into_session(&mut rand::rng()),
        };
        forward::strip_envelope(response.headers_mut(), &self.config.profile);
        Ok(Answer::Switch(response, Box::new(opening)))
    }

    /// P1, P2, and what this proxy requires besides for its application; the ring is one for the whole exchange.
    fn open(
        &self,
        head: &mut Parts,
        is_handshake: bool,
        is_ping: bool,
    ) -> Result<(BodyOpening, ReplySealing), Failure> {
        let carrier = carriers::gather(head, self.inbound.carriers, is_handshake, &self.config.profile)?;
        if is_handshake && !self.is_allowed(head.headers.get_all(ORIGIN), carrier) {
            return Err(Failure::Origin);
        }
        let present = |name| head.headers.contains_key(name);
        if !is_ping && !self.inbound.required_headers.iter().all(present) {
            return Err(Refusal::headers(AleReason::MissingRequiredHeader).into());
        }
        let ring = self.keys.snapshot();
        let opened = ale::open_request(&self.config.profile, head, &ring, now())?;
        Ok((opened.body, opened.reply))
    }

    /// Whether a page of this origin may open a WebSocket. Who is no page has none, and no use for the query either.
    fn is_allowed(&self, origins: GetAll<'_, HeaderValue>, carrier: Carrier) -> bool {
        let allowed = &self.inbound.origins;
        let is_allowed = |origin: &HeaderValue| {
            allowed.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
        };
        let mut origins = origins.iter();
        match (origins.next(), origins.next()) {
            _ if allowed.is_empty() => true,
            (None, _) => carrier != Carrier::Query,
            (Some(origin), None) => is_allowed(origin),
            (Some(_), Some(_)) => false,
        }
    }

    /// The plaintext body, and how the application is told its end. Under GCM it is verified when this returns.
    async fn open_body(
        &self,
        body: Incoming,
        opening: BodyOpening,
        framing: Framing,
        version: Version,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<(RequestBody, Framing, Option<Arc<Upload>>), Failure> {
        if opening.must_be_held() {
            let (body, framing) = self.hold_body(body, opening, framing, client, exchange).await?;
            return Ok((body, framing, None));
        }
        let length = body.size_hint().exact();
        // HTTP/2 may state a length of 0 and end the body later; the application's side asks for none of it.
        if body.is_end_stream() || length == Some(0) {
            return Ok((RequestBody::Empty, framing, None));
        }
        let framing = match framing {
            // HTTP/2 ends its bodies without stating a length.
            Framing::Unstated if version == Version::HTTP_2 => Framing::Chunked,
            stated => stated,
        };
        let profile = Arc::clone(&self.config.profile);
        let (body, upload) = RequestBody::streamed(
            body,
            opening,
            length,
            self.config.timeouts.body,
            exchange.metrics().clone(),
            profile,
            client.activity.body_arrives(),
        );
        exchange.streams(Arc::clone(&upload));
        Ok((body, framing, Some(upload)))
    }

    /// The verified body under GCM, whole.
    async fn hold_body(
        &self,
        body: Incoming,
        opening: BodyOpening,
        framing: Framing,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<(RequestBody, Framing), Failure> {
        let length = body.size_hint().exact();
        let limits = HoldLimits {
            max_body: self.config.max_body,
            progress: self.config.timeouts.body,
            account: &client.account,
        };
        let mut held = hold(body, opening, length, limits).await.inspect_err(|failure| {
            if !matches!(failure, Failure::Ale(_)) {
                client.activity.linger();
            }
        })?;
        exchange.request_bytes(held.length);
        if let Some(trailers) = &mut held.trailers {
            exchange.strip_trailers(trailers);
        }
        if held.opened == Opened::Bodyless && held.trailers.is_none() && framing != Framing::Chunked {
            return Ok((RequestBody::Empty, framing));
        }
        let framing = match framing {
            // Trailers need chunks, and what came in chunks goes on in chunks.
            _ if held.trailers.is_some() => Framing::Chunked,
            Framing::Chunked => Framing::Chunked,
            Framing::Length(_) | Framing::Unstated => Framing::Length(held.length),
        };
        Ok((RequestBody::held(held), framing))
    }

    async fn send(
        &self,
        request: Request<RequestBody>,
        upload: Option<&Upload>,
        timer: &SpareTimer,
    ) -> Result<(Response<Incoming>, Lease<RequestBody>), Failure> {
        self.in_time(self.pool.send(request), upload, timer).await
    }

    async fn in_time<T>(
        &self,
        sending: impl Future<Output = Result<T, SendFault>>,
        upload: Option<&Upload>,
        timer: &SpareTimer,
    ) -> Result<T, Failure> {
        let timeouts = &self.config.timeouts;
        tokio::select! {
            biased;
            sent = sending => sent.map_err(|fault| blame(fault, upload)),
            () = reply_overdue(timeouts, upload, timer) => Err(Failure::ApplicationTimedOut),
        }
    }
}

/// What a request comes to.
enum Answer {
    Ping(PingAnswer),
    Reply(Reply),
    /// It agrees to a WebSocket.
    Switch(Response<Incoming>, Box<Opening>),
}

/// The application's reply, and the right to seal it.
struct Reply {
    response: Response<Incoming>,
    lease: Lease<RequestBody>,
    sealing: ReplySealing,
    method: Method,
}

impl Reply {
    /// P5, P6: the reply as the client gets it.
    fn finish(self, mut exchange: Exchange) -> Response<ReplyBody> {
        let (mut head, body) = self.response.into_parts();
        exchange.answered(head.status);
        let plain_length = plain_length(&head, &body, &self.method);
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_sealed_body_fields(&mut head.headers);
        let length = plain_length.and_then(|length| length.checked_add(self.sealing.overhead()));
        let sealed = self.sealing.seal(&self.method, head.status, &mut head.headers, &mut rand::rng());
        length.map_or(Framing::Unstated, Framing::Length).write(&mut head.headers);
        head.version = exchange.version();
        let body = match sealed {
            SealedReply::Sealed(sealer) => {
                ReplyBody::upstream(body, Some(sealer), length, self.lease, exchange)
            }
            SealedReply::Bodyless => ReplyBody::upstream(body, None, Some(0), self.lease, exchange),
            SealedReply::Plain => ReplyBody::upstream(body, None, length, self.lease, exchange),
        };
        Response::from_parts(head, body)
    }
}

/// The length of the application's body, if it states one; a reply to HEAD states that of the body it leaves out,
/// 204 and 304 state none.
fn plain_length(head: &http::response::Parts, body: &Incoming, method: &Method) -> Option<u64> {
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return None;
    }
    if *method == Method::HEAD {
        return head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    }
    // HTTP/2 may end a reply with its head, and state no length.
    if body.is_end_stream() { Some(0) } else { body.size_hint().exact() }
}

/// hyper keeps the connection of an HTTP/1.0 client that asked for it only if the reply claims to be HTTP/1.1,
/// which it then writes as 1.0. A reply without a length ends with its connection.
fn offer_keep_alive(response: &mut Response<ReplyBody>) {
    let may_stay =
        !response.headers().contains_key(CONNECTION) && response.body().size_hint().exact().is_some();
    if response.version() == Version::HTTP_10 && may_stay {
        *response.version_mut() = Version::HTTP_11;
    }
}

/// P5: a 101 bears nothing of the envelope.
fn switch(response: Response<Incoming>, mut exchange: Exchange) -> Response<ReplyBody> {
    let (mut head, _nothing) = response.into_parts();
    exchange.answered(head.status);
    forward::strip_hop_by_hop(&mut head.headers);
    forward::strip_sealed_body_fields(&mut head.headers);
    Handshake::agree(&mut head.headers);
    head.version = exchange.version();
    exchange.end(Outcome::Answered);
    Response::from_parts(head, ReplyBody::own(Bytes::new(), exchange))
}

fn refuse(failure: Failure, mut exchange: Exchange) -> Response<ReplyBody> {
    let response = failure.respond();
    exchange.failed(&failure, response.status());
    let (mut head, body) = response.into_parts();
    head.version = exchange.version();
    if !exchange.request_is_whole() {
        // What the client still sends cannot be told from a next request.
        exchange.activity().linger();
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if head.version == Version::HTTP_2 {
        head.headers.remove(CONNECTION);
    }
    Response::from_parts(head, ReplyBody::own(body, exchange))
}

/// A client that is still sending when it is refused would be reset before it reads why. What it still sends is
/// read away beside the reply, so that the connection can serve on; after too much of it the connection closes
/// with patience. Nothing of it is kept.
fn discard(mut body: Incoming, head: &Parts, client: &Client) {
    if body.is_end_stream() || head.version == Version::HTTP_2 {
        return;
    }
    client.activity.linger();
    if head.headers.contains_key(EXPECT) {
        // It waits for leave to send; reading would give it.
        return;
    }
    let patience = client.activity.limits().body;
    let arriving = client.activity.body_arrives();
    tokio::spawn(tokio::time::timeout(patience, async move {
        let _arriving = arriving;
        let mut discarded = 0;
        while let Some(Ok(frame)) = body.frame().await
            && discarded <= DISCARD_AT_MOST
        {
            discarded += frame.data_ref().map_or(0, Bytes::len);
        }
    }));
}

/// A streamed upload that broke takes the application's connection along; the blame is the client's.
fn blame(fault: SendFault, upload: Option<&Upload>) -> Failure {
    match upload.map(Upload::end) {
        Some(UploadEnd::ClientBroke) => Failure::ClientBroke,
        Some(UploadEnd::ClientTimedOut) => Failure::ClientTimedOut,
        _ => fault.into(),
    }
}

/// Ends when the application has had its time: for the head of its reply, or for taking more of the body.
async fn reply_overdue(timeouts: &Timeouts, upload: Option<&Upload>, spare: &SpareTimer) {
    let sent = Instant::now();
    let due = || match upload {
        None => sent + timeouts.reply,
        Some(upload) => upload
            .due(timeouts.body, timeouts.reply)
            .unwrap_or_else(|| Instant::now() + timeouts.body.min(timeouts.reply)),
    };
    // The body may end long before the application is due to ask for more of it, and its time to answer runs then.
    let look = timeouts.body.min(timeouts.reply);
    let mut timer = Lent { timer: Some(spare.take(due())), spare };
    poll_fn(|cx| timer.timer.as_mut().map_or(Poll::Pending, |timer| timer.poll_due(due(), look, cx))).await;
}

/// Goes back whichever way the wait ends.
struct Lent<'a> {
    timer: Option<LazyTimer>,
    spare: &'a SpareTimer,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.spare.give_back(timer);
        }
    }
}

fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
