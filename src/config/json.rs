//! TOML values as JSON.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

/// Turns a value into JSON; dates become texts. What JSON cannot say is handed to `report` with its place, and null.
/// The depth is bounded by the TOML parser (80 levels).
pub(super) fn to_json(
    value: &DeValue<'_>,
    span: Range<usize>,
    report: &mut dyn FnMut(Range<usize>, String),
) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Integer(number) => {
            let n = i64::from_str_radix(number.as_str(), number.radix()).ok().map(Number::from);
            n.map_or_else(
                || {
                    report(span, "is too large a number".to_owned());
                    Value::Null
                },
                Value::Number,
            )
        }
        DeValue::Float(number) => {
            let n = number.as_str().parse().ok().and_then(Number::from_f64);
            n.map_or_else(
                || {
                    report(span, format!("`{}` is no number of JSON", number.as_str()));
                    Value::Null
                },
                Value::Number,
            )
        }
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| to_json(item.get_ref(), item.span(), report)).collect())
        }
        DeValue::Table(table) => {
            let mut object = Map::new();
            for (name, value) in table {
                object.insert(name.get_ref().to_string(), to_json(value.get_ref(), value.span(), report));
            }
            Value::Object(object)
        }
    }
}

/// Calls `look` with every text of a value, and its place.
pub(super) fn each_text(value: &DeValue<'_>, span: Range<usize>, look: &mut dyn FnMut(Range<usize>, &str)) {
    match value {
        DeValue::String(text) => look(span, text),
        DeValue::Array(items) => items.iter().for_each(|item| each_text(item.get_ref(), item.span(), look)),
        DeValue::Table(table) => {
            table.values().for_each(|value| each_text(value.get_ref(), value.span(), look));
        }
        _ => {}
    }
}
