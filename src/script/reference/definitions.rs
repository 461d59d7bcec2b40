//! Definitions for editors: files that Rhai's language server reads, one a namespace.

use std::fmt::Write as _;

use super::vocabulary::Vocabulary;
use super::word::{Parameter, Use, Word};

/// The file of what has no namespace.
const GLOBAL: &str = "__static__.d.rhai";

/// The definition files, each with its name: one of what has no namespace, and one a service.
pub fn definitions() -> Vec<(String, String)> {
    let vocabulary = Vocabulary::collect();
    let globals = vocabulary.globals.iter().chain(&vocabulary.standard);
    let mut files = vec![(GLOBAL.to_owned(), file("module static;", globals))];
    for (space, words) in &vocabulary.services {
        files.push((format!("{space}.d.rhai"), file(&format!("module {space};"), words.iter())));
    }
    files
}

fn file<'a>(head: &str, words: impl Iterator<Item = &'a Word>) -> String {
    let mut text = format!("{head}\n");
    words.for_each(|word| define(&mut text, word));
    text
}

fn define(text: &mut String, word: &Word) {
    text.push('\n');
    for line in &word.doc {
        let _ = writeln!(text, "{}", format!("/// {line}").trim_end());
    }
    let parameter = |p: &Parameter| format!("{}: {}", p.name, p.kind);
    let parameters: Vec<String> = word.parameters.iter().map(parameter).collect();
    let name = match word.used {
        Use::Read => format!("get {}", word.name),
        Use::Write => format!("set {}", word.name),
        // The language has no way to write these down but as Rhai names them.
        Use::Look => "index$get$".to_owned(),
        Use::Put => "index$set$".to_owned(),
        Use::Call => word.name.clone(),
    };
    let _ = writeln!(text, "fn {name}({}) -> {};", parameters.join(", "), word.gives);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        definitions().into_iter().find(|(file, _)| file == name).unwrap().1
    }

    #[test]
    fn a_service_has_a_file_with_its_signatures_and_sentences() {
        let text = of("text.d.rhai");
        assert!(text.starts_with("module text;\n"), "{text}");
        assert!(text.contains("\n/// The text in lower case.\nfn lower(s: String) -> String;\n"), "{text}");
    }

    #[test]
    fn verbs_and_members_stand_beside_rhais_own_library_and_what_is_hidden_does_not() {
        let text = of(GLOBAL);
        for line in [
            "fn deny(status: int, code: String, message: String) -> ();",
            "fn get method(req: Request) -> String;",
            "fn get client(req: Request) -> Client;",
        ] {
            assert!(text.contains(line), "{line}");
        }
        assert!(text.contains("fn to_upper("));
        assert!(!text.contains("fn sleep(") && !text.contains("fn parse_json("));
    }
}
