//! Tokens that were verified. Asked on every request, so it is a look into one of many small maps and a comparison of
//! the whole token, and nothing is written where it is found.
//!
//! Only genuine tokens come in, and where one stands follows from its MAC: without the secret nobody can choose that, so
//! no keyed hash is needed against floods.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use parking_lot::RwLock;

use crate::auth::keyring::Fingerprint;
use crate::auth::token::Claims;
use crate::base::random_key::RandomAlready;

/// Most verified tokens that are remembered.
pub const VERIFIED_MAX: usize = 100_000;
/// How many maps there are; each has a lock of its own.
const SHARDS: usize = 64;
/// Most tokens of one generation of one map.
const GENERATION_MAX: usize = VERIFIED_MAX / SHARDS / 2;
/// An HMAC-SHA256 in base64url without padding.
const MAC_CHARS: usize = 43;

/// The remembered tokens. What has not been asked for while as many others came as fit is forgotten.
pub(super) struct KnownTokens([RwLock<Shard>; SHARDS]);

/// Two generations: the young one becomes the old one when it is full, and the old one is forgotten then. What is found in
/// the old one becomes young again.
#[derive(Default)]
struct Shard {
    young: Generation,
    old: Generation,
}

type Generation = HashMap<u64, Known, BuildHasherDefault<RandomAlready>>;

struct Known {
    /// The ring under which it was verified: what a removed key signed is not found again.
    ring: Fingerprint,
    token: Box<str>,
    claims: Claims,
}

impl KnownTokens {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }

    /// What a remembered token says, if this very text was verified under this very ring.
    pub(super) fn recall(&self, ring: Fingerprint, token: &str) -> Option<Claims> {
        let place = place(token)?;
        let shard = self.shard(place);
        {
            let shard = shard.read();
            if let Some(known) = shard.young.get(&place) {
                return known.claims_of(ring, token);
            }
            shard.old.get(&place)?.claims_of(ring, token)?;
        }
        let (claims, forgotten) = {
            let mut shard = shard.write();
            let known = shard.old.remove(&place)?;
            (known.claims_of(ring, token), shard.add(place, known))
        };
        drop(forgotten);
        claims
    }

    /// Remembers a token that was verified.
    pub(super) fn remember(&self, ring: Fingerprint, token: &str, claims: Claims) {
        let Some(place) = place(token) else { return };
        let known = Known { ring, token: token.into(), claims };
        let forgotten = self.shard(place).write().add(place, known);
        // Hundreds of texts are freed here, when the lock is free already.
        drop(forgotten);
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(RwLock::read).map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    fn shard(&self, place: u64) -> &RwLock<Shard> {
        // The maps use the lowest bits and the highest.
        &self.0[usize::from(place.to_be_bytes()[3]) % SHARDS]
    }
}

impl Shard {
    /// Adds a token to the young, and hands over the generation that is forgotten for it.
    fn add(&mut self, place: u64, known: Known) -> Generation {
        let forgotten = if self.young.len() < GENERATION_MAX {
            Generation::default()
        } else {
            std::mem::replace(&mut self.old, std::mem::take(&mut self.young))
        };
        self.young.insert(place, known);
        forgotten
    }
}

impl Known {
    fn claims_of(&self, ring: Fingerprint, token: &str) -> Option<Claims> {
        (self.ring == ring && is_same(&self.token, token)).then_some(self.claims)
    }
}

/// Whether two texts are one and the same token. The MAC is compared in whole, however much of it is right: how long that
/// takes tells nobody how near a guess came. Who knows the MAC may know how much of the rest is right.
fn is_same(ours: &str, theirs: &str) -> bool {
    let (Some((rest, mac)), Some((other_rest, other_mac))) = (split(ours), split(theirs)) else {
        return false;
    };
    let difference = mac.iter().zip(other_mac).fold(0, |so_far, (a, b)| so_far | (a ^ b));
    std::hint::black_box(difference) == 0 && rest == other_rest
}

fn split(token: &str) -> Option<(&[u8], &[u8; MAC_CHARS])> {
    token.as_bytes().split_last_chunk()
}

/// Where a token stands, by the first 48 bits of its MAC. Two of a hundred thousand share a place once in fifty thousand
/// gateways; then the later one takes it.
fn place(token: &str) -> Option<u64> {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15;
    let (rest, mac) = split(token)?;
    let (word, _) = mac.split_first_chunk()?;
    let mixed = u128::from(u64::from_le_bytes(*word)) * ODD;
    let (high, low) = ((mixed >> 64) & u128::from(u64::MAX), mixed & u128::from(u64::MAX));
    (rest.last() == Some(&b'.')).then(|| u64::try_from(high ^ low).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ids::{SessionId, UserId};
    use crate::auth::keyring::{Keyring, tests::ring};
    use crate::auth::token;

    fn remember(known: &KnownTokens, ring: &Keyring) -> (String, Claims) {
        let token = token::issue(ring, UserId::generate(), SessionId::generate(), 10, 20);
        let claims = token::verify(ring, &token, 10).unwrap();
        known.remember(ring.fingerprint(), &token, claims);
        (token, claims)
    }

    #[test]
    fn a_remembered_token_is_recalled_whole_and_under_its_ring_only() {
        let (known, ours, theirs) = (KnownTokens::new(), ring(&["ours"]), ring(&["theirs"]));
        let (token, claims) = remember(&known, &ours);
        assert_eq!(known.recall(ours.fingerprint(), &token), Some(claims));
        assert_eq!(known.recall(theirs.fingerprint(), &token), None);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(known.recall(ours.fingerprint(), &other), None, "{at}");
            assert_eq!(known.recall(ours.fingerprint(), &token[at + 1..]), None, "{at}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_keeps_what_is_asked_for() {
        let (known, ring) = (KnownTokens::new(), ring(&["ours"]));
        let (kept, claims) = remember(&known, &ring);
        let (dropped, _) = remember(&known, &ring);
        for n in 0..u64::try_from(VERIFIED_MAX).unwrap() + 50_000 {
            let place = format!("{n:08}");
            known.remember(ring.fingerprint(), &format!("a.b.{place}{}", "x".repeat(MAC_CHARS - 8)), claims);
            if n % 100 == 0 {
                assert_eq!(known.recall(ring.fingerprint(), &kept), Some(claims), "{n}");
            }
        }
        assert!(known.len() <= VERIFIED_MAX, "{}", known.len());
        assert!(known.len() >= VERIFIED_MAX / 3, "{}", known.len());
        assert_eq!(known.recall(ring.fingerprint(), &dropped), None);
    }
}
