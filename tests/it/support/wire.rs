//! HTTP as bytes on a socket, so that a test sees exactly what is sent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use alewife::crypto::encoding;

use super::{PATIENCE, TestKey};

/// A client's connection.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// A connection that was made elsewhere.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn close_write(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Sends one request and reads its reply.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Reply {
        self.exchange_after(b"", request)
    }

    /// The same, with `head` in one piece before it.
    pub(crate) fn exchange_after(&mut self, head: &[u8], request: &[u8]) -> Reply {
        self.send(&[head, request].concat());
        let method =
            String::from_utf8_lossy(&request[..request.iter().position(|&byte| byte == b' ').unwrap()]);
        self.reply(&method)
    }

    /// Reads the reply to a request of `method`; interim replies are skipped.
    pub(crate) fn reply(&mut self, method: &str) -> Reply {
        loop {
            let reply = self.try_reply(method).expect("a reply");
            if reply.status >= 200 {
                return reply;
            }
        }
    }

    /// Reads a reply as far as it goes.
    pub(crate) fn try_reply(&mut self, method: &str) -> io::Result<Reply> {
        let head = self.read_head()?;
        let mut reply = Reply::parse(head);
        if method == "HEAD" || reply.status < 200 || matches!(reply.status, 204 | 304) {
            reply.end = End::Whole;
            return Ok(reply);
        }
        if reply.header("transfer-encoding").is_some() {
            self.read_chunks(&mut reply);
        } else if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().unwrap();
            self.read_length(&mut reply, length);
        } else {
            self.read_to_end(&mut reply);
        }
        Ok(reply)
    }

    /// The head of a reply, including the empty line.
    pub(crate) fn read_head(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(self.unread.drain(..end + 4).collect());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// At least `count` bytes of what follows.
    pub(crate) fn read_some(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// One chunk of a chunked body; `None` at its end.
    pub(crate) fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.read_line()?;
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        if size == 0 {
            return Ok(None);
        }
        let chunk = self.read_some(size)?;
        self.read_some(2)?;
        Ok(Some(chunk))
    }

    /// All that comes up to the end of the connection.
    pub(crate) fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.unread))
    }

    /// Whether the other side has closed; waits for it. A reset is an error.
    pub(crate) fn closed(&mut self) -> io::Result<bool> {
        if !self.unread.is_empty() {
            return Ok(false);
        }
        Ok(self.fill()? == 0)
    }

    pub(crate) fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let read = uninterrupted(|| self.stream.read(&mut buffer))?;
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    fn read_chunks(&mut self, reply: &mut Reply) {
        loop {
            match self.read_chunk() {
                Ok(Some(chunk)) => {
                    reply.body.extend_from_slice(&chunk);
                    reply.chunks.push(chunk);
                }
                Ok(None) => break,
                Err(error) => return reply.end = End::Broken(error.kind()),
            }
        }
        while let Ok(line) = self.read_line() {
            if line.is_empty() {
                return reply.end = End::Whole;
            }
            let (name, value) = line.split_once(':').unwrap();
            reply.trailers.push((name.to_owned(), value.trim().to_owned()));
        }
        reply.end = End::Broken(io::ErrorKind::UnexpectedEof);
    }

    fn read_length(&mut self, reply: &mut Reply, length: usize) {
        while self.unread.len() < length {
            match self.fill() {
                Ok(0) => {
                    reply.end = End::Broken(io::ErrorKind::UnexpectedEof);
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    reply.end = End::Broken(error.kind());
                    break;
                }
            }
        }
        let have = self.unread.len().min(length);
        reply.body = self.unread.drain(..have).collect();
        if have == length {
            reply.end = End::Whole;
        }
    }

    fn read_to_end(&mut self, reply: &mut Reply) {
        reply.end = loop {
            match self.fill() {
                Ok(0) => break End::Whole,
                Ok(_) => {}
                Err(error) => break End::Broken(error.kind()),
            }
        };
        reply.body = std::mem::take(&mut self.unread);
    }
}

/// Signals of the processes that other tests run may interrupt a read.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    Broken(io::ErrorKind),
}

/// A reply as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names as written.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) end: End,
}

impl Reply {
    fn parse(head: Vec<u8>) -> Self {
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let mut status_line = lines.next().unwrap().splitn(3, ' ').skip(1);
        let status = status_line.next().unwrap().parse().unwrap();
        let reason = status_line.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self {
            status,
            reason,
            headers,
            body: Vec::new(),
            chunks: Vec::new(),
            trailers: Vec::new(),
            end: End::Broken(io::ErrorKind::Other),
        }
    }

    /// The first value of `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        all.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn header_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.end == End::Whole
    }

    /// The plaintext of a sealed reply. Both headers must be there.
    pub(crate) fn open(&self, key: &TestKey) -> Option<Vec<u8>> {
        assert_eq!(self.header("sec-fingerprint"), Some(key.fingerprint.as_str()), "{self:?}");
        let iv = encoding::base64_decode(self.header("sec-iv").expect("sec-iv").as_bytes()).expect("base64");
        key.open_with(&iv, &self.body)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
