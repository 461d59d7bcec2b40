//! How state looks on disk: one row an entry, its cell as JSON.

use std::collections::BTreeSet;

use rhai::Dynamic;
use serde_json::{Value, json};

use super::cell::{Cell, Entry, NEVER_MS};
use super::distinct::Distinct;
use super::window::Window;

/// One entry of state as it is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// The plugin.
    pub plugin: String,
    /// The list; empty for everything else.
    pub list: String,
    /// The key. Nothing in it names a person.
    pub key: String,
    /// The entry; absent where it is no more.
    pub value: Option<String>,
    /// When it ends, in milliseconds since 1970-01-01 UTC; absent where it does not.
    pub expires_ms: Option<i64>,
}

/// The JSON of a cell; `None` for one that is never saved.
pub(super) fn to_text(cell: &Cell) -> Option<String> {
    let value = match cell {
        Cell::Plain(value) => json!({ "value": rhai::serde::from_dynamic::<Value>(value).ok()? }),
        Cell::Count(window) => {
            let (slice_ms, newest, hits) = window.parts();
            json!({ "count": [slice_ms, newest, hits] })
        }
        Cell::Distinct(distinct) => json!({ "distinct": [distinct.ends_ms, distinct.members] }),
        Cell::Rate(arrival_us) => json!({ "rate": arrival_us }),
        Cell::Listed(note) => json!({ "listed": &**note }),
        Cell::Gone => return None,
    };
    Some(value.to_string())
}

/// The entry of a saved row; `None` where it is none of ours.
pub(super) fn to_entry(row: &StateRow) -> Option<Entry> {
    let value: Value = serde_json::from_str(row.value.as_deref()?).ok()?;
    let (kind, inner) = value.as_object()?.iter().next()?;
    let cell = match kind.as_str() {
        "value" => Cell::Plain(rhai::serde::to_dynamic(inner).ok().filter(|v: &Dynamic| !v.is_unit())?),
        "count" => {
            let (slice_ms, newest, hits) = serde_json::from_value(inner.clone()).ok()?;
            Cell::Count(Window::from_parts(slice_ms, newest, hits)?)
        }
        "distinct" => {
            let (ends_ms, members): (i64, BTreeSet<u64>) = serde_json::from_value(inner.clone()).ok()?;
            Cell::Distinct(Distinct { ends_ms, members })
        }
        "rate" => Cell::Rate(inner.as_i64()?),
        "listed" => Cell::Listed(inner.as_str()?.into()),
        _ => return None,
    };
    Some(Entry { cell, expires_ms: row.expires_ms.unwrap_or(NEVER_MS) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back_as_it_was() {
        let mut window = Window::new(8_000, 50_000);
        window.hit(50_000);
        let mut distinct = Distinct::until(9);
        distinct.add(u64::MAX);
        let map = rhai::Map::from([("a".into(), Dynamic::from(1_i64)), ("b".into(), Dynamic::from(0.5_f64))]);
        for cell in [
            Cell::Plain(Dynamic::from(map)),
            Cell::Plain(Dynamic::from(1.0_f64)),
            Cell::Plain("x".into()),
            Cell::Count(window),
            Cell::Distinct(distinct),
            Cell::Rate(7),
            Cell::Listed("why".into()),
        ] {
            let value = to_text(&cell);
            let row = StateRow {
                plugin: "p".into(),
                list: String::new(),
                key: "k".into(),
                value,
                expires_ms: Some(3),
            };
            let entry = to_entry(&row).unwrap();
            assert_eq!(format!("{cell:?} 3"), format!("{:?} {}", entry.cell, entry.expires_ms));
        }
    }

    #[test]
    fn a_row_that_is_not_ours_is_left_alone() {
        for value in ["", "{}", "[]", "{\"count\":[0,0,[0,0,0,0,0,0,0,0]]}", "{\"value\":null}", "{\"x\":1}"]
        {
            let row = StateRow {
                plugin: "p".into(),
                list: String::new(),
                key: "k".into(),
                value: Some(value.into()),
                expires_ms: None,
            };
            assert!(to_entry(&row).is_none(), "{value}");
        }
    }
}
