//! How many WebSockets of one user, or of one address, are open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::address::bucket_network;

/// Whose a seat is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(Arc<str>),
    Address(IpAddr),
}

/// Every seat that is taken. One for the whole process; as long as the sockets that are open, so bounded by connections.
#[derive(Debug, Default)]
pub struct Seats(Mutex<HashMap<Holder, usize>>);

/// One seat, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    holder: Holder,
}

impl Seats {
    /// A seat for somebody: a user, or where nobody is known an address (IPv6 by its /64). None where they have `most`.
    pub fn take(self: &Arc<Self>, user: Option<Arc<str>>, address: IpAddr, most: usize) -> Option<Seat> {
        let holder = user.map_or_else(|| Holder::Address(bucket_network(address)), Holder::User);
        let mut taken = self.0.lock();
        let count = taken.entry(holder.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: Arc::clone(self), holder })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.lock().values().sum()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        if let Some(count) = taken.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ws_05_each_user_and_each_address_has_so_many_seats_and_no_more() {
        let seats = Arc::new(Seats::default());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let user = |name: &str| Some(Arc::from(name));
        let here = ip("192.0.2.1");
        let (one, two) = (seats.take(user("a"), here, 2), seats.take(user("a"), ip("192.0.2.2"), 2));
        assert!(one.is_some() && two.is_some());
        assert!(seats.take(user("a"), here, 2).is_none());
        assert!(seats.take(user("b"), here, 2).is_some(), "another user");
        assert!(seats.take(None, here, 2).is_some(), "somebody unknown at the same address");
        let six = seats.take(None, ip("2001:db8::1"), 1);
        assert!(seats.take(None, ip("2001:db8::2"), 1).is_none(), "one /64 is one holder");
        assert_eq!(seats.taken(), 3);
        drop((one, six));
        assert!(seats.take(user("a"), here, 2).is_some());
        drop(two);
        assert_eq!((seats.taken(), seats.0.lock().len()), (0, 0));
    }
}
