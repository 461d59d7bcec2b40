//! Arguments that are literals, and so can be judged before a request comes: statuses, durations, globs, patterns, headers.

use rhai::{Expr, FnCallExpr, Position};

use super::calls::Finding;
use crate::base::units::parse_duration;
use crate::script::api::{self, HeaderChange, check_header_name, check_header_value};
use crate::script::verdict::is_same_site;

/// Judges the literals of one call.
pub(super) fn check(call: &FnCallExpr, method: bool, findings: &mut Vec<Finding>) {
    let space = call.namespace.path.first().map_or("", |s| s.name.as_str());
    let text = |i: usize| match call.args.get(i) {
        Some(Expr::StringConstant(text, at)) => Some((text.as_str(), *at)),
        _ => None,
    };
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
