//! `pluginmind serve`.

use super::Options;
use super::exit::Exit;

/// Runs the gateway until it is told to stop.
pub fn run(_: &Options) -> Exit {
    Exit::CannotRun
}
