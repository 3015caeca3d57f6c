//! The `alewife` binary: everything lives in the library.

fn main() {}
