//! What is held under a profile in the life of a sidecar: HTTP's ways, limits, keys that change, replays.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use alewife::crypto::encoding::hex_encode;

use super::{FORM, assert_error, content_type, request};
use crate::support::{
    Connection, Frames, Origin, PATIENCE, Portal, Reply, Sidecar, SidecarBuilder, TestKey, eventually,
};

const GCM: &str = "AES-256-GCM";
/// errorCode 2 as it is published.
const DECRYPT: &str = "{\"errorCode\":2,\"message\":\"Unable to decrypt payload\"}";

/// Seals the application's replies, in base64; the key is named.
const HELD: &str = "[profile.held]\nencoding = \"base64\"\n";

fn notifications(key: &TestKey, origin: &Origin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy("profile = \"payon\"")
}

fn held(key: &TestKey, origin: &Origin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy("profile = \"held\"").tables(HELD)
}

/// A notification as the vendor of `payon` sends it: what its headers bear, and its body.
fn notification(key: &TestKey, plain: &[u8]) -> ([String; 2], String) {
    let iv = &key.fresh_iv()[..12];
    let sealed = key.seal_with(iv, plain);
    let (ciphertext, tag) = sealed.split_at(sealed.len() - 16);
    ([hex_encode(iv), hex_encode(tag)], hex_encode(ciphertext))
}

fn notify(key: &TestKey, headers: &str, plain: &[u8]) -> Vec<u8> {
    let ([iv, tag], body) = notification(key, plain);
    let headers = format!("x-initialization-vector: {iv}\r\nX-Authentication-Tag: {tag}\r\n{headers}");
    request("POST", "/notify?x=1", &headers, &body)
}

/// A request under `held`.
fn order(key: &TestKey, method: &str, plain: &[u8]) -> Vec<u8> {
    let iv = key.fresh_iv();
    let body = alewife::crypto::encoding::base64_encode(&key.seal_with(&iv, plain));
    request(method, "/orders", &key.envelope(&iv), &body)
}

/// What a reply under `held` opens to.
fn opened(reply: &Reply, key: &TestKey) -> Vec<u8> {
    let sealed = alewife::crypto::encoding::base64_decode(&reply.body).expect("base64");
    Reply { body: sealed, ..reply.clone() }.open(key).expect("it opens")
}

#[test]
fn message_under_http2_and_one_in_chunks_are_opened_as_one() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = notifications(&key, &origin).start();
    let plain = "soup é ".repeat(3_000).into_bytes();
    let ([iv, tag], body) = notification(&key, &plain);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asking = async {
        let stream = tokio::net::TcpStream::connect(sidecar.address()).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (one, rest) = body.as_bytes().split_at(1000);
        let trailers = [("x-late".parse().unwrap(), "soup".parse().unwrap())].into_iter().collect();
        let request = http::Request::post("http://hooks.test/notify?x=1")
            .header("x-initialization-vector", &iv)
            .header("x-authentication-tag", &tag)
            .body(Frames::new(&[one, rest], Some(trailers)))
            .unwrap();
        client.ready().await.unwrap();
        client.send_request(request).await.unwrap().status().as_u16()
    };
    let status = runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() });
    let mut chunked = format!(
        "POST /notify?x=1 HTTP/1.1\r\nhost: hooks.test\r\nx-initialization-vector: {iv}\r\n\
         x-authentication-tag: {tag}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    body.as_bytes()
        .chunks(777)
        .for_each(|piece| chunked += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)));
    chunked += "0\r\nx-late: soup\r\n\r\n";
    let reply = sidecar.connect().exchange(chunked.as_bytes());
    assert_eq!((status, reply.status, &reply.body), (200, 200, &plain));
    assert_eq!(origin.count(), 2);
    for received in origin.received() {
        assert_eq!((received.target(), received.body == plain), ("/notify?x=1", true));
        assert_eq!(received.header("content-length"), Some(plain.len().to_string().as_str()));
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!((received.header("transfer-encoding"), received.trailers.len()), (None, 0));
        assert_eq!(
            (received.header("x-initialization-vector"), received.header("x-authentication-tag")),
            (None, None)
        );
    }
}

#[test]
fn body_beyond_max_body_is_413_one_beyond_the_budget_503_and_a_reply_beyond_it_502() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = held(&key, &origin).proxy("max_body = 4000").start();
    // What is held is the text that came, which is longer than its plaintext.
    for (length, status) in [(2900, 200), (3000, 413)] {
        let reply = sidecar.connect().exchange(&order(&key, "POST", &vec![b'x'; length]));
        assert_eq!(reply.status, status, "{length}");
        if status == 413 {
            assert_error(&reply, 413, 101, "Payload too large");
        }
    }
    assert_eq!(origin.count(), 1);

    let long = Origin::answering(|_, stream| {
        stream.write_all(&crate::support::reply_of("200 OK", "", &[b'x'; 4001]))
    });
    let sidecar = held(&key, &long).proxy("max_body = 4000").start();
    let mut connection = sidecar.connect();
    assert_error(&connection.exchange(&order(&key, "POST", b"soup")), 502, 110, "Reply too large");
    assert_error(&connection.exchange(&order(&key, "POST", b"soup")), 502, 110, "Reply too large");

    // One peer address may have a quarter.
    let sidecar = held(&key, &origin).top("max_held = 16000").start();
    let reply = sidecar.connect().exchange(&order(&key, "POST", &[b'x'; 5000]));
    assert_error(&reply, 503, 105, "No capacity");
    assert_eq!((reply.header("retry-after"), origin.count()), (Some("1"), 1));
    let reply = sidecar.connect().exchange(&order(&key, "POST", &[b'x'; 500]));
    assert_eq!(opened(&reply, &key), [b'x'; 500]);
    eventually("nothing is held", || sidecar.metric("alewife_held_bytes") == 0.0);
}

#[test]
fn handshake_of_a_websocket_is_404_where_messages_are_held() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let handshake = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let outbound =
        Sidecar::outbound().keys(&[&key]).upstream(origin.address()).proxy("profile = \"held\"").tables(HELD);
    for sidecar in [held(&key, &origin).start(), outbound.start()] {
        let headers = format!("{handshake}{}", key.envelope(&key.fresh_iv()));
        let reply = sidecar.connect().exchange(&request("GET", "/feed", &headers, ""));
        assert_error(&reply, 404, 115, "No WebSocket here");
        assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"no_route\"}"), 1.0);
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn replies_are_sealed_but_for_those_that_have_no_body() {
    let key = TestKey::new(GCM);
    let origin = Origin::answering(|received, stream| match received.method() {
        "HEAD" => stream.write_all(b"HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 4\r\n\r\n"),
        "DELETE" => stream.write_all(b"HTTP/1.1 204 No Content\r\nsec-iv: mine\r\nx-done: yes\r\n\r\n"),
        "GET" => stream.write_all(
            b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n2\r\nne\r\n0\r\n\r\n",
        ),
        _ => stream.write_all(
            b"HTTP/1.1 200 OK\r\nsec-iv: mine\r\ncontent-encoding: br\r\ncontent-length: 0\r\n\r\n",
        ),
    });
    let sidecar = held(&key, &origin).start();
    let mut connection = sidecar.connect();
    let bodyless = |method: &str| request(method, "/orders", &key.envelope(&key.fresh_iv()), "");
    for (method, status, field) in [("HEAD", 200, "etag"), ("DELETE", 204, "x-done")] {
        let reply = connection.exchange(&bodyless(method));
        assert_eq!(
            (reply.status, reply.body.len(), reply.header(field).is_some()),
            (status, 0, true),
            "{method}"
        );
        assert_eq!((reply.header("sec-iv"), reply.header("sec-fingerprint")), (None, None), "{method}");
    }
    let reply = connection.exchange(&bodyless("GET"));
    assert_eq!((reply.status, opened(&reply, &key)), (404, b"none".to_vec()));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    let reply = connection.exchange(&order(&key, "POST", b""));
    assert_eq!((reply.status, opened(&reply, &key)), (200, Vec::new()));
    let encodings = (reply.header("content-encoding"), reply.header("x-ale-content-encoding"));
    assert_eq!(encodings, (None, Some("br")));
    // A method that must have a body has none.
    let reply = connection.exchange(&bodyless("POST"));
    assert_eq!((reply.status, reply.text()), (400, DECRYPT));
    assert_eq!(origin.count(), 4);
}

#[test]
fn reply_that_the_profile_cannot_seal_is_502_and_nothing_of_it_is_seen() {
    let key = TestKey::new(GCM);
    let origin = Origin::answering(|received, stream| match received.target() {
        "/events" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"),
        _ => stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nsecret"),
    });
    let profile = "[profile.values]\nscope = \"values\"\niv = \"prefix\"\nencoding = \"base64\"\ninclude = [\"json:/dish\"]\n\
                   optional = [\"json:/dish\"]\n";
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .upstream(origin.address())
        .proxy("profile = \"values\"")
        .tables(profile)
        .start();
    let headers = format!("sec-fingerprint: {}\r\n", key.fingerprint);
    let mut connection = sidecar.connect();
    let reply = connection.exchange(&request("GET", "/menu", &headers, ""));
    assert_error(&reply, 502, 116, "Reply cannot be sealed");
    eventually("the log says where", || sidecar.log().contains("unsupported_body at content-type"));
    assert!(!sidecar.log().contains("secret"));
    let reply = connection.exchange(&request("GET", "/events", &headers, ""));
    assert_error(&reply, 502, 109, "Event stream cannot be held");
    assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"reply_refused\"}"), 2.0);
}

#[test]
fn messages_that_name_no_key_open_under_old_and_new_ones_while_keys_change_under_load() {
    let (keys, origin) = ([1, 2, 3].map(|number| TestKey::numbered(GCM, number)), Origin::echo());
    let sidecar = Arc::new(notifications(&keys[0], &origin).start());
    let (newest, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let answered = Arc::new(AtomicU32::new(0));
    let clients = (0..4).map(|_| {
        let (sidecar, keys, newest) = (Arc::clone(&sidecar), keys.clone(), Arc::clone(&newest));
        let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
        thread::spawn(move || {
            let mut connection = sidecar.connect();
            for number in 0_u32.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let newest = newest.load(Ordering::Acquire);
                let key = &keys[newest.saturating_sub(number % 2) as usize];
                let reply = connection.exchange(&notify(key, "", b"soup"));
                assert_eq!((reply.status, reply.text()), (200, "soup"), "message {number}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let reloads = || sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}");
    for (number, kept) in [(1, &keys[..2]), (2, &keys[1..])] {
        let before = (reloads(), answered.load(Ordering::Relaxed));
        // A message before the change may be under the key that goes with it.
        let text: String = keys[..=number].iter().map(TestKey::entry).collect();
        replace_keys(&sidecar, &text);
        eventually("the new key is taken", || reloads() > before.0);
        newest.store(number as u32, Ordering::Release);
        eventually("messages go on", || answered.load(Ordering::Relaxed) > before.1 + 50);
        replace_keys(&sidecar, &kept.iter().map(TestKey::entry).collect::<String>());
    }
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    eventually("the first key has gone", || {
        sidecar.connect().exchange(&notify(&keys[0], "", b"soup")).text() == DECRYPT
    });
}

fn replace_keys(sidecar: &Sidecar, text: &str) {
    let fresh = sidecar.directory().join("fresh.toml");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(&fresh, sidecar.key_file()).unwrap();
    sidecar.signal("HUP");
}

#[test]
fn notification_that_comes_again_is_refused_within_the_replay_window() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = notifications(&key, &origin).proxy("replay_window = \"1h\"").start();
    let once = notify(&key, "", b"paid");
    let mut connection = sidecar.connect();
    assert_eq!(connection.exchange(&once).text(), "paid");
    let again = connection.exchange(&once);
    assert_eq!((again.status, again.text()), (400, DECRYPT));
    assert_eq!(connection.exchange(&notify(&key, "", b"paid")).text(), "paid");
    assert_eq!(origin.count(), 2);
    let series = "alewife_ale_errors_total{proxy=\"kitchen\",code=\"2\",reason=\"replayed\"}";
    assert_eq!(sidecar.metric(series), 1.0);
}

#[test]
fn envelope_of_which_a_part_is_missing_or_not_as_it_must_be_is_error_code_1_with_its_place() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = notifications(&key, &origin).start();
    let ([iv, tag], body) = notification(&key, b"paid");
    let (iv_line, tag_line) =
        (format!("x-initialization-vector: {iv}\r\n"), format!("x-authentication-tag: {tag}\r\n"));
    let cases = [
        ("missing_iv at header:x-initialization-vector", tag_line.clone()),
        ("missing_tag at header:x-authentication-tag", iv_line.clone()),
        ("bad_iv at header:x-initialization-vector", format!("{iv_line}{iv_line}{tag_line}")),
        (
            "bad_iv at header:x-initialization-vector",
            format!("x-initialization-vector: {iv}00\r\n{tag_line}"),
        ),
        ("bad_tag at header:x-authentication-tag", format!("{iv_line}{tag_line}{tag_line}")),
        ("bad_tag at header:x-authentication-tag", format!("{iv_line}x-authentication-tag: soup\r\n")),
    ];
    for (said, headers) in cases {
        let reply = sidecar.connect().exchange(&request("POST", "/", &headers, &body));
        assert_eq!(
            (reply.status, reply.text()),
            (400, "{\"errorCode\":1,\"message\":\"Incorrect security headers\"}"),
            "{said}"
        );
        eventually(said, || sidecar.log().contains(&format!("errorCode 1: {said}\"")));
        let reason = said.split(' ').next().unwrap();
        let series = format!("alewife_ale_errors_total{{proxy=\"kitchen\",code=\"1\",reason=\"{reason}\"}}");
        assert!(sidecar.metric(&series) >= 1.0, "{said}");
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn unknown_key_is_told_in_the_profiles_own_words() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let errors = "credential_mismatch = true\n[profile.held.errors.unknown_key]\nstatus = 401\ncontent_type = \"text/plain\"\n\
                  body = \"who?\"\n[profile.held.errors.headers]\nstatus = 418\nbody = \"\"\n";
    let sidecar = held(&key, &origin).tables(errors).start();
    let stranger = TestKey::numbered(GCM, 9);
    let reply = sidecar.connect().exchange(&order(&stranger, "POST", b"soup"));
    assert_eq!((reply.status, reply.text(), reply.header("content-type")), (401, "who?", Some("text/plain")));
    let reply = sidecar.connect().exchange(&request("POST", "/", "", "soup"));
    assert_eq!(
        (reply.status, reply.text(), reply.header("content-type")),
        (418, "", Some("application/json"))
    );
    let key = key.clone();
    assert_eq!(opened(&sidecar.connect().exchange(&order(&key, "POST", b"soup")), &key), b"soup");
}

#[test]
fn service_that_its_portal_calls_not_secured_takes_plain_messages_and_opens_sealed_ones() {
    let Some(portal) = Portal::start_plain() else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let document = |encryption: bool| {
        format!(
            "{{\"encryption\":{encryption},\"keys\":[{{\"fingerprint\":\"{}\",\"value\":\"{}\"}}]}}",
            key.fingerprint,
            key.secret_base64()
        )
    };
    portal.serve(&document(false));
    let lines = "algorithm = \"AES-256-GCM\"\nencoding = \"base64\"\nencryption_pointer = \"/encryption\"\n\
                 poll_interval = \"20ms\"\nfollow_portal = true";
    let sidecar = Sidecar::inbound()
        .portal(&portal, lines)
        .upstream(origin.address())
        .proxy("profile = \"payon\"")
        .start();
    let plain = request("POST", "/notify", &content_type(FORM), "a=1");
    assert_eq!(sidecar.connect().exchange(&plain).text(), "a=1");
    assert_eq!(sidecar.connect().exchange(&notify(&key, "", b"paid")).text(), "paid");
    portal.serve(&document(true));
    eventually("it is secured again", || Connection::to(sidecar.address()).exchange(&plain).status == 400);
    assert_eq!(sidecar.connect().exchange(&notify(&key, "", b"paid")).text(), "paid");
}
