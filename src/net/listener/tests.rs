//! Listeners of both kinds, to their ends.

use std::path::Path;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::net::ConnectionBounds;

/// Runs a listener until it has handed over `count` connections, stops it, and gives what it handed over in all.
async fn run(listener: Listener, count: usize) -> Vec<Peer> {
    let (inlet, mut accepted) = unbounded_channel();
    let stop = Stop::default();
    let bounds = ConnectionBounds { connections: 8, per_peer: 8 };
    let door = Door {
        gate: Arc::new(ConnectionGate::new(bounds)),
        terms: Arc::new(ArcSwap::from_pointee(DoorTerms {
            relays: Networks::default(),
            turned_away: TurnedAway::Closed,
        })),
        on_excess: Box::new(|excess| panic!("{excess:?}")),
    };
    let hand_over = move |accepted| drop(inlet.send(accepted));
    let running = tokio::spawn(listener.run(hand_over, door, stop.clone()));
    let mut peers = Vec::new();
    while peers.len() < count {
        peers.push(accepted.recv().await.unwrap().peer);
    }
    stop.say();
    running.await.unwrap();
    while let Some(accepted) = accepted.recv().await {
        peers.push(accepted.peer);
    }
    peers
}

fn socket() -> (tempfile::TempDir, std::sync::Arc<Path>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock").into();
    (directory, path)
}

#[tokio::test]
async fn peers_are_known_by_their_address_and_those_of_a_unix_socket_by_having_none() {
    let (_directory, path) = socket();
    let unix = Listener::bind(&ListenAddress::Unix(std::sync::Arc::clone(&path))).unwrap();
    let _clients = [UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap()];
    assert_eq!(run(unix, 1).await, [Peer::Unix, Peer::Unix], "the one that waits is taken as well");
    assert!(!path.exists());

    let tcp = Listener::bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let client = TcpStream::connect(tcp.address().inet().unwrap()).unwrap();
    assert_eq!(run(tcp, 1).await, [Peer::Inet(client.local_addr().unwrap())]);
}

#[tokio::test]
async fn socket_that_others_have_as_well_is_left_to_them_at_a_stop() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = theirs.local_addr().unwrap();
    let ours = ListeningSocket::Tcp(theirs.try_clone().unwrap());
    let listener = Listener::adopt(ours, ListenAddress::Inherited("kitchen".into())).unwrap();
    assert_eq!(listener.address().to_string(), "fd:kitchen");
    let _first = TcpStream::connect(address).unwrap();
    assert_eq!(run(listener, 1).await.len(), 1);
    // What begins a connection is not dropped there, and what waits is for them.
    let second = TcpStream::connect(address).unwrap();
    theirs.set_nonblocking(false).unwrap();
    assert_eq!(theirs.accept().unwrap().1, second.local_addr().unwrap());
}

#[tokio::test]
async fn unix_socket_that_others_have_as_well_keeps_its_file() {
    let (_directory, path) = socket();
    let theirs = UnixListener::bind(&path).unwrap();
    let ours = ListeningSocket::Unix(theirs.try_clone().unwrap());
    let listener = Listener::adopt(ours, ListenAddress::Inherited("kitchen".into())).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    assert_eq!(run(listener, 1).await, [Peer::Unix]);
    let _second = UnixStream::connect(&path).unwrap();
    theirs.set_nonblocking(false).unwrap();
    theirs.accept().unwrap();
}

#[tokio::test]
async fn socket_that_was_not_passed_cannot_be_listened_on() {
    let error = Listener::bind(&ListenAddress::Inherited("kitchen".into())).err().unwrap();
    assert_eq!(error.to_string(), "cannot listen on fd:kitchen: no socket of that name was passed");
}
