//! Arguments that are literals, and so can be judged before a request comes: statuses, durations, globs, patterns, headers.

use std::any::TypeId;
use std::collections::BTreeSet;

use rhai::{Expr, FnCallExpr, Position};

use super::calls::Finding;
use super::did_you_mean;
use super::types::{Known, type_of};
use crate::base::units::parse_duration;
use crate::script::api::{self, HeaderChange, check_header_name, check_header_value};
use crate::script::gateway_list::{BANS, NEEDS_PERMISSION};
use crate::script::verdict::is_same_site;

/// Judges the literals of one call.
pub(super) fn check(
    call: &FnCallExpr,
    method: bool,
    known: &Known,
    lists: Option<&BTreeSet<String>>,
    findings: &mut Vec<Finding>,
) {
    let space = call.namespace.path.first().map_or("", |s| s.name.as_str());
    let text = |i: usize| match call.args.get(i) {
        Some(Expr::StringConstant(text, at)) => Some((text.as_str(), *at)),
        _ => None,
    };
    if let Some(lists) = lists.filter(|_| space == "list") {
        declared(call, lists, findings);
    }
    if space.is_empty() && call.name == "contains" {
        networks(call, known, findings);
    }
    let mut judge = |code, found: Option<(&str, Position)>, judge: &dyn Fn(&str) -> Result<(), String>| {
        if let Some((text, at)) = found
            && let Err(why) = judge(text)
        {
            findings.push(Finding::new(at, code, why));
        }
    };
    match (space, call.name.as_str(), method) {
        ("", "deny", false) => {
            if let Some(Expr::IntegerConstant(status, at)) = call.args.first()
                && !(400..=599).contains(status)
            {
                findings.push(Finding::new(
                    *at,
                    "PM050",
                    format!("{status} is not the status of a refusal: 400 to 599"),
                ));
            }
        }
        ("", "throttle", false) => judge("PM050", text(0), &|t| parse_duration(t).map(drop)),
        ("", "redirect", false) => judge("PM050", text(0), &|t| {
            let why = "a redirect leads to a path of this site, such as \"/help\"";
            if is_same_site(t) { Ok(()) } else { Err(why.to_owned()) }
        }),
        ("counter", "hit" | "count", _) | ("kv", "set" | "incr", _) | ("list", "add", _) => {
            judge("PM050", text(2), &|t| parse_duration(t).map(drop));
        }
        ("counter" | "limit", "distinct" | "allow" | "remaining", _) => {
            judge("PM050", text(3), &|t| parse_duration(t).map(drop));
        }
        ("net", "ip", _) => judge("PM053", text(0), &address),
        ("net", "in_any", _) => {
            for (text, at) in call.args.get(1).map(texts).unwrap_or_default() {
                judge("PM053", Some((text, at)), &network);
            }
        }
        ("text", "glob", _) => judge("PM051", text(1), &|t| api::glob(t).map(drop)),
        ("", "path_is", true) => judge("PM051", text(0), &|t| api::glob(t).map(drop)),
        ("text", "matches" | "find", _) => judge("PM052", text(1), &|t| api::pattern(t).map(drop)),
        ("time", "in_zone", _) => judge("PM050", text(0), &|t| api::zone(t).map(drop)),
        ("", "set_header" | "default_header", true) => {
            judge("PM043", text(0), &|t| check_header_name(t, HeaderChange::Set).map(drop));
            judge("PM043", text(1), &|t| check_header_value(t).map(drop));
        }
        ("", "remove_header", true) => {
            judge("PM043", text(0), &|t| check_header_name(t, HeaderChange::Remove).map(drop));
        }
        _ => {}
    }
}

/// `req.ip in "10.0.0.0/8"`, and the same with a list of addresses.
fn networks(call: &FnCallExpr, known: &Known, findings: &mut Vec<Finding>) {
    let [within, what] = call.args.as_slice() else { return };
    if type_of(what, known) != Some(TypeId::of::<api::Ip>()) {
        return;
    }
    let listed = matches!(within, Expr::Array(..));
    for (text, at) in texts(within) {
        // The elements of a list are compared one by one, so a network among them would be an error.
        if let Err(why) = if listed { address(text) } else { network(text) } {
            findings.push(Finding::new(at, "PM053", why));
        }
    }
}

/// The literal texts of an argument: one, or those of a list.
fn texts(expression: &Expr) -> Vec<(&str, Position)> {
    match expression {
        Expr::StringConstant(text, at) => vec![(text.as_str(), *at)],
        Expr::Array(items, _) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn network(text: &str) -> Result<(), String> {
    let found =
        text.parse::<ipnet::IpNet>().map(drop).or_else(|_| text.parse::<std::net::IpAddr>().map(drop));
    found.map_err(|_| format!("`{text}` is not a network such as \"10.0.0.0/8\""))
}

fn address(text: &str) -> Result<(), String> {
    let found = text.parse::<std::net::IpAddr>();
    found.map(drop).map_err(|_| format!("`{text}` is not an address such as \"10.0.0.1\""))
}

/// A list that the manifest does not declare.
fn declared(call: &FnCallExpr, lists: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let Some(Expr::StringConstant(name, at)) = call.args.first() else { return };
    if lists.contains(name.as_str()) {
        return;
    }
    if name.as_str() == BANS {
        let finding =
            Finding::new(*at, "PM044", format!("the plugin may not use the gateway's list `{BANS}`"));
        findings.push(finding.hint(NEEDS_PERMISSION.to_owned()));
        return;
    }
    let hint = did_you_mean(name, lists.iter().map(String::as_str))
        .unwrap_or_else(|| format!("declare it as `[lists.{name}]` in plugin.toml"));
    findings.push(Finding::new(*at, "PM044", format!("there is no list `{name}`")).hint(hint));
}
