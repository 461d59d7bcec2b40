//! What is known of the type of an expression. Small on purpose: literals, parameters of hooks, members of known
//! types, functions with one return type, and variables that are given a known value once.

use std::any::TypeId;
use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Array, Expr, ImmutableString, Map, Stmt};

use super::catalogue::{CATALOGUE, Catalogue};
use crate::script::api::type_named;

/// Variables with a known type.
pub(super) type Known = BTreeMap<String, TypeId>;

/// The type of an expression; `None` where nothing is known.
pub(super) fn type_of(expression: &Expr, known: &Known) -> Option<TypeId> {
    Some(match expression {
        Expr::IntegerConstant(..) => TypeId::of::<i64>(),
        Expr::FloatConstant(..) => TypeId::of::<f64>(),
        Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => TypeId::of::<bool>(),
        Expr::CharConstant(..) => TypeId::of::<char>(),
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => TypeId::of::<ImmutableString>(),
        Expr::Array(..) => TypeId::of::<Array>(),
        Expr::Map(..) => TypeId::of::<Map>(),
        Expr::Unit(..) => TypeId::of::<()>(),
        Expr::Variable(variable, ..) if variable.2.is_empty() => *known.get(variable.1.as_str())?,
        Expr::FnCall(call, _) => {
            let space = call.namespace.path.first().map(|s| s.name.to_string()).unwrap_or_default();
            if matches!(call.name.as_str(), "==" | "!=" | "<" | "<=" | ">" | ">=" | "!") {
                return Some(TypeId::of::<bool>());
            }
            if call.op_token.is_some() {
                return None;
            }
            let mut found =
                CATALOGUE.signatures(&space, &call.name).iter().filter(|s| s.params.len() == call.args.len());
            let first = named(&found.next()?.returns)?;
            found.all(|s| named(&s.returns) == Some(first)).then_some(first)?
        }
        Expr::Dot(chain, ..) => {
            let mut of = type_of(&chain.lhs, known)?;
            for link in links(&chain.rhs) {
                of = member(of, link)?;
            }
            of
        }
        _ => return None,
    })
}

/// The links of a chain after its root; a link with an index among them ends as something of no known type.
pub(super) fn links(mut rest: &Expr) -> Vec<&Expr> {
    let mut links = Vec::new();
    while let Expr::Dot(inner, ..) = rest {
        links.push(&inner.lhs);
        rest = &inner.rhs;
    }
    links.push(rest);
    links
}

/// What a link of a chain gives.
pub(super) fn member(of: TypeId, link: &Expr) -> Option<TypeId> {
    let (name, arity) = match link {
        Expr::Property(property, _) => (property.2.as_str(), None),
        Expr::MethodCall(call, _) => (call.name.as_str(), Some(call.args.len() + 1)),
        _ => return None,
    };
    let Some(arity) = arity else { return named(CATALOGUE.members(of)?.get(name)?) };
    let takes = |t: &TypeId| *t == of || *t == TypeId::of::<rhai::Dynamic>();
    let signatures = CATALOGUE.signatures("", name).iter();
    let mut found = signatures.filter(|s| s.params.len() == arity && s.params.first().is_some_and(takes));
    let first = named(&found.next()?.returns)?;
    found.all(|s| named(&s.returns) == Some(first)).then_some(first)
}

/// The type of a name in the metadata.
pub(super) fn named(text: &str) -> Option<TypeId> {
    let inner = text.strip_prefix("Raised<").or_else(|| text.strip_prefix("RhaiResultOf<"));
    let plain = inner.map_or(text, |t| t.strip_suffix('>').unwrap_or(t)).trim();
    Some(match plain {
        "i64" | "INT" => TypeId::of::<i64>(),
        "f64" | "FLOAT" => TypeId::of::<f64>(),
        "bool" => TypeId::of::<bool>(),
        "char" => TypeId::of::<char>(),
        "ImmutableString" | "String" | "&str" => TypeId::of::<ImmutableString>(),
        "Array" => TypeId::of::<Array>(),
        "Map" => TypeId::of::<Map>(),
        "()" => TypeId::of::<()>(),
        other => return type_named(other),
    })
}

/// The word for a type.
pub(super) fn word(of: TypeId) -> &'static str {
    let words = [
        (TypeId::of::<i64>(), "a whole number"),
        (TypeId::of::<f64>(), "a number"),
        (TypeId::of::<bool>(), "true or false"),
        (TypeId::of::<char>(), "a character"),
        (TypeId::of::<ImmutableString>(), "a text"),
        (TypeId::of::<Array>(), "a list"),
        (TypeId::of::<Map>(), "a map"),
        (TypeId::of::<()>(), "nothing"),
        (TypeId::of::<crate::script::api::Ip>(), "an address"),
    ];
    words.into_iter().find(|(t, _)| *t == of).map_or("this kind of value", |(_, word)| word)
}

/// Whether this expression is the rest of a chain whose root stands further out.
pub(super) fn is_rest(path: &[ASTNode<'_>]) -> bool {
    let [.., ASTNode::Expr(outer), ASTNode::Expr(inner)] = path else { return false };
    match outer {
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => {
            std::ptr::eq(&raw const chain.rhs, &raw const **inner)
        }
        _ => false,
    }
}

/// Adds the variables of a function that are declared once, with a value of known type, and never assigned.
pub(super) fn locals(function: &AST, known: &mut Known) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    function.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) => *names.entry(var.0.name.to_string()).or_default() += 1,
            Some(ASTNode::Stmt(Stmt::For(each, _))) => {
                let both = [Some(&each.0), each.1.as_ref()];
                for name in both.into_iter().flatten() {
                    *names.entry(name.name.to_string()).or_default() += 2;
                }
            }
            Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) => {
                if let Expr::Variable(variable, ..) = &flow.expr {
                    *names.entry(variable.1.to_string()).or_default() += 2;
                }
            }
            Some(ASTNode::Stmt(Stmt::Assignment(assigned))) => {
                if let Expr::Variable(variable, ..) = &assigned.1.lhs {
                    *names.entry(variable.1.to_string()).or_default() += 2;
                }
            }
            _ => {}
        }
        true
    });
    // What is declared again, or assigned, is not known, even where a parameter had that name.
    known.retain(|name, _| !names.contains_key(name));
    function.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Var(var, ..))) = path.last()
            && names.get(var.0.name.as_str()) == Some(&1)
            && let Some(of) = type_of(&var.1, known)
        {
            known.insert(var.0.name.to_string(), of);
        }
        true
    });
    // A name that Rhai handles itself has no type.
    known.retain(|name, _| !Catalogue::is_intrinsic(name));
}

/// Whether a comparison of two known types can mean something.
pub(super) fn comparable(operator: &str, left: TypeId, right: TypeId) -> bool {
    let number = |t| t == TypeId::of::<i64>() || t == TypeId::of::<f64>();
    let text = |t| t == TypeId::of::<ImmutableString>() || t == TypeId::of::<char>();
    let native = CATALOGUE.signatures("", operator).iter().any(|s| s.params == [left, right]);
    left == right || number(left) && number(right) || text(left) && text(right) || native
}
