//! HTTP/2 with prior knowledge on the same listener.

use std::future::Future;
use std::io::Write;

use alewife::crypto::encoding;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::strict::StrictOrigin;
use super::{DECRYPT, HEADERS};
use crate::support::{Frames, PATIENCE, Sidecar, TestKey};

type Client = SendRequest<Frames>;

/// Runs a client against a sidecar in front of `origin`.
fn with_client<F: Future<Output = ()>>(
    origin: &StrictOrigin,
    key: &TestKey,
    proxy: &str,
    test: impl FnOnce(Client) -> F,
) {
    let sidecar = Sidecar::inbound().keys(&[key]).proxy(proxy).upstream(origin.address()).start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(sidecar.address()).await.unwrap();
        let (client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        tokio::time::timeout(PATIENCE, test(client)).await.expect("in time");
    });
}

/// A request to `https://kitchen.test:81` with a fresh envelope, and the body sealed under it.
fn sealed(key: &TestKey, method: &str, path: &str, plain: &[u8]) -> (http::request::Builder, Vec<u8>) {
    let iv = key.fresh_iv();
    let builder = Request::builder()
        .version(Version::HTTP_2)
        .method(method)
        .uri(format!("http://kitchen.test:81{path}"))
        .header("sec-iv", encoding::base64_encode(&iv))
        .header("sec-fingerprint", &key.fingerprint);
    (builder, key.seal_with(&iv, plain))
}

async fn order(client: &mut Client, key: &TestKey, path: &str, plain: &[u8]) -> Response<Incoming> {
    let (builder, body) = sealed(key, "POST", path, plain);
    client.ready().await.unwrap();
    client.send_request(builder.body(Frames::new(&[&body], None)).unwrap()).await.unwrap()
}

async fn open(key: &TestKey, response: Response<Incoming>) -> Vec<u8> {
    assert_eq!(response.headers()["sec-fingerprint"], key.fingerprint.as_str());
    let iv = encoding::base64_decode(response.headers()["sec-iv"].as_bytes()).unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    key.open_with(&iv, &body).expect("an authentic reply")
}

#[test]
fn a_sealed_order_goes_there_and_its_reply_back() {
    for (algorithm, framing) in
        [("AES-256-GCM", ("content-length", "5")), ("AES-256-CTR", ("transfer-encoding", "chunked"))]
    {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        with_client(&origin, &key, "", async |mut client| {
            let (builder, body) = sealed(&key, "POST", "/a//b?c=%20;d", b"order");
            let request = builder
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("x-empty", "")
                .header("te", "trailers");
            let pieces: Vec<&[u8]> = body.chunks(2).collect();
            let response =
                client.send_request(request.body(Frames::new(&pieces, None)).unwrap()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers().len(), 3, "{response:?}");
            assert_eq!(
                response.headers()["content-length"],
                (5 + key.algorithm.tag_len()).to_string().as_str()
            );
            assert_eq!(open(&key, response).await, b"order");
        });
        let seen = origin.only();
        assert_eq!(
            (seen.request_line.as_str(), &seen.body[..]),
            ("POST /a//b?c=%20;d HTTP/1.1", &b"order"[..])
        );
        let mut headers = seen.headers.clone();
        headers.sort();
        let mut expected = [
            ("accept-encoding", "identity"),
            ("connection", "te"),
            ("cookie", "a=1; b=2"),
            framing,
            ("host", "kitchen.test:81"),
            ("te", "trailers"),
            ("x-empty", ""),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "kitchen.test:81"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", seen.header("x-request-id").expect("an id")),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        expected.sort();
        assert_eq!(headers, expected);
    }
}

#[test]
fn declared_trailers_pass_both_ways() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let origin = StrictOrigin::answering(|received, stream| {
            let trailers: String =
                received.trailers.iter().map(|(name, value)| format!("{name}: back-{value}\r\n")).collect();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{trailers}\r\n"
            )
        });
        let key = TestKey::new(algorithm);
        with_client(&origin, &key, "", async |mut client| {
            let (builder, body) = sealed(&key, "POST", "/", b"order");
            let trailers = HeaderMap::from_iter([
                ("x-sum".parse().unwrap(), "7".parse().unwrap()),
                ("sec-iv".parse().unwrap(), "AA".parse().unwrap()),
            ]);
            let request = builder.header("trailer", "x-sum, sec-iv").header("te", "trailers");
            let response = client
                .send_request(request.body(Frames::new(&[&body], Some(trailers))).unwrap())
                .await
                .unwrap();
            let iv = encoding::base64_decode(response.headers()["sec-iv"].as_bytes()).unwrap();
            let whole = response.into_body().collect().await.unwrap();
            assert_eq!(whole.trailers().unwrap().len(), 1);
            assert_eq!(whole.trailers().unwrap()["x-sum"], "back-7");
            assert_eq!(key.open_with(&iv, &whole.to_bytes()).unwrap(), b"ok");
        });
        assert_eq!(origin.only().trailers, [("x-sum".to_owned(), "7".to_owned())]);
    }
}

#[test]
fn refusals_are_the_same_bytes_and_leave_the_connection_open() {
    let (origin, key) = (StrictOrigin::echo(), TestKey::new("AES-256-GCM"));
    with_client(&origin, &key, "max_body = 100", async |mut client| {
        let too_large = r#"{"errorCode":101,"message":"Payload too large"}"#;
        let malformed = super::MALFORMED;
        let wrong = TestKey { secret: vec![1; 32], ..key.clone() };
        let unknown = TestKey::numbered("AES-256-GCM", 9);
        let built = |key: &TestKey, method: &str, plain: &[u8]| {
            let (builder, body) = sealed(key, method, "/", plain);
            builder.body(Frames::new(&[&body], None)).unwrap()
        };
        let mut headless = built(&key, "POST", b"x");
        headless.headers_mut().remove("sec-iv");
        let mut two_hosts = built(&key, "POST", b"x");
        two_hosts.headers_mut().insert("host", "other.test".parse().unwrap());
        let mut empty = built(&key, "POST", b"x");
        *empty.body_mut() = Frames::new(&[], None);
        let cases = [
            (headless, 400, HEADERS),
            (built(&unknown, "POST", b"x"), 400, DECRYPT),
            (built(&wrong, "POST", b"x"), 400, DECRYPT),
            (empty, 400, DECRYPT),
            (built(&key, "POST", &[0; 101]), 413, too_large),
            (two_hosts, 400, malformed),
        ];
        for (request, status, body) in cases {
            client.ready().await.unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), status, "{body}");
            assert_eq!(response.headers().len(), 3, "{response:?}");
            assert!(response.headers().contains_key("x-request-id"), "{response:?}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
        }
        let response = order(&mut client, &key, "/next", b"next").await;
        assert_eq!(open(&key, response).await, b"next");
    });
    assert_eq!(origin.only().target(), "/next");
}

#[test]
fn a_hundred_streams_at_once_each_get_their_own_reply() {
    let (origin, key) = (StrictOrigin::echo(), TestKey::new("AES-128-GCM"));
    with_client(&origin, &key, "", async |client| {
        let mut tasks = Vec::new();
        for number in 0..100_usize {
            let (mut client, key) = (client.clone(), key.clone());
            tasks.push(tokio::spawn(async move {
                let plain = vec![number as u8; number * 300];
                let response = order(&mut client, &key, &format!("/{number}"), &plain).await;
                assert_eq!(open(&key, response).await, plain);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(origin.requests().len(), 100);
}

#[test]
fn a_reply_that_breaks_resets_its_stream_and_no_other() {
    for reply in ["content-length: 10\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let origin = StrictOrigin::answering(move |received, stream| {
            if received.target() == "/break" {
                write!(stream, "HTTP/1.1 200 OK\r\n{reply}")?;
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        });
        let key = TestKey::new("AES-256-GCM");
        with_client(&origin, &key, "", async |mut client| {
            let broken = order(&mut client, &key, "/break", b"x").await;
            assert_eq!(broken.status(), 200);
            let error = broken.into_body().collect().await.expect_err("a reset");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("INTERNAL_ERROR") || source.contains("internal error"), "{source}");
            let response = order(&mut client, &key, "/", b"x").await;
            assert_eq!(open(&key, response).await, b"ok");
        });
    }
}

#[test]
fn replies_without_a_body_bear_nothing_of_the_envelope() {
    let origin = StrictOrigin::answering(|received, stream| match received.target() {
        "/204" => stream.write_all(b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n"),
        "/304" => stream.write_all(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\nx-a: b\r\n\r\n"),
        _head => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nx-a: b\r\n\r\n"),
    });
    let key = TestKey::new("AES-256-GCM");
    with_client(&origin, &key, "", async |mut client| {
        for (method, path, length) in
            [("GET", "/204", None), ("GET", "/304", None), ("HEAD", "/", Some("25"))]
        {
            let (builder, _) = sealed(&key, method, path, b"");
            client.ready().await.unwrap();
            let response = client.send_request(builder.body(Frames::new(&[], None)).unwrap()).await.unwrap();
            let headers = response.headers();
            assert_eq!(headers["x-a"], "b");
            assert_eq!(headers.get("content-length").map(|value| value.to_str().unwrap()), length, "{path}");
            assert_eq!(headers.len(), 1 + usize::from(length.is_some()), "{headers:?}");
            assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
    });
}

#[test]
fn a_length_that_is_not_the_bodys_or_a_target_that_is_none_never_reaches_the_application() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        with_client(&origin, &key, "", async |mut client| {
            for length in ["4", "1000", "0", "x", "+21", "5, 5"] {
                if length == "0" && algorithm == "AES-256-CTR" {
                    // What streams is whole once the stated length has come; the rest is nobody's.
                    continue;
                }
                let (builder, body) = sealed(&key, "POST", "/length", b"order");
                let request =
                    builder.header("content-length", length).body(Frames::new(&[&body], None)).unwrap();
                client.ready().await.unwrap();
                if let Ok(response) = client.send_request(request).await {
                    assert_eq!(response.status(), 400, "{length}");
                }
            }
            for (method, uri) in [("CONNECT", "kitchen.test:81"), ("POST", "http://user:pass@kitchen.test/")]
            {
                let (mut builder, body) = sealed(&key, method, "/", b"order");
                builder = builder.uri(uri);
                client.ready().await.unwrap();
                if let Ok(response) =
                    client.send_request(builder.body(Frames::new(&[&body], None)).unwrap()).await
                {
                    assert_eq!(response.status(), 400, "{uri}");
                }
            }
            let response = order(&mut client, &key, "/next", b"next").await;
            assert_eq!(open(&key, response).await, b"next");
        });
        assert_eq!(origin.only().target(), "/next");
    }
}

#[test]
fn a_length_of_0_whose_stream_ends_later_keeps_the_connection_to_the_application() {
    let (origin, key) = (StrictOrigin::echo(), TestKey::new("AES-256-CTR"));
    with_client(&origin, &key, "", async |mut client| {
        for _ in 0..3 {
            let (builder, _) = sealed(&key, "POST", "/", b"");
            client.ready().await.unwrap();
            let request = builder.header("content-length", "0").body(Frames::new(&[b""], None)).unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(open(&key, response).await, b"");
        }
    });
    assert_eq!((origin.requests().len(), origin.last().header("content-length")), (3, Some("0")));
    // The listener has two workers, but one connection of a client lives on one of them.
    assert_eq!(origin.connections(), 1);
}
