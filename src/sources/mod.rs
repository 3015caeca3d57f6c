//! Where keys come from: key files and portals, read, followed, and put together while requests run; and the files of
//! certificates, which are followed in the same way.

mod assembly;
mod cache;
mod certificates;
mod config;
mod follow;
pub mod key_file;
mod load;
mod plain;
mod poll;
pub mod portal;
mod refresh;
mod reload;
mod rounds;
mod secret;
mod state;
pub mod watch;

pub use cache::{CacheFault, CacheFile, Cached};
pub use certificates::{CertificateFollower, Certificates};
pub use config::{KeysConfig, PortalSource};
pub use follow::{KeyFollower, first_keys};
pub use load::{LoadedKeys, ask_now, file_now, load_all, load_beside, load_now};
pub use refresh::{Refresh, Waiting};
pub use secret::{SecretFault, SecretSource};
pub use state::{Failure, SourceState};
pub use watch::{WatchSettings, WatchedFile};
