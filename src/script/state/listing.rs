//! Lists as one call sees them: the entries of the file, which stay, and those that rules add and remove.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::cell::{Cell, Entry, NEVER_MS};
use super::key::kept;
use super::list::{Item, Lengths, ListKind};
use super::view::{List, View};
use crate::base::nearest::nearest;
use crate::script::api;
use crate::script::gateway_list::{BANS, NEEDS_PERMISSION};
use crate::script::personal::of_address;

/// What a script looks up or adds.
pub(in crate::script) enum Value<'a> {
    /// An address.
    Address(IpAddr),
    /// A text.
    Text(&'a str),
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Text(text) => (*text).to_owned(),
        }
    }
}

impl View {
    /// The note of the entry that a value matches; `None` where it matches none.
    ///
    /// # Errors
    /// A sentence: there is no such list, or the value cannot stand in it.
    pub fn listed(&self, name: &str, value: &Value<'_>, now_ms: i64) -> Result<Option<Arc<str>>, String> {
        let list = self.declared(name)?;
        let text = value.text();
        let added = self.space.real.list(name);
        let copy = self.shadow.then(|| self.copy().list(name));
        let lengths = Lengths::default();
        lengths.note_all(&list.fixed.lengths);
        lengths.note_all(&added.lengths);
        if let Some(copy) = &copy {
            lengths.note_all(&copy.lengths);
        }
        let candidates = match (list.kind, value) {
            (ListKind::Ip, Value::Address(address)) => lengths.candidates(*address),
            (kind, _) => kind.candidates(&text, &lengths)?,
        };
        if let Some(note) = list.fixed.find(&text, &candidates, now_ms) {
            return Ok(Some(note));
        }
        if added.table.keys() == 0 && copy.is_none_or(|copy| copy.table.keys() == 0) {
            return Ok(None); // most lists are empty most of the time, and hashing costs
        }
        if list.kind == ListKind::Glob {
            return Ok(self.matching_glob(name, &text, now_ms));
        }
        Ok(candidates.iter().find_map(|item| self.note_of(name, &self.list_key(list.kind, item), now_ms)))
    }

    /// Adds an entry, or gives it a new end and note.
    ///
    /// # Errors
    /// A sentence: there is no such list, or the value cannot stand in it.
    pub fn add(
        &self,
        name: &str,
        value: &Value<'_>,
        ttl: Option<Duration>,
        note: &str,
        now_ms: i64,
    ) -> Result<(), String> {
        let list = self.declared(name)?;
        let key = self.list_key(list.kind, &list.kind.entry(&value.text())?);
        let ms = |ttl: Duration| i64::try_from(ttl.as_millis()).unwrap_or(NEVER_MS);
        let expires_ms = ttl.map_or(NEVER_MS, |ttl| now_ms.saturating_add(ms(ttl)));
        let area = if self.shadow { self.copy() } else { &self.space.real };
        area.list(name).lengths.note(&key);
        let entry = Entry { cell: Cell::Listed(note.into()), expires_ms };
        self.update_list(name, list, &key, now_ms, |slot| *slot = Some(entry));
        Ok(())
    }

    /// Removes an entry that a rule added; whether it was there. Entries of the file stay.
    ///
    /// # Errors
    /// A sentence: there is no such list, or the value cannot stand in it.
    pub fn remove(&self, name: &str, value: &Value<'_>, now_ms: i64) -> Result<bool, String> {
        let list = self.declared(name)?;
        let key = self.list_key(list.kind, &list.kind.entry(&value.text())?);
        if self.note_of(name, &key, now_ms).is_none() {
            return Ok(false);
        }
        Ok(self.update_list(name, list, &key, now_ms, |slot| slot.take().is_some()))
    }

    /// How many entries a list has, with those of its file.
    ///
    /// # Errors
    /// A sentence: there is no such list.
    pub fn size(&self, name: &str, now_ms: i64) -> Result<i64, String> {
        let list = self.declared(name)?;
        let real = self.space.real.list(name);
        let mut size = list.fixed.standing(now_ms) + real.table.len(now_ms);
        if self.shadow {
            let mut copies = Vec::new();
            self.copy().list(name).table.each(now_ms, |key, entry| {
                copies.push((key.clone(), entry.is_gone()));
            });
            for (key, gone) in copies {
                match (real.table.read(&key, now_ms, |_| ()).is_some(), gone) {
                    (true, true) => size = size.saturating_sub(1),
                    (false, false) => size += 1,
                    _ => {}
                }
            }
        }
        Ok(i64::try_from(size).unwrap_or(i64::MAX))
    }

    /// How many entries a look at the list goes through one by one.
    pub fn cost(&self, name: &str) -> usize {
        let Some(list) = self.lists.get(name).filter(|list| list.kind == ListKind::Glob) else { return 0 };
        list.fixed.globs() + self.space.real.list(name).table.keys()
    }

    fn declared(&self, name: &str) -> Result<&List, String> {
        self.lists.get(name).ok_or_else(|| {
            let near = nearest(name, self.lists.keys().map(String::as_str));
            let hint = match near {
                _ if name == BANS => format!(": {NEEDS_PERMISSION}"),
                Some(near) => format!(" (did you mean `{near}`?)"),
                None => String::new(),
            };
            format!("there is no list `{name}` in plugin.toml{hint}")
        })
    }

    fn update_list<R>(
        &self,
        name: &str,
        list: &List,
        key: &str,
        now_ms: i64,
        change: impl FnOnce(&mut Option<Entry>) -> R,
    ) -> R {
        let (real, shadow) = (self.space.real.list(name), self.copy().list(name));
        let of = |copy: bool| if copy { &shadow.table } else { &real.table };
        self.update(of, list.quota, key, now_ms, change)
    }

    fn note_of(&self, name: &str, key: &str, now_ms: i64) -> Option<Arc<str>> {
        let (real, shadow) = (self.space.real.list(name), self.copy().list(name));
        let of = |copy: bool| if copy { &shadow.table } else { &real.table };
        self.read(of, key, now_ms, note).flatten()
    }

    fn matching_glob(&self, name: &str, value: &str, now_ms: i64) -> Option<Arc<str>> {
        let mut keys = Vec::new();
        let fits = |key: &str| api::glob(key).is_ok_and(|glob| glob.is_match(value));
        let mut see = |key: &Arc<str>, _: &Entry| {
            if fits(key) {
                keys.push(key.clone());
            }
        };
        self.space.real.list(name).table.each(now_ms, &mut see);
        if self.shadow {
            self.copy().list(name).table.each(now_ms, &mut see);
        }
        keys.sort_unstable();
        keys.iter().find_map(|key| self.note_of(name, key, now_ms))
    }

    /// An entry as it is kept. An address is a person's and is hashed; networks, domains and globs are the operator's.
    fn list_key(&self, kind: ListKind, item: &Item) -> String {
        match item {
            Item::Address(address) => of_address(*address, &self.space.people),
            Item::Text(text) if kind == ListKind::String => kept(text, &self.space.people).into_owned(),
            Item::Text(text) => text.clone(),
        }
    }
}

fn note(entry: &Entry) -> Option<Arc<str>> {
    match &entry.cell {
        Cell::Listed(note) => Some(note.clone()),
        _ => None,
    }
}
