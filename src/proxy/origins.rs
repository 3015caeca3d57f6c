//! Pages that may open WebSockets.

use http::HeaderValue;
use http::header::GetAll;

use super::InboundConfig;
use super::carriers::Carrier;

impl InboundConfig {
    /// Whether a page of this origin may open a WebSocket. Who is no page has none, and no use for the query either.
    pub(super) fn allows(&self, origins: GetAll<'_, HeaderValue>, carrier: Carrier) -> bool {
        let is_allowed = |origin: &HeaderValue| {
            self.origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
        };
        let mut origins = origins.iter();
        match (origins.next(), origins.next()) {
            _ if self.origins.is_empty() => true,
            (None, _) => carrier != Carrier::Query,
            (Some(origin), None) => is_allowed(origin),
            (Some(_), Some(_)) => false,
        }
    }
}
