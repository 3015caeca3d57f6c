//! A line for each exchange when it has ended; for a WebSocket when its session begins and when it has ended.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::capture::{Capture, Event, Kind, Summary};
use crate::cli::exit::Exit;
use crate::cli::paint::Paint;
use crate::cli::print;
use crate::cli::terminal::fit;
use crate::metrics::Outcome;

/// How long the last lines may take to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Characters of a path.
const WIDEST_PATH: usize = 60;

/// Characters of a method, and of a fingerprint.
const WIDEST_NAME: usize = 40;

/// Characters of a reason.
const WIDEST_REASON: usize = 300;

/// Prints the lines, on a thread of its own: who does not read them must not hold up what is served. Of those for whom the
/// reader is too slow it says how many there were.
pub(super) struct Printer(mpsc::Receiver<()>);

impl Printer {
    /// Prints what begins from now on.
    pub(super) fn start(capture: &Arc<Capture>) -> io::Result<Self> {
        let (finished, done) = mpsc::channel();
        let (events, kept) = (capture.listen(), capture.limits().exchanges);
        let lines = Lines::new(Paint::of_stdout(), TimeZone::system(), kept);
        thread::Builder::new().name("alewife-lines".to_owned()).spawn(move || {
            lines.print_all(events);
            drop(finished);
        })?;
        Ok(Self(done))
    }

    /// Returns once there is nothing left to print, if somebody reads it.
    pub(super) fn finish(self) {
        // It never sends; it ends.
        let _ = self.0.recv_timeout(LAST_LINES);
    }
}

struct Lines {
    paint: Paint,
    zone: TimeZone,
    /// The sessions that have begun.
    sessions: BTreeSet<u64>,
    /// As many exchanges are kept: of earlier ones nothing is heard any more.
    kept: u64,
}

impl Lines {
    fn new(paint: Paint, zone: TimeZone, kept: usize) -> Self {
        Self { paint, zone, sessions: BTreeSet::new(), kept: kept as u64 }
    }

    /// Until there is nobody left who could tell of anything.
    fn print_all(mut self, mut events: Receiver<Event>) {
        loop {
            let line = match events.blocking_recv() {
                Ok(event) => self.line(&event),
                Err(RecvError::Lagged(lost)) => Some(format!("({lost} events came too fast to be shown)")),
                Err(RecvError::Closed) => return,
            };
            if let Some(line) = line
                && print(&format!("{line}\n")) != Exit::Success
            {
                return;
            }
        }
    }

    fn line(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Exchange(summary) => self.exchange(summary),
            Event::Cleared => {
                self.sessions.clear();
                None
            }
            Event::Message { .. } | Event::Keys | Event::Faults => None,
        }
    }

    fn exchange(&mut self, summary: &Summary) -> Option<String> {
        let id = summary.id;
        if summary.done {
            let was_session = self.sessions.remove(&id) || summary.kind == Kind::WebSocket;
            return Some(self.written(summary, if was_session { "WebSocket ends" } else { "" }));
        }
        // The handshake's reply is what tells that there is a session.
        let begins = summary.kind == Kind::WebSocket && summary.status.is_some();
        self.sessions.retain(|known| known + self.kept >= id);
        (begins && self.sessions.insert(id)).then(|| self.written(summary, "WebSocket begins"))
    }

    fn written(&self, summary: &Summary, note: &str) -> String {
        let took = summary.duration.unwrap_or_default();
        let time = (summary.started + took).to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        // A query may bear what its sender thinks of as sealed.
        let path = summary.target.split('?').next().unwrap_or_default();
        let (method, path) = (fit(&summary.method, WIDEST_NAME), fit(path, WIDEST_PATH));
        let status = summary.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let bytes = format!("{}→{} B", summary.request_bytes, summary.reply_bytes);
        let key = summary.key.as_deref().map_or_else(|| "-".to_owned(), |key| fit(key, WIDEST_NAME));
        let algorithm = summary.algorithm.as_deref().unwrap_or("-");
        let before = format!("{method:<7} {path:<28}");
        let after = format!("{bytes:>14} {:>9}  {key:<12}  {algorithm:<11}", duration(took));
        let failure = failure(summary);
        let notes = [note.to_owned(), on_purpose(summary), failure.clone().unwrap_or_default()];
        let notes: Vec<_> = notes.into_iter().filter(|note| !note.is_empty()).collect();
        let after = format!("{after}  {}", notes.join("; "));
        let after = after.trim_end();
        let paint = self.paint;
        if failure.is_some() {
            return paint.failed(&format!("{time}  {before} {status:>3} {after}"));
        }
        let status = match summary.status {
            Some(400..) => paint.odd(&format!("{status:>3}")),
            _ => paint.plain(&format!("{status:>3}")),
        };
        format!("{}  {before} {status} {after}", paint.aside(&time))
    }
}

/// Why it failed, if it did: what the developer may know, and a peer may not.
fn failure(summary: &Summary) -> Option<String> {
    let failed = summary.outcome.filter(|outcome| *outcome != Outcome::Answered.label());
    let reason = summary.reason.clone().or_else(|| failed.map(|outcome| outcome.replace('_', " ")));
    reason.map(|reason| fit(&reason, WIDEST_REASON))
}

fn on_purpose(summary: &Summary) -> String {
    summary.fault.map(|fault| format!("on purpose: {}", fault.label())).unwrap_or_default()
}

fn duration(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{:.1} ms", took.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use crate::capture::Direction;

    use super::*;

    fn summary() -> Summary {
        Summary {
            id: 1,
            kind: Kind::Http,
            started: "2026-11-26T03:00:00Z".parse().unwrap(),
            proxy: "dev".into(),
            direction: Direction::Inbound,
            peer: "127.0.0.1".to_owned(),
            method: "POST".to_owned(),
            target: "/orders?table=7".to_owned(),
            done: true,
            status: Some(200),
            outcome: Some("answered"),
            reason: None,
            key: Some("dev-1a2b3c4d".to_owned()),
            algorithm: Some("AES-256-GCM".to_owned()),
            authenticated: true,
            request_bytes: 58,
            reply_bytes: 99,
            duration: Some(Duration::from_micros(1250)),
            request_id: String::new(),
            repeats: None,
            fault: None,
        }
    }

    fn lines(coloured: bool) -> Lines {
        Lines::new(Paint::new(coloured), TimeZone::UTC, 1000)
    }

    fn line(summary: Summary) -> String {
        lines(false).exchange(&summary).unwrap()
    }

    #[test]
    fn exchange_that_has_ended_has_a_line() {
        assert_eq!(
            line(summary()),
            "03:00:00  POST    /orders                      200        58→99 B    1.2 ms  dev-1a2b3c4d  AES-256-GCM"
        );
        assert_eq!(lines(false).exchange(&Summary { done: false, ..summary() }), None);
    }

    #[test]
    fn what_failed_is_red_and_says_why() {
        let failed = Summary {
            status: Some(400),
            outcome: Some("ale_error"),
            reason: Some("the tag does not verify\u{1b}[2J".to_owned()),
            ..summary()
        };
        assert!(line(failed.clone()).ends_with("AES-256-GCM  the tag does not verify\\u{1b}[2J"));
        let coloured = |summary| lines(true).exchange(&summary).unwrap();
        assert!(coloured(failed).starts_with("\u{1b}[1;31m03:00:00  POST"));
        assert!(!coloured(summary()).contains("\u{1b}[1;31m"));
        let gone =
            Summary { status: None, outcome: Some("client_gone"), key: None, algorithm: None, ..summary() };
        assert!(line(gone).ends_with("  client gone"));
    }

    #[test]
    fn what_a_peer_wrote_commands_no_terminal() {
        let text = line(Summary {
            target: "/\u{9b}2J\u{202e}?\u{1b}".to_owned(),
            key: Some("\r".to_owned()),
            ..summary()
        });
        assert!(text.chars().all(|c| c == '→' || matches!(c, ' '..='~')), "{text}");
        assert!(text.contains("/\\u{9b}2J\\u{202e} "), "{text}");
    }

    #[test]
    fn session_has_a_line_when_it_begins_and_one_when_it_ends() {
        let mut lines = lines(false);
        let open = Summary { kind: Kind::WebSocket, done: false, status: None, ..summary() };
        let begun = Summary { status: Some(101), ..open.clone() };
        let ended = Summary { done: true, duration: Some(Duration::from_secs(61)), ..begun.clone() };
        let told: Vec<_> =
            [open, begun.clone(), begun, ended].into_iter().map(|summary| lines.exchange(&summary)).collect();
        assert_eq!((&told[0], &told[2]), (&None, &None));
        assert!(told[1].as_ref().unwrap().ends_with("WebSocket begins"), "{told:?}");
        let last = told[3].as_ref().unwrap();
        assert!(last.starts_with("03:01:01  ") && last.contains("61.0 s"), "{last}");
        assert!(last.ends_with("WebSocket ends") && lines.sessions.is_empty(), "{last}");
    }
}
