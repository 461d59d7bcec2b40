//! Floor 3: JSON bodies, judged: by the text alone ([`check`]) and by a JSON Schema 2020-12 ([`Compiled`]).
//!
//! # Source
//! CONTRACT section 3, stage 12; THREATS section JS.

mod message;
mod strict;

pub use strict::{DEPTH_MAX, Malformed, check};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::base::refusal::Detail;

/// Most findings that are told about one body.
pub const DETAILS_MAX: usize = 20;

/// Longest body of which all findings are collected; of a longer one the first is told, for a million wrong items
/// would make a million findings before the first twenty could be chosen.
const ALL_FINDINGS_BYTES_MAX: usize = 64 * 1024;

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A schema that is ready to judge bodies.
#[derive(Debug)]
pub struct Compiled(Validator);

impl Compiled {
    /// Compiles a schema: 2020-12, unless its `$schema` names an older draft. Nothing is fetched: a reference to a document outside is an error. Patterns run on an engine
    /// of linear time, so back-references and look-around are errors too.
    ///
    /// # Errors
    /// A sentence about the schema, for the operator.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .build(schema)
            .map(Self)
            .map_err(|problem| message::about_the_schema(&problem))
    }

    /// Judges a body that [`check`] has let pass.
    ///
    /// # Errors
    /// What is wrong: places and rules, never values; at most [`DETAILS_MAX`].
    pub fn validate(&self, body: &[u8]) -> Result<(), Vec<Detail>> {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Err(vec![Detail { path: String::new(), message: "must be valid JSON".to_owned() }]);
        };
        if self.0.is_valid(&value) {
            return Ok(());
        }
        if body.len() > ALL_FINDINGS_BYTES_MAX {
            return self.0.validate(&value).map_err(|first| vec![message::about_the_body(&first)]);
        }
        Err(self.0.iter_errors(&value).take(DETAILS_MAX).map(|e| message::about_the_body(&e)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings(schema: &Value, body: &str) -> Vec<(String, String)> {
        let compiled = Compiled::compile(schema).unwrap();
        let details = compiled.validate(body.as_bytes()).err().unwrap_or_default();
        details.into_iter().map(|d| (d.path, d.message)).collect()
    }

    fn found(path: &str, message: &str) -> (String, String) {
        (path.to_owned(), message.to_owned())
    }

    #[test]
    fn findings_name_the_place_and_the_rule() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
                "name": { "type": "string", "maxLength": 5 },
                "items": { "type": "array", "items": { "type": "integer", "minimum": 1 } },
                "mail": { "enum": ["a", "b"] },
            },
        });
        assert_eq!(findings(&schema, r#"{"name":"ok","items":[1,2]}"#), []);
        assert_eq!(findings(&schema, "{}"), [found("", "needs the property `name`")]);
        assert_eq!(
            findings(&schema, r#"{"name":"far too long"}"#),
            [found("/name", "must have at most 5 characters")]
        );
        assert_eq!(
            findings(&schema, r#"{"name":"a","items":[1,0]}"#),
            [found("/items/1", "must be at least 1")]
        );
        assert_eq!(findings(&schema, r#"{"name":1}"#), [found("/name", "must be of type string")]);
        assert_eq!(
            findings(&schema, r#"{"name":"a","mail":"z"}"#),
            [found("/mail", "must be one of the listed values")]
        );
    }

    #[test]
    fn a_finding_never_holds_a_value() {
        let canary = "canary-4711";
        let schemas = [
            json!({"type": "integer"}),
            json!({"enum": ["x"]}),
            json!({"const": "x"}),
            json!({"pattern": "^x+$"}),
            json!({"maxLength": 1}),
            json!({"format": "email", "minLength": 99}),
            json!({"not": {"type": "string"}}),
            json!({"anyOf": [{"type": "integer"}, {"maxLength": 2}]}),
            json!({"oneOf": [{"type": "string"}, {"minLength": 2}]}),
            json!(false),
        ];
        for schema in schemas {
            let all = findings(&schema, &format!("\"{canary}\""));
            assert!(!all.is_empty(), "{schema}");
            assert!(all.iter().all(|(p, m)| !m.contains(canary) && !p.contains(canary)), "{schema}: {all:?}");
        }
        let schema = json!({"additionalProperties": false, "propertyNames": {"maxLength": 3}, "unevaluatedProperties": false});
        let all = findings(&schema, &format!("{{\"{canary}\":1}}"));
        assert!(!all.is_empty() && all.iter().all(|(_, m)| !m.contains(canary)), "{all:?}");
    }

    #[test]
    fn at_most_twenty_findings_are_told() {
        let schema = json!({"items": {"type": "string"}});
        let wrong = |n: usize| format!("[{}0]", "0,".repeat(n));
        assert_eq!(findings(&schema, &wrong(100)).len(), DETAILS_MAX);
        assert_eq!(findings(&schema, &wrong(100_000)), [found("/0", "must be of type string")]);
    }

    #[test]
    fn js_07_nothing_is_fetched() {
        for uri in
            ["http://127.0.0.1:1/x.json", "https://example.com/x.json", "file:///etc/passwd", "other.json"]
        {
            let refused = Compiled::compile(&json!({"$ref": uri})).unwrap_err();
            assert!(refused.contains("outside"), "{refused}");
        }
        let local = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}});
        assert_eq!(findings(&local, "1"), []);
        assert_eq!(findings(&local, "\"a\"").len(), 1);
    }

    #[test]
    fn js_07_a_schema_may_refer_to_itself() {
        let tree = json!({"properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}});
        assert_eq!(findings(&tree, r#"{"next":{"next":{"n":1}}}"#), []);
        assert_eq!(
            findings(&tree, r#"{"next":{"next":{"n":"x"}}}"#),
            [found("/next/next/n", "must be of type integer")]
        );
    }

    #[test]
    fn js_07_a_schema_that_refers_only_to_itself_ends() {
        let circle =
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
        for schema in [json!({"$ref": "#"}), json!({"allOf": [{"$ref": "#"}]}), circle] {
            if let Ok(compiled) = Compiled::compile(&schema) {
                assert!(compiled.validate(b"{\"a\":[1]}").is_ok(), "{schema}");
            }
        }
    }

    #[test]
    fn js_07_a_schema_without_a_draft_is_2020_12_and_an_unknown_draft_is_refused() {
        let tuple = json!({"prefixItems": [{"type": "integer"}], "items": false});
        assert_eq!(findings(&tuple, "[1]"), []);
        assert_eq!(findings(&tuple, "[1,2]").len(), 1);
        assert!(Compiled::compile(&json!({"$schema": "https://example.com/mine"})).is_err());
    }

    #[test]
    fn js_07_patterns_run_in_linear_time() {
        let schema = json!({"pattern": "^(a+)+$"});
        let body = format!("\"{}!\"", "a".repeat(50_000));
        assert_eq!(findings(&schema, &body).len(), 1);
        for pattern in [r"(a)\1", "(?=a)b", "(?<!a)b"] {
            assert!(Compiled::compile(&json!({"pattern": pattern})).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_wrong_schema_is_one_sentence() {
        let sentence = Compiled::compile(&json!({"type": "strin"})).unwrap_err();
        assert!(!sentence.contains('\n') && sentence.contains("/type"), "{sentence}");
    }
}
