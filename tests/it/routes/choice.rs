//! Which route is taken, and where it leads.

use super::{NO_ROUTE, ask, error_code, is_echoed, key, order, plain, routed};
use crate::support::{Frames, Origin, PATIENCE, Sidecar, eventually};

#[test]
fn first_route_that_is_for_a_request_leads_to_its_upstream() {
    let [kitchen, bar, rest] = [(); 3].map(|()| Origin::echo());
    let routes = format!(
        "[[proxy.route]]\nhost = \"bar.test\"\npath = \"/drinks\"\nmethods = [\"POST\"]\nupstream = \"http://{}\"\n\
         [[proxy.route]]\nhost = [\"*.kitchen.test\", \"kitchen.test\"]\npath = \"/orders\"\n\
         [[proxy.route]]\nhost = \"bar.test\"\nupstream = \"http://{}\"\n",
        bar.address(),
        rest.address()
    );
    let sidecar = routed(&kitchen, &routes).start();
    let key = key(1);
    for (host, target, counts) in [
        ("BAR.test:81", "/drinks/7", [0, 1, 0]),
        ("bar.test", "/drinks2", [0, 1, 1]),
        ("kitchen.test", "/orders?drinks", [1, 1, 1]),
        ("far.Kitchen.test.", "/%6frders/7", [2, 1, 1]),
    ] {
        assert!(is_echoed(&ask(&sidecar, &order(&key, target, host)), &key), "{host}{target}");
        assert_eq!([kitchen.count(), bar.count(), rest.count()], counts, "{host}{target}");
    }
    let put = key.request("PUT", "/drinks", "", b"x");
    assert_eq!(ask(&sidecar, &put).text(), NO_ROUTE);
    for (host, target) in [("kitchen.test", "/orders2"), ("kitchen.test", "/"), ("a.test", "/orders")] {
        let reply = ask(&sidecar, &order(&key, target, host));
        assert_eq!((reply.status, reply.text()), (404, NO_ROUTE), "{host}{target}");
    }
    assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"no_route\"}"), 4.0);
    eventually("the routes are logged", || {
        let log = sidecar.log();
        ["route-1", "route-2", "route-3"].iter().all(|name| log.contains(&format!("\"route\":\"{name}\"")))
    });
}

#[test]
fn connection_serves_on_after_a_request_for_no_route() {
    let origin = Origin::echo();
    let sidecar = routed(&origin, "[[proxy.route]]\npath = \"/orders\"").start();
    let mut connection = sidecar.connect();
    assert_eq!(connection.exchange(&order(&key(1), "/", "kitchen.test")).text(), NO_ROUTE);
    assert!(is_echoed(&connection.exchange(&order(&key(1), "/orders", "kitchen.test")), &key(1)));
}

#[test]
fn target_in_absolute_form_names_the_host_that_counts() {
    let origin = Origin::echo();
    let sidecar = routed(&origin, "[[proxy.route]]\nhost = \"bar.test\"\npolicy = \"bypass\"").start();
    let reply = ask(&sidecar, &plain("GET", "http://bar.test/x", "kitchen.test", ""));
    assert_eq!((reply.status, origin.only().header("host")), (200, Some("bar.test")));
    let reply = ask(&sidecar, &plain("GET", "http://kitchen.test/x", "bar.test", ""));
    assert_eq!(reply.text(), NO_ROUTE);
    // What is forwarded without its host is for no host.
    let dropped = b"GET /x HTTP/1.0\r\nhost: bar.test\r\nconnection: host\r\n\r\n";
    assert_eq!(ask(&sidecar, dropped).text(), NO_ROUTE);
    let reply = ask(&sidecar, b"GET /x HTTP/1.1\r\nhost: bar.test\r\nhost: bar.test\r\n\r\n");
    assert_eq!(error_code(&reply), 100);
    assert_eq!(origin.count(), 1);
}

#[test]
fn rewrite_takes_the_place_of_what_matched_and_the_rest_stays() {
    let origin = Origin::echo();
    let route = "[[proxy.route]]\npath = \"/a b\"\nrewrite = \"/hooks/x\"";
    let sidecar = routed(&origin, route).start();
    for target in ["/a%20b", "/%61%20b/c%2Fd?e=%66"] {
        assert!(is_echoed(&ask(&sidecar, &order(&key(1), target, "kitchen.test")), &key(1)), "{target}");
    }
    let targets: Vec<_> = origin.received().iter().map(|received| received.target().to_owned()).collect();
    assert_eq!(targets, ["/hooks/x", "/hooks/x/c%2Fd?e=%66"]);
    eventually("both are logged as they were asked", || {
        let log = sidecar.log();
        log.contains("\"path\":\"/a%20b\"") && log.contains("\"path\":\"/%61%20b/c%2Fd\"")
    });
}

#[test]
fn each_route_opens_with_its_own_keys_only() {
    let origin = Origin::echo();
    let routes = "[[proxy.route]]\npath = \"/far\"\nkeys = \"far\"\n[[proxy.route]]\n[keyset.far]\nfile = \"far.toml\"";
    let sidecar = routed(&origin, routes).file("far.toml", key(2).entry()).start();
    for (target, own, other) in [("/far/1", 2, 1), ("/near", 1, 2)] {
        assert!(is_echoed(&ask(&sidecar, &order(&key(own), target, "kitchen.test")), &key(own)), "{target}");
        let reply = ask(&sidecar, &order(&key(other), target, "kitchen.test"));
        assert_eq!((reply.status, error_code(&reply)), (400, 2), "{target}");
    }
    // Nobody gets to the far orders with the other keys.
    for target in ["/near/../far/1", "//far/1", "/%2e/far/1"] {
        let reply = ask(&sidecar, &order(&key(1), target, "kitchen.test"));
        assert_eq!((reply.status, reply.text()), (404, NO_ROUTE), "{target}");
    }
    assert_eq!(origin.count(), 2);
    let (_, ready) = sidecar.admin_page("/readyz?verbose");
    assert!(ready.contains("[+]keys ok") && ready.contains("[+]keys-far ok"), "{ready}");
}

#[test]
fn proxy_needs_no_upstream_and_no_keys_where_its_routes_have_them() {
    let origin = Origin::echo();
    let text = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[keyset.far]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"kitchen\"\n\
         mode = \"inbound\"\nlisten = \"127.0.0.1:0\"\n[[proxy.route]]\nkeys = \"far\"\nupstream = \"http://{}\"",
        origin.address()
    );
    let sidecar = Sidecar::inbound().keys(&[&key(1)]).configured(&text).start();
    assert!(is_echoed(&ask(&sidecar, &order(&key(1), "/", "kitchen.test")), &key(1)));
    assert!(sidecar.output().contains(", upstream 1 route\n"), "{}", sidecar.output());
}

#[test]
fn under_http2_the_authority_is_the_host_and_no_route_is_404() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let origin = Origin::echo();
    let routes = "[[proxy.route]]\nhost = \"bar.test\"\npath = \"/x\"\npolicy = \"bypass\"";
    let sidecar = routed(&origin, routes).start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asking = async {
        let stream = tokio::net::TcpStream::connect(sidecar.address()).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for uri in
            ["http://bar.test:81/x", "http://bar.test/y", "http://kitchen.test/x", "http://bar.test/x/../y"]
        {
            let request = http::Request::get(uri).body(Frames::new(&[], None)).unwrap();
            client.ready().await.unwrap();
            statuses.push(client.send_request(request).await.unwrap().status().as_u16());
        }
        statuses
    };
    let statuses = runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() });
    assert_eq!(statuses, [200, 404, 404, 404]);
    assert_eq!(origin.only().header("host"), Some("bar.test:81"));
}

#[test]
fn ping_is_answered_whatever_the_routes_say() {
    let origin = Origin::echo();
    for routes in [
        "[[proxy.route]]\npath = \"/orders\"",
        "[[proxy.route]]\npolicy = \"bypass\"\npath = \"/.well-known\"\n[[proxy.route]]\npath = \"/orders\"",
    ] {
        let sidecar = routed(&origin, routes).start();
        let ping = key(1).request("POST", "/.well-known/alewife/ping", "", b"soup");
        let reply = ask(&sidecar, &ping);
        let report = reply.open(&key(1)).expect("a sealed report");
        assert!(String::from_utf8(report).unwrap().contains("\"echo\":\"c291cA==\""), "{routes}");
        let unsealed = ask(&sidecar, &plain("POST", "/.well-known/alewife/ping", "kitchen.test", ""));
        assert_eq!(error_code(&unsealed), 1, "{routes}");
    }
    assert_eq!(origin.count(), 0);
}
