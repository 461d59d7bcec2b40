//! `req.body` and `req.form`: the body of a request, for plugins whose `[body]` asks for it. Empty in every other hook.

use std::borrow::Cow;
use std::sync::Arc;

use rhai::{ImmutableString, Module, export_module, exported_module};

use super::patterns;
use super::text::pay;
use crate::base::target::query_value;
use crate::base::text::cut;
use crate::script::body::BodyFacts;
use crate::script::call::{Raised, Request, error};
use crate::script::engine::STRING_BYTES_MAX;
use crate::script::facts::RequestFacts;

/// The handle of `req.body`.
#[derive(Clone)]
pub(super) struct Body(pub Arc<RequestFacts>);

impl Body {
    fn text(&self) -> Cow<'_, str> {
        self.0.body.get().map_or(Cow::Borrowed(""), BodyFacts::text)
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Body>("Body");
    module.combine_flatten(exported_module!(body));
}

#[expect(clippy::cast_possible_wrap, reason = "lengths are far below 2^63")]
#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod body {
    /// The body of the request.
    #[rhai_fn(get = "body", pure)]
    pub fn body_of(req: &mut Request) -> Body {
        Body(req.0.facts.clone())
    }

    /// Bytes of the body; 0 where there is none or nobody asked for it.
    #[rhai_fn(get = "size", pure)]
    pub fn size(body: &mut Body) -> i64 {
        body.0.body.get().map_or(0, |b| b.size() as i64)
    }

    /// Whether the body says that it is JSON.
    #[rhai_fn(get = "is_json", pure)]
    pub fn is_json(body: &mut Body) -> bool {
        body.0.body.get().is_some_and(BodyFacts::is_json)
    }

    /// Whether the body says that it is a URL-encoded form.
    #[rhai_fn(get = "is_form", pure)]
    pub fn is_form(body: &mut Body) -> bool {
        body.0.body.get().is_some_and(BodyFacts::is_form)
    }

    /// The body as text, its first 64 KiB; what is no UTF-8 in it reads as U+FFFD.
    #[rhai_fn(get = "text", return_raw, pure)]
    pub fn text(body: &mut Body) -> Raised<ImmutableString> {
        let text = body.text();
        pay(text.len())?;
        Ok(cut(&text, STRING_BYTES_MAX).into())
    }

    /// Whether a text stands in the body.
    #[rhai_fn(return_raw, pure)]
    pub fn contains(body: &mut Body, s: &str) -> Raised<bool> {
        let text = body.text();
        pay(text.len())?;
        Ok(text.contains(s))
    }

    /// Whether a regular expression matches somewhere in the body.
    #[rhai_fn(return_raw, pure)]
    pub fn matches(body: &mut Body, pattern: &str) -> Raised<bool> {
        let text = body.text();
        pay(text.len() * 8)?;
        Ok(patterns::pattern(pattern).map_err(error)?.is_match(&text))
    }

    /// A field of a URL-encoded form, decoded; the first where it repeats, `""` where it is absent.
    #[rhai_fn(return_raw, pure)]
    pub fn form(req: &mut Request, name: &str) -> Raised<String> {
        let Some(body) = req.0.facts.body.get().filter(|b| b.is_form()) else { return Ok(String::new()) };
        pay(body.size())?;
        Ok(query_value(&body.text(), name).unwrap_or_default())
    }
}
