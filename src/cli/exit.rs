//! What the process says with its exit status; the numbers are those of sysexits.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// As it should.
    Success,
    /// In a way that has no number of its own.
    Failure,
    /// The application that `run` is to start cannot be started: the number that shells have for it.
    NotStarted,
    /// The command line of `send` is wrong: curl's number.
    SendUsage,
    /// What `doctor` is to examine cannot be read.
    UnreadableCapture,
    /// The command line is wrong.
    Usage,
    /// The processor lacks what this build may use; starting again would not help.
    UnfitProcessor,
    /// The configuration is wrong; starting again would not help.
    WrongConfiguration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::SendUsage | Exit::UnreadableCapture => 2,
            Exit::Usage => 64,
            Exit::NotStarted => 127,
            Exit::UnfitProcessor | Exit::WrongConfiguration => 78,
        })
    }
}
