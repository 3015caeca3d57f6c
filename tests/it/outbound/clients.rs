//! Applications that speak HTTP/1.0 or HTTP/2, and what nobody but the two ends may see.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{CTR, GCM, bodyless, plain, towards};
use crate::support::{Frames, PATIENCE, Peer, TestKey, opened, reply_of, sealed_reply};

#[test]
fn http_1_0_is_served_with_and_without_keep_alive() {
    for name in [GCM, CTR] {
        let key = TestKey::new(name);
        let peer = Peer::echo(&key);
        let sidecar = towards(&peer, &key).start();
        let mut connection = sidecar.connect();
        for _ in 0..2 {
            let reply = connection.exchange(
                b"POST /orders HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
            );
            assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hello"[..]));
        }
        connection.send(b"GET / HTTP/1.0\r\n\r\n");
        assert_eq!(connection.reply("GET").status, 200);
        assert!(connection.closed().unwrap());
        assert!(peer.received().iter().all(|received| received.request_line.ends_with("HTTP/1.1")));
        assert!(peer.received().iter().all(|received| received.header_all("host").len() == 1));
    }
}

/// Sends one request of HTTP/2 whose length is not stated, and gives the whole reply.
async fn over_http2(
    address: std::net::SocketAddr,
    pieces: &[&[u8]],
    trailers: Option<HeaderMap>,
) -> (StatusCode, HeaderMap, Bytes, Option<HeaderMap>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .version(Version::HTTP_2)
        .method("POST")
        .uri("http://kitchen.test:81/orders?a=1")
        .header("trailer", "x-sum")
        .header("te", "trailers")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Frames::new(pieces, trailers))
        .unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (head.status, head.headers, collected.to_bytes(), trailers)
}

#[test]
fn http_2_is_sealed_as_it_streams_and_its_trailers_pass_both_ways() {
    for name in [GCM, CTR] {
        let key = TestKey::new(name);
        let own = key.clone();
        let peer = Peer::answering(&key, move |received, stream| {
            let iv = own.fresh_iv();
            let sealed = own.seal_with(&iv, &opened(&own, received).unwrap());
            let head = format!(
                "HTTP/1.1 201 Made\r\n{}trailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
                own.envelope(&iv),
                sealed.len()
            );
            stream.write_all(&[head.as_bytes(), &sealed, b"\r\n0\r\nx-sum: 9\r\n\r\n"].concat())
        });
        let sidecar = towards(&peer, &key).start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let (status, headers, body, trailers) = runtime.block_on(async {
            let exchange = over_http2(sidecar.address(), &[b"hel", b"lo"], Some(trailers));
            tokio::time::timeout(PATIENCE, exchange).await.expect("in time")
        });
        assert_eq!((status.as_u16(), &body[..]), (201, &b"hello"[..]), "{name}");
        assert_eq!(trailers.unwrap()["x-sum"], "9");
        assert!(!headers.contains_key("connection") && !headers.contains_key("sec-iv"), "{headers:?}");
        let received = peer.only();
        assert_eq!(received.request_line, "POST /orders?a=1 HTTP/1.1");
        assert_eq!(received.header("transfer-encoding"), Some("chunked"));
        assert_eq!(received.header_all("cookie"), ["a=1; b=2"]);
        assert_eq!(received.header_all("host"), [peer.address().to_string()]);
        assert_eq!(received.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    }
}

#[test]
fn nothing_secret_is_in_the_log_at_trace_or_on_the_wire_to_the_peer() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |received, stream| match received.target() {
        "/clear?query-kept" => stream.write_all(&reply_of("500 Oops", "", b"told-by-the-peer")),
        "/forged?query-kept" => stream.write_all(&reply_of("200 OK", "", b"told-by-the-peer")),
        _ => stream.write_all(&sealed_reply(&own, "200 OK", "", b"planted-in-the-reply")),
    });
    let sidecar = towards(&peer, &key).log("level = \"trace\"").start();
    let mut connection = sidecar.connect();
    for target in ["/sealed?query-kept", "/clear?query-kept", "/forged?query-kept"] {
        connection.exchange(&plain(
            "POST",
            target,
            "authorization: planted-token\r\n",
            b"planted-in-the-request",
        ));
        connection.exchange(&bodyless("GET", target, ""));
    }
    crate::support::eventually("six exchanges are logged", || {
        sidecar.log().matches("alewife::access").count() == 6
    });
    let log = sidecar.log() + &sidecar.output() + &sidecar.admin_page("/metrics").1;
    let ivs: Vec<_> = peer.received().iter().map(|one| one.header("sec-iv").unwrap().to_owned()).collect();
    let hex: String = key.secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let needles = ["planted", "told-by-the-peer", "query-kept", &hex, &key.secret_base64()];
    for needle in needles.into_iter().chain(ivs.iter().map(String::as_str)) {
        assert!(!log.contains(needle), "{needle} in\n{log}");
    }
    for received in peer.received() {
        assert!(!received.body.windows(7).any(|window| window == b"planted"));
    }
}
