//! Functions as such: hooks with their parameters, names that are nearly hooks, names that hide a built-in.

use rhai::Position;

use super::catalogue::CATALOGUE;
use super::{Look, did_you_mean};
use crate::script::api::VERBS;
use crate::script::hook::{Hook, LATER};

/// The most parameters of a function: Rhai's own time grows with their square.
const PARAMETERS_MAX: usize = 16;

pub(super) fn check_hooks(look: &mut Look<'_>) {
    let functions: Vec<(String, usize)> =
        look.ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect();
    let mut hooks = 0;
    for (name, arity) in functions {
        let position = position_of(&look.source.text, &name);
        if let Some(hook) = Hook::named(&name) {
            hooks += 1;
            if arity != hook.arity() {
                let message = format!("`{hook}` takes ({}), not {arity} parameters", hook.signature());
                look.report(position, "PM010", message, Some(format!("write `fn {hook}({}) {{ … }}`", hook.signature())));
            }
        } else if LATER.contains(&name.as_str()) {
            look.report(position, "PM011", format!("the hook `{name}` is not supported by this version"), None);
        } else if name.starts_with("on") {
            let near = did_you_mean(&name, Hook::ALL.map(Hook::name));
            if name.starts_with("on_") || near.is_some() {
                look.report(position, "PM011", format!("there is no hook `{name}`"), near);
            }
        }
    }
    if hooks == 0 && look.problems.is_empty() {
        let problem = crate::base::problems::Problem::at(look.source.top(), "the plugin has no hook and does nothing");
        look.problems.push(problem.code("PM066").warning());
    }
}

pub(super) fn check_hiding(look: &mut Look<'_>) {
    let functions: Vec<(String, usize)> =
        look.ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect();
    for (name, arity) in functions {
        let verb = VERBS.iter().any(|(verb, ..)| *verb == name);
        let native = CATALOGUE.arities("", &name).is_some_and(|arities| arities.contains(&arity));
        if verb || native {
            let position = position_of(&look.source.text, &name);
            look.report(position, "PM012", format!("the function `{name}` hides a built-in"), Some("choose another name".to_owned()));
        }
        if arity > PARAMETERS_MAX {
            let position = position_of(&look.source.text, &name);
            look.report(position, "PM010", format!("a function has at most {PARAMETERS_MAX} parameters"), None);
        }
    }
}

/// Where a function's name stands. Rhai keeps only the place of its body.
pub(super) fn position_of(text: &str, name: &str) -> Position {
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("fn ") {
            let rest = &line[at + 3..];
            let found = rest.trim_start();
            let after = found.strip_prefix(name).is_some_and(|r| r.trim_start().starts_with('('));
            if after {
                let column = line[..at].chars().count() + 3 + (rest.len() - found.len()) + 1;
                return Position::new(
                    u16::try_from(number + 1).unwrap_or(u16::MAX),
                    u16::try_from(column).unwrap_or(u16::MAX),
                );
            }
        }
    }
    Position::NONE
}
