//! Whether the applications can be reached, for whoever asks what is wrong. Readiness does not hang on it.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::net::{ConnectFault, UpstreamAddress, reach};

/// How long an application may take to accept a connection, before a probe with a limit of a second gives up.
const LIMIT: Duration = Duration::from_millis(500);

/// How long an answer is good for, so that whoever asks often makes no load of it.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// One application, and who stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The first proxy that it belongs to.
    pub proxy: Arc<str>,
    /// Its URL, as it is shown.
    pub upstream: String,
    /// Where it is.
    pub address: UpstreamAddress,
}

/// All applications, asked together.
#[derive(Default)]
pub struct Applications(ArcSwap<Asked>);

#[derive(Default)]
struct Asked {
    applications: Vec<Application>,
    last: Arc<Mutex<Option<Answer>>>,
}

struct Answer {
    at: Instant,
    findings: Arc<[Finding]>,
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    application: Application,
    reached: Result<(), &'static str>,
}

impl Finding {
    /// What it says where `is_local`; over a network nobody is told where applications are.
    pub(super) fn line(&self, is_local: bool) -> String {
        let Self { application: Application { proxy, upstream, .. }, reached } = self;
        let place = if is_local { format!(" {upstream}:") } else { String::new() };
        let said = reached.err().unwrap_or("reachable");
        format!("[~]upstream-{proxy}{place} {said} (optional)\n")
    }
}

impl Applications {
    /// These are asked from now on.
    pub fn are(&self, applications: Vec<Application>) {
        self.0.store(Arc::new(Asked { applications, ..Asked::default() }));
    }

    /// What came of asking all of them, now or within the last second.
    pub(super) async fn findings(&self) -> Arc<[Finding]> {
        let asked = self.0.load_full();
        // Whoever comes while they are asked waits here, and is told the same.
        let mut last = Arc::clone(&asked.last).lock_owned().await;
        if let Some(answer) = last.as_ref().filter(|answer| answer.at.elapsed() < GOOD_FOR) {
            return Arc::clone(&answer.findings);
        }
        // On its own, so that somebody who goes away at once leaves an answer for the next as well.
        let asking = tokio::spawn(async move {
            let findings = ask(&asked.applications).await;
            *last = Some(Answer { at: Instant::now(), findings: Arc::clone(&findings) });
            findings
        });
        asking.await.unwrap_or_default()
    }
}

impl fmt::Debug for Applications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Applications").field(&self.0.load().applications).finish()
    }
}

async fn ask(applications: &[Application]) -> Arc<[Finding]> {
    let attempt = |application: &Application| {
        let address = application.address.clone();
        tokio::spawn(async move { timeout(LIMIT, reach(&address)).await })
    };
    let attempts: Vec<_> = applications.iter().map(attempt).collect();
    let mut findings = Vec::new();
    for (application, attempt) in applications.iter().zip(attempts) {
        let reached = match attempt.await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(fault))) => Err(in_short(&fault)),
            Ok(Err(_elapsed)) => Err("no answer"),
            Err(_broke_off) => Err("cannot be asked"),
        };
        findings.push(Finding { application: application.clone(), reached });
    }
    findings.into()
}

/// Without the system's words, which may name more than whoever asks should know.
fn in_short(fault: &ConnectFault) -> &'static str {
    let ConnectFault::Refused(error) = fault else { return "no answer" };
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::NotFound => "no such socket",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::TimedOut => "no answer",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no way there",
        _ => "cannot be reached",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::Path;

    use tokio::net::TcpListener;

    use super::*;

    fn application(proxy: &str, address: UpstreamAddress) -> Application {
        let upstream = match &address {
            UpstreamAddress::Inet { .. } => format!("http://{address}"),
            UpstreamAddress::Unix(_) => address.to_string(),
        };
        Application { proxy: proxy.into(), upstream, address }
    }

    fn inet(address: SocketAddr) -> UpstreamAddress {
        UpstreamAddress::Inet { host: address.ip().to_string(), port: address.port() }
    }

    async fn listener() -> (TcpListener, UpstreamAddress) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = inet(listener.local_addr().unwrap());
        (listener, address)
    }

    async fn lines(applications: &Applications, is_local: bool) -> Vec<String> {
        applications.findings().await.iter().map(|finding| finding.line(is_local)).collect()
    }

    /// How many connections wait to be accepted.
    async fn waiting(listener: &TcpListener) -> usize {
        let mut count = 0;
        while timeout(Duration::ZERO, listener.accept()).await.is_ok_and(|accepted| accepted.is_ok()) {
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn each_application_is_told_with_what_came_of_it() {
        let (_there, reachable) = listener().await;
        let (gone, refusing) = listener().await;
        drop(gone);
        let missing = UpstreamAddress::Unix(Path::new("/nowhere/at/all.sock").into());
        let applications = Applications::default();
        assert!(lines(&applications, true).await.is_empty());
        applications.are(vec![
            application("kitchen", reachable.clone()),
            application("bar", refusing.clone()),
            application("till", missing),
        ]);
        let expected = [
            format!("[~]upstream-kitchen http://{reachable}: reachable (optional)\n"),
            format!("[~]upstream-bar http://{refusing}: connection refused (optional)\n"),
            "[~]upstream-till unix:/nowhere/at/all.sock: no such socket (optional)\n".to_owned(),
        ];
        assert_eq!(lines(&applications, true).await, expected);
        let expected = [
            "[~]upstream-kitchen reachable (optional)\n",
            "[~]upstream-bar connection refused (optional)\n",
            "[~]upstream-till no such socket (optional)\n",
        ];
        assert_eq!(lines(&applications, false).await, expected);
    }

    /// Under a clock that jumps to the limit.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn application_that_takes_no_connection_is_given_up_within_the_limit() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // The only one that the queue has a place for.
        let _queued = std::net::TcpStream::connect(address).unwrap();
        let applications = Applications::default();
        applications.are(vec![application("kitchen", inet(address))]);
        let began = Instant::now();
        assert_eq!(lines(&applications, false).await, ["[~]upstream-kitchen no answer (optional)\n"]);
        assert_eq!(began.elapsed().as_millis(), LIMIT.as_millis());
    }

    #[tokio::test]
    async fn many_who_ask_within_a_second_make_one_connection() {
        let (listener, address) = listener().await;
        let applications = Arc::new(Applications::default());
        applications.are(vec![application("kitchen", address)]);
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let applications = Arc::clone(&applications);
                tokio::spawn(async move { applications.findings().await.len() })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap(), 1);
        }
        assert_eq!(waiting(&listener).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn answer_is_good_for_a_second_and_not_for_longer() {
        let (listener, address) = listener().await;
        let applications = Applications::default();
        applications.are(vec![application("kitchen", address)]);
        let first = applications.findings().await;
        tokio::time::advance(GOOD_FOR - Duration::from_millis(1)).await;
        assert!(Arc::ptr_eq(&first, &applications.findings().await));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!Arc::ptr_eq(&first, &applications.findings().await));
        drop(listener);
    }

    #[tokio::test]
    async fn whoever_goes_away_at_once_makes_no_more_connections_than_others() {
        let (listener, address) = listener().await;
        let applications = Applications::default();
        applications.are(vec![application("kitchen", address)]);
        for _ in 0..50 {
            // Polled once, which begins to ask, and then dropped.
            let _ = timeout(Duration::ZERO, applications.findings()).await;
        }
        assert_eq!(applications.findings().await.len(), 1);
        assert_eq!(waiting(&listener).await, 1);
    }

    #[tokio::test]
    async fn others_are_asked_once_the_applications_are_others() {
        let ((_first, one), (_second, other)) = (listener().await, listener().await);
        let applications = Applications::default();
        applications.are(vec![application("kitchen", one)]);
        assert_eq!(applications.findings().await.len(), 1);
        applications.are(vec![application("bar", other.clone())]);
        let expected = [format!("[~]upstream-bar http://{other}: reachable (optional)\n")];
        assert_eq!(lines(&applications, true).await, expected);
    }
}
