//! The age of the sources: on every page where it shows, and what hangs on it.

use super::faults::shown;
use super::{GCM, document, from_now, key, opens, sidecar, source};
use crate::support::{Portal, PortalAnswer, eventually};

fn verbose(sidecar: &crate::support::Sidecar) -> Vec<String> {
    sidecar.admin_page("/readyz?verbose").1.lines().map(str::to_owned).collect()
}

fn age(sidecar: &crate::support::Sidecar, kind: &str) -> f64 {
    sidecar.metric(&format!("alewife_key_source_age_seconds{{keyset=\"default\",source=\"{kind}\"}}"))
}

#[test]
fn age_of_each_source_shows_on_every_page() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).keys(&[&key(2)]).start();
    eventually("the portal was asked", || opens(&sidecar, &key(1)));
    let lines = verbose(&sidecar);
    assert_eq!(lines[0], "[+]keys ok");
    for (line, kind) in [(&lines[1], "file"), (&lines[2], "portal")] {
        assert!(
            line.starts_with(&format!("[+]source-{kind} ok, confirmed ")) && line.ends_with(" ago"),
            "{line}"
        );
        let told = source(&sidecar, kind);
        assert!(told["failure"].is_null(), "{told}");
        assert!(told["age_seconds"].as_u64().unwrap() < 20, "{told}");
        let confirmed: jiff::Timestamp = told["confirmed"].as_str().unwrap().parse().unwrap();
        assert!(confirmed <= from_now(0) && confirmed > from_now(-20_000), "{told}");
        assert!(age(&sidecar, kind) < 20.0);
    }
    assert_eq!(lines[3..5], ["[+]listeners ok", "[+]shutdown ok"]);
    assert_eq!(source(&sidecar, "file")["name"], sidecar.key_file().display().to_string());
    portal.fail(500);
    eventually("it fails", || verbose(&sidecar)[2].ends_with(" ago, and failing"));
    let told = source(&sidecar, "portal");
    assert_eq!(told["failure"]["what"], "the portal answers 500 Internal Server Error");
    assert!(told["failure"]["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    eventually("the age grows", || age(&sidecar, "portal") > 1.0);
    // Nothing hangs on it unless that is asked for.
    assert_eq!(sidecar.admin_page("/readyz"), (200, "ok\n".to_owned()));
}

#[test]
fn readiness_follows_the_age_where_that_is_asked_for() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let lines = format!("{GCM}max_stale = \"1s\"\nunready_when_stale = true");
    let sidecar = sidecar(&portal).portal(&portal, &lines).start();
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
    portal.answer(PortalAnswer::status(500));
    eventually("it is not ready", || sidecar.admin_page("/readyz").0 == 503);
    shown(&sidecar, "a portal away for longer than `max_stale`, with `unready_when_stale = true`");
    let (_, reasons) = sidecar.admin_page("/readyz");
    assert!(
        reasons.starts_with("the portal has not confirmed the keys for 1s, and max_stale is 1s\n"),
        "{reasons}"
    );
    assert!(verbose(&sidecar)[1].starts_with("[-]source-portal the portal has not confirmed the keys for "));
    // It still serves whom it is sent.
    assert!(opens(&sidecar, &key(1)));
    portal.serve(&document(&[&key(1)]));
    sidecar.signal("HUP");
    eventually("it is ready again", || sidecar.admin_page("/readyz").0 == 200);
}

#[test]
fn portal_that_never_answered_is_as_old_as_the_process() {
    let Some(portal) = Portal::start() else { return };
    portal.fail(500);
    let lines = format!("{GCM}max_stale = \"1s\"\nunready_when_stale = true");
    let sidecar = sidecar(&portal).portal(&portal, &lines).keys(&[&key(1)]).start();
    eventually("it is not ready", || sidecar.admin_page("/readyz").0 == 503);
    let told = source(&sidecar, "portal");
    assert!(told["confirmed"].is_null() && told["age_seconds"].is_null(), "{told}");
    assert!(opens(&sidecar, &key(1)));
}

#[test]
fn old_portal_is_no_matter_unless_that_is_asked_for() {
    let Some(portal) = Portal::start() else { return };
    portal.serve(&document(&[&key(1)]));
    let sidecar = sidecar(&portal).portal(&portal, &format!("{GCM}max_stale = \"1s\"")).start();
    portal.fail(500);
    eventually("it is old", || age(&sidecar, "portal") > 1.5);
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
    assert!(opens(&sidecar, &key(1)));
}
