//! `pluginmind healthcheck`: one question, answered by the exit code alone: 0 or 1.

use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, render, running, whereabouts};

pub(super) fn run(options: &Options) -> Exit {
    match ask(options) {
        Ok((ready, document)) => {
            render::result(options.format, &document, || words(&document));
            if ready { Exit::Fine } else { Exit::Problems }
        }
        Err(failure) => {
            failure.tell();
            Exit::Problems
        }
    }
}

fn ask(options: &Options) -> Result<(bool, Value), Failure> {
    let gateway = whereabouts::find(options)?;
    let answer = running::get(&gateway, "/ready").map_err(|error| Failure::problem(error.to_string()))?;
    let document = serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!({ "status": "unready" }));
    Ok((answer.status == 200, document))
}

fn words(document: &Value) -> String {
    let status = document.get("status").and_then(Value::as_str).unwrap_or("unready");
    let reasons = document.get("reasons").and_then(Value::as_array).into_iter().flatten();
    let reasons: Vec<_> = reasons.filter_map(Value::as_str).collect();
    if reasons.is_empty() { status.to_owned() } else { format!("{status}: {}", reasons.join(", ")) }
}
