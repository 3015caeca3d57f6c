//! One outbound proxy with several peers.

use super::{NO_ROUTE, ask, error_code, key, plain};
use crate::support::{Origin, Peer, Sidecar};

#[test]
fn each_peer_gets_what_is_for_it_under_its_own_key_and_path() {
    let (one, two, open) = (Peer::echo(&key(1)), Peer::echo(&key(2)), Origin::echo());
    let text = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[keyset.one]\nfile = \"keys.toml\"\n[keyset.two]\nfile = \"two.toml\"\n\
         [[proxy]]\nname = \"callbacks\"\nmode = \"outbound\"\nlisten = \"127.0.0.1:0\"\n\
         [[proxy.route]]\npath = \"/one\"\nkeys = \"one\"\nupstream = \"http://{}\"\nrewrite = \"/hooks/x\"\n\
         [[proxy.route]]\npath = \"/two\"\nkeys = \"two\"\nprofile = \"ale\"\nupstream = \"http://{}\"\nrewrite = \"/\"\n\
         [[proxy.route]]\npath = \"/open\"\npolicy = \"bypass\"\nupstream = \"http://{}\"\n",
        one.address(),
        two.address(),
        open.address()
    );
    let sidecar =
        Sidecar::outbound().keys(&[&key(1)]).file("two.toml", key(2).entry()).configured(&text).start();
    let callback = |target: &str| {
        let head = plain("POST", target, "callbacks.local", "content-length: 4\r\n");
        ask(&sidecar, &[head, b"soup".to_vec()].concat())
    };
    for target in ["/one/7?a", "/two/7;v=1", "/open"] {
        let reply = callback(target);
        assert_eq!((reply.status, reply.text()), (200, "soup"), "{target}");
    }
    assert_eq!((one.only().target(), one.open(&one.only()).unwrap()), ("/hooks/x/7?a", b"soup".to_vec()));
    assert_eq!((two.only().target(), two.open(&two.only()).unwrap()), ("/7;v=1", b"soup".to_vec()));
    assert_eq!(two.only().header("host").unwrap(), two.address().to_string());
    let plain = open.only();
    assert_eq!((plain.target(), &plain.body[..], plain.header("sec-iv")), ("/open", &b"soup"[..], None));
    assert_eq!(callback("/three").text(), NO_ROUTE);
}

#[test]
fn what_one_peer_was_found_to_do_says_nothing_of_another() {
    let (sealing, open) =
        (Peer::echo(&key(1)), Peer::fixed(&key(1), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    let routes = format!(
        "replies = \"either\"\n[[proxy.route]]\npath = \"/open\"\nupstream = \"http://{}\"\n[[proxy.route]]",
        open.address()
    );
    let sidecar = Sidecar::outbound().keys(&[&key(1)]).upstream(sealing.address()).proxy(&routes).start();
    assert_eq!(ask(&sidecar, &plain("GET", "/x", "local", "")).status, 200);
    let reply = ask(&sidecar, &plain("GET", "/open", "local", ""));
    assert_eq!((reply.status, reply.text()), (200, "ok"));
}

#[test]
fn ping_takes_the_route_of_its_path_and_says_if_there_is_none() {
    let far = Sidecar::inbound().keys(&[&key(1)]).start();
    let near = |route: &str| {
        Sidecar::outbound()
            .keys(&[&key(1)])
            .upstream(far.address())
            .proxy(&format!("[[proxy.route]]\n{route}"))
    };
    let sidecar = near("path = \"/.well-known\"").start();
    let ping = key(1).request("POST", "/.well-known/alewife/ping", "", b"");
    assert_eq!(ask(&far, &ping).status, 200);
    assert_eq!(ask(&sidecar, &plain("POST", "/.well-known/alewife/ping", "local", "")).status, 200);
    let none = near("path = \"/orders\"");
    let (status, output, _) = none.run(&["ping"]);
    assert_eq!(status, 1);
    assert!(output.contains("no route that seals is for a ping"), "{output}");
    let started = none.start();
    let reply = ask(&started, &plain("POST", "/.well-known/alewife/ping", "local", ""));
    assert_eq!(error_code(&reply), 114);
}
