//! Settings of a plugin: the types that a manifest may name, and values that fit them.

use std::net::IpAddr;
use std::time::Duration;

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::Value;
use toml::de::DeValue;

use super::api;
use crate::base::nearest::nearest;
use crate::base::units::{parse_duration, parse_size};

/// Items of a list or map setting.
const ITEMS_MAX: usize = 500;
/// The longest text of a setting, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// The type of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    String,
    Duration,
    Size,
    Ip,
    Cidr,
    Country,
    Glob,
    Regex,
    Pointer,
    Time,
    Date,
    Timezone,
    Map,
    List(Box<Self>),
}

const WORDS: [(&str, Kind); 16] = [
    ("bool", Kind::Bool),
    ("int", Kind::Int),
    ("float", Kind::Float),
    ("string", Kind::String),
    ("duration", Kind::Duration),
    ("size", Kind::Size),
    ("ip", Kind::Ip),
    ("cidr", Kind::Cidr),
    ("country", Kind::Country),
    ("glob", Kind::Glob),
    ("regex", Kind::Regex),
    ("pointer", Kind::Pointer),
    ("time", Kind::Time),
    ("date", Kind::Date),
    ("timezone", Kind::Timezone),
    ("map", Kind::Map),
];

impl Kind {
    /// Reads a type as a manifest writes it.
    ///
    /// # Errors
    /// A sentence with the nearest known type.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_prefix("list<").and_then(|t| t.strip_suffix('>')) {
            return match Self::parse(inner)? {
                Self::List(_) => Err("a list of lists is not a type".to_owned()),
                kind => Ok(Self::List(Box::new(kind))),
            };
        }
        WORDS.iter().find(|(w, _)| *w == text).map(|(_, k)| k.clone()).ok_or_else(|| {
            let near = nearest(text, WORDS.iter().map(|(w, _)| *w));
            let hint = near.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
            format!("`{text}` is not a type{hint}")
        })
    }

    /// The value as a script sees it.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn read(&self, value: &Value) -> Result<Dynamic, String> {
        match (self, value) {
            (Self::Bool, Value::Bool(b)) => Ok(Dynamic::from(*b)),
            (Self::Int, Value::Number(n)) => {
                n.as_i64().map(Dynamic::from).ok_or_else(|| "must be a whole number".into())
            }
            (Self::Float, Value::Number(n)) => {
                n.as_f64().map(Dynamic::from).ok_or_else(|| "must be a number".into())
            }
            (Self::Map, Value::Object(_)) => plain(value, 0),
            (Self::List(kind), Value::Array(items)) => {
                if items.len() > ITEMS_MAX {
                    return Err(format!("has more than {ITEMS_MAX} items"));
                }
                let read = |(i, item)| kind.read(item).map_err(|why| format!("item {}: {why}", i + 1));
                items.iter().enumerate().map(read).collect::<Result<Array, _>>().map(Dynamic::from)
            }
            (Self::Bool | Self::Int | Self::Float | Self::Map | Self::List(_), _) => {
                Err(self.wanted().to_owned())
            }
            (_, Value::String(text)) => {
                if text.len() > TEXT_BYTES_MAX {
                    return Err(format!("is longer than {TEXT_BYTES_MAX} bytes"));
                }
                self.check_text(text).map(|()| Dynamic::from(ImmutableString::from(text)))
            }
            _ => Err(self.wanted().to_owned()),
        }
    }

    /// The measure that `min` and `max` compare: the number itself, milliseconds, bytes, items or characters.
    #[expect(clippy::cast_precision_loss, reason = "bounds of settings are far below 2^52")]
    pub fn measure(&self, value: &Value) -> Option<f64> {
        match (self, value) {
            (_, Value::Number(n)) => n.as_f64(),
            (Self::Duration, Value::String(t)) => {
                parse_duration(t).ok().map(|d: Duration| d.as_millis() as f64)
            }
            (Self::Size, Value::String(t)) => parse_size(t).ok().map(|b| b as f64),
            (Self::String, Value::String(t)) => Some(t.chars().count() as f64),
            (Self::List(_), Value::Array(items)) => Some(items.len() as f64),
            _ => None,
        }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        match self {
            Self::Duration => parse_duration(text).map(drop),
            Self::Size => parse_size(text).map(drop),
            Self::Ip => {
                text.parse::<IpAddr>().map(drop).map_err(|_| format!("`{text}` is not an IP address"))
            }
            Self::Cidr => {
                let known = text.parse::<ipnet::IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
                if known { Ok(()) } else { Err(format!("`{text}` is not a network such as \"10.0.0.0/8\"")) }
            }
            Self::Country => {
                let known = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
                if known { Ok(()) } else { Err(format!("`{text}` is not a country code such as \"CH\"")) }
            }
            Self::Glob => api::glob(text).map(drop),
            Self::Regex => api::pattern(text).map(drop),
            Self::Time => api::parse_clock_time(text).map(drop),
            Self::Date => text
                .parse::<jiff::civil::Date>()
                .map(drop)
                .map_err(|_| format!("`{text}` is not a date such as \"2026-12-25\"")),
            Self::Timezone => api::zone(text).map(drop),
            _ => Ok(()),
        }
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Bool => "must be true or false",
            Self::Int => "must be a whole number",
            Self::Float => "must be a number",
            Self::Map => "must be a table",
            Self::List(_) => "must be a list",
            _ => "must be a text in quotes",
        }
    }
}

/// Any plain data, for `map`.
fn plain(value: &Value, depth: usize) -> Result<Dynamic, String> {
    if depth > 4 {
        return Err("is nested too deep".to_owned());
    }
    match value {
        Value::Null => Err("holds an empty value".to_owned()),
        Value::Bool(b) => Ok(Dynamic::from(*b)),
        Value::Number(n) => n
            .as_i64()
            .map(Dynamic::from)
            .or_else(|| n.as_f64().map(Dynamic::from))
            .ok_or_else(|| "holds a number out of range".into()),
        Value::String(t) => Ok(Dynamic::from(ImmutableString::from(t))),
        Value::Array(items) if items.len() <= ITEMS_MAX => {
            items.iter().map(|v| plain(v, depth + 1)).collect::<Result<Array, _>>().map(Dynamic::from)
        }
        Value::Object(map) if map.len() <= ITEMS_MAX => {
            let read = |(k, v): (&String, &Value)| Ok((k.into(), plain(v, depth + 1)?));
            map.iter().map(read).collect::<Result<Map, String>>().map(Dynamic::from)
        }
        _ => Err(format!("has more than {ITEMS_MAX} items")),
    }
}

/// A TOML value as plain data; dates become text.
pub(super) fn plain_data(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(t) => Value::from(t.as_ref()),
        DeValue::Boolean(b) => Value::from(*b),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).map_or(Value::Null, Value::from),
        DeValue::Float(n) => n.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Datetime(d) => Value::from(d.to_string()),
        DeValue::Array(items) => items.iter().map(|v| plain_data(v.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(k, v)| (k.get_ref().to_string(), plain_data(v.get_ref()))).collect()
        }
    }
}

/// A value as a script sees it, back as plain data: for `set_setting` in tests.
pub(super) fn from_script(value: &Dynamic) -> Value {
    rhai::serde::from_dynamic(value).unwrap_or(Value::Null)
}
