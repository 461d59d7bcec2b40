//! Sliding renewal of one session: when it is offered, and that it is offered once.

use std::sync::atomic::Ordering;

use super::super::durable::Unavailable;
use super::super::moment::Moment;
use super::Sessions;
use super::live::{Lifetimes, Session, millis};

/// A renewal is offered at most this often, so that of many requests at once one is answered with a cookie. Not once and
/// for all: the answer may be lost.
const OFFER_EVERY_MS: i64 = 60_000;

impl Session {
    /// Until when the session is to live, in milliseconds since 1970-01-01 UTC, where a token of it that ends at `exp_s`
    /// (seconds since 1970-01-01 UTC) has less than half of its life left and a new one would last longer.
    pub(crate) fn offer(&self, exp_s: u64, lifetimes: Lifetimes, now: Moment) -> Option<i64> {
        let (ttl, absolute) = (millis(lifetimes.ttl), millis(lifetimes.absolute.max(lifetimes.ttl)));
        let ends_ms = i64::try_from(exp_s).ok()?.checked_mul(1_000)?;
        let left = ends_ms.saturating_sub(now.unix_ms);
        if left.saturating_mul(2) >= ttl {
            return None;
        }
        let life = self.age(now).saturating_add(ttl).min(absolute);
        let expires_ms = self.created_ms().saturating_add(life);
        if expires_ms / 1_000 <= ends_ms / 1_000 {
            return None;
        }
        let (elapsed, offered) = (self.elapsed(now), self.offered.load(Ordering::Relaxed));
        let again = elapsed.saturating_sub(offered) >= OFFER_EVERY_MS.min(ttl / 4);
        let claimed = again
            && self.offered.compare_exchange(offered, elapsed, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        claimed.then_some(expires_ms)
    }
}

impl Sessions {
    /// Lets a session live until `expires_ms` (since 1970-01-01 UTC), on disk before it returns. Whether it is alive then:
    /// what was ended meanwhile stays ended, here and on disk.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk did not take it; the session keeps the time that it had.
    pub async fn extend(&self, session: &Session, expires_ms: i64) -> Result<bool, Unavailable> {
        self.log.extend(session.id(), expires_ms).await?;
        session.expires_ms.fetch_max(expires_ms, Ordering::Relaxed);
        Ok(session.is_alive())
    }
}

#[cfg(test)]
mod tests;
