//! Clients that prove who they are (mutual TLS), and clients of other makes.

use std::io::{Read, Write};
use std::process::Command;

use super::{handshakes_failed, key, order_passes, shaken, under_tls};
use crate::support::{Authority, Connection, Origin, SidecarBuilder, TestKey, Tunnel, Window, eventually};

fn asking(authority: &Authority, clients: &Authority, origin: &Origin) -> SidecarBuilder {
    under_tls(authority, &["kitchen.test", "127.0.0.1"], origin)
        .file("clients.pem", clients.pem())
        .tables("client_ca_file = \"clients.pem\"")
}

/// Whether a request gets an answer; under TLS 1.3 a client learns of its refusal only after its handshake.
fn is_served(sidecar: &crate::support::Sidecar, server: &Authority, own: Option<&(String, String)>) -> bool {
    let Ok(mut stream) = shaken(sidecar.address(), server.client(&["http/1.1"], own), "kitchen.test") else {
        return false;
    };
    let _ = stream.write_all(&key().bodyless("GET", "/", "connection: close\r\n"));
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    reply.starts_with(b"HTTP/1.1 200")
}

#[test]
fn only_clients_with_a_certificate_of_the_named_issuers_are_let_in() {
    let (server, clients, others, origin) =
        (Authority::new(), Authority::new(), Authority::new(), Origin::echo());
    let sidecar = asking(&server, &clients, &origin).start();
    let good = clients.issue_pem(&["pos.test"]);
    assert!(is_served(&sidecar, &server, Some(&good)));
    assert_eq!(handshakes_failed(&sidecar, "tls"), 0.0);
    let expired = clients.issue(&["pos.test"], Window::Over);
    let expired = (expired.0.pem(), expired.1.serialize_pem());
    for refused in
        [None, Some(others.issue_pem(&["pos.test"])), Some(server.issue_pem(&["pos.test"])), Some(expired)]
    {
        assert!(!is_served(&sidecar, &server, refused.as_ref()));
    }
    eventually("they are counted", || handshakes_failed(&sidecar, "tls") == 4.0);
    assert_eq!(origin.count(), 1);
}

#[test]
fn clients_let_in_change_with_the_file_of_their_issuers() {
    let (server, clients, next, origin) =
        (Authority::new(), Authority::new(), Authority::new(), Origin::echo());
    let sidecar = asking(&server, &clients, &origin).start();
    let (old, new) = (clients.issue_pem(&["pos.test"]), next.issue_pem(&["pos.test"]));
    assert!(is_served(&sidecar, &server, Some(&old)) && !is_served(&sidecar, &server, Some(&new)));
    let file = sidecar.directory().join("clients.pem");
    std::fs::write(&file, format!("{}{}", clients.pem(), next.pem())).unwrap();
    eventually("both are let in", || is_served(&sidecar, &server, Some(&new)));
    assert!(is_served(&sidecar, &server, Some(&old)));
    std::fs::write(&file, next.pem()).unwrap();
    eventually("the old is not let in", || !is_served(&sidecar, &server, Some(&old)));
    assert!(is_served(&sidecar, &server, Some(&new)));
}

#[test]
fn connection_that_is_open_stays_when_certificates_change() {
    let (server, clients, origin) = (Authority::new(), Authority::new(), Origin::echo());
    let sidecar = asking(&server, &clients, &origin).start();
    let own = clients.issue_pem(&["pos.test"]);
    let tunnel = Tunnel::to_tls(sidecar.address(), server.client(&["http/1.1"], Some(&own)), "kitchen.test");
    let mut connection = Connection::to(tunnel.address());
    order_passes(&mut connection);
    std::fs::write(sidecar.directory().join("clients.pem"), Authority::new().pem()).unwrap();
    eventually("others are let in", || {
        sidecar.metric("alewife_certificate_reloads_total{proxy=\"kitchen\",outcome=\"ok\"}") == 1.0
    });
    order_passes(&mut connection);
}

/// Runs a program to its end; `None` where it is not on the machine.
fn program(name: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(name).args(arguments).output().ok()?;
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn curl_is_served_under_each_version_of_http() {
    let (server, clients, origin) = (Authority::new(), Authority::new(), Origin::echo());
    let key = TestKey::new("AES-256-CTR");
    let own = clients.issue_pem(&["pos.test"]);
    let sidecar = asking(&server, &clients, &origin)
        .keys(&[&key])
        .file("own.crt", own.0)
        .file("own.key", own.1)
        .start();
    server.write_to(&sidecar.directory().join("ca.pem"));
    let file = |name: &str| sidecar.directory().join(name).display().to_string();
    let (ca, certificate, key_file) = (file("ca.pem"), file("own.crt"), file("own.key"));
    let url = format!("https://127.0.0.1:{}/menu", sidecar.address().port());
    let envelope = key.envelope(&key.fresh_iv());
    let fields: Vec<_> = envelope.lines().collect();
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let told = program(
            "curl",
            &[
                "-sS",
                flag,
                "--noproxy",
                "*",
                "--cacert",
                &ca,
                "--cert",
                &certificate,
                "--key",
                &key_file,
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{http_code}",
                "-H",
                fields[0],
                "-H",
                fields[1],
                &url,
            ],
        );
        let Some(told) = told else { return eprintln!("skipped: curl is not here") };
        assert_eq!(told, format!("{version} 200"));
    }
    // Without a certificate there is no answer, whichever way curl finds out.
    let status = ["-s", "--noproxy", "*", "--cacert", &ca, "-o", "/dev/null", "-w", "%{http_code}", &url];
    assert_eq!(program("curl", &status).unwrap(), "000");
}
