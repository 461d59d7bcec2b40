//! The page `docs/reference/api.md`.

use std::fmt::Write as _;

use super::moments::when;
use super::vocabulary::Vocabulary;
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
    ("list", "The lists of `[lists]` in the configuration."),
];

const INTRODUCTION: &str = "\
# The vocabulary of rules

<!-- Made from the code by `UPDATE_DOCS=1 cargo test --lib script::reference`; edit the code, not this page. -->

All that a script of a plugin can say beyond [Rhai's own library](https://rhai.rs/book/). `pluginmind definitions DIR`
writes the same for editors. The settings of a plugin are `settings::NAME`; a file `scripts/NAME.rhai` or a file of the
plugin's own is the namespace `NAME`. `?` stands for any type, and a namespace stands before the name: `text::lower(s)`.
";

/// The page `docs/reference/api.md`: hooks, verbs, values, services.
pub fn reference() -> String {
    let vocabulary = Vocabulary::collect();
    let mut page = INTRODUCTION.to_owned();
    hooks(&mut page);
    verbs(&mut page, &vocabulary);
    let mut told: Vec<String> = Vec::new();
    for (name, of, sentence) in HANDED {
        value(&mut page, &vocabulary, &Value { path: name, of, sentence }, &mut told);
    }
    let _ = writeln!(page, "\n## Rhai's own values\n\nWhat they have beyond Rhai's own library.\n\n{HEAD}");
    for word in vocabulary.of_plain_values() {
        row(&mut page, &usage(word.parameters.first().map_or("", |p| &p.name), word), word);
    }
    for (space, words) in &vocabulary.services {
        let sentence = SERVICES.iter().find(|(s, _)| s == space).map_or("", |(_, sentence)| sentence);
        let _ = writeln!(page, "\n## {space}::\n\n{sentence}\n\n{HEAD}");
        words.iter().for_each(|w| row(&mut page, &format!("{space}::{}({})", w.name, w.names(0)), w));
        for word in words {
            let path = format!("{space}::{}({})", word.name, word.names(0));
            nested(&mut page, &vocabulary, &path, word, &mut told);
        }
    }
    page
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

/// A value with members.
struct Value<'a> {
    /// How a script comes to it.
    path: &'a str,
    of: &'a str,
    sentence: &'a str,
}

fn value(page: &mut String, vocabulary: &Vocabulary, value: &Value<'_>, told: &mut Vec<String>) {
    told.push(value.of.to_owned());
    let _ = writeln!(page, "\n## {}\n", value.path);
    let _ = writeln!(page, "{}\n\n{HEAD}", value.sentence);
    let name = if value.path.contains('(') { "it" } else { value.path };
    for word in vocabulary.members(value.of) {
        row(page, &usage(name, word), word);
    }
    for word in vocabulary.members(value.of) {
        nested(page, vocabulary, &usage(value.path, word), word, told);
    }
}

/// What a word gives, if that has members and was not told yet.
fn nested(page: &mut String, vocabulary: &Vocabulary, path: &str, word: &Word, told: &mut Vec<String>) {
    let of = word.gives.as_str();
    if told.iter().any(|t| t == of) || is_rhais(of) || vocabulary.members(of).next().is_none() {
        return;
    }
    let sentence = word.sentence();
    value(page, vocabulary, &Value { path, of, sentence: &sentence }, told);
}

/// Types whose members are told as Rhai's own.
fn is_rhais(of: &str) -> bool {
    ["String", "int", "float", "bool", "Array", "Map", "?", "()"].contains(&of)
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
