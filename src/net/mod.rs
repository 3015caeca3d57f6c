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
mod socket;
mod stop;
mod timer;
mod tls;

pub use budget::{HeldBudget, NoCapacity, PeerAccount, Reservation};
pub(crate) use clock::Clock;
pub use connection::{
    Activity, Arrived, ArrivingBody, ClientStream, ConnectionEnd, ConnectionLimits, ProxyHeadFault,
    Reception, Upgrade, UpgradedStream, receive, serve_connection,
};
pub use gate::{ConnectionBounds, ConnectionGate, ConnectionPermit, Crowd, Excess};
pub use listener::{
    Accepted, AcceptedStream, BindError, Door, DoorTerms, ListenAddress, Listener, ListeningSocket, Peer,
};
pub use networks::Networks;
pub(crate) use pool::UpstreamStream;
pub use pool::{ConnectFault, Lease, Pool, PoolSettings, Resend, SendFault, UpstreamAddress, reach};
pub use shed::TurnedAway;
pub(crate) use socket::PlainSocket;
pub use stop::Stop;
pub(crate) use timer::{LazyTimer, SpareTimer};
pub(crate) use tls::Tls;
pub use tls::{
    CaFile, CaFileFault, Identity, IdentityFault, ListenerCertificate, ListenerTls, ListenerTlsFault, Roots,
    TlsAcceptor, TlsFault, TlsFileFault, TlsSettings, UpstreamProtocol, UpstreamTls, Validity,
};
