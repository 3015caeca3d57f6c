//! `alewife ping`: whether both sidecars of a bridge understand each other, asked by an echo through them.

mod fault;
mod http;
mod judge;
mod show;
mod websocket;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::duration::positive;
use super::exit::Exit;
use super::{ConfigArg, complain, print};
use crate::config::Config;
use crate::document::{Fault, Faults};
use crate::keys::KeyRing;
use crate::net::{ListenAddress, PlainSocket};
use crate::proxy::{Asked, Mode, OutboundConfig, PING_PATH, ProxyConfig, RouteConfig};
use crate::sources::{KeysConfig, ask_now};
use fault::PingFault;
use judge::{Far, Finding};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the configuration of the near sidecar, sends plain requests and WebSocket messages with random content to the \
local listener of each outbound proxy, and compares what comes back. They go through both sidecars and are answered by the far one itself, \
on /.well-known/alewife/ping; its application never sees them. `answer_ping = false` there turns that off.

Exit status: 0 if all is well, 1 otherwise, 64 for a wrong command line, 78 for a wrong configuration or key file.

Example:
  alewife ping --config config.toml")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Only this outbound proxy
    #[arg(long, value_name = "NAME")]
    proxy: Option<String>,
    /// How many echoes of each kind
    #[arg(long, value_name = "N", default_value = "5")]
    count: NonZeroU16,
    /// The longest wait for one echo, with its unit: 500ms, 3s, 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive)]
    timeout: Duration,
    /// Reports as JSON
    #[arg(long)]
    json: bool,
}

/// Bytes of an echo.
const PAYLOAD: usize = 256;

pub(super) fn run(args: &Args) -> ExitCode {
    match ping(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&error.to_string());
            error.exit().into()
        }
    }
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
enum PingError {
    #[error(transparent)]
    Config(#[from] Faults),
    #[error("alewife ping: {config} has no outbound proxy {name}; there {known}")]
    NoSuchProxy { config: String, name: String, known: String },
    #[error("alewife ping: the runtime cannot be started: {0}")]
    Runtime(#[source] std::io::Error),
}

impl PingError {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::WrongConfiguration,
            Self::NoSuchProxy { .. } => Exit::Usage,
            Self::Runtime(_) => Exit::Failure,
        }
    }
}

fn ping(args: &Args) -> Result<Exit, PingError> {
    let config = Config::load(&args.config.config)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(PingError::Runtime)?;
    let bridges = chosen(args, &config)?;
    let mut reports = Vec::new();
    for bridge in bridges {
        let sealing = bridge.route().and_then(|route| Some((route, config.key_set(route.keys()?)?)));
        let Some((route, keys)) = sealing else {
            reports.push(bridge.without_route());
            continue;
        };
        let ring = runtime.block_on(ask_now(keys))?.ring;
        reports.push(runtime.block_on(bridge.ask(args, route, keys, &ring)));
    }
    let told = if args.json { show::json(&reports) } else { show::text(&reports) };
    let printed = print(&told);
    let well = reports.iter().all(Report::is_well);
    Ok(if well { printed } else { Exit::Failure })
}

/// The outbound proxies that are asked.
fn chosen<'c>(args: &Args, config: &'c Config) -> Result<Vec<Bridge<'c>>, PingError> {
    let file = args.config.config.display().to_string();
    let bridges: Vec<Bridge<'c>> = config.proxies.iter().filter_map(Bridge::of).collect();
    if bridges.is_empty() {
        let problem = "there is no outbound proxy, whose far side could be asked".to_owned();
        let remedy = "run this beside the sidecar that has one, with its configuration".to_owned();
        let fault = Fault { file: file.into(), place: None, key_path: "proxy".to_owned(), problem, remedy };
        return Err(Faults::from(fault).into());
    }
    let Some(name) = &args.proxy else { return Ok(bridges) };
    let known: Vec<String> = bridges.iter().map(|bridge| bridge.proxy.name.to_string()).collect();
    let asked: Vec<_> = bridges.into_iter().filter(|bridge| *bridge.proxy.name == **name).collect();
    if asked.is_empty() {
        let known = format!("is {}", known.join(", "));
        return Err(PingError::NoSuchProxy { config: file, name: name.clone(), known });
    }
    Ok(asked)
}

/// An outbound proxy, and whoever is behind it.
#[derive(Clone, Copy)]
struct Bridge<'c> {
    proxy: &'c ProxyConfig,
    outbound: &'c OutboundConfig,
}

impl<'c> Bridge<'c> {
    fn of(proxy: &'c ProxyConfig) -> Option<Self> {
        match &proxy.mode {
            Mode::Outbound(outbound) => Some(Self { proxy, outbound }),
            Mode::Inbound(_) => None,
        }
    }

    /// The route that a ping takes.
    fn route(self) -> Option<&'c RouteConfig> {
        let host = host(&reachable(&self.proxy.listen));
        let asked = Asked { method: &Method::POST, host: Some(&host), path: PING_PATH };
        self.proxy.routes.iter().nth(self.proxy.routes.choose(&asked)?)
    }

    /// What is told of a proxy that would not seal a ping.
    fn without_route(self) -> Report {
        Report {
            proxy: Arc::clone(&self.proxy.name),
            near: reachable(&self.proxy.listen),
            upstream: self.proxy.routes.destination(),
            http: Err(PingFault::NoRoute),
            websocket: None,
            far: None,
            findings: Vec::new(),
        }
    }

    async fn ask(self, args: &Args, route: &RouteConfig, keys: &KeysConfig, ring: &KeyRing) -> Report {
        let address = reachable(&self.proxy.listen);
        let door = Door { address, speaks_tls: self.proxy.tls.is_some(), timeout: args.timeout };
        let (http, last) = http::ask(&door, args.count).await;
        let websocket = match &http {
            Ok(_) => Some(websocket::ask(&door, args.count).await),
            Err(_) => None,
        };
        let far = last.map(|last| Far { clock: last.clock(), report: last.report });
        let findings = match &far {
            Some(far) => judge::compare(far, self.outbound, ring, keys.clock_skew),
            None => Vec::new(),
        };
        Report {
            proxy: Arc::clone(&self.proxy.name),
            near: door.address,
            upstream: route.upstream.to_string(),
            http,
            websocket,
            far,
            findings,
        }
    }
}

/// Where the near sidecar takes plain requests.
struct Door {
    address: ListenAddress,
    speaks_tls: bool,
    timeout: Duration,
}

impl Door {
    async fn connect(&self) -> Result<PlainSocket, PingFault> {
        if self.speaks_tls {
            return Err(PingFault::NearTls);
        }
        let connected = match &self.address {
            ListenAddress::Inet(address) if address.port() == 0 => return Err(PingFault::NoPort),
            ListenAddress::Inet(address) => TcpStream::connect(address).await.map(|stream| {
                // Without it the small pieces of an exchange wait for one another.
                let _ = stream.set_nodelay(true);
                PlainSocket::Tcp(stream)
            }),
            ListenAddress::Unix(path) => UnixStream::connect(path).await.map(PlainSocket::Unix),
            ListenAddress::Inherited(_) => return Err(PingFault::NearInherited),
        };
        connected.map_err(|source| PingFault::NearUnreachable { address: self.address.clone(), source })
    }

    fn host(&self) -> String {
        host(&self.address)
    }

    async fn within<T>(&self, step: impl Future<Output = Result<T, PingFault>>) -> Result<T, PingFault> {
        timeout(self.timeout, step).await.unwrap_or(Err(PingFault::TimedOut(self.timeout)))
    }
}

/// A listener on every address is reached on the loopback.
fn reachable(listen: &ListenAddress) -> ListenAddress {
    let ListenAddress::Inet(listen) = listen else { return listen.clone() };
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port()).into()
}

/// What stands in `host` for a listener.
fn host(listen: &ListenAddress) -> String {
    listen.inet().map_or_else(|| "localhost".to_owned(), |address| address.to_string())
}

/// What came of asking one bridge.
struct Report {
    proxy: Arc<str>,
    near: ListenAddress,
    upstream: String,
    http: Result<Times, PingFault>,
    /// Not asked where HTTP fails already.
    websocket: Option<Result<Times, PingFault>>,
    /// What the far side told, if it was reached.
    far: Option<Far>,
    /// In what the two sides differ.
    findings: Vec<Finding>,
}

impl Report {
    fn is_well(&self) -> bool {
        matches!((&self.http, &self.websocket), (Ok(_), Some(Ok(_)))) && self.findings.is_empty()
    }
}

/// Round-trip times, in order of length; at least one.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn shortest(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// Of two in the middle, the longer one.
    fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let times = |seconds: &[u64]| Times::of(seconds.iter().map(|s| Duration::from_secs(*s)).collect());
        let odd = times(&[5, 1, 3]);
        assert_eq!((odd.shortest().as_secs(), odd.median().as_secs(), odd.longest().as_secs()), (1, 3, 5));
        assert_eq!(times(&[4, 1, 2, 3]).median().as_secs(), 3);
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_the_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("192.0.2.1:8081", "192.0.2.1:8081"),
        ] {
            let [listen, asked] = [listen, asked].map(|text| text.parse::<SocketAddr>().unwrap().into());
            assert_eq!(reachable(&listen), asked);
        }
    }
}
