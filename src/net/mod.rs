//! Sockets: listeners, connections with their deadlines, the pool of connections to the application, and the
//! budget of held bytes.

mod budget;
mod clock;
mod connection;
mod gate;
mod listener;
mod networks;
mod peer;
mod pool;
mod shed;
mod stop;
mod timer;
mod tls;

pub use budget::{HeldBudget, NoCapacity, PeerAccount, Reservation};
pub(crate) use clock::Clock;
pub use connection::{
    Activity, ArrivingBody, ClientStream, ConnectionEnd, ConnectionLimits, Upgrade, UpgradedStream,
    serve_connection,
};
pub use gate::{ConnectionBounds, ConnectionGate, ConnectionPermit, Crowd, Excess};
pub use listener::{Accepted, BindError, Door, Listener};
pub use networks::Networks;
pub(crate) use pool::UpstreamStream;
pub use pool::{ConnectFault, Lease, Pool, PoolSettings, Resend, SendFault, reach};
pub use shed::TurnedAway;
pub use stop::Stop;
pub(crate) use timer::{LazyTimer, SpareTimer};
pub(crate) use tls::Tls;
pub use tls::{
    CaFile, CaFileFault, ClientIdentity, ClientIdentityFault, Roots, TlsFault, TlsFileFault, TlsSettings,
    UpstreamProtocol,
};
