//! What changes, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::mask::Shown;
use super::report::SummaryReport;
use super::state::Serving;
use crate::capture::{Capture, Event, Summary};

/// How often something is said at least, so that a page notices when nobody is there any more.
const QUIET: Duration = Duration::from_secs(15);

/// Events on their way to one page. One that takes no more falls behind, and is told so.
const WAITING: usize = 256;

/// The events from now on, until `stop` or until nobody takes them.
pub(super) fn follow(serving: &Arc<Serving>, stop: CancellationToken) -> mpsc::Receiver<Bytes> {
    let showing = Arc::clone(serving);
    told(serving.capture(), stop, move |summary| showing.state.mask.summary(summary))
}

fn told(
    capture: &Capture,
    stop: CancellationToken,
    show: impl Fn(Summary) -> Shown<Summary> + Send + 'static,
) -> mpsc::Receiver<Bytes> {
    let (send, pieces) = mpsc::channel(WAITING);
    let mut events = capture.listen();
    tokio::spawn(async move {
        let mut quiet = interval_at(Instant::now() + QUIET, QUIET);
        quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let piece = tokio::select! {
                () = stop.cancelled() => return,
                () = send.closed() => return,
                event = events.recv() => match event {
                    Ok(event) => written(event, &show),
                    Err(RecvError::Lagged(_)) => Bytes::from_static(b"event: behind\ndata: {}\n\n"),
                    Err(RecvError::Closed) => return,
                },
                _ = quiet.tick() => Bytes::from_static(b": still here\n\n"),
            };
            let sent = tokio::select! {
                () = stop.cancelled() => return,
                sent = send.send(piece) => sent,
            };
            if sent.is_err() {
                return;
            }
        }
    });
    pieces
}

fn written(event: Event, show: impl Fn(Summary) -> Shown<Summary>) -> Bytes {
    #[derive(Serialize)]
    struct Message {
        id: u64,
        index: usize,
    }
    #[derive(Serialize)]
    struct Nothing {}
    match event {
        Event::Exchange(summary) => named("exchange", &SummaryReport::of(&show(*summary))),
        Event::Message { id, index } => named("message", &Message { id, index }),
        Event::Cleared => named("cleared", &Nothing {}),
        Event::Keys => named("keys", &Nothing {}),
        Event::Faults => named("faults", &Nothing {}),
    }
}

fn named(name: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line ends of its own.
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::CaptureLimits;
    use crate::inspector::Mask;

    #[tokio::test(start_paused = true)]
    async fn where_nothing_happens_a_comment_is_sent_every_15_seconds() {
        let capture = Capture::new(CaptureLimits::default());
        let mut pieces = told(&capture, CancellationToken::new(), |summary| Mask::none().summary(summary));
        let began = Instant::now();
        for times in 1..=2 {
            assert_eq!(pieces.recv().await.unwrap(), ": still here\n\n");
            assert_eq!(began.elapsed(), QUIET * times);
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_for_long_is_told_that_events_were_lost() {
        let capture = Capture::new(CaptureLimits::default());
        let mut pieces = told(&capture, CancellationToken::new(), |summary| Mask::none().summary(summary));
        // More than both queues hold, before the task had its turn.
        (0..5000).for_each(|_| capture.tell(Event::Keys));
        assert_eq!(pieces.recv().await.unwrap(), "event: behind\ndata: {}\n\n");
        assert_eq!(pieces.recv().await.unwrap(), "event: keys\ndata: {}\n\n");
    }

    #[tokio::test]
    async fn events_end_with_the_server() {
        let capture = Capture::new(CaptureLimits::default());
        let stop = CancellationToken::new();
        let mut pieces = told(&capture, stop.clone(), |summary| Mask::none().summary(summary));
        stop.cancel();
        assert_eq!(pieces.recv().await, None);
    }
}
