//! One pass over a JSON body that refuses what two readers could read differently: duplicate keys, deep nesting,
//! text that is no UTF-8, halves of characters, numbers that are no numbers, a second document.
//!
//! Time is linear in the body; no value is built; the recursion is as deep as the limit and no deeper.
//!
//! # Source
//! RFC 8259 sections 4, 6 and 8.1; THREATS JS-01 to JS-05.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// The deepest nesting that can be allowed: just below where the parser itself stops.
pub const DEPTH_MAX: usize = 126;

/// Up to here the keys of an object are compared one by one, which is quicker than hashing them.
const KEYS_COMPARED_MAX: usize = 8;

/// Why a body is no JSON that everybody reads alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is nothing in it but white space.
    #[error("The body is empty; JSON was expected.")]
    Empty,
    /// It is no JSON.
    #[error("The body is not valid JSON.")]
    Syntax,
    /// Two keys of one object are the same.
    #[error("The body holds an object with the same key twice.")]
    DuplicateKey,
    /// Arrays and objects stand in each other more deeply than allowed.
    #[error("The body is nested too deeply.")]
    TooDeep,
}

impl Malformed {
    /// The sentence for the client; it holds nothing of the body.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "The body is empty; JSON was expected.",
            Self::Syntax => "The body is not valid JSON.",
            Self::DuplicateKey => "The body holds an object with the same key twice.",
            Self::TooDeep => "The body is nested too deeply.",
        }
    }
}

/// Checks one JSON text. `depth_max` counts arrays and objects around a value and is at most [`DEPTH_MAX`].
///
/// # Errors
/// [`Malformed`] says why the body is refused.
pub fn check(body: &[u8], depth_max: usize) -> Result<(), Malformed> {
    if body.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
        return Err(Malformed::Empty);
    }
    let found = Cell::new(None);
    let mut parser = serde_json::Deserializer::from_slice(body);
    let value = Value { depth_left: depth_max.min(DEPTH_MAX), found: &found };
    value
        .deserialize(&mut parser)
        .and_then(|()| parser.end())
        .map_err(|_| found.get().unwrap_or(Malformed::Syntax))
}

/// A value that is read and forgotten.
#[derive(Clone, Copy)]
struct Value<'a> {
    depth_left: usize,
    found: &'a Cell<Option<Malformed>>,
}

impl<'a> Value<'a> {
    fn inner<E: de::Error>(self) -> Result<Value<'a>, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Value { depth_left, ..self }),
            None => Err(self.refuse(Malformed::TooDeep)),
        }
    }

    fn refuse<E: de::Error>(self, why: Malformed) -> E {
        self.found.set(Some(why));
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<(), E> {
        if n.is_finite() { Ok(()) } else { Err(self.refuse(Malformed::Syntax)) }
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys = Keys::default();
        while let Some(key) = pairs.next_key_seed(Key)? {
            if !keys.add(key) {
                return Err(self.refuse(Malformed::DuplicateKey));
            }
            pairs.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A key with its escapes resolved, borrowed from the body where it has none.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The keys of one object so far.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    /// Adds a key; `false` when it is there already.
    fn add(&mut self, key: Cow<'de, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < KEYS_COMPARED_MAX {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_64(body: &[u8]) -> Result<(), Malformed> {
        check(body, 64)
    }

    #[test]
    fn js_01_what_is_json_passes() {
        for body in [
            "[]",
            "{}",
            "[[]   ]",
            "[null, 1, \"1\", {}]",
            "[123e65]",
            "[0e+1]",
            "[-0]",
            "[-1]",
            "[1E22]",
            "[0.4e-9]",
            "{\"a\":[]}",
            "{\"\":0}",
            "{\"foo\\u0000bar\": 42}",
            "[\"\\u0060\\u012a\\u12AB\"]",
            "[\"\\uD801\\udc37\"]",
            "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
            "[\"\u{2028}\"]",
            "[\"\u{7f}\"]",
            " [] ",
            "true",
            "\"\"",
            "null",
            "42",
            "-0.1",
            "[\"a\"]\n",
            "{\"a\":{\"a\":{\"a\":1}}}",
            "[{\"a\":1},{\"a\":1}]",
        ] {
            assert_eq!(at_64(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn js_01_what_is_no_json_is_refused() {
        for body in [
            "[1 true]",
            "[\"\": 1]",
            "[,1]",
            "[1,,2]",
            "[1,]",
            "[\"x\"]]",
            "[x",
            "[3[4]]",
            "{\"a\":1,}",
            "{\"a\" b}",
            "{a: \"b\"}",
            "{\"a\":\"a\" 123}",
            "{1:1}",
            "{'a':0}",
            "{\"id\":0,,}",
            "[\"\\x00\"]",
            "[\"\\u00A\"]",
            "[\"\\a\"]",
            "['x']",
            "[\"a",
            "[\\n]",
            "/**/[]",
            "[]/**/",
            "[True]",
            "nul",
            "[",
            "{",
            "\"",
            "]",
            "<.>",
            "{}}",
            "[][]",
            "{\"a\":1}#",
            "[a",
            "[\"\n\"]",
            "[\"\t\"]",
            "{\"\":",
            "\u{60}[]",
            "[\u{a0}1]",
            "[1\u{c}]",
        ] {
            assert_eq!(at_64(body.as_bytes()), Err(Malformed::Syntax), "{body}");
        }
    }

    #[test]
    fn js_02_deep_nesting_is_refused_without_a_deep_stack() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(at_64(deep(64).as_bytes()), Ok(()));
        assert_eq!(at_64(deep(65).as_bytes()), Err(Malformed::TooDeep));
        for body in ["[".repeat(1_000_000), "{\"a\":".repeat(100_000), deep(100_000)] {
            assert_eq!(at_64(body.as_bytes()), Err(Malformed::TooDeep));
            assert_eq!(check(body.as_bytes(), usize::MAX), Err(Malformed::TooDeep));
        }
    }

    #[test]
    fn js_03_a_key_stands_once_in_an_object_however_it_is_written() {
        let many = (0..50).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",") + ",";
        for body in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1,"b":{"c":[{"x":1,"y":2,"x":3}]}}"#,
            r#"{"":1,"":2}"#,
            r#"{"\ud83d\ude00":1,"😀":2}"#,
            &format!("{{{many}\"k49\":1}}"),
            &format!("{{{many}\"k\\u0030\":1}}"),
        ] {
            assert_eq!(at_64(body.as_bytes()), Err(Malformed::DuplicateKey), "{body}");
        }
        for body in [r#"{"a":1,"A":2}"#, r#"{"a":{"a":1}}"#, &format!("{{{many}\"k50\":1}}")] {
            assert_eq!(at_64(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn js_04_a_number_is_one_that_everybody_reads() {
        let long = "9".repeat(400);
        for body in [
            "1e999",
            "-1e999",
            "NaN",
            "Infinity",
            "-Infinity",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "0x1",
            "-",
            &long,
        ] {
            assert_eq!(at_64(format!("[{body}]").as_bytes()), Err(Malformed::Syntax), "{body}");
        }
        for body in ["-0", "9007199254740993", "18446744073709551616", "1e308", "0.1", "1e-999"] {
            assert_eq!(at_64(format!("[{body}]").as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn js_05_text_is_whole_utf_8_and_one_document() {
        let utf_16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bodies: [&[u8]; 12] = [
            b"\xef\xbb\xbf{}",
            &utf_16,
            b"[\"\xff\"]",
            b"{\"\xc0\xaf\":1}",
            b"[\"\xed\xa0\x80\"]",
            br#"["\ud800"]"#,
            br#"["\udc00\ud800"]"#,
            br#"{"\ud800x":1}"#,
            b"[\"a\x00b\"]",
            b"{}\x00",
            b"{} {}",
            b"1 2",
        ];
        for body in bodies {
            assert_eq!(at_64(body), Err(Malformed::Syntax), "{}", body.escape_ascii());
        }
        for body in [&b""[..], b" \r\n\t"] {
            assert_eq!(at_64(body), Err(Malformed::Empty));
        }
    }

    #[test]
    fn js_08_many_keys_and_many_items_are_no_trouble() {
        let items = format!("[{}0]", "0,".repeat(500_000));
        let keys: Vec<String> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
        assert_eq!(at_64(items.as_bytes()), Ok(()));
        assert_eq!(at_64(format!("{{{}}}", keys.join(",")).as_bytes()), Ok(()));
    }

    #[test]
    fn the_two_forms_of_a_sentence_are_one() {
        for why in [Malformed::Empty, Malformed::Syntax, Malformed::DuplicateKey, Malformed::TooDeep] {
            assert_eq!(why.to_string(), why.sentence());
        }
    }
}
