//! What an operator does with the policy over the API: another mode for a plugin, and a question to the playground.

use std::time::Duration;

use http::Response;
use serde_json::Value;

use super::fields::{Fields, detail};
use super::{Admin, answer};
use crate::base::refusal::{Detail, Refusal};
use crate::base::target::query_pairs;
use crate::config::Mode;
use crate::live::promotion::PromotionError;
use crate::pipeline::answer::Body;
use crate::server::playground::{BadQuestion, Playground, PlaygroundError, RequestFields};
use crate::server::policy_source::PolicySource;
use crate::server::promotion::{PromoteError, Promoter};
use crate::store::Impact;

/// What an operator does with the files of the policy while the gateway runs.
#[derive(Clone)]
pub struct Tools {
    pub(in crate::server) promoter: Promoter,
    pub(in crate::server) playground: Playground,
}

impl Tools {
    /// Tools for these files.
    pub fn new(files: &PolicySource) -> Self {
        Self { promoter: Promoter::new(files.clone()), playground: Playground::new(files.clone()) }
    }
}

/// Longest body of a question to the playground, in bytes: a request and a script, each character of which may be escaped.
pub(in crate::server) const QUESTION_BYTES_MAX: usize = 512 << 10;

/// How far back a plugin's impact is shown.
const IMPACT_SINCE: Duration = Duration::from_secs(24 * 60 * 60);

const UNAVAILABLE: Refusal = Refusal::Unavailable { retry_after: None };

/// `POST /admin/api/plugins/mode`: `{"name": …, "mode": …}`.
pub(super) async fn switch_mode(admin: &Admin, body: &[u8]) -> Result<Response<Body>, Refusal> {
    let mut fields = Fields::read(body)?;
    let (name, word) = (fields.text("name"), fields.text("mode"));
    let mode = Mode::of(&word);
    if mode.is_none() && !word.is_empty() {
        fields.wrong("mode", "must be `enforce`, `shadow` or `off`");
    }
    fields.finish()?;
    // A mode that is missing was told above.
    let mode =
        mode.ok_or(Refusal::InvalidInput(vec![detail("mode", "must be `enforce`, `shadow` or `off`")]))?;
    let promoter = &admin.tools.as_ref().ok_or(UNAVAILABLE)?.promoter;
    let promoted = promoter.switch(&admin.gateway, admin.reloader.get(), &name, mode).await;
    promoted.map(|promoted| answer::json(&promoted)).map_err(|error| refusal_of_switch(&error))
}

/// `GET /admin/api/plugins/impact?name=…`: what a plugin would have refused in the last 24 hours.
pub(super) async fn impact(admin: &Admin, query: &str) -> Result<Impact, Refusal> {
    let plugin = match query_pairs(query).collect::<Vec<_>>().as_slice() {
        [(key, name)] if key == "name" => name.clone(),
        _ => return Err(Refusal::BadRequest("The query is `name=`, with the name of a plugin.")),
    };
    let is_known = admin.gateway.live.current().rules.plugins().iter().any(|known| *known.name == *plugin);
    if is_known { impact_of(admin, plugin).await } else { Err(Refusal::NotFound) }
}

/// What a plugin would have refused in the last [`IMPACT_SINCE`].
pub(in crate::server) async fn impact_of(admin: &Admin, plugin: String) -> Result<Impact, Refusal> {
    let back = i64::try_from(IMPACT_SINCE.as_millis()).unwrap_or(i64::MAX);
    let since_ms = admin.gateway.clock.unix_ms().saturating_sub(back);
    admin.readings.read(&admin.gateway, move |reader| reader.impact(&plugin, since_ms)).await
}

/// The refusal that says why a mode was not switched.
pub(in crate::server) fn refusal_of_switch(error: &PromoteError) -> Refusal {
    let wrong = |name, message: String| Refusal::InvalidInput(vec![detail(name, &message)]);
    match error {
        PromoteError::Promotion(PromotionError::Broken(problems)) => {
            let found = problems.iter().take(crate::schema::DETAILS_MAX);
            Refusal::InvalidInput(found.map(|problem| detail("", &problem.short())).collect::<Vec<Detail>>())
        }
        error if error.is_no_plugin() => wrong("name", error.to_string()),
        PromoteError::Aside(_) | PromoteError::NotReloaded => {
            tracing::warn!(%error, "the mode of a plugin was not switched");
            UNAVAILABLE
        }
        error => wrong("", error.to_string()),
    }
}

/// `POST /admin/api/playground`: a request, and the edited `main.rhai` of a plugin. Nothing is saved.
pub(super) async fn play(admin: &Admin, body: &[u8]) -> Result<Response<Body>, Refusal> {
    let mut fields = Fields::read(body)?;
    let asked = asked(&mut fields);
    fields.finish()?;
    let question = asked.question().map_err(|why| wrong_question(&why))?;
    let playground = &admin.tools.as_ref().ok_or(UNAVAILABLE)?.playground;
    let judged = playground.judge(&admin.gateway, question).await;
    judged.map(|judged| answer::json(&judged)).map_err(|error| refusal_of_play(&error))
}

/// The refusal that says why a question has no answer.
pub(in crate::server) fn refusal_of_play(error: &PlaygroundError) -> Refusal {
    match error {
        PlaygroundError::NoPlugin(_) => Refusal::InvalidInput(vec![detail("plugin", &error.to_string())]),
        PlaygroundError::Unread(_) | PlaygroundError::Play(_) => {
            Refusal::InvalidInput(vec![detail("", &error.to_string())])
        }
        PlaygroundError::Aside(_) => UNAVAILABLE,
    }
}

fn asked(fields: &mut Fields) -> RequestFields {
    let mut text = |name: &str| fields.text_or_absent(name).unwrap_or_default();
    let (ip, user, api_key_tier) = (text("ip"), text("user"), text("api_key_tier"));
    let (country, plugin) = (text("country"), text("plugin"));
    let script = fields.text_or_absent("script");
    let upstream_status =
        fields.integer_or_absent("upstream_status").map(|status| status.to_string()).unwrap_or_default();
    let roles = fields.texts("roles");
    let request = match fields.value("request") {
        Some(Value::String(raw)) => raw.into_bytes(),
        Some(Value::Object(parts)) => raw_of(parts, fields),
        _ => {
            fields.wrong(
                "request",
                "must be raw HTTP as a text, or an object with `method`, `target`, `headers` and `body`",
            );
            Vec::new()
        }
    };
    RequestFields { request, ip, user, api_key_tier, roles, country, upstream_status, plugin, script }
}

/// Raw HTTP of a request's parts; a `Host` is added where there is none.
fn raw_of(mut parts: serde_json::Map<String, Value>, fields: &mut Fields) -> Vec<u8> {
    let mut text = |name: &str, otherwise: &str| match parts.remove(name) {
        None => otherwise.to_owned(),
        Some(Value::String(text)) => text,
        Some(_) => {
            fields.wrong("request", "holds a part that is no text");
            String::new()
        }
    };
    let (method, target, body) = (text("method", "GET"), text("target", "/"), text("body", ""));
    let mut raw = format!("{method} {target} HTTP/1.1\r\n");
    let mut has_host = false;
    let mut header = |name: &str, value: &Value, fields: &mut Fields| match value {
        Value::String(value) if !name.contains(['\r', '\n']) && !value.contains(['\r', '\n']) => {
            has_host |= name.eq_ignore_ascii_case("host");
            raw.extend([name, ": ", value, "\r\n"]);
        }
        _ => fields.wrong("request", "holds a header that is no line of text"),
    };
    match parts.remove("headers") {
        None => {}
        Some(Value::Object(headers)) => headers.iter().for_each(|(name, value)| header(name, value, fields)),
        Some(Value::Array(pairs)) => {
            for pair in &pairs {
                match pair.as_array().map(Vec::as_slice) {
                    Some([Value::String(name), value]) => header(name, value, fields),
                    _ => fields.wrong("request", "holds a header that is no pair of a name and a value"),
                }
            }
        }
        Some(_) => fields.wrong("request", "`headers` must be an object, or a list of pairs"),
    }
    if !has_host {
        raw.push_str("Host: localhost\r\n");
    }
    if !parts.is_empty() {
        fields.wrong("request", "holds a part that is not known");
    }
    format!("{raw}\r\n{body}").into_bytes()
}

/// The refusal that says what is wrong with a question.
pub(in crate::server) fn wrong_question(why: &BadQuestion) -> Refusal {
    let field = match why {
        BadQuestion::Request(_) | BadQuestion::RequestTooLarge => "request",
        BadQuestion::ScriptTooLarge => "script",
        BadQuestion::WhosePlugin => "plugin",
        BadQuestion::Client => "ip",
        BadQuestion::Country => "country",
        BadQuestion::Status => "upstream_status",
        BadQuestion::WhoseRoles => "roles",
        BadQuestion::TwoSenders => "user",
    };
    Refusal::InvalidInput(vec![detail(field, &why.to_string())])
}
