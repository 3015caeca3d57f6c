//! Who is plain still, who is sealed already: counted for each route by the network of the client.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use jiff::Timestamp;

use super::{Evidence, Migration, ToRequire, WouldRefuse, to_require};
use crate::metrics::{Metrics, MigrationMetrics, MigrationVerdict, NetworkMetrics};
use crate::proxy::{Network, now};

/// How many networks are told apart in the process. They come from outside, and labels must stay few.
const MOST_NAMED: usize = 32;

/// The routes of the process that take plain messages beside sealed ones.
pub struct Migrations {
    metrics: Arc<Metrics>,
    named: Arc<NamedNetworks>,
    /// Those whose proxies are still there.
    accounts: Mutex<Vec<Weak<MigrationAccount>>>,
}

/// The networks that are told apart, on whichever route they were seen first.
type NamedNetworks = Mutex<Vec<Network>>;

/// What there is to tell of one route.
#[derive(Clone, Debug)]
pub struct MigrationReport {
    /// The proxy.
    pub proxy: Arc<str>,
    /// The route, or [`Migrations::ALL`].
    pub route: Arc<str>,
    /// What it was told.
    pub terms: Migration,
    /// Since when it is watched.
    pub since: Timestamp,
    /// Plain exchanges and sessions under way.
    pub under_way: u64,
    /// When one was last under way.
    pub last_plain: Option<Timestamp>,
    /// Whether it may be switched to `require`.
    pub to_require: ToRequire,
    /// Its clients by network, those that came first before the others; then the networks that are not told apart, and last
    /// the clients outside all networks of the route.
    pub networks: Vec<NetworkReport>,
}

/// What the clients of one network sent.
#[derive(Clone, Debug)]
pub struct NetworkReport {
    /// The network, `other` or `outside`.
    pub network: String,
    /// How many requests were opened.
    pub sealed: u64,
    /// How many passed plain.
    pub plain: u64,
    /// How many were refused for their envelopes.
    pub refused: u64,
    /// Why `require` would refuse those that passed plain, and how many for that.
    pub would_refuse: Vec<(WouldRefuse, u64)>,
    /// When the last of any kind came.
    pub last: Option<Timestamp>,
    /// When the last plain one came.
    pub last_plain: Option<Timestamp>,
}

impl Migrations {
    /// What the one way of a proxy without routes is called.
    pub const ALL: &str = "all";

    /// None yet; they are counted in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, named: Arc::default(), accounts: Mutex::default() }
    }

    /// The account of a route. It is the one that is there already if clients are the same and all else may have changed.
    pub(crate) fn account(&self, proxy: &str, route: &str, terms: &Migration) -> Arc<MigrationAccount> {
        let mut accounts = lock(&self.accounts);
        let known = accounts.iter().filter_map(Weak::upgrade);
        let known = known.into_iter().find(|account| *account.proxy == *proxy && *account.route == *route);
        if let Some(known) = known {
            let mut counts = lock(&known.counts);
            if counts.terms.from == terms.from {
                counts.terms = terms.clone();
                drop(counts);
                return known;
            }
            drop(counts);
            // Nobody has watched the clients that it has now.
            accounts.retain(|account| !std::ptr::eq(account.as_ptr(), Arc::as_ptr(&known)));
        }
        accounts.retain(|account| account.strong_count() > 0);
        let metrics = self.metrics.migration(proxy, route);
        let account = Arc::new(MigrationAccount::begin(
            (proxy, route),
            terms.clone(),
            metrics,
            Arc::clone(&self.named),
        ));
        accounts.push(Arc::downgrade(&account));
        account
    }

    /// What there is to tell of each, in the order of the configuration.
    pub fn report(&self, now: Timestamp) -> Vec<MigrationReport> {
        let accounts: Vec<_> = lock(&self.accounts).iter().filter_map(Weak::upgrade).collect();
        accounts.iter().map(|account| account.report(now, Instant::now())).collect()
    }
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations").finish_non_exhaustive()
    }
}

/// What is counted of one route, whichever worker it is that counts.
pub(crate) struct MigrationAccount {
    proxy: Arc<str>,
    route: Arc<str>,
    since: Moment,
    metrics: MigrationMetrics,
    named: Arc<NamedNetworks>,
    under_way: AtomicU64,
    counts: Mutex<Counts>,
}

/// A time for people, and for measuring: a clock that is set must not make clients look quiet.
#[derive(Clone, Copy)]
struct Moment {
    said: Timestamp,
    at: Instant,
}

impl Moment {
    fn now() -> Self {
        Self { said: now(), at: Instant::now() }
    }
}

struct Counts {
    terms: Migration,
    named: Vec<(Network, Count)>,
    other: Count,
    outside: Count,
    last_plain: Option<Moment>,
}

/// What clients sent that are counted together.
struct Count {
    metrics: NetworkMetrics,
    by_verdict: [u64; MigrationVerdict::ALL.len()],
    would_refuse: Vec<(WouldRefuse, u64)>,
    last: Option<Timestamp>,
    last_plain: Option<Timestamp>,
}

impl MigrationAccount {
    fn begin(
        (proxy, route): (&str, &str),
        terms: Migration,
        metrics: MigrationMetrics,
        named: Arc<NamedNetworks>,
    ) -> Self {
        let count = |network| Count::new(metrics.network(network));
        let (other, outside) = (count(MigrationMetrics::OTHER), count(MigrationMetrics::OUTSIDE));
        Self {
            proxy: proxy.into(),
            route: route.into(),
            since: Moment::now(),
            counts: Mutex::new(Counts { terms, named: Vec::new(), other, outside, last_plain: None }),
            metrics,
            named,
            under_way: AtomicU64::new(0),
        }
    }

    /// Counts a request that did not pass plain; without a peer, of somebody outside the route's networks.
    pub(super) fn count(&self, peer: Option<IpAddr>, verdict: MigrationVerdict) {
        let mut counts = lock(&self.counts);
        let count = match peer {
            Some(peer) => self.of(&mut counts, Network::of(peer)),
            None => &mut counts.outside,
        };
        count.add(verdict, now());
    }

    /// Counts a request that passes plain, and that it is under way until the guard goes.
    pub(super) fn pass(self: &Arc<Self>, peer: IpAddr, would_refuse: WouldRefuse) -> PlainPass {
        let pass = self.goes_on();
        let moment = Moment::now();
        let mut counts = lock(&self.counts);
        counts.last_plain = Some(moment);
        let count = self.of(&mut counts, Network::of(peer));
        count.add(MigrationVerdict::Plain, moment.said);
        count.last_plain = Some(moment.said);
        match count.would_refuse.iter_mut().find(|(known, _)| *known == would_refuse) {
            Some((_, times)) => *times += 1,
            None => count.would_refuse.push((would_refuse, 1)),
        }
        drop(counts);
        self.metrics.plain_at(moment.said);
        pass
    }

    /// Something plain is under way until the guard goes.
    pub(super) fn goes_on(self: &Arc<Self>) -> PlainPass {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        PlainPass(Arc::clone(self))
    }

    /// Where clients of `network` are counted.
    fn of<'c>(&self, counts: &'c mut Counts, network: Network) -> &'c mut Count {
        let place = counts.named.iter().position(|(known, _)| *known == network);
        let place = place.or_else(|| {
            let mut named = lock(&self.named);
            if !named.contains(&network) {
                if named.len() == MOST_NAMED {
                    return None;
                }
                named.push(network);
            }
            counts.named.push((network, Count::new(self.metrics.network(&network.to_string()))));
            Some(counts.named.len() - 1)
        });
        match place {
            Some(place) => &mut counts.named[place].1,
            None => &mut counts.other,
        }
    }

    fn report(&self, now: Timestamp, at: Instant) -> MigrationReport {
        // In this order: what ends in between is still under way, or has left its time.
        let under_way = self.under_way.load(Ordering::Acquire);
        let counts = lock(&self.counts);
        let evidence = Evidence {
            watched: at.saturating_duration_since(self.since.at),
            under_way,
            last_plain: counts.last_plain.map(|last| at.saturating_duration_since(last.at)),
            is_over: counts.terms.is_over(now),
        };
        let named = counts.named.iter().map(|(network, count)| (network.to_string(), count));
        let rest = [(MigrationMetrics::OTHER, &counts.other), (MigrationMetrics::OUTSIDE, &counts.outside)];
        let rest = rest.into_iter().map(|(network, count)| (network.to_owned(), count));
        MigrationReport {
            proxy: Arc::clone(&self.proxy),
            route: Arc::clone(&self.route),
            terms: counts.terms.clone(),
            since: self.since.said,
            under_way,
            last_plain: counts.last_plain.map(|last| last.said),
            to_require: to_require(evidence, counts.terms.quiet_for),
            networks: named.chain(rest).map(|(network, count)| count.report(network)).collect(),
        }
    }
}

impl Count {
    fn new(metrics: NetworkMetrics) -> Self {
        Self {
            metrics,
            by_verdict: Default::default(),
            would_refuse: Vec::new(),
            last: None,
            last_plain: None,
        }
    }

    fn add(&mut self, verdict: MigrationVerdict, now: Timestamp) {
        self.metrics.count(verdict);
        self.by_verdict[verdict as usize] += 1;
        self.last = Some(now);
    }

    fn report(&self, network: String) -> NetworkReport {
        let of = |verdict: MigrationVerdict| self.by_verdict[verdict as usize];
        NetworkReport {
            network,
            sealed: of(MigrationVerdict::Sealed),
            plain: of(MigrationVerdict::Plain),
            refused: of(MigrationVerdict::Refused),
            would_refuse: self.would_refuse.clone(),
            last: self.last,
            last_plain: self.last_plain,
        }
    }
}

/// Something plain is under way as long as this lives.
pub(crate) struct PlainPass(Arc<MigrationAccount>);

impl Drop for PlainPass {
    fn drop(&mut self) {
        let moment = Moment::now();
        lock(&self.0.counts).last_plain = Some(moment);
        self.0.metrics.plain_at(moment.said);
        // Last, so that a report never finds neither of the two.
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
