//! What only shows between plugins: one code in two of them, one header set by two, one place in the order for two.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{ASTNode, Expr, Position};

use super::facts::used;
use super::reach::{alone, call_at, functions_of};
use super::types::is_rest;
use crate::base::problems::{Place, Problem, Problems};
use crate::config::Mode;
use crate::script::api::VERBS;
use crate::script::compile::place;
use crate::script::hook::Hook;
use crate::script::plugin::Plugin;

/// Something that a plugin says literally, and where.
type Said = BTreeMap<(Hook, String), Position>;

/// Checks the plugins of a book with each other, in the order in which they are asked.
pub(in crate::script) fn between(plugins: &[Plugin]) -> Problems {
    let mut problems = Problems::default();
    codes(plugins, &mut problems);
    headers(plugins, &mut problems);
    facts(plugins, &mut problems);
    priorities(plugins, &mut problems);
    problems
}

fn spot(plugin: &Plugin, position: Position) -> Place {
    plugin.stands_at.clone().unwrap_or_else(|| place(&plugin.source, position))
}

/// PM042: metrics and `explain` know a refusal by its code.
fn codes(plugins: &[Plugin], problems: &mut Problems) {
    let mut owner: BTreeMap<String, Arc<str>> = BTreeMap::new();
    for plugin in plugins {
        for (code, position) in codes_with_places(plugin) {
            match owner.get(&code).filter(|other| **other != plugin.name) {
                Some(other) => {
                    let message = format!("the code `{code}` is one of the plugin `{other}` too");
                    let problem = Problem::at(spot(plugin, position), message).code("PM042");
                    problems.push(problem.hint("a code tells which rule spoke: choose another one"));
                }
                None => drop(owner.insert(code, plugin.name.clone())),
            }
        }
    }
}

fn codes_with_places(plugin: &Plugin) -> BTreeMap<String, Position> {
    let mut codes = BTreeMap::new();
    plugin.ast.walk(&mut |path| {
        if let Some((call, _, _)) = path.last().and_then(call_at)
            && let Some((_, _, Some(code))) = VERBS.into_iter().find(|(verb, ..)| *verb == call.name)
            && let Some(Expr::StringConstant(text, at)) = call.args.get(code)
        {
            codes.entry(text.to_string()).or_insert(*at);
        }
        true
    });
    codes
}

/// PM070: of two plugins that set one header, the later one wins.
fn headers(plugins: &[Plugin], problems: &mut Problems) {
    let mut first: BTreeMap<(Hook, String), Arc<str>> = BTreeMap::new();
    for plugin in plugins.iter().filter(|p| p.manifest.mode != Mode::Off) {
        for ((hook, header), position) in said(plugin, |name| matches!(name, "set_header")) {
            let key = (hook, header.to_ascii_lowercase());
            if let Some(other) = first.get(&key) {
                let message =
                    format!("the plugin `{other}` sets `{header}` in `{hook}` too, and is overruled");
                problems.push(Problem::at(spot(plugin, position), message).code("PM070").warning());
            } else {
                first.insert(key, plugin.name.clone());
            }
        }
    }
}

/// The literal first arguments of methods in each hook itself.
fn said(plugin: &Plugin, wanted: fn(&str) -> bool) -> Said {
    let mut found = Said::new();
    for hook in Hook::ALL {
        let key = (hook.name().to_owned(), hook.arity());
        if !functions_of(&plugin.ast).contains(&key) {
            continue;
        }
        alone(&plugin.ast, &key).walk(&mut |path| {
            if let Some((call, _, true)) = path.last().and_then(call_at)
                && wanted(&call.name)
                && let Some(Expr::StringConstant(text, at)) = call.args.first()
            {
                found.entry((hook, text.to_string())).or_insert(*at);
            }
            true
        });
    }
    found
}

/// PM071: a fact that every writer writes after it was read is never there.
fn facts(plugins: &[Plugin], problems: &mut Problems) {
    let mut uses = Vec::new();
    for (order, plugin) in plugins.iter().enumerate().filter(|(_, p)| p.manifest.mode != Mode::Off) {
        for hook in Hook::ALL {
            let key = (hook.name().to_owned(), hook.arity());
            if !functions_of(&plugin.ast).contains(&key) {
                continue;
            }
            alone(&plugin.ast, &key).walk(&mut |path| {
                if let Some(ASTNode::Expr(expression)) = path.last()
                    && !is_rest(path)
                    && let Some(used) = used(expression)
                {
                    uses.push((used.key.to_owned(), used.writes, (hook, order), used.at));
                }
                true
            });
        }
    }
    for (key, _, when, at) in uses.iter().filter(|(_, writes, ..)| !writes) {
        let mut writers = uses.iter().filter(|(k, writes, ..)| *writes && k == key).map(|(_, _, w, _)| w);
        let Some(first) = writers.clone().min().filter(|_| writers.all(|w| w > when)) else { continue };
        let message = format!("the fact `{key}` is read before `{}` writes it", plugins[first.1].name);
        let problem = Problem::at(spot(&plugins[when.1], *at), message).code("PM071").warning();
        problems.push(problem.hint("change the `priority` of one, or read it in a later hook"));
    }
}

/// PM072: between equal priorities the name decides who speaks first.
fn priorities(plugins: &[Plugin], problems: &mut Problems) {
    let deciding: Vec<_> = plugins
        .iter()
        .filter(|p| p.manifest.mode == Mode::Enforce)
        .flat_map(|p| Hook::ALL.into_iter().filter_map(move |h| Some((p, h, refusal(p, h)?))))
        .collect();
    for (i, (plugin, hook, position)) in deciding.iter().enumerate() {
        let twin = deciding[..i].iter().find(|(other, at, _)| {
            at == hook
                && other.name != plugin.name
                && other.manifest.priority == plugin.manifest.priority
                && other.manifest.filter.may_overlap(&plugin.manifest.filter)
        });
        if let Some((other, ..)) = twin {
            let message = format!(
                "`{}` decides in `{hook}` with the same priority {}, and only its name makes it the first",
                other.name, plugin.manifest.priority
            );
            let problem = Problem::at(spot(plugin, *position), message).code("PM072").warning();
            problems.push(problem.hint("give one of them another `priority`"));
        }
    }
}

/// Where a hook itself refuses.
fn refusal(plugin: &Plugin, hook: Hook) -> Option<Position> {
    let key = (hook.name().to_owned(), hook.arity());
    let mut found = None;
    functions_of(&plugin.ast).contains(&key).then_some(())?;
    alone(&plugin.ast, &key).walk(&mut |path| {
        if let Some((call, at, false)) = path.last().and_then(call_at)
            && matches!(call.name.as_str(), "deny" | "throttle" | "redirect" | "drop" | "challenge")
        {
            found.get_or_insert(at);
        }
        true
    });
    found
}
