//! The application of the demo: a small kitchen that speaks plain HTTP and knows nothing of encryption.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::super::socket::{self, Socket};
use crate::websocket::Kind;

/// An order beyond this is none.
const LARGEST_ORDER: usize = 64 * 1024;

/// Orders that are remembered; older ones have been eaten.
const REMEMBERED: usize = 100;

/// Where the kitchen talks over WebSocket.
pub(super) const TALK: &str = "/talk";

const MENU: &str = r#"{"menu":["onion soup","ramen","ragoût"]}"#;

/// What the kitchen saw of one request, and what it answered.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) status: StatusCode,
    pub(super) answer_headers: HeaderMap,
    pub(super) answer: Bytes,
}

/// What a guest said over a WebSocket, and what it was told.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) heard: Bytes,
    pub(super) answered: String,
}

/// A running kitchen.
pub(super) struct Kitchen {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

impl Kitchen {
    /// Opens on a free port. `watcher` is told of each request that was served.
    pub(super) async fn open(watcher: UnboundedSender<Seen>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let books = Arc::new(Mutex::new(Books {
            watcher,
            served: 0,
            orders: Vec::new(),
            said: Vec::new(),
            guests: Vec::new(),
        }));
        tokio::spawn(serve(listener, Arc::clone(&books)));
        Ok(Self { address, books })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was said over WebSockets so far.
    pub(super) fn said(&self) -> Vec<Said> {
        lock(&self.books).said.clone()
    }

    /// How many requests came so far.
    pub(super) fn served(&self) -> usize {
        lock(&self.books).served
    }
}

/// What the kitchen remembers.
struct Books {
    watcher: UnboundedSender<Seen>,
    served: usize,
    orders: Vec<Value>,
    said: Vec<Said>,
    /// Those who follow the events.
    guests: Vec<UnboundedSender<Bytes>>,
}

impl Books {
    /// Takes an order down, tells the guests, and gives the receipt.
    fn order(&mut self, order: Value) -> Value {
        let number = self.served;
        let receipt = json!({ "receipt": number, "status": "cooking", "order": order });
        let event = Bytes::from(format!("event: order\ndata: {receipt}\n\n"));
        self.guests.retain(|guest| guest.send(event.clone()).is_ok());
        self.orders.push(receipt.clone());
        if self.orders.len() > REMEMBERED {
            self.orders.remove(0);
        }
        receipt
    }

    /// Notes what a guest said, and gives the answer.
    fn answer(&mut self, heard: &[u8]) -> String {
        let wish = String::from_utf8_lossy(heard);
        let answered = json!({ "wish": wish, "kitchen": "at once" }).to_string();
        self.said.push(Said { heard: Bytes::copy_from_slice(heard), answered: answered.clone() });
        if self.said.len() > REMEMBERED {
            self.said.remove(0);
        }
        answered
    }

    fn events(&mut self) -> Events {
        let (guest, events) = mpsc::unbounded_channel();
        let welcome = Bytes::from_static(b"event: open\ndata: {\"kitchen\":\"open\"}\n\n");
        if guest.send(welcome).is_ok() {
            self.guests.push(guest);
        }
        Events(events)
    }
}

async fn serve(listener: TcpListener, books: Arc<Mutex<Books>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let books = Arc::clone(&books);
        let service = service_fn(move |request| answer(request, Arc::clone(&books)));
        let serving =
            http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving.with_upgrades());
    }
}

type Reply = Response<Either<Full<Bytes>, Events>>;

async fn answer(mut request: Request<Incoming>, books: Arc<Mutex<Books>>) -> Result<Reply, Infallible> {
    if request.uri().path() == TALK
        && let Some(agreed) = socket::agree(request.headers())
    {
        tokio::spawn(talk(hyper::upgrade::on(&mut request), books));
        return Ok(agreed.map(|()| Either::Left(Full::default())));
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_ORDER).collect().await.map(|body| body.to_bytes());
    let mut books = lock(&books);
    books.served += 1;
    let target = head.uri.path_and_query().map_or_else(String::new, |path| path.as_str().to_owned());
    let (reply, text) = match (&head.method, head.uri.path(), &body) {
        (&Method::GET, "/events", _) => (events(books.events()), Bytes::new()),
        (method, path, Ok(body)) => plain(method, path, body, &mut books),
        (_, _, Err(_)) => {
            json_reply(StatusCode::PAYLOAD_TOO_LARGE, r#"{"error":"too long an order"}"#.into())
        }
    };
    let seen = Seen {
        method: head.method,
        target,
        headers: head.headers,
        body: body.unwrap_or_default(),
        status: reply.status(),
        answer_headers: reply.headers().clone(),
        answer: text,
    };
    // Nobody may be watching.
    let _ = books.watcher.send(seen);
    Ok(reply)
}

/// Answers each message of a guest until it goes.
async fn talk(upgrade: OnUpgrade, books: Arc<Mutex<Books>>) {
    let Ok(mut guest) = Socket::accepted(upgrade).await else { return };
    while let Ok(message) = guest.receive().await {
        let answer = lock(&books).answer(&message.payload);
        if guest.send(Kind::Text, answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn plain(method: &Method, path: &str, body: &[u8], books: &mut Books) -> (Reply, Bytes) {
    match (path, method.as_str()) {
        ("/menu", "GET") => json_reply(StatusCode::OK, MENU.into()),
        ("/orders", "GET") => json_reply(StatusCode::OK, json!({ "orders": books.orders }).to_string()),
        ("/orders", "POST") => match serde_json::from_slice(body) {
            Ok(order) => json_reply(StatusCode::CREATED, books.order(order).to_string()),
            Err(_) => json_reply(StatusCode::BAD_REQUEST, r#"{"error":"an order is JSON"}"#.into()),
        },
        ("/menu" | "/orders" | "/events", _) => {
            let (mut reply, text) =
                json_reply(StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"not done here"}"#.into());
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
            (reply, text)
        }
        _ => json_reply(
            StatusCode::NOT_FOUND,
            r#"{"error":"try /menu, /orders, /events or a WebSocket at /talk"}"#.into(),
        ),
    }
}

fn json_reply(status: StatusCode, text: String) -> (Reply, Bytes) {
    let text = Bytes::from(text);
    let mut reply = Response::new(Either::Left(Full::new(text.clone())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    (reply, text)
}

fn events(events: Events) -> Reply {
    let mut reply = Response::new(Either::Right(events));
    let fields: [(HeaderName, &str); 2] = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    for (name, value) in fields {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// Server-sent events, for as long as the guest listens.
struct Events(UnboundedReceiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = ready!(self.0.poll_recv(context));
        Poll::Ready(event.map(|event| Ok(Frame::data(event))))
    }
}

/// A kitchen goes on after a mishap.
fn lock(books: &Mutex<Books>) -> std::sync::MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}
