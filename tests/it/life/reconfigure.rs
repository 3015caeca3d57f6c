//! The whole configuration, changed while the process runs.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::{Connection, Origin, Sidecar, TestKey, eventually};

/// Of Linux.
const O_NONBLOCK: i32 = 0o4000;

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn swaps(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_config_reloads_total{outcome=\"swapped\"}")
}

fn refusals(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_config_reloads_total{outcome=\"refused\"}")
}

/// Changes the file and waits until that is in force.
fn change(sidecar: &Sidecar, change: impl FnOnce(String) -> String) {
    let before = swaps(sidecar);
    sidecar.reconfigure(change);
    eventually("the configuration is taken", || swaps(sidecar) > before);
}

fn reload(sidecar: &Sidecar) -> (u16, Value) {
    let (status, body) = sidecar.order("/reload");
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")))
}

#[test]
fn configuration_that_changes_under_load_loses_no_request_and_no_connection() {
    let key = gcm();
    let origins = [Origin::echo(), Origin::echo()];
    let sidecar = Arc::new(Sidecar::inbound().keys(&[&key]).upstream(origins[0].address()).start());
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (sidecar, over, answered) = (Arc::clone(&sidecar), Arc::clone(&over), Arc::clone(&answered));
            thread::spawn(move || {
                let key = gcm();
                // One connection for all requests: it outlives every change.
                let mut connection = sidecar.connect();
                for number in 0_u32.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let order = format!("order {number} of {client}");
                    let reply = connection.exchange(&key.request("POST", "/", "", order.as_bytes()));
                    assert_eq!(reply.open(&key).as_deref(), Some(order.as_bytes()), "{reply:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 1..=20 {
        let (from, to) = (origins[(round + 1) % 2].address(), origins[round % 2].address());
        let seen = origins[round % 2].count();
        change(&sidecar, |text| text.replace(&from.to_string(), &to.to_string()));
        let before = answered.load(Ordering::Relaxed);
        eventually("requests go on", || answered.load(Ordering::Relaxed) > before + 16);
        assert!(origins[round % 2].count() > seen, "the other application is asked");
    }
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(super::outcome(&sidecar, "answered"), answered.load(Ordering::Relaxed));
    assert_eq!(refusals(&sidecar), 0.0);
}

#[test]
fn wrong_configuration_is_refused_as_one_and_said_with_its_place() {
    let key = gcm();
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let digest = sidecar.status()["configuration"]["digest"].clone();
    // Right in one place and wrong in another: neither is taken.
    sidecar.reconfigure(|text| {
        text.replace(&format!("http://{}", origin.address()), "http://127.0.0.1:9")
            + "\n[proxy.timeouts]\nidle = \"soon\"\n"
    });
    eventually("it is refused", || refusals(&sidecar) >= 1.0);
    assert_eq!(sidecar.metric("alewife_config_last_reload_successful"), 0.0);
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
    let (status, report) = reload(&sidecar);
    assert_eq!((status, &report["outcome"]), (422, &"refused".into()));
    let fault = report["faults"][0].as_str().unwrap();
    assert!(fault.contains("proxy.kitchen.timeouts.idle: \"soon\" is not a duration"), "{fault}");
    assert!(fault.contains("config.toml:"), "{fault}");
    let told = &sidecar.status()["configuration"];
    assert_eq!((&told["digest"], &told["last_reload"]["outcome"]), (&digest, &"refused".into()));
    eventually("the log says it", || sidecar.log().contains("configuration refused, the one in force stays"));
    // Mended, it is taken.
    change(&sidecar, |text| {
        text.replace("soon", "59s").replace("http://127.0.0.1:9", &format!("http://{}", origin.address()))
    });
    assert_eq!(sidecar.metric("alewife_config_last_reload_successful"), 1.0);
    assert_ne!(sidecar.status()["configuration"]["digest"], digest);
}

#[test]
fn address_that_is_taken_refuses_all_of_a_configuration() {
    let key = gcm();
    let (first, second) = (Origin::echo(), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(first.address()).start();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    sidecar.reconfigure(|text| {
        text.replace(&first.address().to_string(), &second.address().to_string())
            + &format!("\n[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nlisten = \"{address}\"\nupstream = \"http://127.0.0.1:9\"\n")
    });
    eventually("it is refused", || refusals(&sidecar) >= 1.0);
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
    assert_eq!((first.count(), second.count()), (1, 0));
    drop(taken);
    let (status, report) = reload(&sidecar);
    assert_eq!((status, &report["outcome"]), (200, &"swapped".into()), "{report}");
    assert_eq!(report["changes"], serde_json::json!(["proxy kitchen changed", "proxy bar begins"]));
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"two")).status, 200);
    assert_eq!((first.count(), second.count()), (1, 1));
    assert_eq!(Connection::to(address).exchange(&key.request("POST", "/", "", b"two")).status, 502);
}

#[test]
fn proxy_that_is_taken_out_finishes_what_it_has_and_leaves_its_address() {
    let (key, other) = (gcm(), TestKey::numbered("AES-128-GCM", 2));
    let origin = Origin::echo();
    let address = super::free_address();
    let proxy = format!(
        "[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nkeys = \"bar\"\nlisten = \"{address}\"\nupstream = \"http://{}\"\n",
        origin.address()
    );
    let set = "[keyset.bar]\nfile = \"bar.toml\"\n";
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .upstream(origin.address())
        .tables(&format!("{proxy}{set}"))
        .file("bar.toml", other.entry())
        .start();
    let mut kept = Connection::to(address);
    assert_eq!(kept.exchange(&other.request("POST", "/", "", b"one")).open(&other).unwrap(), b"one");
    change(&sidecar, |text| text.replace(&proxy, "").replace(set, ""));
    // What was on its way is answered, under the keys that go with the proxy.
    let reply = kept.exchange(&other.request("POST", "/", "", b"two"));
    assert_eq!(reply.open(&other).unwrap(), b"two");
    assert_eq!(reply.header("connection"), Some("close"));
    eventually("nobody listens there", || TcpListener::bind(address).is_ok());
    let mut other_proxy = Connection::to(sidecar.address_of("kitchen"));
    assert_eq!(other_proxy.exchange(&key.request("POST", "/", "", b"three")).status, 200);
    let sets = sidecar.status()["keysets"].as_array().unwrap().len();
    assert_eq!(sets, 1);
}

#[test]
fn proxy_that_comes_back_at_once_has_its_address_again() {
    let key = gcm();
    let (origin, address) = (Origin::echo(), super::free_address());
    let proxy = format!(
        "[[proxy]]\nname = \"bar\"\nmode = \"inbound\"\nlisten = \"{address}\"\nupstream = \"http://{}\"\n",
        origin.address()
    );
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).tables(&proxy).start();
    for _ in 0..3 {
        change(&sidecar, |text| text.replace(&proxy, ""));
        change(&sidecar, |text| format!("{text}{proxy}"));
        assert_eq!(Connection::to(address).exchange(&key.request("POST", "/", "", b"one")).status, 200);
    }
    assert_eq!(refusals(&sidecar), 0.0);
}

#[test]
fn renamed_proxy_is_counted_and_limited_under_its_new_name() {
    let key = gcm();
    let origin = Origin::echo();
    let limits = "[proxy.limits]\nrequests = 7\n";
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(limits).start();
    change(&sidecar, |text| text.replace("name = \"kitchen\"", "name = \"galley\""));
    let limit = "alewife_limit{proxy=\"galley\",limit=\"requests\"}";
    assert_eq!(sidecar.metric(limit), 7.0);
}

#[test]
fn reload_that_does_not_come_to_an_end_keeps_nobody_from_stopping() {
    let key = gcm();
    let origin = Origin::echo();
    let mut sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let pipe = sidecar.directory().join("pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    sidecar.reconfigure(|text| text.replace("file = \"keys.toml\"", "file = \"pipe.toml\""));
    // Opened without a wait, it says whether somebody reads.
    let open = || OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&pipe);
    let mut held = None;
    eventually("the key file is being read", || {
        held = open().ok();
        held.is_some()
    });
    for _ in 0..40 {
        sidecar.signal("HUP");
    }
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
    assert!(sidecar.stop().success());
}

#[test]
fn keys_from_another_file_hold_on_connections_that_are_open() {
    let (key, other) = (gcm(), TestKey::numbered("AES-128-GCM", 2));
    let origin = Origin::echo();
    let sidecar =
        Sidecar::inbound().keys(&[&key]).upstream(origin.address()).file("other.toml", other.entry()).start();
    let mut kept = sidecar.connect();
    assert_eq!(kept.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    change(&sidecar, |text| text.replace("file = \"keys.toml\"", "file = \"other.toml\""));
    assert_eq!(kept.exchange(&other.request("POST", "/", "", b"two")).open(&other).unwrap(), b"two");
    assert_eq!(kept.exchange(&key.request("POST", "/", "", b"three")).status, 400);
    // The other file is the one that is followed now.
    std::fs::write(sidecar.directory().join("other.toml"), format!("{}{}", other.entry(), key.entry()))
        .unwrap();
    eventually("its change is seen", || {
        sidecar.connect().exchange(&key.request("POST", "/", "", b"four")).status == 200
    });
}

#[test]
fn key_file_that_is_missing_refuses_all_of_a_configuration() {
    let key = gcm();
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    sidecar.reconfigure(|text| text.replace("file = \"keys.toml\"", "file = \"missing.toml\""));
    eventually("it is refused", || refusals(&sidecar) >= 1.0);
    let (_, report) = reload(&sidecar);
    assert!(report["faults"][0].as_str().unwrap().contains("missing.toml"), "{report}");
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
}

#[test]
fn what_was_opened_before_a_change_is_still_a_replay_after_it() {
    let key = gcm();
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .upstream(origin.address())
        .proxy("replay_window = \"24h\"\nreplay_entries = 1000")
        .start();
    let recorded = key.request("POST", "/", "", b"pay once");
    assert_eq!(sidecar.connect().exchange(&recorded).status, 200);
    change(&sidecar, |text| text + "\n[proxy.timeouts]\nidle = \"59s\"\n");
    assert_eq!(sidecar.connect().exchange(&recorded).status, 400);
    // Another window has not seen it, and that is said.
    sidecar.reconfigure(|text| text.replace("replay_window = \"24h\"", "replay_window = \"23h\""));
    let (_, report) = reload(&sidecar);
    let log = || sidecar.log().contains("proxy kitchen changed, and its replay window begins anew");
    assert!(report["outcome"] == "swapped" || report["outcome"] == "unchanged", "{report}");
    eventually("it is said that the window begins anew", log);
}

#[test]
fn what_needs_a_restart_is_said_and_the_rest_is_taken() {
    let key = gcm();
    let (first, second) = (Origin::echo(), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(first.address()).start();
    change(&sidecar, |text| {
        let text = text.replace(&first.address().to_string(), &second.address().to_string());
        text.replace("workers = 2", "workers = 3").replace("[log]", "[log]\nlevel = \"warn\"")
    });
    assert_eq!(sidecar.status()["configuration"]["needs_restart"], serde_json::json!(["workers", "log"]));
    eventually("the log says so", || sidecar.log().contains("holds after a restart only: workers, log"));
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
    assert_eq!(second.count(), 1);
    change(&sidecar, |text| {
        text.replace("workers = 3", "workers = 2").replace("level = \"warn\"", "format = \"auto\"")
    });
    assert_eq!(sidecar.status()["configuration"]["needs_restart"], serde_json::json!([]));
}

#[test]
fn reload_of_what_is_there_already_changes_nothing() {
    let key = gcm();
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let mut kept = sidecar.connect();
    assert_eq!(kept.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    let (status, report) = reload(&sidecar);
    assert_eq!(
        (status, &report["outcome"], &report["changes"]),
        (200, &"unchanged".into(), &serde_json::json!([]))
    );
    sidecar.signal("HUP");
    let unchanged = "alewife_config_reloads_total{outcome=\"unchanged\"}";
    eventually("the signal does the same", || sidecar.metric(unchanged) >= 2.0);
    assert_eq!(kept.exchange(&key.request("POST", "/", "", b"two")).status, 200);
}

#[test]
fn order_to_shut_down_ends_the_process_cleanly_after_the_delay() {
    let key = gcm();
    let origin = Origin::echo();
    let mut sidecar =
        Sidecar::inbound().keys(&[&key]).upstream(origin.address()).top("shutdown_delay = \"1s\"").start();
    assert_eq!(sidecar.order("/shutdown"), (202, "stopping\n".to_owned()));
    eventually("it is not ready", || sidecar.admin_page("/readyz").0 == 503);
    // New work is still taken.
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"late")).status, 200);
    assert_eq!(sidecar.wait().code(), Some(0));
}
