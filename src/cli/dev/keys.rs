//! What single keys do on a terminal.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use super::keyboard::{Keyboard, Pressed};
use crate::capture::{Capture, Event};
use crate::cli::paint::Paint;
use crate::cli::print;
use crate::inspector::Rotate;

/// A browser that ends sooner with a fault did not open.
const OPENS_WITHIN: Duration = Duration::from_secs(10);

/// Clears what is seen and what was scrolled away, and begins at the top.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// What the keys are for, as the help lists them.
const HELP: [(&str, &str); 5] = [
    ("o", "open the inspector"),
    ("r", "rotate the key: a new one seals from now on, those before still open"),
    ("c", "clear the screen, and forget the exchanges so far"),
    ("h", "this help"),
    ("q", "quit"),
];

/// What the keys act on.
pub(super) struct Keys {
    pub(super) keyboard: Keyboard,
    pub(super) paint: Paint,
    /// What stands first, and again after a clear.
    pub(super) announcement: String,
    /// Where the inspector is, if anywhere.
    pub(super) inspector: Option<String>,
    pub(super) rotate: Rotate,
    pub(super) capture: Arc<Capture>,
}

impl Keys {
    /// Does what the keys say, until one of them says that this is the end.
    pub(super) async fn obeyed(mut self) {
        let mut rotating: Option<JoinHandle<()>> = None;
        let mut is_hinted = false;
        loop {
            let key = match self.keyboard.next().await {
                Pressed::End => return,
                Pressed::Key(key) => key,
            };
            match key {
                b'q' => return,
                b'o' => self.open(),
                b'r' if rotating.as_ref().is_some_and(|running| !running.is_finished()) => {}
                b'r' => rotating = Some(self.rotate()),
                b'c' => self.clear(),
                b'h' | b'?' => say(help(self.paint)),
                // Room between exchanges, as it is wont to be.
                b'\n' | b'\r' => say("\n".to_owned()),
                b' '..=b'~' if !std::mem::replace(&mut is_hinted, true) => {
                    say(format!("{}\n", self.paint.aside("That key does nothing; h lists those that do.")));
                }
                _ => {}
            }
        }
    }

    fn open(&self) {
        match &self.inspector {
            None => say("There is no inspector: this was started with --no-inspect.\n".to_owned()),
            Some(url) => {
                if let Err(error) = open_in_browser(url) {
                    say(unopened(url, &error.to_string()));
                }
            }
        }
    }

    fn rotate(&self) -> JoinHandle<()> {
        let (rotate, capture, paint) = (Arc::clone(&self.rotate), Arc::clone(&self.capture), self.paint);
        spawn_blocking(move || {
            let text = match rotate() {
                Ok(fingerprint) => {
                    capture.tell(Event::Keys);
                    format!(
                        "{}  {fingerprint} seals from now on; those before still open\n",
                        paint.title("key    ")
                    )
                }
                Err(why) => format!("{}\n", paint.failed(&format!("no new key: {why}"))),
            };
            let _ = print(&text);
        })
    }

    fn clear(&self) {
        self.capture.clear();
        say(format!("{CLEAR}{}", self.announcement));
    }
}

/// Prints without holding up what is served, should nobody read.
fn say(text: String) {
    drop(spawn_blocking(move || print(&text)));
}

fn help(paint: Paint) -> String {
    HELP.iter().map(|(key, does)| format!("  {}  {does}\n", paint.title(key))).collect()
}

fn unopened(url: &str, why: &str) -> String {
    format!("no browser opened ({why}); the inspector is at {url}\n")
}

/// Hands the address to a browser, and says so later where that comes to nothing. The address has the token in it: nobody
/// else is told.
fn open_in_browser(url: &str) -> io::Result<()> {
    let named = std::env::var_os("BROWSER").filter(|program| !program.is_empty());
    let program = named.unwrap_or_else(|| if cfg!(target_os = "macos") { "open" } else { "xdg-open" }.into());
    let mut command = Command::new(&program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C is not for the browser.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let program = program.display().to_string();
    let mut browser =
        command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    let (url, began) = (url.to_owned(), Instant::now());
    thread::Builder::new().name("alewife-browser".to_owned()).spawn(move || {
        if let Ok(status) = browser.wait()
            && !status.success()
            && began.elapsed() < OPENS_WITHIN
        {
            let _ = print(&unopened(&url, &format!("{program}: {status}")));
        }
    })?;
    Ok(())
}
