//! Somebody on the line between the two sidecars: keeps what passes, and can change a bit of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What is kept of each direction of a connection.
const KEPT: usize = 64 * 1024;

/// Connections that are remembered.
const REMEMBERED: usize = 16;

/// The bytes of one connection, as far as they are kept.
#[derive(Clone, Default)]
pub(super) struct Heard {
    /// From the sidecar of the point of sale.
    pub(super) there: Vec<u8>,
    /// From the kitchen's.
    pub(super) back: Vec<u8>,
}

/// Which way bytes go.
#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

/// A wire with an ear on it.
pub(super) struct Tap {
    address: SocketAddr,
    ear: Arc<Ear>,
}

#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Arc<Mutex<Heard>>>>,
    /// The next request's body is to be changed.
    meddles: AtomicBool,
}

impl Tap {
    /// Leads to `target` from a free port.
    pub(super) async fn open(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let ear = Arc::new(Ear::default());
        tokio::spawn(listen(listener, target, Arc::clone(&ear)));
        Ok(Self { address, ear })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was heard on the connection that was opened last.
    pub(super) fn last(&self) -> Heard {
        let heard = lock(&self.ear.heard);
        heard.last().map(|heard| lock(heard).clone()).unwrap_or_default()
    }

    /// Changes one bit of the body of the next request.
    pub(super) fn meddle(&self) {
        self.ear.meddles.store(true, Relaxed);
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, ear: Arc<Ear>) {
    while let Ok((near, _)) = listener.accept().await {
        let heard = Arc::<Mutex<Heard>>::default();
        let mut all = lock(&ear.heard);
        all.push(Arc::clone(&heard));
        if all.len() > REMEMBERED {
            all.remove(0);
        }
        drop(all);
        tokio::spawn(join(near, target, Line { ear: Arc::clone(&ear), heard }));
    }
}

/// One connection.
#[derive(Clone)]
struct Line {
    ear: Arc<Ear>,
    heard: Arc<Mutex<Heard>>,
}

async fn join(near: TcpStream, target: SocketAddr, line: Line) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    for stream in [&near, &far] {
        // The sidecars' own choice, which must not be undone in between.
        let _ = stream.set_nodelay(true);
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::join!(line.clone().carry(near_in, far_out, Way::There), line.carry(far_in, near_out, Way::Back),);
}

impl Line {
    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way) {
        let mut buffer = vec![0; 16 * 1024];
        // The end of a request's head, wherever it is cut.
        let mut seam = Vec::new();
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let piece = &mut buffer[..count];
            if matches!(way, Way::There) && self.ear.meddles.load(Relaxed) && change(piece, &mut seam) {
                self.ear.meddles.store(false, Relaxed);
            }
            self.keep(piece, way);
            if to.write_all(piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    }

    fn keep(&self, piece: &[u8], way: Way) {
        let mut heard = lock(&self.heard);
        let kept = match way {
            Way::There => &mut heard.there,
            Way::Back => &mut heard.back,
        };
        let room = KEPT.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
    }
}

/// Changes the first byte behind the end of a head, if it is in `piece`. `seam` is what came before.
fn change(piece: &mut [u8], seam: &mut Vec<u8>) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let before = seam.len();
    seam.extend_from_slice(piece);
    let body = seam.windows(END.len()).position(|window| window == END).map(|at| at + END.len());
    let first = body.and_then(|body| piece.get_mut(body.checked_sub(before)?));
    if let Some(first) = first {
        *first ^= 1;
        return true;
    }
    false
}

/// What was heard stays heard after a mishap.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_byte_of_a_body_is_changed_wherever_the_pieces_are_cut() {
        let request = b"POST / HTTP/1.1\r\na: b\r\n\r\nbody";
        let changed = b"POST / HTTP/1.1\r\na: b\r\n\r\ncody";
        for cut in 0..request.len() {
            let (mut first, mut second) = (request[..cut].to_vec(), request[cut..].to_vec());
            let mut seam = Vec::new();
            let done = change(&mut first, &mut seam) || change(&mut second, &mut seam);
            assert!(done, "cut at {cut}");
            assert_eq!([first, second].concat(), changed, "cut at {cut}");
        }
    }
}
