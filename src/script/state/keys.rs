//! Keys, counters and limits: everything of a plugin's state that is no list.

use std::time::Duration;

use rhai::Dynamic;

use super::cell::{Cell, Entry, NEVER_MS, plain};
use super::distinct::Distinct;
use super::key::{digest, kept};
use super::rate::Rate;
use super::table::Table;
use super::view::View;
use super::window::Window;

/// Why a value is not what was asked for.
const NOT_A_NUMBER: &str = "`kv::incr` counts whole numbers only";

impl View {
    /// The value of a key.
    pub fn get(&self, key: &str, now_ms: i64) -> Option<Dynamic> {
        let look = |entry: &Entry| match &entry.cell {
            Cell::Plain(value) => Some(value.clone()),
            _ => None,
        };
        self.look(&self.keyed('k', "", key), now_ms, look).flatten()
    }

    /// Milliseconds until a key ends: -1 for one that does not end, 0 where there is none.
    pub fn ttl_ms(&self, key: &str, now_ms: i64) -> i64 {
        let left = |entry: &Entry| if entry.expires_ms == NEVER_MS { -1 } else { entry.expires_ms - now_ms };
        self.look(&self.keyed('k', "", key), now_ms, left).unwrap_or(0)
    }

    /// Keeps a value.
    ///
    /// # Errors
    /// A sentence: it is no plain data, or too large.
    pub fn set(&self, key: &str, value: Dynamic, ttl: Option<Duration>, now_ms: i64) -> Result<(), String> {
        let entry = Entry { cell: Cell::Plain(plain(value)?), expires_ms: end(ttl, now_ms) };
        self.change(&self.keyed('k', "", key), now_ms, |slot| *slot = Some(entry));
        Ok(())
    }

    /// Adds to a whole number, which begins at 0; the sum. A time to live counts from the first call on.
    ///
    /// # Errors
    /// A sentence: there is something else under the key.
    pub fn incr(&self, key: &str, by: i64, ttl: Option<Duration>, now_ms: i64) -> Result<i64, String> {
        self.change(&self.keyed('k', "", key), now_ms, |slot| {
            let (old, expires_ms) = match slot {
                None => (0, end(ttl, now_ms)),
                Some(Entry { cell: Cell::Plain(value), expires_ms }) => {
                    (value.as_int().map_err(|_| NOT_A_NUMBER.to_owned())?, *expires_ms)
                }
                Some(_) => return Err(NOT_A_NUMBER.to_owned()),
            };
            let sum = old.saturating_add(by);
            *slot = Some(Entry { cell: Cell::Plain(sum.into()), expires_ms });
            Ok(sum)
        })
    }

    /// Puts a value in place of another, if that is what stands there; whether it did. The time to live stays.
    ///
    /// # Errors
    /// A sentence: the new value is no plain data, or too large.
    pub fn swap(&self, key: &str, old: &Dynamic, new: Dynamic, now_ms: i64) -> Result<bool, String> {
        let (old, new) = (alike(old), plain(new)?);
        Ok(self.change(&self.keyed('k', "", key), now_ms, |slot| match slot {
            Some(Entry { cell: Cell::Plain(value), .. }) if alike(value) == old => {
                *value = new;
                true
            }
            _ => false,
        }))
    }

    /// Deletes a key; whether it was there.
    pub fn delete(&self, key: &str, now_ms: i64) -> bool {
        self.change(&self.keyed('k', "", key), now_ms, |slot| slot.take().is_some())
    }

    /// Counts one more hit in a sliding window; the count with it. Another window than before begins anew.
    pub fn hit(&self, name: &str, key: &str, window_ms: i64, now_ms: i64) -> i64 {
        self.change(&self.keyed('c', name, key), now_ms, |slot| {
            let kept = match slot {
                Some(Entry { cell: Cell::Count(window), .. }) => Some(*window),
                _ => None,
            };
            let mut window =
                kept.filter(|w| w.lasts(window_ms)).unwrap_or_else(|| Window::new(window_ms, now_ms));
            let count = window.hit(now_ms);
            *slot = Some(Entry { cell: Cell::Count(window), expires_ms: window.ends_ms() });
            count
        })
    }

    /// The count of a window; 0 where nothing was counted, or in another window.
    pub fn count(&self, name: &str, key: &str, window_ms: i64, now_ms: i64) -> i64 {
        let look = |entry: &Entry| match &entry.cell {
            Cell::Count(window) if window.lasts(window_ms) => window.count(now_ms),
            _ => 0,
        };
        self.look(&self.keyed('c', name, key), now_ms, look).unwrap_or(0)
    }

    /// Forgets the count and the members of a key.
    pub fn reset(&self, name: &str, key: &str, now_ms: i64) {
        for kind in ['c', 'd'] {
            let key = self.keyed(kind, name, key);
            if self.look(&key, now_ms, |_| ()).is_some() {
                self.change(&key, now_ms, |slot| *slot = None);
            }
        }
    }

    /// Adds a member; how many different ones came since the first, within the window.
    pub fn distinct(&self, name: &str, key: &str, member: &str, window_ms: i64, now_ms: i64) -> i64 {
        let member = digest(member, &self.space.people);
        self.change(&self.keyed('d', name, key), now_ms, |slot| {
            let mut distinct = match slot.take() {
                Some(Entry { cell: Cell::Distinct(distinct), .. }) => distinct,
                _ => Distinct::until(now_ms.saturating_add(window_ms)),
            };
            let count = distinct.add(member);
            *slot = Some(Entry { expires_ms: distinct.ends_ms, cell: Cell::Distinct(distinct) });
            count
        })
    }

    /// Whether one more call is within the rate; if so it counts.
    pub fn allow(&self, name: &str, key: &str, most: i64, window_ms: i64, now_ms: i64) -> bool {
        let rate = Rate::new(most, window_ms);
        self.change(&self.keyed('l', name, key), now_ms, |slot| {
            let kept = arrival(slot.as_ref());
            let Some(next_us) = rate.pass(kept, now_ms.saturating_mul(1_000)) else { return false };
            *slot = Some(Entry { cell: Cell::Rate(next_us), expires_ms: next_us / 1_000 + 1 });
            true
        })
    }

    /// How many calls are left within the rate.
    pub fn remaining(&self, name: &str, key: &str, most: i64, window_ms: i64, now_ms: i64) -> i64 {
        let key = self.keyed('l', name, key);
        let kept = self.look(&key, now_ms, |entry| arrival(Some(entry))).flatten();
        Rate::new(most, window_ms).remaining(kept, now_ms.saturating_mul(1_000))
    }

    fn change<R>(&self, key: &str, now_ms: i64, change: impl FnOnce(&mut Option<Entry>) -> R) -> R {
        self.update(|copy| self.table(copy), self.quota, key, now_ms, change)
    }

    fn look<R>(&self, key: &str, now_ms: i64, look: impl FnOnce(&Entry) -> R) -> Option<R> {
        self.read(|copy| self.table(copy), key, now_ms, look)
    }

    fn table(&self, copy: bool) -> &Table {
        if copy { &self.copy().data } else { &self.space.real.data }
    }

    /// The key as it is kept: what it is a key of, the name, and the key itself without people.
    fn keyed(&self, kind: char, name: &str, key: &str) -> String {
        let people = &self.space.people;
        if name.is_empty() {
            format!("{kind}:{}", kept(key, people))
        } else {
            format!("{kind}:{}:{}", kept(name, people), kept(key, people))
        }
    }
}

fn arrival(entry: Option<&Entry>) -> Option<i64> {
    match entry?.cell {
        Cell::Rate(arrival_us) => Some(arrival_us),
        _ => None,
    }
}

fn end(ttl: Option<Duration>, now_ms: i64) -> i64 {
    let ms = |ttl: Duration| i64::try_from(ttl.as_millis()).unwrap_or(NEVER_MS);
    ttl.map_or(NEVER_MS, |ttl| now_ms.saturating_add(ms(ttl)))
}

/// A form in which two equal values are equal texts.
fn alike(value: &Dynamic) -> String {
    format!("{value:?}")
}
