//! Sockets that whoever started the process has passed to it (sd_listen_fds(3)): systemd, or a process whose place this one
//! takes. They are kept for as long as the process lives, so that a proxy that comes back finds its own again.

use std::io;

use listenfd::ListenFd;

use crate::net::{BindError, ListenAddress, Listener, ListeningSocket};

/// By their names.
pub(super) struct Passed(Vec<(String, ListeningSocket)>);

impl Passed {
    /// Those of this process. What is no socket that listens is left alone.
    pub(super) fn of_environment() -> Self {
        let mut passed = ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut sockets: Vec<(String, ListeningSocket)> = Vec::new();
        for place in 0..passed.len() {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or_else(|| place.to_string());
            match take(&mut passed, place) {
                Ok(Some(socket)) if sockets.iter().all(|(known, _)| *known != name) => {
                    sockets.push((name, socket))
                }
                Ok(Some(_)) => {
                    tracing::warn!("a second socket of the name {name:?} was passed, and is not used");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "the descriptor {name:?} that was passed is no socket that listens")
                }
            }
        }
        Self(sockets)
    }

    /// A listener there: on the socket of that name, or on one of its own.
    pub(super) fn listener(&self, address: &ListenAddress) -> Result<Listener, BindError> {
        let ListenAddress::Inherited(name) = address else { return Listener::bind(address) };
        match self.0.iter().find(|(known, _)| known.as_str() == &**name) {
            None => Listener::bind(address),
            Some((_, socket)) => match clone(socket) {
                Ok(socket) => Listener::adopt(socket, address.clone()),
                Err(source) => Err(BindError { address: address.clone(), source }),
            },
        }
    }
}

fn take(passed: &mut ListenFd, place: usize) -> io::Result<Option<ListeningSocket>> {
    match passed.take_tcp_listener(place) {
        Ok(listener) => Ok(listener.map(ListeningSocket::Tcp)),
        Err(_no_tcp) => Ok(passed.take_unix_listener(place)?.map(ListeningSocket::Unix)),
    }
}

fn clone(socket: &ListeningSocket) -> io::Result<ListeningSocket> {
    Ok(match socket {
        ListeningSocket::Tcp(listener) => ListeningSocket::Tcp(listener.try_clone()?),
        ListeningSocket::Unix(listener) => ListeningSocket::Unix(listener.try_clone()?),
    })
}
