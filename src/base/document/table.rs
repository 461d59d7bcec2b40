//! A table of the file: what stands in it, what stands below it, and what nobody asked for.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{KeyDoc, Table};
use crate::base::nearest::nearest;
use crate::base::problems::{Place, Problem, Source};

impl<'a> Table<'a> {
    /// Whether the table stands in the file.
    pub fn exists(&self) -> bool {
        self.entries.is_some()
    }

    /// The dotted name of the table.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the key stands in the file or is laid over it.
    pub fn has(&self, key: &'static str) -> bool {
        self.entries.is_some_and(|t| t.contains_key(key))
            || self.document.overlay.contains_key(&self.dotted(key))
    }

    /// Where a value came from: `config.toml:12`, `environment variable X`, or `default`.
    pub fn origin(&self, key: &'static str) -> String {
        if let Some((origin, _)) = self.document.overlay.get(&self.dotted(key)) {
            return origin.clone();
        }
        self.entry(key).map_or_else(
            || "default".to_owned(),
            |(_, span)| {
                let place = self.document.place(span);
                format!("{}:{}", place.file, place.line)
            },
        )
    }

    /// A problem at the value of a key, or at the table where the key is absent.
    pub fn problem(&self, key: &'static str, message: impl Into<String>) -> Problem {
        let key_path = self.dotted(key);
        if let Some((origin, _)) = self.document.overlay.get(&key_path) {
            return Problem::of(origin.clone(), message);
        }
        let span = self.entry(key).map(|(_, span)| span).or_else(|| self.exists().then(|| self.span.clone()));
        Problem::at(span.map_or_else(|| self.document.source.top(), |s| self.document.place(s)), message)
    }

    /// Reports a problem found with this table.
    pub fn report(&self, problem: Problem) {
        self.document.problem(problem);
    }

    /// A table below this one; where it is absent, one with only defaults.
    pub fn table(&mut self, key: &'static str) -> Table<'a> {
        self.asked.insert(key);
        match self.entry(key) {
            Some((DeValue::Table(table), span)) => self.below(self.dotted(key), Some(table), span),
            Some((other, span)) => {
                let _: Option<()> = self.wrong_kind(key, &span, "a table", other);
                self.below(self.dotted(key), None, span)
            }
            None => self.below(self.dotted(key), None, self.span.clone()),
        }
    }

    /// The text that the table stands in.
    pub fn source(&self) -> &'a Source {
        self.document.source
    }

    /// The tables of `[[key]]`, in order. A describing document gives one empty table, so that its keys are seen.
    pub fn tables(&mut self, key: &'static str) -> Vec<Table<'a>> {
        self.asked.insert(key);
        let path = format!("{}[]", self.dotted(key));
        let described =
            || self.document.reference.is_some().then(|| self.below(path.clone(), None, self.span.clone()));
        match self.entry(key) {
            Some((DeValue::Array(items), _)) => items
                .iter()
                .filter_map(|item| match item.get_ref() {
                    DeValue::Table(table) => Some(self.below(path.clone(), Some(table), item.span())),
                    other => self.wrong_kind(key, &item.span(), "a table", other),
                })
                .collect(),
            Some((other, span)) => {
                let _: Option<()> = self.wrong_kind(key, &span, "a list of tables", other);
                Vec::new()
            }
            None => described().into_iter().collect(),
        }
    }

    /// The tables below this one that no other call asked for: `[plugins.NAME]`. Call it last.
    pub fn named_tables(&mut self) -> Vec<(String, Table<'a>)> {
        self.open = true;
        let mut named = Vec::new();
        if self.document.reference.is_some() {
            named.push((String::new(), self.below(self.dotted("*"), None, self.span.clone())));
        }
        for name in self.laid_names() {
            named.push((name.to_owned(), self.below(self.dotted(name), None, self.span.clone())));
        }
        for (name, value) in self.entries.into_iter().flatten() {
            if self.asked.contains(name.get_ref().as_ref()) {
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) => {
                    let path = self.dotted(name.get_ref());
                    named.push((name.get_ref().to_string(), self.below(path, Some(inner), name.span())));
                }
                _ => self.unknown(name.get_ref(), name.span()),
            }
        }
        named
    }

    /// Tables that only the overlay names: `NAME` of `path.NAME.key`.
    fn laid_names(&self) -> BTreeSet<&'a str> {
        let names = self.document.overlay.keys().filter_map(|key| {
            let (name, _) = key.strip_prefix(self.path.as_str())?.strip_prefix('.')?.split_once('.')?;
            Some(name)
        });
        names.filter(|name| !self.asked.contains(name) && self.entry(name).is_none()).collect()
    }

    /// Every key with its value, for tables whose keys the operator chooses (`settings`). No key is unknown then.
    pub fn free_values(&mut self) -> Vec<(String, &'a DeValue<'a>, Range<usize>)> {
        self.open = true;
        let Some(table) = self.entries else { return Vec::new() };
        table.iter().map(|(k, v)| (k.get_ref().to_string(), v.get_ref(), v.span())).collect()
    }

    /// A value of any kind, with its place.
    pub fn value(
        &mut self,
        key: &'static str,
        kind: &'static str,
        doc: &'static str,
    ) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.describe(key, kind, String::new(), doc);
        self.entry(key)
    }

    /// The place of a byte range of the file.
    pub fn place(&self, span: Range<usize>) -> Place {
        self.document.place(span)
    }

    /// The byte range of the table, for problems about it as a whole.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Ends the table: every key that nobody asked for is an error with the nearest known name.
    pub fn finish(self) {
        let Some(table) = self.entries else { return };
        if self.open {
            return;
        }
        for (name, _) in table {
            if !self.asked.contains(name.get_ref().as_ref()) {
                self.unknown(name.get_ref(), name.span());
            }
        }
    }

    pub(super) fn unknown(&self, name: &str, span: Range<usize>) {
        let place = self.document.place(span);
        let table =
            if self.path.is_empty() { "at the top".to_owned() } else { format!("in `[{}]`", self.path) };
        let mut problem = Problem::at(place, format!("unknown key `{name}` {table}"));
        if let Some(near) = nearest(name, self.asked.iter().copied()) {
            problem = problem.hint(format!("did you mean `{near}`?"));
        } else if let Some(near) = nearest_endings(name, &self.asked) {
            problem = problem.hint(format!("did you mean {near}?"));
        } else if !self.asked.is_empty() {
            let known = self.asked.iter().copied().collect::<Vec<_>>().join("`, `");
            problem = problem.hint(format!("known keys are `{known}`"));
        }
        self.document.problem(problem);
    }

    pub(super) fn below(
        &self,
        path: String,
        entries: Option<&'a DeTable<'a>>,
        span: Range<usize>,
    ) -> Table<'a> {
        Table { document: self.document, path, entries, span, asked: BTreeSet::new(), open: false }
    }

    pub(super) fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn entry(&self, key: &str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.entries?.get(key).map(|v| (v.get_ref(), v.span()))
    }

    pub(super) fn describe(
        &mut self,
        key: &'static str,
        kind: &'static str,
        default: String,
        doc: &'static str,
    ) {
        self.asked.insert(key);
        self.document.known.borrow_mut().insert(self.dotted(key));
        if let Some(reference) = &self.document.reference {
            let key = self.dotted(key);
            let mut reference = reference.borrow_mut();
            if !reference.0.iter().any(|k| k.key == key) {
                reference.0.push(KeyDoc { key, kind, default, doc });
            }
        }
    }
}

/// The known keys whose last word is near: `burst` is one of `ip_burst` and `user_burst`.
fn nearest_endings(name: &str, known: &BTreeSet<&'static str>) -> Option<String> {
    let is_near = |key: &&&str| key.rsplit_once('_').is_some_and(|(_, last)| nearest(name, [last]).is_some());
    let near: Vec<String> = known.iter().filter(is_near).map(|key| format!("`{key}`")).collect();
    (!near.is_empty()).then(|| near.join(" or "))
}
