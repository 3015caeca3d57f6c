//! Upgrades, and the connections that they leave.

use std::convert::Infallible;

use http::Request;
use http::header::{CONNECTION, UPGRADE};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn handshake() -> Request<Empty<Bytes>> {
    let request = Request::get("/orders").header("host", "kitchen.test");
    request.header(CONNECTION, "upgrade").header(UPGRADE, "websocket").body(Empty::new()).unwrap()
}

/// Takes a connection, reads one head, and writes `reply`.
async fn answer(listener: &TcpListener, reply: &[u8]) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = read_head(&mut stream).await;
    stream.write_all(reply).await.unwrap();
    (stream, head)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_both_ways_after_its_lease_has_ended() {
    for protocol in [UpstreamProtocol::Auto, UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool::<Empty<Bytes>>(&listener, protocol);
        // What the other side says first may come with its head.
        let switched =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi";
        let (sent, (mut peer, head)) = tokio::join!(pool.upgrade(handshake()), answer(&listener, switched));
        assert!(head.starts_with("GET /orders HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
        let (response, lease) = sent.unwrap();
        assert_eq!(response.status(), 101);
        let mut upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        lease.give_back();
        assert!(pool.idle.take(pool.longest_idle).is_none());
        let mut bytes = [0; 2];
        upgraded.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hi");
        upgraded.write_all(b"ho").await.unwrap();
        upgraded.flush().await.unwrap();
        peer.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ho");
    }
}

#[tokio::test]
async fn a_refused_upgrade_leaves_a_connection_that_serves_the_next_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool::<Empty<Bytes>>(&listener, UpstreamProtocol::Auto);
    let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
    let (sent, (mut peer, _)) = tokio::join!(pool.upgrade(handshake()), answer(&listener, refusal));
    let (response, lease) = sent.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no");
    lease.give_back();
    let request = Request::get("/").header("host", "kitchen.test").body(Empty::new()).unwrap();
    let reply = async {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        Ok::<_, Infallible>(())
    };
    let (sent, _) = tokio::join!(pool.send(request), reply);
    assert_eq!(sent.unwrap().0.status(), 204);
}

#[tokio::test]
async fn an_upgrade_never_takes_a_kept_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool::<Empty<Bytes>>(&listener, UpstreamProtocol::Auto);
    let request = Request::get("/").header("host", "kitchen.test").body(Empty::new()).unwrap();
    let reply = b"HTTP/1.1 204 No Content\r\n\r\n";
    let (sent, _kept) = tokio::join!(pool.send(request), answer(&listener, reply));
    let (response, lease) = sent.unwrap();
    drop(response);
    lease.give_back();
    let (sent, _fresh) = tokio::join!(pool.upgrade(handshake()), answer(&listener, reply));
    assert_eq!(sent.unwrap().0.status(), 204);
}
