//! Named differences of docs/PROTOCOL.md that no other test would miss: each is so, for as long as it is named.

use std::io::Write;

use crate::support::{Origin, Sidecar, TestKey, eventually};

fn house(application: &Origin) -> (TestKey, Sidecar) {
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    (key, sidecar)
}

#[test]
fn characters_that_no_uri_bears_get_a_bare_400() {
    let application = Origin::echo();
    let (key, sidecar) = house(&application);
    for target in ["/a<", "/a>", "/a`", "/?a<", "/?a>", "/?a\""] {
        let reply = sidecar.connect().exchange(&key.bodyless("GET", target, ""));
        assert_eq!((reply.status, reply.text()), (400, ""), "{target}");
    }
    // Every other visible character passes as it is; `#` begins a fragment, which is dropped.
    let path: String = ('!'..='~').filter(|c| !"#<>`?".contains(*c)).collect();
    let query: String = ('!'..='~').filter(|c| !"#<>\"".contains(*c)).collect();
    let target = format!("/{path}?{query}");
    let reply = sidecar.connect().exchange(&key.bodyless("GET", &format!("{target}#fragment"), ""));
    assert_eq!(reply.status, 200);
    assert_eq!(application.only().target(), target);
}

#[test]
fn absolute_target_without_a_path_becomes_a_slash() {
    let application = Origin::echo();
    let (key, sidecar) = house(&application);
    for method in ["GET", "OPTIONS"] {
        let reply = sidecar.connect().exchange(&key.bodyless(method, "http://other.test", ""));
        assert_eq!(reply.status, 200);
    }
    let received = application.received();
    assert_eq!(received.iter().map(|request| request.target()).collect::<Vec<_>>(), ["/", "/"]);
    assert!(received.iter().all(|request| request.header_all("host") == ["other.test"]));
}

#[test]
fn client_that_closes_its_writing_side_counts_as_gone() {
    // It never answers, so a reply could not have come first.
    let application = Origin::answering(|_, stream| std::io::copy(stream, &mut std::io::sink()).map(drop));
    let (key, sidecar) = house(&application);
    let mut connection = sidecar.connect();
    connection.send(&key.request("POST", "/orders", "", b"{}"));
    eventually("the application has the request", || application.count() == 1);
    connection.close_write();
    assert!(connection.closed().unwrap());
    eventually("the exchange is given up", || {
        sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"client_gone\"}") == 1.0
    });
}

#[test]
fn http_1_0_connection_is_kept_only_where_the_length_of_the_reply_is_known() {
    let key = TestKey::new("AES-256-GCM");
    let sealed = key.request("POST", "/orders", "connection: keep-alive\r\n", b"{}");
    let request = [b"POST /orders HTTP/1.0".as_slice(), &sealed["POST /orders HTTP/1.1".len()..]].concat();
    let application = Origin::answering(|received, stream| {
        let head: &[u8] = match received.connection {
            0 => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            _ => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        };
        stream.write_all(head)?;
        // Its next request comes on another connection.
        if received.connection == 0 { Err(std::io::ErrorKind::Other.into()) } else { Ok(()) }
    });
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let mut connection = sidecar.connect();
    assert_eq!(connection.exchange(&request).open(&key).unwrap(), b"{}");
    assert_eq!(connection.exchange(&request).open(&key).unwrap(), b"{}");
    // The reply in chunks was read to the end of the connection.
    assert!(connection.closed().unwrap());
    assert!(application.received().iter().all(|received| received.request_line.ends_with("HTTP/1.1")));
}

#[test]
fn reply_to_head_states_length_and_coding_of_the_sealed_body() {
    let application = Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 5\r\n\r\n");
    let (key, sidecar) = house(&application);
    let reply = sidecar.connect().exchange(&key.bodyless("HEAD", "/menu", ""));
    assert_eq!(reply.header("content-length"), Some("21"));
    assert_eq!(
        (reply.header("content-encoding"), reply.header("x-ale-content-encoding")),
        (None, Some("br"))
    );
    assert_eq!((reply.header("sec-iv"), reply.header("sec-fingerprint")), (None, None));
}

#[test]
fn expectations_end_here_and_max_forwards_is_not_counted() {
    let application = Origin::echo();
    let (key, sidecar) = house(&application);
    let headers =
        "expect: the-unexpected\r\nmax-forwards: 0\r\nupgrade: websocket\r\nconnection: upgrade\r\n";
    let reply = sidecar.connect().exchange(&key.request("POST", "/orders", headers, b"{}"));
    assert_eq!(reply.status, 200);
    let received = application.only();
    assert_eq!((received.header("expect"), received.header("upgrade")), (None, None));
    assert_eq!(received.header("max-forwards"), Some("0"));
}
