//! How short memory is, told by who measures it and asked before any work is begun.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// When it is worth trying again that was shed.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How short memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Not.
    #[default]
    None,
    /// Requests are refused before any work is done for them; probes are answered.
    Requests,
    /// New connections are refused as well.
    Connections,
}

/// The level in force.
#[derive(Debug, Default)]
pub struct Pressure(AtomicU8);

impl Pressure {
    /// The level now.
    pub fn level(&self) -> Level {
        match self.0.load(Ordering::Relaxed) {
            0 => Level::None,
            1 => Level::Requests,
            _ => Level::Connections,
        }
    }

    /// Puts a level into force.
    pub fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    /// Whether requests are to be refused.
    pub fn sheds(&self) -> bool {
        self.level() >= Level::Requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_as_it_was_set() {
        let pressure = Pressure::default();
        assert!(!pressure.sheds());
        for level in [Level::Connections, Level::Requests, Level::None] {
            pressure.set(level);
            assert_eq!((pressure.level(), pressure.sheds()), (level, level != Level::None));
        }
    }
}
