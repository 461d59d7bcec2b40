//! The page `docs/reference/api.md`.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::moments::when;
use super::vocabulary::{Vocabulary, is_plain};
use super::word::{Use, Word};
use crate::script::hook::Hook;

/// The values that a script is handed, by the name that they usually have: type and sentence.
const HANDED: [(&str, &str, &str); 5] = [
    ("req", "Request", "The request. No member is ever `()`: what is absent is `\"\"`, 0 or `false`."),
    ("res", "Response", "The answer."),
    ("up", "Up", "What goes upstream."),
    ("verdict", "Verdict", "A refusal."),
    ("info", "Info", "Why the plugin goes live."),
];

/// What each service is for.
const SERVICES: [(&str, &str); 13] = [
    ("text", "What rules do with texts."),
    ("net", "Addresses and networks."),
    ("time", "What time it is."),
    ("attack", "Whether a text looks like an attack."),
    ("hash", "Fingerprints."),
    ("json", "JSON texts."),
    ("metric", "Numbers of the plugin's own, for `/metrics`."),
    ("alert", "Telling a person."),
    ("log", "Lines in the log."),
    ("kv", "What the plugin remembers under keys of its own."),
    ("counter", "How often something happened lately."),
    ("limit", "Limits of the plugin's own."),
    (
        "list",
        "The lists of `[lists]` in the manifest, and with `[permissions] lists_write` the gateway's `gateway/ban`.",
    ),
];

const INTRODUCTION: &str = "\
# The vocabulary of rules

<!-- Made from the code by `UPDATE_DOCS=1 cargo test --lib script::reference`; edit the code, not this page. -->

All that a script of a plugin can say beyond [Rhai's own library](https://rhai.rs/book/). `pluginmind definitions DIR`
writes the same for editors. The settings of a plugin are `settings::NAME`; a file `NAME.rhai` in `scripts` or in the
plugin's `lib` is the namespace `NAME`. `?` stands for any type, and a namespace stands before the name: `text::lower(s)`.
";

/// The page `docs/reference/api.md`: hooks, verbs, values, services.
pub fn reference() -> String {
    let vocabulary = Vocabulary::collect();
    let mut page = INTRODUCTION.to_owned();
    hooks(&mut page);
    verbs(&mut page, &vocabulary);
    let mut told = Told::default();
    for (name, of, sentence) in HANDED {
        let _ = writeln!(page, "\n## {name}\n\n{sentence}\n\n{HEAD}");
        members(&mut page, &vocabulary, name, of, &mut told);
        told.tell_open(&mut page, &vocabulary);
    }
    let _ = writeln!(page, "\n## Rhai's own values\n\nWhat they have beyond Rhai's own library.\n\n{HEAD}");
    for word in vocabulary.of_plain_values() {
        row(&mut page, &usage(word.parameters.first().map_or("", |p| &p.name), word), word);
    }
    for (space, words) in &vocabulary.services {
        let sentence = SERVICES.iter().find(|(s, _)| s == space).map_or("", |(_, sentence)| sentence);
        let _ = writeln!(page, "\n## {space}::\n\n{sentence}\n\n{HEAD}");
        for word in words {
            let usage = format!("{space}::{}({})", word.name, word.names(0));
            row(&mut page, &usage, word);
            told.leads_to(&usage, word, &vocabulary);
        }
        told.tell_open(&mut page, &vocabulary);
    }
    page
}

/// Types that are told already, and values that are yet to be told.
#[derive(Default)]
struct Told {
    types: BTreeSet<String>,
    /// How a script comes to each value, and its word.
    open: VecDeque<(String, Word)>,
}

impl Told {
    /// Remembers what a word gives, if that has members and was not told yet.
    fn leads_to(&mut self, usage: &str, word: &Word, vocabulary: &Vocabulary) {
        let has_members = !is_plain(&word.gives) && vocabulary.members(&word.gives).next().is_some();
        if has_members && self.types.insert(word.gives.clone()) {
            self.open.push_back((usage.to_owned(), word.clone()));
        }
    }

    fn tell_open(&mut self, page: &mut String, vocabulary: &Vocabulary) {
        while let Some((path, word)) = self.open.pop_front() {
            let of = &word.gives;
            let is_call = path.contains('(');
            let sentence = if is_call { format!("What `{path}` gives, as `it`.") } else { word.sentence() };
            let heading = if is_call { of.clone() } else { format!("{path}: {of}") };
            let _ = writeln!(page, "\n### {heading}\n\n{sentence}\n\n{HEAD}");
            members(page, vocabulary, if is_call { "it" } else { &path }, of, self);
        }
    }
}

fn members(page: &mut String, vocabulary: &Vocabulary, path: &str, of: &str, told: &mut Told) {
    let mut last = None;
    for word in vocabulary.members(of) {
        let usage = usage(path, word);
        let signature = (usage.clone(), word.sentence());
        // Words for whole numbers and for numbers with a point are one to a reader.
        if last.as_ref() != Some(&signature) {
            row(page, &usage, word);
        }
        told.leads_to(&usage, word, vocabulary);
        last = Some(signature);
    }
}

const HEAD: &str = "| word | gives | meaning |\n|---|---|---|";

fn hooks(page: &mut String) {
    page.push_str("\n## Hooks\n\nA plugin has those of these functions that it defines, in this order.\n\n");
    page.push_str("| function | when | decides |\n|---|---|---|\n");
    for hook in Hook::ALL {
        let decides = if hook.decides() { "yes" } else { "no" };
        let _ = writeln!(page, "| `{hook}({})` | {} | {decides} |", hook.signature(), when(hook));
    }
    page.push_str(
        "| `on_start(info)` | The plugin goes live: at a start of the gateway, and where its files or settings are others. | no |\n\
         | `NAME()` | At the times of a `[[schedule]]` whose `call` is `NAME`. | no |\n",
    );
}

fn verbs(page: &mut String, vocabulary: &Vocabulary) {
    page.push_str("\n## Verbs\n\n| verb | where | meaning |\n|---|---|---|\n");
    for verb in vocabulary.verbs() {
        let legal: Vec<String> =
            Hook::ALL.into_iter().filter(|h| h.allows(&verb.name)).map(|h| format!("`{h}`")).collect();
        let cells = [format!("`{}({})`", verb.name, verb.names(0)), legal.join(", "), verb.sentence()];
        line(page, &cells);
    }
}

/// How a member stands in a script.
fn usage(value: &str, word: &Word) -> String {
    match word.used {
        Use::Read => format!("{value}.{}", word.name),
        Use::Write => format!("{value}.{} = {}", word.name, word.names(1)),
        Use::Look => format!("{value}[{}]", word.names(1)),
        Use::Put => {
            let index = word.parameters.get(1).map_or("", |p| p.name.as_str());
            format!("{value}[{index}] = {}", word.names(2))
        }
        Use::Call => format!("{value}.{}({})", word.name, word.names(1)),
    }
}

fn row(page: &mut String, usage: &str, word: &Word) {
    let gives = if word.gives == "()" { String::new() } else { format!("`{}`", word.gives) };
    line(page, &[format!("`{usage}`"), gives, word.sentence()]);
}

fn line(page: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::api;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/api.md");

    #[test]
    fn the_page_in_docs_is_the_one_that_the_code_makes() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, reference()).unwrap();
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/reference/api.md is stale: run `UPDATE_DOCS=1 cargo test --lib script::reference` and commit it"
        );
    }

    #[test]
    fn every_word_has_a_sentence_named_parameters_and_a_place_in_the_page() {
        let (page, vocabulary) = (reference(), Vocabulary::collect());
        let services = vocabulary.services.iter().flat_map(|(_, words)| words);
        for word in vocabulary.globals.iter().chain(services) {
            let sentence = word.sentence();
            assert!(sentence.ends_with('.'), "{word:?}");
            assert!(page.contains(&sentence.replace('|', "\\|")), "{word:?}");
            assert!(word.parameters.iter().all(|p| p.name != "_" && !p.kind.is_empty()), "{word:?}");
        }
    }

    #[test]
    fn every_verb_hook_and_service_is_told() {
        let page = reference();
        for (verb, ..) in api::VERBS {
            assert!(page.contains(&format!("| `{verb}(")), "{verb}");
        }
        for hook in Hook::ALL {
            assert!(page.contains(&format!("| `{hook}({})` |", hook.signature())), "{hook}");
        }
        for (space, _) in api::SERVICES.iter() {
            assert!(SERVICES.iter().any(|(s, _)| s == space), "{space} has no sentence");
        }
        for (_, of, _) in HANDED {
            assert!(Vocabulary::collect().members(of).next().is_some(), "{of} has no member");
        }
    }

    #[test]
    fn a_verb_is_told_where_it_is_legal() {
        let page = reference();
        let row = |verb: &str| page.lines().find(|l| l.starts_with(&format!("| `{verb}("))).unwrap();
        assert!(row("deny").contains("| `on_request`, `on_auth`, `on_body`, `on_upstream`, `on_response`"));
        assert!(row("score").contains("| `on_request`, `on_auth`, `on_body` |"));
    }
}
