//! Replicas that remember together in a real Redis, and what happens when it is away, slow, or somebody else's.

use super::*;
use crate::support::{Origin, Peer, Redis, SidecarBuilder, TestKey, eventually};

/// 113.
const UNREACHABLE: &str = r#"{"errorCode":113,"message":"Replay store not reachable"}"#;

fn before(origin: &Origin, key: &TestKey, lines: &str) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy(lines)
}

fn send(sidecar: &Sidecar, order: &[u8]) -> u16 {
    sidecar.connect().exchange(order).status
}

fn failures(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_replay_store_failures_total{proxy=\"kitchen\"}")
}

#[track_caller]
fn assert_unreachable(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (503, UNREACHABLE), "{reply:?}");
    assert_eq!((reply.header("retry-after"), reply.header("connection")), (Some("1"), None));
}

#[test]
fn of_two_hundred_copies_at_two_replicas_exactly_one_reaches_the_application() {
    let Some(redis) = Redis::start() else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    // Time enough for a machine that is busy with other tests.
    let lines = redis.lines("closed") + "replay_store_timeout = \"20s\"";
    let (one, other) = (before(&origin, &key, &lines).start(), before(&origin, &key, &lines).start());
    for round in 1..=3 {
        let order = key.request("POST", "/orders", "", b"soup");
        let replies = at_once(&[&one, &other], &order, 200);
        let answered: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!((answered.len(), origin.count()), (1, round));
        assert_eq!(answered[0].open(&key).unwrap(), b"soup");
        assert!(replies.iter().all(|reply| reply.status == 200 || reply.text() == DECRYPT));
    }
    assert_eq!(replayed(&one) + replayed(&other), 3.0 * 199.0);
    assert_eq!((failures(&one), failures(&other)), (0.0, 0.0));
    // Nothing in the store tells what it stands for, and all of it goes by itself.
    assert_eq!(redis.ask("DBSIZE").unwrap(), ":3");
    assert!(redis.ask("RANDOMKEY").unwrap().starts_with("$87"), "a prefix, the proxy's name and a digest");
}

#[test]
fn what_one_process_opened_another_one_after_it_does_not() {
    let Some(redis) = Redis::start() else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let lines = redis.lines("closed") + "replay_store_timeout = \"20s\"";
    let order = key.request("POST", "/orders", "", b"soup");
    let mut first = before(&origin, &key, &lines).start();
    assert_eq!(send(&first, &order), 200);
    assert!(first.stop().success());
    assert_eq!(send(&before(&origin, &key, &lines).start(), &order), 400);
}

#[test]
fn message_without_a_tag_is_asked_about_at_its_head() {
    let Some(redis) = Redis::start() else { return };
    let (key, origin) = (TestKey::new("AES-256-CTR"), Origin::echo());
    let lines = redis.lines("closed") + "replay_store_timeout = \"20s\"";
    let (one, other) = (before(&origin, &key, &lines).start(), before(&origin, &key, &lines).start());
    let order = key.request("POST", "/orders", "", b"soup");
    assert_eq!((send(&one, &order), send(&other, &order)), (200, 400));
    assert_eq!(origin.count(), 1);
}

#[test]
fn store_that_is_away_at_the_start_holds_orders_up_where_it_fails_closed() {
    let Some(mut redis) = Redis::prepared(&[]) else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = before(&origin, &key, &redis.lines("closed")).start();
    let order = key.request("POST", "/orders", "", b"soup");
    let mut connection = sidecar.connect();
    assert_unreachable(&connection.exchange(&order));
    assert_unreachable(&connection.exchange(&order));
    assert_eq!((origin.count(), failures(&sidecar)), (0, 2.0));
    let ended = "alewife_requests_total{proxy=\"kitchen\",outcome=\"replay_store\"}";
    assert_eq!(sidecar.metric(ended), 2.0);
    eventually("it is logged", || sidecar.log().contains("the replay store is not reachable"));
    // The very same bytes pass once it is there.
    redis.run();
    eventually("the order passes", || send(&sidecar, &order) == 200);
    assert_eq!((send(&sidecar, &order), origin.count()), (400, 1));
    eventually("that is logged as well", || sidecar.log().contains("the replay store answers again"));
}

#[test]
fn store_that_is_away_leaves_it_to_each_replica_where_it_fails_open() {
    let Some(redis) = Redis::prepared(&[]) else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let lines = redis.lines("open");
    let (one, other) = (before(&origin, &key, &lines).start(), before(&origin, &key, &lines).start());
    let order = key.request("POST", "/orders", "", b"soup");
    for sidecar in [&one, &other] {
        let replies = at_once(&[sidecar], &order, 50);
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        assert!(failures(sidecar) >= 1.0);
    }
    assert_eq!(origin.count(), 2);
}

#[test]
fn store_that_dies_and_comes_back_is_asked_again() {
    let Some(mut redis) = Redis::start() else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let lines = redis.lines("closed") + "replay_store_timeout = \"20s\"";
    let sidecar = before(&origin, &key, &lines).start();
    let order = || key.request("POST", "/orders", "", b"soup");
    let first = order();
    assert_eq!(send(&sidecar, &first), 200);
    for _ in 0..2 {
        redis.kill();
        let held_up = order();
        eventually("orders are held up", || send(&sidecar, &order()) == 503);
        let mut connection = sidecar.connect();
        assert_unreachable(&connection.exchange(&held_up));
        // What this process remembers itself needs no store.
        assert_eq!(connection.exchange(&first).status, 400);
        redis.run();
        eventually("the order passes", || connection.exchange(&held_up).status == 200);
        assert_eq!(connection.exchange(&held_up).status, 400);
    }
}

#[test]
fn store_that_is_stopped_costs_its_time_once_and_takes_back_what_nobody_waited_for() {
    let Some(redis) = Redis::start() else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar =
        before(&origin, &key, &(redis.lines("closed") + "replay_store_timeout = \"300ms\"")).start();
    let other = before(&origin, &key, &(redis.lines("closed") + "replay_store_timeout = \"20s\"")).start();
    // On one connection, so that it is one worker who knows the store already.
    let mut connection = sidecar.connect();
    eventually("the store answers", || {
        connection.exchange(&key.request("POST", "/", "", b"first")).status == 200
    });
    let before = origin.count();
    redis.signal("STOP");
    let order = key.request("POST", "/orders", "", b"soup");
    assert_unreachable(&connection.exchange(&order));
    assert_eq!(origin.count(), before);
    redis.signal("CONT");
    // It has heard the question meanwhile, and yet the same bytes pass, at another replica as well.
    eventually("the order passes", || send(&other, &order) == 200);
    assert_eq!((send(&sidecar, &order), send(&other, &order)), (400, 400));
}

#[test]
fn store_that_is_stopped_lets_orders_pass_after_its_time_where_it_fails_open() {
    let Some(redis) = Redis::start() else { return };
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = before(&origin, &key, &(redis.lines("open") + "replay_store_timeout = \"300ms\"")).start();
    let mut connection = sidecar.connect();
    eventually("the store answers", || {
        let count = failures(&sidecar);
        let first = key.request("POST", "/", "", b"first");
        connection.exchange(&first).status == 200 && failures(&sidecar) == count
    });
    let known = redis.ask("DBSIZE").unwrap();
    redis.signal("STOP");
    let order = key.request("POST", "/orders", "", b"soup");
    let begin = std::time::Instant::now();
    assert_eq!(connection.exchange(&order).status, 200);
    println!("an order took {:?}", begin.elapsed());
    assert_eq!(connection.exchange(&order).status, 400);
    let failed = failures(&sidecar);
    assert!(failed >= 1.0);
    // What was asked meanwhile stands: nothing of it opens elsewhere.
    redis.signal("CONT");
    let other = redis.lines("closed") + "replay_store_timeout = \"20s\"";
    let other = before(&origin, &key, &other).start();
    eventually("the store knows the order", || redis.ask("DBSIZE").unwrap() != known);
    assert_eq!(send(&other, &order), 400);
}

#[test]
fn reply_about_which_nobody_can_say_anything_is_not_passed_on_where_the_store_fails_closed() {
    let Some(redis) = Redis::prepared(&[]) else { return };
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = Sidecar::outbound().keys(&[&key]).upstream(peer.address());
    let sidecar = sidecar.proxy(&redis.lines("closed")).start();
    let order = b"POST /orders HTTP/1.1\r\nhost: kitchen.local\r\ncontent-length: 4\r\n\r\nsoup";
    assert_unreachable(&sidecar.connect().exchange(order));
    // The peer has had it all the same.
    assert_eq!(peer.count(), 1);
}

#[test]
fn store_with_a_password_is_told_it_and_the_log_is_not() {
    let Some(mut redis) = Redis::prepared(&["--requirepass", "open-sesame"]) else { return };
    redis.run();
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let lines = redis.lines("closed") + "replay_store_timeout = \"20s\"\n";
    let with = |lines: &str| before(&origin, &key, lines).log("level = \"trace\"");
    let lines = lines + "replay_store_password = { env = \"STORE_PASSWORD\" }";
    let right = with(&lines).environment("STORE_PASSWORD", "open-sesame").start();
    assert_eq!(send(&right, &key.request("POST", "/orders", "", b"soup")), 200);
    let wrong = with(&lines).environment("STORE_PASSWORD", "open-poppy").start();
    assert_unreachable(&wrong.connect().exchange(&key.request("POST", "/orders", "", b"soup")));
    eventually("it is logged", || wrong.log().contains("it refuses: WRONGPASS"));
    assert!(!wrong.log().contains("open-poppy") && !right.log().contains("open-sesame"));
    // Without one.
    let none = with(&(redis.lines("closed") + "replay_store_timeout = \"20s\"\n")).start();
    assert_unreachable(&none.connect().exchange(&key.request("POST", "/orders", "", b"soup")));
    eventually("it is logged", || none.log().contains("it refuses: NOAUTH"));
}

#[test]
fn store_under_tls_is_believed_by_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (pem, secret) = (
        file("store.pem", certificate.cert.pem()),
        file("store-key.pem", certificate.signing_key.serialize_pem()),
    );
    let options = ["--tls-cert-file", &pem, "--tls-key-file", &secret, "--tls-auth-clients", "no"];
    let Some(mut redis) = Redis::prepared(&options) else { return };
    redis.run();
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let lines = redis.lines("closed").replace("redis://", "rediss://") + "replay_store_timeout = \"20s\"\n";
    let trusting = before(&origin, &key, &format!("{lines}replay_store_ca_file = \"{pem}\"")).start();
    let order = key.request("POST", "/orders", "", b"soup");
    assert_eq!((send(&trusting, &order), send(&trusting, &order)), (200, 400));
    let strange = before(&origin, &key, &lines).start();
    assert_unreachable(&strange.connect().exchange(&key.request("POST", "/orders", "", b"soup")));
    eventually("it is logged", || strange.log().contains("has an issuer who is not among the roots"));
}
