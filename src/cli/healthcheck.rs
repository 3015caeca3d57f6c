//! `alewife healthcheck`: a probe for images that have neither a shell nor curl.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::StatusCode;

use super::ask::{self, Question, Target, Unanswered};
use super::duration::positive;

const QUESTION: Question = Question { page: "/readyz", agent: "alewife-healthcheck", largest: 64 * 1024 };

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

/// Why the sidecar does not count as healthy.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error("{status}{reasons}")]
    Status { status: StatusCode, reasons: String },
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

fn probe(target: Target, timeout: Duration) -> Result<(), Unhealthy> {
    let answer = ask::ask(target, QUESTION, timeout)?;
    match answer.status {
        StatusCode::OK => Ok(()),
        status => Err(Unhealthy::Status { status, reasons: answer.reasons() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

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
        let host = target.uri.authority().unwrap().to_string();
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
    fn the_defaults_ask_the_default_admin_listener() {
        #[derive(clap::Parser)]
        struct Probe {
            #[command(flatten)]
            args: HealthcheckArgs,
        }
        let args = <Probe as clap::Parser>::try_parse_from(["probe"]).unwrap().args;
        let admin = crate::admin::AdminConfig::LISTEN;
        assert_eq!(args.url, format!("http://{admin}/readyz").parse().unwrap());
        assert_eq!(args.timeout, Duration::from_secs(3));
    }
}
