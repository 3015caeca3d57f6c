//! Sockets: listeners, connections with their deadlines, the pool of connections to the application, and the
//! budget of held bytes.

mod budget;
mod clock;
mod connection;
mod listener;
mod networks;
mod pool;
mod stop;
mod timer;
mod tls;

pub use budget::{HeldBudget, NoCapacity, PeerAccount, Reservation};
pub(crate) use clock::Clock;
pub use connection::{
    Activity, ArrivingBody, ClientStream, ConnectionEnd, ConnectionLimits, Upgrade, UpgradedStream,
    serve_connection,
};
pub use listener::{Accepted, BindError, Listener};
pub use networks::Networks;
pub(crate) use pool::UpstreamStream;
pub use pool::{ConnectFault, Lease, Pool, PoolSettings, Resend, SendFault, reach};
pub use stop::Stop;
pub(crate) use timer::{LazyTimer, SpareTimer};
pub(crate) use tls::Tls;
pub use tls::{
    CaFile, CaFileFault, ClientIdentity, ClientIdentityFault, Roots, TlsFault, TlsFileFault, TlsSettings,
    UpstreamProtocol,
};
