//! A start is whole or not at all, and says what is wrong.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::{Origin, Sidecar, TestKey, eventually};

/// Runs the sidecar with this configuration to its end, which must come by itself.
fn run(config: &str, keys: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("keys.toml"), keys).unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_alewife")).args(["run", "--config"]).arg(&path).output().unwrap()
}

fn config(listen: &str, admin: &str) -> String {
    format!(
        "[keys]\nfile = \"keys.toml\"\n[admin]\nlisten = \"{admin}\"\n[[proxy]]\nname = \"kitchen\"\n\
         mode = \"inbound\"\nlisten = \"{listen}\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_line_of_each_listener_means_that_it_can_be_connected_to() {
    let key = TestKey::new("AES-256-GCM");
    let origin = Origin::echo();
    for _ in 0..10 {
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        assert_eq!(sidecar.admin_page("/readyz"), (200, "ok\n".to_owned()));
        assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
        assert_eq!(sidecar.output().lines().count(), 2, "{}", sidecar.output());
    }
}

#[test]
fn a_port_in_use_ends_with_status_1_and_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let key = TestKey::new("AES-256-GCM").entry();
    let of_proxy = (address.as_str(), "127.0.0.1:0", "; proxy.kitchen.listen takes another address");
    let of_admin = ("127.0.0.1:0", address.as_str(), "; `[admin] listen` takes another address, or \"off\"");
    for (listen, admin, remedy) in [of_proxy, of_admin] {
        let output = run(&config(listen, admin), &key);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stdout), "");
        let last = text(&output.stderr).lines().last().unwrap_or_default();
        assert!(last.contains(&address) && last.contains("in use"), "{last}");
        assert!(last.ends_with(remedy), "{last}");
    }
}

#[test]
fn a_wrong_configuration_ends_with_status_78_and_binds_nothing() {
    let key = TestKey::new("AES-256-GCM").entry();
    let good = config("127.0.0.1:0", "127.0.0.1:0");
    let wrong = [
        (good.replace("inbound", "sideways"), key.clone(), "proxy.kitchen.mode"),
        (good.replace("name =", "nome ="), key.clone(), "nome"),
        (good.clone(), "[[key]]".to_owned(), "fingerprint"),
        (good.clone(), String::new(), "keys.toml"),
        (good.replace("keys.toml", "none.toml"), key, "none.toml"),
    ];
    for (config, keys, named) in wrong {
        let output = run(&config, &keys);
        assert_eq!(output.status.code(), Some(78), "{named}: {output:?}");
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains(named), "{named}: {}", text(&output.stderr));
    }
}

#[test]
fn outbound_proxy_is_announced_as_such_and_warns_of_replies_that_nothing_proves() {
    let sidecar =
        Sidecar::outbound().keys(&[&TestKey::new("AES-256-GCM")]).proxy("replies = \"either\"").start();
    let ready =
        format!("proxy kitchen: outbound on http://{}, upstream http://127.0.0.1:9\n", sidecar.address());
    assert!(sidecar.output().contains(&ready), "{}", sidecar.output());
    let warning = "proxy.kitchen.replies: until the peer has sealed a reply, whoever is on the line can make replies up";
    eventually("the warning is logged", || sidecar.log().contains(warning));
}
