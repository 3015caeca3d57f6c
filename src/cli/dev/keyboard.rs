//! Keys as they are pressed, on a terminal that is somebody's.
//!
//! Nothing is done to a terminal that this process shares with others: only where both ends are one, and it is in the foreground
//! of it. The mode that the terminal had comes back with the end of this, whichever that is.

use std::io::{self, IsTerminal, Stdin, stdin, stdout};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// While another has the terminal: from one look to the next.
const ASIDE: Duration = Duration::from_millis(200);

/// What the terminal was before its keys were wanted one by one.
pub(super) struct Keyboard {
    before: Termios,
    pressed: mpsc::UnboundedReceiver<u8>,
    signals: Signals,
}

/// Those that concern a terminal's mode. That of Ctrl-C is for the process as a whole.
struct Signals {
    stopped: tokio::signal::unix::Signal,
    goes_on: tokio::signal::unix::Signal,
    hangs_up: tokio::signal::unix::Signal,
    quits: tokio::signal::unix::Signal,
}

/// What comes from a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// A key of one byte.
    Key(u8),
    /// The terminal asks for the end.
    End,
}

impl Keyboard {
    /// Takes keys one by one from now on, if there is a terminal for that.
    pub(super) fn open() -> Option<Self> {
        if !stdin().is_terminal() || !stdout().is_terminal() || !is_in_foreground() {
            return None;
        }
        let signals = Signals::register().ok()?;
        let before = tcgetattr(stdin()).ok()?;
        let (press, pressed) = mpsc::unbounded_channel();
        let keyboard = Self { before, pressed, signals };
        keyboard.take().ok()?;
        thread::Builder::new().name("alewife-keys".to_owned()).spawn(move || read_all(&press)).ok()?;
        Some(keyboard)
    }

    /// The next key. Never, after the last.
    pub(super) async fn next(&mut self) -> Pressed {
        loop {
            tokio::select! {
                Some(key) = self.pressed.recv() => return Pressed::Key(key),
                _ = self.signals.hangs_up.recv() => return Pressed::End,
                _ = self.signals.quits.recv() => return Pressed::End,
                _ = self.signals.stopped.recv() => {
                    self.give_back();
                    // What the signal does to whoever has no ear for it.
                    let _ = kill_process(getpid(), Signal::STOP);
                }
                _ = self.signals.goes_on.recv() => {
                    if is_in_foreground() {
                        let _ = self.take();
                    }
                }
            }
        }
    }

    /// Keys one by one, unseen; those that make signals do so still, and lines go out as ever.
    fn take(&self) -> io::Result<()> {
        let mut mode = self.before.clone();
        mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(stdin(), OptionalActions::Now, &mode)?)
    }

    fn give_back(&self) {
        // Who is in the background would be stopped for touching it, and whoever is in the foreground has a mode of its own.
        if is_in_foreground() {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Signals {
    fn register() -> io::Result<Self> {
        let kind = |signal: Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            stopped: signal(kind(Signal::TSTP))?,
            goes_on: signal(kind(Signal::CONT))?,
            hangs_up: signal(SignalKind::hangup())?,
            quits: signal(SignalKind::quit())?,
        })
    }
}

fn is_in_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

/// Until the terminal ends, or nobody listens.
fn read_all(press: &mpsc::UnboundedSender<u8>) {
    let stdin: Stdin = stdin();
    loop {
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        // Who reads in the background is stopped.
        if !is_in_foreground() {
            thread::sleep(ASIDE);
            continue;
        }
        let mut bytes = [0; 256];
        match read(&stdin, &mut bytes) {
            Ok(0) => return,
            Ok(length) => {
                if let Some(key) = key(&bytes[..length])
                    && press.send(key).is_err()
                {
                    return;
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// A key that is one byte. Several at once are an arrow, a letter of another alphabet or something pasted, of which no
/// part may be taken for a key.
fn key(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [key] => Some(*key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn arrows_letters_of_several_bytes_and_pasted_text_are_no_keys() {
        assert_eq!(key(b"q"), Some(b'q'));
        for none in [&b"\x1b[A"[..], "é".as_bytes(), b"quit", b""] {
            assert_eq!(key(none), None, "{none:?}");
        }
    }
}
