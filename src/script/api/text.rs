//! `text::`: what rules do with texts. Nothing grows faster than its input, and the input is bounded.

use rhai::{Array, ImmutableString, Module, export_module, exported_module};

use super::patterns;
use crate::script::budget;
use crate::script::call::{Raised, error};
use crate::script::engine::STRING_BYTES_MAX;

/// The longest texts that `similar` compares, in characters: its work is their product.
const SIMILAR_CHARS_MAX: usize = 256;
/// Bytes of input that cost as much as one operation.
const BYTES_PER_OP: usize = 64;

pub(super) fn module() -> Module {
    exported_module!(text)
}

/// Pays for work over `bytes` of input, so that a loop of native calls ends as a loop of operations does.
pub(super) fn pay(bytes: usize) -> Raised<()> {
    // The stop itself is raised by the next operation; an error here only saves the work.
    let cost = u64::try_from(bytes / BYTES_PER_OP).unwrap_or(u64::MAX);
    if budget::charge(cost) { Err(error("the budget is spent")) } else { Ok(()) }
}

/// The items of a list that are texts.
fn words(list: &Array) -> impl Iterator<Item = ImmutableString> + '_ {
    list.iter().filter_map(|v| v.clone().into_immutable_string().ok())
}

/// A replacement whose result is measured before it is made.
pub(in crate::script) fn replaced(text: &str, from: &str, to: &str) -> Raised<ImmutableString> {
    pay(text.len())?;
    if from.is_empty() {
        return Err(error("nothing cannot be replaced"));
    }
    let count = text.matches(from).count();
    let grown = text.len().saturating_add(count.saturating_mul(to.len())).saturating_sub(count * from.len());
    if grown > STRING_BYTES_MAX {
        return Err(error(format!("the result is longer than {STRING_BYTES_MAX} bytes")));
    }
    Ok(text.replace(from, to).into())
}

/// Bits per character.
fn entropy_of(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for b in text.bytes() {
        counts[usize::from(b)] += 1;
    }
    let total = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX).max(1));
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / total).map(|p| -p * p.log2()).sum()
}

/// 1 minus the edit distance over the longer length.
fn similarity(a: &str, b: &str) -> f64 {
    let a: Vec<char> = a.chars().take(SIMILAR_CHARS_MAX).collect();
    let b: Vec<char> = b.chars().take(SIMILAR_CHARS_MAX).collect();
    let mut row: Vec<u32> =
        (0..=SIMILAR_CHARS_MAX).filter_map(|i| u32::try_from(i).ok()).take(b.len() + 1).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = u32::try_from(i + 1).unwrap_or(u32::MAX);
        for (j, y) in b.iter().enumerate() {
            let change = corner + u32::from(x != y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    let longer = u32::try_from(a.len().max(b.len())).unwrap_or(u32::MAX).max(1);
    1.0 - f64::from(row[b.len()]) / f64::from(longer)
}

#[export_module]
mod text {
    /// The text in lower case.
    #[rhai_fn(return_raw)]
    pub fn lower(s: &str) -> Raised<String> {
        pay(s.len())?;
        Ok(s.to_lowercase())
    }

    /// The text without white space at both ends.
    pub fn trim(s: &str) -> ImmutableString {
        s.trim().into()
    }

    /// Whether the text fits a glob: `*` within a path segment, `**` across them.
    #[rhai_fn(return_raw)]
    pub fn glob(s: &str, pattern: &str) -> Raised<bool> {
        pay(s.len())?;
        let glob = patterns::glob(pattern).map_err(error)?;
        Ok(patterns::glob_matches(&glob, s))
    }

    /// Whether a regular expression matches somewhere in the text.
    #[rhai_fn(return_raw)]
    pub fn matches(s: &str, pattern: &str) -> Raised<bool> {
        pay(s.len() * 8)?;
        Ok(patterns::pattern(pattern).map_err(error)?.is_match(s))
    }

    /// The first match of a regular expression; `""` where there is none.
    #[rhai_fn(return_raw)]
    pub fn find(s: &str, pattern: &str) -> Raised<ImmutableString> {
        pay(s.len() * 8)?;
        let pattern = patterns::pattern(pattern).map_err(error)?;
        Ok(pattern.find(s).map_or("", |m| m.as_str()).into())
    }

    /// The first of the words that stands in the text; `""` where none does.
    #[rhai_fn(return_raw)]
    pub fn contains_any(s: &str, list: Array) -> Raised<ImmutableString> {
        pay(s.len() * list.len())?;
        Ok(words(&list).find(|w| s.contains(w.as_str())).unwrap_or_default())
    }

    /// The first of the words that the text begins with; `""` where it begins with none.
    #[rhai_fn(return_raw)]
    pub fn starts_any(s: &str, list: Array) -> Raised<ImmutableString> {
        pay(list.len() * BYTES_PER_OP)?;
        Ok(words(&list).find(|w| s.starts_with(w.as_str())).unwrap_or_default())
    }

    /// The text with every `from` replaced.
    #[rhai_fn(return_raw)]
    pub fn replace(s: &str, from: &str, to: &str) -> Raised<ImmutableString> {
        replaced(s, from, to)
    }

    /// Bits per character: about 4 for words, about 6 for random keys.
    #[rhai_fn(return_raw)]
    pub fn entropy(s: &str) -> Raised<f64> {
        pay(s.len())?;
        Ok(entropy_of(s))
    }

    /// How alike two texts are, from 0.0 to 1.0; only the first 256 characters count.
    #[rhai_fn(return_raw)]
    pub fn similar(a: &str, b: &str) -> Raised<f64> {
        pay(a.len().min(SIMILAR_CHARS_MAX) * b.len().min(SIMILAR_CHARS_MAX))?;
        Ok(similarity(a, b))
    }

    /// Whether libinjection takes the text for SQL injection. Alone it is wrong for 3 in 100 everyday texts: see `attack::`.
    #[rhai_fn(return_raw)]
    pub fn is_sqli(s: &str) -> Raised<bool> {
        pay(s.len() * 8)?;
        Ok(crate::script::attack::is_sqli(s))
    }

    /// Whether libinjection takes the text for cross-site scripting. Alone it misses half of it: see `attack::`.
    #[rhai_fn(return_raw)]
    pub fn is_xss(s: &str) -> Raised<bool> {
        pay(s.len() * 8)?;
        Ok(crate::script::attack::is_xss(s))
    }

    /// The text with all but its first two characters hidden.
    #[rhai_fn(return_raw)]
    pub fn mask(s: &str) -> Raised<String> {
        pay(s.len())?;
        Ok(s.chars().enumerate().map(|(i, c)| if i < 2 { c } else { '*' }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_measured_before_it_is_made() {
        assert_eq!(replaced("a-b-c", "-", "+").unwrap(), "a+b+c");
        assert_eq!(replaced("aaa", "a", "").unwrap(), "");
        assert!(replaced(&"a".repeat(60_000), "a", &"b".repeat(60_000)).is_err());
        assert!(replaced("a", "", "b").is_err());
    }

    #[test]
    fn likeness_and_entropy_are_numbers_that_make_sense() {
        assert!((similarity("paypal", "paypal") - 1.0).abs() < 1e-9);
        assert!((similarity("abcd", "abxd") - 0.75).abs() < 1e-9);
        assert!((similarity("", "") - 1.0).abs() < 1e-9);
        assert!(entropy_of("aaaa") < 1e-9);
        assert!((entropy_of("abcd") - 2.0).abs() < 1e-9);
    }
}
