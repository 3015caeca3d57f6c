//! The reading of `openssl speed`, on which the verdict of `benches/crypto.rs` rests.

#[path = "../../benches/crypto/openssl.rs"]
#[expect(dead_code, reason = "running openssl is the benchmark's part")]
mod openssl;

use openssl::bytes_per_second;

/// The output of OpenSSL 3.0.
const TABLE: &str = "\
version: 3.0.19
built on: Tue Jan 27 12:00:00 2026 UTC
options: bn(64,64)
CPUINFO: OPENSSL_ia32cap=0x0
The 'numbers' are in 1000s of bytes per second processed.
type          16384 bytes
AES-256-GCM    5242880.50k
";

#[test]
fn table_of_openssl_speed_is_read_in_bytes_per_second() {
    assert_eq!(bytes_per_second(TABLE), Some(5_242_880_500.0));
}

#[test]
fn last_column_counts_when_there_are_several() {
    assert_eq!(
        bytes_per_second("type 64 bytes 1024 bytes\nAES-256-CTR 1000.00k 2000.25k\n"),
        Some(2_000_250.0)
    );
}

#[test]
fn output_without_a_speed_is_not_taken_for_one() {
    for output in
        ["", "\n", "type          16384 bytes\n", "AES-256-GCM 0.00k", "AES-256-GCM infk", "speed: Unknown"]
    {
        assert_eq!(bytes_per_second(output), None, "{output:?}");
    }
}
