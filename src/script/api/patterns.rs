//! Globs and regular expressions of scripts: compiled once, bounded in size, kept in a bounded cache.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use globset::{GlobBuilder, GlobMatcher};
use parking_lot::RwLock;
use regex::{Regex, RegexBuilder};

/// Patterns of each kind kept compiled.
const CACHE_MAX: usize = 512;
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;
/// The largest compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 256 << 10;
/// The deepest nesting of groups.
const NEST_MAX: u32 = 32;

type Cache<T> = LazyLock<RwLock<HashMap<String, Arc<T>>>>;

static REGEXES: Cache<Regex> = LazyLock::new(RwLock::default);
static GLOBS: Cache<GlobMatcher> = LazyLock::new(RwLock::default);

/// A compiled regular expression.
pub(in crate::script) fn pattern(text: &str) -> Result<Arc<Regex>, String> {
    cached(&REGEXES, text, |text| {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).nest_limit(NEST_MAX);
        builder.build().map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
            other => format!("not a regular expression: {}", last_line(&other.to_string())),
        })
    })
}

/// A compiled glob: `*` stays within a path segment, `**` does not.
pub(in crate::script) fn glob(text: &str) -> Result<Arc<GlobMatcher>, String> {
    cached(&GLOBS, text, |text| {
        let built = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
        built.map(|g| g.compile_matcher()).map_err(|e| format!("not a glob: {}", e.kind()))
    })
}

/// Whether a text fits a glob.
pub(in crate::script) fn glob_matches(glob: &GlobMatcher, text: &str) -> bool {
    glob.is_match(text)
}

fn cached<T>(
    cache: &Cache<T>,
    text: &str,
    compile: impl Fn(&str) -> Result<T, String>,
) -> Result<Arc<T>, String> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
    }
    if let Some(found) = cache.read().get(text) {
        return Ok(found.clone());
    }
    let built = Arc::new(compile(text)?);
    let mut cache = cache.write();
    if cache.len() >= CACHE_MAX {
        // Rules use a handful of patterns; a full cache means that some are made of data. Any one may go.
        let victim = cache.keys().next().cloned();
        victim.and_then(|key| cache.remove(&key));
    }
    cache.insert(text.to_owned(), built.clone());
    Ok(built)
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_segment_and_two_do_not() {
        let fits = |g: &str, text: &str| glob_matches(&glob(g).unwrap(), text);
        assert!(fits("/.git/**", "/.git/a/b") && fits("/a/*", "/a/b") && fits("/*.env", "/x.env"));
        assert!(!fits("/a/*", "/a/b/c") && !fits("/.env", "/xenv") && !fits("/.git/**", "/.gitx"));
        assert!(glob("[").is_err());
    }

    #[test]
    fn rh_14_a_pattern_is_bounded_before_and_after_it_is_compiled() {
        for bad in ["a{1000}{1000}", &"(".repeat(40), &"a".repeat(1_001), "(", r"\p{L}{900}"] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
        // Linear whatever the pattern: this one takes an exponential matcher longer than the universe has lasted.
        assert!(!pattern("(a+)+$").unwrap().is_match(&format!("{}b", "a".repeat(60_000))));
    }

    #[test]
    fn the_cache_has_an_end() {
        for i in 0..(CACHE_MAX + 100) {
            pattern(&format!("only-in-this-test-{i}")).unwrap();
        }
        assert!(REGEXES.read().len() <= CACHE_MAX);
    }
}
