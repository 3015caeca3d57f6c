//! Clients by network, and what becomes of their counts.

use std::time::Duration;

use super::*;
use crate::ale::Refusal;
use crate::metrics::AleReason;
use crate::net::Networks;
use crate::proxy::MigrationPolicy;

const MISSING_IV: WouldRefuse = WouldRefuse { code: "1", reason: "missing_iv" };

fn terms(from: &str) -> Migration {
    Migration {
        policy: MigrationPolicy::Permit,
        from: Networks::new([from.parse().unwrap()]),
        until: None,
        quiet_for: Duration::from_secs(3600),
    }
}

fn migrations() -> Migrations {
    Migrations::new(Arc::new(Metrics::new()))
}

fn client(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What is counted of each network: sealed, plain, refused.
fn counted(migrations: &Migrations) -> Vec<(String, u64, u64, u64)> {
    let [report] = &migrations.report(now())[..] else { panic!("one route") };
    let of =
        |network: &NetworkReport| (network.network.clone(), network.sealed, network.plain, network.refused);
    report.networks.iter().map(of).collect()
}

fn is(network: &str, sealed: u64, plain: u64, refused: u64) -> (String, u64, u64, u64) {
    (network.to_owned(), sealed, plain, refused)
}

#[test]
fn clients_are_counted_by_network_and_by_what_require_would_say() {
    let migrations = migrations();
    let account = migrations.account("kitchen", "orders", &terms("10.0.0.0/8"));
    account.count(Some(client("10.0.0.1")), MigrationVerdict::Sealed);
    drop(account.pass(client("10.0.0.2"), MISSING_IV));
    drop(account.pass(client("10.0.0.3"), MISSING_IV));
    drop(account.pass(client("10.0.1.3"), Refusal::headers(AleReason::MissingRequiredHeader).into()));
    account.count(Some(client("10.0.1.3")), MigrationVerdict::Refused);
    account.count(None, MigrationVerdict::Refused);
    assert_eq!(
        counted(&migrations),
        [
            is("10.0.0.0/24", 1, 2, 0),
            is("10.0.1.0/24", 0, 1, 1),
            is("other", 0, 0, 0),
            is("outside", 0, 0, 1)
        ]
    );
    let [report] = &migrations.report(now())[..] else { panic!("one route") };
    assert_eq!(report.networks[0].would_refuse, [(MISSING_IV, 2)]);
    assert_eq!(report.networks[1].would_refuse[0].0.to_string(), "errorCode 1: missing_required_header");
    assert!(report.last_plain.is_some() && report.networks[3].last_plain.is_none());
    let text = migrations.metrics.encode(now());
    for line in [
        "alewife_migration_requests_total{proxy=\"kitchen\",route=\"orders\",network=\"10.0.0.0/24\",verdict=\"plain\"} 2",
        "alewife_migration_requests_total{proxy=\"kitchen\",route=\"orders\",network=\"outside\",verdict=\"refused\"} 1",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn networks_that_are_told_apart_are_few_in_the_whole_process() {
    let migrations = migrations();
    let terms = terms("10.0.0.0/8");
    let account = migrations.account("kitchen", "orders", &terms);
    let menu = migrations.account("kitchen", "menu", &terms);
    for number in 0..=u8::MAX {
        for account in [&account, &menu] {
            account.count(Some(client(&format!("10.0.{number}.1"))), MigrationVerdict::Sealed);
        }
    }
    for report in migrations.report(now()) {
        assert_eq!(report.networks.len(), MOST_NAMED + 2);
        let others = &report.networks[MOST_NAMED];
        assert_eq!((others.network.as_str(), others.sealed), ("other", 256 - MOST_NAMED as u64));
    }
}

#[test]
fn route_is_not_called_ready_while_something_plain_is_under_way() {
    let migrations = migrations();
    let account = migrations.account("kitchen", "orders", &terms("10.0.0.0/8"));
    let said = || {
        let report = migrations.report(now()).remove(0);
        (report.under_way, report.to_require)
    };
    assert!(matches!(said(), (0, ToRequire::Unwatched { .. })));
    let (exchange, session) = (account.pass(client("10.0.0.2"), MISSING_IV), account.goes_on());
    assert_eq!(said(), (2, ToRequire::UnderWay { count: 2 }));
    drop(exchange);
    assert_eq!(said(), (1, ToRequire::UnderWay { count: 1 }));
    drop(session);
    assert!(matches!(said(), (0, ToRequire::Used { .. })));
}

#[test]
fn reload_keeps_the_account_of_a_route_unless_it_has_other_clients() {
    let migrations = migrations();
    let account = migrations.account("kitchen", "orders", &terms("10.0.0.0/8"));
    account.count(Some(client("10.0.0.1")), MigrationVerdict::Sealed);
    let longer =
        Migration { policy: MigrationPolicy::Shadow, until: Some(Timestamp::MAX), ..terms("10.0.0.0/8") };
    let reloaded = migrations.account("kitchen", "orders", &longer);
    assert!(Arc::ptr_eq(&account, &reloaded));
    let [report] = &migrations.report(now())[..] else { panic!("one route") };
    assert_eq!((report.terms.policy, report.networks[0].sealed), (MigrationPolicy::Shadow, 1));
    drop(account);
    let other = migrations.account("kitchen", "orders", &terms("192.0.2.0/24"));
    assert_eq!(counted(&migrations), [is("other", 0, 0, 0), is("outside", 0, 0, 0)]);
    drop((reloaded, other));
    assert!(migrations.report(now()).is_empty());
}
