//! One table of exit codes for all commands.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to do, or intact.
    Done = 0,
    /// It failed.
    Error = 1,
    /// Changes are pending.
    Changes = 2,
    /// Refused by a finding, the backup is suspect, or after a breach something of the old environment is still open.
    Refused = 3,
    /// The backup is rejected.
    Rejected = 4,
    /// Another run holds the environment.
    Locked = 5,
    /// The plan no longer fits what is there.
    Stale = 6,
    /// Interrupted; `rebuild resume` goes on.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
