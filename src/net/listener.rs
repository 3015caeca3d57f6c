//! A listening socket whose connections are handed to the workers in turn.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::Stop;

const BACKLOG: i32 = 1024;

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

    /// Accepts until `stop`, then takes what the kernel had queued by then, and closes.
    pub async fn run(self, workers: Vec<mpsc::UnboundedSender<Accepted>>, stop: Stop) {
        let mut turn = workers.iter().cycle();
        let mut hand_over = |accepted| {
            if let Some(worker) = turn.next() {
                // A worker that is gone has panicked, and the process is on its way down.
                let _ = worker.send(accepted);
            }
        };
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
        while let Ok(accepted) = accept(self.socket.get_ref()) {
            hand_over(accepted);
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

/// A peer that left the queue early is no reason to wait; running out of descriptors is, or the loop spins.
async fn pause_after(error: &io::Error, address: SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput
    ) {
        return;
    }
    tracing::error!(%address, %error, "cannot accept connections; trying again in 100 ms");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}
