//! What `check` says of certificates and addresses.

use super::{TLS, key};
use crate::support::{Authority, Sidecar, SidecarBuilder, Window};

fn sidecar() -> SidecarBuilder {
    Sidecar::inbound().keys(&[&key()])
}

/// What `check` complains of, and its exit status.
fn check(sidecar: &SidecarBuilder) -> (i32, String) {
    let (status, _, stderr) = sidecar.run(&["check"]);
    (status, stderr)
}

#[test]
fn certificate_that_cannot_be_used_is_a_fault_at_its_file() {
    let authority = Authority::new();
    let (certificate, own_key) = authority.issue_pem(&["kitchen.test"]);
    let (_, other_key) = authority.issue_pem(&["kitchen.test"]);
    let cut = |pem: &str| pem.replacen("-----END", "-----", 1);
    for (certificate, key, at, problem) in [
        ("", &*own_key, "cert_file", "its certificate's file has no certificate in it"),
        (&*cut(&certificate), &own_key, "cert_file", "its certificate is not PEM: "),
        (&certificate, "", "key_file", "its key's file has no key in it"),
        (&certificate, &cut(&own_key), "key_file", "its key is not PEM: "),
        (&certificate, &other_key, "cert_file", "its certificate is for another key"),
    ] {
        let (status, told) = check(&sidecar().file("tls.crt", certificate).file("tls.key", key).tables(TLS));
        assert_eq!(status, 78, "{told}");
        assert!(told.contains(&format!("proxy.kitchen.tls.{at}: {problem}")), "{told}");
        assert!(told.contains("remedy: ") && told.ends_with("1 fault\n"), "{told}");
        assert!(!told.contains(own_key.lines().nth(1).unwrap()), "nothing of a key: {told}");
    }
    let (status, told) = check(&sidecar().file("tls.crt", &*certificate).tables(TLS));
    assert_eq!(status, 78);
    assert!(told.contains("proxy.kitchen.tls.key_file: its key cannot be read: "), "{told}");
}

#[test]
fn half_of_what_belongs_together_is_a_fault() {
    let authority = Authority::new();
    let (certificate, key_pem) = authority.issue_pem(&["kitchen.test"]);
    let sidecar = || sidecar().file("tls.crt", &*certificate).file("tls.key", &*key_pem);
    for (builder, told) in [
        (sidecar().tables("[proxy.tls]\ncert_file = \"tls.crt\""), "proxy.kitchen.tls.key_file: missing"),
        (sidecar().tables("[proxy.tls]\nkey_file = \"tls.key\""), "proxy.kitchen.tls.cert_file: missing"),
        (
            sidecar().tables(&format!("{TLS}[proxy.tls.certificate.orders]\ncert_file = \"tls.crt\"")),
            "proxy.kitchen.tls.certificate.orders.key_file: missing",
        ),
        (
            sidecar().tables(&format!(
                "{TLS}[proxy.tls.certificate.default]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\""
            )),
            "proxy.kitchen.tls.certificate.default: the name of the certificate in [proxy.tls] itself",
        ),
        (
            sidecar().tables(&format!("{TLS}client_ca_file = \"none.pem\"")),
            "proxy.kitchen.tls.client_ca_file: \"none.pem\" cannot be read: ",
        ),
        (
            sidecar().upstream_url("https://127.0.0.1:9").proxy("client_cert_file = \"tls.crt\""),
            "proxy.kitchen.client_cert_file: a certificate without its key",
        ),
        (
            sidecar().upstream_url("https://127.0.0.1:9").proxy("client_key_file = \"tls.key\""),
            "proxy.kitchen.client_key_file: a key without its certificate",
        ),
        (
            sidecar().proxy("client_cert_file = \"tls.crt\"\nclient_key_file = \"tls.key\""),
            "proxy.kitchen.client_cert_file: nothing to use it for, since upstream is http://",
        ),
        (
            sidecar().upstream_url("unix:/run/app.sock").proxy("ca_file = \"tls.crt\""),
            "proxy.kitchen.ca_file: nothing to use it for, since upstream is a Unix socket",
        ),
    ] {
        let (status, found) = check(&builder);
        assert_eq!(status, 78, "{found}");
        assert!(found.contains(told), "{told} in {found}");
    }
}

#[test]
fn certificate_out_of_its_time_and_one_without_a_name_are_warned_of() {
    let authority = Authority::new();
    let pem = |names: &[&str], window| {
        let (certificate, key) = authority.issue(names, window);
        (certificate.pem(), key.serialize_pem())
    };
    let of = |(certificate, key): (String, String)| {
        check(&sidecar().file("tls.crt", certificate).file("tls.key", key).tables(TLS))
    };
    let (status, told) = of(pem(&["kitchen.test"], Window::Over));
    assert_eq!(status, 0, "{told}");
    let warned = "proxy.kitchen.tls.cert_file: the certificate has expired, at 2021-01-01T00:00:00Z";
    assert!(told.starts_with("warning: ") && told.contains(warned), "{told}");
    let (_, told) = of(pem(&["kitchen.test"], Window::ToCome));
    assert!(told.contains("the certificate is not valid before 2099-01-01T00:00:00Z"), "{told}");
    // An address is not asked for by name.
    let (status, told) = of(pem(&["127.0.0.1"], Window::Now));
    assert!(status == 0 && !told.contains("warning: "), "{told}");
    let (certificate, key) = pem(&["127.0.0.1"], Window::Now);
    let (status, told) = check(&sidecar().file("tls.crt", certificate).file("tls.key", key).tables(
        &format!("{TLS}[proxy.tls.certificate.orders]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\""),
    ));
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("orders.cert_file: it is never presented"), "{told}");
}

#[test]
fn summary_names_addresses_as_clients_and_applications_have_them() {
    let (certificate, key_pem) = Authority::new().issue_pem(&["kitchen.test"]);
    let with = sidecar().file("tls.crt", certificate).file("tls.key", key_pem);
    let (_, told, _) =
        with.listen("127.0.0.1:8443").upstream_url("unix:/run/app.sock").tables(TLS).run(&["check"]);
    assert!(
        told.contains("proxy kitchen: inbound, https://127.0.0.1:8443 -> unix:/run/app.sock\n"),
        "{told}"
    );
    let (_, told, _) = sidecar().listen("unix:/run/alewife.sock").run(&["check"]);
    assert!(told.contains("proxy kitchen: inbound, unix:/run/alewife.sock -> http://"), "{told}");
}

#[test]
fn address_that_is_none_is_a_fault() {
    let long = format!("unix:/{}", "a".repeat(107));
    for (listen, told) in [
        ("unix:run/a.sock", "\"unix:run/a.sock\" has no absolute path of a socket"),
        ("unix:", "\"unix:\" has no absolute path of a socket"),
        ("unix:/run/", "\"unix:/run/\" has no absolute path of a socket"),
        (&long, "is longer than the path of a socket may be"),
        ("fd:", "\"fd:\" has no name of a socket"),
        ("fd:a:b", "\"fd:a:b\" has no name of a socket"),
        ("tcp:8080", "\"tcp:8080\" is not an address"),
    ] {
        let (status, found) = check(&sidecar().listen(listen));
        assert_eq!(status, 78, "{found}");
        assert!(found.contains(told), "{told} in {found}");
    }
    let (status, found) = check(&sidecar().listen("unix:/run/a.sock").upstream_url("unix:/run/a.sock"));
    assert_eq!(status, 78);
    let told = "unix:/run/a.sock is proxy.kitchen itself, which listens on unix:/run/a.sock";
    assert!(found.contains(told), "{found}");
}

#[test]
fn believing_everybody_is_noted() {
    for key in ["proxy_protocol_from", "trust_forwarded_from"] {
        for all in ["0.0.0.0/0", "::/0"] {
            let (status, told) = check(&sidecar().proxy(&format!("{key} = [\"10.0.0.0/8\", \"{all}\"]")));
            let note =
                format!("note: proxy.kitchen.{key}: whoever connects may say that he comes from anywhere");
            assert!(status == 0 && told.contains(&note), "{told}");
        }
        let (_, told) = check(&sidecar().proxy(&format!("{key} = \"10.0.0.0/8\"")));
        assert!(!told.contains(key), "{told}");
    }
}

#[test]
fn networks_are_held_to_their_notation() {
    for key in ["proxy_protocol_from", "trust_forwarded_from"] {
        let (status, told) = check(&sidecar().proxy(&format!("{key} = [\"10.1.2.3/8\"]")));
        assert_eq!(status, 78, "{told}");
        assert!(
            told.contains(&format!("proxy.kitchen.{key}: \"10.1.2.3/8\" has bits past its length")),
            "{told}"
        );
    }
}
