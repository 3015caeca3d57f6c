//! Whether this process may have as many files open as its limits let in.

use crate::config::Config;

/// What the process has open besides: standard streams, listeners, sources of keys, probes, and connections that are
/// being turned away, of each listener.
const BESIDES: u64 = 128;
const OF_A_LISTENER: u64 = 512;

/// How many descriptors are needed to serve all that `config` lets in: one for each client's connection, and one towards
/// the application for each request and each session.
fn needed(config: &Config) -> u64 {
    let of_proxy = |limits: &crate::proxy::LimitsConfig| {
        let all = [limits.connections, limits.requests, limits.sessions];
        all.iter().map(|limit| u64::from(limit.get())).sum::<u64>() + OF_A_LISTENER
    };
    BESIDES + config.proxies.iter().map(|proxy| of_proxy(&proxy.limits)).sum::<u64>()
}

/// Raises the soft limit to what is needed, as far as the hard one lets it, and warns if that is not enough.
#[cfg(target_os = "linux")]
pub(crate) fn provide(config: &Config) {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let needed = needed(config);
    let limit = getrlimit(Resource::Nofile);
    let (target, enough) = raised(limit.current, limit.maximum, needed);
    let mut has = limit.current;
    if target != limit.current {
        let mut raised = limit;
        raised.current = target;
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => has = target,
            Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    if !enough || has != target {
        tracing::warn!(
            needed,
            has,
            "fewer files may be open than [proxy.limits] lets in: raise the hard limit of open files (nofile, \
             LimitNOFILE=), or lower connections, requests and sessions"
        );
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn provide(_config: &Config) {}

/// What the soft limit becomes, and whether that is enough; `None` is no limit.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has its limits looked at"))]
fn raised(soft: Option<u64>, hard: Option<u64>, needed: u64) -> (Option<u64>, bool) {
    let Some(soft) = soft else { return (None, true) };
    let most = hard.map_or(needed, |hard| hard.min(needed));
    let target = soft.max(most);
    (Some(target), target >= needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_rises_to_what_is_needed_and_never_falls() {
        assert_eq!(raised(Some(1024), Some(524_288), 17_000), (Some(17_000), true));
        assert_eq!(raised(Some(1024), None, 17_000), (Some(17_000), true));
        assert_eq!(raised(Some(20_000), Some(20_000), 17_000), (Some(20_000), true));
        assert_eq!(raised(None, None, 17_000), (None, true));
    }

    #[test]
    fn hard_limit_that_is_too_low_is_all_that_there_is() {
        assert_eq!(raised(Some(1024), Some(4096), 17_000), (Some(4096), false));
        assert_eq!(raised(Some(4096), Some(4096), 17_000), (Some(4096), false));
    }
}
