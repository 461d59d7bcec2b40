//! The environment's names for keys: the plain ones, and `PLUGINMIND_SECTION__KEY` for any key.

use std::collections::BTreeMap;

use crate::base::document::Overlay;
use crate::base::nearest::nearest;
use crate::base::problems::{Problem, Problems};

/// The plain names, each with its key. An empty value is as good as none: that is what a compose file passes on for
/// a variable that nobody set.
pub(super) const PLAIN: [(&str, &str); 10] = [
    ("ENVIRONMENT", "environment"),
    ("CORS_ORIGINS", "cors.origins"),
    ("BACKEND_SESSION_SECRET", "session.secret"),
    ("BACKEND_SESSION_SECRET_FILE", "session.secret_file"),
    ("SESSION_COOKIE_DOMAIN", "session.cookie_domain"),
    ("RATE_LIMIT_PER_MIN", "rate_limit.user_per_minute"),
    ("RATE_LIMIT_BURST", "rate_limit.user_burst"),
    ("RATE_LIMIT_IP_PER_MIN", "rate_limit.ip_per_minute"),
    ("RATE_LIMIT_IP_BURST", "rate_limit.ip_burst"),
    ("LOG_LEVEL", "log.level"),
];

const PREFIX: &str = "PLUGINMIND_";

/// Names with the prefix that are no `SECTION__KEY`.
const WITHOUT_SECTION: [&str; 2] = ["PLUGINMIND_CONFIG", "PLUGINMIND_ENVIRONMENT"];

/// The values that the environment lays over the file, and what is wrong with its names. Values are never shown.
pub(super) fn overlay(environment: &BTreeMap<String, String>) -> (Overlay, Problems) {
    let mut overlay = Overlay::new();
    let mut problems = Problems::default();
    let plain = PLAIN.iter().filter_map(|(name, key)| {
        let value = environment.get(*name).filter(|v| !v.trim().is_empty())?;
        Some((*name, (*key).to_owned(), value))
    });
    let prefixed = environment.iter().filter_map(|(name, value)| {
        let key = prefixed_key(name, &mut problems)?;
        Some((name.as_str(), key, value))
    });
    let laid: Vec<_> = plain.chain(prefixed).collect();
    for (name, key, value) in laid {
        let origin = origin(name);
        if let Some((other, _)) = overlay.get(&key) {
            problems.push(Problem::of(origin, format!("`{key}` is also set by {other}: keep one")));
            continue;
        }
        overlay.insert(key, (origin, value.clone()));
    }
    if let (Some((_, _)), Some((origin, _))) =
        (overlay.get("session.secret"), overlay.get("session.secret_file"))
    {
        let message = "`session.secret` and `session.secret_file` are both set by the environment: keep one";
        problems.push(Problem::of(origin.clone(), message));
    }
    (overlay, problems)
}

fn origin(name: &str) -> String {
    format!("environment variable {name}")
}

/// The key of a name with the prefix; a name that cannot be one is a finding.
fn prefixed_key(name: &str, problems: &mut Problems) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    if name == "PLUGINMIND_ENVIRONMENT" {
        return Some("environment".to_owned());
    }
    if !rest.contains("__") {
        if !WITHOUT_SECTION.contains(&name) {
            problems.push(unknown(name));
        }
        return None;
    }
    let mut parts: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    let is_word = |part: &String| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if !parts.iter().all(is_word) {
        problems.push(Problem::of(origin(name), "is not of the form `PLUGINMIND_SECTION__KEY`"));
        return None;
    }
    // A plugin's name has `-` where a variable's name can only have `_`.
    if let [section, plugin, _, ..] = parts.as_mut_slice()
        && section == "plugins"
    {
        *plugin = plugin.replace('_', "-");
    }
    Some(parts.join("."))
}

fn unknown(name: &str) -> Problem {
    let hint = nearest(name, WITHOUT_SECTION).map_or_else(
        || "a section and its key are joined by two underscores: `PLUGINMIND_SESSION__TTL`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Problem::of(origin(name), "nothing reads this variable").hint(hint).warning()
}

/// The names that set a key, the plain one first; empty for keys that no variable can set.
pub(super) fn names_of(key: &str) -> Vec<String> {
    let plain = PLAIN.iter().filter(|(_, k)| *k == key).map(|(name, _)| (*name).to_owned());
    let addressable = !key.contains(['[', '*']);
    let prefixed = addressable.then(|| format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__")));
    plain.chain(prefixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (overlay, problems) = overlay(&environment);
        let laid = overlay.into_iter().map(|(key, (_, value))| format!("{key}={value}")).collect();
        (laid, problems.iter().map(Problem::short).collect())
    }

    #[test]
    fn plain_names_and_sections_become_keys() {
        let (laid, problems) = look(&[
            ("ENVIRONMENT", "production"),
            ("PLUGINMIND_SESSION__TTL", "1h"),
            ("PLUGINMIND_AUTH__LOCAL__ENABLED", "false"),
            ("PLUGINMIND_PLUGINS__ADMIN_HOURS__MODE", "off"),
            ("PLUGINMIND_CONFIG", "x.toml"),
            ("LOG_LEVEL", ""),
            ("HOME", "/root"),
        ]);
        assert_eq!(
            laid,
            [
                "auth.local.enabled=false",
                "environment=production",
                "plugins.admin-hours.mode=off",
                "session.ttl=1h"
            ]
        );
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn two_names_for_one_key_are_refused_without_their_values() {
        let (_, problems) = look(&[
            ("BACKEND_SESSION_SECRET", "hunter2hunter2"),
            ("PLUGINMIND_SESSION__SECRET", "hunter3hunter3"),
        ]);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("also set by environment variable BACKEND_SESSION_SECRET"),
            "{problems:?}"
        );
        assert!(!problems[0].contains("hunter"), "{problems:?}");
    }

    #[test]
    fn a_secret_and_its_file_together_are_refused() {
        let (_, problems) =
            look(&[("BACKEND_SESSION_SECRET", "hunter2"), ("BACKEND_SESSION_SECRET_FILE", "/run/s")]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("both set by the environment"), "{problems:?}");
    }

    #[test]
    fn a_name_that_nothing_reads_is_a_warning_and_a_malformed_one_an_error() {
        let environment = BTreeMap::from([
            ("PLUGINMIND_CONFG".to_owned(), String::new()),
            ("PLUGINMIND_ROUTES[]__NAME".to_owned(), String::new()),
        ]);
        let (overlay, problems) = overlay(&environment);
        assert!(overlay.is_empty());
        let text = problems.render();
        assert!(text.contains("warning: nothing reads this variable"), "{text}");
        assert!(text.contains("did you mean `PLUGINMIND_CONFIG`?"), "{text}");
        assert!(text.contains("error: is not of the form `PLUGINMIND_SECTION__KEY`"), "{text}");
    }
}
