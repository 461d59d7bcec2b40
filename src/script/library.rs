//! Scripts that are namespaces: `scripts/` for every plugin, `lib/` for one. `clock.rhai` is `clock::…`, without `import`.

use std::sync::Arc;

use rhai::{AST, Module, Shared};

use super::api::SERVICES;
use super::compile::{self, Constant};
use super::engine::Extras;
use crate::base::problems::{Problem, Problems, Source};

/// Scripts in one folder.
pub(super) const FILES_MAX: usize = 64;

/// Compiled namespaces, and the constants that their functions read.
#[derive(Clone, Default)]
pub(super) struct Library {
    pub spaces: Vec<Space>,
    pub constants: Vec<(Constant, Arc<str>)>,
}

/// One namespace.
#[derive(Clone)]
pub(super) struct Space {
    pub name: String,
    pub source: Source,
    pub ast: Arc<AST>,
    pub module: Shared<Module>,
}

impl Library {
    /// Compiles files that may use each other: what fails for want of a namespace waits until that one is there.
    pub fn compile(files: Vec<(String, Source)>, around: &Extras) -> (Self, Problems) {
        let mut library = Self::default();
        let mut problems = Problems::default();
        let mut waiting = Vec::new();
        for (name, source) in files {
            match name_problem(&name, &source, around) {
                Some(problem) => problems.push(problem),
                None => match compile::constants(&source, around) {
                    Ok(constants) => waiting.push((name, source, constants)),
                    Err(found) => problems.append(found),
                },
            }
        }
        loop {
            let before = waiting.len();
            let names: Vec<String> = waiting.iter().map(|(n, ..)| n.clone()).collect();
            let mut still = Vec::new();
            for (name, source, constants) in waiting {
                let extras = library.around(around);
                match compile::functions(&source, &extras, &constants) {
                    Err(f) if f.missing.as_ref().is_some_and(|m| names.contains(m) && *m != name) => {
                        still.push((name, source, constants));
                    }
                    Err(failure) => problems.push(failure.problem),
                    Ok(ast) => match compile::namespace(&source, &ast, &extras) {
                        Ok(module) => library.add(Space { name, source, ast: ast.into(), module }, constants),
                        Err(problem) => problems.push(*problem),
                    },
                }
            }
            if still.is_empty() {
                return (library, problems);
            }
            if still.len() == before {
                for (_, source, _) in &still {
                    problems.push(
                        Problem::at(source.top(), "these namespaces use each other in a circle")
                            .code("PM020"),
                    );
                }
                return (library, problems);
            }
            waiting = still;
        }
    }

    /// The surroundings with these namespaces among them, and the constants that their functions read.
    pub fn around(&self, outer: &Extras) -> Extras {
        let mut extras = outer.clone();
        extras.namespaces.extend(self.spaces.iter().map(|s| (s.name.clone(), s.module.clone())));
        let constants: Vec<Constant> = self.constants.iter().map(|(c, _)| c.clone()).collect();
        extras.constants.push(compile::constant_module(&constants));
        extras
    }

    fn add(&mut self, space: Space, constants: Vec<Constant>) {
        let file = space.source.name.clone();
        self.constants.extend(constants.into_iter().map(|c| (c, file.clone())));
        self.spaces.push(space);
    }
}

fn name_problem(name: &str, source: &Source, around: &Extras) -> Option<Problem> {
    if !rhai::is_valid_identifier(name) {
        return Some(Problem::at(
            source.top(),
            format!("`{name}` cannot be a namespace: letters, digits and `_` only"),
        ));
    }
    let service = SERVICES.iter().any(|(n, _)| *n == name) || name == "settings";
    let taken = service || around.namespaces.iter().any(|(n, _)| n == name);
    taken.then(|| Problem::at(source.top(), format!("the namespace `{name}` is taken")).code("PM012"))
}
