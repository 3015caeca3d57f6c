//! `alewife demo --bridge`: a point of sale and a kitchen, both plain, two sidecars between them, and somebody on the line
//! between those.

mod show;
mod tap;
mod tour;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::kitchen::{Kitchen, Seen};
use super::panels;
use super::wire::WireFault;
use super::{Args, DemoFault, Stage, StopSignals, hints, judge, print, start, tell_until_stop};
use crate::cli::paint::Paint;
use crate::cli::socket::SocketFault;
use crate::sources::load_all;
use tap::Tap;
use tour::Tour;

/// Beside the kitchen. As in examples/bridge: the kitchen sees the headers of the point of sale, and none besides.
const FAR: &str = "mode = \"inbound\"\nforwarded = \"off\"";

/// Beside the point of sale; the kitchen sees the host that it asked for.
const NEAR: &str = "mode = \"outbound\"\nhost = \"pass\"";

/// Builds the chain from its far end, shows it, and takes it down again.
pub(super) async fn perform(args: &Args, stage: &Stage, signals: StopSignals) -> Result<(), DemoFault> {
    let (watcher, mut seen) = mpsc::unbounded_channel();
    let kitchen = Kitchen::open(watcher).await.map_err(DemoFault::Kitchen)?;
    let free = (Ipv4Addr::LOCALHOST, 0).into();
    let config = stage.write_config("kitchen", FAR, free, kitchen.address())?;
    let keys = load_all(&config.key_sets)?;
    let (far, far_address) = start(config, keys).await?;
    let tap = Tap::open(far_address).await.map_err(BridgeFault::Tap)?;

    let listen = (Ipv4Addr::LOCALHOST, args.port).into();
    let config = stage.write_config("pos", NEAR, listen, tap.address())?;
    let keys = load_all(&config.key_sets)?;
    let (near, near_address) = start(config, keys).await?;
    // For `alewife ping`: the port that it really got.
    stage.write_config("pos", NEAR, near_address, tap.address())?;

    let chain = Chain { near: near_address, tap, far: far_address, kitchen };
    let mut result = Ok(());
    let show = async {
        result = chain.show(args, stage, &mut seen).await;
        if result.is_ok() && !args.once {
            tell_until_stop(signals, &mut seen).await;
        }
    };
    let near_has_ended = CancellationToken::new();
    let ends_near = async {
        let ended = near.run_until(show).await;
        near_has_ended.cancel();
        ended
    };
    let (near, far) = tokio::join!(ends_near, far.run_until(near_has_ended.cancelled()));
    near?;
    far?;
    result
}

/// Everything between the two ends.
struct Chain {
    near: SocketAddr,
    tap: Tap,
    far: SocketAddr,
    kitchen: Kitchen,
}

impl Chain {
    async fn show(
        &self,
        args: &Args,
        stage: &Stage,
        seen: &mut UnboundedReceiver<Seen>,
    ) -> Result<(), DemoFault> {
        let paint = Paint::of_stdout();
        let tour = Tour::take(self, seen).await?;
        let mut text = format!(
            "A point of sale orders: {}\npoint of sale ── plain ──▶ sidecar {} ══ sealed ══▶ sidecar {} ── plain ──▶ \
             kitchen {}\n\n",
            super::tour::ORDER,
            self.near,
            self.far,
            self.kitchen.address()
        );
        text += &show::render(&tour, paint);
        let checks = tour.checks();
        text += &panels::verdict(&checks, paint);
        if !args.once {
            text += &self.hints(stage, paint);
        }
        // A closed standard output changes nothing about what held.
        let _ = print(&text);
        judge(&checks)
    }

    fn hints(&self, stage: &Stage, paint: Paint) -> String {
        let binary = std::env::current_exe().unwrap_or_else(|_| Path::new("alewife").to_owned());
        format!(
            "\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n",
            paint.title("Order something yourself, from another terminal, as plainly as a point of sale:"),
            hints::plain_line(self.near),
            paint.title("Or ask both sidecars whether they understand each other:"),
            hints::ping_line(&binary, &stage.config("pos")),
            paint.aside(
                "The kitchen also has /menu, GET /orders and a WebSocket at /talk. Ctrl-C ends the demo."
            ),
        )
    }
}

/// Why the bridge did not show what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum BridgeFault {
    #[error("nothing was heard on the line between the sidecars")]
    NotHeard,
    #[error("the order never reached the kitchen")]
    NotSeen,
    #[error("the WebSocket: {0}")]
    Socket(#[from] SocketFault),
    #[error("nobody can listen on the line: {0}")]
    Tap(#[source] io::Error),
    #[error("the WebSocket: no answer in time")]
    TimedOut,
    #[error(transparent)]
    Wire(#[from] WireFault),
}
