//! Lines of a file that no report may show, because they may hold a secret.
//!
//! The look is at the text and not at what it means, so that it also works for a file that does not parse. It hides
//! too much rather than too little: what is lost is an excerpt, never a place.

use std::collections::BTreeSet;

use super::nearest::nearest;

/// Words that name a secret.
const WORDS: [&str; 12] = [
    "secret",
    "secrets",
    "password",
    "passwd",
    "passphrase",
    "token",
    "credential",
    "credentials",
    "authorization",
    "apikey",
    "bearer",
    "webhook",
];

/// Last words of keys that say where a secret stands or how long it is, and do not hold it.
const HARMLESS: [&str; 3] = ["file", "min", "max"];

/// What a value that goes on below its line still hides.
enum Hiding {
    Nothing,
    /// A text in three quotes, to its closing ones.
    UntilQuotes(&'static str),
    /// Something left open: to the next table or empty line.
    UntilTable,
}

/// The lines, from 1, that may hold a secret.
pub fn withheld_lines(text: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let mut hiding = Hiding::Nothing;
    for (number, line) in (1..).zip(text.lines()) {
        let goes_on = match hiding {
            Hiding::Nothing => false,
            Hiding::UntilQuotes(_) => true,
            Hiding::UntilTable => !ends_value(line),
        };
        if !goes_on && !is_withheld(line) {
            hiding = Hiding::Nothing;
            continue;
        }
        lines.insert(number);
        hiding = match hiding {
            Hiding::UntilQuotes(quotes) if line.contains(quotes) => Hiding::Nothing,
            Hiding::UntilQuotes(quotes) => Hiding::UntilQuotes(quotes),
            Hiding::UntilTable if goes_on => Hiding::UntilTable,
            Hiding::UntilTable | Hiding::Nothing => left_open(line),
        };
    }
    lines
}

fn ends_value(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || (line.starts_with('[') && line.ends_with(']') && !line.contains(['"', '\'']))
}

fn left_open(line: &str) -> Hiding {
    let odd = |what: &str| line.matches(what).count() % 2 == 1;
    for quotes in ["\"\"\"", "'''"] {
        if odd(quotes) {
            return Hiding::UntilQuotes(quotes);
        }
    }
    let open = line.matches('[').count() > line.matches(']').count();
    if open || odd("\"") || odd("'") { Hiding::UntilTable } else { Hiding::Nothing }
}

fn is_withheld(line: &str) -> bool {
    let has_userinfo = line.split("://").skip(1).any(|rest| rest.contains('@'));
    has_userinfo || words(line).any(|(word, alone)| !alone && names_secret(word))
}

/// The words of a line, each with whether it is an item of a list (`["Authorization", …]`) and thus only a name.
fn words(line: &str) -> impl Iterator<Item = (&str, bool)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + line[from..].find(is_word)?;
        let end = line[start..].find(|c| !is_word(c)).map_or(line.len(), |i| start + i);
        from = end;
        let quoted = line[..start].ends_with(['"', '\'']) && line[end..].starts_with(['"', '\'']);
        let listed = line[end..].get(1..).is_some_and(|rest| rest.trim_start().starts_with([',', ']']));
        Some((&line[start..end], quoted && listed))
    })
}

fn names_secret(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let parts: Vec<&str> = word.split(['_', '-']).collect();
    if parts.last().is_some_and(|last| HARMLESS.contains(last)) {
        return false;
    }
    let is_key = parts.windows(2).any(|pair| pair == ["api", "key"]);
    is_key
        || parts
            .iter()
            .any(|part| WORDS.contains(part) || nearest(part, ["secret", "password", "webhook"]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<usize> {
        withheld_lines(text).into_iter().collect()
    }

    #[test]
    fn a_line_that_names_a_secret_is_withheld_in_every_spelling() {
        for line in [
            "secret = \"x\"",
            "session = { ttl = 5, secret = \"x\" }",
            "session.secret \"x\"",
            "secert = \"x\"",
            "pasword = 'x'",
            "webhok = \"x\"",
            "\"X-Api-Key\" = \"x\"",
            "set_headers = { Authorization = \"Bearer x\" }",
            "urls = [\"http://user:word@host\"]",
            "client_secret: x",
        ] {
            assert_eq!(hidden(line), [1], "{line}");
        }
    }

    #[test]
    fn a_line_that_only_points_at_a_secret_is_shown() {
        for line in [
            "secret_file = \"/run/x\"",
            "token_file = \"x\"",
            "password_min = 12",
            "headers = [\"Content-Type\", \"Authorization\"]",
            "ttl = \"5s\"",
            "path = \"/a@b\"",
        ] {
            assert_eq!(hidden(line), [0usize; 0], "{line}");
        }
    }

    #[test]
    fn a_secret_that_goes_on_below_its_line_stays_withheld() {
        assert_eq!(hidden("a = 1\nsecret = \"\"\"\nhunter2\n\"\"\"\nttl = 1\n"), [2, 3, 4]);
        assert_eq!(hidden("secret = \"hun\nter2\"\nmore\n[cors]\na = 1\n"), [1, 2, 3]);
        assert_eq!(hidden("secret = [\n\"hunter2\",\n]\n\nttl = 1\n"), [1, 2, 3]);
    }
}
