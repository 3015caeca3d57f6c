//! HTTP/2 to the upstream: one connection bears many exchanges.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::stream::UpstreamStream;

/// Exchanges that share one connection at most, whatever the other side would allow.
const MOST_STREAMS: usize = 100;
/// What one reply may send before its client has taken any of it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all replies of a connection together: so much that a few clients who take nothing never hold up the
/// replies of the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MOST_STREAMS as u32;
/// As under HTTP/1, where hyper's buffer bounds the head of a reply.
const MAX_HEAD: u32 = 128 * 1024;
const MAX_FRAME: u32 = 64 * 1024;
/// How long a connection with a stream may be silent before it is asked for a sign of life, and how long that may take.
const PING: Duration = Duration::from_secs(20);

/// What a connection that nobody uses any more has to say farewell.
const CLOSING: Duration = Duration::from_secs(1);

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection that exchanges share.
pub(super) struct Link<B> {
    sender: SendRequest<Outgoing<B>>,
    /// How many streams the other side allows now.
    limit: Box<dyn Fn() -> usize + Send + Sync>,
    streams: AtomicUsize,
    /// It refuses new streams; those that run are finished.
    going: AtomicBool,
    idle_since: Mutex<Instant>,
    _in_use: oneshot::Sender<Infallible>,
}

/// Spawns what hyper wants spawned for one connection. hyper lets a connection live until every upload has ended, and
/// one that its receiver takes nothing of never would: the end of all of them is in our hand.
#[derive(Clone, Default)]
struct Tasks(CancellationToken);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        tokio::spawn(self.0.clone().run_until_cancelled_owned(task));
    }
}

impl<B> Link<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Begins HTTP/2 on a fresh connection.
    pub(super) async fn begin(stream: UpstreamStream) -> Result<Arc<Self>, hyper::Error> {
        let tasks = Tasks::default();
        let (sender, connection) = builder(tasks.clone()).handshake(TokioIo::new(stream)).await?;
        // Shared between the task that carries it and the limit, which only the connection itself knows.
        let connection = Arc::new(Mutex::new(Some(connection)));
        let asked = Arc::clone(&connection);
        let limit = Box::new(move || match asked.try_lock() {
            Ok(connection) => connection.as_ref().map_or(0, http2::Connection::current_max_send_streams),
            // It is being carried further by whoever asks.
            Err(_) => MOST_STREAMS,
        });
        let (in_use, unused) = oneshot::channel();
        tokio::spawn(async move {
            let ended = poll_fn(|cx| {
                let mut slot = lock(&connection);
                let Some(open) = slot.as_mut() else { return Poll::Ready(Ok(())) };
                let ended = ready!(Pin::new(open).poll(cx));
                *slot = None;
                Poll::Ready(ended)
            });
            if let Err(error) = ended.await {
                // Whoever waits for a reply is told as well; this is for a connection that nobody uses.
                tracing::debug!(%error, "a connection to the application broke");
            }
            let _never: Result<Infallible, _> = unused.await;
            tokio::time::sleep(CLOSING).await;
            tasks.0.cancel();
        });
        Ok(Arc::new(Self {
            _in_use: in_use,
            sender,
            limit,
            streams: AtomicUsize::new(0),
            going: AtomicBool::new(false),
            idle_since: Mutex::new(Instant::now()),
        }))
    }
}

impl<B> Link<B> {
    fn is_of_use(&self) -> bool {
        !self.going.load(Relaxed) && !self.sender.is_closed()
    }

    fn has_been_idle_for(&self, longest: Duration) -> bool {
        self.streams.load(Relaxed) == 0 && lock(&self.idle_since).elapsed() >= longest
    }

    fn has_room(&self) -> bool {
        let streams = self.streams.load(Relaxed);
        streams < MOST_STREAMS && streams < (self.limit)()
    }

    /// A place among its streams.
    pub(super) fn take_place(self: &Arc<Self>) -> Place<B> {
        self.streams.fetch_add(1, Relaxed);
        Place { link: Arc::clone(self) }
    }
}

fn builder(tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(MOST_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_frame_size(MAX_FRAME)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// A place among the streams of a connection, for one exchange.
pub(super) struct Place<B> {
    link: Arc<Link<B>>,
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        if self.link.streams.fetch_sub(1, Relaxed) == 1 {
            *lock(&self.link.idle_since) = Instant::now();
        }
    }
}

impl<B> Place<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends, and waits for the head of the reply. Giving up the wait resets the stream and nothing else.
    pub(super) async fn try_send(
        self,
        request: Request<B>,
    ) -> Result<(Response<Incoming>, Held<B>), Unsent<B>> {
        let (upload, given_up) = oneshot::channel();
        let request = request.map(|body| Outgoing { body, given_up });
        let mut sender = self.link.sender.clone();
        match sender.try_send_request(request).await {
            Ok(response) => Ok((response, Held { place: self, upload })),
            Err(mut fault) => match fault.take_message() {
                Some(unsent) => {
                    self.link.going.store(true, Relaxed);
                    Err(Unsent::Untouched(Box::new(unsent.map(|outgoing| outgoing.body))))
                }
                None => Err(self.judge(fault.into_error())),
            },
        }
    }

    fn judge(&self, error: hyper::Error) -> Unsent<B> {
        let told = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        let Some(told) = told.filter(|told| told.is_remote()) else { return Unsent::Broke(error) };
        // RFC 9113 §6.8: only streams beyond the last one that is named get to know of a GOAWAY in this way.
        if told.is_go_away() {
            self.link.going.store(true, Relaxed);
            return Unsent::Refused(error);
        }
        // RFC 9113 §8.7.
        if told.is_reset() && told.reason() == Some(h2::Reason::REFUSED_STREAM) {
            return Unsent::Refused(error);
        }
        Unsent::Broke(error)
    }
}

/// A request that got no reply, by how much the other side can have seen of it.
pub(super) enum Unsent<B> {
    /// Not a byte of it was written.
    Untouched(Box<Request<B>>),
    /// The other side says that it has not looked at it.
    Refused(hyper::Error),
    /// It may have been acted upon.
    Broke(hyper::Error),
}

/// What an exchange holds of a connection until its reply has ended. Dropping it also ends what is still being sent of
/// the request.
pub(super) struct Held<B> {
    place: Place<B>,
    upload: oneshot::Sender<Infallible>,
}

impl<B> Drop for Held<B> {
    fn drop(&mut self) {
        if !self.upload.is_closed() {
            // The other side takes no more of the request, and hyper may wait for that without asking for more of the
            // body: as under HTTP/1, a connection with an unfinished upload gets no other request.
            self.place.link.going.store(true, Relaxed);
        }
    }
}

/// A request's body, until its exchange is over: hyper would go on sending it then.
pub(super) struct Outgoing<B> {
    body: B,
    given_up: oneshot::Receiver<Infallible>,
}

impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = self.get_mut();
        if Pin::new(&mut this.given_up).poll(cx).is_ready() {
            return Poll::Ready(Some(Err(h2::Reason::CANCEL.into())));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        // Why a body breaks off is no affair of the other side.
        Poll::Ready(frame.map(|frame| frame.map_err(|_broken| h2::Reason::CANCEL.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The connections that exchanges share; the first with room takes the next.
pub(super) struct Links<B>(Mutex<Vec<Arc<Link<B>>>>);

impl<B> Default for Links<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> Links<B> {
    /// A place on a connection that has one and was in use within `longest`.
    pub(super) fn take_place(&self, longest: Duration) -> Option<Place<B>> {
        let mut links = lock(&self.0);
        links.retain(|link| link.is_of_use() && !link.has_been_idle_for(longest));
        links.iter().find(|link| link.has_room()).map(Link::take_place)
    }

    pub(super) fn add(&self, link: Arc<Link<B>>) {
        lock(&self.0).push(link);
    }

    /// Lets go of what is closing, or has borne no stream for `longest`. Says whether anything is left.
    pub(super) fn sweep(&self, longest: Duration) -> bool {
        let mut links = lock(&self.0);
        links.retain(|link| link.is_of_use() && !link.has_been_idle_for(longest));
        !links.is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
