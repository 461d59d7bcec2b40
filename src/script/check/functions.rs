//! Functions as such: hooks with their parameters, names that are nearly hooks, names that hide a built-in.

use rhai::Position;

use super::calls::Finding;
use super::catalogue::CATALOGUE;
use super::{Look, did_you_mean};
use crate::script::api::VERBS;
use crate::script::hook::Hook;
use crate::script::occasion::ON_START;

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
                let hint = format!("write `fn {hook}({}) {{ … }}`", hook.signature());
                look.findings.push(Finding::new(position, "PM010", message).hint(hint));
            }
        } else if name == ON_START {
            hooks += 1;
            if arity != 1 {
                let message = format!("`{ON_START}` takes (info), not {arity} parameters");
                let hint = format!("write `fn {ON_START}(info) {{ … }}`");
                look.findings.push(Finding::new(position, "PM010", message).hint(hint));
            }
        } else if name.starts_with("on") {
            let near = did_you_mean(&name, Hook::ALL.map(Hook::name).into_iter().chain([ON_START]));
            if name.starts_with("on_") || near.is_some() {
                look.findings
                    .push(Finding::new(position, "PM011", format!("there is no hook `{name}`")).hint(near));
            }
        }
    }
    if hooks == 0 && look.findings.is_empty() {
        let message = "the plugin has no hook and does nothing";
        look.findings.push(Finding::new(Position::NONE, "PM066", message).warning());
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
            let found = Finding::new(position, "PM012", format!("the function `{name}` hides a built-in"));
            look.findings.push(found.hint("choose another name".to_owned()));
        }
        if arity > PARAMETERS_MAX {
            let position = position_of(&look.source.text, &name);
            let message = format!("a function has at most {PARAMETERS_MAX} parameters");
            look.findings.push(Finding::new(position, "PM010", message));
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
