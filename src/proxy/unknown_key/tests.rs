//! Requests whose key is not there yet, through a whole proxy on a socket of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::ale;
use crate::crypto::SecretKey;
use crate::keys::{Key, KeyStore, RingPolicy, Validity};
use crate::metrics::Metrics;
use crate::net::{Accepted, AcceptedStream, HeldBudget, Networks, Peer, Stop};
use crate::profile::{Profile, StreamProfile};
use crate::proxy::{
    ForwardedPolicy, HostPolicy, InboundConfig, Limits, LimitsConfig, Migrations, Mode, Policy, Proxy,
    ProxyCommon, ProxyConfig, RouteConfig, Routes, Timeouts, Upstream, WebSocketConfig, now,
};
use crate::sources::{Refresh, Waiting};

const REFUSED: &str = "{\"errorCode\":2,\"message\":\"Unable to decrypt payload\"}";

fn key(name: &str, until: Option<i64>) -> Key {
    let secret = SecretKey::new("AES-256-GCM".parse().unwrap(), &[name.as_bytes()[0]; 32]).unwrap();
    let until = until.map(|second| jiff::Timestamp::from_second(second).unwrap());
    Key::new(name.parse().unwrap(), secret, Validity { after: None, until })
}

fn ring(names: &[&str]) -> KeyRing {
    let mut keys: Vec<_> = names.iter().map(|name| key(name, None)).collect();
    keys.push(key("expired", Some(1)));
    KeyRing::new(keys, None, RingPolicy::default(), now()).ok().unwrap()
}

/// A sealed order under the key of this name: the head with these lines, and the body.
fn order(name: &str, lines: &str) -> (String, BytesMut) {
    let mut head = Request::post("/orders").body(()).unwrap().into_parts().0;
    let key = Arc::new(key(name, None));
    let sealing =
        ale::seal_request(&Arc::new(StreamProfile::ale()), &mut head, true, &key, now(), &mut rand::rng());
    let (mut sealer, mut body) = (sealing.body.unwrap(), BytesMut::new());
    sealer.update(b"soup", &mut body).unwrap();
    sealer.finish(&mut body);
    let envelope = ["sec-iv", "sec-fingerprint"].map(|name| {
        let value = head.headers[name].to_str().unwrap().to_owned();
        format!("{name}: {value}\r\n")
    });
    let length = body.len();
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: kitchen.test\r\n{}{lines}content-length: {length}\r\n\r\n",
        envelope.concat()
    );
    (head, body)
}

/// A proxy in front of an application that answers everything with 204; the test finds the keys for it.
struct Stage {
    address: SocketAddr,
    keys: Arc<KeyStore>,
    waits: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
}

impl Stage {
    async fn set() -> Self {
        let (begun, waits) = mpsc::unbounded_channel();
        let refresh = Refresh::searching(move || {
            let (end, ended) = oneshot::channel();
            begun.send(end).unwrap();
            let waiting: Waiting = Box::pin(async move { drop(ended.await) });
            Some(waiting)
        });
        let keys = Arc::new(KeyStore::new(ring(&["known"]), now()));
        Self::with(keys, waits, refresh).await
    }

    async fn with(
        keys: Arc<KeyStore>,
        waits: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
        refresh: Refresh,
    ) -> Self {
        let metrics = Metrics::new();
        let budget = HeldBudget::new(1 << 20, metrics.held_bytes.clone());
        let config = Arc::new(config(application().await));
        let (stop, reuses) = (Stop::default(), Arc::default());
        let access = KeyAccess { store: Arc::clone(&keys), refresh };
        let limits = Limits::new("kitchen".into(), &config.limits, metrics.proxy("kitchen"));
        let gate = Arc::clone(limits.gate());
        let migrations = Migrations::new(Arc::new(Metrics::new()));
        let keys_of = |_: &str| Some(access.clone());
        let common = ProxyCommon::new(config, keys_of, budget, limits, &stop, reuses, &migrations).unwrap();
        let proxy = Proxy::new(&common, &metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let stream = AcceptedStream::Tcp(stream.into_std().unwrap());
                let permit = gate.admit().unwrap();
                tokio::spawn(proxy.serve(Accepted { stream, peer: Peer::Inet(peer), permit }));
            }
        });
        Self { address, keys, waits }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn wait(&mut self) -> oneshot::Sender<()> {
        self.waits.recv().await.unwrap()
    }
}

fn config(application: SocketAddr) -> ProxyConfig {
    ProxyConfig {
        name: "kitchen".into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        tls: None,
        proxy_protocol_from: Networks::default(),
        mode: Mode::Inbound(InboundConfig::default()),
        routes: Routes::one(RouteConfig::of_all(
            Policy::Require { keys: "default".into(), profile: Profile::ale() },
            Upstream::http(&application.ip().to_string(), application.port()),
        )),
        host: HostPolicy::Pass,
        forwarded: ForwardedPolicy::Off,
        trust_forwarded_from: Networks::default(),
        max_body: 1024,
        replay: None,
        websocket: WebSocketConfig::default(),
        timeouts: Timeouts::default(),
        limits: LimitsConfig::default(),
    }
}

async fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                read_until(&mut stream, "soup").await;
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            });
        }
    });
    address
}

/// Reads on until what came ends with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut piece = vec![0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "it ends after {text:?}");
        text += &String::from_utf8_lossy(&piece[..count]);
    }
    text
}

#[tokio::test]
async fn request_waits_for_its_key_and_nothing_of_its_body_is_read_meanwhile() {
    let mut stage = Stage::set().await;
    let mut client = stage.connect().await;
    let (head, body) = order("fresh", "expect: 100-continue\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let found = stage.wait().await;
    // Whoever reads the body says so first.
    let mut piece = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(50), client.read(&mut piece)).await;
    assert!(early.is_err(), "{early:?}");
    stage.keys.swap(ring(&["known", "fresh"]), now());
    found.send(()).unwrap();
    assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(&body).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn request_whose_key_is_not_found_is_refused_and_its_connection_serves_on() {
    let mut stage = Stage::set().await;
    let mut client = stage.connect().await;
    let (head, body) = order("nobody's", "");
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    stage.wait().await.send(()).unwrap();
    assert!(read_until(&mut client, REFUSED).await.starts_with("HTTP/1.1 400 "));
    let (head, body) = order("known", "");
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
    assert!(stage.waits.try_recv().is_err(), "one wait, and no more");
}

#[tokio::test]
async fn key_that_came_for_another_request_just_now_is_found_without_a_wait() {
    let keys = Arc::new(KeyStore::new(ring(&["known"]), now()));
    let (_, waits) = mpsc::unbounded_channel();
    let arriving = Arc::clone(&keys);
    // The fetch of the other request ends between the look-up and the question.
    let refresh = Refresh::searching(move || {
        arriving.swap(ring(&["known", "late"]), now());
        None
    });
    let stage = Stage::with(keys, waits, refresh).await;
    let mut client = stage.connect().await;
    let (head, body) = order("late", "");
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn nothing_but_an_unknown_key_is_waited_for() {
    let mut stage = Stage::set().await;
    let mut client = stage.connect().await;
    let (expired, body) = order("expired", "");
    client.write_all(&[expired.as_bytes(), &body].concat()).await.unwrap();
    read_until(&mut client, REFUSED).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nsec-iv: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "Incorrect security headers\"}").await;
    assert!(stage.waits.try_recv().is_err());
}

#[tokio::test]
async fn client_that_goes_away_while_it_waits_leaves_nothing_behind() {
    let mut stage = Stage::set().await;
    let mut client = stage.connect().await;
    let head = order("fresh", "").0.replace("POST", "GET").replace("content-length: 20\r\n", "");
    client.write_all(head.as_bytes()).await.unwrap();
    let mut wait = stage.wait().await;
    drop(client);
    wait.closed().await;
}

#[tokio::test]
async fn others_are_served_while_one_waits() {
    let mut stage = Stage::set().await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = stage.connect().await;
        client.write_all(order("fresh", "").0.as_bytes()).await.unwrap();
        waiting.push((stage.wait().await, client));
    }
    let mut client = stage.connect().await;
    let (head, body) = order("known", "");
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}
