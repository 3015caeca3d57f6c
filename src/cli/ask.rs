//! Asking a running sidecar's admin listener, without a runtime: one request, one reply, one deadline.

use std::io::ErrorKind::ConnectionRefused;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use http::{StatusCode, Uri};

/// The pause after a refused connection.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// A URL that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) uri: Uri,
    host: String,
    port: u16,
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| NotATarget::Malformed)?;
        if uri.scheme_str() != Some("http") {
            return Err(NotATarget::Scheme);
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(NotATarget::UserInfo);
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(NotATarget::Malformed)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(80);
        Ok(Self { uri, host, port })
    }
}

/// Why a text is no URL that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotATarget {
    #[error("not a URL such as http://127.0.0.1:9180/readyz")]
    Malformed,
    #[error("only http:// can be asked")]
    Scheme,
    #[error("a user name cannot be sent")]
    UserInfo,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The page, where the URL names none: the admin listener has nothing at the root.
    pub(super) page: &'static str,
    /// Who asks.
    pub(super) agent: &'static str,
    /// A reply of so many bytes is none of ours.
    pub(super) largest: u64,
}

impl Question {
    fn to(&self, target: &Target) -> String {
        let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path == "/" { self.page } else { path };
        let authority = target.uri.authority().map_or("", |authority| authority.as_str());
        let agent = self.agent;
        // HTTP/1.0: the server closes after its reply and does not chunk it.
        format!("GET {path} HTTP/1.0\r\nhost: {authority}\r\nuser-agent: {agent}\r\n\r\n")
    }
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Answer {
    fn read(reply: &str) -> Result<Self, Unanswered> {
        let status = status(reply).ok_or(Unanswered::NotHttp)?;
        let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        Ok(Self { status, body })
    }

    /// The first lines of the body behind a colon, fit for one line of a terminal.
    pub(super) fn reasons(&self) -> String {
        let lines = self.body.lines().map(str::trim).filter(|line| !line.is_empty()).take(5);
        let text = lines.collect::<Vec<_>>().join("; ");
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        if text.is_empty() { text } else { format!(": {text}") }
    }
}

fn status(reply: &str) -> Option<StatusCode> {
    let (line, _) = reply.split_once("\r\n")?;
    let (version, rest) = line.split_once(' ')?;
    let code = rest.split(' ').next()?;
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") || code.len() != 3 {
        return None;
    }
    code.parse().ok()
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the connection broke: {0}")]
    Broke(io::Error),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("no thread to ask from: {0}")]
    Thread(io::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// Asks on a thread of its own: looking up a name has no deadline, waiting for the thread has. A refused connection is
/// tried again, since a sidecar that has just been started may not listen yet.
pub(super) fn ask(target: Target, question: Question, timeout: Duration) -> Result<Answer, Unanswered> {
    let (sender, answer) = mpsc::channel();
    let began = Instant::now();
    let ask = move || {
        // The receiver is gone if the time was up.
        let _ = sender.send(patiently(began, timeout, || ask_once(&target, question)));
    };
    thread::Builder::new().spawn(ask).map_err(Unanswered::Thread)?;
    match answer.recv_timeout(timeout) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(Unanswered::TimedOut(timeout)),
        Err(RecvTimeoutError::Disconnected) => Err(Unanswered::NotHttp),
    }
}

/// Asks again where nobody listens yet, as long as there is time for another try.
fn patiently<T>(
    began: Instant,
    timeout: Duration,
    mut ask: impl FnMut() -> Result<T, Unanswered>,
) -> Result<T, Unanswered> {
    loop {
        let answer = ask();
        let refused = matches!(&answer, Err(Unanswered::Connect(error)) if error.kind() == ConnectionRefused);
        // The second pause leaves the refusal the time to be told.
        if !refused || began.elapsed() + 2 * BETWEEN_TRIES >= timeout {
            return answer;
        }
        thread::sleep(BETWEEN_TRIES);
    }
}

fn ask_once(target: &Target, question: Question) -> Result<Answer, Unanswered> {
    let mut stream = TcpStream::connect((target.host.as_str(), target.port)).map_err(Unanswered::Connect)?;
    stream.write_all(question.to(target).as_bytes()).map_err(Unanswered::Broke)?;
    let mut reply = Vec::new();
    stream.take(question.largest).read_to_end(&mut reply).map_err(Unanswered::Broke)?;
    Answer::read(&String::from_utf8_lossy(&reply))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    const QUESTION: Question = Question { page: "/readyz", agent: "tester", largest: 1024 };

    fn asked(target: Target, timeout: Duration) -> Unanswered {
        ask(target, QUESTION, timeout).unwrap_err()
    }

    #[test]
    fn a_server_that_never_answers_is_given_up_after_the_timeout() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let target = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        assert_eq!(asked(target, Duration::from_millis(10)).to_string(), "no answer within 10ms");
    }

    #[test]
    fn nobody_listening_is_told() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let target = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let error = patiently(Instant::now(), Duration::ZERO, || ask_once(&target, QUESTION)).unwrap_err();
        assert!(matches!(&error, Unanswered::Connect(io) if io.kind() == ConnectionRefused), "{error}");
    }

    #[test]
    fn a_refused_connection_is_tried_again_and_nothing_else_is() {
        let refused = || Unanswered::Connect(ConnectionRefused.into());
        let tried = |mut answers: Vec<Result<(), Unanswered>>| {
            let answer = patiently(Instant::now(), Duration::from_secs(60), || answers.pop().unwrap());
            (answer.map_err(|error| error.to_string()), answers.len())
        };
        assert_eq!(tried(vec![Ok(()), Err(refused()), Err(refused())]), (Ok(()), 0));
        let broken = || Unanswered::Connect(io::ErrorKind::AddrNotAvailable.into());
        assert_eq!(tried(vec![Ok(()), Err(broken())]), (Err(broken().to_string()), 1));
        assert_eq!(tried(vec![Ok(()), Err(Unanswered::NotHttp)]), (Err(Unanswered::NotHttp.to_string()), 1));
    }

    #[test]
    fn a_url_is_taken_apart_when_it_is_parsed() {
        let parse = |text: &str| text.parse::<Target>();
        let target = parse("http://[::1]:9180").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 9180));
        let request = "GET /readyz HTTP/1.0\r\nhost: [::1]:9180\r\nuser-agent: tester\r\n\r\n";
        assert_eq!(QUESTION.to(&target), request);
        assert_eq!(parse("http://kitchen/livez").unwrap().port, 80);
        assert_eq!(parse("https://kitchen/livez"), Err(NotATarget::Scheme));
        assert_eq!(parse("/livez"), Err(NotATarget::Scheme));
        assert_eq!(parse("http://"), Err(NotATarget::Malformed));
        assert_eq!(parse("http://user@kitchen/"), Err(NotATarget::UserInfo));
    }
}
