//! When plain requests end to pass.

use jiff::{Timestamp, ToSpan};

use super::{GCM, LOOPBACK, ask, error_code, migration, plain};
use crate::support::{Event, Frame, Message, Opcode, Origin, Sidecar, TestKey, WebSocketOrigin, eventually};

/// The lines of a proxy of which plain requests pass for a few seconds more.
fn ending() -> String {
    let until = Timestamp::now() + 3.seconds();
    format!("policy = \"permit\"\n{LOOPBACK}").replace("2099-01-01", &until.to_string())
}

#[test]
fn plain_requests_end_to_pass_in_the_middle_of_a_connection_and_sealed_ones_go_on() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(&ending()).start();
    let mut connection = sidecar.connect();
    let order = plain("POST", "/", "", "soup");
    assert_eq!(connection.exchange(&order).status, 200);
    assert_eq!(migration(&sidecar)["safe_to_require"], false);
    let mut refused = None;
    eventually("the time of plain requests is over", || {
        let reply = connection.exchange(&order);
        refused = (reply.status != 200).then_some(reply);
        refused.is_some()
    });
    assert_eq!(error_code(&refused.unwrap()), 1);
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"soup")).status, 200);
    let migration = migration(&sidecar);
    assert_eq!(
        (&migration["safe_to_require"], migration["reason"].as_str().unwrap()),
        (&true.into(), "its time is over: nothing passes plain any more")
    );
}

#[test]
fn plain_session_goes_on_no_longer_than_plain_requests_pass() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).proxy(&ending()).start();
    let mut session = super::websocket::open(&sidecar, "");
    let mut ended = None;
    eventually("the session is ended", || {
        session.send_frame(&Frame::new(Opcode::Text, "alive?").masked());
        match session.read_event(&mut None).unwrap() {
            Event::Message(echo) => assert_eq!(echo, Message::Text(b"alive?".to_vec())),
            other => ended = Some(other),
        }
        ended.is_some()
    });
    assert_eq!(ended, Some(Event::Close(1008_u16.to_be_bytes().to_vec())));
}

#[test]
fn policy_that_is_over_from_the_start_passes_nothing_plain() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let over = format!("policy = \"shadow\"\n{LOOPBACK}").replace("2099-01-01", "2001-01-01");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(&over).start();
    assert_eq!(error_code(&ask(&sidecar, &plain("POST", "/", "", "soup"))), 1);
    assert_eq!((origin.count(), &migration(&sidecar)["safe_to_require"]), (0, &true.into()));
    eventually("the start warns of it", || sidecar.log().contains("so that shadow does what require does"));
}
