//! One value of a plugin's state, and what it weighs.

use std::sync::Arc;

use rhai::Dynamic;

use super::distinct::Distinct;
use super::window::Window;

/// When an entry without a time to live ends: never.
pub(in crate::script) const NEVER_MS: i64 = i64::MAX;
/// The weight of one value of `kv`: characters of texts, and one for everything else.
pub(in crate::script) const VALUE_WEIGHT_MAX: usize = 4_096;
/// The deepest nesting of one value of `kv`.
const VALUE_DEPTH_MAX: usize = 8;

/// What stands under a key.
#[derive(Clone, Debug)]
pub(in crate::script) enum Cell {
    /// A value of `kv`: plain data.
    Plain(Dynamic),
    /// A count of `counter::hit`.
    Count(Window),
    /// The members of `counter::distinct`.
    Distinct(Distinct),
    /// The theoretical arrival time of `limit::allow`, in microseconds since 1970-01-01 UTC.
    Rate(i64),
    /// An entry of a list, with its note.
    Listed(Arc<str>),
    /// In a shadow copy: deleted here, whatever the real state says.
    Gone,
}

/// A cell and when it ends.
#[derive(Clone, Debug)]
pub(in crate::script) struct Entry {
    pub cell: Cell,
    /// Milliseconds since 1970-01-01 UTC; [`NEVER_MS`] for one that does not end.
    pub expires_ms: i64,
}

impl Entry {
    /// Bytes that the entry takes, roughly.
    pub fn weight(&self) -> usize {
        match &self.cell {
            Cell::Plain(value) => 16 + weigh(value, 0).unwrap_or(VALUE_WEIGHT_MAX),
            Cell::Count(_) => 48,
            Cell::Distinct(distinct) => 32 + distinct.weight(),
            Cell::Rate(_) => 8,
            Cell::Listed(note) => 16 + note.len(),
            Cell::Gone => 0,
        }
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.cell, Cell::Gone)
    }
}

/// The weight of plain data; `None` for a closure, a handle, or what is nested too deep.
fn weigh(value: &Dynamic, depth: usize) -> Option<usize> {
    if depth > VALUE_DEPTH_MAX {
        return None;
    }
    if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
        return Some(text.len() + 1);
    }
    if let Some(items) = value.read_lock::<rhai::Array>() {
        return items.iter().try_fold(1, |sum, v| Some(sum + weigh(v, depth + 1)?));
    }
    if let Some(map) = value.read_lock::<rhai::Map>() {
        return map.iter().try_fold(1, |sum, (k, v)| Some(sum + k.len() + weigh(v, depth + 1)?));
    }
    (value.is_int() || value.is_float() || value.is_bool() || value.is_char()).then_some(1)
}

/// A value as state keeps it: plain data that nothing else holds.
///
/// # Errors
/// A sentence: it is no plain data, or too large.
pub(in crate::script) fn plain(value: Dynamic) -> Result<Dynamic, String> {
    let value = value.flatten();
    match weigh(&value, 0) {
        None => Err("`kv` keeps numbers, texts, and lists and maps of them".to_owned()),
        Some(weight) if weight > VALUE_WEIGHT_MAX => Err("this value is too large for `kv`".to_owned()),
        Some(_) => Ok(value),
    }
}
