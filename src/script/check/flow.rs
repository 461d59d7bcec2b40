//! What runs otherwise than it reads: results of functions that work in place, code after a final verb, loops without
//! an end, closures that capture what they are stored in. All of it is legal, so all of it is a warning.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::calls::Finding;
use super::reach::call_at;
use super::types::{Known, is_rest, links};
use crate::script::api::VERBS;

/// Rhai's functions that change a text or list in place and give nothing back.
const IN_PLACE: [&str; 13] = [
    "trim",
    "make_upper",
    "make_lower",
    "replace",
    "push",
    "append",
    "insert",
    "pad",
    "clear",
    "truncate",
    "crop",
    "reverse",
    "mixin",
];

/// Looks at one node.
pub(super) fn check(
    path: &[ASTNode<'_>],
    known: &Known,
    own: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    match path.last() {
        Some(ASTNode::Expr(expression)) if !is_rest(path) => in_place(path, expression, known, own, findings),
        Some(ASTNode::Stmt(Stmt::While(flow, position))) => {
            let endless = matches!(flow.expr, Expr::Unit(..) | Expr::BoolConstant(true, _));
            if endless && !flow.body.statements().iter().any(|s| leaves(s, own)) {
                let found = Finding::new(*position, "PM064", "this loop has no end").warning();
                findings.push(found.hint("leave it with `break` or `return`, or use `for`".to_owned()));
            }
        }
        Some(ASTNode::Stmt(Stmt::Assignment(assigned))) => {
            self_captured(&assigned.1.lhs, &assigned.1.rhs, findings);
        }
        _ => {}
    }
}

/// `let t = s.trim()` gives nothing: `trim` changes `s`.
fn in_place(
    path: &[ASTNode<'_>],
    expression: &Expr,
    known: &Known,
    own: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    let Expr::Dot(chain, ..) = expression else { return };
    if chain.lhs.start_position().is_none() {
        return;
    }
    let used = match path.iter().rev().nth(1) {
        Some(ASTNode::Stmt(Stmt::Var(..) | Stmt::Assignment(..) | Stmt::Return(..) | Stmt::FnCall(..))) => {
            true
        }
        Some(ASTNode::Expr(outer)) => !matches!(outer, Expr::Stmt(..)),
        _ => false,
    };
    let mut of = super::types::type_of(&chain.lhs, known);
    let links = links(&chain.rhs);
    for (i, link) in links.iter().enumerate() {
        if let Expr::MethodCall(call, position) = link
            && IN_PLACE.contains(&call.name.as_str())
            && !own(&call.name)
            && of.is_none_or(is_plain)
            && (used || i + 1 < links.len())
        {
            let message = format!("`{}` works in place and gives nothing back", call.name);
            let hint = match call.name.as_str() {
                "trim" => Some("`text::trim(…)` gives the result".to_owned()),
                "make_lower" => Some("`text::lower(…)` gives the result".to_owned()),
                "replace" => Some("`text::replace(…)` gives the result".to_owned()),
                _ => Some("call it on a line of its own".to_owned()),
            };
            findings.push(Finding::new(*position, "PM062", message).warning().hint(hint));
        }
        of = of.and_then(|of| super::types::member(of, link));
        if of.is_none() && i + 1 < links.len() && !matches!(links[i], Expr::Property(..)) {
            return;
        }
    }
}

fn is_plain(of: std::any::TypeId) -> bool {
    use std::any::TypeId;
    [TypeId::of::<rhai::ImmutableString>(), TypeId::of::<rhai::Array>(), TypeId::of::<rhai::Map>()]
        .contains(&of)
}

/// `a.f = || a`: the closure keeps the value in which it is kept.
fn self_captured(target: &Expr, value: &Expr, findings: &mut Vec<Finding>) {
    let mut root = target;
    while let Expr::Dot(chain, ..) | Expr::Index(chain, ..) = root {
        root = &chain.lhs;
    }
    let Expr::Variable(stored, ..) = root else { return };
    let mut found: Option<Position> = None;
    value.walk(&mut Vec::new(), &mut |path| {
        if let Some((call, _, false)) = path.last().and_then(call_at)
            && call.name == "curry"
            && let Some(Expr::Variable(_, _, at)) = call
                .args
                .iter()
                .skip(1)
                .find(|a| matches!(a, Expr::Variable(captured, ..) if captured.1 == stored.1))
        {
            found = Some(*at);
        }
        true
    });
    if let Some(at) = found {
        let message = format!("this closure captures `{}`, in which it is stored", stored.1);
        let found = Finding::new(at, "PM061", message).warning();
        findings.push(found.hint("it is never freed, and a call of it waits for itself".to_owned()));
    }
}

/// Statements after one that always leaves.
pub(super) fn unreachable(function: &AST, own: &dyn Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    let mut tops: Vec<(Position, bool)> = Vec::new();
    function.walk(&mut |path| {
        let Some(node) = path.last() else { return true };
        if let ([ASTNode::Stmt(statement)], true) = (path, path.len() == 1) {
            tops.push((statement.position(), always_leaves(statement, own)));
        }
        let mut block = |statements: &[Stmt]| {
            let all = statements.iter().map(|s| (s.position(), always_leaves(s, own)));
            after(all, findings);
        };
        match node {
            ASTNode::Stmt(
                Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, ..) | Stmt::TryCatch(flow, _),
            ) => {
                block(flow.body.statements());
                block(flow.branch.statements());
            }
            ASTNode::Stmt(Stmt::For(each, _)) => block(each.2.body.statements()),
            ASTNode::Stmt(Stmt::Block(inner)) => block(inner.statements()),
            ASTNode::Expr(Expr::Stmt(inner)) => block(inner.statements()),
            _ => {}
        }
        true
    });
    after(tops.into_iter(), findings);
}

fn after(statements: impl Iterator<Item = (Position, bool)>, findings: &mut Vec<Finding>) {
    let mut left = false;
    for (position, leaves) in statements {
        if left && !position.is_none() {
            findings.push(Finding::new(position, "PM063", "this is never reached").warning());
            return;
        }
        left |= leaves;
    }
}

fn is_final(name: &str) -> bool {
    VERBS.iter().any(|(verb, ..)| *verb == name) && !matches!(name, "score" | "tag")
}

/// Whether nothing after this statement runs.
fn always_leaves(statement: &Stmt, own: &dyn Fn(&str) -> bool) -> bool {
    match statement {
        Stmt::FnCall(call, _) => call.namespace.is_empty() && is_final(&call.name) && !own(&call.name),
        Stmt::Expr(expression) => match &**expression {
            Expr::FnCall(call, _) => call.namespace.is_empty() && is_final(&call.name) && !own(&call.name),
            _ => false,
        },
        Stmt::Return(..) | Stmt::BreakLoop(..) => true,
        _ => false,
    }
}

/// Whether a statement can leave the loop that it stands in.
fn leaves(statement: &Stmt, own: &dyn Fn(&str) -> bool) -> bool {
    let mut found = false;
    statement.walk(&mut Vec::new(), &mut |path| {
        found |= match path.last() {
            Some(ASTNode::Stmt(Stmt::BreakLoop(_, flags, _))) => flags.contains(rhai::ASTFlags::BREAK),
            Some(ASTNode::Stmt(Stmt::Return(..))) => true,
            // A function of the file may end the script with a verb.
            Some(node) => call_at(node).is_some_and(|(call, ..)| is_final(&call.name) || own(&call.name)),
            None => false,
        };
        true
    });
    found
}
