//! Echoes over a WebSocket.

use std::num::NonZeroU16;

use rand::Rng;
use tokio::time::Instant;

use super::super::socket::Socket;
use super::fault::PingFault;
use super::{Door, PAYLOAD, Times};
use crate::crypto::encoding::base64_encode;
use crate::proxy::PING_PATH;
use crate::websocket::{Kind, Message};

/// Sends `count` messages over one WebSocket, a binary one and a text in turn.
pub(super) async fn ask(door: &Door, count: NonZeroU16) -> Result<Times, PingFault> {
    let mut socket = door.within(open(door)).await?;
    let mut times = Vec::new();
    for number in 0..count.get() {
        let mut random = [0; PAYLOAD];
        rand::rng().fill_bytes(&mut random);
        let began = Instant::now();
        if number % 2 == 0 {
            door.within(echo(&mut socket, Kind::Binary, &random)).await?;
        } else {
            door.within(echo(&mut socket, Kind::Text, base64_encode(&random).as_bytes())).await?;
        }
        times.push(began.elapsed());
    }
    door.within(async { Ok(socket.close().await?) }).await?;
    Ok(Times::of(times))
}

async fn open(door: &Door) -> Result<Socket, PingFault> {
    Ok(Socket::open(door.connect().await?, &door.host(), PING_PATH).await?)
}

async fn echo(socket: &mut Socket, sent: Kind, bytes: &[u8]) -> Result<(), PingFault> {
    socket.send(sent, bytes).await?;
    let Message { kind, payload } = socket.receive().await?;
    if (kind, &payload[..]) == (sent, bytes) { Ok(()) } else { Err(PingFault::EchoDiffers) }
}
