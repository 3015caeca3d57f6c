//! One WebSocket from its handshake to its end: one task, two legs, and each direction for itself.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};

use super::crossing::{Crossing, Moment, Way};
use super::fault::Fault;
use super::leg::{Came, Leg};
use super::liveness::Silence;
use super::record::Record;
use super::{Side, scratch};
use crate::metrics::Closer;
use crate::net::{LazyTimer, NoCapacity, Stop};
use crate::websocket::{Close, Message};

/// How long a Close may go unanswered.
const CLOSING: Duration = Duration::from_secs(10);
/// How long a stop waits for messages that have begun.
const STOPPING: Duration = Duration::from_secs(1);
/// Where nothing is due, the timer looks around this often.
const REST: Duration = Duration::from_secs(3600);

/// A WebSocket whose handshake is done.
pub(super) struct Session<W> {
    client: Leg<W>,
    server: Leg<W>,
    crossing: Crossing,
    record: Record,
    /// `timeouts.body`: for a peer that takes nothing.
    taking: Duration,
    /// Since when either leg is on its way to its end.
    closing: Option<Instant>,
    /// Since when the process is stopping.
    stopping: Option<Instant>,
}

impl<W: AsyncRead + AsyncWrite + Unpin> Session<W> {
    pub(super) fn new(
        client: Leg<W>,
        server: Leg<W>,
        crossing: Crossing,
        record: Record,
        taking: Duration,
    ) -> Self {
        Self { client, server, crossing, record, taking, closing: None, stopping: None }
    }

    /// Carries messages until both legs have ended.
    pub(super) async fn run(mut self, stop: &Stop) {
        let mut heard = pin!(stop.heard());
        let mut timer = LazyTimer::new(self.due().unwrap_or_else(|| Instant::now() + REST));
        let mut listening = false;
        poll_fn(|cx| {
            // To be woken it is enough to ask once; afterwards a look costs less.
            let first = !std::mem::replace(&mut listening, true);
            if (first && heard.as_mut().poll(cx).is_ready()) || stop.was_said() {
                self.stopping.get_or_insert_with(Instant::now);
            }
            self.poll(&mut timer, cx)
        })
        .await;
    }

    fn poll(&mut self, timer: &mut LazyTimer, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.carry_all(cx);
            if self.client.is_over() && self.server.is_over() {
                return Poll::Ready(());
            }
            match self.due() {
                None => timer.rest(REST, cx),
                Some(due) if timer.poll_due(due, REST, cx).is_pending() => {}
                Some(_) => {
                    self.meet_deadlines(Instant::now());
                    continue;
                }
            }
            return Poll::Pending;
        }
    }

    /// Reads and writes for as long as there is anything to read or to write.
    fn carry_all(&mut self, cx: &mut Context<'_>) {
        loop {
            let mut moves = self.poll_pending(cx);
            moves |= self.poll_read(Side::Client, cx);
            moves |= self.poll_read(Side::Server, cx);
            if !moves {
                self.leave_if_stopping();
            }
            moves |= self.poll_write(Side::Client, cx);
            moves |= self.poll_write(Side::Server, cx);
            if !moves {
                break;
            }
        }
        self.client.poll_end(cx);
        self.server.poll_end(cx);
    }

    /// Whether something came from this side.
    fn poll_read(&mut self, side: Side, cx: &mut Context<'_>) -> bool {
        let listens = self.listens_to(side);
        self.leg(side).liveness.listens(listens, Instant::now);
        if !listens {
            return false;
        }
        let mut buffer = scratch::take();
        let filled = self.leg(side).poll_fill(&mut buffer, cx);
        match filled {
            Poll::Pending => {}
            Poll::Ready(false) => self.ends(side),
            Poll::Ready(true) => {
                let moment = self.crossing.moment();
                while self.listens_to(side)
                    && let Some(came) = self.leg(side).next(&mut buffer)
                {
                    self.take(side, came, &moment);
                }
                self.leg(side).keep(&buffer);
            }
        }
        scratch::give_back(buffer);
        filled.is_ready()
    }

    /// Whether a message that waited goes on, or is gone.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((side, _)) = self.crossing.pending() else { return false };
        let (from, to) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        if !to.is_open() {
            self.crossing.drop_pending();
            from.hold_pending_ends();
            return true;
        }
        let way = Way { from, to, record: &mut self.record };
        let Poll::Ready(carried) = self.crossing.poll_pending(way, cx) else { return false };
        self.leg(side).hold_pending_ends();
        self.settle(side, carried);
        true
    }

    /// Nothing is read for a side that has enough to take already, nor from one that leaves its answers, nor behind a
    /// message that waits. What comes for one that takes no more is thrown away.
    fn listens_to(&self, side: Side) -> bool {
        let (from, to) = match side {
            Side::Client => (&self.client, &self.server),
            Side::Server => (&self.server, &self.client),
        };
        let waits = self.crossing.pending().is_some_and(|(waiting, _)| waiting == side);
        if waits || from.owes_reply() {
            return false;
        }
        from.is_heard() && !(to.is_open() && to.is_full())
    }

    fn take(&mut self, side: Side, came: Came, moment: &Moment) {
        match came {
            Came::Message(message) => self.carry(side, message, moment),
            Came::Close(close) => {
                self.closes(side.closer(), close.as_ref().map(Close::code), None);
                self.leg(side.other()).close(close.as_ref());
            }
            Came::Fault(fault) => self.fail(side, fault.into()),
            Came::NoCapacity => self.fail(side, NoCapacity.into()),
        }
    }

    fn carry(&mut self, side: Side, message: Message, moment: &Moment) {
        let (from, to) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        if !to.is_open() {
            return;
        }
        let way = Way { from, to, record: &mut self.record };
        let carried = self.crossing.carry(side, message, way, moment);
        self.settle(side, carried);
    }

    /// What is to be paid for a message that went on, was refused, or waits; a fault ends the session.
    fn settle(&mut self, side: Side, carried: Result<(), Fault>) {
        let carried = carried.and_then(|()| match self.crossing.pending() {
            Some((waiting, bytes)) if waiting == side => Ok(self.leg(side).hold_pending(bytes)?),
            _ => Ok(self.leg(side.other()).hold_waiting()?),
        });
        if let Err(fault) = carried {
            self.fail(fault.falls_on(side), fault);
        }
    }

    /// What the `guilty` side did ends the session: that side is told why, the other that it is over.
    fn fail(&mut self, guilty: Side, fault: Fault) {
        self.record.refused(fault);
        self.closes(Closer::Sidecar, Some(fault.code()), Some(format!("{}: {fault}", guilty.label())));
        self.leg(guilty).ignore();
        self.leg(guilty).close(fault.close().as_ref());
        self.leg(guilty.other()).close(Close::new(Close::GOING_AWAY, "").as_ref());
    }

    /// A side is gone without a Close, and so the other one's connection ends without one.
    fn ends(&mut self, side: Side) {
        self.closes(side.closer(), None, None);
        self.leg(side).give_up();
        self.leg(side.other()).end();
    }

    /// RFC 6455 §7.4.1: 1001, behind the messages that had begun.
    fn leave_if_stopping(&mut self) {
        let Some(since) = self.stopping.filter(|_| self.closing.is_none()) else { return };
        let legs_are_quiet = self.client.is_between_messages() && self.server.is_between_messages();
        let is_quiet = legs_are_quiet && self.crossing.pending().is_none();
        if is_quiet || since.elapsed() >= STOPPING {
            self.closes(Closer::Sidecar, Some(Close::GOING_AWAY), Some("stopping".to_owned()));
            let close = Close::new(Close::GOING_AWAY, "");
            self.client.close(close.as_ref());
            self.server.close(close.as_ref());
        }
    }

    /// Whether this side took something.
    fn poll_write(&mut self, side: Side, cx: &mut Context<'_>) -> bool {
        self.leg(side).poll_write(cx).unwrap_or_else(|_gone| {
            self.leg(side).cut_off();
            true
        })
    }

    /// Notes who was the first to end the session.
    fn closes(&mut self, by: Closer, code: Option<u16>, reason: Option<String>) {
        if self.closing.is_none() {
            self.closing = Some(Instant::now());
            self.record.closed(by, code, reason);
        }
    }

    /// Gives a side up that does not do its part.
    fn lose(&mut self, side: Side, what: &str) {
        self.closes(Closer::Sidecar, None, Some(format!("{}: {what}", side.label())));
        self.ends(side);
    }

    /// When something is due.
    fn due(&self) -> Option<Instant> {
        let legs = [&self.client, &self.server].into_iter();
        let legs = legs.flat_map(|leg| [leg.due(self.taking), self.silence_due(leg)]);
        let session = match (self.closing, self.stopping) {
            (Some(closing), _) => Some(closing + CLOSING),
            (None, stopping) => stopping.map(|stopping| stopping + STOPPING),
        };
        legs.chain([session]).flatten().min()
    }

    /// Who has said Close, or is being told, has a deadline of its own.
    fn silence_due(&self, leg: &Leg<W>) -> Option<Instant> {
        leg.liveness.due().filter(|_| self.closing.is_none())
    }

    fn meet_deadlines(&mut self, now: Instant) {
        if self.closing.is_some_and(|closing| closing + CLOSING <= now) {
            self.client.give_up();
            self.server.give_up();
            return;
        }
        for side in [Side::Client, Side::Server] {
            let taking = self.taking;
            if self.leg(side).due(taking).is_some_and(|due| due <= now) {
                self.lose(side, "it takes nothing");
            }
            if self.closing.is_some() {
                continue;
            }
            match self.leg(side).liveness.judge(now) {
                None => {}
                Some(Silence::Ask) => self.leg(side).ping(),
                Some(Silence::GiveUp) => self.lose(side, "it does not answer"),
            }
        }
    }

    fn leg(&mut self, side: Side) -> &mut Leg<W> {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

#[cfg(test)]
mod tests;
