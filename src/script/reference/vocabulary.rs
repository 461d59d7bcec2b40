//! Every word that the sandbox gives to a script, made once of what is registered.

use rhai::{Engine, Module, Shared};

use super::word::{Use, Word};
use crate::script::api::{GLOBALS, SERVICES, VERBS};
use crate::script::engine::STANDARD;
use crate::script::strict::HIDDEN;

/// What a script has.
pub(super) struct Vocabulary {
    /// The verbs and the members of values.
    pub globals: Vec<Word>,
    /// The services, each with its namespace.
    pub services: Vec<(&'static str, Vec<Word>)>,
    /// Rhai's own library, without what is not available.
    pub standard: Vec<Word>,
}

impl Vocabulary {
    pub fn collect() -> Self {
        let mut standard = words("", &STANDARD);
        standard.retain(|w| !HIDDEN.contains(&w.name.as_str()));
        Self {
            globals: words("", &GLOBALS),
            services: SERVICES.iter().map(|(space, module)| (*space, words(space, module))).collect(),
            standard,
        }
    }

    /// The words that verbs are, in the order of the checker's table.
    pub fn verbs(&self) -> Vec<&Word> {
        let of = |verb: &'static str| self.globals.iter().filter(move |w| is_verb(w) && w.name == verb);
        VERBS.iter().flat_map(|(verb, ..)| of(verb)).collect()
    }

    /// What is no verb and can be called with Rhai's own values, as members of them too.
    pub fn of_plain_values(&self) -> impl Iterator<Item = &Word> {
        self.globals.iter().filter(|w| !is_verb(w) && w.receiver().is_none_or(is_plain))
    }

    /// The members of a type.
    pub fn members<'a>(&'a self, of: &'a str) -> impl Iterator<Item = &'a Word> + 'a {
        self.globals.iter().filter(move |w| !is_verb(w) && w.receiver() == Some(of))
    }
}

/// Whether a type is one of Rhai's own, and no handle.
pub(super) fn is_plain(of: &str) -> bool {
    ["String", "int", "float", "bool", "Array", "Map", "?", "()"].contains(&of)
}

/// Whether a global word is a verb, and no member that has the name of one.
fn is_verb(word: &Word) -> bool {
    word.used == Use::Call
        && VERBS.iter().any(|(verb, ..)| *verb == word.name)
        && word.receiver().is_none_or(is_plain)
}

fn words(space: &str, module: &Shared<Module>) -> Vec<Word> {
    // A module shows its functions only to the engine that it is registered in.
    let mut engine = Engine::new_raw();
    engine.register_global_module(module.clone());
    let mut words = engine.collect_fn_metadata(None, |f| Word::read(space, f.metadata), true);
    words.sort_by(|a, b| key(a).cmp(&key(b)));
    words.dedup();
    words
}

fn key(word: &Word) -> (Use, &str, usize, Vec<&str>) {
    let kinds = word.parameters.iter().map(|p| p.kind.as_str()).collect();
    (word.used, &word.name, word.parameters.len(), kinds)
}
