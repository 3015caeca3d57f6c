//! Connections to the application, kept for a short while.
//!
//! hyper-util's client would do, but not with this promise: a request is sent again only if not a byte of it was written,
//! or if the other side says under HTTP/2 that it has not looked at it. Each worker has a pool of its own, so nothing is
//! contended.

mod address;
mod connect;
mod fault;
mod head;
mod http1;
mod http2;
mod stream;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use crate::metrics::ProxyMetrics;
use crate::net::tls::{Spoken, UpstreamProtocol, UpstreamTls};
pub use address::UpstreamAddress;
use connect::Dialler;
pub use connect::reach;
pub use fault::{ConnectFault, SendFault};
use head::Origin;
use http1::{IdleWires, Wire};
use http2::{Held, Link, Links, Place, Unsent};
pub(crate) use stream::UpstreamStream;

/// Where a pool connects, how, and its patience.
#[derive(Clone)]
pub struct PoolSettings {
    /// Where the upstream is.
    pub address: UpstreamAddress,
    /// The same as `host` has it, for requests that name no host.
    pub authority: Authority,
    /// TLS, and whom to trust there.
    pub tls: Option<UpstreamTls>,
    /// The version of HTTP that is spoken.
    pub protocol: UpstreamProtocol,
    /// For connecting, the handshake of TLS included.
    pub connect: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

/// A body that a pool can send.
pub trait Resend:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static
{
    /// The same body from its beginning, if it is all there still.
    fn again(&self) -> Option<Self>
    where
        Self: Sized;
}

/// The connections of one worker to one application.
pub struct Pool<B> {
    dialler: Dialler,
    origin: Origin,
    longest_idle: Duration,
    metrics: ProxyMetrics,
    idle: IdleWires<B>,
    links: Links<B>,
    /// Taken in turn to make a connection that may be shared.
    door: tokio::sync::Mutex<()>,
    /// What the last connection spoke, if that was not known before.
    spoken: Mutex<Option<Spoken>>,
    sweeping: AtomicBool,
}

impl<B: Resend> Pool<B> {
    /// An empty pool.
    pub fn new(settings: &PoolSettings, metrics: ProxyMetrics) -> Arc<Self> {
        let scheme = if settings.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        Arc::new(Self {
            dialler: Dialler::new(settings, metrics.clone()),
            origin: Origin { scheme, authority: settings.authority.clone() },
            longest_idle: settings.idle,
            metrics,
            idle: IdleWires::default(),
            links: Links::default(),
            door: tokio::sync::Mutex::default(),
            spoken: Mutex::default(),
            sweeping: AtomicBool::new(false),
        })
    }

    /// Sends `request` on a kept connection or a fresh one, and waits for the head of the reply. Its head is that of
    /// HTTP/1.1, whatever is spoken.
    ///
    /// The reply's body comes with the [`Lease`]; hand it back with [`Lease::give_back`] once the body has ended.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        if let Some(mut wire) = self.idle.take(self.longest_idle) {
            match wire.try_send(request).await {
                Ok(response) => return Ok((response, self.lease(Used::Alone(wire)))),
                Err(mut fault) => match fault.take_message() {
                    // Not a byte of it was written: the application closed the kept connection meanwhile.
                    Some(unsent) => request = unsent,
                    None => return Err(SendFault::Broke(fault.into_error())),
                },
            }
            self.metrics.upstream_retried();
        }
        // Boxed, so that what connecting and HTTP/2 need is no burden to who has a connection.
        if self.dialler.speaks_http1_only() {
            return Box::pin(self.send_alone(self.dialler.dial_http1(), request)).await;
        }
        Box::pin(self.send_shared(request)).await
    }

    /// Sends `request`, which asks for another protocol, on a connection of its own, and waits for the head of the
    /// reply. If that is a 101, `hyper::upgrade::on` gets the connection out of it.
    ///
    /// Whatever else the application speaks, this is HTTP/1.1, which alone has upgrades.
    pub async fn upgrade(
        self: &Arc<Self>,
        request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        // Boxed as above: most requests ask for no upgrade.
        Box::pin(async {
            let stream = self.dialler.dial_http1().await?;
            let mut wire = Wire::begin_with_upgrades(stream).await.map_err(SendFault::Broke)?;
            let response = wire.send(request).await.map_err(SendFault::Broke)?;
            Ok((response, self.lease(Used::Alone(wire))))
        })
        .await
    }

    /// On a fresh connection of HTTP/1.1.
    async fn send_alone(
        self: &Arc<Self>,
        dialling: impl Future<Output = Result<UpstreamStream, ConnectFault>>,
        request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        let mut wire = Wire::begin(dialling.await?).await.map_err(SendFault::Broke)?;
        let response = wire.send(request).await.map_err(SendFault::Broke)?;
        Ok((response, self.lease(Used::Alone(wire))))
    }

    /// On a connection that other exchanges may use as well, if HTTP/2 is what is spoken.
    ///
    /// A connection may turn out to be closing, and so may the next; the last attempt is made on a fresh one, on which
    /// this request is the first.
    async fn send_shared(
        self: &Arc<Self>,
        mut request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        for attempt in Attempt::ALL {
            if attempt != Attempt::First {
                self.metrics.upstream_retried();
            }
            let place = match self.way(attempt).await? {
                Way::Alone(stream) => return self.send_alone(ready(Ok(stream)), request).await,
                Way::Shared(place) => place,
            };
            let spare = if attempt == Attempt::Last { None } else { again(&request) };
            let form = self.origin.to_http2(&mut request);
            request = match place.try_send(request).await {
                Ok((response, held)) => return Ok((response, self.lease(Used::Shared(held)))),
                Err(Unsent::Untouched(mut unsent)) => {
                    form.restore(&mut unsent);
                    *unsent
                }
                Err(Unsent::Refused(error)) => spare.ok_or(SendFault::Broke(error))?,
                Err(Unsent::Broke(error)) => return Err(SendFault::Broke(error)),
            };
        }
        Err(SendFault::GoingAway)
    }

    /// A connection, made if need be.
    async fn way(self: &Arc<Self>, attempt: Attempt) -> Result<Way<B>, SendFault> {
        let shared =
            || (attempt != Attempt::Last).then(|| self.links.take_place(self.longest_idle)).flatten();
        if let Some(place) = shared() {
            return Ok(Way::Shared(place));
        }
        if *lock(&self.spoken) == Some(Spoken::Http1) {
            // Nothing to share: each makes its own.
            return self.connect().await;
        }
        // In turn, so that all who come at once share what the first one makes.
        let turn = async {
            let _turn = self.door.lock().await;
            match shared() {
                Some(place) => Ok(Way::Shared(place)),
                None => self.connect().await,
            }
        };
        self.dialler.in_time(turn).await
    }

    async fn connect(self: &Arc<Self>) -> Result<Way<B>, SendFault> {
        let (stream, spoken) = self.dialler.dial().await?;
        *lock(&self.spoken) = Some(spoken);
        match spoken {
            Spoken::Http1 => Ok(Way::Alone(stream)),
            Spoken::Http2 => {
                let link = Link::begin(stream).await.map_err(SendFault::Broke)?;
                let place = link.take_place();
                self.links.add(link);
                self.see_to_sweeping();
                Ok(Way::Shared(place))
            }
        }
    }

    fn lease(self: &Arc<Self>, used: Used<B>) -> Lease<B> {
        Lease { used, pool: Arc::clone(self) }
    }

    fn see_to_sweeping(self: &Arc<Self>) {
        if !self.sweeping.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    /// Drops what is closed or too old, until nothing is left.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.longest_idle).await;
            let wires_left = self.idle.sweep(self.longest_idle);
            let links_left = self.links.sweep(self.longest_idle);
            if !wires_left && !links_left {
                self.sweeping.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// How a request gets to the application.
enum Way<B> {
    /// A fresh connection of HTTP/1.1.
    Alone(UpstreamStream),
    /// A place on one of HTTP/2.
    Shared(Place<B>),
}

/// How often a request is sent on a shared connection, if the other side keeps refusing to look at it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    Second,
    Last,
}

impl Attempt {
    const ALL: [Self; 3] = [Self::First, Self::Second, Self::Last];
}

/// The same request, for the case that the other side refuses to look at the first.
fn again<B: Resend>(request: &Request<B>) -> Option<Request<B>> {
    let body = request.body().again()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    Some(copy)
}

/// A connection in use by one exchange. Dropping it closes the connection, unless that was upgraded; if others share it,
/// it ends what is still being sent of the request.
pub struct Lease<B> {
    used: Used<B>,
    pool: Arc<Pool<B>>,
}

enum Used<B> {
    Alone(Wire<B>),
    Shared(#[expect(dead_code, reason = "held until the exchange has ended")] Held<B>),
}

impl<B: Resend> Lease<B> {
    /// Keeps the connection for the next exchange; request and reply must have ended.
    pub fn give_back(self) {
        let Self { used, pool } = self;
        if let Used::Alone(wire) = used
            && pool.idle.keep(wire)
        {
            pool.see_to_sweeping();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
