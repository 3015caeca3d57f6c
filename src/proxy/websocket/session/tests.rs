//! Messages that wait, with both peers and the source of the keys in the tests' hands. What does not wait is tested from
//! outside.

use std::net::SocketAddr;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::BytesMut;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::record::SessionAsked;
use super::*;
use crate::ale::{self, MessageSealing, MessageSession};
use crate::capture::Tap;
use crate::crypto::SecretKey;
use crate::keys::{Key, KeyRing, KeyStore, RingPolicy, Validity};
use crate::metrics::Metrics;
use crate::net::HeldBudget;
use crate::net::Networks;
use crate::profile::{Profile, StreamProfile};
use crate::proxy::Network;
use crate::proxy::exchange::Shared;
use crate::proxy::replay::ReplayGuard;
use crate::proxy::trace::Trace;
use crate::proxy::{
    ForwardedPolicy, HostPolicy, InboundConfig, KeyAccess, Limits, LimitsConfig, Mode, OnBadMessage, Policy,
    ProxyConfig, RouteConfig, Routes, Timeouts, Upstream, WebSocketConfig, now,
};
use crate::sources::{Refresh, Waiting};
use crate::websocket::{Decoder, Encoder, Event, Kind, Role};

fn key(name: &str) -> Key {
    let mut bytes = [1; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    let secret = SecretKey::new("AES-256-GCM".parse().unwrap(), &bytes).unwrap();
    Key::new(name.parse().unwrap(), secret, Validity::default())
}

fn ring(names: &[&str]) -> KeyRing {
    let keys = names.iter().map(|name| key(name)).collect();
    KeyRing::new(keys, None, RingPolicy::default(), now()).ok().unwrap()
}

fn config(on_bad_message: OnBadMessage) -> Arc<ProxyConfig> {
    Arc::new(ProxyConfig {
        name: "kitchen".into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        tls: None,
        proxy_protocol_from: Networks::default(),
        mode: Mode::Inbound(InboundConfig::default()),
        routes: Routes::one(RouteConfig::of_all(
            Policy::Require { keys: "default".into(), profile: Profile::ale() },
            Upstream::http("test", 80),
        )),
        host: HostPolicy::Pass,
        forwarded: ForwardedPolicy::Off,
        trust_forwarded_from: Networks::default(),
        max_body: 1024,
        replay: None,
        websocket: WebSocketConfig { on_bad_message, ping_interval: None, ..WebSocketConfig::default() },
        timeouts: Timeouts::default(),
        limits: LimitsConfig::default(),
    })
}

/// A session under the key "known", its two peers, and its source of keys.
struct Stage {
    client: Peer,
    server: Peer,
    keys: Arc<KeyStore>,
    /// Ends a wait; one for each that began.
    waits: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    stop: Stop,
    running: JoinHandle<()>,
    metrics: Metrics,
    budget: Arc<HeldBudget>,
}

/// Waits of which the test gets the ends.
fn search() -> (Refresh, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let (waits, begun) = mpsc::unbounded_channel();
    let refresh = Refresh::searching(move || {
        let (end, ended) = oneshot::channel();
        waits.send(end).unwrap();
        let waiting: Waiting = Box::pin(async move { drop(ended.await) });
        Some(waiting)
    });
    (refresh, begun)
}

fn session_of(keys: &KeyStore) -> MessageSession {
    let profile = Arc::new(StreamProfile::ale());
    let mut head = Request::get("/").body(()).unwrap().into_parts().0;
    let _client =
        ale::seal_request(&profile, &mut head, false, &Arc::new(key("known")), now(), &mut rand::rng());
    let opened = ale::open_request(&profile, &mut head, &keys.snapshot(), now()).ok().unwrap();
    opened.reply.into_session(now(), &mut rand::rng())
}

impl Stage {
    fn set(on_bad_message: OnBadMessage, max_held: u64) -> Self {
        let keys = Arc::new(KeyStore::new(ring(&["known"]), now()));
        Self::with(on_bad_message, max_held, keys, search())
    }

    fn with(
        on_bad_message: OnBadMessage,
        max_held: u64,
        keys: Arc<KeyStore>,
        (refresh, waits): (Refresh, mpsc::UnboundedReceiver<oneshot::Sender<()>>),
    ) -> Self {
        let config = config(on_bad_message);
        let metrics = Metrics::new();
        let counters = metrics.proxy("kitchen");
        let replay = ReplayGuard::new(&config, None, Arc::default(), counters.clone());
        let limits = Limits::new("kitchen".into(), &config.limits, counters.clone());
        let place = limits.session().unwrap();
        let shared = Arc::new(Shared {
            migrating: None,
            name: "kitchen".into(),
            route: None,
            metrics: counters,
            limits,
            profile: Some(Profile::ale()),
            sealed: Side::Client,
            replay: replay.clone(),
            capture: None,
        });
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let budget = HeldBudget::new(max_held, metrics.held_bytes.clone());
        let (client, client_wire) = tokio::io::duplex(256 * 1024);
        let (server, server_wire) = tokio::io::duplex(256 * 1024);
        let leg =
            |wire, role, is_sealed| Leg::new(wire, role, is_sealed, 1024 * 1024, None, budget.account(peer));
        let (client_leg, server_leg) =
            (leg(client_wire, Role::Client, true), leg(server_wire, Role::Server, false));
        let asked =
            SessionAsked { path: "/".into(), trace: Trace::of(&http::HeaderMap::new()), tap: Tap::default() };
        let record = Record::begin(&shared, place, peer, asked, Some(&key("known")));
        let replay = (replay, Network::of(peer));
        let access = KeyAccess { store: Arc::clone(&keys), refresh };
        let crossing = Crossing::new(Some(session_of(&keys)), Side::Client, Some(access), config, replay);
        let session = Session::new(client_leg, server_leg, crossing, record, Duration::from_secs(30));
        let stop = Stop::default();
        let heard = stop.clone();
        let running = tokio::spawn(async move { session.run(&heard).await });
        let (client, server) = (Peer::new(client, Role::Server), Peer::new(server, Role::Client));
        Self { client, server, keys, waits, stop, running, metrics, budget }
    }

    /// The next wait that begins.
    async fn wait(&mut self) -> oneshot::Sender<()> {
        self.waits.recv().await.unwrap()
    }
}

/// One end of a session.
struct Peer {
    wire: DuplexStream,
    decoder: Decoder,
    encoder: Encoder,
    unread: BytesMut,
}

impl Peer {
    /// `other` is what speaks at the far end of the wire.
    fn new(wire: DuplexStream, other: Role) -> Self {
        let own = if other == Role::Client { Role::Server } else { Role::Client };
        Self {
            wire,
            decoder: Decoder::new(other, 1024 * 1024),
            encoder: Encoder::new(own),
            unread: BytesMut::new(),
        }
    }

    async fn text(&mut self, text: &[u8]) {
        let mut out = BytesMut::new();
        self.encoder.message(Kind::Text, text, &mut out, &mut rand::rng());
        self.wire.write_all(&out).await.unwrap();
    }

    /// A text under this key.
    async fn sealed(&mut self, name: &str, text: &str) {
        let mut envelope = BytesMut::new();
        let sealing = MessageSealing::alone(&Arc::new(key(name)), now(), &mut rand::rng());
        sealing.seal(text.as_bytes(), &mut envelope).unwrap();
        self.text(&envelope).await;
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.decoder.decode(&mut self.unread).unwrap() {
                return event;
            }
            assert!(self.wire.read_buf(&mut self.unread).await.unwrap() > 0, "the end");
        }
    }

    async fn gets(&mut self, text: &str) {
        match self.next().await {
            Event::Message(message) => assert_eq!(message.payload, text),
            other => panic!("{other:?}"),
        }
    }

    async fn gets_close(&mut self, code: u16) {
        match self.next().await {
            Event::Close(Some(close)) => assert_eq!(close.code(), code),
            other => panic!("{other:?}"),
        }
    }

    /// Nothing comes, for as long as everything else needs to come to rest.
    async fn gets_nothing(&mut self) {
        let event = tokio::time::timeout(Duration::from_millis(100), self.next()).await;
        assert!(event.is_err(), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn message_waits_for_its_key_with_all_that_follows_it_and_the_other_direction_goes_on() {
    let mut stage = Stage::set(OnBadMessage::Close, 1 << 30);
    stage.client.sealed("known", "one").await;
    stage.client.sealed("fresh", "two").await;
    stage.client.sealed("known", "three").await;
    stage.server.gets("one").await;
    let found = stage.wait().await;
    stage.server.gets_nothing().await;
    stage.server.text(b"news").await;
    assert!(matches!(stage.client.next().await, Event::Message(_)));
    stage.keys.swap(ring(&["known", "fresh"]), now());
    found.send(()).unwrap();
    stage.server.gets("two").await;
    stage.server.gets("three").await;
    assert!(stage.waits.try_recv().is_err(), "one wait, and no more");
}

#[tokio::test(start_paused = true)]
async fn message_whose_key_is_not_found_is_refused_without_a_second_wait() {
    let mut stage = Stage::set(OnBadMessage::Reply, 1 << 30);
    stage.client.sealed("nobody's", "one").await;
    stage.wait().await.send(()).unwrap();
    stage.client.gets(r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#).await;
    stage.client.sealed("known", "two").await;
    stage.server.gets("two").await;
    assert!(stage.waits.try_recv().is_err());
    // A message that fails in another way asks for no keys.
    stage.client.text(b"{}").await;
    stage.client.gets(r#"{"errorCode":1,"message":"Incorrect security headers"}"#).await;
    assert!(stage.waits.try_recv().is_err());
    drop(stage.client);
    drop(stage.server);
    stage.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn end_of_the_other_side_ends_a_wait_at_once() {
    let mut stage = Stage::set(OnBadMessage::Close, 1 << 30);
    stage.client.sealed("fresh", "one").await;
    let mut wait = stage.wait().await;
    drop(stage.server);
    wait.closed().await;
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_for_a_key_longer_than_for_any_message() {
    let mut stage = Stage::set(OnBadMessage::Close, 1 << 30);
    stage.client.sealed("fresh", "one").await;
    let mut wait = stage.wait().await;
    let begin = tokio::time::Instant::now();
    stage.stop.say();
    stage.client.gets_close(1001).await;
    stage.server.gets_close(1001).await;
    assert!(begin.elapsed() >= STOPPING, "the message had begun");
    wait.closed().await;
    drop((stage.client, stage.server));
    stage.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn message_that_waits_is_paid_for_while_it_does() {
    let mut stage = Stage::set(OnBadMessage::Close, 400_000);
    stage.client.sealed("fresh", &"x".repeat(60_000)).await;
    let found = stage.wait().await;
    assert!(stage.budget.held() > 40_000, "{} bytes", stage.budget.held());
    stage.keys.swap(ring(&["known", "fresh"]), now());
    found.send(()).unwrap();
    stage.server.gets(&"x".repeat(60_000)).await;
    assert_eq!(stage.budget.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn message_that_cannot_be_paid_for_does_not_wait() {
    // A quarter of that, and what is free, is less than the message; without a wait it would cost nothing.
    let mut stage = Stage::set(OnBadMessage::Close, 80_000);
    stage.client.sealed("known", &"x".repeat(40_000)).await;
    stage.server.gets(&"x".repeat(40_000)).await;
    stage.client.sealed("fresh", &"x".repeat(40_000)).await;
    let mut wait = stage.wait().await;
    stage.client.gets_close(1013).await;
    wait.closed().await;
    assert_eq!(stage.budget.held(), 0);
    let refused = "websocket_messages_refused_total{proxy=\"kitchen\",reason=\"no_capacity\"} 1";
    assert!(stage.metrics.encode(now()).contains(refused));
}

#[tokio::test(start_paused = true)]
async fn close_of_a_client_that_waits_passes_behind_its_message() {
    let mut stage = Stage::set(OnBadMessage::Close, 1 << 30);
    stage.client.sealed("fresh", "one").await;
    let found = stage.wait().await;
    let mut out = BytesMut::new();
    stage.client.encoder.close(Close::new(1000, "").as_ref(), &mut out, &mut rand::rng());
    stage.client.wire.write_all(&out).await.unwrap();
    stage.server.gets_nothing().await;
    stage.keys.swap(ring(&["known", "fresh"]), now());
    found.send(()).unwrap();
    stage.server.gets("one").await;
    stage.server.gets_close(1000).await;
}

#[tokio::test(start_paused = true)]
async fn key_that_came_for_another_session_just_now_is_found_without_a_wait() {
    let keys = Arc::new(KeyStore::new(ring(&["known"]), now()));
    let store = Arc::clone(&keys);
    // The fetch of the other session ends between the look-up and the question.
    let refresh = Refresh::searching(move || {
        store.swap(ring(&["known", "fresh"]), now());
        None
    });
    let (_, waits) = mpsc::unbounded_channel();
    let mut stage = Stage::with(OnBadMessage::Close, 1 << 30, keys, (refresh, waits));
    stage.client.sealed("fresh", "one").await;
    stage.server.gets("one").await;
}
