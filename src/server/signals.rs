//! What the outside tells the process.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal, by what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: drain and exit; the second one cuts.
    Stop,
    /// SIGHUP: reload.
    Reload,
}

/// The signals that are listened to. SIGUSR1 and SIGUSR2 are taken so that they do not end the process, SIGXFSZ so that a
/// write past a file size limit fails instead (THREATS DB-01); SIGPIPE is ignored by Rust's start-up.
pub struct Signals {
    term: Stream,
    int: Stream,
    hup: Stream,
    usr1: Stream,
    usr2: Stream,
    _xfsz: Stream,
}

impl Signals {
    /// Begins to listen; from here on none of them has its default effect. Wants a runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            _xfsz: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// Waits for the next signal that means something.
    pub async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                Some(()) = self.term.recv() => return Signal::Stop,
                Some(()) = self.int.recv() => return Signal::Stop,
                Some(()) = self.hup.recv() => return Signal::Reload,
                Some(()) = self.usr1.recv() => tracing::debug!("SIGUSR1 means nothing here"),
                Some(()) = self.usr2.recv() => tracing::debug!("SIGUSR2 means nothing here"),
                // The runtime ends: so does everything else.
                else => return Signal::Stop,
            }
        }
    }

    /// Waits for SIGTERM or SIGINT; each SIGHUP on the way calls `reload`.
    pub async fn until_stop(&mut self, mut reload: impl FnMut()) {
        while self.next().await == Signal::Reload {
            reload();
        }
    }
}

#[cfg(test)]
#[path = "signals_tests.rs"]
mod tests;
