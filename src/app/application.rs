//! The application, where this process starts it: `alewife run -- COMMAND`.

use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::config::Environment;

/// What is meant for this process and not for the application, besides the configuration in variables, which may bear secrets.
const OWN_VARIABLES: [&str; 6] =
    ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// A running application.
pub struct Application {
    child: Child,
    ended: Option<ExitStatus>,
    handle: ApplicationHandle,
}

/// For signals to an application. Clones are for the same one.
#[derive(Clone, Default)]
pub struct ApplicationHandle(Arc<Mutex<Option<Pid>>>);

impl Application {
    /// Starts `command`, a program and its arguments, with the environment, the directory and the standard streams of this
    /// process, in a process group of its own.
    pub fn start(command: &[OsString]) -> Result<Self, ApplicationError> {
        let [program, arguments @ ..] = command else { return Err(ApplicationError::NoCommand) };
        let failed = |source| ApplicationError::NotStarted { program: program.clone(), source };
        let mut command = Command::new(program);
        command.args(arguments);
        for name in OWN_VARIABLES {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| Environment::is_setting(name)) {
            command.env_remove(name);
        }
        // A terminal sends its signals to the whole group: the application is ended here, after its last request.
        command.process_group(0);
        let child = command.spawn().map_err(failed)?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, ended: None, handle: ApplicationHandle(Arc::new(Mutex::new(id))) })
    }

    /// Whether it has not ended, as far as is known.
    pub fn runs(&self) -> bool {
        self.ended.is_none()
    }

    /// For signals to it.
    pub fn handle(&self) -> ApplicationHandle {
        self.handle.clone()
    }

    /// Ends with the application. May be asked any number of times.
    pub async fn ended(&mut self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        loop {
            match self.child.wait().await {
                Ok(status) => {
                    // Its number may be another process's from now on.
                    *self.handle.lock() = None;
                    self.ended = Some(status);
                    return status;
                }
                // The system cannot say how it ended, which happens to nobody who waits for a child of his own.
                Err(error) => {
                    tracing::error!(%error, "the application cannot be waited for");
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl ApplicationHandle {
    /// Hands a signal on, if the application has not ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(id) = *self.lock()
            && let Err(error) = kill_process(id, signal)
        {
            tracing::warn!(%error, "a signal did not reach the application");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no application.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// Nothing stands after `--`.
    #[error("no command stands after --")]
    NoCommand,
    /// The system refused.
    #[error("the application {} cannot be started: {source}", program.display())]
    NotStarted {
        /// What was to be started.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
}

/// The status with which a process ends for that of its child: the child's own, or 128 and the signal that ended it, as
/// shells have it.
pub fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;

    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
