//! What one proxy needs to know; filled by `config/`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::uri::Authority;

use super::Routes;
use super::limits::LimitsConfig;
use super::replay::ReplayConfig;
use crate::net::{
    ListenAddress, ListenerTls, Networks, PoolSettings, TlsSettings, UpstreamAddress, UpstreamProtocol,
    UpstreamTls,
};

/// One `[[proxy]]`, checked.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Its name in logs and metrics; unique in the process.
    pub name: Arc<str>,
    /// Where it listens.
    pub listen: ListenAddress,
    /// TLS on the listener, if it speaks that.
    pub tls: Option<ListenerTls>,
    /// Peers that say whose connection they pass on (PROXY protocol), and must.
    pub proxy_protocol_from: Networks,
    /// Which way it works.
    pub mode: Mode,
    /// Where requests go, and with which keys.
    pub routes: Routes,
    /// Whose name requests bear in `host`.
    pub host: HostPolicy,
    /// What happens to `x-forwarded-*`.
    pub forwarded: ForwardedPolicy,
    /// Peers whose `x-forwarded-*` are believed; what others send is replaced.
    pub trust_forwarded_from: Networks,
    /// Largest plaintext body that is held under GCM, in bytes.
    pub max_body: u64,
    /// How long what has opened is remembered, if it is.
    pub replay: Option<ReplayConfig>,
    /// What holds for WebSocket sessions.
    pub websocket: WebSocketConfig,
    /// The deadlines of its connections.
    pub timeouts: Timeouts,
    /// How much it takes on at once.
    pub limits: LimitsConfig,
}

impl ProxyConfig {
    /// Whether both say the same, certificates that they name included.
    pub fn is_as(&self, other: &Self) -> bool {
        let upstreams = self.routes.iter().map(|route| &route.upstream);
        upstreams.eq(other.routes.iter().map(|route| &route.upstream))
            && self.replay == other.replay
            && format!("{self:?}") == format!("{other:?}")
    }
}

/// Which way a proxy works, with what only that way needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sealed requests in, plain ones to the application.
    Inbound(InboundConfig),
    /// Plain requests of the application in, sealed ones to a peer.
    Outbound(OutboundConfig),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound(_) => "inbound",
            Self::Outbound(_) => "outbound",
        })
    }
}

/// What only an inbound proxy needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundConfig {
    /// Headers that each request must bear besides the envelope's own; absence is errorCode 1.
    pub required_headers: Vec<HeaderName>,
    /// Where IV and fingerprint may stand besides the envelope's own headers.
    pub carriers: Carriers,
    /// Pages that may open WebSockets: serialised origins, compared without case. Empty: `origin` is not looked at.
    pub origins: Vec<Box<str>>,
    /// Whether `alewife ping` is answered on its reserved path.
    pub answer_ping: bool,
}

impl Default for InboundConfig {
    fn default() -> Self {
        Self {
            required_headers: Vec::new(),
            carriers: Carriers::default(),
            origins: Vec::new(),
            answer_ping: true,
        }
    }
}

/// Other places for IV and fingerprint, for clients that cannot set `sec-*` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carriers {
    /// The headers `x-ale-iv` and `x-ale-fingerprint`, on requests and on handshakes.
    pub x_ale: bool,
    /// The query parameters of the same names, on handshakes only.
    pub query: bool,
}

/// What only an outbound proxy needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundConfig {
    /// Which replies are believed; by default what the profile says of them.
    pub replies: Option<Replies>,
    /// What the application gets of an error that the peer did not seal.
    pub plain_errors: PlainErrors,
}

/// Which replies of a peer are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// Only what is sealed.
    #[default]
    Sealed,
    /// The peer does not seal its replies.
    Plain,
    /// Both, until the peer has sealed one; from then on only what is sealed.
    Either,
}

/// What the application gets of an error that the peer did not seal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainErrors {
    /// The status, and a body of the sidecar's own.
    #[default]
    Replace,
    /// The peer's body as well, believed or not.
    Pass,
}

/// What holds for WebSocket sessions, in both modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// Longest plaintext message, in bytes; beyond it the session is closed with 1009.
    pub max_message: u64,
    /// How long a leg is silent before it is pinged, and how long the answer may take; `None` for no pings.
    pub ping_interval: Option<Duration>,
    /// What happens when a message does not open.
    pub on_bad_message: OnBadMessage,
    /// Literal texts that may cross unsealed from the client's side to the server's.
    pub plaintext_to_server: Vec<Box<str>>,
    /// Literal texts that may cross unsealed from the server's side to the client's.
    pub plaintext_to_client: Vec<Box<str>>,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            max_message: 16 * 1024 * 1024,
            ping_interval: Some(Duration::from_secs(30)),
            on_bad_message: OnBadMessage::default(),
            plaintext_to_server: Vec::new(),
            plaintext_to_client: Vec::new(),
        }
    }
}

/// What happens when a message does not open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadMessage {
    /// The session is closed with 1008 and the errorCode as its reason.
    #[default]
    Close,
    /// The sender gets the JSON error as a text message, and the session goes on.
    Reply,
}

/// Where requests go: `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is; the port is 80 or 443 unless written.
    pub address: UpstreamAddress,
    /// TLS under `https`, whom to trust there, and who we are.
    pub tls: Option<TlsSettings>,
    /// The version of HTTP that is spoken to it.
    pub protocol: UpstreamProtocol,
}

impl Upstream {
    /// `http://HOST:PORT`.
    pub fn http(host: &str, port: u16) -> Self {
        let address = UpstreamAddress::Inet { host: host.to_owned(), port };
        Self { address, tls: None, protocol: UpstreamProtocol::default() }
    }

    /// Host and port as `host` has them: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        self.address.authority(if self.tls.is_some() { 443 } else { 80 })
    }

    /// What a pool of connections to it needs to know; `tls` shakes hands with it, if that is spoken.
    pub(crate) fn pool_settings(&self, timeouts: &Timeouts, tls: Option<UpstreamTls>) -> PoolSettings {
        // What a URL named has an authority; the word stands for none that could be read.
        let authority = Authority::try_from(self.authority()).unwrap_or(Authority::from_static("upstream"));
        PoolSettings {
            authority,
            address: self.address.clone(),
            tls,
            protocol: self.protocol,
            connect: timeouts.connect,
            idle: timeouts.pool_idle,
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, tls, .. } = self;
        match address {
            UpstreamAddress::Unix(_) => address.fmt(f),
            UpstreamAddress::Inet { .. } if tls.is_some() => write!(f, "https://{address}"),
            UpstreamAddress::Inet { .. } => write!(f, "http://{address}"),
        }
    }
}

/// Whose name a request bears in `host` on its way to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// What the client wrote; the default inbound.
    Pass,
    /// The upstream's own; the default outbound, where the client names the sidecar.
    Upstream,
}

/// What happens to `x-forwarded-for`, `-proto` and `-host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedPolicy {
    /// The peer is added to `-for`; `-proto` and `-host` are set where they are absent. From peers that are not trusted with
    /// it, the same as `Replace`.
    #[default]
    Append,
    /// They pass as they came.
    Off,
    /// What came is dropped and all three are set anew.
    Replace,
}

/// Each wait of a connection has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accepting a connection to its first byte.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head.
    pub headers: Duration,
    /// Between two pieces of a body that its sender owes or its receiver does not take.
    pub body: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// For connecting to the application.
    pub connect: Duration,
    /// From the end of a request to the head of the application's reply.
    pub reply: Duration,
    /// How long an unused connection to the application is kept; below servers' usual 5 s.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(60),
            pool_idle: Duration::from_secs(4),
        }
    }
}
