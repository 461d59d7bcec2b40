//! What must outlive the process, as this trade asks for it. A floor above connects the trait to a database.

use std::future::Future;
use std::pin::Pin;

use super::ban::{Ban, Target};
use super::lockdown::LockdownState;

/// A write under way: ready when it is on disk, or when it is certain that it is not.
///
/// The write is handed over when the method is called; dropping the future gives up the answer, not the write.
pub type Written = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

/// Storage did not take the write: full, busy, gone, or closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage did not take the write")]
pub struct Unavailable;

/// Where bans and lockdown are kept. Writes take effect in the order of the calls.
pub trait BanLog: Send + Sync {
    /// Adds a ban, or replaces the one of its target.
    fn save(&self, ban: &Ban) -> Written;

    /// Removes bans; those that are not there are no error.
    fn remove(&self, targets: &[Target]) -> Written;

    /// Notes that lockdown is on, or, with nothing, that it is off.
    fn lockdown(&self, state: Option<&LockdownState>) -> Written;
}
