//! `json::`: texts to values and back. What is nested too deep or too large is an error, never a surprise.

use rhai::{Dynamic, ImmutableString, Module, export_module, exported_module};
use serde_json::Value;

use super::json_body::plain;
use super::text::pay;
use crate::script::body::depth_of;
use crate::script::call::{Raised, error};
use crate::script::engine::STRING_BYTES_MAX;
use crate::script::plain::weight;

pub(super) fn module() -> Module {
    exported_module!(json)
}

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 8;

#[export_module]
mod json {
    /// The value of a JSON text; `null` becomes `""`. A mistake in the text, or a nesting past 8, is an error.
    #[rhai_fn(return_raw)]
    pub fn parse(s: &str) -> Raised<Dynamic> {
        pay(s.len() * 8)?;
        let value: Value = serde_json::from_str(s).map_err(|_| error("this is not JSON"))?;
        if depth_of(&value) > DEPTH_MAX {
            return Err(error(format!("JSON is read to a nesting of {DEPTH_MAX}")));
        }
        Ok(plain(&value, 0))
    }

    /// A value as JSON text: numbers, texts, and lists and maps of them.
    #[rhai_fn(return_raw)]
    pub fn text(value: Dynamic) -> Raised<ImmutableString> {
        let value = value.flatten();
        let weight = weight(&value).ok_or_else(|| error("this value has no JSON"))?;
        pay(weight)?;
        if weight > STRING_BYTES_MAX / 8 {
            return Err(error("this value is too large for a text"));
        }
        let value: Value = rhai::serde::from_dynamic(&value).map_err(|_| error("this value has no JSON"))?;
        Ok(value.to_string().into())
    }
}
