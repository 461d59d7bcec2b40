//! Talking to the running gateway, and what its answers mean for a verb.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::client::{self, Answer, NoAnswer, Question};
use super::exit::Exit;
use super::failure::Failure;
use super::whereabouts::Whereabouts;
use super::{Options, inputs, offline, whereabouts};
use crate::base::secret::Secret;
use crate::server::admin::action::{Action, Which};
use crate::server::admin::bans::{Freed, Whom};
use crate::server::admin::token::read_token;

/// Longest wait for an answer that needs no work.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Longest wait for a reload, or for a change: a password waits for its turn to be hashed.
const CHANGE_MAX: Duration = Duration::from_secs(30);

/// Asks the running gateway for a document.
pub(super) fn get(gateway: &Whereabouts, path: &str) -> Result<Answer, NoAnswer> {
    // On loopback reads need no token, and it goes to nobody who does not need it.
    let token = if gateway.admin.ip().is_loopback() { None } else { read_token(&gateway.token).ok() };
    let question =
        Question { method: Method::GET, path, token: token.as_ref(), body: None, wait: ANSWER_MAX };
    client::ask(gateway.admin, question)
}

/// Has the running gateway take over the files.
pub(super) fn reload(gateway: &Whereabouts) -> Result<Value, Failure> {
    let answer = post(gateway, "/admin/api/reload", None)?;
    document(gateway, &answer)
}

/// Makes a change: through the running gateway, or in the database where none runs.
pub(super) fn change(options: &Options, action: Action) -> Result<Value, Failure> {
    let gateway = whereabouts::find(options)?;
    let asked = words(&action);
    let answer = match knock(&gateway) {
        Ok(()) => post(&gateway, action.path(), Some(&action))?,
        Err(NoAnswer::NotRunning(_)) => return offline::perform(&inputs::config(options)?, action),
        Err(other) => return Err(Failure::cannot_run(other.to_string())),
    };
    if answer.status == 404 {
        return Err(Failure::problem(asked));
    }
    document(&gateway, &answer)
}

/// The sentence for what is not there.
pub(super) fn words(action: &Action) -> String {
    match action {
        Action::RevokeSessions(Which::Id(_)) => "there is no such session".to_owned(),
        Action::RevokeKey { .. } => "there is no such key".to_owned(),
        Action::Free(Freed::One(Whom::Address(_))) => "there is no such ban".to_owned(),
        Action::Free(_) => "there is no such account, or it is not banned".to_owned(),
        _ => "there is no such account".to_owned(),
    }
}

/// Whether a gateway runs.
pub(super) fn runs(gateway: &Whereabouts) -> Result<bool, Failure> {
    match knock(gateway) {
        Ok(()) => Ok(true),
        Err(NoAnswer::NotRunning(_)) => Ok(false),
        Err(other) => Err(Failure::cannot_run(other.to_string())),
    }
}

/// The token that opens the running gateway to changes.
pub(super) fn token(gateway: &Whereabouts) -> Result<Secret<String>, Failure> {
    read_token(&gateway.token)
        .map_err(|error| Failure::cannot_run(format!("the admin token cannot be read: {error}")))
}

/// Whether somebody listens; asked before the token is read, for without a gateway there may be none.
fn knock(gateway: &Whereabouts) -> Result<(), NoAnswer> {
    let question = Question { method: Method::GET, path: "/live", token: None, body: None, wait: ANSWER_MAX };
    client::ask(gateway.admin, question).map(drop)
}

/// Posts a document that is no change of an account or a key, and gives what is answered.
pub(super) fn post_document(gateway: &Whereabouts, path: &str, body: &Value) -> Result<Value, Failure> {
    let token = token(gateway)?;
    let body = Some(Secret::new(body.to_string()));
    let question = Question { method: Method::POST, path, token: Some(&token), body, wait: CHANGE_MAX };
    let answer =
        client::ask(gateway.admin, question).map_err(|error| Failure::cannot_run(error.to_string()))?;
    document(gateway, &answer)
}

fn post(gateway: &Whereabouts, path: &str, action: Option<&Action>) -> Result<Answer, Failure> {
    let refused = |error: NoAnswer| Failure::cannot_run(error.to_string());
    if action.is_none() {
        knock(gateway).map_err(refused)?;
    }
    let token = token(gateway)?;
    let body = action.map(Action::body);
    let question = Question { method: Method::POST, path, token: Some(&token), body, wait: CHANGE_MAX };
    client::ask(gateway.admin, question).map_err(refused)
}

/// The document of an answer, or what its refusal means.
pub(super) fn document(gateway: &Whereabouts, answer: &Answer) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) && !value.is_null() {
        return Ok(value);
    }
    let at = gateway.admin;
    let message = value.pointer("/error/message").and_then(Value::as_str).unwrap_or("it gave no reason");
    let (exit, sentence) = match answer.status {
        401 => (
            Exit::CannotRun,
            format!("the gateway at {at} does not take the token in {}", gateway.token.display()),
        ),
        422 => (Exit::Problems, details(&value).unwrap_or_else(|| message.to_owned())),
        status => (Exit::CannotRun, format!("the gateway at {at} answered {status}: {message}")),
    };
    Err(Failure::Said(exit, sentence))
}

/// The sentences of a refusal's details.
fn details(value: &Value) -> Option<String> {
    let details = value.pointer("/error/details")?.as_array()?;
    let sentences: Vec<&str> = details.iter().filter_map(|detail| detail.get("message")?.as_str()).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_refusal_of_the_gateway_becomes_a_sentence_and_an_exit_code() {
        let gateway = Whereabouts { admin: "127.0.0.1:1".parse().unwrap(), token: PathBuf::from("t") };
        let end = |status: u16, body: &str| {
            let answer = Answer { status, body: body.to_owned().into() };
            match document(&gateway, &answer) {
                Err(Failure::Said(exit, sentence)) => (exit, sentence),
                other => panic!("{other:?}"),
            }
        };
        let taken = r#"{"error":{"message":"m","details":[{"path":"/name","message":"taken"}]}}"#;
        assert_eq!(end(422, taken), (Exit::Problems, "taken".to_owned()));
        assert_eq!(end(401, "{}").0, Exit::CannotRun);
        assert_eq!(
            end(429, r#"{"error":{"message":"Slow."}}"#).1,
            "the gateway at 127.0.0.1:1 answered 429: Slow."
        );
        assert_eq!(end(200, "not json").0, Exit::CannotRun);
        assert!(document(&gateway, &Answer { status: 200, body: "{}".into() }).is_ok());
    }
}
