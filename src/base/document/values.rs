//! The values of a table, each read with its default, its range and its sentence.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{Found, Table};
use crate::base::nearest::nearest;
use crate::base::problems::Problem;
use crate::base::secret::Secret;
use crate::base::units;

impl<'a> Table<'a> {
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

    /// A number from 0 to 1 that may be absent; `shown` is what the reference calls the default.
    pub fn fraction(&mut self, key: &'static str, shown: &str, doc: &'static str) -> Option<f64> {
        self.number(key, shown, (0.0, 1.0), doc)
    }

    /// A number within a range, both ends included, that may be absent; `shown` is what the reference calls the default.
    pub fn number(
        &mut self,
        key: &'static str,
        shown: &str,
        (least, most): (f64, f64),
        doc: &'static str,
    ) -> Option<f64> {
        self.describe(key, "number", shown.to_owned(), doc);
        let read = |text: &str| match text.trim().parse::<f64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("`{text}` is not between {least:?} and {most:?}")),
        };
        match self.find(key)? {
            Found::File(DeValue::Float(number), span) => self.settle(key, &span, read(number.as_str())),
            Found::File(DeValue::Integer(number), span) => self.settle(key, &span, read(number.as_str())),
            Found::File(other, span) => {
                self.wrong_kind(key, &span, &format!("a number from {least:?} to {most:?}"), other)
            }
            Found::Laid { origin, text } => self.settle_laid(key, &origin, read(&text)),
        }
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

    pub(super) fn wrong_kind<T>(
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
