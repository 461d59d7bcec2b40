//! Exit codes (CONTRACT section 1).

use std::process::ExitCode;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: fine.
    Fine,
    /// 1: problems were found: a bad config, a failed case, an unknown id.
    Problems,
    /// 2: it cannot run: I/O, a port that is taken.
    CannotRun,
    /// 64: the command line is wrong (sysexits `EX_USAGE`).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Problems => 1,
            Exit::CannotRun => 2,
            Exit::Usage => 64,
        })
    }
}
