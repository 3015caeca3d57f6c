//! What the kernel says about a process: processor time and memory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::fault::{Doing, Fault};

/// User and system time of all threads of a process.
///
/// From `schedstat`, which counts nanoseconds; where the kernel has none, from `stat`, in steps of 10 ms.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, Fault> {
    let process = format!("/proc/{pid}");
    scheduled(Path::new(&process).join("task").as_path())
        .or_else(|_| ticked(&process))
        .doing("reading the processor time of a proxy")
}

/// Resident memory of a process in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64, Fault> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).doing("reading the memory of a proxy")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .ok_or_else(malformed)
        .doing("reading the memory of a proxy")?;
    Ok(kibibytes * 1024)
}

/// The processor's name and how many of them there are.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores", name.map_or("unknown processor", |(_, name)| name))
}

fn scheduled(tasks: &Path) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(tasks)? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += number(text.split(' ').next())?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn ticked(process: &str) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("{process}/stat"))?;
    // The program's name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").ok_or_else(malformed)?;
    let mut fields = fields.split(' ').skip(11);
    let ticks = number(fields.next())? + number(fields.next())?;
    // USER_HZ is 100 on every architecture that Linux runs on here.
    Ok(Duration::from_millis(ticks * 10))
}

fn number(text: Option<&str>) -> io::Result<u64> {
    text.and_then(|text| text.trim().parse().ok()).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unexpected text in procfs")
}
