//! Pseudonyms of addresses that this thread made lately. A client sends many requests over one connection, and the hash of
//! its address costs more than all else that is written down of one of them.

use std::cell::Cell;
use std::net::IpAddr;

use super::Pseudonym;

/// Most addresses that a thread remembers. Two that fall into the same place push each other out, which costs a hash.
const PLACES: usize = 1 << PLACES_LOG2;
const PLACES_LOG2: u32 = 7;

/// A pseudonym, and what it was made of.
#[derive(Clone, Copy)]
struct Made {
    /// The number of the pseudonymiser: one of another key finds nothing.
    maker: u64,
    address: IpAddr,
    pseudonym: Pseudonym,
}

thread_local! {
    static RECENT: [Cell<Option<Made>>; PLACES] = const { [const { Cell::new(None) }; PLACES] };
}

/// The pseudonym that the pseudonymiser of that number gives the address; `make` is asked where this thread does not
/// remember it.
pub(super) fn recall(maker: u64, address: IpAddr, make: impl FnOnce() -> Pseudonym) -> Pseudonym {
    RECENT.with(|places| {
        let place = &places[place(address)];
        match place.get() {
            Some(made) if made.maker == maker && made.address == address => made.pseudonym,
            _ => {
                let pseudonym = make();
                place.set(Some(Made { maker, address, pseudonym }));
                pseudonym
            }
        }
    })
}

/// Where an address is remembered.
fn place(address: IpAddr) -> usize {
    let bits = match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let [network, host] = [0, 4].map(|from| {
                v6.segments()[from..from + 4].iter().fold(0, |bits, part| bits << 16 | u64::from(*part))
            });
            network ^ host.rotate_left(32)
        }
    };
    // Fibonacci hashing: the upper bits of the product depend on all of the address.
    let mixed = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACES_LOG2);
    usize::try_from(mixed).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn asked(maker: u64, address: IpAddr, made: &mut u8) -> Pseudonym {
        recall(maker, address, || {
            *made += 1;
            Pseudonym([*made; 16])
        })
    }

    #[test]
    fn an_address_is_hashed_once_and_again_under_another_key() {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let mut made = 0;
        let first = asked(1, address, &mut made);
        assert_eq!((asked(1, address, &mut made), made), (first, 1));
        assert_ne!(asked(2, address, &mut made), first);
        assert_ne!(asked(1, address, &mut made), first, "the other key pushed it out");
        assert_eq!(made, 3);
    }

    #[test]
    fn addresses_that_share_a_place_do_not_share_a_pseudonym() {
        let v4 = (0..=u8::MAX).map(|n| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)));
        let v6 = (0..=u8::MAX).map(|n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into())));
        for (n, address) in (0_u128..).zip(v4.chain(v6)) {
            let own = Pseudonym(n.to_be_bytes());
            assert_eq!(recall(3, address, || own), own, "{address} was never asked for before");
            assert_eq!(recall(3, address, || unreachable!("it was made just now")), own);
        }
    }
}
