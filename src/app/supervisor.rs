//! What systemd is told (sd_notify(3)): that the process is ready, reloads, stops, and is alive.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

/// The supervisor of this process, if it has one that listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor {
    listens: bool,
    patience: Option<Duration>,
}

impl Supervisor {
    /// As the environment says.
    pub fn of_environment() -> Self {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty());
        let patience = sd_notify::watchdog_enabled().filter(|_| listens);
        Self { listens, patience }
    }

    /// How often it wants to hear that the process is alive: twice in the time after which it gives it up.
    pub(super) fn interval(self) -> Option<Duration> {
        self.patience.map(|patience| patience / 2)
    }

    pub(super) fn ready(self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The time that goes with it tells the supervisor which of two reloads this is about.
    pub(super) fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => complain(&error),
        }
    }

    pub(super) fn stopping(self) {
        self.tell(&[NotifyState::Stopping]);
    }

    pub(super) fn alive(self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self.listens
            && let Err(error) = sd_notify::notify(states)
        {
            complain(&error);
        }
    }
}

fn complain(error: &io::Error) {
    tracing::warn!(%error, "the supervisor at NOTIFY_SOCKET cannot be told how the process fares");
}
