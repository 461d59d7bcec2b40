//! `body_schema`: a JSON Schema, inline or in a file.

use std::path::PathBuf;
use std::sync::Arc;

use toml::de::DeValue;

use crate::base::document::Table;
use crate::base::problems::{Problem, Source};

use crate::config::context::Context;
use crate::config::file::read_file;
use crate::config::json::to_json;

/// A JSON Schema 2020-12 for request bodies.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Where it was read from, for problems; `inline` schemas name the config file.
    pub origin: String,
    /// The file it was read from, so that it is watched.
    pub file: Option<PathBuf>,
    /// The schema itself.
    pub document: Arc<serde_json::Value>,
}

/// Reads the key: a table is the schema, a text is its file. Whether it is a schema is seen when it is compiled.
pub(super) fn read(table: &mut Table<'_>, context: &mut Context) -> Option<Schema> {
    let doc =
        "A JSON Schema 2020-12 of request bodies: an inline table, or a file in the config file's folder.";
    let (value, span) = table.value("body_schema", "table or path", doc)?;
    match value {
        DeValue::Table(_) => {
            let document = to_json(value, span, &mut |span, why| {
                table.report(Problem::at(table.place(span), format!("`routes[].body_schema`: {why}")));
            });
            Some(Schema { origin: table.origin("body_schema"), file: None, document: Arc::new(document) })
        }
        DeValue::String(path) => from_file(table, path, context),
        _ => {
            table.report(
                table.problem("body_schema", "`routes[].body_schema` must be a table or a path in quotes"),
            );
            None
        }
    }
}

fn from_file(table: &Table<'_>, path: &str, context: &mut Context) -> Option<Schema> {
    let file = context.resolve(path);
    context.files.push(file.clone());
    let text = match read_file(&file) {
        Ok(file) => file.text,
        Err(why) => {
            table.report(table.problem("body_schema", format!("`routes[].body_schema`: {path}: {why}")));
            return None;
        }
    };
    match serde_json::from_str(&text) {
        Ok(document) => {
            Some(Schema { origin: path.to_owned(), file: Some(file), document: Arc::new(document) })
        }
        Err(error) => {
            let place = Source::new(path, text).place_at(error.line(), error.column());
            table.report(Problem::at(place, format!("is not JSON: {}", reason(&error))));
            None
        }
    }
}

/// The library's sentence without its own "at line 1 column 2".
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}
