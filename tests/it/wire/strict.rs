//! An application with a parser of its own, which takes nothing but what RFC 9112 lets a client send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::Received;

/// Answers whole requests and notes everything that is not one.
pub(super) struct StrictOrigin {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    faults: Vec<String>,
    connections: usize,
}

/// Why a connection ended.
enum Stop {
    /// The other side closed: before a request, or in the middle of one, which may then not count.
    Gone,
    Fault(String),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

type Handler = dyn Fn(&Received, &mut TcpStream) -> io::Result<()> + Send + Sync;

impl StrictOrigin {
    pub(super) fn echo() -> Self {
        Self::answering(|received, stream| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", received.body.len());
            stream.write_all(&[head.as_bytes(), &received.body].concat())
        })
    }

    pub(super) fn fixed(reply: &'static [u8]) -> Self {
        Self::answering(move |_, stream| stream.write_all(reply))
    }

    /// Its handler's error closes the connection.
    pub(super) fn answering(
        handler: impl Fn(&Received, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (log, handler) = (Arc::clone(&seen), Arc::new(handler) as Arc<Handler>);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                log.lock().unwrap().connections += 1;
                thread::spawn(move || {
                    if let Err(Stop::Fault(fault)) = serve(stream, number, &log, &*handler) {
                        log.lock().unwrap().faults.push(fault);
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The whole requests so far; nothing else may have come.
    #[track_caller]
    pub(super) fn requests(&self) -> Vec<Received> {
        let seen = self.seen.lock().unwrap();
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        seen.requests.clone()
    }

    #[track_caller]
    pub(super) fn only(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().unwrap()
    }

    #[track_caller]
    pub(super) fn last(&self) -> Received {
        self.requests().pop().expect("a request")
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

fn serve(mut stream: TcpStream, number: usize, log: &Mutex<Seen>, handler: &Handler) -> Result<(), Stop> {
    stream.set_nodelay(true)?;
    let mut input = Input { stream: stream.try_clone()?, unread: Vec::new() };
    loop {
        let received = input.request(number)?;
        log.lock().unwrap().requests.push(received.clone());
        handler(&received, &mut stream)?;
    }
}

struct Input {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Input {
    fn request(&mut self, connection: usize) -> Result<Received, Stop> {
        let request_line = self.line()?;
        check_request_line(&request_line)?;
        let mut received = Received { request_line, connection, whole: true, ..Received::default() };
        received.headers = self.fields()?;
        require(received.header_all("host").len() == 1, "not one host", &received)?;
        let codings = received.header_all("transfer-encoding");
        let lengths = received.header_all("content-length");
        match (&codings[..], &lengths[..]) {
            ([], []) => {}
            (["chunked"], []) => self.chunks(&mut received)?,
            ([], [length]) => {
                let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
                require(digits, "content-length", &received)?;
                received.body = self.bytes(length.parse().unwrap())?;
            }
            _ => return fault("more than one framing", &received),
        }
        Ok(received)
    }

    fn chunks(&mut self, received: &mut Received) -> Result<(), Stop> {
        loop {
            let line = self.line()?;
            let hex =
                !line.is_empty() && line.len() < 16 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            require(hex, "chunk size", &line)?;
            let size = usize::from_str_radix(&line, 16).unwrap();
            if size == 0 {
                received.trailers = self.fields()?;
                return Ok(());
            }
            let chunk = self.bytes(size + 2)?;
            require(chunk.ends_with(b"\r\n"), "chunk end", &line)?;
            received.body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Field lines to the empty one; the values are the bytes after one space.
    fn fields(&mut self) -> Result<Vec<(String, String)>, Stop> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let Some((name, value)) = line.split_once(':') else { return fault("no colon", &line) };
            let clean = value.chars().all(|byte| byte == '\t' || (byte >= ' ' && byte != '\u{7f}'));
            require(!name.is_empty() && name.bytes().all(is_token) && clean, "field", &line)?;
            fields.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
        }
    }

    /// One line without its CRLF, each byte as the character of that number.
    fn line(&mut self) -> Result<String, Stop> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text: String = line.iter().map(|&byte| char::from(byte)).collect();
                let Some(text) = text.strip_suffix("\r\n") else { return fault("bare LF", &text) };
                require(!text.contains('\r'), "bare CR", &text)?;
                return Ok(text.to_owned());
            }
            self.fill()?;
        }
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        while self.unread.len() < count {
            self.fill()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    fn fill(&mut self) -> Result<(), Stop> {
        let mut buffer = [0; 16 * 1024];
        let read = crate::support::uninterrupted(|| self.stream.read(&mut buffer))?;
        self.unread.extend_from_slice(&buffer[..read]);
        if read == 0 { Err(Stop::Gone) } else { Ok(()) }
    }
}

fn check_request_line(line: &str) -> Result<(), Stop> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return fault("request line", &line) };
    require(!method.is_empty() && method.bytes().all(is_token), "method", &line)?;
    let visible = target.chars().all(|byte| ('\u{21}'..='\u{7e}').contains(&byte) && byte != '#');
    require(visible, "target", &line)?;
    require(target.starts_with('/') || (target == "*" && method == "OPTIONS"), "target form", &line)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn require(holds: bool, what: &str, seen: &impl std::fmt::Debug) -> Result<(), Stop> {
    if holds { Ok(()) } else { fault(what, seen) }
}

fn fault<T>(what: &str, seen: &impl std::fmt::Debug) -> Result<T, Stop> {
    Err(Stop::Fault(format!("{what}: {seen:?}")))
}
