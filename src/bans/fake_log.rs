//! For tests: a log that is kept in memory, and that can be broken.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::ban::{Ban, Target};
use super::durable::{BanLog, Unavailable, Written};
use super::lockdown::LockdownState;

#[derive(Default)]
pub(super) struct FakeLog {
    pub broken: AtomicBool,
    pub calls: Mutex<Vec<String>>,
}

impl FakeLog {
    fn write(&self, call: String) -> Written {
        let broken = self.broken.load(Ordering::Relaxed);
        self.calls.lock().push(call);
        Box::pin(async move {
            // As a disk: the answer never comes at once.
            tokio::task::yield_now().await;
            if broken { Err(Unavailable) } else { Ok(()) }
        })
    }
}

impl BanLog for FakeLog {
    fn save(&self, ban: &Ban) -> Written {
        self.write(format!("save {}", ban.target))
    }

    fn remove(&self, targets: &[Target]) -> Written {
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        self.write(format!("remove {}", targets.join(" ")))
    }

    fn lockdown(&self, state: Option<&LockdownState>) -> Written {
        self.write(format!("lockdown {}", state.is_some()))
    }
}
