//! One request from its head to the beginning of its reply, whichever way it goes.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use super::body::ReplyBody;
use super::clear::ClearAnswer;
use super::client::Client;
use super::exchange::{Exchange, Shared};
use super::inbound::{Inbound, SealedAnswer};
use super::outbound::{OpenedAnswer, Outbound};
use super::ping::PingAnswer;
use super::respond::{self, Failure};
use super::websocket::Agreement;
use crate::net::Upgrade;

/// What is done to the requests of one route.
pub(crate) enum Way {
    Inbound(Inbound),
    Outbound(Outbound),
}

/// The ways through a proxy on one worker.
pub(crate) struct Router {
    way: Way,
}

/// What a request comes to.
pub(crate) enum Answer {
    /// Whoever's, plain as the request was.
    Clear(ClearAnswer),
    /// The application's, to be sealed.
    Sealed(SealedAnswer),
    /// The peer's, opened.
    Opened(OpenedAnswer),
    Ping(PingAnswer),
    /// It agrees to a WebSocket.
    Switch(Agreement),
}

impl Way {
    fn shared(&self) -> &Arc<Shared> {
        match self {
            Self::Inbound(inbound) => inbound.shared(),
            Self::Outbound(outbound) => outbound.shared(),
        }
    }

    async fn exchange(
        &self,
        client: &Client,
        head: Parts,
        body: Incoming,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Inbound(inbound) => inbound.exchange(client, head, body, exchange).await,
            Self::Outbound(outbound) => outbound.exchange(client, head, body, exchange).await,
        }
    }
}

impl Router {
    /// Every request goes this way.
    pub(crate) fn new(way: Way) -> Self {
        Self { way }
    }

    /// Answers one request, come what may.
    pub(crate) async fn serve(
        self: Arc<Self>,
        client: Arc<Client>,
        mut request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Infallible> {
        let upgrade = Upgrade::asked_by(&mut request);
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::begin(self.way.shared(), &client.activity, &head, client.peer);
        let answer = self.way.exchange(&client, head, body, &mut exchange).await;
        let mut opening = None;
        let mut response = match answer {
            Ok(Answer::Clear(answer)) => answer.finish(exchange),
            Ok(Answer::Sealed(answer)) => answer.finish(exchange),
            Ok(Answer::Opened(answer)) => answer.finish(exchange),
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
        Ok(response)
    }
}
