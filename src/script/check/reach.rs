//! From which hooks a function can be reached, as far as calls by name show it.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

use crate::script::hook::Hook;

/// A function by name and number of parameters.
pub(super) type Function = (String, usize);

/// For each function of the file, the hooks that can reach it.
pub(super) type Reach = BTreeMap<Function, BTreeSet<Hook>>;

/// Follows calls from each hook.
pub(super) fn hooks_of(ast: &AST) -> Reach {
    let functions: Vec<Function> =
        ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect();
    let calls: BTreeMap<_, _> = functions.iter().map(|f| (f.clone(), called_by(ast, f))).collect();
    let mut reach = Reach::new();
    for hook in Hook::ALL {
        let mut open = vec![(hook.name().to_owned(), hook.arity())];
        while let Some(function) = open.pop() {
            let Some(next) = calls.get(&function) else { continue };
            if reach.entry(function).or_default().insert(hook) {
                open.extend(next.iter().cloned());
            }
        }
    }
    reach
}

/// One function of a file, alone.
pub(super) fn alone(ast: &AST, (name, arity): &Function) -> AST {
    // Not `clone_functions_only_filtered`: in rhai 1.27 it copies every function into an empty module, whatever the
    // filter says.
    let mut one = ast.clone();
    one.retain_functions(|_, _, n, a| n == name && a == *arity);
    one
}

/// The call at a node, if it is one: the call, its position, and whether it is a method call.
pub(super) fn call_at<'a>(node: &ASTNode<'a>) -> Option<(&'a FnCallExpr, rhai::Position, bool)> {
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position)) => {
            Some((call, *position, false))
        }
        ASTNode::Expr(Expr::MethodCall(call, position)) => Some((call, *position, true)),
        _ => None,
    }
}

fn called_by(ast: &AST, function: &Function) -> BTreeSet<Function> {
    let mut called = BTreeSet::new();
    alone(ast, function).walk(&mut |path| {
        if let Some((call, _, _)) = path.last().and_then(call_at) {
            called.insert((call.name.to_string(), call.args.len()));
        }
        true
    });
    called
}
