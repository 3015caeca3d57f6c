//! Each exit status of `alewife send`, provoked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use alewife::crypto::encoding;

use super::{Ended, KeyFile, run};
use crate::support::{Origin, Sidecar, TestKey};

fn key() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn send(args: &[&str]) -> Ended {
    let keys = KeyFile::of(&[&key()]);
    run([&["send", "--keys", &keys.path()], args].concat(), b"")
}

/// Nothing was shown, and the one line on standard error names the number.
fn assert_refused(ended: &Ended, number: i32, message: &str) {
    assert_eq!((ended.status, ended.text()), (number, ""), "{}", ended.stderr);
    assert_eq!(ended.stderr, format!("alewife send: ({number}) {message}\n"));
}

/// A server for one request, answered by `answer`, which gets the request's bytes.
fn server(answer: impl FnOnce(&[u8], TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = crate::support::uninterrupted(|| stream.read(&mut buffer)).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        answer(&request, stream);
    });
    address
}

/// Sends a request to a server that answers with these bytes and closes.
fn answered_with(reply: Vec<u8>, args: &[&str]) -> Ended {
    let address = server(move |_, mut stream| stream.write_all(&reply).unwrap());
    send(&[args, &[&format!("http://{address}/")]].concat())
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn unsupported_protocol_is_1() {
    for url in ["https://kitchen/", "wss://kitchen/"] {
        assert_refused(&send(&[url]), 1, "only http:// and ws:// are spoken, without TLS");
    }
    assert_refused(&send(&["ftp://kitchen/"]), 1, "only http:// and ws:// can be sent to");
}

#[test]
fn wrong_command_line_is_2() {
    let wrong: [&[&str]; 5] = [
        &[],
        &["--nonsense", "http://kitchen/"],
        &["-H", "no colon", "http://kitchen/"],
        &["-H", "content-length: 3", "http://kitchen/"],
        &["-m", "soon", "http://kitchen/"],
    ];
    for args in wrong {
        let ended = send(args);
        assert_eq!((ended.status, ended.text()), (2, ""), "{args:?}");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[test]
fn malformed_url_is_3() {
    assert_refused(
        &send(&["http://kit chen/"]),
        3,
        "malformed URL: expected http://HOST[:PORT][/PATH] or ws://HOST[:PORT][/PATH]",
    );
    let port = "malformed URL: the port is not a number from 1 to 65535";
    assert_refused(&send(&["http://kitchen:70000/"]), 3, port);
}

#[test]
fn unknown_host_is_6() {
    // A label of more than 63 characters is refused before any name server is asked.
    let host = "a".repeat(64);
    assert_refused(&send(&[&format!("http://{host}/")]), 6, &format!("cannot resolve the host {host}"));
}

#[test]
fn nobody_listening_is_7() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let ended = send(&[&format!("http://{address}/")]);
    assert_eq!((ended.status, ended.text()), (7, ""));
    assert!(
        ended.stderr.starts_with(&format!("alewife send: (7) cannot connect to {address}: ")),
        "{}",
        ended.stderr
    );
}

#[test]
fn reply_that_is_not_http_is_8() {
    let ended = answered_with(b"220 smtp.example ESMTP\r\n\r\n".to_vec(), &[]);
    assert_eq!((ended.status, ended.text()), (8, ""), "{}", ended.stderr);
}

#[test]
fn reply_that_breaks_off_is_18_and_shows_nothing_under_gcm() {
    for framing in ["content-length: 100\r\n\r\nsoup", "transfer-encoding: chunked\r\n\r\n4\r\nsoup\r\n"] {
        let origin = Origin::answering(move |_, stream| {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}").as_bytes())?;
            Err(std::io::ErrorKind::BrokenPipe.into())
        });
        let sidecar = Sidecar::inbound().keys(&[&key()]).upstream(origin.address()).start();
        assert_refused(&send(&[&sidecar.url()]), 18, "the reply broke off before its end");
    }
}

#[test]
fn error_status_with_fail_is_22() {
    let origin = Origin::fixed(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope");
    let sidecar = Sidecar::inbound().keys(&[&key()]).upstream(origin.address()).start();
    assert_refused(&send(&["-f", &sidecar.url()]), 22, "the requested URL returned error: 404");
    let ended = send(&["-f", "-s", &sidecar.url()]);
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (22, "", ""));
    let ended = send(&[&sidecar.url()]);
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (0, "nope", ""));
}

#[test]
fn output_that_cannot_be_written_is_23() {
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key()]).upstream(origin.address()).start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("absent/reply");
    let ended = send(&["-d", "x", "-o", file.to_str().unwrap(), &sidecar.url()]);
    assert_eq!(ended.status, 23);
    let message = format!("alewife send: (23) cannot write to {}: ", file.display());
    assert!(ended.stderr.starts_with(&message), "{}", ended.stderr);
}

#[test]
fn body_that_cannot_be_read_is_26() {
    let ended = send(&["-d", "@/no/such/order", "http://kitchen/"]);
    assert_eq!((ended.status, ended.text()), (26, ""));
    assert!(ended.stderr.starts_with("alewife send: (26) cannot read /no/such/order: "), "{}", ended.stderr);
}

#[test]
fn reply_that_does_not_come_in_time_is_28() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let address = server(move |_, stream| {
        let _ = held.recv();
        drop(stream);
    });
    assert_refused(&send(&["--max-time", "0.05", &format!("http://{address}/")]), 28, "not done within 50ms");
    drop(hold);
}

#[test]
fn server_that_closes_without_a_reply_is_52() {
    let address = server(|_, stream| drop(stream));
    assert_refused(&send(&[&format!("http://{address}/")]), 52, "empty reply from the server");
}

#[test]
fn connection_that_is_reset_is_56() {
    let address = server(|_, stream| {
        // Closing sends a reset.
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    });
    let ended = send(&[&format!("http://{address}/")]);
    assert_eq!((ended.status, ended.text()), (56, ""), "{}", ended.stderr);
}

#[test]
fn key_file_without_a_usable_key_is_58() {
    let keys = KeyFile::of(&[&key()]);
    let named = |fingerprint: &str, file: &str| {
        run(["send", "--keys", file, "--fingerprint", fingerprint, "http://kitchen/"], b"")
    };
    let unknown =
        "nobody: no key has this fingerprint; append its entry to the file, or leave --fingerprint out";
    assert_refused(&named("nobody", &keys.path()), 58, &format!("{}: {unknown}", keys.path()));
    let future = KeyFile::with(&format!("{}valid_after = 9001-01-01T00:00:00Z\n", key().entry()));
    let early = "the key is not yet valid; wait for its valid_after, or leave --fingerprint out";
    let fingerprint = key().fingerprint.clone();
    assert_refused(
        &named(&fingerprint, &future.path()),
        58,
        &format!("{}: {fingerprint}: {early}", future.path()),
    );
    assert_eq!(named("nobody", &keys.at("absent.toml")).status, 58);
    let expired = KeyFile::with(&format!("{}valid_until = 2001-01-01T00:00:00Z\n", key().entry()));
    let ended = run(["send", "--keys", &expired.path(), "http://kitchen/"], b"");
    let none = "no key of the file is valid for sealing now; `alewife keygen` makes one to append";
    assert_refused(&ended, 58, &format!("{}: {none}", expired.path()));
}

#[test]
fn reply_in_clear_that_is_no_error_of_the_sidecar_is_61() {
    let unsealed = "forged or unsealed reply: it is not sealed";
    let error = br#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
    assert_refused(&answered_with(reply("200 OK", "", b"free soup"), &[]), 61, unsealed);
    assert_refused(&answered_with(reply("200 OK", "", error), &[]), 61, unsealed);
    assert_refused(&answered_with(reply("502 Bad Gateway", "", b"<html>"), &[]), 61, unsealed);
    assert_refused(&answered_with(reply("400 Bad Request", "", &vec![b' '; 70_000]), &[]), 61, unsealed);
}

#[test]
fn reply_that_does_not_open_is_61_and_leaves_the_output_as_it_was() {
    let (key, other) = (key(), TestKey::numbered("AES-256-GCM", 1));
    let iv = key.fresh_iv();
    let sealed = key.seal_with(&iv, b"soup");
    let mut changed = sealed.clone();
    changed[0] ^= 1;
    let envelope = key.envelope(&iv);
    let no_iv = format!("sec-fingerprint: {}\r\n", key.fingerprint);
    let cases = [
        (reply("200 OK", &envelope, &changed), "it is not authentic"),
        (reply("200 OK", &envelope, &sealed[..10]), "it is not authentic"),
        (reply("200 OK", &envelope, b""), "it is not authentic"),
        (reply("200 OK", &other.envelope(&iv), &sealed), "it is sealed with another key than the request"),
        (reply("200 OK", &no_iv, &sealed), "its security headers are incorrect: missing_iv"),
        (
            format!("HTTP/1.1 204 No Content\r\n{envelope}\r\n").into_bytes(),
            "it has no body, and yet bears the headers of a sealed one",
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("reply");
    std::fs::write(&file, b"before").unwrap();
    for (reply, fault) in cases {
        let ended = answered_with(reply, &["-i", "-o", file.to_str().unwrap()]);
        assert_refused(&ended, 61, &format!("forged or unsealed reply: {fault}"));
        assert_eq!(std::fs::read(&file).unwrap(), b"before", "{fault}");
    }
    assert_eq!(answered_with(reply("200 OK", &envelope, &sealed), &[]).ok(), b"soup");
}

#[test]
fn request_that_is_sent_back_as_its_reply_is_61() {
    let address = server(|request, mut stream| {
        let text = String::from_utf8_lossy(request);
        let envelope = text.lines().filter(|line| line.starts_with("sec-"));
        let envelope: String = envelope.map(|line| format!("{line}\r\n")).collect();
        stream.write_all(&reply("200 OK", &envelope, b"0123456789abcdef")).unwrap();
    });
    let fault = "forged or unsealed reply: it bears the iv of the request";
    assert_refused(&send(&[&format!("http://{address}/")]), 61, fault);
}

#[test]
fn twelve_byte_iv_for_a_request_of_sixteen_is_61() {
    let iv = encoding::base64_encode(&[1; 12]);
    let envelope = format!("sec-iv: {iv}\r\nsec-fingerprint: {}\r\n", key().fingerprint);
    let fault = "forged or unsealed reply: its security headers are incorrect: bad_iv";
    assert_refused(&answered_with(reply("200 OK", &envelope, &[0; 16]), &[]), 61, fault);
}
