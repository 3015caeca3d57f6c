//! What `/status` says of listeners: what is under way, and how much of it there may be.

use serde_json::{Value, json};

use super::sessions::{open, sealed};
use super::*;
use crate::support::WebSocketOrigin;

fn listeners(sidecar: &Sidecar) -> Vec<Value> {
    sidecar.status()["listeners"].as_array().unwrap().clone()
}

#[test]
fn listener_is_told_with_what_it_has_under_way_and_its_limits() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "connections = 9\nrequests = 5\nsessions = 3").start();
    let idle = sidecar.connect();
    let busy = waiting.occupy(&sidecar, &key, 2);
    eventually("each connection is accepted", || listeners(&sidecar)[0]["connections"] == 3);
    let expected = json!({
        "name": "kitchen",
        "mode": "inbound",
        "address": sidecar.url(),
        "tls": false,
        "connections": 3,
        "in_flight": 2,
        "sessions": 0,
        "limits": { "connections": 9, "requests": 5, "sessions": 3 },
    });
    let mut told = listeners(&sidecar);
    let more = told[0].as_object_mut().unwrap();
    assert!(
        more.remove("outcomes").unwrap().as_object().unwrap().values().all(|count| count == 0),
        "none has ended"
    );
    assert!(more.remove("goes_to").unwrap().as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(told, [expected]);
    waiting.let_go();
    drop((idle, busy));
    eventually("all have gone", || {
        let listener = &listeners(&sidecar)[0];
        listener["connections"] == 0 && listener["in_flight"] == 0
    });
}

#[test]
fn websocket_that_is_open_is_a_session_of_its_listener() {
    let (key, origin) = (gcm(), WebSocketOrigin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let _session = open(&sidecar, &sealed(&key)).expect("a session");
    assert_eq!(listeners(&sidecar)[0]["sessions"], 1);
    assert_eq!(listeners(&sidecar)[0]["connections"], 1);
}

#[test]
fn listeners_after_a_reload_are_those_in_force() {
    let (key, waiting) = (gcm(), Waiting::start());
    let sidecar = limited(&key, &waiting.origin, "requests = 5").start();
    let busy = waiting.occupy(&sidecar, &key, 1);
    sidecar.reconfigure(|text| {
        let outbound = "[[proxy]]\nname = \"till\"\nmode = \"outbound\"\nlisten = \"127.0.0.1:0\"\n\
                        upstream = \"http://kitchen.test\"\n";
        format!("{}\n{outbound}", text.replace("requests = 5", "requests = 6"))
    });
    eventually("the change is in force", || listeners(&sidecar).len() == 2);
    let told = listeners(&sidecar);
    assert_eq!(told[0]["limits"]["requests"], 6);
    assert_eq!((&told[0]["in_flight"], &told[0]["connections"]), (&json!(1), &json!(1)));
    assert_eq!((&told[1]["name"], &told[1]["mode"]), (&json!("till"), &json!("outbound")));
    let address = told[1]["address"].as_str().unwrap().strip_prefix("http://").unwrap();
    assert_ne!(address.parse::<SocketAddr>().unwrap().port(), 0);
    sidecar.reconfigure(|text| text.split("[[proxy]]\nname = \"till\"").next().unwrap().to_owned());
    eventually("it is gone", || listeners(&sidecar).len() == 1);
    waiting.let_go();
    drop(busy);
}

#[test]
fn process_is_told_by_its_number_and_its_start() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let status = sidecar.status();
    assert_eq!(status["pid"], sidecar.process_id());
    let time = |member: &str| status[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("started") < time("now"), "{status}");
    assert_eq!(sidecar.status()["started"], status["started"]);
}
