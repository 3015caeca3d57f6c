//! Several certificates, and those that change.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{key, order_passes, shaken, under_tls};
use crate::support::{Authority, Connection, Origin, Sidecar, Tunnel, eventually};

/// The certificate that is presented to who asks for `name`.
fn presented(sidecar: &Sidecar, authority: &Authority, name: &str) -> Vec<u8> {
    let stream = shaken(sidecar.address(), authority.client(&[], None), name).unwrap();
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

fn replace(sidecar: &Sidecar, (certificate, key): &(String, String)) {
    write(sidecar.directory(), "tls.crt", certificate);
    write(sidecar.directory(), "tls.key", key);
}

fn write(directory: &Path, name: &str, text: &str) {
    let beside = directory.join(format!("{name}.new"));
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, directory.join(name)).unwrap();
}

fn reloads(sidecar: &Sidecar, outcome: &str) -> f64 {
    sidecar.metric(&format!("alewife_certificate_reloads_total{{proxy=\"kitchen\",outcome=\"{outcome}\"}}"))
}

#[test]
fn certificate_is_the_one_for_the_name_that_is_asked_for() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let (orders, all) =
        (authority.issue_pem(&["orders.test", "A.shop.test"]), authority.issue_pem(&["*.shop.test"]));
    let sidecar = under_tls(&authority, &["kitchen.test", "127.0.0.1"], &origin)
        .file("orders.crt", orders.0)
        .file("orders.key", orders.1)
        .file("all.crt", all.0)
        .file("all.key", all.1)
        .tables("[proxy.tls.certificate.all]\ncert_file = \"all.crt\"\nkey_file = \"all.key\"")
        .tables("[proxy.tls.certificate.orders]\ncert_file = \"orders.crt\"\nkey_file = \"orders.key\"")
        .start();
    // The client verifies that each is for its name; an address is not asked for in the handshake.
    let [kitchen, address, orders, a, b] =
        ["kitchen.test", "127.0.0.1", "orders.test", "a.shop.test", "b.shop.test"]
            .map(|name| presented(&sidecar, &authority, name));
    assert_eq!(kitchen, address);
    // A name of its own before one that stands for all.
    assert_eq!(orders, a);
    assert!(b != a && b != kitchen && a != kitchen);
    // One label, not two; and who asks for something else gets the first, and refuses it.
    for name in ["c.b.shop.test", "shop.test", "other.test"] {
        let error = shaken(sidecar.address(), authority.client(&[], None), name).unwrap_err();
        assert!(error.to_string().contains("kitchen.test"), "{error}");
    }
    for certificate in ["default", "all", "orders"] {
        let series = "alewife_certificate_expiry_timestamp_seconds";
        let end = sidecar.metric(&format!("{series}{{proxy=\"kitchen\",certificate=\"{certificate}\"}}"));
        assert_eq!(end, 4_102_444_800.0, "1 January 2100");
    }
}

#[test]
fn certificate_is_renewed_under_load_without_a_failed_request() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let before = presented(&sidecar, &authority, "kitchen.test");
    let (ends, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for kept in [true, false] {
            let tunnel =
                Tunnel::to_tls(sidecar.address(), authority.client(&["http/1.1"], None), "kitchen.test");
            let (ends, served) = (&ends, &served);
            scope.spawn(move || {
                let mut connection = Connection::to(tunnel.address());
                while !ends.load(Ordering::Relaxed) {
                    if !kept {
                        connection = Connection::to(tunnel.address());
                    }
                    order_passes(&mut connection);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut current = before.clone();
        for number in 1..=3 {
            replace(&sidecar, &authority.issue_pem(&["kitchen.test"]));
            eventually("the next is in force", || presented(&sidecar, &authority, "kitchen.test") != current);
            current = presented(&sidecar, &authority, "kitchen.test");
            assert_eq!(reloads(&sidecar, "ok"), f64::from(number));
        }
        let so_far = served.load(Ordering::Relaxed);
        eventually("orders pass under the last", || served.load(Ordering::Relaxed) > so_far + 10);
        ends.store(true, Ordering::Relaxed);
    });
    assert_eq!(reloads(&sidecar, "failed"), 0.0);
    assert!(sidecar.log().contains("certificates have changed, and are in force"), "{}", sidecar.log());
}

#[test]
fn files_that_cannot_be_used_leave_the_certificate_in_force_and_are_told_once() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let before = presented(&sidecar, &authority, "kitchen.test");
    let next = authority.issue_pem(&["kitchen.test"]);
    // The one half, and nothing comes after it.
    write(sidecar.directory(), "tls.crt", &next.0);
    let told = || sidecar.log().matches("cannot be used; those before stay in force").count();
    eventually("it is told", || told() == 1);
    assert!(
        sidecar.log().contains("certificate default: its certificate is for another key"),
        "{}",
        sidecar.log()
    );
    assert_eq!(presented(&sidecar, &authority, "kitchen.test"), before);
    // Another fault is another line.
    write(sidecar.directory(), "tls.key", "none");
    eventually("it is told as well", || told() == 2);
    assert!(
        sidecar.log().contains("certificate default: its key's file has no key in it"),
        "{}",
        sidecar.log()
    );
    assert_eq!((reloads(&sidecar, "ok"), reloads(&sidecar, "failed")), (0.0, 2.0));
    write(sidecar.directory(), "tls.key", &next.1);
    eventually("the next is in force", || presented(&sidecar, &authority, "kitchen.test") != before);
    assert_eq!((reloads(&sidecar, "ok"), reloads(&sidecar, "failed")), (1.0, 2.0));
    assert!(!sidecar.log().contains("PRIVATE"), "{}", sidecar.log());
}

#[test]
fn session_is_not_resumed_past_a_change_of_the_certificate() {
    let (authority, origin) = (Authority::new(), Origin::echo());
    let sidecar = under_tls(&authority, &["kitchen.test"], &origin).start();
    let client = authority.client(&["http/1.1"], None);
    let kind = || {
        use std::io::{Read, Write};
        let mut stream = shaken(sidecar.address(), client.clone(), "kitchen.test").unwrap();
        // Tickets come with the first reply.
        stream.write_all(&key().bodyless("GET", "/", "connection: close\r\n")).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        format!("{:?}", stream.conn.handshake_kind().unwrap())
    };
    assert_eq!(kind(), "Full");
    assert_eq!(kind(), "Resumed");
    replace(&sidecar, &authority.issue_pem(&["kitchen.test"]));
    eventually("the next is in force", || reloads(&sidecar, "ok") == 1.0);
    assert_eq!(kind(), "Full");
    assert_eq!(kind(), "Resumed");
}
