//! The client that fetches.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{Expected, Step};
use super::{Answer, FetchFault, PortalConfig, PortalUrl, Validator, wire};
use crate::net::{PlainSocket, Tls, TlsSettings, UpstreamProtocol, UpstreamStream};

/// Redirects that are followed in one fetch.
const MOST_REDIRECTS: usize = 3;

/// Fetches the portal's document. Knows no proxies but what `url` names, whatever the environment says.
pub struct PortalClient {
    shared: Arc<Shared>,
}

/// What a thread that may block needs as well.
struct Shared {
    config: PortalConfig,
    /// The certificates as they were when last all of their files were good.
    tls: Mutex<Option<TlsSettings>>,
}

/// What a fetch needs from files, read anew for each.
struct Prepared {
    fields: HeaderMap,
    tls: Option<Tls>,
}

impl PortalClient {
    /// A client that has not asked yet.
    pub fn new(config: PortalConfig) -> Self {
        let tls = config.url.tls().map(|tls| TlsSettings {
            roots: config.roots.clone(),
            identity: config.identity.clone(),
            ..tls
        });
        Self { shared: Arc::new(Shared { config, tls: Mutex::new(tls) }) }
    }

    /// Asks for the document, or whether it still is the one that `validator` names.
    ///
    /// Dropping the future closes the connection. Secrets and certificates are read anew.
    pub async fn fetch(&self, validator: Option<&Validator>) -> Result<Answer, FetchFault> {
        let patience = self.shared.config.timeout;
        let fetched = timeout(patience, self.follow(validator)).await;
        fetched.unwrap_or(Err(FetchFault::TimedOut(patience)))
    }

    /// Asks, and asks again where a redirect leads.
    async fn follow(&self, validator: Option<&Validator>) -> Result<Answer, FetchFault> {
        let shared = Arc::clone(&self.shared);
        let prepared = spawn_blocking(move || shared.prepare()).await;
        let Prepared { fields, tls } = prepared.map_err(|_| FetchFault::Interrupted)??;
        let config = &self.shared.config;
        let mut url = config.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let stream = self.connect(tls.as_ref()).await?;
            let request = request(&url, &fields, validator)?;
            let expected = Expected { url: &url, conditional: validator.is_some(), limit: config.max_answer };
            match wire::exchange(stream, request, &expected).await? {
                Step::Answered(answer) => return Ok(answer),
                Step::Redirected(next) => url = next,
            }
        }
        Err(FetchFault::TooManyRedirects)
    }

    async fn connect(&self, tls: Option<&Tls>) -> Result<UpstreamStream, FetchFault> {
        let patience = self.shared.config.connect_timeout;
        let origin = &self.shared.config.url.origin;
        let connecting = async {
            let Some(tls) = tls else {
                let addresses = origin.addresses_in_clear().into_iter();
                let addresses: Vec<_> =
                    addresses.map(|address| SocketAddr::new(address, origin.port)).collect();
                let socket = TcpStream::connect(&addresses[..]).await.map_err(FetchFault::Unreachable)?;
                return Ok(UpstreamStream::Plain(PlainSocket::Tcp(socket)));
            };
            let address = (origin.host.as_str(), origin.port);
            let socket = TcpStream::connect(address).await.map_err(FetchFault::Unreachable)?;
            let stream = tls.connect_http1(PlainSocket::Tcp(socket)).await?;
            Ok(UpstreamStream::Tls(Box::new(stream)))
        };
        timeout(patience, connecting).await.unwrap_or(Err(FetchFault::ConnectTimedOut(patience)))
    }
}

impl Shared {
    /// Reads what may have been replaced since the last fetch. Blocks.
    fn prepare(&self) -> Result<Prepared, FetchFault> {
        let mut fields = HeaderMap::new();
        for header in &self.config.headers {
            fields.insert(header.name(), header.value()?);
        }
        let tls = self.certificates().map(|settings| Tls::new(&settings, UpstreamProtocol::Http1));
        Ok(Prepared { fields, tls })
    }

    /// The certificates as they are now, or as they were last: a certificate and its key are two files, and are not
    /// replaced in one moment.
    fn certificates(&self) -> Option<TlsSettings> {
        let mut kept = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = kept.as_mut()?;
        match settings.reread() {
            Ok(now) => *settings = now,
            Err(fault) => {
                tracing::warn!("a file for the portal cannot be used, the last good one is: {fault}");
            }
        }
        Some(settings.clone())
    }
}

fn request(
    url: &PortalUrl,
    fields: &HeaderMap,
    validator: Option<&Validator>,
) -> Result<Request<Empty<Bytes>>, FetchFault> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from(url.target.clone());
    let head = request.headers_mut();
    let authority = HeaderValue::try_from(url.origin.authority());
    head.insert(HOST, authority.map_err(|_| FetchFault::Unsendable(HOST))?);
    head.insert(USER_AGENT, HeaderValue::from_static(concat!("alewife/", env!("CARGO_PKG_VERSION"))));
    head.insert(ACCEPT, HeaderValue::from_static("application/json"));
    head.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // One fetch, one connection: a portal is asked every few minutes.
    head.insert(CONNECTION, HeaderValue::from_static("close"));
    head.extend(validator.map(Validator::condition));
    for (name, value) in fields {
        head.insert(name, value.clone());
    }
    Ok(request)
}
