//! Keys that change while requests are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use crate::support::{Origin, Sidecar, TestKey, eventually};

const RELOADS: u32 = 100;
/// How many keys the file keeps besides the new one.
const KEPT: u32 = 10;

fn key(number: u32) -> TestKey {
    let algorithm = if number.is_multiple_of(2) { "AES-256-GCM" } else { "AES-128-CTR" };
    TestKey::numbered(algorithm, number)
}

/// Puts a new key file in the place of the old one.
fn replace_keys(sidecar: &Sidecar, text: &str) {
    let fresh = sidecar.directory().join("fresh.toml");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(&fresh, sidecar.key_file()).unwrap();
}

fn reloads(sidecar: &Sidecar) -> u64 {
    sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") as u64
}

#[test]
fn a_hundred_reloads_under_full_load_lose_no_request() {
    let origin = Origin::echo();
    let sidecar = Arc::new(Sidecar::inbound().keys(&[&key(0), &key(1)]).upstream(origin.address()).start());
    let newest = Arc::new(AtomicU32::new(1));
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (sidecar, newest, over) = (Arc::clone(&sidecar), Arc::clone(&newest), Arc::clone(&over));
            let answered = Arc::clone(&answered);
            thread::spawn(move || {
                let mut connection = sidecar.connect();
                for number in 0_u32.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    if (client + number) % 8 == 0 {
                        connection = sidecar.connect();
                    }
                    let key = key(newest.load(Ordering::Acquire) - number % 2);
                    let order = format!("order {number} of {client}");
                    let reply = connection.exchange(&key.request("POST", "/", "", order.as_bytes()));
                    assert_eq!(reply.open(&key).as_deref(), Some(order.as_bytes()), "{reply:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for number in 2..2 + RELOADS {
        let before = (reloads(&sidecar), answered.load(Ordering::Relaxed));
        let kept = number.saturating_sub(KEPT)..=number;
        replace_keys(&sidecar, &kept.map(|number| key(number).entry()).collect::<String>());
        sidecar.signal("HUP");
        eventually("the new key is taken", || reloads(&sidecar) > before.0);
        newest.store(number, Ordering::Release);
        eventually("requests go on", || answered.load(Ordering::Relaxed) > before.1 + 16);
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(super::outcome(&sidecar, "answered"), answered.load(Ordering::Relaxed));
    assert_eq!(super::outcome(&sidecar, "ale_error"), 0);
    assert_eq!(sidecar.metric("alewife_key_reload_failures_total{keyset=\"default\"}"), 0.0);
}

#[test]
fn a_request_keeps_the_ring_that_it_began_with() {
    let origin = Origin::echo();
    let (old, new) = (key(0), key(2));
    let sidecar = Sidecar::inbound().keys(&[&old]).upstream(origin.address()).start();
    let request = old.request("POST", "/", "", &[7; 50_000]);
    let mut connection = sidecar.connect();
    connection.send(&request[..20_000]);
    eventually("it is under way", || super::in_flight(&sidecar) == 1);
    replace_keys(&sidecar, &new.entry());
    eventually("the old key is gone", || {
        sidecar.connect().exchange(&old.request("POST", "/", "", b"one")).status == 400
    });
    connection.send(&request[20_000..]);
    assert_eq!(connection.reply("POST").open(&old).unwrap(), [7; 50_000]);
    assert_eq!(sidecar.connect().exchange(&new.request("POST", "/", "", b"one")).open(&new).unwrap(), b"one");
}

#[test]
fn a_wrong_file_in_between_changes_nothing_and_is_counted() {
    let origin = Origin::echo();
    let (old, new) = (key(0), key(2));
    let sidecar = Sidecar::inbound().keys(&[&old]).upstream(origin.address()).start();
    for (count, wrong) in ["not toml", "", "[[key]]\nfingerprint = \"x\"\n"].into_iter().enumerate() {
        replace_keys(&sidecar, wrong);
        eventually("it is counted", || {
            sidecar.metric("alewife_key_reload_failures_total{keyset=\"default\"}") as usize > count
        });
        assert_eq!(
            sidecar.connect().exchange(&old.request("POST", "/", "", b"one")).open(&old).unwrap(),
            b"one"
        );
        assert_eq!(sidecar.admin_page("/readyz").0, 200);
    }
    assert_eq!(reloads(&sidecar), 0);
    replace_keys(&sidecar, &new.entry());
    eventually("the new key is taken", || reloads(&sidecar) == 1);
    assert_eq!(sidecar.connect().exchange(&new.request("POST", "/", "", b"one")).open(&new).unwrap(), b"one");
}
