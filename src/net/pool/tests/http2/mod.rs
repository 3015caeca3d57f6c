//! Connections that exchanges share.

mod ends;
mod refusals;

use std::pin::Pin;
use std::task::{Context, Poll};

use h2::Reason;
use h2::server::SendResponse;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::*;

type Connection = h2::server::Connection<tokio::net::TcpStream, Bytes>;
type Arrived = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// An upstream whose connections a test takes one by one.
struct Upstream {
    listener: TcpListener,
    most_streams: u32,
}

impl Upstream {
    async fn start(most_streams: u32) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), most_streams }
    }

    fn pool<B: Resend>(&self) -> Arc<Pool<B>> {
        pool(&self.listener, UpstreamProtocol::Http2)
    }

    async fn accept(&self) -> Connection {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(self.most_streams).handshake(stream).await.unwrap()
    }

    /// Answers everything on every connection with the request's body; tells the number of each new connection.
    fn echo(self) -> mpsc::UnboundedReceiver<usize> {
        let (connected, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let mut connection = self.accept().await;
                connected.send(number).unwrap();
                tokio::spawn(async move {
                    while let Some(Ok(arrived)) = connection.accept().await {
                        tokio::spawn(echo(arrived));
                    }
                });
            }
        });
        connections
    }
}

async fn echo((request, mut respond): Arrived) {
    let mut incoming = request.into_body();
    let mut body = Vec::new();
    while let Some(piece) = incoming.data().await {
        let piece = piece.unwrap();
        incoming.flow_control().release_capacity(piece.len()).unwrap();
        body.extend_from_slice(&piece);
    }
    let mut reply = respond.send_response(Response::new(()), false).unwrap();
    reply.send_data(body.into(), true).unwrap();
}

/// Carries a connection on until it ends; what arrives on it is dropped.
async fn carry(mut connection: Connection) {
    while let Some(Ok(_)) = connection.accept().await {}
}

fn order(text: &str) -> Request<Full<Bytes>> {
    let request = Request::post("/orders").header("host", "kitchen.test").header("x-a", "1");
    request.body(Full::from(text.to_owned())).unwrap()
}

async fn body_of<B: Resend>(sent: Result<(Response<Incoming>, Lease<B>), SendFault>) -> Bytes {
    let (response, lease) = sent.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    lease.give_back();
    body
}

/// A body that never ends, and tells when it is dropped: always with another piece at hand, or with none.
struct Endless {
    pours: bool,
    _dropped: mpsc::UnboundedSender<()>,
}

impl Endless {
    fn request(pours: bool) -> (Request<Self>, mpsc::UnboundedReceiver<()>) {
        let (dropped, drops) = mpsc::unbounded_channel();
        let body = Self { pours, _dropped: dropped };
        (Request::post("/").header("host", "kitchen.test").body(body).unwrap(), drops)
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.pours {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 16 * 1024])))));
        }
        Poll::Pending
    }
}

impl Resend for Endless {
    fn again(&self) -> Option<Self> {
        None
    }
}

#[tokio::test]
async fn a_hundred_requests_at_once_share_one_connection() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let mut connections = upstream.echo();
    let mut exchanges = JoinSet::new();
    for number in 0..100 {
        let pool = Arc::clone(&pool);
        exchanges.spawn(async move {
            let text = format!("order {number}");
            assert_eq!(body_of(pool.send(order(&text)).await).await, text);
        });
    }
    while let Some(ended) = exchanges.join_next().await {
        ended.unwrap();
    }
    assert_eq!(connections.recv().await, Some(0));
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn a_request_arrives_in_the_form_of_http2() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool::<Full<Bytes>>();
    let mut request = order("soup");
    for (name, value) in [("connection", "te"), ("te", "trailers"), ("transfer-encoding", "chunked")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let serving = async {
        let mut connection = upstream.accept().await;
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        let (head, body) = request.into_parts();
        tokio::spawn(echo((Request::from_parts(head.clone(), body), respond)));
        tokio::spawn(carry(connection));
        head
    };
    let (sent, head) = tokio::join!(pool.send(request), serving);
    assert_eq!(body_of(sent).await, "soup");
    assert_eq!(head.uri, "http://kitchen.test/orders");
    let mut names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "te", "x-a"]);
}

#[tokio::test]
async fn beyond_the_stream_limit_of_one_connection_another_is_made() {
    let upstream = Upstream::start(10).await;
    let gate = Arc::new(Semaphore::new(0));
    let pool = upstream.pool();
    let (connected, mut connections) = mpsc::unbounded_channel();
    let held = Arc::clone(&gate);
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            connected.send(()).unwrap();
            let held = Arc::clone(&held);
            tokio::spawn(async move {
                while let Some(Ok(arrived)) = connection.accept().await {
                    let held = Arc::clone(&held);
                    tokio::spawn(async move {
                        held.acquire().await.unwrap().forget();
                        echo(arrived).await;
                    });
                }
            });
        }
    });
    // The limit is known with the first reply.
    gate.add_permits(1);
    body_of(pool.send(order("first")).await).await;
    let mut exchanges = JoinSet::new();
    for _ in 0..25 {
        let pool = Arc::clone(&pool);
        exchanges.spawn(async move { body_of(pool.send(order("soup")).await).await });
    }
    for _ in 0..3 {
        connections.recv().await.unwrap();
    }
    gate.add_permits(25);
    while let Some(ended) = exchanges.join_next().await {
        assert_eq!(ended.unwrap(), "soup");
    }
    assert!(connections.try_recv().is_err());
}
