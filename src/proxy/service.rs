//! One request from its head to the beginning of its reply, whichever way it goes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use super::body::{Arriving, ReplyBody};
use super::bypass::Bypass;
use super::clear::ClearAnswer;
use super::client::Client;
use super::exchange::{Exchange, Shared};
use super::forward;
use super::inbound::{Inbound, SealedAnswer};
use super::limits::check_head;
use super::outbound::{OpenedAnswer, Outbound};
use super::ping::PingAnswer;
use super::respond::{self, Failure};
use super::websocket::Agreement;
use super::whole::{WholeAnswer, WholeInbound, WholeOutbound};
use super::{Asked, ProxyConfig, now, on_purpose};
use crate::capture::Side;
use crate::net::Upgrade;

/// What is done to the requests of one route.
pub(crate) enum Way {
    Inbound(Inbound),
    Outbound(Outbound),
    WholeInbound(WholeInbound),
    WholeOutbound(WholeOutbound),
    Bypass(Bypass),
}

/// The ways through a proxy on one worker, one for each of its routes.
pub(crate) struct Router {
    config: Arc<ProxyConfig>,
    /// Of requests that no route is taken for.
    shared: Arc<Shared>,
    ways: Vec<Way>,
}

/// What a request comes to.
pub(crate) enum Answer {
    /// Whoever's, plain as the request was.
    Clear(ClearAnswer),
    /// The application's, to be sealed.
    Sealed(SealedAnswer),
    /// The peer's, opened.
    Opened(OpenedAnswer),
    /// Either, opened or sealed whole.
    Whole(WholeAnswer),
    Ping(PingAnswer),
    /// It agrees to a WebSocket.
    Switch(Agreement),
}

impl Way {
    fn shared(&self) -> &Arc<Shared> {
        match self {
            Self::Inbound(inbound) => inbound.shared(),
            Self::Outbound(outbound) => outbound.shared(),
            Self::WholeInbound(inbound) => inbound.shared(),
            Self::WholeOutbound(outbound) => outbound.shared(),
            Self::Bypass(bypass) => bypass.shared(),
        }
    }

    async fn exchange(
        &self,
        client: &Client,
        head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Inbound(inbound) => inbound.exchange(client, head, body, exchange).await,
            Self::Outbound(outbound) => outbound.exchange(client, head, body, exchange).await,
            // In a box, so that the futures of the others have no room for theirs.
            Self::WholeInbound(inbound) => Box::pin(inbound.exchange(client, head, body, exchange)).await,
            Self::WholeOutbound(outbound) => Box::pin(outbound.exchange(client, head, body, exchange)).await,
            Self::Bypass(bypass) => Box::pin(bypass.exchange(client, head, body, exchange)).await,
        }
    }
}

impl Router {
    /// `ways` are those of the routes of `config`, in order.
    pub(crate) fn new(config: Arc<ProxyConfig>, shared: Arc<Shared>, ways: Vec<Way>) -> Self {
        Self { config, shared, ways }
    }

    /// The way of a request: that of the first route that is for it. A proxy without routes has one for all.
    fn choose(&self, head: &Parts) -> Result<&Way, Failure> {
        check_head(head, &self.config.limits)?;
        if let ([way], false) = (&*self.ways, self.config.routes.are_written()) {
            return Ok(way);
        }
        forward::check_framing(head)?;
        let asked = Asked { method: &head.method, host: forward::host_of(head), path: head.uri.path() };
        let chosen = self.config.routes.choose(&asked).and_then(|place| self.ways.get(place));
        let answers = |way: &&Way| matches!(way, Way::Inbound(inbound) if inbound.is_asked(head));
        // A ping is the sidecar's own affair.
        let chosen = match chosen.filter(answers).or_else(|| self.ways.iter().find(answers)) {
            Some(answering) => Some(answering),
            None => chosen,
        };
        chosen.ok_or(Failure::NoRoute)
    }

    /// Whether the route takes plain requests of this client now, and the target is for no other route, however it is read.
    fn may_be_plain(&self, way: &Way, head: &Parts, peer: IpAddr) -> bool {
        let Some(migrating) = &way.shared().migrating else { return false };
        let routes = &self.config.routes;
        // Only where there are routes is the framing known to be right by now, and with it the host.
        let is_ambiguous = routes.are_written() && {
            let asked = Asked { method: &head.method, host: forward::host_of(head), path: head.uri.path() };
            routes.is_ambiguous(&asked)
        };
        migrating.terms.admits(peer, now()) && !is_ambiguous
    }

    /// Answers one request, come what may.
    pub(crate) async fn serve(
        self: Arc<Self>,
        client: Arc<Client>,
        mut request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Infallible> {
        let upgrade = Upgrade::asked_by(&mut request);
        let (head, body) = request.into_parts();
        let place = self.shared.limits.request();
        let admitted =
            if place.is_some() { self.choose(&head) } else { Err(Failure::Requests { closes: false }) };
        let mut exchange = Exchange::begin(&self.shared, &client.activity, &head, client.peer, place);
        let body = Arriving::request(body, exchange.tap().clone());
        let answer = match admitted {
            Ok(way) => {
                exchange.routed(way.shared());
                if self.may_be_plain(way, &head, client.peer) {
                    exchange.admit_plain();
                }
                match exchange.tap().fault().and_then(|fault| on_purpose::refusal(fault, way.shared())) {
                    Some(failure) => {
                        client.discard(body, &head);
                        Err(failure)
                    }
                    None => way.exchange(&client, head, body, &mut exchange).await,
                }
            }
            Err(Failure::NoRoute) => {
                client.discard(body, &head);
                Err(Failure::NoRoute)
            }
            Err(failure) => {
                let closes = client.leave(&body, &head);
                Err(if let Failure::Requests { .. } = failure {
                    Failure::Requests { closes }
                } else {
                    failure
                })
            }
        };
        let tap = exchange.tap().clone();
        if let Some(fault) = tap.fault() {
            Box::pin(on_purpose::before_reply(fault)).await;
        }
        let mut opening = None;
        let mut response = match answer {
            Ok(Answer::Clear(answer)) => answer.finish(exchange),
            Ok(Answer::Sealed(answer)) => answer.finish(exchange),
            Ok(Answer::Opened(answer)) => answer.finish(exchange),
            Ok(Answer::Whole(answer)) => answer.finish(exchange),
            Ok(Answer::Ping(answer)) => answer.finish(exchange),
            Ok(Answer::Switch(agreement)) => {
                let (response, session) = agreement.finish(exchange);
                opening = Some(session);
                response
            }
            Err(failure) => failure.refuse(exchange),
        };
        if let Some(upgrade) = upgrade {
            client.after_http.leave(upgrade, opening);
        }
        respond::settle_connection(&mut response, &client);
        tap.reply_head(Side::Client, &response);
        Ok(response)
    }
}
