//! `[[rules]]` of config.toml as plugins: the same hooks, checks, budgets and records as those of a folder.
//!
//! The script is laid out so that the expression stands at the line and column at which it stands in config.toml, and
//! the verdict on the line of its `[[rules]]`. So every place that the interpreter or the checker names is right.

use std::fmt::Write as _;

use super::compile;
use super::hook::Hook;
use super::library::Library;
use super::plugin::Plugin;
use super::source::Reader;
use crate::base::problems::{Problem, Problems, Source};
use crate::config::{InlineRule, Mode, Then};

/// Makes a plugin of a rule. `None` where something is wrong with it; problems say what, at its place in the file.
pub(super) fn plugin(rule: &InlineRule, shared: &Library, reader: &mut Reader<'_>) -> Option<Plugin> {
    let hook = Hook::named(&rule.hook)?;
    if rule.when_at.0 <= rule.place.line {
        let problem = Problem::at(rule.place.clone(), "a rule begins with `[[rules]]` on a line of its own");
        reader.problems.push(problem);
        return None;
    }
    let name = rule.plugin_name();
    let before = blank(rule.when_at.0 - 1, rule.when_at.1);
    let alone = Source::new(rule.source.name.clone(), format!("{before}{}", rule.when));
    let mut found = compile::expression(&alone);
    let mut made = None;
    if found.is_empty() {
        let main = Source::new(rule.source.name.clone(), script(rule, hook));
        let manifest = Source::new(rule.source.name.clone(), manifest(rule, &name));
        (made, found) = Plugin::of(&name, reader.root_folder(), &manifest, main, shared);
    }
    reader.problems.append(placed(rule, &found));
    made.map(|mut plugin| {
        plugin.stands_at = Some(rule.place.clone());
        plugin
    })
}

/// Lines and columns before a place.
fn blank(lines: usize, column: usize) -> String {
    format!("{}{}", "\n".repeat(lines), " ".repeat(column.saturating_sub(1)))
}

fn script(rule: &InlineRule, hook: Hook) -> String {
    let (first, signature) = (rule.place.line, hook.signature());
    let blank = blank(rule.when_at.0 - first, rule.when_at.1);
    format!(
        "{}fn {hook}({signature}) {{ if !when_{hook}({signature}) {{ return; }} {}; }} fn when_{hook}({signature}) {{ ({blank}{}\n) }}\n",
        "\n".repeat(first - 1),
        verb(rule),
        rule.when,
    )
}

fn verb(rule: &InlineRule) -> String {
    let (code, message) = (quoted(&rule.code), quoted(&rule.message));
    match &rule.then {
        Then::Deny(status) => format!("deny({status}, {code}, {message})"),
        Then::Throttle(after) => format!("throttle({}, {code}, {message})", quoted(after)),
        Then::Redirect(to) => format!("redirect({}, {code})", quoted(to)),
        Then::Challenge(kind) => format!("challenge({}, {code})", quoted(kind)),
        Then::Drop => format!("drop({code})"),
        Then::Allow => format!("allow({code})"),
        Then::Score(n) => format!("score({n}, {code})"),
        Then::Tag(name) => format!("tag({})", quoted(name)),
    }
}

/// A text as Rhai and TOML both read it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn manifest(rule: &InlineRule, name: &str) -> String {
    let list = |texts: &[String]| texts.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(", ");
    let mode = match rule.mode {
        Mode::Shadow => "shadow",
        Mode::Enforce => "enforce",
        Mode::Off => "off",
    };
    let on_error = if rule.fails_closed { "deny" } else { "allow" };
    let body = match &*rule.hook {
        "on_body" => "[body]\nrequest = \"text\"\ntoo_large = \"skip\"\n",
        "on_response_body" => "[body]\nresponse = \"text\"\n",
        _ => "",
    };
    format!(
        "name = \"{name}\"\nversion = \"1\"\napi = 1\ndescription = \"A rule of one line.\"\npriority = {}\nmode = \"{mode}\"\non_error = \"{on_error}\"\n[routes]\ninclude = [{}]\n[match]\nmethods = [{}]\n{body}",
        rule.priority,
        list(&rule.routes),
        list(&rule.methods),
    )
}

/// The findings at their places in the file: inside the expression as they are, all others at the rule.
fn placed(rule: &InlineRule, found: &Problems) -> Problems {
    let lines = rule.when.lines().count().max(1);
    let inside = rule.when_at.0..rule.when_at.0 + lines;
    let mut problems = Problems::default();
    for problem in found.iter() {
        let mut problem = problem.clone();
        problem.place = Some(match problem.place {
            Some(place) if inside.contains(&place.line) => rule.source.place_at(place.line, place.column),
            _ => rule.place.clone(),
        });
        problem.origin = None;
        problems.push(problem);
    }
    problems
}
