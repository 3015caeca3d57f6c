//! Each way in which a key file changes, while requests are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use crate::support::{Origin, Sidecar, TestKey, eventually};
use crate::ways::{Site, Way};

/// Changes of each way.
const ROUNDS: u32 = 5;
/// Sidecars that run at once.
const AT_ONCE: usize = 6;

fn key(number: u32) -> TestKey {
    TestKey::numbered("AES-256-GCM", number)
}

/// The newest key and the one before it.
fn key_file(number: u32) -> String {
    [number - 1, number].map(|number| key(number).entry()).concat()
}

#[test]
fn every_way_of_changing_the_key_file_under_load_is_taken_and_loses_no_request() {
    for ways in Way::ALL.chunks(AT_ONCE) {
        thread::scope(|scope| {
            for &way in ways {
                scope.spawn(move || change_under_load(way));
            }
        });
    }
}

fn change_under_load(way: Way) {
    let mut site = Site::new(way, &key_file(1));
    let origin = Origin::echo();
    let sidecar = Arc::new(Sidecar::inbound().keys_at(&site.path()).upstream(origin.address()).start());
    let newest = Arc::new(AtomicU32::new(1));
    let answered = Arc::new(AtomicU32::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let client = {
        let (sidecar, newest, answered, over) =
            (Arc::clone(&sidecar), Arc::clone(&newest), Arc::clone(&answered), Arc::clone(&over));
        thread::spawn(move || {
            let mut connection = sidecar.connect();
            while !over.load(Ordering::Relaxed) {
                let key = key(newest.load(Ordering::Acquire));
                let reply = connection.exchange(&key.request("POST", "/", "", b"order"));
                assert_eq!(reply.open(&key).as_deref(), Some(&b"order"[..]), "{reply:?}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for number in 2..2 + ROUNDS {
        site.change(&key_file(number));
        let mut probe = sidecar.connect();
        eventually(&format!("key {number} is taken after {way:?}"), || {
            probe.exchange(&key(number).request("POST", "/probe", "", b"probe")).status == 200
        });
        newest.store(number, Ordering::Release);
        let before = answered.load(Ordering::Relaxed);
        eventually("requests go on", || answered.load(Ordering::Relaxed) > before + 8);
    }
    over.store(true, Ordering::Relaxed);
    client.join().unwrap();
}

#[test]
fn several_proxies_in_one_process_serve_each_its_own_application() {
    let (kitchen, bar) = (
        Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsoup"),
        Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbeer"),
    );
    let key = key(0);
    let second = format!(
        "[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"",
        bar.address()
    );
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(kitchen.address()).proxy(&second).start();
    let address = |name: &str| {
        let output = sidecar.output();
        let line =
            output.lines().find(|line| line.starts_with(&format!("proxy {name}: "))).unwrap().to_owned();
        line.split("http://").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
    };
    for (name, expected) in [("kitchen", b"soup"), ("bar", b"beer")] {
        let mut connection = crate::support::Connection::to(address(name));
        let reply = connection.exchange(&key.bodyless("GET", "/", ""));
        assert_eq!(reply.open(&key).as_deref(), Some(&expected[..]), "{name}");
    }
    assert_eq!((kitchen.count(), bar.count()), (1, 1));
}
