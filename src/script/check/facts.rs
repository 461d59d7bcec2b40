//! `req.facts`: keys that the manifest does not let the plugin write.

use rhai::Expr;

use super::calls::Finding;
use super::types::links;
use crate::script::permissions::Permissions;

/// One use of `req.facts` with a literal key.
pub(super) struct Use<'a> {
    pub writes: bool,
    pub key: &'a str,
    pub at: rhai::Position,
}

/// The use of `req.facts` in a chain, if it is one.
pub(super) fn used(expression: &Expr) -> Option<Use<'_>> {
    let Expr::Dot(chain, ..) = expression else { return None };
    let all = links(&chain.rhs);
    let [Expr::Property(property, _), Expr::MethodCall(call, _), ..] = all.as_slice() else { return None };
    let writes = match call.name.as_str() {
        "set" => true,
        "get" | "has" => false,
        _ => return None,
    };
    match call.args.first() {
        Some(Expr::StringConstant(key, at)) if property.2 == "facts" => Some(Use { writes, key, at: *at }),
        _ => None,
    }
}

/// PM043: what is not listed in `[permissions] facts` is refused when the request comes, so it is said now.
pub(super) fn check(expression: &Expr, permissions: Option<&Permissions>, findings: &mut Vec<Finding>) {
    let Some(permissions) = permissions else { return };
    if let Some(used) = used(expression).filter(|used| used.writes && !permissions.writes_fact(used.key)) {
        let message = format!("the plugin may not write the fact `{}`", used.key);
        let hint = format!("write `facts = [\"{}\"]` below `[permissions]` in plugin.toml", used.key);
        findings.push(Finding::new(used.at, "PM043", message).hint(hint));
    }
}
