//! A listening socket whose connections are handed to the workers in turn.

mod address;
#[cfg(test)]
mod tests;
mod unix;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

pub use address::{ListenAddress, Peer};
use unix::SocketFile;

use super::gate::{ConnectionGate, ConnectionPermit, Excess};
use super::shed::{Shedder, TurnedAway};
use super::{Networks, Stop};

const BACKLOG: i32 = 1024;
/// How long a stop waits for handshakes that have begun.
const HALF_OPEN: Duration = Duration::from_millis(100);

/// A connection fresh from the kernel, bound to no runtime yet.
pub struct Accepted {
    /// The socket, non-blocking.
    pub stream: AcceptedStream,
    /// Who connected.
    pub peer: Peer,
    /// Its place among the connections.
    pub permit: ConnectionPermit,
}

/// Who gets in, and what the others are told.
pub struct Door {
    /// Counts the connections.
    pub gate: Arc<ConnectionGate>,
    /// What may change while it listens.
    pub terms: Arc<ArcSwap<DoorTerms>>,
    /// Told of each who doesn't get in.
    pub on_excess: Box<dyn Fn(Excess) + Send + Sync>,
}

/// How it is told who gets in.
#[derive(Clone, Debug)]
pub struct DoorTerms {
    /// Peers that pass on the connections of others, and are not counted as one.
    pub relays: Networks,
    /// For those who don't get in.
    pub turned_away: TurnedAway,
}

/// A socket of either kind.
pub enum AcceptedStream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// A socket that listens, of either kind.
#[derive(Debug)]
pub enum ListeningSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl AsRawFd for ListeningSocket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(listener) => listener.as_raw_fd(),
            Self::Unix(listener) => listener.as_raw_fd(),
        }
    }
}

/// A bound listener.
pub struct Listener {
    // Goes before the socket is closed: who finds no file any more looks elsewhere, who finds a closed socket is refused.
    file: Option<SocketFile>,
    socket: AsyncFd<ListeningSocket>,
    address: ListenAddress,
    /// Whether others have the socket as well.
    is_shared: bool,
}

impl Listener {
    /// Binds `address` and listens. Must be called inside a runtime.
    pub fn bind(address: &ListenAddress) -> Result<Self, BindError> {
        let fault = |source| BindError { address: address.clone(), source };
        let (socket, file) = match address {
            ListenAddress::Inet(address) => (listen(*address).map(ListeningSocket::Tcp), None),
            ListenAddress::Unix(path) => {
                let bound = unix::listen(path, BACKLOG).map(ListeningSocket::Unix);
                let file = bound.is_ok().then(|| SocketFile::new(path.clone()));
                (bound, file)
            }
            ListenAddress::Inherited(_) => {
                (Err(io::Error::new(io::ErrorKind::NotFound, "no socket of that name was passed")), None)
            }
        };
        let socket = socket.map_err(fault)?;
        let bound = match &socket {
            ListeningSocket::Tcp(listener) => {
                listener.local_addr().map(ListenAddress::Inet).map_err(fault)?
            }
            ListeningSocket::Unix(_) => address.clone(),
        };
        Ok(Self { file, socket: watched(socket).map_err(fault)?, address: bound, is_shared: false })
    }

    /// Takes a socket over that somebody else has bound and may have still, a successor among them: at the stop it is left as
    /// it is. Must be called inside a runtime.
    pub fn adopt(socket: ListeningSocket, address: ListenAddress) -> Result<Self, BindError> {
        let fault = |source| BindError { address: address.clone(), source };
        let ready = match &socket {
            ListeningSocket::Tcp(listener) => listener.set_nonblocking(true),
            ListeningSocket::Unix(listener) => listener.set_nonblocking(true),
        };
        let socket = ready.and_then(|()| watched(socket)).map_err(fault)?;
        Ok(Self { file: None, socket, address, is_shared: true })
    }

    /// Where it listens, with the real port; of an inherited socket its name.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Accepts until `stop`, then takes what had begun to connect by then, and closes. Whoever finds no place behind
    /// `door` is turned away at once.
    pub async fn run(self, hand_over: impl FnMut(Accepted), door: Door, stop: Stop) {
        let mut entrance = Entrance { shedder: Shedder::default(), door, hand_over };
        loop {
            let lingering = entrance.shedder.due();
            tokio::select! {
                biased;
                () = stop.heard() => break,
                () = until(lingering), if lingering.is_some() => entrance.shedder.look(Instant::now()),
                ready = self.socket.readable() => {
                    let Ok(mut ready) = ready else { break };
                    match ready.try_io(|socket| accept(socket.get_ref())) {
                        Ok(Ok(accepted)) => entrance.take(accepted),
                        Ok(Err(error)) => pause_after(&error, &self.address).await,
                        Err(_would_block) => {}
                    }
                }
            }
        }
        if self.is_shared {
            // What waits in the queue is for whoever has the socket next.
            return;
        }
        drop(self.file);
        if let ListeningSocket::Tcp(listener) = self.socket.get_ref()
            && refuse_new(listener).is_ok()
        {
            // Between the last look into the queue and closing, nothing can come any more but the end of a handshake
            // that had begun.
            tokio::time::sleep(HALF_OPEN).await;
        }
        loop {
            match accept(self.socket.get_ref()) {
                Ok(accepted) => entrance.take(accepted),
                Err(error) if is_of_one_peer(&error) => {}
                Err(_none_left) => break,
            }
        }
    }
}

/// Where connections come in: to a worker, or out again.
struct Entrance<F> {
    door: Door,
    shedder: Shedder,
    hand_over: F,
}

impl<F: FnMut(Accepted)> Entrance<F> {
    fn take(&mut self, (stream, peer): (AcceptedStream, Peer)) {
        let Door { gate, terms, on_excess } = &self.door;
        let is_relay = terms.load().relays.contain(peer.ip());
        let place =
            gate.admit().and_then(|permit| if is_relay { Ok(permit) } else { permit.claim(peer.ip()) });
        match (place, stream) {
            (Ok(permit), stream) => (self.hand_over)(Accepted { stream, peer, permit }),
            (Err(excess), AcceptedStream::Tcp(stream)) => {
                on_excess(excess);
                self.shedder.turn_away(stream, &terms.load().turned_away, Instant::now());
            }
            (Err(excess), AcceptedStream::Unix(stream)) => {
                on_excess(excess);
                self.shedder.turn_away(stream, &terms.load().turned_away, Instant::now());
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address asked for.
    pub address: ListenAddress,
    /// What the system said.
    pub source: io::Error,
}

impl BindError {
    /// Whether somebody listens there already.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

fn watched(socket: ListeningSocket) -> io::Result<AsyncFd<ListeningSocket>> {
    #[expect(
        deprecated,
        reason = "a listener owns its descriptor, which is the I/O safety that is asked for"
    )]
    AsyncFd::new(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn accept(listener: &ListeningSocket) -> io::Result<(AcceptedStream, Peer)> {
    match listener {
        ListeningSocket::Tcp(listener) => {
            let (stream, peer) = listener.accept()?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            Ok((AcceptedStream::Tcp(stream), Peer::Inet(peer)))
        }
        ListeningSocket::Unix(listener) => {
            let (stream, _unnamed) = listener.accept()?;
            stream.set_nonblocking(true)?;
            Ok((AcceptedStream::Unix(stream), Peer::Unix))
        }
    }
}

/// Has the kernel drop what begins a connection. Closing a listener resets the connections in its queue, and one that
/// enters it after the last look would be lost with its request; a client whose first packet is dropped sends it again
/// a second later and is refused then.
#[cfg(target_os = "linux")]
fn refuse_new(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;
    // BPF over the TCP header: load the byte of the flags; if SYN is among them take 0 bytes of the packet, else all.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    socket2::SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_SET, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn refuse_new(_listener: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A peer that left the queue early is no reason to wait; running out of descriptors is, or the loop spins.
async fn pause_after(error: &io::Error, address: &ListenAddress) {
    if is_of_one_peer(error) {
        return;
    }
    tracing::error!(%address, %error, "cannot accept connections; trying again in 100 ms");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput
    )
}
