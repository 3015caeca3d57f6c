//! Upstreams under TLS: whom to trust there, and the version of HTTP.

use std::path::Path;

use super::super::file;
use super::{SMALLEST, parse, with};
use crate::net::{Roots, UpstreamAddress, UpstreamProtocol};
use crate::proxy::Upstream;

fn upstream(text: &str) -> Upstream {
    parse(text).unwrap().proxies.remove(0).routes.first().upstream.clone()
}

/// A directory with these certificates as `ca.pem`.
fn directory(pem: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), pem).unwrap();
    directory
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(["kitchen.test".to_owned()]).unwrap().cert.pem()
}

fn https(ca_file: &str) -> String {
    SMALLEST.replace("\"http://127.0.0.1:3000\"", &format!("\"https://kitchen.test\"\nca_file = {ca_file:?}"))
}

/// What is wrong with an upstream whose `ca_file` holds this text.
fn fault_of(pem: &str) -> String {
    let directory = directory(pem);
    let faults = file::parse(&https("ca.pem"), "config.toml", directory.path()).config.unwrap_err();
    let mut faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[test]
fn https_has_a_port_of_its_own_and_the_roots_of_browsers() {
    for (written, shown, authority) in [
        ("https://kitchen.test", "https://kitchen.test:443", "kitchen.test"),
        ("https://kitchen.test:443", "https://kitchen.test:443", "kitchen.test"),
        ("https://kitchen.test:80", "https://kitchen.test:80", "kitchen.test:80"),
        ("https://[::1]", "https://[::1]:443", "[::1]"),
        ("https://192.0.2.1:8443", "https://192.0.2.1:8443", "192.0.2.1:8443"),
    ] {
        let upstream = upstream(&with(&format!("upstream = {written:?}")));
        assert_eq!((upstream.to_string(), upstream.authority()), (shown.to_owned(), authority.to_owned()));
        let tls = upstream.tls.unwrap();
        let UpstreamAddress::Inet { host, .. } = upstream.address else { panic!("it is no path") };
        assert_eq!(tls.name.to_str(), host);
        assert_eq!(tls.roots, Roots::WebPki);
    }
}

#[test]
fn the_version_of_http_is_one_of_three() {
    assert_eq!(upstream(SMALLEST).protocol, UpstreamProtocol::Auto);
    for (written, protocol) in
        [("auto", UpstreamProtocol::Auto), ("1.1", UpstreamProtocol::Http1), ("2", UpstreamProtocol::Http2)]
    {
        assert_eq!(upstream(&with(&format!("upstream_http = {written:?}"))).protocol, protocol);
    }
}

#[test]
fn roots_come_from_a_file_beside_the_configuration_and_are_shown_by_its_name() {
    let pem = certificate();
    let directory = directory(&format!("a comment\n{pem}\n{}", certificate()));
    let config = file::parse(&https("ca.pem"), "config.toml", directory.path()).config.unwrap();
    let Some(Roots::File(roots)) = config.proxies[0].routes.first().upstream.tls.clone().map(|tls| tls.roots)
    else {
        panic!("no roots of a file")
    };
    let path = directory.path().join("ca.pem");
    assert_eq!(roots.path(), path);
    assert_eq!(format!("{roots:?}"), format!("CaFile {{ path: {path:?}, certificates: 2 }}"));
}

#[test]
fn roots_of_another_content_are_other_roots() {
    let roots = |pem: &str, directory: &Path| {
        std::fs::write(directory.join("ca.pem"), pem).unwrap();
        let config = file::parse(&https("ca.pem"), "config.toml", directory).config.unwrap();
        config.proxies[0].routes.first().upstream.tls.clone().unwrap().roots
    };
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (certificate(), certificate());
    assert_eq!(roots(&one, directory.path()), roots(&one, directory.path()));
    assert_ne!(roots(&one, directory.path()), roots(&other, directory.path()));
}

#[test]
fn a_file_that_gives_no_roots_is_a_fault_at_its_place() {
    let at = "config.toml:8:11: proxy.kitchen.ca_file: \"ca.pem\" ";
    let remedy = "\n    remedy: name a PEM file with the certificates of those who issue the upstream's: \
                  -----BEGIN CERTIFICATE-----";
    assert_eq!(fault_of(""), format!("{at}has no certificate in it{remedy}"));
    assert_eq!(fault_of("kitchen"), format!("{at}has no certificate in it{remedy}"));
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(fault_of(key), format!("{at}has no certificate in it{remedy}"));
    let cut = certificate().replace("-----END", "-----");
    assert!(fault_of(&cut).starts_with(&format!("{at}is not PEM: ")), "{}", fault_of(&cut));
    let none = format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", certificate());
    let told = fault_of(&none);
    assert!(
        told.starts_with(&format!("{at}calls something a certificate that is none, as number 2: ")),
        "{told}"
    );
    assert!(told.ends_with(remedy), "{told}");
}

#[test]
fn a_file_that_is_not_there_is_a_fault_beside_one_of_the_upstream() {
    let text = https("other.pem").replace("https://kitchen.test", "https://kitchen.test/menu");
    let faults = parse(&text).unwrap_err();
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("7:12: proxy.kitchen.upstream: "), "{faults:?}");
    assert!(faults[1].contains("8:11: proxy.kitchen.ca_file: \"other.pem\" cannot be read: "), "{faults:?}");
    assert!(
        faults[1].ends_with("remedy: name a readable file, relative to the configuration's directory"),
        "{faults:?}"
    );
}
