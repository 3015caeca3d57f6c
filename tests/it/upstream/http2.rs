//! Applications that speak HTTP/2, by prior knowledge.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming};
use tokio::sync::{Barrier, mpsc};

use super::server::{BoxError, Http2Origin, Reply};
use crate::support::{Origin, Sidecar, SidecarBuilder, TestKey, eventually};

fn sidecar(origin: &Http2Origin, key: &TestKey) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy("upstream_http = \"2\"")
}

fn reply(body: impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Reply {
    Response::new(body.boxed_unsync())
}

fn empty() -> Reply {
    reply(Empty::new().map_err(|never| match never {}))
}

fn full(text: &'static str) -> Reply {
    reply(Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}))
}

/// Longer than any window or buffer on the way.
fn long(key: &TestKey) -> Vec<u8> {
    (0..8 * 1024 * 1024_usize).map(|index| (index / 5) as u8 ^ key.secret[7]).collect()
}

#[test]
fn an_order_arrives_in_the_form_of_http2_and_its_reply_goes_back_sealed() {
    let origin = Http2Origin::echo(None);
    for algorithm in ["AES-256-GCM", "AES-128-CTR", "AES-192-CFB8"] {
        let key = TestKey::new(algorithm);
        let sidecar = sidecar(&origin, &key).start();
        let fields = "X-Table: 7\r\ncookie: a=1\r\nconnection: x-hop\r\nx-hop: 1\r\n";
        let reply = sidecar.connect().exchange(&key.request("POST", "/orders?t=1", fields, b"soup"));
        assert_eq!((reply.status, reply.header("content-length")), (200, Some(key_length(&key, 4).as_str())));
        assert_eq!(reply.open(&key).unwrap(), b"soup");
        let head = origin.heads().pop().unwrap();
        assert_eq!(head.method, Method::POST);
        assert_eq!(head.uri.to_string(), "http://kitchen.test/orders?t=1");
        assert_eq!(head.headers["content-length"], "4");
        assert_eq!(head.headers["x-table"], "7");
        for absent in ["host", "connection", "x-hop", "te", "transfer-encoding", "sec-iv", "sec-fingerprint"]
        {
            assert!(!head.headers.contains_key(absent), "{absent}: {head:?}");
        }
    }
}

fn key_length(key: &TestKey, plain: usize) -> String {
    key.seal_with(&key.fresh_iv(), &vec![0; plain]).len().to_string()
}

#[test]
fn a_hundred_orders_at_once_share_the_connections_of_the_workers() {
    const AT_ONCE: usize = 100;
    let all_there = Arc::new(Barrier::new(AT_ONCE));
    let origin = Http2Origin::answering(None, {
        let all_there = Arc::clone(&all_there);
        move |request: Request<Incoming>| {
            let all_there = Arc::clone(&all_there);
            async move {
                let body = request.into_body().collect().await?.to_bytes();
                all_there.wait().await;
                Ok(reply(Full::new(body).map_err(|never| match never {})))
            }
        }
    });
    let key = TestKey::new("AES-256-GCM");
    let sidecar = sidecar(&origin, &key).start();
    thread::scope(|clients| {
        for number in 0..AT_ONCE {
            let (sidecar, key) = (&sidecar, &key);
            clients.spawn(move || {
                let order = format!("order {number}");
                let reply = sidecar.connect().exchange(&key.request("POST", "/", "", order.as_bytes()));
                assert_eq!(reply.open(key).unwrap(), order.as_bytes());
            });
        }
    });
    // The sidecar has two workers.
    assert_eq!(origin.connections(), 2);
    assert_eq!(sidecar.metric("alewife_upstream_connections_opened_total{proxy=\"kitchen\"}"), 2.0);
}

#[test]
fn long_bodies_go_both_ways() {
    let origin = Http2Origin::echo(None);
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let key = TestKey::new(algorithm);
        let sidecar = sidecar(&origin, &key).start();
        let order = long(&key);
        let request = key.request("POST", "/", "", &order);
        let mut connection = sidecar.connect();
        let mut sending = connection.stream.try_clone().unwrap();
        let reply = thread::scope(|both| {
            both.spawn(move || std::io::Write::write_all(&mut sending, &request).unwrap());
            connection.reply("POST")
        });
        assert!(reply.is_whole());
        assert!(reply.open(&key).unwrap() == order, "{algorithm}");
    }
}

#[test]
fn trailers_go_both_ways() {
    let origin = Http2Origin::echo(None);
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let key = TestKey::new(algorithm);
        let sidecar = sidecar(&origin, &key).start();
        let iv = key.fresh_iv();
        let sealed = key.seal_with(&iv, b"soup");
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: kitchen.test\r\n{}te: trailers\r\nconnection: te\r\ntrailer: x-sum\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n",
            key.envelope(&iv),
            sealed.len()
        )
        .into_bytes();
        request.extend_from_slice(&sealed);
        request.extend_from_slice(b"\r\n0\r\nx-sum: 7\r\n\r\n");
        let reply = sidecar.connect().exchange(&request);
        assert_eq!(reply.open(&key).unwrap(), b"soup");
        assert_eq!(reply.trailers, [("x-sum".to_owned(), "7".to_owned())]);
        assert_eq!(origin.heads().pop().unwrap().headers["te"], "trailers");
    }
}

#[test]
fn replies_without_a_body_are_what_they_are_under_http1() {
    let origin = Http2Origin::answering(None, |request: Request<Incoming>| async move {
        let mut reply = empty();
        match request.uri().path() {
            "/204" => *reply.status_mut() = http::StatusCode::NO_CONTENT,
            "/304" => *reply.status_mut() = http::StatusCode::NOT_MODIFIED,
            "/head" => drop(reply.headers_mut().insert("content-length", 5.into())),
            _ => {}
        }
        Ok(reply)
    });
    let key = TestKey::new("AES-256-GCM");
    let sidecar = sidecar(&origin, &key).start();
    let mut connection = sidecar.connect();
    for (method, path, status, length) in [
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, None),
        ("HEAD", "/head", 200, Some("21")),
        ("GET", "/nothing", 200, Some("16")),
    ] {
        let reply = connection.exchange(&key.bodyless(method, path, ""));
        assert_eq!((reply.status, reply.header("content-length")), (status, length), "{reply:?}");
        assert!(reply.is_whole());
        if length == Some("16") {
            assert_eq!(reply.open(&key).unwrap(), b"");
        } else {
            assert_eq!(reply.header("sec-iv"), None);
        }
    }
    assert_eq!(origin.connections(), 1);
}

/// A body whose pieces a test sends; without a sender it breaks off.
struct Pieces(mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = ready!(self.0.poll_recv(cx));
        let frame = piece.map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
        Poll::Ready(Some(frame.ok_or_else(|| "the application died".into())))
    }
}

/// An application that answers `/pieces` with a body that the test sends piece by piece, and all else with `soup`.
fn piecemeal() -> (Http2Origin, mpsc::UnboundedSender<&'static str>) {
    let (pieces, body) = mpsc::unbounded_channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let origin = Http2Origin::answering(None, move |request: Request<Incoming>| {
        let body = Arc::clone(&body);
        async move {
            if request.uri().path() == "/pieces" {
                return Ok(reply(Pieces(body.lock().unwrap().take().unwrap())));
            }
            Ok(full("soup"))
        }
    });
    (origin, pieces)
}

#[test]
fn each_piece_of_a_reply_goes_on_at_once_and_a_broken_one_hurts_no_other() {
    let (origin, pieces) = piecemeal();
    let key = TestKey::new("AES-256-CTR");
    let sidecar = sidecar(&origin, &key).start();
    let mut client = sidecar.connect();
    client.send(&key.bodyless("GET", "/pieces", ""));
    client.read_head().unwrap();
    for piece in ["event: soup", "event: salad"] {
        pieces.send(piece).unwrap();
        assert_eq!(client.read_chunk().unwrap().unwrap().len(), piece.len());
    }
    drop(pieces);
    assert!(client.read_chunk().is_err());
    assert_eq!(sidecar.connect().exchange(&key.bodyless("GET", "/", "")).open(&key).unwrap(), b"soup");
    let broken = "alewife_requests_total{proxy=\"kitchen\",outcome=\"reply_broken\"}";
    eventually("the broken reply is counted", || sidecar.metric(broken) == 1.0);
}

#[test]
fn a_client_that_goes_takes_its_stream_along_and_no_other() {
    let (origin, pieces) = piecemeal();
    let key = TestKey::new("AES-256-CTR");
    let sidecar = sidecar(&origin, &key).start();
    let mut client = sidecar.connect();
    client.send(&key.bodyless("GET", "/pieces", ""));
    client.read_head().unwrap();
    drop(client);
    eventually("the application is told", || pieces.is_closed());
    // Whichever worker it falls to.
    for _ in 0..4 {
        assert_eq!(sidecar.connect().exchange(&key.bodyless("GET", "/", "")).open(&key).unwrap(), b"soup");
    }
    assert!(origin.connections() <= 2);
}

#[test]
fn an_application_that_goes_away_in_mid_run_loses_no_order() {
    const CLIENTS: usize = 8;
    const EACH: usize = 50;
    let origin = Http2Origin::echo(None);
    let key = TestKey::new("AES-256-GCM");
    let sidecar = sidecar(&origin, &key).start();
    let running = AtomicUsize::new(CLIENTS);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (sidecar, key, running) = (&sidecar, &key, &running);
            scope.spawn(move || {
                let mut connection = sidecar.connect();
                for number in 0..EACH {
                    let order = format!("order {number} of {client}");
                    let reply = connection.exchange(&key.request("POST", "/", "", order.as_bytes()));
                    assert_eq!(reply.status, 200, "{reply:?}");
                    assert_eq!(reply.open(key).unwrap(), order.as_bytes());
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut seen = 0;
        eventually("all orders are through", || {
            if origin.heads().len() > seen + 20 {
                seen = origin.heads().len();
                origin.go_away();
            }
            running.load(Ordering::Relaxed) == 0 || thread::panicking()
        });
    });
    assert!(origin.connections() > 4, "{}", origin.connections());
    // Each was acted upon once.
    assert_eq!(origin.heads().len(), CLIENTS * EACH);
}

#[test]
fn an_application_of_http1_is_no_application_of_http2() {
    let origin = Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let key = TestKey::new("AES-256-GCM");
    let sidecar =
        Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy("upstream_http = \"2\"").start();
    let reply = sidecar.connect().exchange(&key.bodyless("GET", "/", ""));
    assert_eq!(reply.status, 502, "{reply:?}");
    assert!(reply.text().starts_with("{\"errorCode\":104,"), "{reply:?}");
}
