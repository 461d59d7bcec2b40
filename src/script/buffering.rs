//! `[body]` of a manifest: which bodies a plugin asks to see whole. Nothing is buffered for anybody who does not ask.

use super::hook::Hook;
use crate::base::document::Table;
use crate::base::media_type::{essence, fits};
use crate::base::problems::{Problem, Problems};
use crate::base::units::show_size;

/// What a plugin asks for, in a request or in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    None,
    Form,
    Json,
    Text,
}

/// What becomes of a request whose body is longer than the plugin wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TooLarge {
    /// It is refused with 413, where the plugin enforces.
    #[default]
    Deny,
    /// The plugin does not see it.
    Skip,
}

/// `[body]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffering {
    pub request: Wish,
    pub max: u64,
    pub too_large: TooLarge,
    pub response: Wish,
    pub response_max: u64,
    /// Types such as `text/*`.
    pub response_types: Vec<String>,
}

/// The longest body that a plugin may ask for.
pub(super) const BODY_BYTES_MAX: u64 = 8 << 20;

/// Reads `[body]`.
pub(super) fn read(root: &mut Table<'_>) -> Buffering {
    let mut table = root.table("body");
    let words = [("json", Wish::Json), ("form", Wish::Form), ("text", Wish::Text), ("none", Wish::None)];
    let request = table.choice("request", &words, "none", "What `on_body` is given.");
    let max = size(&mut table, "max", "64 KiB", "The longest body of a request that `on_body` is given.");
    let over = [("deny", TooLarge::Deny), ("skip", TooLarge::Skip)];
    let too_large =
        table.choice("too_large", &over, "deny", "What a longer one becomes: refused with 413, or not seen.");
    let words = [("text", Wish::Text), ("json", Wish::Json), ("none", Wish::None)];
    let response = table.choice("response", &words, "none", "What `on_response_body` is given.");
    let response_max =
        size(&mut table, "response_max", "256 KiB", "The longest body of an answer that is given.");
    let fallback: &[&str] = match response {
        Some(Wish::Json) => &["application/json"],
        _ => &["text/*", "application/json"],
    };
    let response_types =
        table.list("response_types", "list of types", fallback, "Types of answers that are given.", |text| {
            let clean = text.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty());
            clean
                .then(|| text.to_ascii_lowercase())
                .ok_or_else(|| format!("`{text}` is not a type such as \"text/*\""))
        });
    table.finish();
    Buffering {
        request: request.unwrap_or_default(),
        max,
        too_large: too_large.unwrap_or_default(),
        response: response.unwrap_or_default(),
        response_max,
        response_types,
    }
}

fn size(table: &mut Table<'_>, key: &'static str, default: &'static str, doc: &'static str) -> u64 {
    let size = table.size(key, default, doc);
    if size == 0 || size > BODY_BYTES_MAX {
        let most = show_size(BODY_BYTES_MAX);
        table.report(table.problem(key, format!("`body.{key}` is between 1 and {most}")));
    }
    size.clamp(1, BODY_BYTES_MAX)
}

/// Finds hooks that can never run, for their bodies are not asked for.
pub(super) fn check(body: &Buffering, has: impl Fn(Hook) -> bool, manifest: &str) -> Problems {
    let mut problems = Problems::default();
    for (hook, wish, key) in
        [(Hook::Body, body.request, "request"), (Hook::ResponseBody, body.response, "response")]
    {
        if has(hook) && wish == Wish::None {
            let problem =
                Problem::of(manifest, format!("`{hook}` never runs: no `[body]` asks for the body"));
            let hint = format!("write `[body]` and `{key} = \"json\"` or `\"text\"`");
            problems.push(problem.code("PM066").hint(hint));
        }
    }
    problems
}

impl Buffering {
    /// Whether an answer of that `Content-Type` is one that the plugin asks for.
    pub fn wants_answer(&self, content_type: &str) -> bool {
        let essence = essence(content_type);
        self.response != Wish::None && self.response_types.iter().any(|p| fits(p, &essence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_wanted_by_its_type() {
        let types = vec!["text/*".to_owned(), "application/json".to_owned()];
        let body = Buffering { response: Wish::Text, response_types: types, ..Buffering::default() };
        assert!(body.wants_answer("text/html; charset=utf-8"));
        assert!(body.wants_answer("Application/JSON"));
        assert!(!body.wants_answer("image/png"));
        assert!(!body.wants_answer(""));
        assert!(!Buffering { response: Wish::None, ..body }.wants_answer("text/html"));
    }
}
