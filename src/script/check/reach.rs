//! From which hooks a function can be reached, as far as calls by name, closures and function pointers show it.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, FnPtr, Stmt};

use crate::script::hook::Hook;
use crate::script::library::Space;

/// A function by name and number of parameters.
pub(super) type Function = (String, usize);

/// A function with its namespace, which is empty for the main file.
type Place = (String, Function);

/// For each function, the hooks that can reach it.
#[derive(Default)]
pub(super) struct Reach(BTreeMap<Place, BTreeSet<Hook>>);

impl Reach {
    /// The hooks that can reach a function.
    pub fn of(&self, space: &str, function: &Function) -> Option<&BTreeSet<Hook>> {
        self.0.get(&(space.to_owned(), function.clone()))
    }

    /// Follows calls from each hook through the main file and its namespaces.
    pub fn follow(main: &AST, spaces: &[&Space]) -> Self {
        let mut calls: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
        let files = spaces.iter().map(|s| (s.name.as_str(), &*s.ast)).chain([("", main)]);
        for (space, ast) in files {
            for function in functions_of(ast) {
                let called = called_by(ast, &function).into_iter().flat_map(|call| call.places(space, ast));
                calls.insert((space.to_owned(), function), called.collect());
            }
        }
        let mut reach = Self::default();
        for hook in Hook::ALL {
            let mut open = vec![(String::new(), (hook.name().to_owned(), hook.arity()))];
            while let Some(place) = open.pop() {
                let Some(next) = calls.get(&place) else { continue };
                if reach.0.entry(place).or_default().insert(hook) {
                    open.extend(next.iter().cloned());
                }
            }
        }
        reach
    }
}

/// One call as it is written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Called {
    pub space: String,
    pub name: String,
    /// The number of arguments; `None` for a function pointer.
    pub arity: Option<usize>,
}

impl Called {
    fn places(&self, from: &str, ast: &AST) -> Vec<Place> {
        let space = if self.space.is_empty() { from } else { &self.space };
        match self.arity {
            Some(arity) => vec![(space.to_owned(), (self.name.clone(), arity))],
            None => {
                let named = functions_of(ast).into_iter().filter(|(name, _)| *name == self.name);
                named.map(|f| (space.to_owned(), f)).collect()
            }
        }
    }
}

/// Every function of a file, closures among them.
pub(super) fn functions_of(ast: &AST) -> Vec<Function> {
    ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect()
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

/// The name of the function that a closure or function pointer stands for.
pub(super) fn pointed_at(expression: &Expr) -> Option<String> {
    match expression {
        Expr::DynamicConstant(value, _) => value.read_lock::<FnPtr>().map(|f| f.fn_name().to_owned()),
        _ => None,
    }
}

/// Every call of one function, as it is written.
pub(super) fn called_by(ast: &AST, function: &Function) -> BTreeSet<Called> {
    let mut called = BTreeSet::new();
    alone(ast, function).walk(&mut |path| {
        let Some(node) = path.last() else { return true };
        if let Some((call, _, _)) = call_at(node) {
            let space = call.namespace.path.first().map(|s| s.name.to_string()).unwrap_or_default();
            if call.name == "Fn"
                && let Some(Expr::StringConstant(name, _)) = call.args.first()
            {
                called.insert(Called { space: String::new(), name: name.to_string(), arity: None });
            }
            called.insert(Called { space, name: call.name.to_string(), arity: Some(call.args.len()) });
        }
        match node {
            ASTNode::Expr(Expr::Variable(variable, ..)) if variable.2.is_empty() => {
                called.insert(Called { space: String::new(), name: variable.1.to_string(), arity: None });
            }
            ASTNode::Expr(expression) => {
                let name = pointed_at(expression);
                called.extend(name.map(|name| Called { space: String::new(), name, arity: None }));
            }
            _ => {}
        }
        true
    });
    called
}
