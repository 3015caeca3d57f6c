//! TLS towards upstreams and clients, and which version of HTTP is spoken to an upstream.

mod fault;
mod identity;
mod roots;
mod server;
mod validity;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;

pub use fault::TlsFault;
pub use identity::{Identity, IdentityFault};
pub use roots::{CaFile, CaFileFault, Roots};
pub use server::{ListenerCertificate, ListenerTls, ListenerTlsFault, TlsAcceptor};
pub use validity::Validity;

/// The names of ALPN (RFC 7301).
pub(super) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The version of HTTP that is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// What TLS agrees on (ALPN); without TLS, HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; without TLS by prior knowledge.
    Http2,
}

/// How an upstream proves who it is, and how we do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whom its certificate must speak for; a name is sent in the handshake (SNI), an address is not.
    pub name: ServerName<'static>,
    /// Who may say so.
    pub roots: Roots,
    /// What is presented if it asks who we are.
    pub identity: Option<Identity>,
}

impl TlsSettings {
    /// For the upstream `host` under the roots that browsers trust; `None` if no certificate can be for such a host.
    pub fn for_host(host: &str) -> Option<Self> {
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some(Self { name, roots: Roots::WebPki, identity: None })
    }

    /// The same, with its files as they are now: certificates are renewed in place.
    pub fn reread(&self) -> Result<Self, TlsFileFault> {
        let roots = match &self.roots {
            Roots::File(file) => Roots::File(
                file.reread().map_err(|fault| TlsFileFault::CaFile { path: file.path().into(), fault })?,
            ),
            Roots::WebPki => Roots::WebPki,
        };
        let identity = self.identity.as_ref().map(Identity::reread).transpose()?;
        Ok(Self { name: self.name.clone(), roots, identity })
    }

    /// Shakes hands over `stream`, for something other than HTTP.
    pub(crate) async fn connect(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, TlsFault> {
        let connector = TlsConnector::from(Arc::new(client_config(self)));
        Ok(connector.connect(self.name.clone(), stream).await?)
    }
}

/// Why a file that was good once is not any more.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileFault {
    /// The roots.
    #[error("{} {fault}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: CaFileFault,
    },
    /// The certificate of our own, or its key.
    #[error("the client's identity is not to be had: {0}")]
    Identity(#[from] IdentityFault),
}

/// What a connection speaks once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Makes TLS connections to one upstream.
pub(crate) struct Tls {
    name: ServerName<'static>,
    protocol: UpstreamProtocol,
    connector: TlsConnector,
    /// For upgrades, which only HTTP/1.1 has.
    http1: TlsConnector,
}

impl Tls {
    pub(crate) fn new(settings: &TlsSettings, protocol: UpstreamProtocol) -> Self {
        let offered: &[&[u8]] = match protocol {
            UpstreamProtocol::Auto => &[H2, HTTP_1_1],
            UpstreamProtocol::Http1 => &[HTTP_1_1],
            UpstreamProtocol::Http2 => &[H2],
        };
        let config = client_config(settings);
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Self {
            name: settings.name.clone(),
            protocol,
            connector: offering(offered),
            http1: offering(&[HTTP_1_1]),
        }
    }

    /// Shakes hands over `stream`, and says what was agreed on.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Spoken), TlsFault> {
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        let spoken = match self.protocol {
            _ if agreed == Some(H2) => Spoken::Http2,
            // RFC 9113 §3.3: HTTP/2 over TLS is agreed on, or it is not spoken.
            UpstreamProtocol::Http2 => return Err(TlsFault::NoCommonHttp),
            UpstreamProtocol::Auto | UpstreamProtocol::Http1 => Spoken::Http1,
        };
        Ok((stream, spoken))
    }

    /// Shakes hands over `stream` for HTTP/1.1, whatever else may be spoken.
    pub(crate) async fn connect_http1<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<TlsStream<S>, TlsFault> {
        Ok(self.http1.connect(self.name.clone(), stream).await?)
    }
}

/// TLS towards one upstream, under settings that may be swapped at any time. A clone is the same one; connections keep what
/// they began with.
#[derive(Clone)]
pub struct UpstreamTls {
    protocol: UpstreamProtocol,
    current: Arc<ArcSwap<Tls>>,
}

impl UpstreamTls {
    /// With these settings, for this version of HTTP.
    pub fn new(settings: &TlsSettings, protocol: UpstreamProtocol) -> Self {
        Self { protocol, current: Arc::new(ArcSwap::from_pointee(Tls::new(settings, protocol))) }
    }

    /// Uses these settings from now on.
    pub fn replace(&self, settings: &TlsSettings) {
        self.current.store(Arc::new(Tls::new(settings, self.protocol)));
    }

    pub(super) fn current(&self) -> Arc<Tls> {
        self.current.load_full()
    }
}

/// Verification as usual, TLS 1.2 and 1.3.
fn client_config(settings: &TlsSettings) -> ClientConfig {
    // The provider is named here, so that none needs to be the default of the process.
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(settings.roots.store());
    match &settings.identity {
        Some(identity) => config.with_client_cert_resolver(identity.resolver()),
        None => config.with_no_client_auth(),
    }
}
