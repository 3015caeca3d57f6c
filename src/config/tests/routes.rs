//! `[[proxy.route]]`.

use super::*;
use crate::proxy::{Policy, RouteConfig};

/// [`SMALLEST`] with routes of these lines.
fn routed(routes: &str) -> String {
    format!("{SMALLEST}{routes}")
}

fn routes(text: &str) -> Vec<RouteConfig> {
    let config = parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    config.proxies[0].routes.iter().cloned().collect()
}

#[test]
fn what_a_route_leaves_out_is_as_the_proxy_has_it() {
    let text = routed(
        "upstream_http = \"2\"\nseal_replies = false\n[[proxy.route]]\n[[proxy.route]]\nname = \"b\"\n",
    );
    let [one, other] = &routes(&text)[..] else { panic!("two routes") };
    assert_eq!((one.name.as_deref(), other.name.as_deref()), (Some("route-1"), Some("b")));
    assert_eq!(one.upstream.to_string(), "http://127.0.0.1:3000");
    assert_eq!(one.upstream.protocol, crate::net::UpstreamProtocol::Http2);
    assert_eq!(one.matching, Default::default());
    assert!(one.rewrite.is_none() && !one.profile().unwrap().terms().seal_replies);
    assert_eq!(&**one.keys().unwrap(), "default");
}

#[test]
fn every_setting_of_a_route_reaches_its_place() {
    let text = routed(
        "[[proxy.route]]\nhost = \"A.test\"\npath = \"/a\"\nmethods = [\"GET\", \"PUT\"]\npolicy = \"require\"\n\
         profile = \"ale\"\nkeys = \"far\"\nupstream = \"https://b.test\"\nupstream_http = \"1.1\"\nrewrite = \"/b\"\n\
         [[proxy.route]]\npolicy = \"bypass\"\n[keyset.far]\nfile = \"far.toml\"\n",
    );
    let [route, bypass] = &routes(&text)[..] else { panic!("two routes") };
    assert_eq!(route.matching.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a.test"]);
    assert_eq!(route.matching.path.as_ref().unwrap().to_string(), "/a");
    assert_eq!(route.matching.methods, [http::Method::GET, http::Method::PUT]);
    assert_eq!((route.upstream.authority().as_str(), route.upstream.tls.is_some()), ("b.test", true));
    assert_eq!(route.upstream.protocol, crate::net::UpstreamProtocol::Http1);
    assert_eq!(route.rewritten("/a/c").as_deref(), Some("/b/c"));
    assert_eq!(&**route.keys().unwrap(), "far");
    assert!(matches!(bypass.policy, Policy::Bypass));
}

#[test]
fn each_wrong_key_of_a_route_is_told() {
    let at = "proxy.kitchen.route[0].";
    let table = [
        ("host = \"a:80\"", "host: \"a:80\" has a port"),
        ("host = [\"a\", \"*\"]", "host: \"*\" is not a host"),
        ("host = []", "host: an empty list, so that it is for nothing"),
        ("host = 1", "host: expected a host or a list of hosts, found an integer"),
        ("path = \"a\"", "path: \"a\" is not a path"),
        ("path = \"/a/\"", "path: \"/a/\" ends with a slash"),
        ("path = \"/a?b\"", "path: \"/a?b\" has more than a path"),
        ("path = \"/a/..\"", "path: \"/a/..\" can be read in more than one way"),
        ("methods = [\"get\"]", "methods: \"get\" is not a method"),
        ("methods = []", "methods: an empty list, so that it is for nothing"),
        ("policy = \"open\"", "policy: \"open\" is not a known policy"),
        ("profile = \"acme\"", "profile: there is no profile \"acme\""),
        ("keys = \"far\"", "keys: there is no key set \"far\""),
        ("upstream = \"b\"", "upstream: \"b\" is not an http URL"),
        ("ca_file = \"ca.pem\"", "ca_file: nothing to use it for, since upstream is http://"),
        ("upstream_http = \"3\"", "upstream_http: \"3\" is not a known version of HTTP"),
        ("rewrite = \"/b\"", "rewrite: nothing to replace, since there is no path"),
        (
            "policy = \"bypass\"\nkeys = \"default\"",
            "keys: nothing to use it for, since nothing of a bypass is sealed",
        ),
        (
            "policy = \"bypass\"\nprofile = \"ale\"",
            "profile: nothing to use it for, since nothing of a bypass is sealed",
        ),
        ("hosts = \"a\"", "hosts: unknown key"),
    ];
    for (lines, fault) in table {
        let faults = faults(&routed(&format!("[[proxy.route]]\n{lines}\n")));
        assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
        assert!(faults[0].contains(&format!(": {at}{fault}")), "{lines}: {faults:?}");
    }
}

#[test]
fn names_of_routes_are_unique_in_their_proxy() {
    let text = routed("[[proxy.route]]\nname = \"a\"\npath = \"/a\"\n[[proxy.route]]\nname = \"a\"\n");
    assert_eq!(
        faults(&text),
        ["12:8: proxy.kitchen.route.a.name: \"a\" is the name of another route already, in line 9"]
    );
    let text = routed("[[proxy.route]]\nname = \"route-2\"\npath = \"/a\"\n[[proxy.route]]\n");
    let faults = faults(&text);
    assert!(
        faults[0].contains("proxy.kitchen.route[1].name: \"route-2\" is the name of another"),
        "{faults:?}"
    );
}

#[test]
fn upstream_must_stand_in_the_proxy_or_in_each_route() {
    let without = SMALLEST.replace("upstream = \"http://127.0.0.1:3000\"\n", "");
    let own = "[[proxy.route]]\nupstream = \"http://a.test\"\n";
    assert_eq!(routes(&format!("{without}{own}")).len(), 1);
    let faults_of = |routes: &str| faults(&format!("{without}{routes}"));
    assert_eq!(faults_of(""), ["3:1: proxy.kitchen.upstream: missing"]);
    assert_eq!(
        faults_of(&format!("{own}[[proxy.route]]\n")),
        ["9:1: proxy.kitchen.route[1].upstream: missing"]
    );
    assert_eq!(
        faults_of(&format!("ca_file = \"ca.pem\"\n{own}")),
        ["7:11: proxy.kitchen.ca_file: nothing to use it for, since there is no upstream"]
    );
}

#[test]
fn keys_must_be_there_for_routes_that_seal_and_for_no_others() {
    let without = SMALLEST.replace("[keys]\nfile = \"keys.toml\"\n", "");
    let bypass = "[[proxy.route]]\npath = \"/a\"\npolicy = \"bypass\"\n";
    assert_eq!(routes(&format!("{without}{bypass}")).len(), 1);
    assert_eq!(faults(&format!("{without}{bypass}[[proxy.route]]\n")), [" keys.file: missing"]);
}

#[test]
fn upstream_of_a_route_leads_to_no_listener_of_its_own_process() {
    let text = routed("[[proxy.route]]\nname = \"a\"\nupstream = \"http://127.0.0.1:8080\"\n");
    let fault = "10:12: proxy.kitchen.route.a.upstream: http://127.0.0.1:8080 is proxy.kitchen itself, which listens on \
                 127.0.0.1:8080";
    assert_eq!(faults(&text), [fault]);
}

#[test]
fn route_that_an_earlier_one_covers_is_warned_of() {
    let warned = |routes: &str| {
        let warnings = parse(&routed(routes)).unwrap().warnings;
        warnings.iter().map(|warning| warning.key_path.clone()).collect::<Vec<_>>()
    };
    let covered =
        "[[proxy.route]]\npath = \"/a\"\n[[proxy.route]]\nname = \"b\"\npath = \"/a/b\"\n[[proxy.route]]\n";
    assert_eq!(warned(covered), ["proxy.kitchen.route.b"]);
    assert!(
        warned("[[proxy.route]]\npath = \"/a/b\"\n[[proxy.route]]\npath = \"/a\"\n[[proxy.route]]\n")
            .is_empty()
    );
}
