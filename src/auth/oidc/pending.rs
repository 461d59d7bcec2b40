//! Sign-ins that began and did not end yet.
//!
//! A sign-in belongs to the browser that began it: its `state` is known here by a hash, and so is a second random value
//! that only that browser's cookie holds. It is taken out by the first answer, whatever the answer says.
//!
//! # Source
//! RFC 6749 section 10.12, RFC 9700 section 4.7; THREATS OI-01.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::random;
use super::registered::Registered;

/// How long a person may take to sign in at the provider.
pub const PENDING_MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Most sign-ins under way; the oldest gives way. At about 1 KiB each, 8 MiB.
pub const PENDING_MAX: usize = 8_192;
/// Longest `state`, cookie and code that are looked at, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// A sign-in under way.
pub(super) struct Login {
    pub(super) registered: Arc<Registered>,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) redirect_uri: String,
    pub(super) return_to: String,
}

struct Waiting {
    login: Login,
    browser: [u8; 32],
    since: Instant,
}

/// All sign-ins under way.
#[derive(Default)]
pub(super) struct Pending(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_state: HashMap<[u8; 32], Waiting>,
    /// In the order of their beginning, which is that of their end.
    order: VecDeque<([u8; 32], Instant)>,
}

impl Pending {
    /// Notes a sign-in; gives its `state` and the value for the browser's cookie.
    pub(super) fn add(&self, login: Login, now: Instant) -> (String, String) {
        let (state, browser) = (random::token(), random::token());
        let key = random::hash(&state);
        let waiting = Waiting { login, browser: random::hash(&browser), since: now };
        let mut table = self.0.lock();
        table.make_room(now);
        table.by_state.insert(key, waiting);
        table.order.push_back((key, now));
        (state, browser)
    }

    /// Takes the sign-in of this `state` out; gives it if it is this browser's and not too old.
    pub(super) fn take(&self, state: &str, browser: Option<&str>, now: Instant) -> Option<Login> {
        if state.len() > TEXT_BYTES_MAX {
            return None;
        }
        let waiting = self.0.lock().by_state.remove(&random::hash(state))?;
        let young = now.saturating_duration_since(waiting.since) < PENDING_MAX_AGE;
        let browser = browser.filter(|b| b.len() <= TEXT_BYTES_MAX)?;
        (young && random::is_hash_of(&waiting.browser, browser)).then_some(waiting.login)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().by_state.len()
    }
}

impl Table {
    fn make_room(&mut self, now: Instant) {
        while let Some((key, since)) = self.order.front() {
            let over = now.saturating_duration_since(*since) >= PENDING_MAX_AGE;
            if !over && self.order.len() < PENDING_MAX {
                break;
            }
            self.by_state.remove(key);
            self.order.pop_front();
        }
    }
}
