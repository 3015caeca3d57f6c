//! TLS towards clients: what a listener presents, and whom it lets in.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::Accept;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, ServerConfig};

use super::{CaFile, CaFileFault, H2, HTTP_1_1, Identity, IdentityFault};

/// How a listener proves who it is, and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// At least one. The first is for whoever asks for no name, or for one that none of them is for.
    pub certificates: Vec<ListenerCertificate>,
    /// Whose certificates let clients in; `None` if none is asked for.
    pub clients: Option<CaFile>,
}

/// One certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerCertificate {
    /// What metrics and the log call it.
    pub name: Arc<str>,
    /// It and its key.
    pub identity: Identity,
}

impl ListenerTls {
    /// The same, with its files as they are now.
    pub fn reread(&self) -> Result<Self, ListenerTlsFault> {
        let certificates = self.certificates.iter().map(|certificate| {
            let name = Arc::clone(&certificate.name);
            match certificate.identity.reread() {
                Ok(identity) => Ok(ListenerCertificate { name, identity }),
                Err(fault) => Err(ListenerTlsFault::Certificate { name, fault }),
            }
        });
        let certificates = certificates.collect::<Result<_, _>>()?;
        let clients = self.clients.as_ref().map(CaFile::reread).transpose()?;
        Ok(Self { certificates, clients })
    }

    /// What rustls makes of it. Tickets of sessions are under keys of its own, so that nobody resumes what was begun under
    /// other certificates, or before other clients were let in.
    fn server_config(&self) -> Result<ServerConfig, ListenerTlsFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ListenerTlsFault::Unusable)?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(file.store(), provider)
                    .build()
                    .map_err(|error| ListenerTlsFault::Unusable(Error::General(error.to_string())))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::of(&self.certificates)));
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(ListenerTlsFault::Unusable)?;
        Ok(config)
    }
}

/// Why a listener cannot speak TLS with what its files have.
#[derive(Debug, thiserror::Error)]
pub enum ListenerTlsFault {
    /// A certificate, or its key.
    #[error("certificate {name}: {fault}")]
    Certificate {
        /// What it is called.
        name: Arc<str>,
        /// What is wrong with it.
        fault: IdentityFault,
    },
    /// Those who may issue the certificates of clients.
    #[error("the file of the clients' issuers {0}")]
    Clients(#[from] CaFileFault),
    /// Something that rustls refuses.
    #[error("it cannot be used for TLS: {0}")]
    Unusable(Error),
}

/// Shakes hands with clients, under settings that may be swapped at any time. A clone is the same one; connections keep what
/// they began with.
#[derive(Clone)]
pub struct TlsAcceptor {
    current: Arc<ArcSwap<ServerConfig>>,
}

impl TlsAcceptor {
    /// One with these settings.
    pub fn new(settings: &ListenerTls) -> Result<Self, ListenerTlsFault> {
        let config = settings.server_config()?;
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(config)) })
    }

    /// Uses these settings from now on, unless they are faulty.
    pub fn replace(&self, settings: &ListenerTls) -> Result<(), ListenerTlsFault> {
        self.current.store(Arc::new(settings.server_config()?));
        Ok(())
    }

    pub(in crate::net) fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        tokio_rustls::TlsAcceptor::from(self.current.load_full()).accept(stream)
    }
}

/// Finds the certificate for a name (RFC 6066 §3).
#[derive(Debug)]
struct ByName {
    first: Arc<CertifiedKey>,
    /// In small letters; for all of one label `*.` and the rest.
    named: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
}

impl ByName {
    fn of(certificates: &[ListenerCertificate]) -> Self {
        let mut named: HashMap<Box<str>, Vec<_>> = HashMap::new();
        for ListenerCertificate { identity, .. } in certificates {
            for name in identity.names() {
                named.entry(name).or_default().push(identity.certified());
            }
        }
        let first =
            certificates.first().expect("a listener under TLS has a certificate").identity.certified();
        Self { first, named }
    }

    fn find(&self, name: &str) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let exact = self.named.get(name.as_str());
        let wild = wildcard.and_then(|wildcard| self.named.get(wildcard.as_str()));
        exact.into_iter().chain(wild).flatten()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Of two for one name, with an RSA key and with another, the client may know only one kind.
        let is_known =
            |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(hello.signature_schemes()).is_some();
        let found = hello.server_name().and_then(|name| self.find(name).find(is_known));
        Some(Arc::clone(found.unwrap_or(&self.first)))
    }
}
