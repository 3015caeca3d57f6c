//! What systemd hears of the process (sd_notify(3)).

use std::os::unix::net::UnixDatagram;

use crate::support::{Origin, PATIENCE, Sidecar, SidecarBuilder, TestKey};

/// The supervisor's end, and the directory in which it stands.
struct Supervisor {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Supervisor {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    fn over(&self, sidecar: SidecarBuilder) -> SidecarBuilder {
        sidecar.environment("NOTIFY_SOCKET", self.directory.path().join("notify").to_str().unwrap())
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

fn sidecar() -> SidecarBuilder {
    // The application is asked for nothing here.
    Sidecar::inbound().keys(&[&TestKey::new("AES-256-GCM")]).upstream(Origin::echo().address())
}

#[test]
fn supervisor_hears_of_start_reload_and_stop() {
    let supervisor = Supervisor::new();
    let mut sidecar = supervisor.over(sidecar()).start();
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=proxies: 1, keys: 1\n");
    sidecar.signal("HUP");
    let reloading = supervisor.hears();
    let since =
        reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reloading}"));
    assert!(since.trim_end().parse::<u64>().is_ok_and(|since| since > 0), "{reloading}");
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=proxies: 1, keys: 1\n");
    sidecar.signal("TERM");
    assert_eq!(supervisor.hears(), "STOPPING=1\n");
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn watchdog_hears_that_the_workers_answer() {
    let supervisor = Supervisor::new();
    let sidecar = supervisor.over(sidecar()).environment("WATCHDOG_USEC", "200000").start();
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=proxies: 1, keys: 1\n");
    for _ in 0..3 {
        assert_eq!(supervisor.hears(), "WATCHDOG=1\n");
    }
    drop(sidecar);
}

#[test]
fn supervisor_that_is_gone_is_no_reason_not_to_serve() {
    let supervisor = Supervisor::new();
    let builder = supervisor.over(sidecar());
    drop(supervisor);
    let mut sidecar = builder.start();
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
    assert_eq!(sidecar.stop().code(), Some(0));
    assert!(sidecar.log().contains("NOTIFY_SOCKET"), "{}", sidecar.log());
}
