//! The portal: one document, fetched over HTTPS.
//!
//! A fetch is one GET on a connection of its own, and ends in the document, in "it is what it was", or in a fault that says
//! what to do. When to ask is [`Backoff`]'s matter, what the document means is that of [`crate::keys`].

mod answer;
mod backoff;
mod client;
mod fault;
mod header;
mod url;
mod validator;
mod wire;

use std::time::Duration;

use crate::net::{Identity, Roots};

pub use answer::Answer;
pub use backoff::{Backoff, jittered};
pub use client::PortalClient;
pub use fault::FetchFault;
pub use header::{HeaderSource, PortalHeader, PortalHeaderFault};
pub use url::{PortalUrl, PortalUrlFault};
pub use validator::Validator;

/// Where the document is, how it is asked for, and with how much patience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalConfig {
    /// The document's place.
    pub url: PortalUrl,
    /// What each request bears besides the client's own fields. Of two of one name the last counts.
    pub headers: Vec<PortalHeader>,
    /// Who may vouch for the portal; means nothing under `http`.
    pub roots: Roots,
    /// What is presented if the portal asks who we are; means nothing under `http`.
    pub identity: Option<Identity>,
    /// For each connection: the look-up of the name, the socket, the handshake of TLS.
    pub connect_timeout: Duration,
    /// For the whole fetch, redirects and a slow body included.
    pub timeout: Duration,
    /// The most bytes of a document.
    pub max_answer: u64,
}
