//! The body of a request as rules see it: read whole once, parsed once, outside of any script's budget.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use crate::base::media_type::{essence, is_json};

/// A body that was read whole.
pub struct BodyFacts {
    bytes: Bytes,
    form: bool,
    json: Option<Json>,
}

/// What a JSON body says.
enum Json {
    Valid { value: Value, depth: usize },
    Malformed,
}

impl BodyFacts {
    /// Reads a body by the type that it declares.
    pub fn new(content_type: &str, bytes: Bytes) -> Self {
        let essence = essence(content_type);
        let json = is_json(&essence).then(|| match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => Json::Valid { depth: depth_of(&value), value },
            Err(_) => Json::Malformed,
        });
        Self { bytes, form: essence == "application/x-www-form-urlencoded", json }
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes of the body.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The body as text. What is no UTF-8 in it reads as U+FFFD: one such byte must not hide the rest from a rule.
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    pub(super) fn is_form(&self) -> bool {
        self.form
    }

    pub(super) fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// The JSON value, where it is one.
    pub(super) fn json(&self) -> Option<&Value> {
        match &self.json {
            Some(Json::Valid { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// How deep the JSON is nested: 1 for a list or object without others in it; 0 where there is none.
    pub(super) fn depth(&self) -> usize {
        match &self.json {
            Some(Json::Valid { depth, .. }) => *depth,
            _ => 0,
        }
    }
}

/// The parser goes at most 128 levels deep, and so does this.
pub(super) fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth_of).max().unwrap_or_default(),
        _ => 0,
    }
}

/// The place that a pointer such as `user.address.0.zip` leads to; the whole value for `""`.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() {
        return Some(value);
    }
    pointer.split('.').try_fold(value, |here, step| match here {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_through_objects_and_lists() {
        let value = serde_json::json!({"a": {"b": [10, {"c": true}]}, "0": "x"});
        assert_eq!(at(&value, "a.b.1.c"), Some(&Value::Bool(true)));
        assert_eq!(at(&value, "0"), Some(&Value::from("x")));
        assert_eq!(at(&value, ""), Some(&value));
        for missing in ["a.b.2", "a.b.x", "a.b.1.c.d", "z", "a..b"] {
            assert_eq!(at(&value, missing), None, "{missing}");
        }
    }

    #[test]
    fn a_body_is_what_its_type_says() {
        let body = |kind, text: &'static str| BodyFacts::new(kind, Bytes::from_static(text.as_bytes()));
        assert_eq!(body("application/json; charset=utf-8", "[[1]]").depth(), 2);
        assert!(body("application/problem+json", "{").is_json());
        assert!(body("application/problem+json", "{").json().is_none());
        assert!(!body("text/plain", "{}").is_json());
        assert!(body("application/x-www-form-urlencoded", "a=b").is_form());
        assert_eq!(BodyFacts::new("text/plain", Bytes::from_static(b"\xffseen")).text(), "\u{fffd}seen");
    }
}
