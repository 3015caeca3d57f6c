//! The `alewife` binary: everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    alewife::cli::main()
}
