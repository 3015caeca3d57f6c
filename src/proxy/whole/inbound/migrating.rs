//! Requests that are sealed or plain, of clients that a route has yet to move over.

use std::collections::VecDeque;

use super::*;
use crate::ale::{bears_sealed, would_refuse};
use crate::proxy::body::HeldBody;
use crate::proxy::migration::{MigrationPolicy, WouldRefuse};

impl WholeInbound {
    /// Passes a request on that bears nothing of a sealed one and would be refused for it; any other is opened.
    pub(super) async fn exchange_either(
        &self,
        client: &Client,
        mut head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
        policy: MigrationPolicy,
    ) -> Result<Answer, Failure> {
        let lacking = self.require_headers(&head).err();
        if let (Some(failure), MigrationPolicy::Permit) = (lacking, policy) {
            client.discard(body, &head);
            return Err(failure.into());
        }
        forward::check_framing(&head)?;
        if Handshake::asked_by(&head, !body.is_end_stream())?.is_some() {
            let passes = policy == MigrationPolicy::Shadow && !bears_sealed(&self.profile, &head, b"");
            return if passes {
                self.pass_handshake(client, head, body, exchange, lacking).await
            } else {
                Err(Failure::NoWebSocket)
            };
        }
        forward::strip_hop_by_hop(&mut head.headers);
        let has_bytes = onward::may_have_bytes(&body);
        let taken = take_request(body, &self.config, &self.shared, client).await?;
        exchange.request_bytes(taken.len() as u64);
        let is_sealed = bears_sealed(&self.profile, &head, &taken);
        let unsealed = || {
            let ring = self.keys.store.snapshot();
            would_refuse(&self.profile, &head, &taken, &ring, now()).map(|fault| fault.refusal)
        };
        match (is_sealed, lacking) {
            (true, Some(refusal)) => Err(refusal.into()),
            (true, None) => self.exchange_sealed(client, head, (taken, has_bytes), exchange).await,
            (false, lacking) => match lacking.or_else(unsealed) {
                // There is nothing of it that had to be sealed.
                None => self.exchange_sealed(client, head, (taken, has_bytes), exchange).await,
                Some(refusal) => {
                    exchange.passes_plain(refusal.into());
                    self.pass(client, head, (taken, has_bytes), exchange).await
                }
            },
        }
    }

    /// Passes a body on as it was taken in, and answers with the plain reply.
    async fn pass(
        &self,
        client: &Client,
        mut head: Parts,
        (taken, has_bytes): (Bytes, bool),
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        self.onward.prepare_plain(&mut head, client, exchange, false)?;
        let framing = if has_bytes { Framing::Length(taken.len() as u64) } else { Framing::Unstated };
        framing.write(&mut head.headers);
        let method = head.method.clone();
        let body = match taken.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Held(HeldBody::new(VecDeque::from([taken]), None)),
        };
        let sent = self.onward.send(Request::from_parts(head, body), client, exchange).await?;
        Ok(Answer::Clear(ClearAnswer::new(sent, method)))
    }

    /// Passes a WebSocket's handshake on, for which sealed messages have no form here.
    async fn pass_handshake(
        &self,
        client: &Client,
        head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
        lacking: Option<Refusal>,
    ) -> Result<Answer, Failure> {
        if !self.inbound.allows(head.headers.get_all(ORIGIN), Carrier::Headers) {
            return Err(Failure::Origin);
        }
        exchange.passes_plain(lacking.map_or(WouldRefuse::NO_WEBSOCKET, Into::into));
        let Self { config, shared, onward, .. } = self;
        let clear = Clear { config, shared, keys: None, onward, sealed: Side::Client };
        clear.exchange(client, head, body, exchange).await
    }
}
