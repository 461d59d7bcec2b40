//! The codes that the verbs of a file can say: known before a request comes, so that metrics have an end.

use std::collections::BTreeSet;

use rhai::{AST, Expr};

use super::reach::call_at;
use crate::script::api::VERBS;

/// Every literal code of a verb in the file.
pub(in crate::script) fn codes_of(ast: &AST) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    ast.walk(&mut |path| {
        // `limit::allow` is no verb: its first argument is no code.
        if let Some((call, _, _)) = path.last().and_then(call_at)
            && !call.is_qualified()
            && let Some((_, _, Some(code))) = VERBS.into_iter().find(|(verb, ..)| *verb == call.name)
            && let Some(Expr::StringConstant(text, _)) = call.args.get(code)
        {
            codes.insert(text.to_string());
        }
        true
    });
    codes
}
