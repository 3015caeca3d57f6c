//! Messages of WebSocket that come a second time.

use super::*;
use crate::support::Redis;

const GCM: &str = "AES-256-GCM";
/// errorCode 2.
const DECRYPT: &str = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;

fn stage(more: &str) -> Stage {
    Stage::with(GCM, |builder| builder.proxy(&format!("replay_window = \"1h\"\n{more}")))
}

#[test]
fn message_that_comes_a_second_time_ends_its_session() {
    let stage = stage("");
    let (mut client, mut application) = stage.open();
    let order = sealed(&stage.key, b"soup");
    client.text(&order);
    application.gets_text("soup");
    client.text(&order);
    client.gets_close(Some((1008, "errorCode 2")));
    application.gets_close(Some((1001, "")));
    assert_eq!(stage.metric("messages_refused_total", "reason=\"envelope\""), 1.0);
}

#[test]
fn message_of_one_session_does_not_open_in_another() {
    let stage = stage("[proxy.websocket]\non_bad_message = \"reply\"");
    let order = sealed(&stage.key, b"soup");
    let (mut client, mut application) = stage.open();
    client.text(&order);
    application.gets_text("soup");
    let (mut other, mut application) = stage.open();
    other.text(&order);
    other.gets_text(DECRYPT);
    // The session goes on.
    other.text(&sealed(&stage.key, b"fish"));
    application.gets_text("fish");
}

#[test]
fn message_opens_as_no_request_and_a_request_as_no_message() {
    let stage = stage("[proxy.websocket]\non_bad_message = \"reply\"");
    let (mut client, mut application) = stage.open();
    let iv = stage.key.fresh_iv();
    client.text(&sealed_with(&stage.key, &iv, b"soup"));
    application.gets_text("soup");
    let body = stage.key.seal_with(&iv, b"soup");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: kitchen.test\r\n{}content-length: {}\r\n\r\n",
        stage.key.envelope(&iv),
        body.len()
    );
    let reply = stage.sidecar.connect().exchange(&[head.as_bytes(), &body].concat());
    assert_eq!((reply.status, reply.text()), (400, DECRYPT));
}

#[test]
fn handshake_does_not_count() {
    let stage = stage("");
    let key = TestKey::new(GCM);
    let envelope = key.envelope(&key.fresh_iv());
    for _ in 0..2 {
        let mut client = stage.sidecar.connect();
        client.send(handshake(&envelope).as_bytes());
        let _ = stage.agree("");
        assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    }
}

#[test]
fn message_of_the_server_that_comes_a_second_time_is_refused_at_the_near_end() {
    let stage = Stage::of(Sidecar::outbound(), GCM, |builder| {
        builder.proxy("replay_window = \"1h\"\n[proxy.websocket]\non_bad_message = \"reply\"")
    });
    let mut client = stage.sidecar.connect();
    client.send(handshake("").as_bytes());
    let (mut server, _) = stage.agree("");
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    let mut client = Peer { wire: client, masks: true, partial: None };
    let news = sealed(&stage.key, b"ready");
    server.text(&news);
    client.gets_text("ready");
    server.text(&news);
    server.gets_text(DECRYPT);
    client.text("thanks");
    server.gets_sealed(&stage.key, &text("thanks"));
}

#[test]
fn messages_under_one_iv_are_counted_and_their_network_named() {
    let stage = Stage::with(GCM, |builder| builder);
    let (mut client, mut application) = stage.open();
    let iv = stage.key.fresh_iv();
    for dish in ["soup", "soup", "fish"] {
        client.text(&sealed_with(&stage.key, &iv, dish.as_bytes()));
        application.gets_text(dish);
    }
    let (_, text) = stage.sidecar.admin_page("/metrics");
    let named = text.lines().find(|line| line.contains("iv_reuses_total") && line.contains("127.0.0.0/24"));
    assert!(named.is_some_and(|line| line.ends_with(" 1")), "{named:?}");
}

#[test]
fn replicas_open_a_message_once_between_them() {
    let Some(redis) = Redis::start() else { return };
    let lines = redis.lines("closed") + "replay_store_timeout = \"20s\"\n";
    let stage = || Stage::with(GCM, |builder| builder.proxy(&lines));
    let (one, other) = (stage(), stage());
    let (mut client, mut application) = one.open();
    let orders: Vec<_> =
        (0..50).map(|number| sealed(&one.key, format!("order {number}").as_bytes())).collect();
    for order in &orders {
        client.text(order);
    }
    // Each waits for the store, and yet they come in their order.
    for number in 0..orders.len() {
        application.gets_text(&format!("order {number}"));
    }
    let (mut client, mut application) = other.open();
    client.text(&orders[7]);
    client.gets_close(Some((1008, "errorCode 2")));
    application.gets_close(Some((1001, "")));
}

#[test]
fn message_of_which_the_store_says_nothing_may_be_sent_again() {
    let Some(mut redis) = Redis::prepared(&[]) else { return };
    let lines = redis.lines("closed") + "[proxy.websocket]\non_bad_message = \"reply\"";
    let stage = Stage::with(GCM, |builder| builder.proxy(&lines));
    let (mut client, mut application) = stage.open();
    let order = sealed(&stage.key, b"soup");
    client.text(&order);
    client.gets_text(r#"{"errorCode":113,"message":"Replay store not reachable"}"#);
    assert_eq!(stage.metric("messages_refused_total", "reason=\"replay_store\""), 1.0);
    redis.run();
    loop {
        client.text(&order);
        application.wire.stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        match application.try_next() {
            Ok(event) => break assert_eq!(event, Event::Message(text("soup"))),
            Err(_) => assert!(matches!(client.next(), Event::Message(_))),
        }
    }
}

#[test]
fn session_ends_with_1013_where_the_store_says_nothing() {
    let Some(redis) = Redis::prepared(&[]) else { return };
    let stage = Stage::with(GCM, |builder| builder.proxy(&redis.lines("closed")));
    let (mut client, mut application) = stage.open();
    client.text(&sealed(&stage.key, b"soup"));
    client.gets_close(Some((1013, "errorCode 113")));
    application.gets_close(Some((1001, "")));
}
