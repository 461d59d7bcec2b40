//! One value of a plugin's state, and what it weighs.

use std::sync::Arc;

use crate::script::plain;
use rhai::Dynamic;

use super::distinct::Distinct;
use super::window::Window;

/// When an entry without a time to live ends: never.
pub(in crate::script) const NEVER_MS: i64 = i64::MAX;
/// The weight of one value of `kv`: characters of texts, and one for everything else.
pub(in crate::script) const VALUE_WEIGHT_MAX: usize = 4_096;

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
            Cell::Plain(value) => 16 + plain::weight(value).unwrap_or(VALUE_WEIGHT_MAX),
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

/// A value as state keeps it: plain data that nothing else holds.
///
/// # Errors
/// A sentence: it is no plain data, or too large.
pub(in crate::script) fn plain(value: Dynamic) -> Result<Dynamic, String> {
    let value = value.flatten();
    match plain::weight(&value) {
        None => Err("`kv` keeps numbers, texts, and lists and maps of them".to_owned()),
        Some(weight) if weight > VALUE_WEIGHT_MAX => Err("this value is too large for `kv`".to_owned()),
        Some(_) => Ok(value),
    }
}
