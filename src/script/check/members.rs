//! Members of `req` and `res`: a property that is not there is found before a request comes.

use std::any::TypeId;

use rhai::{Expr, Position};

use super::calls::Finding;
use super::catalogue::{CATALOGUE, Catalogue};
use super::did_you_mean;
use crate::script::api::{Denied, Up, type_named};
use crate::script::call::{Request, Response};
use crate::script::hook::{Hook, Second};

/// A variable with a known type.
pub(super) type Typed = (String, TypeId);

/// The parameters whose types are known: those of hooks.
pub(super) fn parameter_types(function: &str, params: &[String]) -> Vec<Typed> {
    let Some(hook) = Hook::named(function).filter(|h| h.arity() == params.len()) else { return Vec::new() };
    let second = match hook.second() {
        Second::Nothing => None,
        Second::Upstream => Some(TypeId::of::<Up>()),
        Second::Response => Some(TypeId::of::<Response>()),
        Second::Verdict => Some(TypeId::of::<Denied>()),
    };
    params.iter().cloned().zip([TypeId::of::<Request>()].into_iter().chain(second)).collect()
}

/// Follows a chain such as `req.geo.country` from a variable of known type.
pub(super) fn check(expression: &Expr, types: &[Typed], findings: &mut Vec<Finding>) {
    let Expr::Dot(chain, ..) = expression else { return };
    let Expr::Variable(variable, ..) = &chain.lhs else { return };
    let Some((_, start)) = types.iter().find(|(name, _)| *name == variable.1.as_str()) else { return };
    let mut of = *start;
    let mut rest = &chain.rhs;
    loop {
        let (link, next) = match rest {
            Expr::Dot(inner, ..) => (&inner.lhs, Some(&inner.rhs)),
            last => (last, None),
        };
        let (name, position, what) = match link {
            Expr::Property(property, position) => (property.2.as_str(), *position, "property"),
            Expr::MethodCall(call, position) => (call.name.as_str(), *position, "function"),
            _ => return,
        };
        match member(of, name, position, what, findings).zip(next) {
            Some((found, next)) => (of, rest) = (found, next),
            None => return,
        }
    }
}

/// The type of a member, where it is one of ours; reports a member that is not there.
fn member(
    of: TypeId,
    name: &str,
    position: Position,
    what: &str,
    findings: &mut Vec<Finding>,
) -> Option<TypeId> {
    let members = CATALOGUE.members(of)?;
    match members.get(name) {
        Some(returns) => type_named(returns),
        // Vars has an indexer, so any property may be there; intrinsic functions work on everything.
        None if members.contains_key("index$get$") || Catalogue::is_intrinsic(name) => None,
        None => {
            let hint = did_you_mean(name, members.keys().map(String::as_str));
            findings.push(Finding::new(position, "PM022", format!("unknown {what} `{name}`")).hint(hint));
            None
        }
    }
}
