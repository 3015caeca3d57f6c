//! What the process takes of the machine, read anew for each who asks.

use std::time::SystemTime;

use crate::metrics::ProcessFigures;

/// The figures of this process, which counts as started now.
pub(super) fn figures() -> impl Fn() -> ProcessFigures + Send + Sync + 'static {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let start_time_seconds = since_1970.ok().map(|since| since.as_secs_f64());
    move || {
        let (virtual_memory_bytes, resident_memory_bytes) = memory().unzip();
        ProcessFigures {
            cpu_seconds: Some(cpu_seconds()),
            start_time_seconds,
            open_fds: open_files(),
            max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            virtual_memory_bytes,
            resident_memory_bytes,
        }
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// From Linux 6.2 on the directory says so itself; before that its entries are counted.
#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    match std::fs::metadata(DIRECTORY).ok()?.len() {
        // The one by which they are counted is none of them.
        0 => Some(std::fs::read_dir(DIRECTORY).ok()?.count().saturating_sub(1) as u64),
        count => Some(count),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<u64> {
    None
}

/// Bytes of address space, and of memory (proc_pid_statm(5): in pages).
#[cfg(target_os = "linux")]
fn memory() -> Option<(u64, u64)> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let page = rustix::param::page_size() as u64;
    let mut sizes = sizes.split_ascii_whitespace().map(|size| size.parse::<u64>().ok());
    Some((sizes.next()?? * page, sizes.next()?? * page))
}

#[cfg(not(target_os = "linux"))]
fn memory() -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_this_process() {
        let figures = figures()();
        assert!(figures.cpu_seconds.unwrap() > 0.0);
        assert!(figures.start_time_seconds.unwrap() > 1.7e9);
        assert!(figures.max_fds.unwrap() > 0);
        #[cfg(target_os = "linux")]
        {
            let open = figures.open_fds.unwrap();
            assert!((3..=figures.max_fds.unwrap()).contains(&open), "{open}");
            let resident = figures.resident_memory_bytes.unwrap();
            assert!((100_000..figures.virtual_memory_bytes.unwrap()).contains(&resident), "{resident}");
            // What is held in memory is seen there.
            let held = vec![1_u8; 32 * 1024 * 1024];
            assert!(self::figures()().resident_memory_bytes.unwrap() > held.len() as u64);
        }
    }
}
