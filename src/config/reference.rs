//! The reference page of config.toml, made of the same calls that read it.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::base::document::{Document, KeyDoc, Overlay};
use crate::base::problems::{Problems, Source};

use super::context::Context;
use super::env::{PLAIN, names_of};
use super::weak_secret::{BITS_PER_CHARACTER_MIN, PLACEHOLDERS, SECRET_BYTES_MIN};
use super::{Environment, load};

/// The tables in the order of the page, each with its sentence.
const SECTIONS: &[(&str, &str)] = &[
    ("environment", "Whether this is somebody's desk or the outside world."),
    ("gateway", "Where the gateway's own endpoints stand."),
    ("server", "The public listener and what it takes."),
    ("admin", "The listener for metrics and the admin API."),
    ("session", "The session cookie, how long it lives, and the secret that signs it."),
    ("cors", "Which other sites' pages may read answers. Cookies are always allowed, so `*` never is."),
    (
        "headers",
        "The security headers. `X-Content-Type-Options` and, in production over https, HSTS are always sent.",
    ),
    ("rate_limit", "The two token buckets: of a user, and of an address (IPv6 by /64)."),
    ("storage", "The SQLite database."),
    ("log", "What is written to standard output."),
    ("auth", "Who may sign in, and how."),
    ("services", "`[[services]]`: the upstreams."),
    (
        "routes",
        "`[[routes]]`: which requests go where, and what they need. Each has one of `service`, `respond` and `redirect`.",
    ),
    ("plugins", "Where rules stand, and the operator's word over their manifests."),
    ("rules", "`[[rules]]`: rules of one line each. One that is written without a `mode` only counts."),
    ("geo", "Where addresses are: databases in MaxMind's format, read again when their file changes."),
    ("bans", "Who can never be kept out. Bans themselves are made with `pluginmind bans`, or by rules."),
    (
        "lockdown",
        "Who and what passes while `pluginmind lockdown on` holds, beside probes and signing in and out: any one of these is enough.",
    ),
    ("thresholds", "What sums of `score()` lead to."),
    (
        "alerts",
        "`[[alerts]]`: what somebody is told of. A line of the log is always written; a `webhook` is told too.",
    ),
    (
        "tracing",
        "Traces (W3C Trace Context): which are followed and sampled, and where the gateway's own spans go.",
    ),
];

/// The page `docs/reference/config.md`.
pub fn reference() -> String {
    let keys = keys();
    let mut page = INTRODUCTION.to_owned();
    environment_names(&mut page);
    for (section, sentence) in SECTIONS {
        let _ = writeln!(page, "\n## {section}\n\n{sentence}\n");
        page.push_str("| key | kind | default | meaning | environment |\n|---|---|---|---|---|\n");
        for key in keys.iter().filter(|k| belongs(&k.key, section)) {
            row(&mut page, key);
        }
        match *section {
            "environment" => page.push_str(PRODUCTION),
            "session" => secrets(&mut page),
            _ => {}
        }
    }
    page
}

const INTRODUCTION: &str = "\
# config.toml

<!-- Made from the code by `UPDATE_DOCS=1 cargo test --lib config::reference`; edit the code, not this page. -->

Durations are a whole number and `ms`, `s`, `m`, `h` or `d`; sizes a whole number and `B`, `KB`, `MB`, `GB` (powers of
ten) or `KiB`, `MiB`, `GiB` (powers of two). Relative paths are relative to the file's folder. An unknown key is an
error. What a flag says wins over the environment, and the environment over the file.

`PLUGINMIND_SECTION__KEY` sets any key that is one value or a list of texts (comma separated); a name of that form that
sets nothing is an error. In the name of a plugin, `_` stands for `-`.
";

const PRODUCTION: &str = "
In production the gateway refuses to start with a missing, short, placeholder or repetitive session secret, a plain-http
origin in `cors.origins`, an admin listener that other machines reach without `admin.token_file`, or a config or secret
file that everybody may change. It sends `Secure` cookies, and HSTS over https. In development these findings are
warnings, and a missing secret is made and kept as `session.secret` in the data folder. `*` is no origin in either.
";

pub(super) fn keys() -> Vec<KeyDoc> {
    let source = Source::new("config.toml", "");
    let overlay = Overlay::new();
    let parsed = Document::parse(&source, &mut Problems::default());
    let document = Document::describing(&source, &overlay);
    let mut context = Context {
        environment: Environment::Development,
        folder: PathBuf::new(),
        describing: true,
        files: Vec::new(),
    };
    load::read(document.root(&parsed), &mut context);
    document.finish().1.0
}

fn belongs(key: &str, section: &str) -> bool {
    key.split(['.', '[']).next() == Some(section)
}

fn environment_names(page: &mut String) {
    page.push_str("\n| variable | key |\n|---|---|\n");
    for (name, key) in PLAIN {
        let _ = writeln!(page, "| `{name}` | `{key}` |");
    }
    page.push_str(
        "\nAn empty value of these counts as none. Two variables for one key, or a secret and a secret file both, are an error.\n",
    );
}

fn row(page: &mut String, key: &KeyDoc) {
    let is_table = key.kind.contains("table") || key.kind == "any value";
    let names: Vec<String> =
        if is_table { Vec::new() } else { names_of(&key.key).iter().map(|n| format!("`{n}`")).collect() };
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    let cells =
        [format!("`{}`", key.key), key.kind.to_owned(), default, key.doc.to_owned(), names.join(", ")];
    let _ = writeln!(page, "| {} |", cells.map(|c| c.replace('|', "\\|")).join(" | "));
}

fn secrets(page: &mut String) {
    let list = PLACEHOLDERS.map(|p| format!("`{p}`")).join(", ");
    let _ = writeln!(
        page,
        "\nThe key of the signature is the secret's bytes without the closing newline. The environment's secret outranks\n\
         what the file says. A good secret has at least {SECRET_BYTES_MIN} bytes and {BITS_PER_CHARACTER_MIN} bits a character \
         (Shannon), and is no\nplaceholder: it does not begin, in any case and without `-`, `_`, `.` and spaces, with one of\n\
         {list}\n(so `your-64-char-secret` and `changeme` are ones), and is not made of common words and digits alone."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/config.md");

    #[test]
    fn the_page_in_docs_is_the_one_that_the_code_makes() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(PAGE).parent().unwrap()).unwrap();
            std::fs::write(PAGE, reference()).unwrap();
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/reference/config.md is stale: run `UPDATE_DOCS=1 cargo test --lib config::reference` and commit it"
        );
    }

    #[test]
    fn every_key_has_a_section_a_sentence_and_a_place_in_the_page() {
        let page = reference();
        for key in keys() {
            assert!(SECTIONS.iter().any(|(s, _)| belongs(&key.key, s)), "{} has no section", key.key);
            assert!(key.doc.ends_with('.'), "{}: {}", key.key, key.doc);
            assert!(page.contains(&format!("| `{}` |", key.key)));
        }
    }

    #[test]
    fn every_plain_name_of_the_environment_sets_a_key_that_exists() {
        let keys = keys();
        for (name, key) in PLAIN {
            assert!(keys.iter().any(|k| k.key == key), "{name}");
        }
    }
}
