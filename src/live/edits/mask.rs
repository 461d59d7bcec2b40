//! Lines of configuration without the values of secrets. By the names of keys, and generous: a value too many is hidden
//! rather than one too few.

use std::sync::LazyLock;

use regex::Regex;

use super::values::without_secrets;

/// What stands for a value.
pub(super) const HIDDEN: &str = "…";

/// A key whose name speaks of a secret, and what separates it from its value.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let words = "secret|passwords?|passwd|passphrase|tokens?|keys?|credentials?|pepper|salt|authorization|bearer|webhook|dsn|private";
    let name = format!(r#"(?i)["'A-Za-z0-9_.\-]*({words})["'A-Za-z0-9_.\-]*\s*[=:]\s*"#);
    Regex::new(&name).expect("a fixed expression that a test compiles")
});

/// A word in a comment that speaks of a secret, and is no name of a key.
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let words = "secret|password|passwd|passphrase|token|credential|authorization|bearer|webhook";
    Regex::new(&format!(r"(?i)\b({words})\b\s*[^=:\s]")).expect("a fixed expression that a test compiles")
});

/// A name and a password in an address.
static USERINFO: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"://[^/?\#\s"']+@"#).expect("a fixed expression that a test compiles"));

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Configuration: every value may be a secret.
    Values,
    /// A script: what is computed is none, what is written out may be.
    Script,
}

/// Every line of a text, without the values of secrets.
pub(super) fn lines(text: &str, kind: Kind) -> Vec<String> {
    match kind {
        Kind::Values => by_line(&without_secrets(text), kind).collect(),
        Kind::Script => by_line(text, kind).collect(),
    }
}

/// The second net, and the only one of scripts and comments.
fn by_line(text: &str, kind: Kind) -> impl Iterator<Item = String> + '_ {
    let mut until: Option<&'static str> = None;
    text.lines().map(move |line| {
        if let Some(end) = until {
            if line.contains(end) {
                until = None;
            }
            return HIDDEN.to_owned();
        }
        let (shown, opens) = masked(line, kind);
        until = opens;
        shown
    })
}

/// A line, and what ends the value that it begins and does not end.
fn masked(line: &str, kind: Kind) -> (String, Option<&'static str>) {
    if let Some(note) = line.trim_start().strip_prefix(['#', '/']).filter(|note| SPOKEN.is_match(note)) {
        return (line[..line.len() - note.len()].to_owned() + HIDDEN, None);
    }
    let Some(found) = SECRET.find_iter(line).find(|found| hides(&line[found.end()..], kind)) else {
        return (USERINFO.replace_all(line, format!("://{HIDDEN}@")).into_owned(), None);
    };
    let value = &line[found.end()..];
    let opens = [("\"\"\"", "\"\"\""), ("'''", "'''"), ("[", "]"), ("`", "`")];
    let opens = opens.into_iter().find(|(open, _)| value.starts_with(open));
    let opens = opens.filter(|(open, close)| !value[open.len()..].contains(close)).map(|(_, close)| close);
    let before = USERINFO.replace_all(&line[..found.end()], format!("://{HIDDEN}@"));
    (format!("{before}{HIDDEN}"), opens)
}

/// Numbers and switches are no secrets: `keys_max = 1000`.
fn hides(value: &str, kind: Kind) -> bool {
    if kind == Kind::Script && !value.starts_with(['"', '\'', '`']) {
        return false;
    }
    let word = value.split(['#', ',', ';', '}']).next().unwrap_or_default().trim();
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.');
    !(plain || matches!(word, "true" | "false") || word.starts_with("=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        lines(text, Kind::Values).join("\n")
    }

    #[test]
    fn the_value_of_a_key_that_speaks_of_a_secret_is_not_shown() {
        for line in [
            "secret = \"CANARY\"",
            "client_secret=\"CANARY\"",
            "\"X-Api-Key\" = \"CANARY\"",
            "# token = \"CANARY\"",
            "set_headers = { Authorization = \"Bearer CANARY\" }",
            "session.secret = 'CANARY'",
            "google = { client_id = \"x\", client_secret = \"CANARY\" }",
            "webhook = \"https://hooks.example/CANARY\"",
            "const API_KEY = \"CANARY\";",
            "let m = #{ password: \"CANARY\" };",
            "url = \"http://me:CANARY@127.0.0.1:1\"",
            "SECRET = \"CANARY\"",
        ] {
            let text = shown(line);
            assert!(!text.contains("CANARY") && text.contains(HIDDEN), "{line} became {text}");
        }
    }

    #[test]
    fn a_value_of_many_lines_is_hidden_to_its_end_and_no_further() {
        let text = "a = 1\nsecret = \"\"\"\nCANARY\nCANARY\"\"\"\nb = 2\ntokens = [\n \"CANARY\",\n]\nc = 3";
        assert_eq!(shown(text), "a = 1\nsecret = …\n…\n…\nb = 2\ntokens = …\n…\n…\nc = 3");
    }

    #[test]
    fn what_is_no_secret_is_shown_as_it_is() {
        for line in [
            "keys_max = 1_000_000",
            "burst = 120",
            "require_key = true",
            "name = \"monkey\"",
            "url = \"http://127.0.0.1:3000\"",
        ] {
            assert_eq!(shown(line), line);
        }
    }

    #[test]
    fn in_a_script_what_is_computed_is_shown_and_what_is_written_out_is_not() {
        let script = |line: &str| lines(line, Kind::Script).concat();
        for line in ["token_count: 5,", "if req.path == \"/x\" {"] {
            assert_eq!(script(line), line);
        }
        let computed = "let key = req.header(\"x-tenant\") + req.ip.hash;";
        assert_eq!(script(computed), computed);
        assert_eq!(script("const API_KEY = \"CANARY\";"), "const API_KEY = …");
    }
}
