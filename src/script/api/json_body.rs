//! `req.json`: a JSON body, read through pointers such as `"user.address.0.zip"`; `""` is the whole value.

use std::sync::Arc;

use rhai::{Array, Dynamic, ImmutableString, Module, export_module, exported_module};
use serde_json::Value;

use crate::script::body::at;
use crate::script::call::{Raised, Request, error};
use crate::script::engine::ARRAY_ITEMS_MAX;
use crate::script::facts::RequestFacts;

/// The deepest nesting of what `list` gives.
const LIST_DEPTH_MAX: usize = 16;

/// The handle of `req.json`.
#[derive(Clone)]
pub(super) struct JsonBody(pub Arc<RequestFacts>);

impl JsonBody {
    fn at(&self, pointer: &str) -> Option<&Value> {
        at(self.0.body.get()?.json()?, pointer)
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<JsonBody>("JsonBody");
    module.combine_flatten(exported_module!(json));
}

fn kind_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "flag",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "text",
        Some(Value::Array(_)) => "list",
        Some(Value::Object(_)) => "object",
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "rhai's errors travel in a box")]
fn other_kind(pointer: &str, value: &Value, wanted: &str) -> Box<rhai::EvalAltResult> {
    error(format!("`{pointer}` is of the kind `{}`, not {wanted}", kind_of(Some(value))))
}

/// A value as scripts have them; `null` becomes `""`, and what is nested too deep is left out.
pub(super) fn plain(value: &Value, depth: usize) -> Dynamic {
    match value {
        Value::Null => Dynamic::from(ImmutableString::new()),
        Value::Bool(b) => Dynamic::from(*b),
        Value::Number(n) => {
            n.as_i64().map_or_else(|| Dynamic::from(n.as_f64().unwrap_or(f64::MAX)), Dynamic::from)
        }
        Value::String(s) => Dynamic::from(ImmutableString::from(s.as_str())),
        Value::Array(items) if depth < LIST_DEPTH_MAX => {
            Dynamic::from(items.iter().take(ARRAY_ITEMS_MAX).map(|v| plain(v, depth + 1)).collect::<Array>())
        }
        Value::Object(fields) if depth < LIST_DEPTH_MAX => {
            let fields = fields.iter().take(ARRAY_ITEMS_MAX);
            Dynamic::from(fields.map(|(k, v)| (k.into(), plain(v, depth + 1))).collect::<rhai::Map>())
        }
        Value::Array(_) | Value::Object(_) => Dynamic::from(ImmutableString::new()),
    }
}

#[expect(clippy::cast_possible_wrap, reason = "lengths are far below 2^63")]
#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod json {
    /// The body of the request as JSON.
    #[rhai_fn(get = "json", pure)]
    pub fn json_of(req: &mut Request) -> JsonBody {
        JsonBody(req.0.facts.clone())
    }

    /// Whether the body is JSON without a mistake.
    #[rhai_fn(get = "valid", pure)]
    pub fn valid(json: &mut JsonBody) -> bool {
        json.at("").is_some()
    }

    /// How deep objects and lists are nested.
    #[rhai_fn(get = "depth", pure)]
    pub fn depth(json: &mut JsonBody) -> i64 {
        json.0.body.get().map_or(0, |b| b.depth() as i64)
    }

    /// Bytes of the body.
    #[rhai_fn(get = "size", pure)]
    pub fn size(json: &mut JsonBody) -> i64 {
        json.0.body.get().map_or(0, |b| b.size() as i64)
    }

    /// Whether there is something at the pointer.
    #[rhai_fn(pure)]
    pub fn has(json: &mut JsonBody, pointer: &str) -> bool {
        json.at(pointer).is_some()
    }

    /// `"object"`, `"list"`, `"text"`, `"number"`, `"flag"`, `"null"`, or `""` where there is nothing.
    #[rhai_fn(pure)]
    pub fn kind(json: &mut JsonBody, pointer: &str) -> ImmutableString {
        kind_of(json.at(pointer)).into()
    }

    /// The text at the pointer, `default` where there is nothing; another kind is a fault.
    #[rhai_fn(return_raw, pure)]
    pub fn text(json: &mut JsonBody, pointer: &str, default: ImmutableString) -> Raised<ImmutableString> {
        match json.at(pointer) {
            None => Ok(default),
            Some(Value::String(text)) => Ok(text.into()),
            Some(other) => Err(other_kind(pointer, other, "a text")),
        }
    }

    /// The number at the pointer, `default` where there is nothing; another kind is a fault.
    #[rhai_fn(return_raw, pure)]
    pub fn number(json: &mut JsonBody, pointer: &str, default: i64) -> Raised<Dynamic> {
        match json.at(pointer) {
            None => Ok(Dynamic::from(default)),
            Some(value @ Value::Number(_)) => Ok(plain(value, 0)),
            Some(other) => Err(other_kind(pointer, other, "a number")),
        }
    }

    /// The number at the pointer, `default` where there is nothing; another kind is a fault.
    #[rhai_fn(name = "number", return_raw, pure)]
    pub fn number_or_float(json: &mut JsonBody, pointer: &str, default: f64) -> Raised<Dynamic> {
        match json.at(pointer) {
            None => Ok(Dynamic::from(default)),
            Some(value @ Value::Number(_)) => Ok(plain(value, 0)),
            Some(other) => Err(other_kind(pointer, other, "a number")),
        }
    }

    /// The truth value at the pointer, `default` where there is nothing; another kind is a fault.
    #[rhai_fn(return_raw, pure)]
    pub fn flag(json: &mut JsonBody, pointer: &str, default: bool) -> Raised<bool> {
        match json.at(pointer) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(other_kind(pointer, other, "a flag")),
        }
    }

    /// Items of a list, fields of an object, characters of a text; 0 for everything else.
    #[rhai_fn(pure)]
    pub fn len(json: &mut JsonBody, pointer: &str) -> i64 {
        match json.at(pointer) {
            Some(Value::Array(items)) => items.len() as i64,
            Some(Value::Object(fields)) => fields.len() as i64,
            Some(Value::String(text)) => text.chars().count() as i64,
            _ => 0,
        }
    }

    /// The names of an object's fields, the first thousand; empty for everything else.
    #[rhai_fn(pure)]
    pub fn keys(json: &mut JsonBody, pointer: &str) -> Array {
        match json.at(pointer) {
            Some(Value::Object(fields)) => {
                let names = fields.keys().take(ARRAY_ITEMS_MAX);
                names.map(|k| Dynamic::from(ImmutableString::from(k.as_str()))).collect()
            }
            _ => Array::new(),
        }
    }

    /// The items of a list, the first thousand; empty for everything else. `null` reads as `""`.
    #[rhai_fn(pure)]
    pub fn list(json: &mut JsonBody, pointer: &str) -> Array {
        match json.at(pointer) {
            Some(Value::Array(items)) => items.iter().take(ARRAY_ITEMS_MAX).map(|v| plain(v, 0)).collect(),
            _ => Array::new(),
        }
    }
}
