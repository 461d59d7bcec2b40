//! Which plugins may have a say: worked out when a book is made, so that one that does not match costs a request nothing.
//!
//! For each hook, method and route there is a set of plugins, one bit each; those of one moment are in all three. Only
//! globs over paths are left to be asked for each request.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;

use super::facts::{RequestFacts, RouteFacts};
use super::hook::Hook;
use super::plugin::Plugin;
use crate::config::Mode;

const WORDS: usize = 4;

/// A set of plugins of one book, by their place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Picks([u64; WORDS]);

impl Picks {
    /// Plugins that one set has room for.
    pub const MAX: usize = WORDS * 64;

    fn of(plugins: &[Plugin], takes: impl Fn(&Plugin) -> bool) -> Self {
        let mut picks = Self::default();
        for (place, _) in plugins.iter().enumerate().filter(|(_, plugin)| takes(plugin)) {
            picks.0[place / 64] |= 1 << (place % 64);
        }
        picks
    }

    fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    pub fn is_empty(self) -> bool {
        self.0 == [0; WORDS]
    }

    /// The places, in order.
    pub fn places(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(word * 64 + bit)
            })
        })
    }
}

/// The sets of one book.
#[derive(Default)]
pub(super) struct Prefilter {
    /// Which book: what was worked out for a route counts in this one alone.
    book: u64,
    hooks: [Picks; Hook::ALL.len()],
    any_hook: Picks,
    /// For each method that a filter names.
    methods: Vec<(Method, Picks)>,
    other_methods: Picks,
}

/// What was worked out for a route in one book.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnRoute {
    book: u64,
    picks: Picks,
}

impl Prefilter {
    /// The sets of these plugins, which are in the order in which they are asked.
    pub fn new(plugins: &[Plugin]) -> Self {
        static BOOKS: AtomicU64 = AtomicU64::new(1);
        let hooks = Hook::ALL.map(|h| Picks::of(plugins, |p| p.has(h) && p.manifest.mode != Mode::Off));
        let mut named: Vec<_> = plugins.iter().flat_map(|p| p.manifest.filter.methods.clone()).collect();
        named.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        named.dedup();
        let of = |method: &Method| Picks::of(plugins, |p| p.manifest.filter.takes_method(method));
        Self {
            book: BOOKS.fetch_add(1, Ordering::Relaxed),
            hooks,
            any_hook: hooks.into_iter().fold(Picks::default(), Picks::or),
            methods: named.into_iter().map(|method| (method.clone(), of(&method))).collect(),
            other_methods: Picks::of(plugins, |p| p.manifest.filter.methods.is_empty()),
        }
    }

    /// The plugins that have the hook and are not off.
    pub fn having(&self, hook: Hook) -> Picks {
        self.hooks[hook.index()]
    }

    /// Whether any plugin has any hook and is not off.
    pub fn is_empty(&self) -> bool {
        self.any_hook.is_empty()
    }

    /// Works out for a route which plugins look at it.
    pub fn on_route(&self, plugins: &[Plugin], route: &RouteFacts) -> OnRoute {
        OnRoute { book: self.book, picks: Picks::of(plugins, |p| p.manifest.filter.takes_route(route)) }
    }

    /// The plugins that may have a say in a hook, as far as route and method tell.
    pub fn asked(&self, plugins: &[Plugin], hook: Hook, facts: &RequestFacts) -> Picks {
        self.among(self.having(hook), plugins, &facts.route, &facts.method)
    }

    /// The same for any hook, before there are facts.
    pub fn asked_at_all(&self, plugins: &[Plugin], route: &RouteFacts, method: &Method) -> Picks {
        self.among(self.any_hook, plugins, route, method)
    }

    fn among(&self, picks: Picks, plugins: &[Plugin], route: &RouteFacts, method: &Method) -> Picks {
        let named = self.methods.iter().find(|(name, _)| name == method);
        let picks = picks.and(named.map_or(self.other_methods, |(_, picks)| *picks));
        match route.picks {
            _ if picks.is_empty() => picks,
            Some(known) if known.book == self.book => picks.and(known.picks),
            _ => picks.and(self.on_route(plugins, route).picks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_set_come_out_as_they_went_in_and_in_order() {
        for places in [vec![], vec![0], vec![255], vec![0, 1, 63, 64, 127, 128, 200, 255]] {
            let mut picks = Picks::default();
            for place in &places {
                picks.0[place / 64] |= 1 << (place % 64);
            }
            assert_eq!(picks.places().collect::<Vec<_>>(), places);
            assert_eq!(picks.is_empty(), places.is_empty());
            assert_eq!((picks.and(picks), picks.or(Picks::default())), (picks, picks));
            assert!(picks.and(Picks::default()).is_empty());
        }
    }
}
