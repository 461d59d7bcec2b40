//! Members of known types along chains such as `req.geo.country`: a property that is not there, a function that does
//! not take what it is given.

use std::any::TypeId;

use rhai::{Expr, FnCallExpr, Position};

use super::calls::Finding;
use super::catalogue::{CATALOGUE, Catalogue};
use super::did_you_mean;
use super::types::{Known, links, member, type_of, word};
use crate::script::api::{Denied, Info, Up};
use crate::script::call::{Request, Response};
use crate::script::hook::{Hook, Second};
use crate::script::occasion::ON_START;

/// The parameters whose types are known: those of hooks.
pub(super) fn parameter_types(function: &str, params: &[String]) -> Known {
    if function == ON_START && params.len() == 1 {
        return [(params[0].clone(), TypeId::of::<Info>())].into();
    }
    // The expression of a rule of one line is a function of its own.
    let function = function.strip_prefix("when_").unwrap_or(function);
    let Some(hook) = Hook::named(function).filter(|h| h.arity() == params.len()) else { return Known::new() };
    let second = match hook.second() {
        Second::Nothing => None,
        Second::Upstream => Some(TypeId::of::<Up>()),
        Second::Response => Some(TypeId::of::<Response>()),
        Second::Verdict => Some(TypeId::of::<Denied>()),
    };
    params.iter().cloned().zip([TypeId::of::<Request>()].into_iter().chain(second)).collect()
}

/// Follows a chain from a root of known type. `own` says which functions the file has itself.
pub(super) fn check(
    expression: &Expr,
    known: &Known,
    own: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    let Expr::Dot(chain, ..) = expression else { return };
    let Some(mut of) = type_of(&chain.lhs, known) else { return };
    for link in links(&chain.rhs) {
        let found = match link {
            Expr::Property(property, position) => exists(of, property.2.as_str(), *position, "property"),
            Expr::MethodCall(call, position) if !own(&call.name) => {
                exists(of, &call.name, *position, "function").or_else(|| takes(of, call, *position, known))
            }
            _ => return,
        };
        findings.extend(found);
        match member(of, link) {
            Some(next) => of = next,
            None => return,
        }
    }
}

/// Reports a member that is not there.
fn exists(of: TypeId, name: &str, position: Position, what: &str) -> Option<Finding> {
    let members = CATALOGUE.members(of)?;
    // Maps and `req.vars` have any property; some functions work on everything.
    let open = of == TypeId::of::<rhai::Map>() || members.contains_key("index$get$");
    let any = CATALOGUE.members(TypeId::of::<rhai::Dynamic>()).is_some_and(|m| m.contains_key(name));
    if members.contains_key(name) || any || Catalogue::is_intrinsic(name) || open {
        return None;
    }
    let hint = did_you_mean(name, members.keys().map(String::as_str));
    Some(Finding::new(position, "PM022", format!("unknown {what} `{name}`")).hint(hint))
}

/// Reports arguments of a type that no function of that name takes.
fn takes(of: TypeId, call: &FnCallExpr, position: Position, known: &Known) -> Option<Finding> {
    let given: Vec<Option<TypeId>> =
        [Some(of)].into_iter().chain(call.args.iter().map(|a| type_of(a, known))).collect();
    unfit("", call, &given, position)
}

/// Reports the arguments of a function without a receiver.
pub(super) fn arguments(
    call: &FnCallExpr,
    space: &str,
    position: Position,
    known: &Known,
    findings: &mut Vec<Finding>,
) {
    let given: Vec<Option<TypeId>> = call.args.iter().map(|a| type_of(a, known)).collect();
    findings.extend(unfit(space, call, &given, position));
}

fn unfit(space: &str, call: &FnCallExpr, given: &[Option<TypeId>], position: Position) -> Option<Finding> {
    let any = TypeId::of::<rhai::Dynamic>();
    let fits = |wanted: &TypeId, got: &Option<TypeId>| *wanted == any || got.is_none_or(|g| g == *wanted);
    let signatures = CATALOGUE.signatures(space, &call.name);
    let same: Vec<_> = signatures.iter().filter(|s| s.params.len() == given.len()).collect();
    if same.is_empty() || same.iter().any(|s| s.params.iter().zip(given).all(|(w, g)| fits(w, g))) {
        return None;
    }
    let receiver = given.len() - call.args.len();
    // The first argument that fits no signature; where each fits some, the last one is named.
    let wrong = (receiver..given.len())
        .find(|i| !same.iter().any(|s| fits(&s.params[*i], &given[*i])))
        .unwrap_or(given.len().checked_sub(1)?);
    let got = given.get(wrong).copied().flatten()?;
    let argument = call.args.get(wrong.checked_sub(receiver)?)?;
    let at = argument.start_position();
    let at = if at.is_none() { position } else { at };
    let message = format!("`{}` does not take {} here", call.name, word(got));
    let wanted = same.first().map(|s| word(s.params[wrong])).filter(|w| *w != "this kind of value");
    Some(Finding::new(at, "PM023", message).hint(wanted.map(|w| format!("it takes {w}"))))
}
