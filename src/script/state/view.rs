//! What one call sees of its plugin's state. A plugin in shadow reads what is real and writes to a copy of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cell::{Cell, Entry};
use super::fixed::Fixed;
use super::list::ListKind;
use super::space::{Area, Space};
use super::table::{Quota, Table};

/// How long a shadow copy remembers that something was deleted, in milliseconds.
const GONE_MS: i64 = 86_400_000;

/// A list as the live manifest declares it, with the entries of its file.
pub(in crate::script) struct List {
    pub kind: ListKind,
    /// The most entries that rules may add.
    pub quota: Quota,
    pub fixed: Fixed,
}

/// The state of a plugin as one call sees it.
#[derive(Clone)]
pub(in crate::script) struct View {
    pub space: Arc<Space>,
    pub lists: Arc<BTreeMap<String, List>>,
    pub quota: Quota,
    pub shadow: bool,
    /// In place of the shadow copy: a layer that is thrown away, of a request that is only judged again.
    pub scratch: Option<Arc<Area>>,
}

impl View {
    /// What is written to in shadow.
    pub(super) fn copy(&self) -> &Area {
        self.scratch.as_deref().unwrap_or(&self.space.shadow)
    }

    /// Looks at an entry of a table; `of` gives the real one, or the shadow copy.
    pub(super) fn read<'t, R>(
        &self,
        of: impl Fn(bool) -> &'t Table,
        key: &str,
        now_ms: i64,
        look: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let copy = self.shadow.then(|| of(true).read(key, now_ms, Entry::clone)).flatten();
        match copy {
            Some(entry) => (!entry.is_gone()).then(|| look(&entry)),
            None => of(false).read(key, now_ms, look),
        }
    }

    /// Changes an entry of a table; `of` gives the real one, or the shadow copy, which begins as what is real.
    pub(super) fn update<'t, R>(
        &self,
        of: impl Fn(bool) -> &'t Table,
        quota: Quota,
        key: &str,
        now_ms: i64,
        change: impl FnOnce(&mut Option<Entry>) -> R,
    ) -> R {
        if !self.shadow {
            return of(false).update(key, now_ms, quota, change);
        }
        let real = of(false).read(key, now_ms, Entry::clone);
        let quota = Quota { persist: false, ..quota };
        of(true).update(key, now_ms, quota, |slot| {
            let mut held = match slot.take() {
                Some(copy) if copy.is_gone() => None,
                Some(copy) => Some(copy),
                None => real,
            };
            let result = change(&mut held);
            let gone = Entry { cell: Cell::Gone, expires_ms: now_ms.saturating_add(GONE_MS) };
            *slot = Some(held.unwrap_or(gone));
            result
        })
    }
}
