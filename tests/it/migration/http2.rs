//! The same under HTTP/2, on one connection.

use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{GCM, counted, sidecar};
use crate::support::{Frames, Origin, PATIENCE, TestKey};

#[test]
fn plain_and_sealed_requests_share_a_connection_of_http2() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = sidecar("permit", &key, &origin).start();
    let asking = async {
        let stream = tokio::net::TcpStream::connect(sidecar.address()).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let iv = key.fresh_iv();
        let base64 = alewife::crypto::encoding::base64_encode(&iv);
        let sealed = key.seal_with(&iv, b"fish");
        let mut replies = Vec::new();
        for (headers, body) in [
            (vec![], &b"soup"[..]),
            (vec![("sec-iv", base64.as_str()), ("sec-fingerprint", key.fingerprint.as_str())], &sealed),
            (vec![("sec-fingerprint", key.fingerprint.as_str())], b"soup"),
        ] {
            let request = Request::post("http://kitchen.test/orders");
            let request =
                headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            client.ready().await.unwrap();
            let response =
                client.send_request(request.body(Frames::new(&[body], None)).unwrap()).await.unwrap();
            let (head, body) = response.into_parts();
            replies.push((head, body.collect().await.unwrap().to_bytes()));
        }
        replies
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let replies = runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() });
    let [(plain, soup), (sealed, fish), (refused, _)] = &replies[..] else { panic!("three replies") };
    assert_eq!(
        (plain.status.as_u16(), &soup[..], plain.headers.contains_key("sec-iv")),
        (200, &b"soup"[..], false)
    );
    let iv = alewife::crypto::encoding::base64_decode(sealed.headers["sec-iv"].as_bytes()).unwrap();
    assert_eq!(key.open_with(&iv, fish).as_deref(), Some(&b"fish"[..]));
    assert_eq!(refused.status.as_u16(), 400);
    assert_eq!(counted(&sidecar), [1, 1, 1]);
}
