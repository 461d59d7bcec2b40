//! The state of one plugin: what is real, and the copy that it writes while it is in shadow.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::cell::Entry;
use super::list::Lengths;
use super::saved::{self, StateRow};
use super::table::{Quota, Table};
use crate::base::address::Pseudonymiser;
use crate::script::gateway_list::GatewayBans;

/// The name under which the version that ran last is saved: no list may have it.
const SEEN_LIST: &str = "*";
/// What a plugin may keep until its manifest says otherwise.
pub(in crate::script) const QUOTA_DEFAULT: Quota = Quota { keys: 100_000, bytes: 16 << 20, persist: true };

/// The state of one plugin. It outlives every snapshot.
pub(in crate::script) struct Space {
    pub name: Arc<str>,
    pub people: Arc<Pseudonymiser>,
    /// The gateway's bans; absent where no gateway runs.
    pub bans: Option<Arc<dyn GatewayBans>>,
    pub real: Area,
    pub shadow: Area,
    config: Mutex<Config>,
    seen: Mutex<Seen>,
}

/// What the live manifest says.
struct Config {
    quota: Quota,
    lists: BTreeMap<String, Quota>,
}

/// Which version ran last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::script) struct Seen {
    pub version: String,
    /// The content that `on_start` ran for last in this process; empty before.
    pub hash: String,
    /// A hash of its settings then.
    pub settings: String,
    dirty: bool,
}

/// A plugin's tables: one for keys, one for each list.
#[derive(Default)]
pub(in crate::script) struct Area {
    pub data: Table,
    lists: RwLock<BTreeMap<String, Arc<ListTable>>>,
}

/// The entries that rules added to one list.
#[derive(Default)]
pub(in crate::script) struct ListTable {
    pub table: Table,
    pub lengths: Lengths,
}

impl Area {
    /// The entries of a list; made where there are none yet.
    pub fn list(&self, name: &str) -> Arc<ListTable> {
        if let Some(list) = self.lists.read().get(name) {
            return list.clone();
        }
        self.lists.write().entry(name.to_owned()).or_default().clone()
    }

    fn lists(&self) -> Vec<(String, Arc<ListTable>)> {
        self.lists.read().iter().map(|(name, list)| (name.clone(), list.clone())).collect()
    }

    fn clear(&self) {
        self.data.clear();
        self.lists.write().clear();
    }

    fn sum(&self, of: impl Fn(&Table) -> u64) -> u64 {
        of(&self.data) + self.lists().iter().map(|(_, list)| of(&list.table)).sum::<u64>()
    }
}

impl Space {
    pub fn new(name: &str, people: Arc<Pseudonymiser>, bans: Option<Arc<dyn GatewayBans>>) -> Self {
        Self {
            name: name.into(),
            people,
            bans,
            real: Area::default(),
            shadow: Area::default(),
            config: Mutex::new(Config { quota: QUOTA_DEFAULT, lists: BTreeMap::new() }),
            seen: Mutex::default(),
        }
    }

    /// Takes over what a manifest says. A plugin that enforces has no use for its shadow copy.
    pub fn configure(&self, quota: Quota, lists: BTreeMap<String, Quota>, keeps_shadow: bool) {
        *self.config.lock() = Config { quota, lists };
        if !keeps_shadow {
            self.shadow.clear();
        }
    }

    /// Which version ran last.
    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    /// Notes that a version runs now.
    pub fn see(&self, version: &str, hash: &str, settings: &str) {
        let mut seen = self.seen.lock();
        let dirty = seen.dirty || seen.version != version;
        *seen =
            Seen { version: version.to_owned(), hash: hash.to_owned(), settings: settings.to_owned(), dirty };
    }

    /// Removes what has ended and what is too much.
    pub fn tidy(&self, now_ms: i64) {
        let quota = self.config.lock().quota;
        self.real.data.tidy(now_ms, quota);
        self.shadow.data.tidy(now_ms, quota);
        for (name, list) in self.real.lists() {
            list.table.tidy(now_ms, self.list_quota(&name));
        }
        for (name, list) in self.shadow.lists() {
            list.table.tidy(now_ms, self.list_quota(&name));
        }
    }

    /// Entries of the real state and the shadow copy, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let areas = [&self.real, &self.shadow];
        let sum = |of: fn(&Table) -> usize| areas.iter().map(|area| area.sum(|table| wide(of(table)))).sum();
        (sum(Table::keys), sum(Table::bytes))
    }

    /// Entries that gave way to others since the start.
    pub fn evicted(&self) -> u64 {
        self.real.sum(Table::evicted) + self.shadow.sum(Table::evicted)
    }

    /// Changes that could not be remembered until they were saved.
    pub fn lost(&self) -> u64 {
        self.real.sum(Table::lost)
    }

    /// Puts a saved entry back.
    pub fn restore(&self, row: &StateRow) {
        if row.list == SEEN_LIST {
            self.seen.lock().version = row.value.clone().unwrap_or_default();
            return;
        }
        let Some(entry) = saved::to_entry(row) else { return };
        let quota = if row.list.is_empty() { self.config.lock().quota } else { self.list_quota(&row.list) };
        if !quota.persist {
            return; // saved before the operator said that it is not to be
        }
        if row.list.is_empty() {
            self.real.data.restore(&row.key, entry, quota);
        } else {
            let list = self.real.list(&row.list);
            list.lengths.note(&row.key);
            list.table.restore(&row.key, entry, quota);
        }
    }

    /// Up to `most` changes since the last call.
    pub fn changes(&self, most: usize) -> Vec<StateRow> {
        let mut rows = Vec::new();
        let mut seen = self.seen.lock();
        if std::mem::take(&mut seen.dirty) {
            rows.push(self.row(SEEN_LIST, "version", Some(seen.version.clone()), None));
        }
        drop(seen);
        self.gather("", &self.real.data, most, &mut rows);
        for (name, list) in self.real.lists() {
            self.gather(&name, &list.table, most, &mut rows);
        }
        rows
    }

    /// Notes that a change could not be saved.
    pub fn unsaved(&self, row: &StateRow) {
        let key = Arc::from(row.key.as_str());
        if row.list == SEEN_LIST {
            self.seen.lock().dirty = true;
        } else if row.list.is_empty() {
            self.real.data.mark(&key, self.config.lock().quota);
        } else {
            self.real.list(&row.list).table.mark(&key, self.list_quota(&row.list));
        }
    }

    fn gather(&self, list: &str, table: &Table, most: usize, rows: &mut Vec<StateRow>) {
        let left = most.saturating_sub(rows.len());
        for (key, entry) in table.changes(left) {
            let value = entry.as_ref().and_then(|entry| saved::to_text(&entry.cell));
            let expires_ms = entry.map(|entry: Entry| entry.expires_ms);
            rows.push(self.row(list, &key, value, expires_ms.filter(|ms| *ms != super::cell::NEVER_MS)));
        }
    }

    fn row(&self, list: &str, key: &str, value: Option<String>, expires_ms: Option<i64>) -> StateRow {
        StateRow {
            plugin: self.name.to_string(),
            list: list.to_owned(),
            key: key.to_owned(),
            value,
            expires_ms,
        }
    }

    fn list_quota(&self, name: &str) -> Quota {
        let config = self.config.lock();
        config.lists.get(name).copied().unwrap_or(config.quota)
    }
}
