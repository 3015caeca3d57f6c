//! Connections that exchanges share.

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

#[tokio::test]
async fn a_refused_stream_is_sent_again_with_its_whole_body() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let serving = async move {
        let mut connection = upstream.accept().await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(Reason::REFUSED_STREAM);
        let again = connection.accept().await.unwrap().unwrap();
        assert_eq!(again.0.uri().path(), "/orders");
        tokio::spawn(echo(again));
        carry(connection).await;
    };
    let serving = tokio::spawn(serving);
    assert_eq!(body_of(pool.send(order("soup")).await).await, "soup");
    assert!(!serving.is_finished());
}

#[tokio::test]
async fn a_stream_that_is_refused_each_time_is_given_up_after_the_third() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (refused, mut refusals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            let refused = refused.clone();
            tokio::spawn(async move {
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(Reason::REFUSED_STREAM);
                    refused.send(()).unwrap();
                }
            });
        }
    });
    assert!(matches!(pool.send(order("soup")).await, Err(SendFault::Broke(_))));
    for _ in 0..3 {
        refusals.recv().await.unwrap();
    }
    assert!(refusals.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_stream_whose_body_is_gone_is_not_sent_again() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(false);
    let serving = async {
        let mut connection = upstream.accept().await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(Reason::REFUSED_STREAM);
        tokio::spawn(async move {
            assert!(connection.accept().await.is_none_or(|arrived| arrived.is_err()), "it is sent again");
        });
    };
    let (sent, ()) = tokio::join!(pool.send(request), serving);
    assert!(matches!(sent, Err(SendFault::Broke(_))));
    assert_eq!(drops.recv().await, None);
}

#[tokio::test]
async fn a_reset_stream_hurts_no_other() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let serving = async {
        let mut connection = upstream.accept().await;
        let first = connection.accept().await.unwrap().unwrap();
        let (_, mut second) = connection.accept().await.unwrap().unwrap();
        second.send_reset(Reason::INTERNAL_ERROR);
        tokio::spawn(echo(first));
        tokio::spawn(async move {
            while let Some(Ok(arrived)) = connection.accept().await {
                tokio::spawn(echo(arrived));
            }
        });
        upstream
    };
    let (first, second, _listening) = tokio::join!(pool.send(order("a")), pool.send(order("b")), serving);
    assert_eq!(body_of(first).await, "a");
    assert!(matches!(second, Err(SendFault::Broke(_))));
    assert_eq!(body_of(pool.send(order("c")).await).await, "c");
}

#[tokio::test]
async fn a_goaway_loses_nothing_and_nothing_is_done_twice() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (served, mut done) = mpsc::unbounded_channel();
    // Each connection goes away in the midst of what is sent on it.
    tokio::spawn(async move {
        loop {
            let mut connection = upstream.accept().await;
            let served = served.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while let Some(Ok(arrived)) = connection.accept().await {
                    count += 1;
                    if count == 20 {
                        connection.graceful_shutdown();
                    }
                    let served = served.clone();
                    tokio::spawn(async move {
                        echo(arrived).await;
                        served.send(()).unwrap();
                    });
                }
            });
        }
    });
    for _ in 0..5 {
        let mut exchanges = JoinSet::new();
        for number in 0..50 {
            let pool = Arc::clone(&pool);
            exchanges.spawn(async move {
                let text = format!("order {number}");
                assert_eq!(body_of(pool.send(order(&text)).await).await, text);
            });
        }
        while let Some(ended) = exchanges.join_next().await {
            ended.unwrap();
        }
    }
    drop(pool);
    for _ in 0..250 {
        done.recv().await.unwrap();
    }
    assert!(done.try_recv().is_err());
}

/// GOAWAY as a frame, naming the last stream that is served.
fn goaway(last: u32) -> Vec<u8> {
    [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &last.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn streams_beyond_the_last_one_of_a_goaway_are_sent_again_and_the_others_are_not() {
    use tokio::io::AsyncWriteExt as _;
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let serving = async {
        // As bytes: settings, then GOAWAY once both requests are there, then the end.
        let (mut raw, _) = upstream.listener.accept().await.unwrap();
        raw.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut seen = Vec::new();
        while seen.windows(5).filter(|part| part == b"order").count() < 2 {
            use tokio::io::AsyncReadExt as _;
            assert_ne!(raw.read_buf(&mut seen).await.unwrap(), 0);
        }
        raw.write_all(&goaway(1)).await.unwrap();
        let mut connection = upstream.accept().await;
        drop(raw);
        tokio::spawn(echo(connection.accept().await.unwrap().unwrap()));
        tokio::spawn(carry(connection));
    };
    let (first, second, ()) = tokio::join!(pool.send(order("order 1")), pool.send(order("order 2")), serving);
    // It may have been acted upon.
    assert!(matches!(first, Err(SendFault::Broke(_))));
    assert_eq!(body_of(second).await, "order 2");
}

#[tokio::test]
async fn a_wait_that_is_given_up_resets_its_own_stream_and_ends_its_upload() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(false);
    let sending = Arc::clone(&pool);
    let waiting = tokio::spawn(async move { sending.send(request).await.map(drop) });
    let mut connection = upstream.accept().await;
    let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
    waiting.abort();
    let carrying = tokio::spawn(carry(connection));
    let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
    assert_eq!(drops.recv().await, None);
    assert!(!carrying.is_finished());
    assert!(pool.links.take_place(pool.longest_idle).is_some());
}

#[tokio::test]
async fn an_exchange_that_ends_before_its_request_takes_the_upload_along() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(false);
    let serving = async {
        let mut connection = upstream.accept().await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let reply = respond.send_response(Response::new(()), false).unwrap();
        tokio::spawn(carry(connection));
        (request, reply)
    };
    let (sent, (_request, mut reply)) = tokio::join!(pool.send(request), serving);
    drop(sent.unwrap());
    assert_eq!(drops.recv().await, None);
    let reason = std::future::poll_fn(|cx| reply.poll_reset(cx)).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
    // hyper may be stuck on an upload, so its connection is not used again.
    assert!(pool.links.take_place(pool.longest_idle).is_none());
}

#[tokio::test]
async fn an_upload_that_the_other_side_never_takes_does_not_outlive_its_exchange_for_long() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let (request, mut drops) = Endless::request(true);
    let serving = async move {
        let mut connection = upstream.accept().await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let reply = respond.send_response(Response::new(()), false).unwrap();
        // Nothing of the body is ever released, so its sender waits for ever.
        carry(connection).await;
        drop((request, reply));
    };
    let serving = tokio::spawn(serving);
    let sent = pool.send(request).await.unwrap();
    tokio::time::pause();
    drop(sent);
    assert_eq!(drops.recv().await, None);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_connection_without_a_stream_is_closed_after_its_time_and_one_with_a_stream_is_not() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool();
    let mut connections = Vec::new();
    let serving = async {
        let mut connection = upstream.accept().await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let reply = respond.send_response(Response::new(()), false).unwrap();
        connections.push(tokio::spawn(carry(connection)));
        reply
    };
    let (sent, mut reply) = tokio::join!(pool.send(order("soup")), serving);
    let (response, lease) = sent.unwrap();
    // Not before: it would run ahead of the sockets.
    tokio::time::pause();
    tokio::time::sleep(4 * pool.longest_idle).await;
    assert!(!connections[0].is_finished());
    reply.send_data(Bytes::from_static(b"soup"), true).unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "soup");
    lease.give_back();
    let given_back = tokio::time::Instant::now();
    connections.remove(0).await.unwrap();
    assert!(given_back.elapsed() <= 3 * pool.longest_idle);
}

#[tokio::test]
async fn a_connection_that_answers_no_ping_is_given_up() {
    let upstream = Upstream::start(100).await;
    let pool = upstream.pool::<Full<Bytes>>();
    let serving = async {
        let mut connection = upstream.accept().await;
        let arrived = connection.accept().await.unwrap().unwrap();
        (connection, arrived)
    };
    let sending = tokio::spawn(async move { pool.send(order("soup")).await.map(drop) });
    let _silent = serving.await;
    tokio::time::pause();
    let asked = tokio::time::Instant::now();
    assert!(matches!(sending.await.unwrap(), Err(SendFault::Broke(_))));
    assert!(asked.elapsed() <= Duration::from_secs(45));
}
