//! The text of a configuration without the values of secrets, by what the text means and not by how its lines look: a value
//! may go on below its line, stand in a table in a line, or hold what looks like its end.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::mask::HIDDEN;

/// Parts of keys under which every value is hidden.
const WORDS: [&str; 24] = [
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "token",
    "tokens",
    "key",
    "keys",
    "apikey",
    "credential",
    "credentials",
    "pepper",
    "salt",
    "authorization",
    "cookie",
    "bearer",
    "webhook",
    "dsn",
    "private",
    "headers",
    "otlp",
    "pin",
];
/// Last parts of keys whose values are names, places and limits.
const HARMLESS: [&str; 5] = ["file", "min", "max", "name", "minute"];

/// The text with each such value replaced, line by line: it has as many lines as before. Of a text that is no configuration
/// only the names of keys are left.
pub(super) fn without_secrets(text: &str) -> String {
    let Ok(table) = DeTable::parse(text) else { return names_alone(text) };
    let mut hidden = Vec::new();
    walk(table.get_ref(), false, &mut hidden);
    hidden.sort_unstable_by_key(|span: &Range<usize>| span.start);
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for span in hidden {
        shown.push_str(text.get(at..span.start).unwrap_or_default());
        let value = text.get(span.clone()).unwrap_or_default();
        shown.push_str(HIDDEN);
        for _ in value.matches('\n') {
            shown.push('\n');
            shown.push_str(HIDDEN);
        }
        at = span.end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

fn walk(table: &DeTable<'_>, inherited: bool, hidden: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let hides = inherited || names_secret(key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, hides, hidden),
            DeValue::Array(items) if !hides => {
                for item in items {
                    if let DeValue::Table(inner) = item.get_ref() {
                        walk(inner, false, hidden);
                    }
                }
            }
            // Tables of an array have no span of their own: each of their values is hidden.
            DeValue::Array(items) if items.iter().any(|i| matches!(i.get_ref(), DeValue::Table(_))) => {
                for item in items {
                    match item.get_ref() {
                        DeValue::Table(inner) => walk(inner, true, hidden),
                        _ => hidden.push(item.span()),
                    }
                }
            }
            _ if hides && !is_plain(value.get_ref()) => hidden.push(value.span()),
            _ => {}
        }
    }
}

fn is_plain(value: &DeValue<'_>) -> bool {
    matches!(value, DeValue::Boolean(_))
}

fn names_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let parts: Vec<&str> = key.split(['_', '-', '.']).collect();
    let harmless = parts.last().is_some_and(|last| HARMLESS.contains(last));
    !harmless && parts.iter().any(|part| WORDS.contains(part))
}

fn names_alone(text: &str) -> String {
    let shown = text.split('\n').map(|line| {
        let trimmed = line.trim();
        if trimmed.is_empty() || (trimmed.starts_with('[') && !trimmed.contains(['"', '\'', '='])) {
            return line.to_owned();
        }
        let name = line.split(['=', '#', '"', '\'']).next().unwrap_or_default();
        if line[name.len()..].starts_with('=') { format!("{name}= {HIDDEN}") } else { HIDDEN.to_owned() }
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_hidden_wherever_it_stands_and_however_it_is_written() {
        for text in [
            "tokens = [ \"x]\",\n \"CANARY\",\n]",
            "secrets = { list = [\n \"CANARY\"\n] }",
            "token = { value = \"\"\"\nCANARY\n\"\"\" }",
            "[[routes]]\nset_headers = { Authorization = \"x\", \"X-Other\" = \"\"\"\nCANARY\n\"\"\" }",
            "[[routes]]\nset_headers = { Cookie = \"sid=CANARY\", \"X-Vault\" = \"CANARY\" }",
            "[secrets]\nfoo = \"CANARY\"",
            "[[alerts]]\nwebhook = \"https://hooks.example/CANARY\"",
            "a.password = 'CANARY'\n",
            "[[secrets]]\nx = \"CANARY\"",
            "password = \"CANARY\nno configuration",
            "x = \"\"\"\nCANARY\nthat does not end",
        ] {
            let shown = without_secrets(text);
            assert!(!shown.contains("CANARY") && shown.contains(HIDDEN), "{text} became {shown}");
            assert_eq!(shown.matches('\n').count(), text.matches('\n').count(), "{text}");
        }
        assert_eq!(without_secrets("password = 123456"), "password = …");
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        for text in [
            "[rate_limit]\nkeys_max = 1_000 # many\nip_burst = 600\n",
            "[session]\nsecret_file = \"/run/x\"\n",
            "[[routes]]\npath = \"/x\"\nauth = \"none\"\n",
            "urls = [\"http://127.0.0.1:1\"]\n",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }
}
