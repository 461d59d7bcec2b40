//! Paths of routes.

use crate::base::target::{CanonicalPath, EncodedSlashes};

/// Whether a path is `/exact` or `/prefix/*` in canonical form: one that no request can have would never match.
pub(super) fn check(path: &str, slashes: EncodedSlashes) -> Result<(), String> {
    let plain = path.strip_suffix('*').unwrap_or(path);
    if plain.contains('*') || (plain.len() < path.len() && !plain.ends_with('/')) {
        return Err(format!("`{path}`: `*` stands only at the end, after `/`: \"/prefix/*\""));
    }
    if plain.contains(['{', '}']) {
        return Err(format!("`{path}`: a path has no parameters: write \"/exact\" or \"/prefix/*\""));
    }
    let canonical = CanonicalPath::parse(plain)
        .and_then(|p| p.check_slashes(slashes).map(|()| p))
        .map_err(|why| format!("`{path}` matches no request: {}", lower_first(why)))?;
    if canonical.as_str() == plain {
        Ok(())
    } else {
        Err(format!("`{path}` matches no request: write \"{}{}\"", canonical.as_str(), &path[plain.len()..]))
    }
}

/// Whether a prefix is one of the route's path, whole segments of it.
pub(super) fn check_strip(prefix: &str, path: &str) -> Result<(), String> {
    let rest = path.strip_prefix(prefix);
    let is_whole = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if prefix.len() < 2 || !prefix.starts_with('/') || prefix.ends_with('/') {
        Err(format!("`strip_prefix`: `{prefix}` is not a prefix such as \"/app\""))
    } else if !is_whole {
        Err(format!("`strip_prefix`: `{path}` does not begin with `{prefix}`"))
    } else {
        Ok(())
    }
}

fn lower_first(sentence: &str) -> String {
    let mut chars = sentence.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_exact_or_a_prefix_in_canonical_form() {
        for good in ["/", "/*", "/api", "/api/", "/api/*", "/caf%C3%A9", "/a.b/c"] {
            assert_eq!(check(good, EncodedSlashes::Refuse), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "is not a path"),
            ("api", "is not a path"),
            ("*", "stands only at the end"),
            ("/api*", "stands only at the end"),
            ("/*/x", "stands only at the end"),
            ("/a//b", "empty segment"),
            ("/a/../b", "dot segment"),
            ("/a?b", "reserved character"),
            ("/%61pi/*", "write \"/api/*\""),
            ("/a%2Fb", "encoded slash"),
            ("/users/{id}", "has no parameters"),
            ("/é", "must be escaped"),
        ] {
            let got = check(bad, EncodedSlashes::Refuse).unwrap_err();
            assert!(got.contains(why), "{bad}: {got}");
        }
        assert_eq!(check("/a%2Fb", EncodedSlashes::Keep), Ok(()));
    }

    #[test]
    fn a_stripped_prefix_is_whole_segments_of_the_path() {
        assert_eq!(check_strip("/app", "/app/*"), Ok(()));
        for bad in ["app", "/", "/app/", "/ap", "/other", ""] {
            assert!(check_strip(bad, "/app/*").is_err(), "{bad}");
        }
    }
}
