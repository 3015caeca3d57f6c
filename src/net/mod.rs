//! Sockets: listeners, connections with their deadlines, the pool of connections to the application, and the
//! budget of held bytes.

mod budget;
mod clock;
mod connection;
mod listener;
mod networks;
mod pool;
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
pub use listener::{Accepted, AcceptedStream, BindError, ListenAddress, Listener, ListeningSocket, Peer};
pub use networks::Networks;
pub(crate) use pool::UpstreamStream;
pub use pool::{ConnectFault, Lease, Pool, PoolSettings, Resend, SendFault, UpstreamAddress};
pub(crate) use socket::PlainSocket;
pub use stop::Stop;
pub(crate) use timer::{LazyTimer, SpareTimer};
pub(crate) use tls::Tls;
pub use tls::{
    CaFile, CaFileFault, Identity, IdentityFault, ListenerCertificate, ListenerTls, ListenerTlsFault, Roots,
    TlsAcceptor, TlsFault, TlsFileFault, TlsSettings, UpstreamProtocol, UpstreamTls, Validity,
};
