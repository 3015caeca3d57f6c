//! OpenSSL's own benchmark, as the yardstick.

use std::io;
use std::process::Command;

/// Bytes per second of `openssl speed` over messages of `size` bytes, in one second of measuring.
pub(crate) fn speed(cipher: &str, decrypt: bool, size: usize) -> io::Result<f64> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-elapsed", "-seconds", "1", "-bytes", &size.to_string(), "-evp", cipher]);
    if decrypt {
        command.arg("-decrypt");
    }
    let output = command.output()?;
    bytes_per_second(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| io::Error::other(format!("no speed in the output of `openssl speed -evp {cipher}`")))
}

/// Reads the last column of the last line, in thousands of bytes per second: `AES-256-GCM 5242880.00k`.
pub(crate) fn bytes_per_second(table: &str) -> Option<f64> {
    let row = table.lines().rev().find(|line| !line.trim().is_empty())?;
    let thousands: f64 = row.split_whitespace().next_back()?.strip_suffix('k')?.parse().ok()?;
    thousands.is_normal().then_some(thousands * 1000.0)
}
