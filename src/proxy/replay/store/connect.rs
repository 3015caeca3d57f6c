//! How a connection to the store comes about.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::StoreConfig;
use super::resp::{self, NotRedis, Reply};
use crate::net::TlsFault;
use crate::sources::SecretFault;

/// A connection, in clear or under TLS.
pub(super) type Wire = Box<dyn Stream>;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why the store is not to be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreFault {
    /// Its connection was refused, its name is not known, or the connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It speaks something else.
    #[error(transparent)]
    NotRedis(#[from] NotRedis),
    /// It does not answer any more.
    #[error("it does not answer")]
    Silent,
    /// It refuses what it is told.
    #[error("it refuses: {}", if .0.is_empty() { "ERR" } else { .0 })]
    Refused(Box<str>),
    /// The password is not to be had.
    #[error("its password: {0}")]
    Secret(#[from] SecretFault),
    /// TLS did not come about.
    #[error("{0}")]
    Tls(#[from] TlsFault),
}

/// A connection on which the server has shown that it answers.
pub(super) async fn connect(config: &StoreConfig) -> Result<Wire, StoreFault> {
    let address = &config.address;
    let greeting = greeting(config).await?;
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let mut wire: Wire = match &address.tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(stream).await?),
    };
    greet(&mut wire, &greeting).await?;
    Ok(wire)
}

/// Commands, and how many they are.
type Greeting = (Zeroizing<Vec<u8>>, usize);

/// Says who this is, takes the database, and asks whether the server is there.
async fn greeting(config: &StoreConfig) -> Result<Greeting, StoreFault> {
    let mut text = Zeroizing::new(Vec::new());
    let mut commands = 1;
    if let Some(source) = config.password.clone() {
        // A file may lie on a file system that takes its time.
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        let password = read.map_err(io::Error::from)??;
        // Room from the start: a buffer that grew would leave the password behind in freed memory.
        text.reserve(256 + password.len() + config.user.as_ref().map_or(0, |user| user.len()));
        match &config.user {
            Some(user) => resp::command(&[b"AUTH", user.as_bytes(), password.as_bytes()], &mut text),
            None => resp::command(&[b"AUTH", password.as_bytes()], &mut text),
        }
        commands += 1;
    }
    if config.address.database != 0 {
        resp::command(&[b"SELECT", config.address.database.to_string().as_bytes()], &mut text);
        commands += 1;
    }
    resp::command(&[b"PING"], &mut text);
    Ok((text, commands))
}

async fn greet(wire: &mut Wire, (text, commands): &Greeting) -> Result<(), StoreFault> {
    wire.write_all(text).await?;
    wire.flush().await?;
    let mut input = BytesMut::new();
    for _ in 0..*commands {
        let reply = loop {
            match resp::reply(&mut input)? {
                Some(reply) => break reply,
                None if wire.read_buf(&mut input).await? == 0 => {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                None => {}
            }
        };
        match reply {
            Reply::Done => {}
            Reply::Nothing => return Err(NotRedis.into()),
            Reply::Refused(why) => return Err(StoreFault::Refused(why)),
        }
    }
    Ok(())
}
