//! Lines on their way to standard error: a bounded buffer between those who log and the one thread that
//! writes.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing::Dispatch;
use tracing::dispatcher;
use tracing_subscriber::fmt::MakeWriter;

use super::sampling::LeftOut;

/// How long no second remark on lines that were left out follows the first.
const BETWEEN_REMARKS: Duration = Duration::from_secs(1);

/// What a buffer keeps of its memory after a burst.
const SPARE: usize = 64 * 1024;

/// Starts the thread that writes out `queue`. Its own remark on lost lines goes through `dispatch`.
pub(super) fn spawn(
    queue: Arc<Queue>,
    dispatch: Dispatch,
    sink: impl Write + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let write_out = move || dispatcher::with_default(&dispatch, || queue.write_out(sink));
    thread::Builder::new().name("alewife-log".to_owned()).stack_size(256 * 1024).spawn(write_out)
}

/// The buffer. One batch of it is written while the next one fills, so many lines cost one system call.
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    ended: Condvar,
    capacity: usize,
    dropped: Counter,
    left_out: Arc<LeftOut>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines given up since the last remark on them.
    lost: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// What waits is still written.
    Closing,
    /// Nobody writes any more.
    Ended,
}

impl Queue {
    pub(super) fn new(capacity: usize, dropped: Counter, left_out: Arc<LeftOut>) -> Self {
        let state = Mutex::new(State::default());
        Self { state, filled: Condvar::new(), ended: Condvar::new(), capacity, dropped, left_out }
    }

    /// Appends one line, or gives it up; never waits for the sink.
    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.phase == Phase::Ended || state.waiting.len() + line.len() > self.capacity {
            self.give_up(&mut state, 1);
            return;
        }
        let was_empty = state.waiting.is_empty();
        append_as_one_line(&mut state.waiting, line);
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Writes batches until the queue is closed and empty.
    fn write_out(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        let mut remarked = None;
        while self.next_batch(&mut batch) {
            match sink.write_all(&batch).and_then(|()| sink.flush()) {
                Ok(()) => {
                    self.remark_on_lost_lines();
                    self.remark_on_lines_left_out(&mut remarked);
                }
                Err(_) => self.give_up(&mut self.lock(), count_lines(&batch)),
            }
            batch.clear();
            batch.shrink_to(SPARE);
        }
        self.lock().phase = Phase::Ended;
        self.ended.notify_all();
    }

    /// Waits for lines and takes them all; false once there will be none.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        let nothing_yet = |state: &mut State| state.waiting.is_empty() && state.phase == Phase::Open;
        let state = self.filled.wait_while(self.lock(), nothing_yet);
        std::mem::swap(&mut state.unwrap_or_else(PoisonError::into_inner).waiting, batch);
        !batch.is_empty()
    }

    /// Closes the queue and waits until all is written, or until `limit` has passed.
    pub(super) fn finish(&self, limit: Duration) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        self.filled.notify_one();
        let _ = self.ended.wait_timeout_while(state, limit, |state| state.phase != Phase::Ended);
    }

    /// Only once there is room again, or the remark itself would be given up.
    fn remark_on_lost_lines(&self) {
        let mut state = self.lock();
        if state.lost == 0 || state.waiting.len() > self.capacity / 2 {
            return;
        }
        let lost = std::mem::take(&mut state.lost);
        drop(state);
        tracing::warn!(lines = lost, "log lines were given up because standard error took none");
    }

    /// At most once in a while, since a flood may last; the rest is said with a later line.
    fn remark_on_lines_left_out(&self, remarked: &mut Option<Instant>) {
        if remarked.is_some_and(|at| at.elapsed() < BETWEEN_REMARKS) {
            return;
        }
        let lines = self.left_out.take();
        if lines > 0 {
            *remarked = Some(Instant::now());
            tracing::warn!(
                lines,
                "lines of exchanges were left out, which were more than access_limit in a second"
            );
        }
    }

    fn give_up(&self, state: &mut State, lines: u64) {
        self.dropped.inc_by(lines);
        state.lost += lines;
    }

    /// A thread that panicked while it held the lock left whole lines behind.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> String {
        String::from_utf8(self.lock().waiting.clone()).unwrap()
    }
}

/// Hands each event to the queue; the formatter writes an event with one call.
#[derive(Clone)]
pub(super) struct Lines {
    queue: Arc<Queue>,
}

impl Lines {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A line break inside an event would let a peer's text pass for a line of its own.
fn append_as_one_line(waiting: &mut Vec<u8>, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    for (number, piece) in line.split(|&byte| byte == b'\n' || byte == b'\r').enumerate() {
        if number > 0 {
            waiting.extend_from_slice(b"\\n");
        }
        waiting.extend_from_slice(piece);
    }
    waiting.push(b'\n');
}

fn count_lines(batch: &[u8]) -> u64 {
    batch.iter().filter(|&&byte| byte == b'\n').count() as u64
}
