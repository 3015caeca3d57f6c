//! The applications on `/readyz?verbose`.

use tokio::net::TcpListener;

use super::*;
use crate::admin::Application;
use crate::net::UpstreamAddress;

/// Has the admin listener ask for an application there.
fn ask_for(admin: &Admin, address: SocketAddr) {
    let place = UpstreamAddress::Inet { host: address.ip().to_string(), port: address.port() };
    let upstream = format!("http://{address}");
    admin.applications.are(vec![Application { proxy: "kitchen".into(), upstream, address: place }]);
}

#[tokio::test]
async fn application_that_is_away_is_told_and_does_not_make_the_process_unready() {
    let admin = Admin::start().await;
    admin.readiness.listeners_bound();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    ask_for(&admin, address);
    assert_eq!(admin.page("GET", "/readyz").await, (200, "ok\n".to_owned()));
    let conditions = "[+]keys ok\n[+]listeners ok\n[+]shutdown ok\n";
    let reply =
        admin.exchange("GET /readyz?verbose HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let place = format!("[~]upstream-kitchen http://{address}: connection refused (optional)\n");
    assert_eq!(body, format!("{conditions}{place}"));
    // Whoever does not come as one of this machine is not told where it is.
    let named = format!("{conditions}[~]upstream-kitchen connection refused (optional)\n");
    assert_eq!(admin.page("GET", "/readyz?verbose").await, (200, named));
    admin.readiness.stopping();
    assert_eq!(admin.page("GET", "/readyz?verbose").await.0, 503);
}

#[tokio::test]
async fn application_is_left_alone_unless_somebody_asks_for_all() {
    let admin = Admin::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ask_for(&admin, listener.local_addr().unwrap());
    for page in ["/readyz", "/livez", "/startupz", "/metrics"] {
        admin.page("GET", page).await;
    }
    assert!(timeout(Duration::ZERO, listener.accept()).await.is_err(), "it was asked");
    admin.page("GET", "/readyz?verbose").await;
    timeout(PATIENCE, listener.accept()).await.expect("it is asked").unwrap();
}
