//! Calls: unknown names, wrong numbers of arguments, verbs where they cannot be, settings that are not there.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr, FnCallExpr, Position};

use super::catalogue::{CATALOGUE, Catalogue};
use super::reach::{Reach, alone, call_at, pointed_at};
use super::types::{self, Known};
use super::{Look, did_you_mean, facts, flow, literals, members};
use crate::script::api::VERBS;
use crate::script::hook::Hook;
use crate::script::verdict::is_code;

/// One finding, before it has a place in the source.
pub(super) struct Finding {
    pub position: Position,
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub warning: bool,
}

impl Finding {
    pub fn new(position: Position, code: &'static str, message: impl Into<String>) -> Self {
        Self { position, code, message: message.into(), hint: None, warning: false }
    }

    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    pub fn warning(mut self) -> Self {
        self.warning = true;
        self
    }
}

/// Checks every call of a file.
pub(super) fn check(look: &mut Look<'_>, reach: &Reach) {
    let mut functions: Vec<(String, Vec<String>)> = look
        .ast
        .iter_functions()
        .map(|f| (f.name.to_owned(), f.params.iter().map(|p| (*p).to_owned()).collect()))
        .collect();
    // A closure comes after the function that it stands in: what it captures is known by then.
    functions.sort_by_key(|(name, _)| name.contains('$'));
    let names: BTreeSet<String> = functions.iter().map(|(name, _)| name.clone()).collect();
    let own = |name: &str| names.contains(name);
    let mut captured: BTreeMap<String, Known> = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    for (name, params) in functions {
        let key = (name, params.len());
        let one = alone(look.ast, &key);
        let mut known = members::parameter_types(&key.0, &params);
        known.append(&mut captured.remove(&key.0).unwrap_or_default());
        types::locals(&one, &mut known);
        let hooks = reach.of(look.space, &key);
        one.walk(&mut |path| {
            let Some(node) = path.last() else { return true };
            if let Some((call, position, method)) = call_at(node) {
                check_call(look, call, position, method, &mut findings);
                if !method && call.namespace.is_empty() {
                    check_verb(call, position, hooks, &mut findings);
                }
                if !method {
                    check_arguments(call, position, &known, &own, &mut findings);
                    note_captured(call, &known, &mut captured);
                }
                literals::check(call, method, &known, look.lists, &mut findings);
            }
            if let ASTNode::Expr(expression) = node {
                check_setting(look, expression, &mut findings);
                if !types::is_rest(path) {
                    members::check(expression, &known, &own, &mut findings);
                    facts::check(expression, look.permissions, &mut findings);
                }
            }
            flow::check(path, &known, &own, &mut findings);
            true
        });
        flow::unreachable(&one, &own, &mut findings);
    }
    look.findings.append(&mut findings);
}

/// What a closure captures keeps its type inside.
fn note_captured(call: &FnCallExpr, known: &Known, captured: &mut BTreeMap<String, Known>) {
    if call.name != "curry" {
        return;
    }
    let Some(closure) = call.args.first().and_then(pointed_at) else { return };
    let inside = captured.entry(closure).or_default();
    for argument in call.args.iter().skip(1) {
        if let Expr::Variable(variable, ..) = argument
            && let Some(of) = known.get(variable.1.as_str())
        {
            inside.insert(variable.1.to_string(), *of);
        }
    }
}

/// Types of arguments, and of the two sides of a comparison.
fn check_arguments(
    call: &FnCallExpr,
    position: Position,
    known: &Known,
    own: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    let space = call.namespace.path.first().map(|s| s.name.to_string()).unwrap_or_default();
    if matches!(call.name.as_str(), "==" | "!=" | "<" | "<=" | ">" | ">=") {
        let [left, right] = call.args.as_slice() else { return };
        let sides = (types::type_of(left, known), types::type_of(right, known));
        if let (Some(left), Some(right)) = sides
            && !types::comparable(&call.name, left, right)
        {
            let (left, right) = (types::word(left), types::word(right));
            let message = format!("`{}` compares {left} with {right}", call.name);
            findings.push(Finding::new(position, "PM060", message).warning());
        }
    } else if call.op_token.is_none()
        && call.name != "contains"
        && !Catalogue::is_intrinsic(&call.name)
        && (!space.is_empty() || !own(&call.name))
    {
        members::arguments(call, &space, position, known, findings);
    }
}

fn check_call(
    look: &Look<'_>,
    call: &FnCallExpr,
    position: Position,
    method: bool,
    findings: &mut Vec<Finding>,
) {
    if call.op_token.is_some() || Catalogue::is_intrinsic(&call.name) {
        if call.name == "eval" {
            findings.push(Finding::new(position, "PM020", "`eval` is not available"));
        }
        return;
    }
    let name = call.name.as_str();
    let given = call.args.len() + usize::from(method);
    let space = call.namespace.path.first().map(|s| s.name.to_string()).unwrap_or_default();
    let shown = if space.is_empty() { name.to_owned() } else { format!("{space}::{name}") };
    let mut arities: BTreeSet<usize> = CATALOGUE.arities(&space, name).unwrap_or_default();
    let own = scripted(look, &space);
    // A script function called as a method has its receiver as `this`.
    arities.extend(own.iter().filter(|(n, _)| n == name).map(|(_, arity)| arity + usize::from(method)));
    if arities.is_empty() {
        let own = own.iter().map(|(n, _)| n.as_str());
        // Without a receiver only verbs and the file's own functions are meant; members of values are not.
        let hint = if method || !space.is_empty() {
            did_you_mean(name, own.chain(CATALOGUE.names(&space)))
        } else {
            did_you_mean(name, own.chain(VERBS.iter().map(|(verb, ..)| *verb)))
        };
        findings.push(Finding::new(position, "PM020", format!("unknown function `{shown}`")).hint(hint));
    } else if !arities.contains(&given) {
        let takes: Vec<String> =
            arities.iter().map(|a| a.saturating_sub(usize::from(method)).to_string()).collect();
        let noun = if takes == ["1"] { "argument" } else { "arguments" };
        let message = format!("`{shown}` takes {} {noun}, not {}", takes.join(" or "), call.args.len());
        findings.push(Finding::new(position, "PM021", message));
    }
}

/// The functions that scripts define in a namespace, or in this file for none.
fn scripted(look: &Look<'_>, space: &str) -> Vec<(String, usize)> {
    let list = |ast: &rhai::AST| {
        ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect::<Vec<_>>()
    };
    if space.is_empty() {
        return list(look.ast);
    }
    look.spaces.iter().find(|s| s.name == space).map(|s| list(&s.ast)).unwrap_or_default()
}

fn check_verb(
    call: &FnCallExpr,
    position: Position,
    hooks: Option<&BTreeSet<Hook>>,
    findings: &mut Vec<Finding>,
) {
    let Some((verb, arity, code)) = VERBS.into_iter().find(|(v, ..)| *v == call.name) else { return };
    if call.args.len() != arity {
        return;
    }
    for hook in hooks.into_iter().flatten() {
        if !hook.allows(verb) {
            let why = if verb == "score" {
                "the thresholds have been applied by then"
            } else {
                "nothing can be decided any more"
            };
            findings.push(Finding::new(
                position,
                "PM040",
                format!("`{verb}` is not allowed in `{hook}`: {why}"),
            ));
        }
    }
    if let Some(code) = code.and_then(|i| call.args.get(i)) {
        match code {
            Expr::StringConstant(text, _) if is_code(text) => {}
            Expr::StringConstant(text, at) => {
                let hint = "a code is `[a-z0-9_.]+`, at most 64 characters".to_owned();
                findings.push(Finding::new(*at, "PM041", format!("`{text}` is not a code")).hint(hint));
            }
            other => {
                let hint =
                    "every code must be known before a request comes: metrics and tests are made of them"
                        .to_owned();
                let message = format!("the code of `{verb}` must be a text in quotes");
                findings.push(Finding::new(other.start_position(), "PM041", message).hint(hint));
            }
        }
    }
}

fn check_setting(look: &Look<'_>, expression: &Expr, findings: &mut Vec<Finding>) {
    let Expr::Variable(variable, _, position) = expression else { return };
    let (_, name, space, _) = &**variable;
    let is_setting = space.path.first().is_some_and(|s| s.name == "settings");
    if is_setting && !look.settings.contains_key(name.as_str()) {
        let hint = did_you_mean(name, look.settings.keys().map(String::as_str))
            .unwrap_or_else(|| "declare it below `[settings]` in plugin.toml".to_owned());
        findings.push(Finding::new(*position, "PM030", format!("there is no setting `{name}`")).hint(hint));
    }
}
