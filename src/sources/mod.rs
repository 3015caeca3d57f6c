//! Where keys come from: a file under watch, and its reload while requests run.

pub mod watch;
