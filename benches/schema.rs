//! Budget: 1 us for the strict pass over 60 bytes of JSON, 3 us with a schema of three fields. Run alone with
//! `cargo bench schema:`.

use std::hint::black_box;

use criterion::Criterion;
use pluginmind::schema::Compiled;

/// A body without a schema, and with one.
pub fn judge_body(c: &mut Criterion) {
    let body = br#"{"name":"a","items":[1,2,3],"nested":{"a":{"b":{"c":true}}}}"#;
    c.bench_function("schema: strict pass", |b| {
        b.iter(|| pluginmind::schema::check(black_box(body), 64).is_ok());
    });
    let schema = serde_json::json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 64 },
            "items": { "type": "array", "items": { "type": "integer" }, "maxItems": 10 },
            "nested": { "type": "object" }
        },
        "required": ["name"],
        "additionalProperties": false
    });
    let schema = Compiled::compile(&schema).expect("a schema");
    c.bench_function("schema: validate", |b| b.iter(|| schema.validate(black_box(body)).is_ok()));
}
