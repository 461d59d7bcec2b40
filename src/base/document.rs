//! A TOML file read key by key: every value checked, every problem collected with its place, every key remembered so
//! that an unknown one is an error with the nearest known name.
//!
//! The same calls that read a file describe it: with a [`Reference`] attached, each key leaves its kind, default and
//! sentence there, and the reference pages are made of that.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::problems::{Place, Problem, Problems, Source};
use super::secret::Secret;
use super::units;
use super::withheld::withheld_lines;

/// Values from outside the file that win over it: dotted key → (where it comes from, text).
pub type Overlay = BTreeMap<String, (String, String)>;

/// Most problems of one file that are reported; a person reads no more, and a hostile file has one a byte.
pub const PROBLEMS_MAX: usize = 100;

/// Longest line that is shown under a problem, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// One key of a file's reference page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Dotted, with `*` for a name the operator chooses and `[]` for a list of tables.
    pub key: String,
    /// The kind of value, as a person says it.
    pub kind: &'static str,
    /// The default as written in a file; empty where there is none.
    pub default: String,
    /// One sentence.
    pub doc: &'static str,
}

/// Every key that a reader asked for, in the order of asking.
#[derive(Debug, Default)]
pub struct Reference(pub Vec<KeyDoc>);

/// What all tables of one file share while it is read.
pub struct Document<'a> {
    source: &'a Source,
    overlay: &'a Overlay,
    used_overlay: RefCell<BTreeSet<String>>,
    known: RefCell<BTreeSet<String>>,
    withheld: BTreeSet<usize>,
    problems: RefCell<Problems>,
    reference: Option<RefCell<Reference>>,
}

/// One table of the file, or one that is not there and has only defaults.
pub struct Table<'a> {
    document: &'a Document<'a>,
    path: String,
    entries: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    asked: BTreeSet<&'static str>,
    open: bool,
}

/// A value found for a key: in the file, or laid over it.
enum Found<'a> {
    File(&'a DeValue<'a>, Range<usize>),
    Laid { origin: String, text: String },
}

impl<'a> Document<'a> {
    /// A document with values laid over it (environment variables, flags).
    pub fn new(source: &'a Source, overlay: &'a Overlay) -> Self {
        Self {
            source,
            overlay,
            used_overlay: RefCell::default(),
            known: RefCell::default(),
            withheld: withheld_lines(&source.text),
            problems: RefCell::default(),
            reference: None,
        }
    }

    /// A document that also writes down every key it is asked for.
    pub fn describing(source: &'a Source, overlay: &'a Overlay) -> Self {
        Self { reference: Some(RefCell::default()), ..Self::new(source, overlay) }
    }

    /// The root table of a parsed file.
    pub fn root(&'a self, table: &'a Spanned<DeTable<'a>>) -> Table<'a> {
        Table {
            document: self,
            path: String::new(),
            entries: Some(table.get_ref()),
            span: table.span(),
            asked: BTreeSet::new(),
            open: false,
        }
    }

    /// Parses the text; syntax errors become problems, and what could be read is read.
    pub fn parse(source: &'a Source, problems: &mut Problems) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        let withheld = withheld_lines(&source.text);
        for error in errors.into_iter().take(PROBLEMS_MAX) {
            let place = shown(source.place(error.span().unwrap_or(0..0)), &withheld);
            problems.push(Problem::at(place, error.message().trim().replace('\n', ", ")));
        }
        table
    }

    /// Adds a problem that a reader of the file found by itself.
    pub fn problem(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < PROBLEMS_MAX {
            problems.push(problem);
        } else if problems.len() == PROBLEMS_MAX {
            problems.push(Problem::of(
                self.source.name.to_string(),
                "there are more problems; these are the first",
            ));
        }
    }

    /// The place of a byte range; a line that may hold a secret, or is longer than a screen, is not shown.
    pub fn place(&self, span: Range<usize>) -> Place {
        shown(self.source.place(span), &self.withheld)
    }

    /// Ends the reading: all problems, unknown laid-over keys among them, and the reference.
    pub fn finish(self) -> (Problems, Reference) {
        let used = self.used_overlay.into_inner();
        let mut problems = self.problems.into_inner();
        let known = self.known.into_inner();
        for (key, (origin, _)) in self.overlay.iter().filter(|(k, _)| !used.contains(*k)) {
            let problem = Problem::of(origin.clone(), format!("there is no key `{key}`"));
            problems.push(match nearest_key(key, &known) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        (problems, self.reference.map(RefCell::into_inner).unwrap_or_default())
    }
}

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

    /// A text.
    pub fn text(&mut self, key: &'static str, default: &str, doc: &'static str) -> String {
        self.read(key, "text", &quoted(default), doc, |text| Ok(text.to_owned()))
            .unwrap_or_else(|| default.to_owned())
    }

    /// A text that may be absent.
    pub fn optional_text(&mut self, key: &'static str, doc: &'static str) -> Option<String> {
        self.read(key, "text", "", doc, |text| Ok(text.to_owned()))
    }

    /// A text that must be there.
    pub fn required_text(&mut self, key: &'static str, doc: &'static str) -> String {
        let value = self.read(key, "text, required", "", doc, |text| Ok(text.to_owned()));
        if value.is_none() && !self.has(key) && self.exists() {
            self.report(self.problem(key, format!("`{}` is required", self.dotted(key))));
        }
        value.unwrap_or_default()
    }

    /// A text that must not be shown: problems with it print no excerpt.
    pub fn secret(&mut self, key: &'static str, doc: &'static str) -> Option<Secret<String>> {
        self.read(key, "text (secret)", "", doc, |text| Ok(Secret::new(text.to_owned())))
    }

    /// A text that something else can read: an address, a path, a pattern.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        kind: &'static str,
        default: &str,
        doc: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let shown = if default.is_empty() { String::new() } else { quoted(default) };
        match self.read(key, kind, &shown, doc, &parse) {
            Some(value) => Some(value),
            None if default.is_empty() => None,
            None => parse(default).ok(),
        }
    }

    /// A duration such as `"30s"`, at least `least`.
    pub fn duration(
        &mut self,
        key: &'static str,
        default: &str,
        least: Duration,
        doc: &'static str,
    ) -> Duration {
        let parse = |text: &str| {
            let d = units::parse_duration(text)?;
            if d < least { Err(format!("must be at least {}", units::show_duration(least))) } else { Ok(d) }
        };
        self.read(key, "duration", &quoted(default), doc, parse)
            .or_else(|| units::parse_duration(default).ok())
            .unwrap_or_default()
    }

    /// A size such as `"1 MB"`, in bytes.
    pub fn size(&mut self, key: &'static str, default: &str, doc: &'static str) -> u64 {
        let fallback = units::parse_size(default).unwrap_or_default();
        self.optional_size(key, default, doc).unwrap_or(fallback)
    }

    /// A size that may be absent; `shown` is what the reference calls the default.
    pub fn optional_size(&mut self, key: &'static str, shown: &str, doc: &'static str) -> Option<u64> {
        self.describe(key, "size", if shown.is_empty() { String::new() } else { quoted(shown) }, doc);
        match self.find(key)? {
            Found::File(DeValue::Integer(_), span) => {
                self.integer_in(key, &span, 0, i64::MAX).map(i64::unsigned_abs)
            }
            Found::File(DeValue::String(text), span) => self.settle(key, &span, units::parse_size(text)),
            Found::File(other, span) => self.wrong_kind(key, &span, "a size", other),
            Found::Laid { origin, text } => self.settle_laid(key, &origin, units::parse_size(&text)),
        }
    }

    /// A whole number within a range, both ends included.
    pub fn integer(&mut self, key: &'static str, default: i64, range: (i64, i64), doc: &'static str) -> i64 {
        self.optional_integer(key, &default.to_string(), range, doc).unwrap_or(default)
    }

    /// A whole number that may be absent; `shown` is what the reference calls the default.
    pub fn optional_integer(
        &mut self,
        key: &'static str,
        shown: &str,
        range: (i64, i64),
        doc: &'static str,
    ) -> Option<i64> {
        self.describe(key, "integer", shown.to_owned(), doc);
        match self.find(key)? {
            Found::File(DeValue::Integer(_), span) => self.integer_in(key, &span, range.0, range.1),
            Found::File(other, span) => self.wrong_kind(key, &span, "a whole number", other),
            Found::Laid { origin, text } => {
                let number =
                    text.trim().parse::<i64>().map_err(|_| format!("`{text}` is not a whole number"));
                self.settle_laid(key, &origin, number.and_then(|n| in_range(n, range)))
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, default: bool, doc: &'static str) -> bool {
        self.describe(key, "boolean", default.to_string(), doc);
        let found = self.find(key);
        let value = match found {
            None => None,
            Some(Found::File(DeValue::Boolean(b), _)) => Some(*b),
            Some(Found::File(other, span)) => self.wrong_kind(key, &span, "true or false", other),
            Some(Found::Laid { origin, text }) => {
                let flag = text.trim().parse::<bool>().map_err(|_| format!("`{text}` is not true or false"));
                self.settle_laid(key, &origin, flag)
            }
        };
        value.unwrap_or(default)
    }

    /// One of a few words.
    pub fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        default: &'static str,
        doc: &'static str,
    ) -> Option<T> {
        let names = || words.iter().map(|(w, _)| *w);
        let parse = |text: &str| {
            words.iter().find(|(w, _)| *w == text).map(|(_, v)| v.clone()).ok_or_else(|| {
                let all = names().collect::<Vec<_>>().join("`, `");
                let near =
                    nearest(text, names()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
                format!("`{text}` is not one of `{all}`{near}")
            })
        };
        self.parsed(key, "one of a few words", default, doc, parse)
    }

    /// A list of texts, each of which something can read; on the overlay, comma separated.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        kind: &'static str,
        default: &[&str],
        doc: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let shown = format!("[{}]", default.iter().map(|d| quoted(d)).collect::<Vec<_>>().join(", "));
        self.describe(key, kind, shown, doc);
        match self.find(key) {
            None => default.iter().filter_map(|d| parse(d).ok()).collect(),
            Some(Found::File(DeValue::Array(items), _)) => {
                items.iter().filter_map(|item| self.list_item(key, item, &parse)).collect()
            }
            Some(Found::File(other, span)) => {
                let nothing: Option<Vec<T>> = self.wrong_kind(key, &span, "a list", other);
                nothing.unwrap_or_default()
            }
            Some(Found::Laid { origin, text }) => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .filter_map(|part| self.settle_laid(key, &origin, parse(part)))
                .collect(),
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str, default: &[&str], doc: &'static str) -> Vec<String> {
        self.list(key, "list of texts", default, doc, |text| Ok(text.to_owned()))
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

    fn unknown(&self, name: &str, span: Range<usize>) {
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

    fn below(&self, path: String, entries: Option<&'a DeTable<'a>>, span: Range<usize>) -> Table<'a> {
        Table { document: self.document, path, entries, span, asked: BTreeSet::new(), open: false }
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn entry(&self, key: &str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.entries?.get(key).map(|v| (v.get_ref(), v.span()))
    }

    fn describe(&mut self, key: &'static str, kind: &'static str, default: String, doc: &'static str) {
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

    fn find(&self, key: &'static str) -> Option<Found<'a>> {
        let path = self.dotted(key);
        if let Some((origin, text)) = self.document.overlay.get(&path) {
            self.document.used_overlay.borrow_mut().insert(path);
            return Some(Found::Laid { origin: origin.clone(), text: text.clone() });
        }
        self.entry(key).map(|(value, span)| Found::File(value, span))
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        kind: &'static str,
        shown: &str,
        doc: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.describe(key, kind, shown.to_owned(), doc);
        match self.find(key)? {
            Found::File(DeValue::String(text), span) => self.settle(key, &span, parse(text)),
            Found::File(other, span) => self.wrong_kind(key, &span, "a text in quotes", other),
            Found::Laid { origin, text } => self.settle_laid(key, &origin, parse(&text)),
        }
    }

    fn list_item<T>(
        &self,
        key: &'static str,
        item: &Spanned<DeValue<'a>>,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match item.get_ref() {
            DeValue::String(text) => self.settle(key, &item.span(), parse(text)),
            other => self.wrong_kind(key, &item.span(), "a text in quotes", other),
        }
    }

    fn integer_in(&self, key: &'static str, span: &Range<usize>, least: i64, most: i64) -> Option<i64> {
        let Some((DeValue::Integer(number), _)) = self.entry(key) else { return None };
        let value = i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| "is too large a number".to_owned())
            .and_then(|n| in_range(n, (least, most)));
        self.settle(key, span, value)
    }

    fn settle<T>(&self, key: &'static str, span: &Range<usize>, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|why| {
                let place = self.document.place(span.clone());
                self.document.problem(Problem::at(place, format!("`{}`: {why}", self.dotted(key))));
            })
            .ok()
    }

    fn settle_laid<T>(&self, key: &'static str, origin: &str, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|why| {
                self.document.problem(Problem::of(origin, format!("`{}`: {why}", self.dotted(key))));
            })
            .ok()
    }

    fn wrong_kind<T>(
        &self,
        key: &'static str,
        span: &Range<usize>,
        wanted: &str,
        got: &DeValue<'_>,
    ) -> Option<T> {
        let message = format!("`{}` must be {wanted}, not {}", self.dotted(key), kind_name(got));
        self.document.problem(Problem::at(self.document.place(span.clone()), message));
        None
    }
}

/// Reads a text with its `FromStr`, in words of our own.
///
/// # Errors
/// A sentence that names what was expected.
pub fn from_str<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not {what}"))
}

/// The known key that was meant: one of the same table by its own name, else any by its whole name.
fn nearest_key<'k>(key: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let of_table = |k: &'k String| k.strip_prefix(table)?.strip_prefix('.').map(|name| (k.as_str(), name));
    let beside: Vec<_> = known.iter().filter_map(of_table).collect();
    if beside.is_empty() {
        return nearest(key, known.iter().map(String::as_str));
    }
    let near = nearest(name, beside.iter().map(|(_, name)| *name))?;
    beside.iter().find(|(_, name)| *name == near).map(|(key, _)| *key)
}

/// The known keys whose last word is near: `burst` is one of `ip_burst` and `user_burst`.
fn nearest_endings(name: &str, known: &BTreeSet<&'static str>) -> Option<String> {
    let is_near = |key: &&&str| key.rsplit_once('_').is_some_and(|(_, last)| nearest(name, [last]).is_some());
    let near: Vec<String> = known.iter().filter(is_near).map(|key| format!("`{key}`")).collect();
    (!near.is_empty()).then(|| near.join(" or "))
}

fn shown(mut place: Place, withheld: &BTreeSet<usize>) -> Place {
    let long = |line: &String| line.chars().count() > EXCERPT_CHARS_MAX;
    if withheld.contains(&place.line) || place.excerpt.as_ref().is_some_and(long) {
        place.excerpt = None;
    }
    place
}

fn in_range(n: i64, (least, most): (i64, i64)) -> Result<i64, String> {
    if (least..=most).contains(&n) { Ok(n) } else { Err(format!("{n} is not between {least} and {most}")) }
}

fn kind_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, overlay: &Overlay) -> (Duration, i64, String) {
        let source = Source::new("config.toml", text);
        let mut problems = Problems::default();
        let parsed = Document::parse(&source, &mut problems);
        let document = Document::new(&source, overlay);
        let mut root = document.root(&parsed);
        let mut session = root.table("session");
        let ttl = session.duration("ttl", "24h", Duration::from_secs(1), "How long.");
        let cap = session.integer("cap", 10, (1, 100), "How many.");
        session.finish();
        root.finish();
        problems.append(document.finish().0);
        let short = problems
            .iter()
            .map(|p| p.short() + &p.hint.as_ref().map_or(String::new(), |h| format!(" [{h}]")));
        (ttl, cap, short.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn defaults_stand_where_the_file_says_nothing() {
        assert_eq!(read("", &Overlay::new()), (Duration::from_secs(86_400), 10, String::new()));
    }

    #[test]
    fn every_problem_is_reported_at_once_and_the_nearest_key_is_named() {
        let (_, _, problems) =
            read("[session]\nttl = 5\ncap = 500\ntll = \"1h\"\n[sesion]\n", &Overlay::new());
        assert_eq!(
            problems,
            "config.toml:2:7: `session.ttl` must be a text in quotes, not a whole number\n\
             config.toml:3:7: `session.cap`: 500 is not between 1 and 100\n\
             config.toml:4:1: unknown key `tll` in `[session]` [did you mean `ttl`?]\n\
             config.toml:5:2: unknown key `sesion` at the top [did you mean `session`?]"
        );
    }

    #[test]
    fn what_is_laid_over_the_file_wins_and_is_named_in_problems() {
        let mut overlay = Overlay::new();
        overlay.insert("session.cap".into(), ("environment variable X".into(), "7".into()));
        overlay.insert("session.nope".into(), ("environment variable Y".into(), "7".into()));
        let (_, cap, problems) = read("[session]\ncap = 3\n", &overlay);
        assert_eq!(cap, 7);
        assert_eq!(problems, "environment variable Y: there is no key `session.nope`");
    }
}
