//! The application behind both proxies: reads what it is sent and answers with as little work as possible.
//!
//! `/bytes/N` answers N bytes from memory, `/stream/N` makes N bytes as they go, `/count` tells the length of
//! the request's body.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::fault::{Doing, Fault};
use crate::wire::{Messages, pattern};

const PIECE: usize = 64 * 1024;

/// Starts the origin on a thread of its own, where it stays until the process ends.
pub(crate) fn start() -> Result<SocketAddr, Fault> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let outcome = run(&tell);
        if let Err(error) = outcome {
            let _ = tell.send(Err(error));
        }
    });
    let dead = || io::Error::other("its thread ended");
    told.recv().unwrap_or_else(|_| Err(dead())).doing("starting the origin")
}

fn run(tell: &mpsc::Sender<io::Result<SocketAddr>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let _ = tell.send(Ok(listener.local_addr()?));
        let replies = Rc::new(Replies::default());
        loop {
            let (stream, _) = listener.accept().await?;
            let replies = Rc::clone(&replies);
            // A proxy that is stopped cuts its connections: no fault of the origin.
            tokio::task::spawn_local(async move { serve(stream, &replies).await.unwrap_or_default() });
        }
    })
}

async fn serve(mut stream: TcpStream, replies: &Replies) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut messages = Messages::new();
    while let Some((target, framing)) = messages.head(&mut stream, Target::of).await? {
        let received = messages.body(&mut stream, framing, |_| ()).await?;
        match target {
            Target::Bytes(length) => stream.write_all(&replies.of(length)).await?,
            Target::Count => stream.write_all(&reply(received.to_string().as_bytes())).await?,
            Target::Stream(length) => write_stream(&mut stream, length).await?,
            Target::Unknown => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?
            }
        }
    }
    Ok(())
}

async fn write_stream(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    stream.write_all(&head(length)).await?;
    let piece = pattern(PIECE);
    let mut left = length;
    while left > 0 {
        let here = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        stream.write_all(&piece[..here]).await?;
        left -= here as u64;
    }
    Ok(())
}

fn head(length: u64) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n")
        .into_bytes()
}

fn reply(body: &[u8]) -> Vec<u8> {
    let mut bytes = head(body.len() as u64);
    bytes.extend_from_slice(body);
    bytes
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Bytes(u64),
    Count,
    Stream(u64),
    Unknown,
}

impl Target {
    fn of(head: &[u8]) -> Self {
        let path = head.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        let number = |prefix: &[u8]| {
            path.strip_prefix(prefix)
                .and_then(|text| std::str::from_utf8(text).ok())
                .and_then(|t| t.parse().ok())
        };
        if path == b"/count" {
            return Self::Count;
        }
        number(b"/bytes/")
            .map(Self::Bytes)
            .or_else(|| number(b"/stream/").map(Self::Stream))
            .unwrap_or(Self::Unknown)
    }
}

/// Whole replies, each made once.
#[derive(Default)]
struct Replies(RefCell<HashMap<u64, Rc<[u8]>>>);

impl Replies {
    fn of(&self, length: u64) -> Rc<[u8]> {
        let mut known = self.0.borrow_mut();
        let made = || reply(&pattern(usize::try_from(length).unwrap_or_default())).into();
        Rc::clone(known.entry(length).or_insert_with(made))
    }
}
