//! Messages that do not open, under both policies.

use super::*;
use crate::support::eventually;

/// What is wrong with an envelope, the errorCode that it gets, and the reason that is kept back.
fn bad_messages(key: &TestKey) -> Vec<(String, u32, &'static str)> {
    let good = sealed(key, b"order");
    let iv = encoding::base64_encode(&key.fresh_iv());
    let fingerprint = &key.fingerprint;
    let body = encoding::base64_encode(&key.seal_with(&[9; 16], b"order"));
    let with = |iv: &str, fingerprint: &str, body: &str| {
        format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}","message":"{body}"}}"#)
    };
    vec![
        ("plain".to_owned(), 1, "bad_envelope"),
        (String::new(), 1, "bad_envelope"),
        (format!("[{good}]"), 1, "bad_envelope"),
        (format!("{good}{good}"), 1, "bad_envelope"),
        (format!(r#"{{"fingerprint":"{fingerprint}","message":"{body}"}}"#), 1, "missing_iv"),
        (format!(r#"{{"iv":"{iv}","message":"{body}"}}"#), 1, "missing_fingerprint"),
        (format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}"}}"#), 1, "missing_message"),
        (good.replace(r#"{"iv""#, r#"{"iv":"AA==","iv""#), 1, "bad_envelope"),
        (with("AAAA", fingerprint, &body), 1, "bad_iv"),
        (with(&encoding::base64_encode(&[0; 16]), fingerprint, &body), 1, "bad_iv"),
        (with(&iv, "", &body), 1, "bad_fingerprint"),
        (with(&iv, "unknown", &body), 2, "unknown_fingerprint"),
        (with(&iv, fingerprint, "%%%%"), 2, "bad_message"),
        (with(&iv, fingerprint, "AAAA"), 2, "not_authentic"),
        (with(&iv, fingerprint, &body), 2, "not_authentic"),
    ]
}

#[test]
fn message_that_does_not_open_closes_the_session_and_reaches_nobody() {
    let stage = Stage::set("AES-256-GCM");
    for (message, code, reason) in bad_messages(&stage.key) {
        let errors =
            format!("alewife_ale_errors_total{{proxy=\"kitchen\",code=\"{code}\",reason=\"{reason}\"}}");
        let before = stage.sidecar.metric(&errors);
        let (mut client, mut application) = stage.open();
        client.text(&sealed(&stage.key, b"before"));
        client.text(&message);
        client.text(&sealed(&stage.key, b"after"));
        application.gets_text("before");
        application.gets_close(Some((1001, "")));
        client.gets_close(Some((1008, &format!("errorCode {code}"))));
        client.gets_end();
        assert_eq!(stage.sidecar.metric(&errors), before + 1.0, "{message}: {reason}");
    }
    let refused = bad_messages(&stage.key).len() as f64;
    assert_eq!(stage.metric("messages_refused_total", "reason=\"envelope\""), refused);
    assert_eq!(stage.metric("closes_total", "by=\"sidecar\""), refused);
    let line = stage.session_line();
    assert_eq!(line["by"], "sidecar");
    assert_eq!((&line["code"], &line["reason"]), (&1008.into(), &"client: errorCode 1: bad_envelope".into()));
}

#[test]
fn message_that_does_not_open_is_answered_where_that_is_set_and_the_session_goes_on() {
    let stage =
        Stage::with("AES-256-GCM", |builder| builder.proxy("[proxy.websocket]\non_bad_message = \"reply\""));
    let (mut client, mut application) = stage.open();
    let bad = bad_messages(&stage.key);
    for (message, code, _) in &bad {
        client.text(message);
        client.gets_text(match code {
            1 => r#"{"errorCode":1,"message":"Incorrect security headers"}"#,
            _ => r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#,
        });
    }
    client.send(Frame::new(Opcode::Binary, bad[0].0.clone()));
    client.gets_text(r#"{"errorCode":1,"message":"Incorrect security headers"}"#);
    client.text(&sealed(&stage.key, b"after"));
    application.gets_text("after");
    application.text("and back");
    client.gets_sealed(&stage.key, &text("and back"));
    let refused = stage.metric("messages_refused_total", "reason=\"envelope\"");
    assert_eq!(refused, bad.len() as f64 + 1.0);
}

#[test]
fn unknown_fingerprint_is_told_apart_where_that_is_set() {
    let stage = Stage::with("AES-256-GCM", |builder| builder.proxy("credential_mismatch = true"));
    let (mut client, _application) = stage.open();
    client.text(&sealed(&TestKey::numbered("AES-256-GCM", 9), b"order"));
    client.gets_close(Some((1008, "errorCode 3")));
}

#[test]
fn what_was_sealed_here_does_not_open_here_and_neither_does_the_handshake_s_iv() {
    let stage =
        Stage::with("AES-256-CTR", |builder| builder.proxy("[proxy.websocket]\non_bad_message = \"reply\""));
    let decrypt = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
    let (mut client, mut application) = stage.open();
    application.text("mine");
    let Event::Message(Message::Text(envelope)) = client.next() else { panic!("no text") };
    client.text(std::str::from_utf8(&envelope).unwrap());
    client.gets_text(decrypt);
    // The same IV around something else.
    let (iv, _, _) = members(&envelope);
    client.text(&sealed_with(&stage.key, &iv, b"other"));
    client.gets_text(decrypt);
    let reflected = "alewife_ale_errors_total{proxy=\"kitchen\",code=\"2\",reason=\"reflected\"}";
    assert_eq!(stage.sidecar.metric(reflected), 2.0);
    client.text(&sealed(&stage.key, b"fine"));
    application.gets_text("fine");
}

#[test]
fn error_in_clear_is_never_answered_by_another() {
    let error = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
    let stage =
        Stage::with("AES-256-GCM", |builder| builder.proxy("[proxy.websocket]\non_bad_message = \"reply\""));
    let (mut client, mut application) = stage.open();
    client.text(error);
    client.text(&sealed(&stage.key, b"goes on"));
    application.gets_text("goes on");
    application.text("next");
    client.gets_sealed(&stage.key, &text("next"));
    assert_eq!(stage.metric("messages_refused_total", "reason=\"peer_error\""), 1.0);
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    client.text(error);
    application.gets_close(Some((1008, "errorCode 2")));
    client.gets_close(Some((1001, "")));
}

#[test]
fn client_that_sends_bad_messages_and_leaves_the_answers_is_read_no_more() {
    let stage = Stage::with("AES-256-GCM", |builder| {
        builder.proxy("timeouts = { body = \"1s\" }\n[proxy.websocket]\non_bad_message = \"reply\"")
    });
    let (client, mut application) = stage.open();
    let burst = client.bytes(Frame::new(Opcode::Text, "bad")).repeat(10_000);
    client.wire.stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    // It stops being taken at some time; that is the point.
    eventually("the client can send no more", || {
        io::Write::write_all(&mut &client.wire.stream, &burst).is_err()
    });
    application.gets_end();
    assert_eq!(stage.session_line()["reason"], "client: it takes nothing");
}
