//! `respond`: a route that the gateway answers itself.

use crate::base::document::Table;
use crate::base::nearest::nearest;
use crate::base::problems::Problem;

use crate::config::json::{each_text, to_json};

/// A fixed answer. `{name}` in texts stands for what the gateway saw: `request.id`, `route`, `auth.state`, `user.id`,
/// `generation`, `method`; other braces stand for themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Respond {
    /// The status.
    pub status: u16,
    /// A JSON body; texts in it may hold placeholders.
    pub json: Option<serde_json::Value>,
    /// A text body; may hold placeholders.
    pub text: Option<String>,
}

/// What `{…}` may name in a text.
pub const PLACEHOLDERS: [&str; 6] = ["request.id", "route", "auth.state", "user.id", "generation", "method"];

/// Statuses whose answers have no body (RFC 9110 section 6.4.1).
const BODILESS: [i64; 3] = [204, 205, 304];

impl Respond {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let status = table.integer("status", 200, (200, 599), "The status of the answer.");
        let json = table.value("json", "any value", "A JSON body; texts in it may hold `{request.id}`, `{route}`, `{auth.state}`, `{user.id}`, `{generation}`, `{method}`.");
        let json = json.map(|(value, span)| {
            each_text(value, span.clone(), &mut |span, text| {
                if let Err(why) = check_placeholders(text) {
                    table.report(Problem::at(table.place(span), why));
                }
            });
            to_json(value, span, &mut |span, why| {
                table.report(Problem::at(table.place(span), format!("`{}.json`: {why}", table.path())));
            })
        });
        let text = table.parsed("text", "text", "", "A text body; may hold the same placeholders.", |text| {
            check_placeholders(text).map(|()| text.to_owned())
        });
        if table.has("json") && table.has("text") {
            table.report(table.problem("text", "an answer has `json` or `text`, not both"));
        }
        if BODILESS.contains(&status) && (table.has("json") || table.has("text")) {
            table.report(table.problem("status", format!("an answer with status {status} has no body")));
        }
        table.finish();
        Self { status: u16::try_from(status).unwrap_or(200), json, text }
    }
}

/// Finds the first `{name}` that nothing stands for. What does not look like a name is no placeholder.
fn check_placeholders(text: &str) -> Result<(), String> {
    for (start, _) in text.match_indices('{') {
        let Some((name, _)) = text[start + 1..].split_once('}') else { break };
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'.' | b'_'));
        if is_name && !PLACEHOLDERS.contains(&name) {
            let hint = nearest(name, PLACEHOLDERS).map_or_else(
                || format!("known are `{{{}}}`", PLACEHOLDERS.join("}`, `{")),
                |near| format!("did you mean `{{{near}}}`?"),
            );
            return Err(format!("nothing stands for `{{{name}}}` ({hint})"));
        }
    }
    Ok(())
}
