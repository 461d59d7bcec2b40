//! What nobody uses: functions, variables, and hooks that change nothing.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr, Position, Stmt};

use super::Look;
use super::calls::Finding;
use super::functions::position_of;
use super::reach::{Called, alone, call_at, called_by, functions_of};
use crate::script::hook::Hook;
use crate::script::occasion::ON_START;

/// Namespaces whose functions only look and give back.
const PURE: [&str; 6] = ["text", "net", "time", "json", "hash", "settings"];

/// Reports what the main file has and does not use.
pub(super) fn check(look: &mut Look<'_>, scheduled: &[String]) {
    let functions = functions_of(look.ast);
    let calls: BTreeMap<_, BTreeSet<Called>> =
        functions.iter().map(|f| (f.clone(), called_by(look.ast, f))).collect();
    for (name, _) in functions.iter().filter(|(name, _)| !name.contains('$') && !name.starts_with('_')) {
        let called =
            || calls.iter().any(|((by, _), called)| by != name && called.iter().any(|c| c.name == *name));
        let asked = Hook::named(name).is_some() || name.starts_with("on") || scheduled.contains(name);
        if !asked && !called() {
            let position = position_of(&look.source.text, name);
            let message = format!("nothing calls the function `{name}`");
            look.findings.push(Finding::new(position, "PM065", message).warning());
        }
    }
    for function in &functions {
        variables(look, function);
        if (Hook::named(&function.0).is_some() || function.0 == ON_START)
            && !has_effect(look, function, &calls)
        {
            let position = position_of(&look.source.text, &function.0);
            let message = format!("`{}` has no effect", function.0);
            let found = Finding::new(position, "PM066", message).warning();
            look.findings.push(found.hint("it decides, keeps, changes and says nothing".to_owned()));
        }
    }
}

/// Variables that are declared and never read.
fn variables(look: &mut Look<'_>, function: &super::reach::Function) {
    let one = alone(look.ast, function);
    let mut declared: BTreeMap<String, Position> = BTreeMap::new();
    let mut read: BTreeSet<String> = BTreeSet::new();
    one.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) if !var.0.name.starts_with('_') => {
                declared.entry(var.0.name.to_string()).or_insert(var.0.pos);
            }
            Some(ASTNode::Stmt(Stmt::Share(shared))) => {
                read.extend(shared.iter().map(|(name, _)| name.name.to_string()));
            }
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) if variable.2.is_empty() => {
                read.insert(variable.1.to_string());
            }
            _ => {}
        }
        true
    });
    for (name, position) in declared.into_iter().filter(|(name, _)| !read.contains(name)) {
        let found = Finding::new(position, "PM065", format!("nothing reads the variable `{name}`")).warning();
        look.findings.push(found.hint(format!("name it `_{name}` if that is meant")));
    }
}

/// Whether a function, or one that it reaches, does more than look.
fn has_effect(
    look: &Look<'_>,
    start: &super::reach::Function,
    calls: &BTreeMap<super::reach::Function, BTreeSet<Called>>,
) -> bool {
    let mut open = vec![start.clone()];
    let mut seen = BTreeSet::new();
    while let Some(function) = open.pop() {
        if !seen.insert(function.clone()) {
            continue;
        }
        if acts(look, &function) {
            return true;
        }
        for called in calls.get(&function).into_iter().flatten() {
            open.extend(calls.keys().filter(|(name, _)| *name == called.name).cloned());
        }
    }
    false
}

/// Whether a function itself acts. Where that is not certain, it does.
fn acts(look: &Look<'_>, function: &super::reach::Function) -> bool {
    let mut acts = false;
    alone(look.ast, function).walk(&mut |path| {
        acts |= match path.last() {
            Some(ASTNode::Stmt(Stmt::Return(_, flags, _))) => flags.contains(rhai::ASTFlags::BREAK),
            Some(ASTNode::Stmt(Stmt::Assignment(assigned))) => {
                matches!(assigned.1.lhs, Expr::Dot(..) | Expr::Index(..))
            }
            Some(node) => call_at(node).is_some_and(|(call, _, method)| {
                let space = call.namespace.path.first().map(|s| s.name.as_str());
                match space {
                    Some(space) => !PURE.contains(&space),
                    None if method => is_change(&call.name),
                    None => crate::script::api::VERBS.iter().any(|(verb, ..)| *verb == call.name),
                }
            }),
            None => false,
        };
        true
    });
    acts
}

/// Whether a method may change an answer, a request to the upstream, or a refusal.
fn is_change(name: &str) -> bool {
    let begins = ["set", "add", "default", "remove", "select", "secure", "redact", "replace", "call"];
    begins.iter().any(|begin| name.starts_with(begin)) || name == "retry_after"
}
