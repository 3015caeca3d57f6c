//! Which route a request takes.

use http::Method;

use super::*;

fn require(keys: &str) -> Policy {
    let profile = Profile::ale();
    Policy::Require { keys: keys.into(), profile }
}

fn route(name: &str, policy: Policy, matching: RouteMatch) -> RouteConfig {
    let upstream = Upstream::http("test", 80);
    RouteConfig { name: Some(name.into()), matching, policy, upstream, rewrite: None }
}

fn path(path: &str) -> RouteMatch {
    RouteMatch { path: Some(PathPrefix::new(path).unwrap()), ..RouteMatch::default() }
}

fn methods(methods: &[Method]) -> RouteMatch {
    RouteMatch { methods: methods.to_vec(), ..RouteMatch::default() }
}

fn hosts(hosts: &[&str]) -> RouteMatch {
    let hosts = hosts.iter().map(|host| HostPattern::new(host).unwrap()).collect();
    RouteMatch { hosts, ..RouteMatch::default() }
}

/// The name of the route that is taken.
fn taken(routes: &[RouteConfig], method: Method, host: Option<&str>, path: &str) -> Option<String> {
    let routes = Routes::new(routes.to_vec(), true).unwrap();
    let asked = Asked { method: &method, host, path };
    let chosen = routes.choose(&asked)?;
    routes.iter().nth(chosen)?.name.as_deref().map(str::to_owned)
}

fn got(routes: &[RouteConfig], path: &str) -> Option<String> {
    taken(routes, Method::GET, Some("kitchen.test"), path)
}

#[test]
fn first_route_that_matches_is_taken() {
    let routes = [
        route("narrow", require("default"), path("/a/b")),
        route("wide", require("default"), path("/a")),
        route("late", require("default"), path("/a/c")),
    ];
    assert_eq!(got(&routes, "/a/b/c").as_deref(), Some("narrow"));
    assert_eq!(got(&routes, "/a/c").as_deref(), Some("wide"));
    assert_eq!(got(&routes, "/b"), None);
}

#[test]
fn host_is_compared_without_case_port_and_last_dot() {
    let routes = [route("it", require("default"), hosts(&["Kitchen.test", "[::1]", "*.bar.test"]))];
    for host in [
        "kitchen.test",
        "KITCHEN.TEST:8080",
        "kitchen.test.",
        "kitchen.test.:80",
        "[::1]",
        "[::1]:80",
        "a.bar.test",
        "a.B.bar.test:1",
    ] {
        assert!(taken(&routes, Method::GET, Some(host), "/").is_some(), "{host}");
    }
    for host in
        ["bar.test", ".bar.test", "abar.test", "xkitchen.test", "kitchen.test.evil", "", "é.ar.test", "::1"]
    {
        assert!(taken(&routes, Method::GET, Some(host), "/").is_none(), "{host}");
    }
    assert_eq!(taken(&routes, Method::GET, None, "/"), None);
}

#[test]
fn method_is_compared_as_it_is_written() {
    let routes = [route("it", Policy::Bypass, methods(&[Method::OPTIONS]))];
    let lower = Method::from_bytes(b"options").unwrap();
    assert!(taken(&routes, Method::OPTIONS, None, "/x").is_some());
    assert!(taken(&routes, Method::GET, None, "/x").or(taken(&routes, lower, None, "/x")).is_none());
}

#[test]
fn ambiguous_path_takes_no_bypass_where_any_route_has_a_path() {
    let health = route("health", Policy::Bypass, path("/health"));
    let preflight = route("preflight", Policy::Bypass, methods(&[Method::OPTIONS]));
    let rest = route("rest", require("default"), path("/"));
    let orders = route("orders", require("default"), path("/orders"));
    for target in
        ["/health/../orders", "/health//x", "/health;/x", "/health/%2e%2e/orders", "/health%2f..%2forders"]
    {
        assert_eq!(got(&[health.clone(), rest.clone()], target).as_deref(), Some("rest"), "{target}");
        assert_eq!(got(&[health.clone(), orders.clone()], target), None, "{target}");
        let routes = [orders.clone(), preflight.clone(), rest.clone()];
        assert_eq!(taken(&routes, Method::OPTIONS, None, target).as_deref(), Some("rest"), "{target}");
        // Where no path is looked at, none can be mistaken.
        let routes = [preflight.clone(), rest.clone()];
        assert_eq!(taken(&routes, Method::OPTIONS, None, target).as_deref(), Some("preflight"), "{target}");
    }
    // A bypass of the rest takes nothing of what the application could take for an order.
    let routes = [orders, route("all", Policy::Bypass, RouteMatch::default())];
    assert_eq!(got(&routes, "/x").as_deref(), Some("all"));
    for target in ["//orders", "/x/../orders", "/./orders", "/%5corders"] {
        assert_eq!(got(&routes, target), None, "{target}");
    }
    assert_eq!(got(&routes, "/%6frders").as_deref(), Some("orders"));
    assert_eq!(got(&routes, "/orders//7").as_deref(), Some("orders"));
}

#[test]
fn ambiguous_path_opens_with_no_keys_where_another_route_has_others() {
    let a = route("a", require("a"), path("/a"));
    let b = route("b", require("b"), path("/b"));
    let rest = route("rest", require("b"), RouteMatch::default());
    assert_eq!(got(&[a.clone(), b.clone()], "/b/../a"), None);
    assert_eq!(got(&[a.clone(), rest.clone()], "/x/../a"), None);
    assert_eq!(got(&[a, rest.clone()], "/x").as_deref(), Some("rest"));
    assert_eq!(got(&[b.clone(), rest.clone()], "/b/../a").as_deref(), Some("b"));
    // Where who asks has no keys, none can be misused.
    let outbound = Routes::new(vec![route("a", require("a"), path("/a")), b, rest], false).unwrap();
    let asked = Asked { method: &Method::GET, host: None, path: "/b/../a" };
    assert_eq!(outbound.choose(&asked), Some(1));
}

#[test]
fn host_with_an_escape_takes_no_bypass_where_any_route_has_a_host() {
    let bar = route("bar", require("default"), hosts(&["bar.test"]));
    let all = route("all", Policy::Bypass, RouteMatch::default());
    assert_eq!(taken(&[bar.clone(), all.clone()], Method::GET, Some("x.test"), "/").as_deref(), Some("all"));
    assert_eq!(taken(&[bar, all.clone()], Method::GET, Some("%62ar.test"), "/"), None);
    assert_eq!(taken(&[all], Method::GET, Some("%62ar.test"), "/").as_deref(), Some("all"));
}

#[test]
fn one_way_takes_every_request() {
    let upstream = route("", Policy::Bypass, RouteMatch::default()).upstream;
    let routes = Routes::one(RouteConfig::of_all(Policy::Bypass, upstream));
    assert!(!routes.are_written());
    for path in ["/", "*", "//..", "/%zz"] {
        assert_eq!(routes.choose(&Asked { method: &Method::GET, host: None, path }), Some(0), "{path}");
    }
}

#[test]
fn route_covers_another_only_if_it_takes_all_of_its_requests() {
    let both = RouteMatch { methods: vec![Method::GET], ..path("/a") };
    let table = [
        (RouteMatch::default(), both.clone(), true),
        (path("/"), RouteMatch::default(), true),
        (path("/a"), both.clone(), true),
        (both.clone(), path("/a"), false),
        (path("/a"), path("/a/b"), true),
        (path("/a"), path("/ab"), false),
        (path("/a"), RouteMatch::default(), false),
        (methods(&[Method::GET, Method::HEAD]), methods(&[Method::HEAD]), true),
        (methods(&[Method::HEAD]), methods(&[Method::GET, Method::HEAD]), false),
        (hosts(&["a.test"]), hosts(&["A.test"]), true),
        (hosts(&["a.test"]), hosts(&["a.test", "b.test"]), false),
        (hosts(&["*.test"]), hosts(&["a.test", "*.b.test", "*.test"]), true),
        (hosts(&["*.b.test"]), hosts(&["*.test"]), false),
        (hosts(&["b.test"]), hosts(&["*.b.test"]), false),
        (hosts(&["*.b.test"]), hosts(&["b.test"]), false),
        (hosts(&["a.test"]), RouteMatch::default(), false),
    ];
    for (one, other, covers) in table {
        assert_eq!(one.covers(&other), covers, "{one:?} {other:?}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    for text in
        ["", "*", "*.", "a..b", "a b", "https://a", "a/b", "a.*", ".a", "a.", "*.[::1]", "[::1", "[x]"]
    {
        let fault = HostPattern::new(text).unwrap_err();
        let has_port = text.starts_with("https") || text.contains("::");
        let expected = if has_port { HostPatternFault::Port } else { HostPatternFault::NotAHost };
        assert_eq!(fault, expected, "{text}");
    }
    assert_eq!(HostPattern::new("a:80"), Err(HostPatternFault::Port));
}
