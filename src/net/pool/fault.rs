//! Why the upstream gave no reply.

use std::io;

use crate::net::tls::TlsFault;

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
pub enum SendFault {
    /// The connection broke, or what came was no HTTP.
    #[error("the upstream's connection broke: {0}")]
    Broke(hyper::Error),
    /// Connection after connection was closing, and none took the request.
    #[error("the upstream's connections close before they take a request")]
    GoingAway,
    /// No connection was to be had.
    #[error(transparent)]
    Connect(#[from] ConnectFault),
}

/// Why no connection was to be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// The application is not there, or its name is not known.
    #[error("the upstream cannot be reached: {0}")]
    Refused(io::Error),
    /// It did not answer in time.
    #[error("the upstream cannot be reached in time")]
    TimedOut,
    /// It is there, but not under TLS, or is not who it should be.
    #[error("the upstream cannot be reached by TLS: {0}")]
    Tls(#[from] TlsFault),
}
