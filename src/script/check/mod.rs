//! `pluginmind check` for scripts: what can be known without running them.
//!
//! Type inference is deliberately small: the parameters of hooks have known types, and so have the members of known
//! types and what native functions return. Everything else is unknown, and nothing is said about it.

mod between;
mod calls;
mod catalogue;
mod codes;
mod facts;
mod flow;
mod functions;
mod literals;
mod members;
mod reach;
mod types;
mod unused;

pub(super) use self::between::between;
pub(super) use self::codes::codes_of;

use std::collections::{BTreeMap, BTreeSet};

use rhai::AST;

use self::calls::Finding;
use self::reach::Reach;
use super::compile::place;
use super::declared::Setting;
use super::library::Space;
use super::permissions::Permissions;
use crate::base::problems::{Problem, Problems, Source};

/// A plugin as the checker sees it.
pub(super) struct Checked<'a> {
    pub main: &'a Source,
    pub ast: &'a AST,
    /// The plugin's own namespaces.
    pub own: &'a [Space],
    /// Every namespace that the plugin can use.
    pub spaces: &'a [&'a Space],
    pub settings: &'a BTreeMap<String, Setting>,
    /// The names of the plugin's lists.
    pub lists: &'a BTreeSet<String>,
    /// What the plugin may do that others see.
    pub permissions: &'a Permissions,
    /// The functions that the manifest calls.
    pub scheduled: &'a [String],
}

/// One file under the eye of the checker.
struct Look<'a> {
    source: &'a Source,
    ast: &'a AST,
    spaces: &'a [&'a Space],
    settings: &'a BTreeMap<String, Setting>,
    /// The namespace of the file; empty for the main file.
    space: &'a str,
    /// The lists that are declared; `None` for scripts that belong to no plugin.
    lists: Option<&'a BTreeSet<String>>,
    /// What the plugin may do that others see; `None` for scripts that belong to no plugin.
    permissions: Option<&'a Permissions>,
    findings: Vec<Finding>,
}

/// Checks a plugin's main file and its own namespaces.
pub(super) fn plugin(checked: &Checked<'_>) -> Problems {
    let mut problems = Problems::default();
    let look = |space, source, ast| Look {
        source,
        ast,
        spaces: checked.spaces,
        settings: checked.settings,
        space,
        lists: Some(checked.lists),
        permissions: Some(checked.permissions),
        findings: Vec::new(),
    };
    let reach = Reach::follow(checked.ast, checked.spaces);
    let mut main = look("", checked.main, checked.ast);
    functions::check_hooks(&mut main);
    functions::check_hiding(&mut main);
    calls::check(&mut main, &reach);
    unused::check(&mut main, checked.scheduled);
    problems.append(main.finish());
    for space in checked.own {
        let mut lib = look(&space.name, &space.source, &space.ast);
        functions::check_hiding(&mut lib);
        calls::check(&mut lib, &reach);
        problems.append(lib.finish());
    }
    // What a shared script says as such is found once, for all; what it says in a hook depends on who calls it.
    for space in checked.spaces.iter().filter(|s| !checked.own.iter().any(|own| own.name == s.name)) {
        let mut shared = look(&space.name, &space.source, &space.ast);
        calls::check(&mut shared, &reach);
        shared.findings.retain(|f| f.code == "PM040");
        problems.append(shared.finish());
    }
    problems
}

/// Checks the shared scripts, which have no settings.
pub(super) fn shared(spaces: &[Space]) -> Problems {
    let all: Vec<&Space> = spaces.iter().collect();
    let settings = BTreeMap::new();
    let mut problems = Problems::default();
    for space in spaces {
        let mut look = Look {
            source: &space.source,
            ast: &space.ast,
            spaces: &all,
            settings: &settings,
            space: &space.name,
            lists: None,
            permissions: None,
            findings: Vec::new(),
        };
        functions::check_hiding(&mut look);
        calls::check(&mut look, &Reach::default());
        problems.append(look.finish());
    }
    problems
}

impl Look<'_> {
    /// The findings as problems, in the order of the file: Rhai keeps functions in no order at all.
    fn finish(mut self) -> Problems {
        self.findings.sort_by_key(|f| (f.position.line(), f.position.position(), f.code));
        self.findings.dedup_by(|a, b| a.position == b.position && a.message == b.message);
        let mut problems = Problems::default();
        for found in self.findings {
            let problem = Problem::at(place(self.source, found.position), found.message).code(found.code);
            let problem = if found.warning { problem.warning() } else { problem };
            problems.push(match found.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
        problems
    }
}

/// "did you mean", where something is near.
fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    crate::base::nearest::nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}
