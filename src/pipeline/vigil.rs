//! A credential outlives its request where the answer has no end: a WebSocket, a stream of events. Somebody has to look
//! whether it still holds.
//!
//! # Source
//! THREATS rows WS-04, AD-07.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::gateway::Gateway;
use super::identity::{Identity, lifetimes};
use crate::auth::{ApiKey, Authenticated, Moment, Session};

/// How often it is looked. What ends a session ends its sockets and streams within twice this.
pub const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Whether whoever opened something without end may still have it.
pub struct Vigil {
    gateway: Arc<Gateway>,
    holder: Holder,
}

enum Holder {
    Session(Arc<Session>),
    Key(Arc<ApiKey>),
}

impl Vigil {
    /// Over somebody who is known.
    pub fn over(identity: &Identity, gateway: &Arc<Gateway>) -> Option<Self> {
        let holder = match identity {
            Identity::Anonymous => return None,
            Identity::User(Authenticated { session, .. }) => Holder::Session(Arc::clone(session)),
            Identity::ApiKey(key) => Holder::Key(Arc::clone(key)),
        };
        Some(Self { gateway: Arc::clone(gateway), holder })
    }

    /// Whether the session or key is good now, and its account may act. `is_used` counts as a request of the session.
    pub fn holds(&self, is_used: bool) -> bool {
        let auth = &self.gateway.auth;
        let now = Moment::of(&self.gateway.clock);
        match &self.holder {
            Holder::Session(session) => {
                let lifetimes = lifetimes(&self.gateway.live.current().config.session);
                auth.session_holds(session, is_used, lifetimes, now)
            }
            Holder::Key(key) => auth.check_key(key, now.unix_ms).is_ok(),
        }
    }
}

/// A vigil that looks by itself, for streams: what goes to the client is no use of its session.
pub struct Lookout {
    vigil: Vigil,
    next: Pin<Box<Sleep>>,
}

impl Lookout {
    /// Begins to look.
    pub fn new(vigil: Vigil) -> Self {
        Self { vigil, next: Box::pin(sleep(LOOK_EVERY)) }
    }

    /// Ready when the credential does not hold any more.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.next.as_mut().poll(cx).is_ready() {
            if !self.vigil.holds(false) {
                return Poll::Ready(());
            }
            self.next.set(sleep(LOOK_EVERY));
        }
        Poll::Pending
    }
}
