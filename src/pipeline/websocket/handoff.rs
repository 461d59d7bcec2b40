//! From the request that opened a tunnel to the connection that becomes one.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use hyper::upgrade::OnUpgrade;

use super::tunnel::Tunnel;

/// Where a request leaves the tunnel that its connection becomes once the answer is written. Clones are the same place.
#[derive(Clone, Default)]
pub struct Handoff(Rc<RefCell<Option<Tunnel>>>);

impl Handoff {
    /// The tunnel, if a request has opened one.
    pub fn take(&self) -> Option<Tunnel> {
        self.0.borrow_mut().take()
    }
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handoff(…)")
    }
}

/// What makes a tunnel of a client's connection. Only a request that asked for another protocol has one.
pub struct Switch {
    upgrade: OnUpgrade,
    handoff: Handoff,
}

impl Switch {
    /// From hyper's promise, and the place where the tunnel is waited for.
    pub fn new(upgrade: OnUpgrade, handoff: Handoff) -> Self {
        Self { upgrade, handoff }
    }

    /// Leaves a tunnel to whoever serves the connection.
    pub(super) fn hand_over(self, make: impl FnOnce(OnUpgrade) -> Tunnel) {
        *self.handoff.0.borrow_mut() = Some(make(self.upgrade));
    }
}
