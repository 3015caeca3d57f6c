//! How much memory this process may have, as far as its cgroup says.

use std::fs;

/// What is held at most unless the configuration or the cgroup says otherwise.
const USUAL: u64 = 64 * 1024 * 1024;

/// cgroup v2, then v1; a container sees its own group at the root.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// The default of `max_held`: 64 MiB, or a quarter of the cgroup's limit if that is less.
pub(super) fn default_max_held() -> u64 {
    let limit = LIMITS.iter().find_map(|path| limit(&fs::read_to_string(path).ok()?));
    share_of(limit)
}

fn share_of(limit: Option<u64>) -> u64 {
    limit.map_or(USUAL, |limit| USUAL.min(limit / 4))
}

/// The number in a limit file; `max` stands for none, and so does v1's huge number, by being huge.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_small_limit_is_held() {
        assert_eq!(share_of(limit("134217728\n")), 32 * 1024 * 1024);
    }

    #[test]
    fn a_large_limit_or_none_leaves_the_usual() {
        assert_eq!(share_of(limit("max\n")), USUAL);
        assert_eq!(share_of(limit("9223372036854771712\n")), USUAL);
        assert_eq!(share_of(None), USUAL);
    }
}
