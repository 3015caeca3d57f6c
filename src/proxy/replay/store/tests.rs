//! The client against a server in the tests' hands, which may be late, rude or gone. A real one is asked in tests/it/replay.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::crypto::{Iv, SecretKey};
use crate::keys::{Key, Validity};
use crate::proxy::{StoreAddress, StoreConfig};
use crate::sources::SecretSource;

fn receipt(name: &str, iv: u8) -> Receipt {
    let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[1; 16]).unwrap();
    let key = Key::new(name.parse().unwrap(), secret, Validity::default());
    Receipt { key: Arc::new(key), iv: Iv::from_slice(&[iv; 16]).unwrap(), mark: None }
}

/// A server, and the store that asks it.
struct Stage {
    listener: TcpListener,
    store: Store,
}

impl Stage {
    async fn set(failure: StoreFailure, change: impl FnOnce(&mut StoreConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = StoreAddress { host: "127.0.0.1".into(), port, database: 0, tls: None };
        let timeout = Duration::from_millis(200);
        let mut config = StoreConfig { address, user: None, password: None, failure, timeout };
        change(&mut config);
        let entries = NonZeroU32::MIN;
        let config = ReplayConfig { window: Duration::from_secs(60), entries, store: Some(config) };
        Self { listener, store: Store::of(Health::of(&"kitchen".into()), &config).unwrap() }
    }

    /// Asks in a task of its own.
    fn ask(&self, iv: u8) -> tokio::task::JoinHandle<Result<Told, NoAnswer>> {
        let store = self.store.clone();
        tokio::spawn(async move { store.ask(&receipt("k", iv)).await })
    }

    /// The next connection, greeted.
    async fn accept(&self) -> Server {
        let mut server = Server { stream: self.listener.accept().await.unwrap().0 };
        assert_eq!(server.command().await, ["PING"]);
        server.say("+PONG\r\n").await;
        server
    }
}

struct Server {
    stream: TcpStream,
}

impl Server {
    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    async fn command(&mut self) -> Vec<String> {
        let count: usize = self.line().await.strip_prefix('*').unwrap().parse().unwrap();
        let mut words = Vec::new();
        for _ in 0..count {
            let length: usize = self.line().await.strip_prefix('$').unwrap().parse().unwrap();
            let word = self.line().await;
            assert_eq!(word.len(), length);
            words.push(word);
        }
        words
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Nothing more is asked, for as long as that could take.
    async fn hears_nothing(&mut self) {
        let more = tokio::time::timeout(Duration::from_millis(100), self.command()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

#[tokio::test]
async fn question_is_a_set_under_a_name_that_gives_nothing_away() {
    let stage = Stage::set(StoreFailure::Closed, |_| {}).await;
    let asked = stage.ask(7);
    let mut server = stage.accept().await;
    let command = server.command().await;
    // printf '\001k\007\007…' | sha256sum
    let pair = [&[1_u8], b"k".as_slice(), &[7; 16]].concat();
    let name = format!("alewife:replay:kitchen:{}", const_hex::encode(digest(&SHA256, &pair)));
    assert_eq!(command, ["SET", &name, "1", "NX", "PX", "60000"]);
    server.say("+OK\r\n").await;
    assert_eq!(asked.await.unwrap(), Ok(Told::First));
    // On the same connection.
    let asked = stage.ask(7);
    assert_eq!(server.command().await, command);
    server.say("$-1\r\n").await;
    assert_eq!(asked.await.unwrap(), Ok(Told::Known));
}

#[tokio::test]
async fn names_differ_where_fingerprint_or_iv_does() {
    let receipts = [("k", 1), ("k", 2), ("l", 1), ("kk", 1)].map(|(name, iv)| receipt(name, iv));
    let names: std::collections::BTreeSet<_> = receipts.iter().map(digest_of).collect();
    assert_eq!(names.len(), 4);
    let short = Receipt { iv: Iv::from_slice(&[1; 12]).unwrap(), ..receipt("k", 1) };
    assert!(!names.contains(&digest_of(&short)));
}

#[tokio::test]
async fn many_questions_go_out_at_once_and_get_their_own_answers() {
    let stage = Stage::set(StoreFailure::Closed, |_| {}).await;
    let asked: Vec<_> = (0..100).map(|iv| stage.ask(iv)).collect();
    let mut server = stage.accept().await;
    for _ in 0..100 {
        server.command().await;
    }
    for number in 0..100 {
        server.say(if number % 3 == 0 { "+OK\r\n" } else { "$-1\r\n" }).await;
    }
    for (number, asked) in asked.into_iter().enumerate() {
        let expected = if number % 3 == 0 { Told::First } else { Told::Known };
        assert_eq!(asked.await.unwrap(), Ok(expected), "{number}");
    }
}

#[tokio::test]
async fn user_password_and_database_come_first() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let stage = Stage::set(StoreFailure::Closed, |config| {
        config.user = Some("ale".into());
        config.password = Some(SecretSource::File(file));
        config.address.database = 3;
    })
    .await;
    let asked = stage.ask(1);
    let mut server = Server { stream: stage.listener.accept().await.unwrap().0 };
    assert_eq!(server.command().await, ["AUTH", "ale", "open sesame"]);
    assert_eq!(server.command().await, ["SELECT", "3"]);
    assert_eq!(server.command().await, ["PING"]);
    server.say("+OK\r\n+OK\r\n+PONG\r\n").await;
    assert_eq!(server.command().await[0], "SET");
    server.say("+OK\r\n").await;
    assert_eq!(asked.await.unwrap(), Ok(Told::First));
}

#[tokio::test]
async fn server_that_refuses_what_it_is_told_gives_no_answer_and_is_let_alone_for_a_while() {
    let stage = Stage::set(StoreFailure::Closed, |_| {}).await;
    let asked = stage.ask(1);
    let mut server = stage.accept().await;
    server.command().await;
    server.say("-READONLY You can't write against a read only replica.\r\n").await;
    assert_eq!(asked.await.unwrap(), Err(NoAnswer));
    // Who asks now is told that there is no answer.
    assert_eq!(stage.ask(2).await.unwrap(), Err(NoAnswer));
    // A while later it is asked again.
    let again = async {
        let mut server = stage.accept().await;
        server.command().await;
        server.say("+OK\r\n").await;
    };
    let asking = async {
        while stage.ask(3).await.unwrap() != Ok(Told::First) {
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(again, asking);
}

#[tokio::test]
async fn late_answer_of_a_store_that_fails_closed_is_taken_back() {
    let stage = Stage::set(StoreFailure::Closed, |_| {}).await;
    let asked = stage.ask(1);
    let mut server = stage.accept().await;
    let set = server.command().await;
    assert_eq!(asked.await.unwrap(), Err(NoAnswer));
    // While it is late nobody else waits for it.
    assert_eq!(stage.ask(2).await.unwrap(), Err(NoAnswer));
    server.say("+OK\r\n").await;
    assert_eq!(server.command().await, ["DEL", &set[1]]);
    server.say(":1\r\n").await;
    // It is asked again, on the same connection.
    let asked = stage.ask(3);
    assert_eq!(server.command().await[0], "SET");
    server.say("+OK\r\n").await;
    assert_eq!(asked.await.unwrap(), Ok(Told::First));
}

#[tokio::test]
async fn somebody_else_s_key_is_not_taken_back() {
    let stage = Stage::set(StoreFailure::Closed, |_| {}).await;
    let asked = stage.ask(1);
    let mut server = stage.accept().await;
    server.command().await;
    assert_eq!(asked.await.unwrap(), Err(NoAnswer));
    server.say("$-1\r\n").await;
    server.hears_nothing().await;
}

#[tokio::test]
async fn late_answer_of_a_store_that_fails_open_stands() {
    let stage = Stage::set(StoreFailure::Open, |_| {}).await;
    let asked = stage.ask(1);
    let mut server = stage.accept().await;
    server.command().await;
    assert_eq!(asked.await.unwrap(), Err(NoAnswer));
    server.say("+OK\r\n").await;
    server.hears_nothing().await;
}

#[tokio::test]
async fn question_of_a_client_that_has_gone_is_taken_back_either_way() {
    for failure in [StoreFailure::Open, StoreFailure::Closed] {
        let stage = Stage::set(failure, |config| config.timeout = Duration::from_secs(60)).await;
        let asked = stage.ask(1);
        let mut server = stage.accept().await;
        let set = server.command().await;
        asked.abort();
        assert!(asked.await.is_err());
        server.say("+OK\r\n").await;
        assert_eq!(server.command().await, ["DEL", &set[1]]);
    }
}

#[tokio::test]
async fn connection_that_breaks_is_made_anew() {
    let stage = Stage::set(StoreFailure::Closed, |config| config.timeout = Duration::from_secs(10)).await;
    let asked = stage.ask(1);
    let mut server = stage.accept().await;
    server.command().await;
    server.say("+OK\r\n").await;
    asked.await.unwrap().unwrap();
    // At rest: the next question finds another.
    drop(server);
    let mut told = Err(NoAnswer);
    while told.is_err() {
        let asked = stage.ask(2);
        let answering = async {
            let mut server = stage.accept().await;
            server.command().await;
            server.say("+OK\r\n").await;
            server
        };
        tokio::select! {
            answer = asked => told = answer.unwrap(),
            server = answering => {
                told = Ok(Told::First);
                drop(server);
            }
        }
    }
    assert_eq!(told, Ok(Told::First));
}

#[tokio::test]
async fn what_does_not_speak_redis_is_no_store() {
    let stage = Stage::set(StoreFailure::Closed, |config| config.timeout = Duration::from_secs(10)).await;
    let asked = stage.ask(1);
    let mut server = Server { stream: stage.listener.accept().await.unwrap().0 };
    server.command().await;
    server.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(asked.await.unwrap(), Err(NoAnswer));
}

#[tokio::test]
async fn server_that_never_answers_is_given_up() {
    let stage = Stage::set(StoreFailure::Closed, |config| config.timeout = Duration::from_millis(10)).await;
    drop(stage.ask(1));
    let mut server = stage.accept().await;
    // The greeting itself may have taken longer than the first question waits.
    while tokio::time::timeout(Duration::from_millis(100), server.command()).await.is_err() {
        drop(stage.ask(1));
    }
    let mut rest = Vec::new();
    assert_eq!(server.stream.read_to_end(&mut rest).await.unwrap(), 0, "{rest:?}");
}
