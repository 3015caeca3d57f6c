mod acts;
mod gates;
mod masked;
mod shows;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admin::{KeySetStatus, Status};
use crate::ale;
use crate::capture::{Begun, Capture, CaptureLimits, Direction, Half, Names, Side, Tap};
use crate::crypto::SecretKey;
use crate::keys::{Key, KeyRing, KeyStore, RingPolicy, Validity};
use crate::profile::{Profile, StreamProfile};

/// Long enough for any machine; reached only where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The secret of the only key.
const SECRET: [u8; 16] = *b"kept to itself..";

const FINGERPRINT: &str = "dev-1";

struct Site {
    url: String,
    address: SocketAddr,
    capture: Arc<Capture>,
    keys: Arc<KeyStore>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// What a test wants otherwise.
struct Wish {
    limits: CaptureLimits,
    mode: Direction,
    /// Where the proxy listens.
    reach: Option<SocketAddr>,
    wire: Option<Profile>,
    can_act: bool,
    rotate: Option<Rotate>,
    mask: Mask,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            limits: CaptureLimits::default(),
            mode: Direction::Inbound,
            reach: None,
            wire: Some(Profile::Stream(Arc::new(StreamProfile::ale()))),
            can_act: true,
            rotate: None,
            mask: Mask::none(),
        }
    }
}

fn key_store() -> Arc<KeyStore> {
    let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &SECRET).unwrap();
    let key = Key::new(FINGERPRINT.parse().unwrap(), secret, Validity::default());
    let now = Timestamp::now();
    let ring = KeyRing::new(vec![key], None, RingPolicy::default(), now).ok().unwrap();
    Arc::new(KeyStore::new(ring, now))
}

impl Site {
    async fn start(wish: Wish) -> Self {
        let capture = Capture::new(wish.limits);
        Self::over(capture, key_store(), wish).await
    }

    async fn over(capture: Arc<Capture>, keys: Arc<KeyStore>, wish: Wish) -> Self {
        let inspector = Inspector::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = inspector.url();
        let address = url["http://".len()..].split('/').next().unwrap().parse().unwrap();
        let key_set = KeySetStatus::new("default".into(), Arc::clone(&keys), Duration::from_secs(60));
        let proxy = ProxyAbout {
            name: "dev".into(),
            mode: wish.mode,
            address: "127.0.0.1:7080".to_owned(),
            reach: wish.reach,
            upstream: "http://127.0.0.1:3000".to_owned(),
            profile: wish.wire.as_ref().map_or("none".to_owned(), |wire| wire.name().to_string()),
            wire: wish.wire,
            keys: Some(Arc::clone(&keys)),
            key_file: Some("dev keys.toml".to_owned()),
        };
        let state = InspectorState {
            capture: Arc::clone(&capture),
            about: Box::new(move || About { version: "0.1.0".to_owned(), proxies: vec![proxy.clone()] }),
            mask: wish.mask,
            key_sets: Arc::new(Status::of(vec![key_set])),
            can_act: wish.can_act,
            rotate: wish.rotate,
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(inspector.serve(state, stop.clone()));
        Self { url, address, capture, keys, stop, serving }
    }

    /// The path of something below the token.
    fn path(&self, below: &str) -> String {
        let token = self.url.trim_end_matches('/').rsplit('/').next().unwrap();
        format!("/{token}/{below}")
    }

    /// Sends a request with exactly these headers besides those of the framing.
    async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut reply)).await.expect("a reply").unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// Sends a request as curl does, with JSON.
    async fn ask(&self, method: &str, below: &str, body: &str) -> (u16, String) {
        let host = self.address.to_string();
        let headers = [("host", &*host), ("content-type", "application/json")];
        let (status, _, body) = self.raw(method, &self.path(below), &headers, body).await;
        (status, body)
    }

    async fn json(&self, method: &str, below: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.ask(method, below, body).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")))
    }

    /// Keeps an order as a proxy does: sealed by a client, opened for the application, answered by it.
    fn keep_order(&self, request_id: &str) -> u64 {
        let key = Arc::clone(self.keys.snapshot().keys().next().unwrap());
        let profile = Arc::new(StreamProfile::ale());
        let plain = Request::post("/orders?table=7")
            .header("host", "127.0.0.1:7080")
            .header("content-type", "application/json")
            .body(())
            .unwrap();
        let (mut sealed, ()) = plain.clone().into_parts();
        let now = Timestamp::now();
        let sealing = ale::seal_request(&profile, &mut sealed, true, &key, now, &mut rand::rng());
        let (mut sealer, mut body) = (sealing.body.unwrap(), BytesMut::new());
        sealer.update(ORDER.as_bytes(), &mut body).unwrap();
        sealer.finish(&mut body);
        let tap = begin(&self.capture, &sealed, request_id);
        let names = Names { iv: profile.iv.clone(), fingerprint: profile.fingerprint.clone() };
        tap.names(|| Some(names));
        tap.keyed(&key);
        tap.piece(Half::Request, Side::Client, &body);
        tap.request_head(Side::Upstream, &plain);
        tap.piece(Half::Request, Side::Upstream, ORDER.as_bytes());
        let reply = Response::builder().status(201).body(()).unwrap();
        tap.reply_head(Side::Upstream, &reply);
        tap.piece(Half::Reply, Side::Upstream, b"{}");
        tap.ended(|summary, stages| {
            summary.done = true;
            summary.status = Some(201);
            summary.outcome = Some("answered");
            summary.duration = Some(Duration::from_micros(1234));
            stages.upstream = Some(Duration::from_micros(900));
        });
        self.capture.list().0.last().unwrap().id
    }
}

const ORDER: &str = r#"{"dish":"soup; it's hot"}"#;

fn begin(capture: &Arc<Capture>, head: &http::request::Parts, request_id: &str) -> Tap {
    let proxy = Arc::from("dev");
    Tap::begin(Some(capture), || Begun {
        proxy: &proxy,
        direction: Direction::Inbound,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        head,
        request_id,
    })
}

/// Keeps a request that was refused.
fn keep_refused(capture: &Arc<Capture>, reason: &str) -> u64 {
    let (head, ()) = Request::post("/orders").body(()).unwrap().into_parts();
    let tap = begin(capture, &head, "refused");
    tap.ended(|summary, _| {
        summary.done = true;
        summary.status = Some(400);
        summary.outcome = Some("ale_error");
        summary.reason = Some(reason.to_owned());
    });
    capture.list().0.last().unwrap().id
}
