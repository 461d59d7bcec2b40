//! Whether a script asks where clients are, so that an operator can be told when nobody knows.

use rhai::{AST, ASTNode, Expr};

/// Whether anything of a script reads `.geo`.
pub(super) fn asks_geo(ast: &AST) -> bool {
    let mut asks = false;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Property(property, _))) = path.last() {
            asks |= property.2.as_str() == "geo";
        }
        !asks
    });
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(script: &str) -> bool {
        asks_geo(&rhai::Engine::new_raw().compile(script).unwrap())
    }

    #[test]
    fn a_script_asks_where_it_reads_the_property_and_not_where_it_names_it() {
        assert!(asks("fn on_request(req) { if req.path == \"/\" { f(req.geo.country); } }"));
        assert!(asks("fn a(req) { let g = req.geo; }"));
        assert!(!asks("fn on_request(req) { deny(403, \"geo.x\", \"req.geo\"); }"));
    }
}
