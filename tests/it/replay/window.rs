//! Requests that come a second time, to one inbound sidecar.

use super::*;
use crate::support::{Origin, SidecarBuilder, TestKey, eventually};

fn before(origin: &Origin, key: &TestKey) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address())
}

fn watched(origin: &Origin, key: &TestKey) -> Sidecar {
    before(origin, key).proxy("replay_window = \"1h\"").start()
}

fn assert_refused(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (400, DECRYPT), "{reply:?}");
}

#[test]
fn of_two_hundred_parallel_copies_exactly_one_reaches_the_application() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    for round in 0..3_u8 {
        let order = key.request("POST", "/orders", "", &[b'a' + round; 1000]);
        let replies = at_once(&[&sidecar], &order, 200);
        let (answered, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((answered.len(), refused.len()), (1, 199));
        assert_eq!(answered[0].open(&key).unwrap(), [b'a' + round; 1000]);
        refused.into_iter().for_each(assert_refused);
        assert_eq!(origin.count(), usize::from(round) + 1);
        assert_eq!(replayed(&sidecar), 199.0 * f64::from(round + 1));
    }
    assert_eq!(sidecar.metric("alewife_replay_entries{proxy=\"kitchen\"}"), 3.0);
    assert_eq!(sidecar.metric("alewife_replay_evicted_total{proxy=\"kitchen\"}"), 0.0);
}

#[test]
fn connection_of_a_refused_copy_serves_on() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    let mut connection = sidecar.connect();
    let order = key.request("POST", "/orders", "", b"soup");
    assert_eq!(connection.exchange(&order).status, 200);
    assert_refused(&connection.exchange(&order));
    let another = key.request("POST", "/orders", "", b"soup");
    assert_eq!(connection.exchange(&another).open(&key).unwrap(), b"soup");
}

#[test]
fn same_iv_with_another_text_counts_as_the_same_message() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    let iv = key.fresh_iv();
    for (dish, status) in [("soup", 200), ("fish", 400), ("soup", 400)] {
        let body = key.seal_with(&iv, dish.as_bytes());
        let head = format!(
            "POST /orders HTTP/1.1\r\nhost: kitchen.test\r\n{}content-length: {}\r\n\r\n",
            key.envelope(&iv),
            body.len()
        );
        let reply = sidecar.connect().exchange(&[head.as_bytes(), &body].concat());
        assert_eq!(reply.status, status, "{dish}");
    }
}

#[test]
fn without_a_window_a_message_opens_as_often_as_it_comes() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = before(&origin, &key).start();
    let order = key.request("POST", "/orders", "", b"soup");
    for _ in 0..3 {
        assert_eq!(sidecar.connect().exchange(&order).status, 200);
    }
    assert_eq!(replayed(&sidecar), 0.0);
}

#[test]
fn forged_message_shuts_no_real_one_out() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    let order = key.request("POST", "/orders", "", b"soup");
    let mut forged = order.clone();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..3 {
        assert_refused(&sidecar.connect().exchange(&forged));
    }
    assert_eq!(sidecar.connect().exchange(&order).status, 200);
    assert_eq!(replayed(&sidecar), 0.0);
}

#[test]
fn requests_without_a_body_do_not_count() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    let request = key.bodyless("GET", "/menu", "");
    for _ in 0..3 {
        assert_eq!(sidecar.connect().exchange(&request).status, 200);
    }
    assert_eq!(sidecar.metric("alewife_replay_entries{proxy=\"kitchen\"}"), 0.0);
}

#[test]
fn message_without_a_tag_counts_from_its_head() {
    for algorithm in ["AES-256-CTR", "AES-256-CFB", "AES-256-CFB8"] {
        let (key, origin) = (TestKey::new(algorithm), Origin::echo());
        let sidecar = watched(&origin, &key);
        let order = key.request("POST", "/orders", "", b"soup");
        let mut connection = sidecar.connect();
        assert_eq!(connection.exchange(&order).open(&key).unwrap(), b"soup");
        // The rest is read away, and the connection serves on.
        assert_refused(&connection.exchange(&order));
        assert_eq!(connection.exchange(&key.request("POST", "/orders", "", b"fish")).status, 200);
        assert_eq!((origin.count(), replayed(&sidecar)), (2, 1.0), "{algorithm}");
    }
}

#[test]
fn reload_of_the_keys_opens_nothing_again() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    let order = key.request("POST", "/orders", "", b"soup");
    assert_eq!(sidecar.connect().exchange(&order).status, 200);
    let other = TestKey::numbered(GCM, 1);
    std::fs::write(sidecar.key_file(), other.entry() + &key.entry()).unwrap();
    eventually("the keys are reloaded", || {
        sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") == 1.0
    });
    assert_refused(&sidecar.connect().exchange(&order));
    assert_eq!(sidecar.connect().exchange(&other.request("POST", "/", "", b"soup")).status, 200);
}

#[test]
fn key_that_outlives_the_window_is_told_of_once_also_when_a_reload_brings_it() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = watched(&origin, &key);
    let told = |key: &TestKey| {
        let text = format!("what was recorded opens again after 1h: {} has no valid_until", key.fingerprint);
        sidecar.log().matches(&text).count()
    };
    let reloaded = |text: &str, times: f64| {
        std::fs::write(sidecar.key_file(), text).unwrap();
        eventually("the keys are reloaded", || {
            sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") == times
        });
    };
    eventually("the one of the start is told of", || told(&key) == 1);
    reloaded(&format!("{}# the same\n", key.entry()), 1.0);
    let other = TestKey::numbered(GCM, 1);
    reloaded(&(other.entry() + &key.entry()), 2.0);
    eventually("the new one is told of", || told(&other) == 1);
    assert_eq!(told(&key), 1, "{}", sidecar.log());
}

#[test]
fn message_opens_again_when_its_time_is_over() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = before(&origin, &key).proxy("replay_window = \"300ms\"").start();
    let order = key.request("POST", "/orders", "", b"soup");
    let begin = std::time::Instant::now();
    assert_eq!(sidecar.connect().exchange(&order).status, 200);
    eventually("it opens again", || sidecar.connect().exchange(&order).status == 200);
    assert!(begin.elapsed().as_millis() >= 300, "after {:?}", begin.elapsed());
    assert_eq!(origin.count(), 2);
}

#[test]
fn beyond_the_entries_the_oldest_gives_way_and_is_counted() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = before(&origin, &key).proxy("replay_window = \"1h\"\nreplay_entries = 10").start();
    let orders: Vec<_> = (0..11).map(|_| key.request("POST", "/orders", "", b"soup")).collect();
    let mut connection = sidecar.connect();
    for order in &orders {
        assert_eq!(connection.exchange(order).status, 200);
    }
    assert_eq!(sidecar.metric("alewife_replay_evicted_total{proxy=\"kitchen\"}"), 1.0);
    assert_eq!(sidecar.metric("alewife_replay_entries{proxy=\"kitchen\"}"), 10.0);
    for order in orders.iter().rev().take(10) {
        assert_refused(&connection.exchange(order));
    }
    assert_eq!(connection.exchange(&orders[0]).status, 200);
}

#[test]
fn other_proxy_of_the_process_has_a_window_of_its_own() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let more = format!(
        "replay_window = \"1h\"\n[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nlisten = \"127.0.0.1:0\"\n\
         upstream = \"http://{}\"\nreplay_window = \"1h\"",
        origin.address()
    );
    let sidecar = before(&origin, &key).proxy(&more).start();
    let output = sidecar.output();
    let addresses: Vec<_> = output
        .lines()
        .filter(|line| line.starts_with("proxy "))
        .map(|line| line.split("http://").nth(1).unwrap().split(',').next().unwrap().parse().unwrap())
        .collect();
    let order = key.request("POST", "/orders", "", b"soup");
    for address in &addresses {
        assert_eq!(crate::support::Connection::to(*address).exchange(&order).status, 200);
        assert_eq!(crate::support::Connection::to(*address).exchange(&order).status, 400);
    }
    assert_eq!(addresses.len(), 2);
}

/// What a process holds in memory, in KiB.
#[cfg(target_os = "linux")]
fn resident(sidecar: &Sidecar) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn room_that_is_set_aside_takes_no_memory_before_it_is_used() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let without = resident(&before(&origin, &key).start());
    let with = "replay_window = \"1h\"\nreplay_entries = 10_000_000";
    let sidecar = before(&origin, &key).proxy(with).start();
    let idle = resident(&sidecar);
    println!("{without} KiB without a window, {idle} KiB with room for ten million");
    // Of 480 MB.
    assert!(idle < without + 2_000, "{without} KiB without, {idle} KiB with");
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"soup")).status, 200);
}
