//! What stands first: where to send, where it goes, and a line to try it.

use std::path::{Path, PathBuf};

use super::Args;
use super::key::DevelopmentKey;
use crate::cli::paint::Paint;
use crate::cli::shell::quoted;
use crate::cli::terminal::fit;
use crate::keys::Key;

/// The profile that `alewife send` speaks.
const OF_SEND: &str = "ale";

/// Characters of a fingerprint.
const WIDEST: usize = 80;

/// What is to be said.
pub(super) struct Announcement<'a> {
    pub(super) args: &'a Args,
    /// Where requests are taken.
    pub(super) url: String,
    /// Where they go.
    pub(super) upstream: String,
    /// Where what passes is shown, if anywhere.
    pub(super) inspector: Option<String>,
    /// The key that seals now, if one does.
    pub(super) sealing: Option<&'a Key>,
    /// The key for development, if that is it.
    pub(super) key: Option<&'a DevelopmentKey>,
    /// Whether single keys do something.
    pub(super) takes_keys: bool,
}

impl Announcement<'_> {
    pub(super) fn text(&self, paint: Paint) -> String {
        let (from, to) = if self.args.outbound { ("plain", "sealed") } else { ("sealed", "plain") };
        let mut text = format!(
            "{}  {}, {from}\n{}  {}, {to}\n{}  {}\n",
            paint.title("send to"),
            self.url,
            paint.title("goes to"),
            self.upstream,
            paint.title("key    "),
            self.key_line()
        );
        if let Some(url) = &self.inspector {
            text += &format!("{}  {url}\n", paint.title("inspect"));
        }
        if let Some(DevelopmentKey { is_new, .. }) = self.key {
            let made = if *is_new { "was made for development just now" } else { "is for development" };
            let warning =
                format!("NOT FOR PRODUCTION: this key {made} and lies in a file that nobody guards");
            text += &format!("{}\n", paint.failed(&warning));
        }
        text += &format!(
            "\n{}\n{}\n\n{}\n\n",
            paint.title("Try it from another terminal:"),
            self.line(),
            paint.aside(if self.takes_keys {
                "Exchanges are shown here as they end. Press h for help. Ctrl-C ends this."
            } else {
                "Exchanges are shown here as they end. Ctrl-C ends this."
            })
        );
        text
    }

    fn key_line(&self) -> String {
        let file = self.file().display();
        match self.sealing {
            Some(key) => {
                let algorithm = key.secret.algorithm();
                format!("{}, {algorithm}, of {file}", fit(key.fingerprint.as_str(), WIDEST))
            }
            None => format!("none of {file} seals now"),
        }
    }

    pub(super) fn file(&self) -> &Path {
        let given = self.args.keys.as_deref();
        self.key.map(|key| key.file.as_path()).or(given).unwrap_or(Path::new(""))
    }

    /// To paste into a shell.
    fn line(&self) -> String {
        let url = &self.url;
        if self.args.outbound {
            return format!(
                "curl -s --noproxy '*' -H 'content-type: application/json' -d '{{\"dish\":\"soup\"}}' {url}/"
            );
        }
        if self.args.profile.as_ref().is_some_and(|name| name != OF_SEND) {
            return format!("# `alewife send` seals as the profile {OF_SEND} only: use a client of your own");
        }
        let binary = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("alewife"));
        let keys = std::path::absolute(self.file()).unwrap_or_else(|_| self.file().to_owned());
        format!("{} send --keys {} --json '{{\"dish\":\"soup\"}}' {url}/", quoted(&binary), quoted(&keys))
    }
}
