//! A listening socket whose connections are handed to the workers in turn.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::Stop;

const BACKLOG: i32 = 1024;
/// How long a stop waits for handshakes that have begun.
const HALF_OPEN: Duration = Duration::from_millis(100);

/// A connection fresh from the kernel, bound to no runtime yet.
pub struct Accepted {
    /// The socket, non-blocking.
    pub stream: TcpStream,
    /// Who connected.
    pub peer: SocketAddr,
}

/// A bound listener.
pub struct Listener {
    socket: AsyncFd<TcpListener>,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address` and listens. Must be called inside a runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let fault = |source| BindError { address, source };
        let listener = listen(address).map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        #[expect(
            deprecated,
            reason = "a TcpListener owns its descriptor, which is the I/O safety that is asked for"
        )]
        let socket = AsyncFd::new(listener).map_err(fault)?;
        Ok(Self { socket, address })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stop`, then takes what had begun to connect by then, and closes.
    pub async fn run(self, mut hand_over: impl FnMut(Accepted), stop: Stop) {
        loop {
            tokio::select! {
                biased;
                () = stop.heard() => break,
                ready = self.socket.readable() => {
                    let Ok(mut ready) = ready else { break };
                    match ready.try_io(|socket| accept(socket.get_ref())) {
                        Ok(Ok(accepted)) => hand_over(accepted),
                        Ok(Err(error)) => pause_after(&error, self.address).await,
                        Err(_would_block) => {}
                    }
                }
            }
        }
        if refuse_new(self.socket.get_ref()).is_ok() {
            // Between the last look into the queue and closing, nothing can come any more but the end of a handshake
            // that had begun.
            tokio::time::sleep(HALF_OPEN).await;
        }
        loop {
            match accept(self.socket.get_ref()) {
                Ok(accepted) => hand_over(accepted),
                Err(error) if is_of_one_peer(&error) => {}
                Err(_none_left) => break,
            }
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn accept(listener: &TcpListener) -> io::Result<Accepted> {
    let (stream, peer) = listener.accept()?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(Accepted { stream, peer })
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
async fn pause_after(error: &io::Error, address: SocketAddr) {
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
