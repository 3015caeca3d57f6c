//! Crowds that come for nothing, and what they leave behind.

use std::net::Shutdown;

use socket2::SockRef;

use super::{open_connections, status_kib};
use crate::support::{Connection, Origin, Sidecar, TestKey, eventually};

/// Open descriptors. Only a process of the same right can count them; `None` says that this one can't.
fn descriptors(sidecar: &Sidecar) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{}/fd", sidecar.process_id())).ok()?.count())
}

struct Crowded {
    key: TestKey,
    _origin: Origin,
    sidecar: Sidecar,
    descriptors: Option<usize>,
    resident: u64,
}

impl Crowded {
    fn start() -> Self {
        let key = TestKey::new("AES-256-GCM");
        let origin = Origin::echo();
        let sidecar = Sidecar::inbound()
            .keys(&[&key])
            .upstream(origin.address())
            .proxy("timeouts = { pool_idle = \"100ms\" }")
            // The crowd is one peer, and none of it is to make room.
            .proxy("limits = { connections_per_peer = 8192 }")
            .start();
        let (descriptors, resident) = (descriptors(&sidecar), status_kib(&sidecar, "VmRSS"));
        if descriptors.is_none() {
            println!("the sidecar's descriptors cannot be counted by this user");
        }
        Self { key, _origin: origin, sidecar, descriptors, resident }
    }

    fn still_serves(&self) {
        let reply = self.sidecar.connect().exchange(&self.key.request("POST", "/", "", b"one"));
        assert_eq!(reply.open(&self.key).unwrap(), b"one");
    }

    fn comes_back(self) {
        self.still_serves();
        let sidecar = &self.sidecar;
        eventually("no connection is open", || open_connections(sidecar) == 0);
        // The admin page that was just asked for may still be closing.
        eventually("no descriptor is left", || descriptors(sidecar) <= self.descriptors);
        let now = status_kib(sidecar, "VmRSS");
        println!("{} KiB before, {now} KiB after", self.resident);
        // What a thousand connections had at once the allocator keeps, and in a debug build that is some 21 KiB each.
        assert!(now < self.resident + 24_000, "{} KiB before, {now} KiB after", self.resident);
    }
}

#[test]
fn two_thousand_idle_connections_come_and_go() {
    let crowded = Crowded::start();
    let idle: Vec<_> = (0..2000).map(|_| crowded.sidecar.connect()).collect();
    eventually("all are open", || open_connections(&crowded.sidecar) == 2000);
    crowded.still_serves();
    println!("{} KiB with 2,000 connections", status_kib(&crowded.sidecar, "VmRSS"));
    drop(idle);
    crowded.comes_back();
}

#[test]
fn crowds_that_are_kept_alive_come_and_go_and_later_ones_live_in_what_earlier_ones_left() {
    let crowded = Crowded::start();
    let request = crowded.key.request("POST", "/", "", b"one");
    let resident = [1, 2, 3, 4, 5].map(|_| {
        let mut idle: Vec<_> = (0..2000).map(|_| crowded.sidecar.connect()).collect();
        for connection in &mut idle {
            assert_eq!(connection.exchange(&request).status, 200);
        }
        let resident = status_kib(&crowded.sidecar, "VmRSS");
        drop(idle);
        eventually("no connection is open", || open_connections(&crowded.sidecar) == 0);
        println!(
            "{resident} KiB with 2,000 connections, {} KiB after",
            status_kib(&crowded.sidecar, "VmRSS")
        );
        resident
    });
    // The allocator keeps what is freed; a leak would go on growing.
    assert!(resident[4] < resident[2] + 6_000, "{resident:?} KiB");
    assert!(resident[4] < crowded.resident + 2_000 * 48, "{resident:?} KiB");
    crowded.still_serves();
    eventually("no descriptor is left", || descriptors(&crowded.sidecar) <= crowded.descriptors);
}

#[test]
fn connections_that_send_garbage_are_got_rid_of() {
    let crowded = Crowded::start();
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut open = Vec::new();
    for round in 0..500_usize {
        let mut bytes = Vec::new();
        for _ in 0..(round % 50) * 40 + 1 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&noise.to_be_bytes());
        }
        if round % 3 == 0 {
            bytes.splice(..0, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        } else if round % 3 == 1 {
            bytes.splice(..0, *b"POST / HTTP/1.1\r\nhost: a\r\n");
        }
        let connection = crowded.sidecar.connect();
        // It may be closed before all of it is sent.
        let _ = std::io::Write::write_all(&mut &connection.stream, &bytes);
        open.push(connection);
    }
    crowded.still_serves();
    drop(open);
    crowded.comes_back();
}

#[test]
fn connections_that_are_reset_at_every_stage_leave_nothing() {
    let crowded = Crowded::start();
    let request = crowded.key.request("POST", "/", "", &[7; 5000]);
    let resident = [1, 2, 3, 4].map(|_| {
        for round in 0..500 {
            let mut connection: Connection = crowded.sidecar.connect();
            let sent = round * request.len() / 499;
            connection.send(&request[..sent]);
            SockRef::from(&connection.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            if round % 2 == 0 {
                let _ = connection.stream.shutdown(Shutdown::Read);
            }
        }
        crowded.still_serves();
        eventually("no connection is open", || open_connections(&crowded.sidecar) == 0);
        status_kib(&crowded.sidecar, "VmRSS")
    });
    println!("{resident:?} KiB after 500 each time");
    // How many were there at once, which the allocator keeps, is chance; a leak would go on growing.
    assert!(resident[3] < resident[1] + 8_000, "{resident:?} KiB");
    eventually("no descriptor is left", || descriptors(&crowded.sidecar) <= crowded.descriptors);
}
