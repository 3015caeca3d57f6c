//! Turning connections away: an answer written at once, and no place taken by whoever it is for.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::Socket;

/// How long one is read on that was turned away. To close with bytes unread would reset the connection, and its client
/// might lose the answer.
const LINGER: Duration = Duration::from_secs(1);
/// How many linger at once; with more the first leaves early.
const LINGERING: usize = 512;
/// How much is read away of what one sends; past it, let it be reset.
const READ_AWAY: usize = 64 * 1024;
/// How a client begins that speaks HTTP/2 without having asked (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Empty settings, and GOAWAY without an error: no stream was looked at, and any may be sent again elsewhere.
const GOAWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What is said to those who are turned away.
#[derive(Clone, Debug)]
pub enum TurnedAway {
    /// Nothing: the connection is closed, since a word in clear would not be understood there.
    Closed,
    /// This reply under HTTP/1, whole; GOAWAY to whoever begins as HTTP/2 does.
    Answered(Bytes),
}

/// Those who are turned away, for as long as they may need to read why.
pub(super) struct Shedder {
    answer: TurnedAway,
    lingering: VecDeque<(Instant, Socket)>,
}

impl Shedder {
    pub(super) fn new(answer: TurnedAway) -> Self {
        Self { answer, lingering: VecDeque::new() }
    }

    /// Turns a non-blocking socket away.
    pub(super) fn turn_away(&mut self, socket: impl Into<Socket>, now: Instant) {
        let TurnedAway::Answered(reply) = &self.answer else { return };
        let socket = socket.into();
        let mut begins = [0; 2048];
        let came = (&socket).read(&mut begins).unwrap_or(0);
        let answer = if begins[..came].starts_with(PREFACE) { GOAWAY } else { reply };
        // Nothing is in its way on a fresh socket; whoever has gone already needs no answer.
        if (&socket).write(answer).is_err() || socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        if self.lingering.len() >= LINGERING
            && let Some((_, first)) = self.lingering.pop_front()
        {
            close(&first);
        }
        self.lingering.push_back((now, socket));
    }

    /// When the first one's time is over, if any lingers.
    pub(super) fn due(&self) -> Option<Instant> {
        self.lingering.front().map(|(since, _)| *since + LINGER)
    }

    /// Closes those whose time is over.
    pub(super) fn look(&mut self, now: Instant) {
        let is_over = |(since, _): &(Instant, Socket)| now.saturating_duration_since(*since) >= LINGER;
        while self.lingering.front().is_some_and(is_over)
            && let Some((_, socket)) = self.lingering.pop_front()
        {
            close(&socket);
        }
    }
}

impl Drop for Shedder {
    fn drop(&mut self) {
        self.lingering.iter().for_each(|(_, socket)| close(socket));
    }
}

/// Reads away what has come, so that the close that follows is none with bytes unread.
fn close(mut socket: &Socket) {
    let mut scratch = [0; 8 * 1024];
    let mut read_away = 0;
    while read_away < READ_AWAY
        && let Ok(read) = socket.read(&mut scratch)
        && read > 0
    {
        read_away += read;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const REPLY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\r\n";

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, server)
    }

    fn shedder() -> Shedder {
        Shedder::new(TurnedAway::Answered(Bytes::from_static(REPLY)))
    }

    fn told(mut client: &TcpStream) -> std::io::Result<Vec<u8>> {
        let mut told = Vec::new();
        client.read_to_end(&mut told).map(|_| told)
    }

    #[test]
    fn silent_client_is_answered_and_closed() {
        let (client, server) = pair();
        let mut shedder = shedder();
        shedder.turn_away(server, Instant::now());
        assert_eq!(told(&client).unwrap(), REPLY);
    }

    #[test]
    fn client_that_has_sent_its_request_reads_the_answer_whole() {
        let (mut client, server) = pair();
        client.write_all(&[b'x'; 30_000]).unwrap();
        let mut peek = [0];
        // It has come, as far as the system goes.
        while server.peek(&mut peek).is_err() {}
        let mut shedder = shedder();
        let now = Instant::now();
        shedder.turn_away(server, now);
        shedder.look(now + LINGER);
        assert_eq!(shedder.due(), None);
        assert_eq!(told(&client).unwrap(), REPLY);
    }

    #[test]
    fn http2_client_is_told_that_nothing_of_it_was_looked_at() {
        let (mut client, server) = pair();
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut peek = [0];
        while server.peek(&mut peek).is_err() {}
        let mut shedder = shedder();
        shedder.turn_away(server, Instant::now());
        let told = told(&client).unwrap();
        assert_eq!(told, GOAWAY);
        assert_eq!((told.len(), told[3], told[9 + 3]), (9 + 9 + 8, 4, 7));
    }

    #[test]
    fn connection_without_words_in_clear_is_closed() {
        let (client, server) = pair();
        let mut shedder = Shedder::new(TurnedAway::Closed);
        shedder.turn_away(server, Instant::now());
        assert_eq!(told(&client).unwrap(), b"");
        assert_eq!(shedder.due(), None);
    }

    #[test]
    fn no_more_than_so_many_linger_and_the_first_leave_first() {
        let mut shedder = shedder();
        let now = Instant::now();
        let clients: Vec<_> = (0..LINGERING + 3)
            .map(|_| {
                let (client, server) = pair();
                shedder.turn_away(server, now);
                client
            })
            .collect();
        assert_eq!(shedder.lingering.len(), LINGERING);
        assert!(clients.iter().all(|client| told(client).unwrap() == REPLY));
        shedder.look(now + LINGER - Duration::from_millis(1));
        assert_eq!(shedder.lingering.len(), LINGERING);
        shedder.look(now + LINGER);
        assert_eq!(shedder.due(), None);
    }
}
