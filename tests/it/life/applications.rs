//! Whether applications can be reached, which nothing hangs on.

use std::net::TcpListener;

use crate::support::{Origin, Sidecar, TestKey, eventually};

fn optional(sidecar: &Sidecar) -> Vec<String> {
    let (status, page) = sidecar.admin_page("/readyz?verbose");
    assert_eq!(status, 200, "{page}");
    page.lines().filter(|line| line.starts_with("[~]")).map(str::to_owned).collect()
}

#[test]
fn application_is_told_to_be_there_or_away_and_the_sidecar_stays_ready() {
    let (key, origin) = (TestKey::new("AES-256-GCM"), Origin::echo());
    // Bound, and gone again: nobody answers there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = format!("[[proxy.route]]\npath = \"/bar\"\nupstream = \"http://{nobody}\"\n[[proxy.route]]");
    let outbound = "[[proxy]]\nname = \"till\"\nmode = \"outbound\"\nlisten = \"127.0.0.1:0\"\n\
                    upstream = \"http://kitchen.test\"\n";
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(&other);
    let sidecar = sidecar.tables(outbound).start();
    let there = format!("[~]upstream-kitchen http://{}: reachable (optional)", origin.address());
    let away = format!("[~]upstream-kitchen http://{nobody}: connection refused (optional)");
    assert_eq!(optional(&sidecar), [away.clone(), there.clone()]);
    assert_eq!(origin.count(), 0, "it was sent a request");
    // Those of the configuration that is in force are asked.
    sidecar.reconfigure(|text| {
        text.replace(
            &format!("upstream = \"http://{}\"", origin.address()),
            "upstream = \"http://127.0.0.1:9\"",
        )
    });
    eventually("the other is asked", || {
        optional(&sidecar)
            == [
                away.clone(),
                "[~]upstream-kitchen http://127.0.0.1:9: connection refused (optional)".to_owned(),
            ]
    });
    assert_eq!(sidecar.admin_page("/readyz"), (200, "ok\n".to_owned()));
}
