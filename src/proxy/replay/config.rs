//! What a replay window needs to know; filled by `config/`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::net::TlsSettings;
use crate::sources::SecretSource;

/// How long and how many messages that have opened are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayConfig {
    /// How long each.
    pub window: Duration,
    /// How many at most in this process; the oldest give way.
    pub entries: NonZeroU32,
    /// Where they are remembered for other processes as well.
    pub store: Option<StoreConfig>,
}

impl ReplayConfig {
    /// How many are remembered unless the configuration says otherwise.
    pub const ENTRIES: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");
}

/// A Redis or a Valkey that several sidecars share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where it is.
    pub address: StoreAddress,
    /// Who this is there, if not the default user.
    pub user: Option<Box<str>>,
    /// What proves that. Read for each connection.
    pub password: Option<SecretSource>,
    /// What holds when it does not answer.
    pub failure: StoreFailure,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl StoreConfig {
    /// How long an answer may take unless the configuration says otherwise.
    pub const TIMEOUT: Duration = Duration::from_millis(100);
}

/// `redis://HOST[:PORT][/DB]` or `rediss://HOST[:PORT][/DB]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port, 6379 unless written.
    pub port: u16,
    /// The number of the database, 0 unless written.
    pub database: u32,
    /// TLS under `rediss`, and whom to trust there.
    pub tls: Option<TlsSettings>,
}

impl StoreAddress {
    /// Whether it is on this machine, as far as that can be seen.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// What becomes of a message when the store does not say whether it is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// What this process remembers decides alone: nothing is held up, and one copy may pass at each replica.
    Open,
    /// It is refused with 503, and is not remembered, so that it may be sent again.
    Closed,
}
