//! `enforce_share`: which part of the clients a plugin enforces on.

use std::net::IpAddr;

use aws_lc_rs::hmac;

/// Divides clients into those that a plugin enforces on and the others, the same way at every request.
pub struct Share {
    /// Of 2^32 places on the circle, those below this one.
    below: u64,
    key: Option<hmac::Key>,
}

impl Share {
    /// A share from 0 to 1 of the clients. The plugin's name is in the key: two plugins do not hit the same people.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is between 0 and 1")]
    pub fn new(share: f64, key: &[u8; 32], plugin: &str) -> Self {
        let below = (share.clamp(0.0, 1.0) * 4_294_967_296.0).round() as u64;
        let outer = hmac::Key::new(hmac::HMAC_SHA256, key);
        let own = hmac::sign(&outer, format!("enforce_share {plugin}").as_bytes());
        let divides = below > 0 && below < 1 << 32;
        Self { below, key: divides.then(|| hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())) }
    }

    /// Whether the plugin enforces on this client.
    pub fn covers(&self, user: Option<&str>, address: IpAddr) -> bool {
        let Some(key) = &self.key else { return self.below > 0 };
        let tag = match user {
            Some(user) => hmac::sign(key, format!("user {user}").as_bytes()),
            None => hmac::sign(key, &network(address)),
        };
        let place = tag.as_ref().iter().take(4).fold(0_u64, |place, byte| place << 8 | u64::from(*byte));
        place < self.below
    }
}

/// The /24 of an IPv4 address, the /56 of an IPv6 address: what one household or office has.
fn network(address: IpAddr) -> Vec<u8> {
    match crate::base::address::canonical(address) {
        IpAddr::V4(v4) => v4.octets()[..3].to_vec(),
        IpAddr::V6(v6) => v6.octets()[..7].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn address(n: u32) -> IpAddr {
        IpAddr::from((n << 8).to_be_bytes())
    }

    #[test]
    fn the_share_of_clients_is_about_what_was_asked_for() {
        for (share, least, most) in
            [(0.0, 0, 0), (0.1, 850, 1_150), (0.5, 4_700, 5_300), (1.0, 10_000, 10_000)]
        {
            let divide = Share::new(share, &KEY, "mine");
            let by_address = (0..10_000).filter(|n| divide.covers(None, address(*n))).count();
            let by_user = (0..10_000).filter(|n| divide.covers(Some(&n.to_string()), address(1))).count();
            assert!((least..=most).contains(&by_address), "{share}: {by_address}");
            assert!((least..=most).contains(&by_user), "{share}: {by_user}");
        }
    }

    #[test]
    fn neighbours_in_one_network_are_on_one_side() {
        let divide = Share::new(0.5, &KEY, "mine");
        let side = |text: &str| divide.covers(None, text.parse().unwrap());
        for n in 0..64 {
            assert_eq!(side(&format!("198.51.{n}.1")), side(&format!("198.51.{n}.254")));
            assert_eq!(side(&format!("::ffff:198.51.{n}.1")), side(&format!("198.51.{n}.254")));
            assert_eq!(side(&format!("2001:db8:0:{n}00::1")), side(&format!("2001:db8:0:{n}ff:8::9")));
        }
    }

    #[test]
    fn plugins_do_not_hit_the_same_people_and_a_larger_share_keeps_those_of_a_smaller() {
        let (one, other) = (Share::new(0.5, &KEY, "one"), Share::new(0.5, &KEY, "other"));
        let both = (0..10_000).filter(|n| one.covers(None, address(*n)) && other.covers(None, address(*n)));
        let both = both.count();
        assert!((2_200..=2_800).contains(&both), "{both}");
        let larger = Share::new(0.6, &KEY, "one");
        assert!((0..10_000).all(|n| !one.covers(None, address(n)) || larger.covers(None, address(n))));
    }
}
