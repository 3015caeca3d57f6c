//! `alewife healthcheck`: a probe for images that have neither a shell nor curl.

use std::io::ErrorKind::ConnectionRefused;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use http::{StatusCode, Uri};

use super::duration::positive;

/// A reply beyond this is none of ours.
const LARGEST_REPLY: u64 = 64 * 1024;

/// The pause after a refused connection.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Asks a running sidecar whether it is ready: exit status 0 if it is, 1 otherwise.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "A refused connection is tried again until --timeout is over: a sidecar that has just been started \
may not listen yet.\n\nExamples:\n  alewife healthcheck\n\nin a Dockerfile:\n  HEALTHCHECK CMD [\"alewife\", \"healthcheck\"]"
)]
pub(super) struct HealthcheckArgs {
    /// The page that answers with 200 where all is well; http only, and /readyz unless a path is given.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9180/readyz")]
    url: Target,
    /// The longest wait, with its unit: 500ms, 3s, 1m.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive)]
    timeout: Duration,
}

/// Runs the probe; says on standard error why it failed.
pub(super) fn run(args: HealthcheckArgs) -> ExitCode {
    let HealthcheckArgs { url, timeout } = args;
    let text = url.uri.to_string();
    match probe(url, timeout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error changes nothing about the answer.
            let _ = writeln!(io::stderr(), "alewife healthcheck: {text}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A URL that the probe can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    uri: Uri,
    host: String,
    port: u16,
}

impl Target {
    fn request(&self) -> String {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        // The admin listener has nothing at the root: an address alone asks whether it is ready.
        let path = if path == "/" { "/readyz" } else { path };
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        // HTTP/1.0: the server closes after its reply and does not chunk it.
        format!("GET {path} HTTP/1.0\r\nhost: {authority}\r\nuser-agent: alewife-healthcheck\r\n\r\n")
    }
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

/// Why a text is no URL for the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NotATarget {
    #[error("not a URL such as http://127.0.0.1:9180/readyz")]
    Malformed,
    #[error("only http:// can be asked")]
    Scheme,
    #[error("a user name cannot be sent")]
    UserInfo,
}

/// Why the sidecar does not count as healthy.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error("the connection broke: {0}")]
    Broke(io::Error),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("{status}{reasons}")]
    Status { status: StatusCode, reasons: String },
    #[error("no thread to ask from: {0}")]
    Thread(io::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// Asks on a thread of its own: looking up a name has no deadline, waiting for the thread has.
fn probe(target: Target, timeout: Duration) -> Result<(), Unhealthy> {
    let (sender, answer) = mpsc::channel();
    let began = Instant::now();
    let ask = move || {
        // The receiver is gone if the time was up.
        let _ = sender.send(patiently(began, timeout, || ask(&target)));
    };
    thread::Builder::new().spawn(ask).map_err(Unhealthy::Thread)?;
    match answer.recv_timeout(timeout) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(Unhealthy::TimedOut(timeout)),
        Err(RecvTimeoutError::Disconnected) => Err(Unhealthy::NotHttp),
    }
}

/// Asks again where nobody listens yet, as long as there is time for another try.
fn patiently(
    began: Instant,
    timeout: Duration,
    mut ask: impl FnMut() -> Result<(), Unhealthy>,
) -> Result<(), Unhealthy> {
    loop {
        let answer = ask();
        let refused = matches!(&answer, Err(Unhealthy::Connect(error)) if error.kind() == ConnectionRefused);
        // The second pause leaves the refusal the time to be told.
        if !refused || began.elapsed() + 2 * BETWEEN_TRIES >= timeout {
            return answer;
        }
        thread::sleep(BETWEEN_TRIES);
    }
}

fn ask(target: &Target) -> Result<(), Unhealthy> {
    let mut stream = TcpStream::connect((target.host.as_str(), target.port)).map_err(Unhealthy::Connect)?;
    stream.write_all(target.request().as_bytes()).map_err(Unhealthy::Broke)?;
    let mut reply = Vec::new();
    stream.take(LARGEST_REPLY).read_to_end(&mut reply).map_err(Unhealthy::Broke)?;
    judge(&String::from_utf8_lossy(&reply))
}

fn judge(reply: &str) -> Result<(), Unhealthy> {
    let status = status(reply).ok_or(Unhealthy::NotHttp)?;
    if status == StatusCode::OK {
        return Ok(());
    }
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(Unhealthy::Status { status, reasons: reasons(body) })
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

/// The first lines of the body behind a colon, fit for one line of a terminal.
fn reasons(body: &str) -> String {
    let lines: Vec<&str> = body.lines().map(str::trim).filter(|line| !line.is_empty()).take(5).collect();
    let text: String = lines.join("; ").chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    /// A server for one connection; reads the request, sends `reply` and closes.
    fn server(reply: &'static str) -> (Target, thread::JoinHandle<String>) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let target = format!("http://{}/readyz?full", listener.local_addr().unwrap()).parse().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(reply.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (target, serving)
    }

    fn failure(reply: &'static str) -> String {
        let (target, serving) = server(reply);
        let error = probe(target, Duration::from_secs(60)).unwrap_err().to_string();
        serving.join().unwrap();
        error
    }

    #[test]
    fn status_200_is_healthy() {
        let (target, serving) = server("HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nok\n");
        let host = format!("{}:{}", target.host, target.port);
        probe(target, Duration::from_secs(60)).unwrap();
        let request = serving.join().unwrap();
        let expected =
            format!("GET /readyz?full HTTP/1.0\r\nhost: {host}\r\nuser-agent: alewife-healthcheck\r\n\r\n");
        assert_eq!(request, expected);
    }

    #[test]
    fn any_other_status_is_told_with_the_reasons_on_one_line() {
        let reply =
            "HTTP/1.1 503 Service Unavailable\r\n\r\nno key that seals is valid\n\u{1b}[31mstopping\n";
        assert_eq!(failure(reply), "503 Service Unavailable: no key that seals is valid; [31mstopping");
        assert_eq!(failure("HTTP/1.1 404 Not Found\r\n\r\n"), "404 Not Found");
        assert_eq!(failure("HTTP/1.1 204 No Content\r\n\r\n"), "204 No Content");
    }

    #[test]
    fn what_is_not_http_is_not_healthy() {
        for reply in
            ["", "200 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK"]
        {
            assert_eq!(failure(reply), "the answer is not HTTP", "{reply:?}");
        }
    }

    #[test]
    fn a_server_that_never_answers_is_given_up_after_the_timeout() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let target = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let error = probe(target, Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 10ms");
    }

    #[test]
    fn nobody_listening_is_told() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let target = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let error = patiently(Instant::now(), Duration::ZERO, || ask(&target)).unwrap_err();
        assert!(matches!(&error, Unhealthy::Connect(io) if io.kind() == ConnectionRefused), "{error}");
    }

    #[test]
    fn a_refused_connection_is_tried_again_and_nothing_else_is() {
        let refused = || Unhealthy::Connect(ConnectionRefused.into());
        let tried = |mut answers: Vec<Result<(), Unhealthy>>| {
            let answer = patiently(Instant::now(), Duration::from_secs(60), || answers.pop().unwrap());
            (answer.map_err(|error| error.to_string()), answers.len())
        };
        assert_eq!(tried(vec![Ok(()), Err(refused()), Err(refused())]), (Ok(()), 0));
        let broken = || Unhealthy::Connect(io::ErrorKind::AddrNotAvailable.into());
        assert_eq!(tried(vec![Ok(()), Err(broken())]), (Err(broken().to_string()), 1));
        assert_eq!(tried(vec![Ok(()), Err(Unhealthy::NotHttp)]), (Err(Unhealthy::NotHttp.to_string()), 1));
    }

    #[test]
    fn a_url_is_taken_apart_when_it_is_parsed() {
        let parse = |text: &str| text.parse::<Target>();
        let target = parse("http://[::1]:9180").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 9180));
        assert!(target.request().starts_with("GET /readyz HTTP/1.0\r\nhost: [::1]:9180\r\n"));
        assert_eq!(parse("http://kitchen/livez").unwrap().port, 80);
        assert_eq!(parse("https://kitchen/livez"), Err(NotATarget::Scheme));
        assert_eq!(parse("/livez"), Err(NotATarget::Scheme));
        assert_eq!(parse("http://"), Err(NotATarget::Malformed));
        assert_eq!(parse("http://user@kitchen/"), Err(NotATarget::UserInfo));
    }

    #[test]
    fn the_defaults_ask_the_default_admin_listener() {
        #[derive(clap::Parser)]
        struct Probe {
            #[command(flatten)]
            args: HealthcheckArgs,
        }
        let args = <Probe as clap::Parser>::try_parse_from(["probe"]).unwrap().args;
        let admin = crate::admin::AdminConfig::default().listen;
        assert_eq!(args.url, format!("http://{admin}/readyz").parse().unwrap());
        assert_eq!(args.timeout, Duration::from_secs(3));
    }
}
