//! What is seen of it from outside: metrics, `/status`, `check` and its explanations.

use super::{GCM, LOOPBACK, ask, lines, migration, plain, sidecar};
use crate::support::{Origin, Sidecar, TestKey, eventually};

#[test]
fn metrics_and_status_say_who_is_plain_still_and_when_it_is_safe_to_require() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let routes = format!(
        "[[proxy.route]]\nname = \"orders\"\npolicy = \"permit\"\nquiet_for = \"1s\"\n{LOOPBACK}\
         [[proxy.route]]\npath = \"/never\"\n"
    );
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(&routes).start();
    let series = |network: &str, verdict: &str| {
        sidecar.metric(&format!(
            "alewife_migration_requests_total{{proxy=\"kitchen\",route=\"orders\",network=\"{network}\",verdict=\"{verdict}\"}}"
        ))
    };
    let last = "alewife_migration_last_plain_timestamp_seconds{proxy=\"kitchen\",route=\"orders\"}";
    assert_eq!(
        (series("other", "plain"), series("outside", "sealed"), sidecar.metric(last)),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(ask(&sidecar, &plain("POST", "/", "", "soup")).status, 200);
    assert_eq!(ask(&sidecar, &key.request("POST", "/", "", b"soup")).status, 200);
    assert_eq!((series("127.0.0.0/24", "plain"), series("127.0.0.0/24", "sealed")), (1.0, 1.0));
    assert!(sidecar.metric(last) > 1.7e9);
    let state = migration(&sidecar);
    assert_eq!(
        (&state["proxy"], &state["route"], &state["policy"]),
        (&"kitchen".into(), &"orders".into(), &"permit".into())
    );
    assert_eq!(state["from"], serde_json::json!(["127.0.0.0/8", "::1/128"]));
    assert_eq!((&state["until"], &state["quiet_for_seconds"]), (&"2099-01-01T00:00:00Z".into(), &1.into()));
    assert!(state["last_plain"].is_string() && state["since"].is_string(), "{state}");
    eventually("it is safe", || migration(&sidecar)["safe_to_require"] == true);
    assert_eq!(migration(&sidecar)["reason"], "nothing passed plain for 1s");
}

#[test]
fn route_where_nothing_moves_has_no_place_in_status() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    assert_eq!(sidecar.status()["migration"], serde_json::json!([]));
    assert!(!sidecar.admin_page("/metrics").1.contains("alewife_migration_requests_total{"));
}

#[test]
fn check_says_from_whom_and_until_when_and_warns_where_there_is_no_end() {
    let origin = Origin::at("127.0.0.1:9".parse().unwrap());
    let builder = sidecar("permit", &TestKey::new(GCM), &origin);
    let (status, output, errors) = builder.run(&["check", "--explain", "https://kitchen.test/orders"]);
    assert!(status == 0 && !errors.contains("warning"), "{errors}");
    let line = "    all requests: permit from 127.0.0.0/8, ::1/128 until 2099-01-01T00:00:00Z\n";
    assert!(output.contains(line), "{output}");
    let explained = "policy permit: if sealed it is opened, and its reply sealed, by profile ale, with the keys of default; \
                     a plain one from 127.0.0.0/8, ::1/128 passes until 2099-01-01T00:00:00Z, and so does its reply\n";
    assert!(output.contains(explained), "{output}");
    let endless = lines("shadow").replace("until = 2099-01-01\n", "");
    let routes = format!("[[proxy.route]]\nname = \"rest\"\n{endless}[[proxy.route]]\npath = \"/never\"\n");
    let builder = Sidecar::inbound().keys(&[&TestKey::new(GCM)]).proxy(&routes);
    let (status, output, errors) = builder.run(&["check", "--explain", "https://kitchen.test//orders"]);
    assert_eq!(status, 0, "{errors}");
    assert!(output.contains("route rest: shadow from 127.0.0.0/8, ::1/128 without an end -> "), "{output}");
    assert!(
        output.contains("a plain one is refused, since the target can be read in more than one way\n"),
        "{output}"
    );
    let warning = "proxy.kitchen.route.rest.until: plain requests pass without an end, since shadow has none";
    assert!(errors.contains(warning), "{errors}");
}
