//! A terminal of a test's own, with a program on it as a shell would start it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::{PATIENCE, eventually};

/// The terminal, seen from where the person sits, and the program on it, which is ended when this is dropped.
pub(crate) struct Terminal {
    keyboard: File,
    /// The program's end, held so that its mode can be asked for after the program's end.
    inner: OwnedFd,
    screen: Arc<(Mutex<String>, Condvar)>,
    child: Child,
}

impl Terminal {
    /// Starts `command` in the foreground of a new terminal; `None` where there is no `setsid`, which is said.
    pub(crate) fn run(command: &Command) -> Option<Self> {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let inner = ioctl_tiocgptpeer(&keyboard, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let end = || Stdio::from(inner.try_clone().unwrap());
        // A session with this terminal as its own can only be made by the program's side.
        let mut started = Command::new("setsid");
        started.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        let Ok(child) = started.stdin(end()).stdout(end()).stderr(end()).spawn() else {
            assert_ne!(std::env::var("ALEWIFE_REQUIRE_CLIENTS").as_deref(), Ok("1"), "setsid is missing");
            // Not eprintln!, which the test harness keeps to itself when a test passes.
            let mut told = std::io::stderr();
            writeln!(told, "keys on a terminal were not tested: setsid is missing").unwrap();
            return None;
        };
        let keyboard = File::from(keyboard);
        let screen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (mut from, into) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read) = from.read(&mut buffer)
                && read > 0
            {
                into.0.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
                into.1.notify_all();
            }
        });
        Some(Self { keyboard, inner, screen, child })
    }

    /// Everything that was written to it.
    pub(crate) fn screen(&self) -> String {
        self.screen.0.lock().unwrap().clone()
    }

    /// Waits until `part` was written.
    pub(crate) fn shows(&self, part: &str) {
        let (screen, changed) = &*self.screen;
        let lacks = |screen: &mut String| !screen.contains(part);
        let (screen, waited) = changed.wait_timeout_while(screen.lock().unwrap(), PATIENCE, lacks).unwrap();
        assert!(!waited.timed_out(), "no {part:?}:\n{screen}");
    }

    /// Presses a key, or pastes several at once. The program may read together what soon follows.
    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Whether lines are edited and shown by the terminal itself, as a shell leaves it to a program.
    pub(crate) fn is_for_lines(&self) -> bool {
        tcgetattr(&self.inner).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for the program's end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
