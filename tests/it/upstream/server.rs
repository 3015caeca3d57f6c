//! Applications behind TLS and HTTP/2.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a body may break off with.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A reply of an application that speaks HTTP/2.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// The head of a request as an application got it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: http::Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

/// An application that speaks HTTP/2 only, under TLS or by prior knowledge.
pub(super) struct Http2Origin {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<Head>>>,
    connections: Arc<AtomicUsize>,
    go_away: Arc<Notify>,
}

impl Http2Origin {
    /// Answers every request with its own body and trailers, as they come.
    pub(super) fn echo(tls: Option<Arc<ServerConfig>>) -> Self {
        Self::answering(tls, async |request: Request<Incoming>| {
            let (head, body) = request.into_parts();
            let mut reply = Response::new(body.map_err(Into::into).boxed_unsync());
            for name in ["content-length", "trailer"] {
                if let Some(value) = head.headers.get(name) {
                    reply.headers_mut().insert(name, value.clone());
                }
            }
            Ok(reply)
        })
    }

    /// Answers as `handler` does; its error resets the stream.
    pub(super) fn answering<F>(tls: Option<Arc<ServerConfig>>, handler: F) -> Self
    where
        F: AsyncFn(Request<Incoming>) -> Result<Reply, BoxError> + Clone + 'static + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
            connections: Arc::default(),
            go_away: Arc::default(),
        };
        let (heads, connections) = (Arc::clone(&this.heads), Arc::clone(&this.connections));
        let go_away = Arc::clone(&this.go_away);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::Relaxed);
                    let acceptor = tls.clone().map(TlsAcceptor::from);
                    let (heads, handler, go_away) =
                        (Arc::clone(&heads), handler.clone(), Arc::clone(&go_away));
                    tokio::task::spawn_local(async move {
                        match acceptor {
                            None => serve(stream, heads, handler, &go_away).await,
                            Some(acceptor) => {
                                let Ok(stream) = acceptor.accept(stream).await else { return };
                                serve(stream, heads, handler, &go_away).await;
                            }
                        }
                    });
                }
            });
        });
        this
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap().clone()
    }

    /// How many connections came.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Has every connection finish what runs on it and take nothing more.
    pub(super) fn go_away(&self) {
        self.go_away.notify_waiters();
    }
}

async fn serve<S, F>(stream: S, heads: Arc<Mutex<Vec<Head>>>, handler: F, go_away: &Notify)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: AsyncFn(Request<Incoming>) -> Result<Reply, BoxError> + Clone + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        heads.lock().unwrap().push(Head {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        });
        let handler = handler.clone();
        async move { handler(request).await }
    });
    let serving =
        http2::Builder::new(Local).timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    loop {
        tokio::select! {
            _ended = serving.as_mut() => return,
            () = go_away.notified() => serving.as_mut().graceful_shutdown(),
        }
    }
}

/// Spawns on the thread it is on.
#[derive(Clone)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// An application behind TLS that speaks HTTP/1.1, one thread to a connection.
pub(super) struct TlsOrigin {
    address: SocketAddr,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    closed: Arc<AtomicUsize>,
}

/// What a client agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) server_name: Option<String>,
    pub(super) alpn: Option<String>,
    pub(super) version: String,
}

impl TlsOrigin {
    /// Answers each request of a connection with its body, up to `most` of them, and closes without having said so.
    pub(super) fn echo(config: Arc<ServerConfig>, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            handshakes: Arc::default(),
            closed: Arc::default(),
        };
        let (handshakes, closed) = (Arc::clone(&this.handshakes), Arc::clone(&this.closed));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, handshakes) = (Arc::clone(&config), Arc::clone(&handshakes));
                let closed = Arc::clone(&closed);
                thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
                    if answer(&mut reader, most, &handshakes).is_ok() {
                        let _ = reader.get_mut().sock.read_to_end(&mut Vec::new());
                        closed.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        this
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it closed whose clients have closed them as well.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    /// One for each connection that sent a request.
    pub(super) fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap().clone()
    }
}

type TlsReader = BufReader<StreamOwned<ServerConnection, TcpStream>>;

fn answer(reader: &mut TlsReader, most: usize, handshakes: &Mutex<Vec<Handshake>>) -> std::io::Result<()> {
    for number in 0..most {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if number == 0 {
            let connection = &reader.get_ref().conn;
            handshakes.lock().unwrap().push(Handshake {
                server_name: connection.server_name().map(str::to_owned),
                alpn: connection.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap()),
                version: format!("{:?}", connection.protocol_version().unwrap()),
            });
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        reader.get_mut().write_all(&[head.as_bytes(), &body].concat())?;
        reader.get_mut().flush()?;
    }
    reader.get_mut().conn.send_close_notify();
    reader.get_mut().flush()?;
    reader.get_ref().sock.shutdown(Shutdown::Write)
}
