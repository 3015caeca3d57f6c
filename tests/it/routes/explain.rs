//! `alewife check --explain`, and what `check` says of routes.

use super::{key, routed};
use crate::support::{Origin, Sidecar, SidecarBuilder};

const ROUTES: &str = "[[proxy.route]]\nname = \"health\"\npath = \"/health\"\npolicy = \"bypass\"\n\
                      [[proxy.route]]\nname = \"bar\"\nhost = \"bar.test\"\n\
                      [[proxy.route]]\nname = \"orders\"\nmethods = [\"POST\"]\npath = \"/orders\"\nrewrite = \"/v2\"\n";

fn sidecar() -> SidecarBuilder {
    routed(&Origin::at("127.0.0.1:9".parse().unwrap()), ROUTES)
}

/// What is explained of a request, after the summary.
fn explained(builder: &SidecarBuilder, question: &str) -> String {
    let (status, output, errors) = builder.run(&["check", "--explain", question]);
    assert_eq!(status, 0, "{errors}");
    output.split_once("  workers: 2\n").unwrap().1.to_owned()
}

#[test]
fn route_that_is_taken_is_named_with_why_no_earlier_one_is_and_what_follows() {
    assert_eq!(
        explained(&sidecar(), "POST https://kitchen.test/orders/7?a=b"),
        "POST https://kitchen.test/orders/7?a=b\n  proxy kitchen (inbound):\n    \
         route health: not taken: for another path\n    route bar: not taken: for another host\n    \
         route orders: taken\n      policy require: it is opened, and its reply sealed, by profile ale, with the keys of \
         default\n      upstream http://127.0.0.1:9\n      asked there for POST /v2/7?a=b, host kitchen.test\n"
    );
    let bypass = explained(&sidecar(), "https://kitchen.test/health");
    assert!(bypass.starts_with("GET https://kitchen.test/health\n"), "{bypass}");
    assert!(bypass.contains("route health: taken\n      policy bypass: it passes plain"), "{bypass}");
}

#[test]
fn request_for_no_route_and_one_that_can_be_read_differently_are_told() {
    let text = explained(&sidecar(), "GET http://kitchen.test/health/../orders");
    assert!(text.contains("route health: not taken: the target can be read in more than one way"), "{text}");
    assert!(
        text.contains(
            "route orders: not taken: for another path\n    no route is for it: 404, errorCode 114\n"
        )
    );
    let text = explained(&sidecar(), "GET http://kitchen.test/orders");
    assert!(text.contains("route orders: not taken: for another method\n"), "{text}");
    let text = explained(&sidecar(), "POST http://kitchen.test/.well-known/alewife/ping");
    assert!(text.contains("answered by the sidecar itself"), "{text}");
}

#[test]
fn every_proxy_is_explained_and_one_without_routes_takes_all() {
    let outbound = Sidecar::outbound().keys(&[&key(1)]);
    let text = explained(&outbound, "GET https://kitchen.test//..");
    assert_eq!(
        text,
        "GET https://kitchen.test//..\n  proxy kitchen (outbound):\n    all requests: taken\n      policy require: it is \
         sealed, and its reply opened, by profile ale, with the keys of default\n      upstream http://127.0.0.1:9\n      \
         asked there for GET //.., host 127.0.0.1:9\n"
    );
    let (status, output, _) =
        outbound.run(&["check", "--explain", "https://a.test/", "--explain", "https://b.test/"]);
    assert_eq!((status, output.matches("all requests: taken").count()), (0, 2));
}

#[test]
fn question_that_is_none_is_a_wrong_command_line() {
    for question in ["/orders", "POST /orders", "post https://a.test/", "GET https://a.test/ b", ""] {
        let (status, output, errors) = sidecar().run(&["check", "--explain", question]);
        assert_eq!((status, output.as_str()), (64, ""), "{question}");
        assert!(errors.contains("write 'POST https://host/path'"), "{errors}");
    }
}

#[test]
fn summary_names_the_routes_and_a_route_that_is_never_taken_is_warned_of() {
    let routes = format!("{ROUTES}[[proxy.route]]\nhost = \"bar.test\"\nmethods = [\"GET\"]\n");
    let builder = routed(&Origin::at("127.0.0.1:9".parse().unwrap()), &routes);
    let (status, output, errors) = builder.run(&["check"]);
    assert_eq!(status, 0, "{errors}");
    let expected = "proxy kitchen: inbound, 127.0.0.1:0 -> 4 routes\n    route health: bypass -> http://127.0.0.1:9\n    \
                    route bar: require -> http://127.0.0.1:9\n";
    assert!(output.contains(expected), "{output}");
    let warning = "proxy.kitchen.route[3]: it is never taken: the earlier route bar takes all that it is for";
    assert!(errors.contains(warning), "{errors}");
}
