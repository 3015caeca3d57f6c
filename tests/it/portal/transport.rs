//! How the portal is reached: TLS and its faults, certificates of both sides, plain HTTP on this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use alewife::net::{Identity, Roots, TlsFault};
use alewife::sources::portal::{FetchFault, PortalClient, PortalConfig};
use tokio_rustls::rustls::AlertDescription;

use super::{DOCUMENT, SHORT, config, document_of, fault_of};
use crate::support::{Authority, Portal, PortalAnswer, Window, eventually};

#[tokio::test]
async fn certificate_that_proves_nothing_is_not_believed() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(DOCUMENT);
    let ours = portal.authority();
    let other = Authority::new();
    portal.present(&other, &["localhost"], Window::Now);
    let fault = fault_of(config(&portal)).await;
    assert!(matches!(fault, FetchFault::Tls(TlsFault::UnknownIssuer)), "{fault:?}");
    assert!(fault.remedy().contains("ca_file"));
    portal.present(ours, &["localhost"], Window::Over);
    let fault = fault_of(config(&portal)).await;
    assert!(matches!(fault, FetchFault::Tls(TlsFault::Expired)), "{fault:?}");
    portal.present(ours, &["localhost"], Window::ToCome);
    let fault = fault_of(config(&portal)).await;
    assert!(matches!(fault, FetchFault::Tls(TlsFault::NotYetValid)), "{fault:?}");
    portal.present(ours, &["portal.test"], Window::Now);
    let fault = fault_of(config(&portal)).await;
    assert!(matches!(fault, FetchFault::Tls(TlsFault::WrongName { .. })), "{fault:?}");
    portal.present(ours, &["localhost"], Window::Now);
    let fault = fault_of(PortalConfig { roots: Roots::WebPki, ..config(&portal) }).await;
    assert!(matches!(fault, FetchFault::Tls(TlsFault::UnknownIssuer)), "{fault:?}");
    // Not a byte of a request has gone to any of them.
    assert!(portal.requests().is_empty());
    assert_eq!(document_of(config(&portal)).await.0, DOCUMENT);
}

/// Writes a certificate by `authority` and its key.
fn identity(directory: &Path, authority: &Authority, window: Window) -> (PathBuf, PathBuf) {
    let (certificate, key) = authority.issue(&["pos.test"], window);
    let paths = (directory.join("client.pem"), directory.join("client.key"));
    std::fs::write(&paths.0, certificate.pem()).unwrap();
    std::fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

#[tokio::test]
async fn portal_that_asks_who_we_are_is_told_by_the_right_certificate_alone() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(DOCUMENT);
    let clients = Authority::new();
    portal.demand_certificate_by(&clients);
    let refused = |fault: &FetchFault, alert| matches!(fault, FetchFault::Tls(TlsFault::Refused(told)) if *told == alert);
    let fault = fault_of(config(&portal)).await;
    assert!(refused(&fault, AlertDescription::CertificateRequired), "{fault:?}");
    assert!(fault.remedy().contains("client_certificate"));
    let directory = tempfile::tempdir().unwrap();
    let with = |authority: &Authority, window| {
        let (certificate, key) = identity(directory.path(), authority, window);
        let identity = Identity::read(certificate, key).unwrap();
        PortalConfig { identity: Some(identity), ..config(&portal) }
    };
    let fault = fault_of(with(&Authority::new(), Window::Now)).await;
    assert!(refused(&fault, AlertDescription::UnknownCA), "{fault:?}");
    let fault = fault_of(with(&clients, Window::Over)).await;
    assert!(refused(&fault, AlertDescription::CertificateExpired), "{fault:?}");
    assert!(portal.requests().is_empty());
    assert_eq!(document_of(with(&clients, Window::Now)).await.0, DOCUMENT);
}

#[tokio::test]
async fn certificates_that_are_renewed_in_place_count_with_the_next_fetch() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(DOCUMENT);
    let clients = Authority::new();
    portal.demand_certificate_by(&clients);
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = identity(directory.path(), &clients, Window::Over);
    let read = Identity::read(certificate.clone(), key.clone()).unwrap();
    let client = PortalClient::new(PortalConfig { identity: Some(read), ..config(&portal) });
    assert!(matches!(client.fetch(None).await, Err(FetchFault::Tls(TlsFault::Refused(_)))));
    identity(directory.path(), &clients, Window::Now);
    assert!(client.fetch(None).await.is_ok());
    // Half of the next pair is there, or none: the last good one serves.
    std::fs::remove_file(&key).unwrap();
    assert!(client.fetch(None).await.is_ok());
    // The portal changes its authority, and the file follows.
    let next = Authority::new();
    portal.present(&next, &["localhost"], Window::Now);
    assert!(matches!(client.fetch(None).await, Err(FetchFault::Tls(TlsFault::UnknownIssuer))));
    identity(directory.path(), &clients, Window::Now);
    next.write_to(&portal.ca_file());
    assert!(client.fetch(None).await.is_ok());
}

#[tokio::test]
async fn portal_without_tls_serves_this_machine_alone() {
    let Some(portal) = Portal::start_plain() else { return };
    portal.serve(DOCUMENT);
    assert_eq!(document_of(config(&portal)).await.0, DOCUMENT);
    let port = portal.address().port();
    let by_name = format!("http://localhost:{port}/sites/7").parse().unwrap();
    assert_eq!(document_of(PortalConfig { url: by_name, ..config(&portal) }).await.0, DOCUMENT);
    let under_tls = format!("https://127.0.0.1:{port}/sites/7").parse().unwrap();
    let fault = fault_of(PortalConfig { url: under_tls, ..config(&portal) }).await;
    assert!(matches!(fault, FetchFault::Tls(TlsFault::NotTls)), "{fault:?}");
}

#[tokio::test]
async fn portal_that_is_down_is_unreachable_and_comes_back() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(DOCUMENT);
    portal.go_down();
    assert!(matches!(fault_of(config(&portal)).await, FetchFault::Unreachable(_)));
    portal.come_up();
    assert_eq!(document_of(config(&portal)).await.0, DOCUMENT);
}

#[tokio::test]
async fn handshake_that_takes_too_long_is_given_up_in_the_time_for_connecting() {
    let Some(portal) = Portal::start() else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap()).parse().unwrap();
    let fault = fault_of(PortalConfig { url, connect_timeout: SHORT, ..config(&portal) }).await;
    assert!(matches!(fault, FetchFault::ConnectTimedOut(SHORT)), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn fetch_that_is_given_up_closes_its_connection() {
    let Some(portal) = Portal::start() else { return };
    portal.answer(PortalAnswer::document(DOCUMENT).filler(60_000).slowly(2000));
    let client = PortalClient::new(config(&portal));
    let fetching = tokio::spawn(async move { client.fetch(None).await.is_ok() });
    let asked = || portal.requests().pop();
    eventually("the body began", || asked().is_some_and(|request| request.sent > 0));
    fetching.abort();
    assert!(fetching.await.unwrap_err().is_cancelled());
    eventually("the portal has noticed", || asked().is_some_and(|request| request.over));
    assert!(asked().unwrap().sent < 60_000);
}
