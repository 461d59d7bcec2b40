//! A fixed answer of a route, with what the gateway saw in its placeholders.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

use super::answer::Body;
use crate::config::Respond;

/// What the placeholders of a fixed answer stand for.
pub struct Seen<'a> {
    /// `{request.id}`.
    pub request_id: &'a str,
    /// `{method}`.
    pub method: &'a str,
    /// `{route}`.
    pub route: &'a str,
    /// `{auth.state}`.
    pub auth_state: &'a str,
    /// `{user.id}`; empty for somebody unknown.
    pub user_id: &'a str,
    /// `{generation}`.
    pub generation: u64,
}

/// Writes the answer.
pub fn render(respond: &Respond, seen: &Seen<'_>) -> Response<Body> {
    let (bytes, kind) = match (&respond.json, &respond.text) {
        (Some(json), _) => {
            (serde_json::to_vec(&fill_json(json, seen)).unwrap_or_default(), "application/json")
        }
        (None, Some(text)) => (fill(text, seen).into_bytes(), "text/plain; charset=utf-8"),
        (None, None) => (Vec::new(), ""),
    };
    let mut answer = Response::new(Body::full(bytes));
    *answer.status_mut() = StatusCode::from_u16(respond.status).unwrap_or(StatusCode::OK);
    if !kind.is_empty() {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn fill_json(value: &Value, seen: &Seen<'_>) -> Value {
    match value {
        Value::String(text) if text == "{generation}" => Value::from(seen.generation),
        Value::String(text) => Value::String(fill(text, seen)),
        Value::Array(items) => items.iter().map(|v| fill_json(v, seen)).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), fill_json(v, seen))).collect(),
        other => other.clone(),
    }
}

fn fill(text: &str, seen: &Seen<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(name, tail)| Some((value_of(name, seen)?, tail))) {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn value_of(name: &str, seen: &Seen<'_>) -> Option<String> {
    Some(match name {
        "request.id" => seen.request_id.to_owned(),
        "method" => seen.method.to_owned(),
        "route" => seen.route.to_owned(),
        "auth.state" => seen.auth_state.to_owned(),
        "user.id" => seen.user_id.to_owned(),
        "generation" => seen.generation.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SEEN: Seen<'static> = Seen {
        request_id: "r-1",
        method: "GET",
        route: "hello",
        auth_state: "none",
        user_id: "",
        generation: 7,
    };

    #[test]
    fn placeholders_are_filled_once_and_other_braces_stay() {
        assert_eq!(fill("{request.id} {route}{nope} {", &SEEN), "r-1 hello{nope} {");
        assert_eq!(
            fill_json(&json!({"g": "{generation}", "t": ["gen {generation}"]}), &SEEN),
            json!({"g": 7, "t": ["gen 7"]})
        );
    }
}
