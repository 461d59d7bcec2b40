//! A credential outlives its request where the answer has no end: a WebSocket, a stream of events. Somebody has to look
//! whether it still holds.
//!
//! # Source
//! THREATS rows WS-04, AD-07.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::gateway::Gateway;
use super::identity::{Identified, Identity, lifetimes};
use super::standing;
use crate::auth::{Authenticated, Moment};

/// How often it is looked. What ends a session ends its sockets and streams within twice this, and so does a ban.
pub const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Whether whoever opened something without end may still have it.
pub struct Vigil {
    gateway: Arc<Gateway>,
    identity: Identity,
    address: IpAddr,
    route: Arc<str>,
}

impl Vigil {
    /// Over whoever asks.
    pub fn over(request: &Identified, gateway: &Arc<Gateway>) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            identity: request.identity().clone(),
            address: request.address(),
            route: request.name(),
        }
    }

    /// Whether the session or key is good now, its account may act, and nobody is kept out. `is_used` counts as a request of
    /// the session.
    pub fn holds(&self, is_used: bool) -> bool {
        let Self { gateway, identity, address, route } = self;
        let now = Moment::of(&gateway.clock);
        let config = &gateway.live.current().config;
        let is_good = match identity {
            Identity::Anonymous => true,
            Identity::User(Authenticated { session, .. }) => {
                gateway.auth.session_holds(session, is_used, lifetimes(&config.session), now)
            }
            Identity::ApiKey(key) => gateway.auth.check_key(key, now.unix_ms).is_ok(),
        };
        is_good
            && !gateway.bans.is_address_banned(*address, now.unix_ms)
            && standing::check(identity, *address, route, &config.lockdown, gateway, now.unix_ms).is_ok()
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
