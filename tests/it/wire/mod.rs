//! The inbound path as bytes: what the issue and the clauses P1-P9 say, shown on the running sidecar.

mod delivery;
mod errors;
mod framing;
mod http2;
mod passing;
mod ping;
mod replies;
mod strict;
mod transparency;
mod vectors_live;

use crate::support::{Reply, TestKey};

/// errorCode 1.
const HEADERS: &str = r#"{"errorCode":1,"message":"Incorrect security headers"}"#;
/// errorCode 2.
const DECRYPT: &str = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
/// Code 100.
const MALFORMED: &str = r#"{"errorCode":100,"message":"Malformed request"}"#;

/// The reply is this error of the sidecar's own, whole, in clear, and with nothing else in its head.
#[track_caller]
fn assert_error(reply: &Reply, status: u16, body: &str, closes: bool) {
    assert_eq!((reply.status, reply.text()), (status, body), "{reply:?}");
    assert!(reply.is_whole());
    let mut expected = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("content-length".to_owned(), body.len().to_string()),
        ("x-request-id".to_owned(), reply.header("x-request-id").expect("an id").to_owned()),
    ];
    if closes {
        expected.push(("connection".to_owned(), "close".to_owned()));
    }
    let mut headers = reply.headers.clone();
    headers.sort();
    expected.sort();
    assert_eq!(headers, expected);
}

/// A request from a pattern whose characters up to U+00FF stand for the bytes of that number.
///
/// `{E}` becomes the envelope's two lines, `{L}` the length of the sealed body, `{X}` that length in hex,
/// `{B}` the sealed body.
fn fill(pattern: &str, key: &TestKey, plain: &[u8]) -> Vec<u8> {
    let iv = key.fresh_iv();
    let sealed = key.seal_with(&iv, plain);
    let pattern = pattern
        .replace("{E}", &key.envelope(&iv))
        .replace("{L}", &sealed.len().to_string())
        .replace("{X}", &format!("{:x}", sealed.len()))
        .replace("{B}", &sealed.iter().map(|&byte| char::from(byte)).collect::<String>());
    pattern.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}
