//! A plain application that knows nothing of encryption.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the application received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) request_line: String,
    /// Names as written.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

impl Received {
    pub(crate) fn method(&self) -> &str {
        self.request_line.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.request_line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn header_all(&self, name: &str) -> Vec<&str> {
        let all = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        all.map(|(_, value)| value.as_str()).collect()
    }
}

type Handler = dyn Fn(&Received, &mut TcpStream) -> io::Result<()> + Send + Sync;

/// A running application.
pub(crate) struct Origin {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Origin {
    /// Answers every request with its own body.
    pub(crate) fn echo() -> Self {
        Self::answering(|received, stream| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", received.body.len());
            stream.write_all(&[head.as_bytes(), &received.body].concat())
        })
    }

    /// Answers every request with these bytes.
    pub(crate) fn fixed(reply: &'static [u8]) -> Self {
        Self::answering(move |_, stream| stream.write_all(reply))
    }

    /// Answers as `handler` does; its error closes the connection.
    pub(crate) fn answering(
        handler: impl Fn(&Received, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                let Ok(stream) = stream else { return };
                thread::spawn(move || serve(stream, number, &log, &*handler));
            }
        });
        Self { address, received }
    }

    /// An application that a test runs itself.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, received: Arc::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The only request received.
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.into_iter().next().unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

fn serve(stream: TcpStream, number: usize, log: &Mutex<Vec<Received>>, handler: &Handler) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(received) = read_request(&mut reader, &mut writer, number) {
        let whole = received.whole;
        log.lock().unwrap().push(received.clone());
        if !whole || handler(&received, &mut writer).is_err() {
            return;
        }
    }
}

fn read_request(
    reader: &mut BufReader<TcpStream>,
    writer: &mut TcpStream,
    connection: usize,
) -> Option<Received> {
    let mut received = Received { connection, ..Received::default() };
    received.request_line = read_line(reader)?;
    received.headers = read_fields(reader)?;
    if received.header("expect").is_some() {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    received.whole = match (received.header("transfer-encoding"), received.header("content-length")) {
        (Some(_), _) => read_chunked(reader, &mut received).is_some(),
        (None, Some(length)) => {
            let length: u64 = length.parse().ok()?;
            reader.take(length).read_to_end(&mut received.body).is_ok()
                && received.body.len() as u64 == length
        }
        (None, None) => true,
    };
    Some(received)
}

fn read_chunked(reader: &mut BufReader<TcpStream>, received: &mut Received) -> Option<()> {
    loop {
        let size = u64::from_str_radix(&read_line(reader)?, 16).ok()?;
        if size == 0 {
            received.trailers = read_fields(reader)?;
            return Some(());
        }
        let before = received.body.len() as u64;
        reader.take(size).read_to_end(&mut received.body).ok()?;
        if received.body.len() as u64 != before + size {
            return None;
        }
        read_line(reader)?;
    }
}

fn read_fields(reader: &mut BufReader<TcpStream>) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':')?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let text = line.strip_suffix(b"\r\n")?;
    // Byte for byte: a header value may hold any byte above 0x7F.
    Some(text.iter().map(|&byte| char::from(byte)).collect())
}
