//! Carries what tests say over TCP through something else, and back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// A listener of its own, whose connections go on another way until it is dropped.
pub(crate) struct Tunnel {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Tunnel {
    /// To a Unix socket.
    pub(crate) fn to_unix(path: &Path) -> Self {
        let path = path.to_owned();
        Self::through(move |near| carry_to_unix(near, path.clone()))
    }

    /// Under TLS, to whoever proves to be `name`.
    pub(crate) fn to_tls(address: SocketAddr, config: Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self::through(move |near| {
            let (connector, name) = (TlsConnector::from(Arc::clone(&config)), name.clone());
            async move {
                let far = TcpStream::connect(address).await.unwrap();
                if let Ok(far) = connector.connect(name, far).await {
                    carry(near, far).await;
                }
            }
        })
    }

    /// What comes to a Unix socket at `path` goes to `address`.
    pub(crate) fn from_unix(path: &Path, address: SocketAddr) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self::running(address, async move {
            let listener = UnixListener::from_std(listener).unwrap();
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(async move { carry(near, TcpStream::connect(address).await.unwrap()).await });
            }
        })
    }

    /// Where it listens, or where it leads.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn through<C: Future<Output = ()> + Send + 'static>(
        carry: impl Fn(TcpStream) -> C + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        Self::running(address, async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near));
            }
        })
    }

    fn running(address: SocketAddr, serving: impl Future<Output = ()> + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, _stop: stop }
    }
}

async fn carry_to_unix(near: TcpStream, path: PathBuf) {
    if let Ok(far) = UnixStream::connect(path).await {
        carry(near, far).await;
    }
}

async fn carry(mut near: impl AsyncRead + AsyncWrite + Unpin, mut far: impl AsyncRead + AsyncWrite + Unpin) {
    // How it ends is for those who speak.
    let _ = copy_bidirectional(&mut near, &mut far).await;
}
