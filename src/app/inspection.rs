//! The inspector beside `run`: what passes, shown on this machine, and nothing done.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listeners::Listeners;
use super::{App, Listening, StartError};
use crate::capture::{Capture, Direction};
use crate::config::Config;
use crate::inspector::{About, Inspector, InspectorConfig, InspectorState, ProxyAbout};
use crate::proxy::{Mode, RouteConfig};

/// One that is bound and does not answer yet.
pub(super) struct Inspection {
    inspector: Inspector,
    config: InspectorConfig,
    capture: Arc<Capture>,
}

impl Inspection {
    /// Binds it, if the configuration has one.
    pub(super) async fn bind(config: &Config) -> Result<Option<Self>, StartError> {
        let Some(config) = config.inspector.clone() else { return Ok(None) };
        let inspector = Inspector::bind(config.listen).await.map_err(StartError::Inspector)?;
        Ok(Some(Self { inspector, capture: Capture::new(config.limits), config }))
    }

    /// Where exchanges are kept for it.
    pub(super) fn capture(&self) -> Arc<Capture> {
        Arc::clone(&self.capture)
    }

    /// Tells the file where it is, and answers until the admin listener ends. Gives back the file.
    pub(super) fn begin(self, app: &App) -> Result<PathBuf, StartError> {
        let Self { inspector, config, capture } = self;
        let file = UrlFile::write(&config.url_file, &inspector.url())
            .map_err(|source| StartError::UrlFile { path: config.url_file.clone(), source })?;
        let listeners = Arc::clone(&app.listeners);
        let state = InspectorState {
            capture,
            about: Box::new(move || about(&listeners)),
            mask: config.mask,
            key_sets: Arc::clone(&app.status),
            can_act: false,
            rotate: None,
        };
        let stop = app.admin.stop.clone();
        app.admin.tasks.spawn(async move {
            inspector.serve(state, stop).await;
            drop(file);
        });
        Ok(config.url_file)
    }
}

fn about(listeners: &Listeners) -> About {
    let proxies = listeners.in_force().iter().map(about_proxy).collect();
    About { version: env!("CARGO_PKG_VERSION").to_owned(), proxies }
}

/// What the inspector tells of a proxy. Its keys, if they are to be known, come besides.
pub fn about_proxy(listening: &Listening) -> ProxyAbout {
    let config = &listening.config;
    let profile = config.routes.iter().find_map(RouteConfig::profile);
    ProxyAbout {
        name: Arc::clone(&config.name),
        mode: match config.mode {
            Mode::Inbound(_) => Direction::Inbound,
            Mode::Outbound(_) => Direction::Outbound,
        },
        address: listening.address.to_string(),
        reach: listening.address.inet(),
        upstream: config.routes.destination(),
        profile: profile.map_or_else(|| "none".to_owned(), |profile| profile.name().to_string()),
        wire: profile.cloned(),
        keys: None,
        key_file: None,
    }
}

/// The file that says where the page is. It is gone with this, unless it is another's by then.
struct UrlFile {
    path: PathBuf,
    text: String,
}

impl UrlFile {
    /// Readable to nobody else from its first byte on; what was there before is replaced, and a link is not followed.
    fn write(path: &Path, url: &str) -> io::Result<Self> {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.symlink_metadata().is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
            return Err(io::Error::other("something else than a file is there"));
        }
        let text = format!("{url}\n");
        let mut file = tempfile::Builder::new().prefix(".inspector-").tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(Self { path: path.to_owned(), text })
    }
}

impl Drop for UrlFile {
    fn drop(&mut self) {
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn file_is_for_its_owner_alone_and_gone_with_what_it_tells_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inspector.url");
        std::fs::write(&path, "of an earlier start").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let file = UrlFile::write(&path, "http://127.0.0.1:1/token/").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "http://127.0.0.1:1/token/\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn link_is_replaced_and_what_it_leads_to_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let [path, other] = ["inspector.url", "other"].map(|name| directory.path().join(name));
        std::fs::write(&other, "of somebody else").unwrap();
        symlink(&other, &path).unwrap();
        let file = UrlFile::write(&path, "http://127.0.0.1:1/token/").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "of somebody else");
        assert!(path.symlink_metadata().unwrap().is_file());
        // Another process has put its own there meanwhile.
        std::fs::write(&path, "of the next").unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "of the next");
    }

    #[test]
    fn directory_in_its_place_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(UrlFile::write(directory.path(), "http://127.0.0.1:1/token/").is_err());
    }
}
