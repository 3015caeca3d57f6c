use std::ffi::OsStr;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use serde_json::Value;
use tracing::dispatcher::with_default;

use super::lines::{Queue, spawn};
use super::sampling::LeftOut;
use super::{Level, LogConfig, LogFormat, Look, dispatch};

/// Long enough for any machine; reached only where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(level: Level) -> LogConfig {
    LogConfig { level, ..LogConfig::default() }
}

/// What `log` writes under this configuration.
fn written(config: &LogConfig, look: Look, log: impl FnOnce()) -> String {
    let left_out = LeftOut::new(Counter::default());
    let queue = Arc::new(Queue::new(super::CAPACITY, Counter::default(), Arc::clone(&left_out)));
    with_default(&dispatch(config, look, &queue, left_out), log);
    queue.waiting()
}

fn one_of_each_level() {
    tracing::error!(target: "alewife::proxy", "error");
    tracing::warn!(target: "alewife::proxy", "warn");
    tracing::info!(target: "alewife::proxy", "info");
    tracing::debug!(target: "alewife::proxy", "debug");
    tracing::trace!(target: "alewife::proxy", "trace");
}

/// The messages of JSON lines, in order.
fn messages(lines: &str) -> Vec<String> {
    let parse =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
    lines.lines().map(parse).collect()
}

#[test]
fn a_json_line_is_flat_with_the_time_in_utc() {
    let text = written(&LogConfig::default(), Look::Json, || {
        let span = tracing::info_span!(target: "alewife::proxy", "connection", peer = "203.0.113.7");
        let _inside = span.enter();
        tracing::info!(target: "alewife::access", status = 200, method = "POST", path = %"/a\"b", "exchange");
    });
    assert!(text.ends_with("}\n"));
    assert!(!text.contains('\u{1b}'));
    let line: Value = serde_json::from_str(&text).unwrap();
    let mut fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["level", "message", "method", "path", "status", "target", "timestamp"]);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "exchange");
    assert_eq!(line["path"], "/a\"b");
    assert_eq!(line["status"], 200);
    assert_eq!(line["target"], "alewife::access");
    let timestamp = line["timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with('Z'), "{timestamp}");
    timestamp.parse::<Timestamp>().unwrap();
}

#[test]
fn every_kind_of_value_and_every_character_comes_back_from_json() {
    let every_byte: String = (0..=0xff).map(char::from).collect();
    let text = format!("{every_byte}\u{2028}🦀");
    let error = std::io::Error::other("it\n\"broke\"");
    let line = written(&LogConfig::default(), Look::Json, || {
        tracing::info!(
            target: "alewife",
            text,
            shown = %text,
            debug = ?"a\"b\\",
            error = &error as &(dyn std::error::Error + 'static),
            yes = true,
            least = i64::MIN,
            most = u64::MAX,
            half = 0.5,
            one = 1.0,
            none = f64::NAN,
            "say \"{}\"",
            "hm",
        );
    });
    assert_eq!(line.lines().count(), 1);
    assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    let found: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(found["text"], text.as_str());
    assert_eq!(found["shown"], text.as_str());
    assert_eq!(found["debug"], r#""a\"b\\""#);
    assert_eq!(found["error"], "it\n\"broke\"");
    assert_eq!(found["yes"], true);
    assert_eq!(found["least"], i64::MIN);
    assert_eq!(found["most"], u64::MAX);
    assert_eq!(found["half"], 0.5);
    assert_eq!(found["one"], 1.0);
    assert_eq!(found["none"], Value::Null);
    assert_eq!(found["message"], "say \"hm\"");
}

#[test]
fn text_has_colour_only_where_it_was_chosen() {
    let log = || tracing::warn!(target: "alewife::keys", keys = 2, "reloaded");
    let plain = written(&LogConfig::default(), Look::Text { colour: false }, log);
    assert!(plain.ends_with("  WARN alewife::keys: reloaded keys=2\n"), "{plain}");
    assert!(!plain.contains('\u{1b}'));
    let coloured = written(&LogConfig::default(), Look::Text { colour: true }, log);
    assert!(coloured.contains("\u{1b}[33m WARN\u{1b}[0m"), "{coloured:?}");
}

#[test]
fn the_look_follows_format_terminal_and_no_color() {
    let colour = Look::Text { colour: true };
    let plain = Look::Text { colour: false };
    for (format, terminal, no_color, term, look) in [
        (LogFormat::Auto, true, None, None, colour),
        (LogFormat::Auto, true, Some(""), Some("xterm"), colour),
        (LogFormat::Auto, true, Some("1"), Some("xterm"), plain),
        (LogFormat::Auto, true, None, Some("dumb"), plain),
        (LogFormat::Auto, false, None, None, Look::Json),
        (LogFormat::Text, true, None, None, colour),
        (LogFormat::Text, true, Some("0"), None, plain),
        (LogFormat::Text, false, None, None, plain),
        (LogFormat::Json, true, None, None, Look::Json),
        (LogFormat::Json, false, Some("1"), None, Look::Json),
    ] {
        let chosen = Look::choose(format, terminal, no_color.map(OsStr::new), term.map(OsStr::new));
        assert_eq!(chosen, look, "{format:?} terminal={terminal} NO_COLOR={no_color:?} TERM={term:?}");
    }
}

#[test]
fn each_level_writes_itself_and_what_is_more_severe() {
    let all = ["error", "warn", "info", "debug", "trace"];
    let levels = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    for (count, level) in levels.into_iter().enumerate() {
        let text = written(&config(level), Look::Json, one_of_each_level);
        assert_eq!(messages(&text), all[..count], "{level:?}");
    }
}

#[test]
fn other_crates_write_nothing_below_warn_even_at_trace() {
    let text = written(&config(Level::Trace), Look::Json, || {
        tracing::trace!(target: "hyper::proto::h1::io", "received 14 bytes");
        tracing::debug!(target: "h2::codec::framed_read", "received frame");
        tracing::info!(target: "tokio::net", "info");
        tracing::debug!(target: "notify", "event");
        tracing::trace!(target: "some_crate_of_tomorrow", "anything");
        tracing::warn!(target: "hyper", "a warning");
        tracing::trace!(target: "alewife::ale", "own");
    });
    assert_eq!(messages(&text), ["a warning", "own"]);
}

#[test]
fn other_crates_are_as_quiet_as_this_one_at_error_and_off() {
    let log = || {
        tracing::warn!(target: "hyper", "a warning");
        tracing::error!(target: "hyper", "an error");
    };
    assert_eq!(messages(&written(&config(Level::Error), Look::Json, log)), ["an error"]);
    assert_eq!(written(&config(Level::Off), Look::Json, log), "");
}

#[test]
fn without_access_lines_the_rest_stays() {
    let config = LogConfig { access: false, level: Level::Trace, ..LogConfig::default() };
    let text = written(&config, Look::Json, || {
        tracing::info!(target: super::ACCESS_TARGET, "exchange");
        tracing::info!(target: "alewife::proxy", "listening");
    });
    assert_eq!(messages(&text), ["listening"]);
}

#[test]
fn a_line_break_from_outside_makes_no_second_line() {
    let text = written(&LogConfig::default(), Look::Text { colour: false }, || {
        tracing::info!(target: "alewife::access", path = %"/a\r\n2026 ERROR forged", "exchange");
    });
    assert!(text.ends_with("exchange path=/a\\n\\n2026 ERROR forged\n"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

/// A standard error that says when it is written to and takes the bytes when it is let.
struct Gate {
    entered: Sender<()>,
    leave: Receiver<()>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.entered.send(()).unwrap();
        // A sender that is gone lets everything through.
        let _ = self.leave.recv();
        self.taken.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_blocked_standard_error_costs_lines_but_stalls_nobody() {
    let ((entered, has_entered), (let_go, leave)) = (mpsc::channel(), mpsc::channel());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let dropped = Counter::default();
    let left_out = LeftOut::new(Counter::default());
    let queue = Arc::new(Queue::new(1000, dropped.clone(), Arc::clone(&left_out)));
    let dispatch = dispatch(&LogConfig::default(), Look::Json, &queue, left_out);
    let gate = Gate { entered, leave, taken: Arc::clone(&taken) };
    let writer = spawn(Arc::clone(&queue), dispatch.clone(), gate).unwrap();

    with_default(&dispatch, || tracing::info!(target: "alewife", "first"));
    has_entered.recv_timeout(PATIENCE).unwrap();
    with_default(&dispatch, || (0..100).for_each(|_| tracing::info!(target: "alewife", "more")));
    let given_up = dropped.get();
    assert!((80..100).contains(&given_up), "{given_up} of 100 lines of about 90 bytes did not fit into 1000");
    queue.finish(Duration::ZERO);

    drop(let_go);
    writer.join().unwrap();
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    let mut expected = vec!["first"];
    expected.resize(1 + 100 - usize::try_from(given_up).unwrap(), "more");
    let (remarks, others): (Vec<String>, Vec<String>) =
        messages(&text).into_iter().partition(|message| message.starts_with("log lines were given up"));
    assert_eq!(others, expected);
    assert_eq!(remarks.len(), 1, "{text}");
    assert!(text.contains(&format!("\"lines\":{given_up}")), "{text}");
}

#[test]
fn what_waits_is_written_before_the_log_ends_and_nothing_after() {
    let ((entered, _has_entered), (let_go, leave)) = (mpsc::channel(), mpsc::channel());
    drop(let_go);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let dropped = Counter::default();
    let left_out = LeftOut::new(Counter::default());
    let queue = Arc::new(Queue::new(1000, dropped.clone(), Arc::clone(&left_out)));
    let dispatch = dispatch(&LogConfig::default(), Look::Json, &queue, left_out);
    with_default(&dispatch, || tracing::info!(target: "alewife", "before the thread runs"));
    let gate = Gate { entered, leave, taken: Arc::clone(&taken) };
    let writer = spawn(Arc::clone(&queue), dispatch.clone(), gate).unwrap();
    queue.finish(PATIENCE);
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    assert_eq!(messages(&text), ["before the thread runs"]);
    with_default(&dispatch, || tracing::info!(target: "alewife", "too late"));
    assert_eq!(dropped.get(), 1);
    writer.join().unwrap();
}

/// A standard error whose reader is gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_standard_error_is_counted_and_survived() {
    let dropped = Counter::default();
    let left_out = LeftOut::new(Counter::default());
    let queue = Arc::new(Queue::new(1000, dropped.clone(), Arc::clone(&left_out)));
    let dispatch = dispatch(&LogConfig::default(), Look::Json, &queue, left_out);
    with_default(&dispatch, || (0..3).for_each(|_| tracing::info!(target: "alewife", "lost")));
    let writer = spawn(Arc::clone(&queue), dispatch, Closed).unwrap();
    queue.finish(PATIENCE);
    writer.join().unwrap();
    assert_eq!(dropped.get(), 3);
}

#[test]
fn beyond_the_limit_only_exchanges_that_went_wrong_are_written_and_everything_else_is() {
    let config = LogConfig { access_limit: NonZeroU32::new(3), ..LogConfig::default() };
    let text = written(&config, Look::Json, || {
        // Whichever of these fall into one second, none falls into a third one.
        for _ in 0..50 {
            tracing::info!(target: "alewife::access", outcome = "answered", "exchange");
        }
        for _ in 0..50 {
            tracing::info!(target: "alewife::access", outcome = "ale_error", reason = "r", "exchange");
        }
        for _ in 0..50 {
            tracing::info!(target: "alewife::access", by = "client", "session");
        }
        for _ in 0..50 {
            tracing::warn!(target: "alewife::keys", "refused");
        }
    });
    let count = |word: &str| text.lines().filter(|line| line.contains(word)).count();
    let seconds = 2;
    assert!((3..=3 * seconds).contains(&count("answered")), "{text}");
    assert!((3..=6 * seconds).contains(&count("ale_error")), "{text}");
    assert!(count("session") <= 3 * (seconds - 1), "{text}");
    assert_eq!(count("refused"), 50);
}

#[test]
fn line_says_how_many_were_left_out() {
    let ((entered, _has_entered), (let_go, leave)) = (mpsc::channel(), mpsc::channel());
    drop(let_go);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let left_out = LeftOut::new(Counter::default());
    let queue = Arc::new(Queue::new(super::CAPACITY, Counter::default(), Arc::clone(&left_out)));
    let config = LogConfig { access_limit: NonZeroU32::new(1), ..LogConfig::default() };
    let dispatch = dispatch(&config, Look::Json, &queue, left_out);
    with_default(&dispatch, || {
        for _ in 0..20 {
            tracing::info!(target: "alewife::access", outcome = "answered", "exchange");
        }
    });
    let gate = Gate { entered, leave, taken: Arc::clone(&taken) };
    let writer = spawn(Arc::clone(&queue), dispatch, gate).unwrap();
    queue.finish(PATIENCE);
    writer.join().unwrap();
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    let remark = text.lines().find(|line| line.contains("left out")).unwrap_or_else(|| panic!("{text}"));
    let remark: Value = serde_json::from_str(remark).unwrap();
    let exchanges = text.lines().filter(|line| line.contains("answered")).count() as u64;
    assert_eq!(remark["lines"].as_u64().unwrap() + exchanges, 20, "{text}");
}
