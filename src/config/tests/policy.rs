//! `policy`, `from`, `until` and `quiet_for`, of proxies and their routes.

use std::time::Duration;

use super::*;
use crate::proxy::{Migration, MigrationPolicy};

const PERMIT: &str = "policy = \"permit\"\nfrom = [\"10.0.0.0/8\", \"192.0.2.7\"]\nuntil = 2099-03-31\n";

fn config(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// What the routes of the only proxy say of plain clients.
fn migrations(text: &str) -> Vec<Option<Migration>> {
    config(text).proxies[0].routes.iter().map(|route| route.migration().cloned()).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let warnings = config(text).warnings;
    warnings.iter().map(|warning| format!("{}: {}", warning.key_path, warning.problem)).collect()
}

#[test]
fn proxy_without_routes_moves_all_of_its_clients_over() {
    let text = format!("{SMALLEST}{PERMIT}");
    let [Some(migration)] = &migrations(&text)[..] else { panic!("one way") };
    assert_eq!(migration.policy, MigrationPolicy::Permit);
    assert_eq!(migration.from.to_string(), "10.0.0.0/8, 192.0.2.7/32");
    assert_eq!(migration.until.unwrap().to_string(), "2099-03-31T00:00:00Z");
    assert_eq!(migration.quiet_for, Duration::from_secs(7 * 24 * 3600));
    assert!(warnings(&text).is_empty());
}

#[test]
fn route_has_from_the_proxy_what_it_does_not_say_itself() {
    let text = format!(
        "{SMALLEST}{PERMIT}quiet_for = \"1h\"\n[[proxy.route]]\npath = \"/a\"\n[[proxy.route]]\npath = \"/b\"\npolicy = \"shadow\"\n\
         from = \"fd00::/8\"\nuntil = 2099-01-01T12:00:00+01:00\n[[proxy.route]]\npolicy = \"require\"\n"
    );
    let [Some(one), Some(other), None] = &migrations(&text)[..] else { panic!("two of three") };
    assert_eq!(one.to_string(), "permit from 10.0.0.0/8, 192.0.2.7/32 until 2099-03-31T00:00:00Z");
    assert_eq!(other.to_string(), "shadow from fd00::/8 until 2099-01-01T11:00:00Z");
    assert_eq!((one.quiet_for, other.quiet_for), (Duration::from_secs(3600), Duration::from_secs(3600)));
    let text = format!(
        "{SMALLEST}from = \"10.0.0.0/8\"\nuntil = 2099-01-01\n[[proxy.route]]\npolicy = \"permit\"\npath = \"/a\"\n\
         [[proxy.route]]\n"
    );
    assert!(matches!(&migrations(&text)[..], [Some(_), None]));
}

#[test]
fn policy_without_an_end_and_one_that_is_over_are_warned_of() {
    let at = "proxy.kitchen.until: ";
    let endless = PERMIT.replace("until = 2099-03-31\n", "");
    assert_eq!(
        warnings(&format!("{SMALLEST}{endless}")),
        [format!("{at}plain requests pass without an end, since permit has none")]
    );
    let over = PERMIT.replace("2099", "2001").replace("permit", "shadow");
    assert_eq!(
        warnings(&format!("{SMALLEST}{over}")),
        [format!("{at}it was over at 2001-03-31T00:00:00Z, so that shadow does what require does")]
    );
}

#[test]
fn each_wrong_key_about_plain_clients_is_told_at_the_proxy_and_at_a_route() {
    let no_use = "nothing to use it for, since no client may be plain for a while";
    let table = [
        ("policy = \"permit\"\nuntil = 2099-01-01".to_owned(), "from: missing".to_owned()),
        (
            "policy = \"shadow\"\nfrom = []".to_owned(),
            "from: an empty list, so that it is for nobody".to_owned(),
        ),
        (
            "policy = \"shadow\"\nfrom = [\"10.1.0.0/8\"]".to_owned(),
            "from: \"10.1.0.0/8\" has bits past its length".to_owned(),
        ),
        (
            "policy = \"shadow\"\nfrom = \"10.0.0.0/8\"\nuntil = 2099-01-01T00:00:00".to_owned(),
            "until: not a date, nor a time with an offset".to_owned(),
        ),
        (
            "policy = \"shadow\"\nfrom = \"10.0.0.0/8\"\nquiet_for = \"0s\"".to_owned(),
            "quiet_for: no time at all".to_owned(),
        ),
        ("from = \"10.0.0.0/8\"".to_owned(), format!("from: {no_use}")),
        ("policy = \"require\"\nuntil = 2099-01-01".to_owned(), format!("until: {no_use}")),
        ("quiet_for = \"1h\"".to_owned(), format!("quiet_for: {no_use}")),
    ];
    for (lines, fault) in table {
        for (place, at) in [("", "proxy.kitchen."), ("[[proxy.route]]\n", "proxy.kitchen.route[0].")] {
            let faults = faults(&format!("{SMALLEST}{place}{lines}\n"));
            assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
            assert!(faults[0].contains(&format!(": {at}{fault}")), "{lines}: {faults:?}");
        }
    }
    let bypass = format!("{SMALLEST}[[proxy.route]]\npolicy = \"bypass\"\nfrom = \"10.0.0.0/8\"\n");
    assert!(faults(&bypass)[0].contains(&format!("route[0].from: {no_use}")), "{:?}", faults(&bypass));
    let all = format!("{SMALLEST}policy = \"bypass\"\n");
    assert_eq!(
        faults(&all),
        ["8:10: proxy.kitchen.policy: nothing would be sealed, so that there is no use for this sidecar"]
    );
}

#[test]
fn outbound_proxy_has_no_clients_to_move_over() {
    for place in ["", "[[proxy.route]]\n"] {
        let faults = faults(&format!("{SMALLEST_OUTBOUND}{place}{PERMIT}"));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].contains("policy: only an inbound proxy has clients that it could permit"),
            "{faults:?}"
        );
    }
}

#[test]
fn profile_whose_sealed_messages_nothing_tells_from_plain_ones_is_refused() {
    let with = |profile: &str| {
        format!(
            "{SMALLEST}{PERMIT}profile = \"own\"\n[profile.own]\niv = \"prefix\"\nfingerprint = \"sealing-key\"\n{profile}"
        )
    };
    let told = |profile: &str| {
        parse(&with(profile)).map(|config| {
            config.warnings.iter().filter(|warning| warning.key_path == "proxy.kitchen.policy").count()
        })
    };
    let faults = faults(&with("encoding = \"raw\"\n"));
    assert_eq!(
        faults,
        ["8:10: proxy.kitchen.policy: nothing tells the profile's sealed messages from plain ones"]
    );
    assert_eq!(told("encoding = \"base64\"\n").ok(), Some(1));
    assert_eq!(told("encoding = \"base64\"\nscope = \"member:/data\"\n").ok(), Some(0));
}
