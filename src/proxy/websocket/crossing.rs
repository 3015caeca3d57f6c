//! What a message becomes on its way from one leg to the other (P7).

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Side;
use super::fault::Fault;
use super::leg::Leg;
use super::record::Record;
use crate::ale::{self, ClearError, MessageSession, NoSealingKey, OpenedMessage, Refusal};
use crate::capture::{Body, Message as Noted};
use crate::keys::KeyRing;
use crate::metrics::AleReason;
use crate::proxy::migration::SessionPass;
use crate::proxy::replay::{Denial, Judgement, Judging, ReplayGuard};
use crate::proxy::{KeyAccess, Network, OnBadMessage, ProxyConfig};
use crate::sources::Waiting;
use crate::websocket::{Kind, Message};

/// What a sender is told whose message may be sent again.
const STORE_FAILED: &str = r#"{"errorCode":113,"message":"Replay store not reachable"}"#;

/// Opens what comes from the sealed side and seals what goes there.
pub(super) struct Crossing {
    /// None where all of it is plain.
    messages: Option<MessageSession>,
    /// Where messages are sealed; on the other side they are plain.
    sealed: Side,
    /// In a session that only says back what it hears: what the messages were that have yet to come back.
    echoed: Option<VecDeque<Kind>>,
    /// None where nothing is ever sealed.
    keys: Option<KeyAccess>,
    /// What lets it go on plain, where it may only for a while.
    pass: Option<SessionPass>,
    config: Arc<ProxyConfig>,
    replay: ReplayGuard,
    /// Where what is opened comes from.
    from: Network,
    /// What came from the sealed side last and is not carried over yet. Nothing more is read there meanwhile, so that the
    /// order is kept.
    pending: Option<Box<Pending>>,
    /// What came from the sealed side last, for whoever notes the session.
    noted: Option<Body>,
}

/// A message that waits.
enum Pending {
    /// For its key to be found, if it can be.
    ForKey(Message, Waiting),
    /// It has opened, and for whether it is the first.
    ForVerdict(Kind, OpenedMessage, Judging),
}

/// The keys and the time for the messages of one read. Not kept: keys that leave the ring are wiped.
pub(super) struct Moment {
    ring: Option<Arc<KeyRing>>,
    now: Timestamp,
}

/// The two legs as one message sees them.
pub(super) struct Way<'a, W> {
    pub(super) from: &'a mut Leg<W>,
    pub(super) to: &'a mut Leg<W>,
    pub(super) record: &'a mut Record,
}

impl Noted {
    /// Of a message that is plain on both sides.
    fn plain(from: Side, message: &Message, cut: &dyn Fn(&[u8]) -> Body) -> Self {
        Self {
            at: Timestamp::now(),
            to_server: from == Side::Client,
            text: message.kind == Kind::Text,
            sealed: None,
            plain: Some(cut(&message.payload)),
            refused: None,
        }
    }
}

impl Crossing {
    pub(super) fn new(
        messages: Option<MessageSession>,
        sealed: Side,
        keys: Option<KeyAccess>,
        config: Arc<ProxyConfig>,
        (replay, from): (ReplayGuard, Network),
    ) -> Self {
        Self {
            messages,
            sealed,
            echoed: None,
            keys,
            pass: None,
            config,
            replay,
            from,
            pending: None,
            noted: None,
        }
    }

    /// The same, which `pass` lets go on.
    pub(super) fn with_pass(self, pass: Option<SessionPass>) -> Self {
        Self { pass, ..self }
    }

    /// The same, where the other end of the plain leg says back what it hears.
    ///
    /// A message comes back as what it was on the wire, whatever it opens to, and never in clear: without a tag anything
    /// else would tell whoever changes bits what they make of the plaintext, and open recorded messages to them.
    pub(super) fn echoing(self) -> Self {
        Self { echoed: Some(VecDeque::new()), ..self }
    }

    /// The keys and the time now.
    pub(super) fn moment(&self) -> Moment {
        let now = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        Moment { ring: self.keys.as_ref().map(|keys| keys.store.snapshot()), now }
    }

    /// Carries a message that came from `side`, or refuses it. A fault is one that ends the session.
    pub(super) fn carry<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        side: Side,
        message: Message,
        way: Way<'_, W>,
        moment: &Moment,
    ) -> Result<(), Fault> {
        if self.messages.is_none() && moment.ring.as_ref().is_some_and(|ring| ring.encryption()) {
            return Err(Fault::Secured);
        }
        if let Some(pass) = &self.pass {
            if pass.is_over(moment.now) {
                return Err(Fault::NoLongerPlain);
            }
            if side == self.sealed && ale::bears_envelope(&message.payload) {
                let refusal = Refusal::headers(AleReason::ConflictingCarriers);
                return self.tell(Fault::Refused(refusal), Some(refusal.body()), way);
            }
        }
        if self.messages.is_none() || self.crosses_in_clear(side, &message) {
            way.record.carried(side, message.payload.len());
            way.record.tap().message(|cut| Noted::plain(side, &message, cut));
            way.to.send(message);
            return Ok(());
        }
        if side == self.sealed { self.open(message, way, moment) } else { self.seal(&message, way, moment) }
    }

    /// From which side a message has come that waits, and how many bytes of it are held.
    pub(super) fn pending(&self) -> Option<(Side, usize)> {
        let bytes = match &**self.pending.as_ref()? {
            Pending::ForKey(message, _) => message.payload.len(),
            // As an envelope, which is what that side pays for.
            Pending::ForVerdict(_, opened, _) => opened.plaintext.len() / 3 * 4,
        };
        Some((self.sealed, bytes))
    }

    /// Carries the message over that waits, or refuses it, once that is settled.
    pub(super) fn poll_pending<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        way: Way<'_, W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        let Some(mut pending) = self.pending.take() else { return Poll::Ready(Ok(())) };
        let judged = match &mut *pending {
            Pending::ForKey(_, waiting) => waiting.as_mut().poll(cx).map(Ok),
            Pending::ForVerdict(_, _, judging) => judging.as_mut().poll(cx),
        };
        let Poll::Ready(judged) = judged else {
            self.pending = Some(pending);
            return Poll::Pending;
        };
        Poll::Ready(match *pending {
            Pending::ForKey(message, _) => {
                let moment = self.moment();
                let (Some(messages), Some(ring)) = (&mut self.messages, &moment.ring) else {
                    return Poll::Ready(Ok(()));
                };
                let opened = messages.open(&message.payload, ring, moment.now);
                self.take(&message, opened, way)
            }
            Pending::ForVerdict(kind, opened, _) => self.settle(kind, opened, judged, way),
        })
    }

    /// Nobody wants the message any more that waits.
    pub(super) fn drop_pending(&mut self) {
        self.pending = None;
    }

    /// `plaintext_messages`: literal texts for which both sides have agreed that they need no envelope.
    fn crosses_in_clear(&self, side: Side, message: &Message) -> bool {
        if self.echoed.is_some() {
            return false;
        }
        let settings = &self.config.websocket;
        let texts = match side {
            Side::Client => &settings.plaintext_to_server,
            Side::Server => &settings.plaintext_to_client,
        };
        message.kind == Kind::Text && texts.iter().any(|text| *text.as_bytes() == message.payload[..])
    }

    fn open<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: Message,
        way: Way<'_, W>,
        moment: &Moment,
    ) -> Result<(), Fault> {
        let (Some(messages), Some(keys), Some(ring)) = (&mut self.messages, &self.keys, &moment.ring) else {
            return Err(NoSealingKey.into());
        };
        self.noted = way.record.tap().cut(&message.payload);
        let mut opened = messages.open(&message.payload, ring, moment.now);
        if opened.as_ref().err().is_some_and(Refusal::is_of_unknown_key) {
            if let Some(waiting) = keys.refresh.for_unknown_key() {
                self.pending = Some(Box::new(Pending::ForKey(message, waiting)));
                return Ok(());
            }
            // What was asked for by another message may have come since this one was read.
            let fresh = keys.store.snapshot();
            if !Arc::ptr_eq(ring, &fresh) {
                opened = messages.open(&message.payload, &fresh, moment.now);
            }
        }
        self.take(&message, opened, way)
    }

    /// What becomes of a message whose key was looked up.
    fn take<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: &Message,
        opened: Result<OpenedMessage, Refusal>,
        way: Way<'_, W>,
    ) -> Result<(), Fault> {
        let opened = match opened {
            Ok(opened) => opened,
            Err(refusal) => return self.refuse(message, refusal, way),
        };
        match self.replay.judge(&opened.receipt, self.from) {
            Judgement::Settled(settled) => self.settle(message.kind, opened, settled, way),
            Judgement::Asked(judging) => {
                self.pending = Some(Box::new(Pending::ForVerdict(message.kind, opened, judging)));
                Ok(())
            }
        }
    }

    /// P11: an opened message goes on, or does not.
    fn settle<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        as_it_came: Kind,
        opened: OpenedMessage,
        settled: Result<(), Denial>,
        way: Way<'_, W>,
    ) -> Result<(), Fault> {
        match settled {
            Ok(()) => self.pass(as_it_came, opened, way),
            Err(Denial::Replayed) => {
                let refusal = Refusal::replayed();
                self.tell(Fault::Refused(refusal), Some(refusal.body()), way)
            }
            Err(Denial::StoreFailed) => self.tell(Fault::ReplayStore, Some(STORE_FAILED), way),
        }
    }

    fn pass<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        as_it_came: Kind,
        opened: OpenedMessage,
        way: Way<'_, W>,
    ) -> Result<(), Fault> {
        let is_authenticated = opened.is_authenticated();
        let payload = opened.plaintext;
        if payload.len() as u64 > self.config.websocket.max_message {
            return Err(Fault::TooLong);
        }
        let kind = match as_it_came {
            Kind::Text if std::str::from_utf8(&payload).is_ok() => Kind::Text,
            Kind::Text if is_authenticated => return Err(Fault::SealedNotUtf8),
            // Without a tag a refusal would answer the questions of whoever changes bits.
            Kind::Text | Kind::Binary => Kind::Binary,
        };
        if let Some(echoed) = &mut self.echoed {
            echoed.push_back(as_it_came);
        }
        way.record.carried(self.sealed, payload.len());
        let noted = self.noted.take();
        way.record.tap().message(|cut| Noted {
            at: Timestamp::now(),
            to_server: self.sealed == Side::Client,
            text: kind == Kind::Text,
            sealed: noted,
            plain: Some(cut(&payload)),
            refused: None,
        });
        way.to.send(Message { kind, payload });
        Ok(())
    }

    /// What does not open is answered or ends the session; an error in clear is never answered by another.
    fn refuse<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: &Message,
        refusal: Refusal,
        way: Way<'_, W>,
    ) -> Result<(), Fault> {
        let told = ClearError::in_message(&message.payload);
        // P2, P3: that is all that a peer says of a key that it does not have. A client has it from where this side does.
        if let (Some(2 | 3), Side::Server) = (told.as_ref().map(|told| told.code), self.sealed)
            && let Some(keys) = &self.keys
        {
            keys.refresh.ask();
        }
        let fault = told.as_ref().map_or(Fault::Refused(refusal), |told| Fault::PeerError(told.code));
        self.tell(fault, told.is_none().then_some(refusal.body()), way)
    }

    /// `on_bad_message`: the session ends, or the sender is told why the message went no further, if it is told at all.
    fn tell<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        fault: Fault,
        answer: Option<&'static str>,
        way: Way<'_, W>,
    ) -> Result<(), Fault> {
        if let Some(noted) = self.noted.take() {
            way.record.tap().message(|_| Noted {
                at: Timestamp::now(),
                to_server: self.sealed == Side::Client,
                text: true,
                sealed: Some(noted),
                plain: None,
                refused: Some(fault.to_string()),
            });
        }
        if self.config.websocket.on_bad_message == OnBadMessage::Close {
            return Err(fault);
        }
        way.record.refused(fault);
        if let Some(answer) = answer {
            way.from.reply(answer);
        }
        Ok(())
    }

    fn seal<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: &Message,
        way: Way<'_, W>,
        moment: &Moment,
    ) -> Result<(), Fault> {
        let kind = self.echoed.as_mut().and_then(VecDeque::pop_front).unwrap_or(message.kind);
        let ring = moment.ring.as_ref().ok_or(NoSealingKey)?;
        let sealing = self.messages.as_mut().ok_or(NoSealingKey)?.sealing(ring, moment.now)?;
        let length = sealing.sealed_len(message.payload.len());
        let tap = way.record.tap().clone();
        let mut noted = None;
        let sealed = way.to.write(|encoder, out| {
            encoder.message_with(kind, length, out, &mut rand::rng(), |out| {
                let before = out.len();
                let sealed = sealing.seal(&message.payload, out);
                noted = tap.cut(&out[before..]);
                sealed
            })
        });
        // P8.
        sealed.map_err(|_too_long| Fault::TooLong)?;
        way.record.carried(self.sealed.other(), message.payload.len());
        tap.message(|cut| Noted {
            at: Timestamp::now(),
            to_server: self.sealed == Side::Server,
            text: message.kind == Kind::Text,
            sealed: noted,
            plain: Some(cut(&message.payload)),
            refused: None,
        });
        Ok(())
    }
}
