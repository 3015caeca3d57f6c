//! Turning connections away: an answer written soon, and no place taken by whoever it is for.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::Socket;

/// How long the first bytes of one are waited for. A client that is answered before it has asked may take that for no answer
/// at all.
const SPEAKS: Duration = Duration::from_millis(20);
/// How long one is read on that was turned away. To close with bytes unread would reset the connection, and its client
/// might lose the answer.
const LINGER: Duration = Duration::from_secs(1);
/// How many are waited for and linger at once, all together; with more the first leave early.
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
#[derive(Default)]
pub(super) struct Shedder {
    /// They have not said anything yet; each with its answer.
    silent: VecDeque<(Instant, Socket, Bytes)>,
    lingering: VecDeque<(Instant, Socket)>,
}

impl Shedder {
    /// Turns a non-blocking socket away.
    pub(super) fn turn_away(&mut self, socket: impl Into<Socket>, answer: &TurnedAway, now: Instant) {
        let TurnedAway::Answered(reply) = answer else { return };
        let socket = socket.into();
        self.make_room(now);
        if has_spoken(&socket) {
            self.answer(socket, reply, now);
            return;
        }
        self.silent.push_back((now, socket, reply.clone()));
    }

    fn answer(&mut self, socket: Socket, reply: &Bytes, now: Instant) {
        let mut begins = [0; 2048];
        let came = (&socket).read(&mut begins).unwrap_or(0);
        let answer = if begins[..came].starts_with(PREFACE) { GOAWAY } else { reply };
        // Nothing is in its way on a fresh socket; whoever has gone already needs no answer.
        if (&socket).write(answer).is_err() || socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        self.lingering.push_back((now, socket));
    }

    /// Whoever has its answer goes first.
    fn make_room(&mut self, now: Instant) {
        while self.silent.len() + self.lingering.len() >= LINGERING {
            if let Some((_, first)) = self.lingering.pop_front() {
                close(&first);
            } else if let Some((_, first, reply)) = self.silent.pop_front() {
                self.answer(first, &reply, now);
            }
        }
    }

    /// When the first one's time is over, if there is any.
    pub(super) fn due(&self) -> Option<Instant> {
        let silent = self.silent.front().map(|(since, ..)| *since + SPEAKS);
        let lingering = self.lingering.front().map(|(since, _)| *since + LINGER);
        silent.into_iter().chain(lingering).min()
    }

    /// Answers and closes those whose time is over.
    pub(super) fn look(&mut self, now: Instant) {
        let has_waited =
            |(since, ..): &(Instant, Socket, Bytes)| now.saturating_duration_since(*since) >= SPEAKS;
        while self.silent.front().is_some_and(has_waited)
            && let Some((_, socket, reply)) = self.silent.pop_front()
        {
            self.answer(socket, &reply, now);
        }
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
        let now = Instant::now();
        while let Some((_, socket, reply)) = self.silent.pop_front() {
            self.answer(socket, &reply, now);
        }
        self.lingering.iter().for_each(|(_, socket)| close(socket));
    }
}

/// Whether something has come, or nothing ever will.
fn has_spoken(socket: &Socket) -> bool {
    let mut first = [std::mem::MaybeUninit::uninit()];
    !socket.peek(&mut first).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
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

    fn answered() -> TurnedAway {
        TurnedAway::Answered(Bytes::from_static(REPLY))
    }

    fn told(mut client: &TcpStream) -> std::io::Result<Vec<u8>> {
        let mut told = Vec::new();
        client.read_to_end(&mut told).map(|_| told)
    }

    #[test]
    fn silent_client_is_answered_and_closed() {
        let (client, server) = pair();
        let mut shedder = Shedder::default();
        let now = Instant::now();
        shedder.turn_away(server, &answered(), now);
        assert_eq!(shedder.due(), Some(now + SPEAKS));
        shedder.look(now + SPEAKS);
        assert_eq!(told(&client).unwrap(), REPLY);
    }

    #[test]
    fn client_that_says_something_is_answered_after_that() {
        let (mut client, server) = pair();
        let mut shedder = Shedder::default();
        let now = Instant::now();
        shedder.turn_away(server, &answered(), now);
        client.set_nonblocking(true).unwrap();
        let nothing_yet = client.peek(&mut [0]).unwrap_err();
        assert_eq!(nothing_yet.kind(), ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        shedder.look(now + SPEAKS);
        assert_eq!(told(&client).unwrap(), REPLY);
    }

    #[test]
    fn client_that_has_sent_its_request_reads_the_answer_whole() {
        let (mut client, server) = pair();
        client.write_all(&[b'x'; 30_000]).unwrap();
        let mut peek = [0];
        // It has come, as far as the system goes.
        while server.peek(&mut peek).is_err() {}
        let mut shedder = Shedder::default();
        let now = Instant::now();
        shedder.turn_away(server, &answered(), now);
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
        let mut shedder = Shedder::default();
        shedder.turn_away(server, &answered(), Instant::now());
        let told = told(&client).unwrap();
        assert_eq!(told, GOAWAY);
        assert_eq!((told.len(), told[3], told[9 + 3]), (9 + 9 + 8, 4, 7));
    }

    #[test]
    fn connection_without_words_in_clear_is_closed() {
        let (client, server) = pair();
        let mut shedder = Shedder::default();
        shedder.turn_away(server, &TurnedAway::Closed, Instant::now());
        assert_eq!(told(&client).unwrap(), b"");
        assert_eq!(shedder.due(), None);
    }

    #[test]
    fn no_more_than_so_many_linger_and_the_first_leave_first() {
        let mut shedder = Shedder::default();
        let now = Instant::now();
        let clients: Vec<_> = (0..LINGERING + 3)
            .map(|_| {
                let (client, server) = pair();
                shedder.turn_away(server, &answered(), now);
                client
            })
            .collect();
        // The first was answered and had to go for the second, and so on.
        assert_eq!(shedder.silent.len() + shedder.lingering.len(), LINGERING);
        shedder.look(now + SPEAKS);
        assert_eq!(shedder.silent.len(), 0);
        let now = now + SPEAKS;
        assert_eq!(shedder.lingering.len(), LINGERING);
        assert!(clients.iter().all(|client| told(client).unwrap() == REPLY));
        shedder.look(now + LINGER - Duration::from_millis(1));
        assert_eq!(shedder.lingering.len(), LINGERING);
        shedder.look(now + LINGER);
        assert_eq!(shedder.due(), None);
    }
}
