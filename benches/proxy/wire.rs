//! As much of HTTP/1.1 as origin and load generator need, for little CPU.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const BUFFER: usize = 64 * 1024;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Chunked,
    Length(u64),
}

/// Reads one message after the other off a connection.
pub(crate) struct Messages {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Reads a head and what `look` makes of its bytes; `None` if the connection ended before it.
    pub(crate) async fn head<R, T>(
        &mut self,
        from: &mut R,
        look: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<Option<(T, Framing)>>
    where
        R: AsyncRead + Unpin,
    {
        loop {
            if let Some(at) = find(&self.buffer[self.start..self.end], b"\r\n\r\n") {
                let head = &self.buffer[self.start..self.start + at + 2];
                let seen = (look(head), framing(head)?);
                self.start += at + 4;
                return Ok(Some(seen));
            }
            if self.fill(from).await? == 0 {
                return if self.start == self.end { Ok(None) } else { Err(cut()) };
            }
        }
    }

    /// Reads a body, passes its pieces to `take`, and says how long it was.
    pub(crate) async fn body<R>(
        &mut self,
        from: &mut R,
        framing: Framing,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<u64>
    where
        R: AsyncRead + Unpin,
    {
        match framing {
            Framing::Length(length) => self.exactly(from, length, &mut take).await,
            Framing::Chunked => self.chunks(from, &mut take).await,
        }
    }

    async fn chunks<R>(&mut self, from: &mut R, take: &mut impl FnMut(&[u8])) -> io::Result<u64>
    where
        R: AsyncRead + Unpin,
    {
        let mut total = 0;
        loop {
            let size = self.line(from, chunk_size).await??;
            if size == 0 {
                break;
            }
            total += self.exactly(from, size, take).await?;
            self.line(from, |_| ()).await?;
        }
        while !self.line(from, <[u8]>::is_empty).await? {}
        Ok(total)
    }

    async fn exactly<R>(&mut self, from: &mut R, length: u64, take: &mut impl FnMut(&[u8])) -> io::Result<u64>
    where
        R: AsyncRead + Unpin,
    {
        let mut left = length;
        while left > 0 {
            if self.start == self.end && self.fill(from).await? == 0 {
                return Err(cut());
            }
            let here = (self.end - self.start).min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&self.buffer[self.start..self.start + here]);
            self.start += here;
            left -= here as u64;
        }
        Ok(length)
    }

    async fn line<R, T>(&mut self, from: &mut R, look: impl FnOnce(&[u8]) -> T) -> io::Result<T>
    where
        R: AsyncRead + Unpin,
    {
        loop {
            if let Some(at) = find(&self.buffer[self.start..self.end], b"\r\n") {
                let seen = look(&self.buffer[self.start..self.start + at]);
                self.start += at + 2;
                return Ok(seen);
            }
            if self.fill(from).await? == 0 {
                return Err(cut());
            }
        }
    }

    async fn fill<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(io::Error::other("a head or line is larger than the buffer"));
        }
        let read = from.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read)
    }
}

/// The value of a header; the head ends in the line end of its last field.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let (field, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        field.eq_ignore_ascii_case(name.as_bytes()).then(|| std::str::from_utf8(value).ok().map(str::trim))?
    })
}

/// The body of `length` bytes that the origin answers and the load sends: cheap to make, not constant.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| b"0123456789abcdef"[(at ^ (at >> 8)) & 15]).collect()
}

fn framing(head: &[u8]) -> io::Result<Framing> {
    if header(head, "transfer-encoding").is_some() {
        return Ok(Framing::Chunked);
    }
    match header(head, "content-length") {
        None => Ok(Framing::Length(0)),
        Some(text) => text.parse().map(Framing::Length).map_err(io::Error::other),
    }
}

fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(io::Error::other)?;
    u64::from_str_radix(text.trim(), 16).map_err(io::Error::other)
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
