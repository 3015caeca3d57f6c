//! What the signals mean to the sidecar, and to the application that it started.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

use crate::admin::{Orders, Reload, Why};
use crate::app::ApplicationHandle;
use crate::cli::complain;

/// The signals of the process, listened for.
pub(super) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    terminate: unix::Signal,
    user_1: unix::Signal,
    user_2: unix::Signal,
    window: unix::Signal,
}

/// The application, once it runs.
pub(super) type Started = Arc<Mutex<Option<ApplicationHandle>>>;

impl Signals {
    pub(super) fn register() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            window: signal(SignalKind::window_change())?,
        })
    }

    /// Has the signals carried out: to reload, to stop, and with the second one to stop, to end at once. The application
    /// gets those that say nothing to the sidecar; without one they end it, as they would without this.
    pub(super) async fn carry_out(mut self, orders: Orders, application: Started) {
        let mut is_stopping = false;
        loop {
            let stop = tokio::select! {
                _ = self.hangup.recv() => {
                    // Too many wait already, of which each does the same; or none is taken any more.
                    let _ = orders.try_reload(Reload { why: Why::Signal, told: None });
                    false
                }
                _ = self.quit.recv() => !hand_on(&application, Signal::QUIT),
                _ = self.user_1.recv() => !hand_on(&application, Signal::USR1),
                _ = self.user_2.recv() => !hand_on(&application, Signal::USR2),
                _ = self.window.recv() => {
                    hand_on(&application, Signal::WINCH);
                    false
                }
                _ = self.interrupt.recv() => true,
                _ = self.terminate.recv() => true,
            };
            if stop && is_stopping {
                hand_on(&application, Signal::KILL);
                complain("alewife: stopped at once by a second signal; exchanges under way are lost");
                std::process::exit(1);
            }
            if stop {
                is_stopping = true;
                orders.stop();
            }
        }
    }
}

/// Whether there is an application to get it.
fn hand_on(application: &Started, signal: Signal) -> bool {
    let application = application.lock().unwrap_or_else(PoisonError::into_inner);
    application.as_ref().map(|application| application.signal(signal)).is_some()
}
