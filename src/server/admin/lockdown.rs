//! Incident mode: how it stands, beginning and ending it.

use serde::Serialize;
use serde_json::{Value, json};

use super::bans::{maker, ttl_ms};
use super::fields::Fields;
use super::status::rfc3339;
use crate::bans::{Lockdown, LockdownState, reason_of};
use crate::base::refusal::Refusal;

/// How lockdown stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LockdownView {
    /// Whether it is on.
    pub on: bool,
    /// Why; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `cli`, `console` or `api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Since when, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Until when, RFC 3339; null: until it is ended.
    pub expires: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockdownWanted {
    /// Begin or end.
    pub on: bool,
    /// For how long, as `30m`; until it is ended where absent.
    pub ttl: Option<String>,
    /// Why; may be empty.
    pub reason: String,
    /// `cli`, `console` or `api`.
    pub made_by: String,
}

impl LockdownView {
    /// The view of lockdown that is on, or of none.
    pub fn of(state: Option<&LockdownState>) -> Self {
        let Some(state) = state else { return Self::default() };
        Self {
            on: true,
            reason: Some(state.reason.to_string()),
            made_by: Some(state.made_by.to_string()),
            since: Some(rfc3339(state.since_ms)),
            expires: state.expires_ms.map(rfc3339),
        }
    }
}

impl LockdownWanted {
    /// As it is sent.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "on": self.on, "reason": self.reason, "made_by": self.made_by });
        if let Some(ttl) = &self.ttl {
            body["ttl"] = json!(ttl);
        }
        body
    }

    /// Reads what was sent.
    pub(super) fn read(fields: &mut Fields) -> Self {
        if !fields.has("on") {
            fields.wrong("on", "must be true or false");
        }
        Self {
            on: fields.flag("on"),
            ttl: fields.text_or_absent("ttl"),
            reason: fields.text_or_absent("reason").unwrap_or_default(),
            made_by: maker(fields),
        }
    }
}

/// Begins or ends it, on disk before it returns.
pub(super) async fn set(lockdown: &Lockdown, wanted: LockdownWanted, now_ms: i64) -> Result<Value, Refusal> {
    let unavailable = |_| Refusal::Unavailable { retry_after: None };
    if !wanted.on {
        let was_on = lockdown.end(now_ms).await.map_err(unavailable)?;
        return Ok(json!({ "on": false, "was_on": was_on }));
    }
    let ttl_ms = wanted.ttl.as_deref().map(ttl_ms).transpose()?;
    let state = LockdownState {
        reason: reason_of(&wanted.reason),
        made_by: wanted.made_by.as_str().into(),
        since_ms: now_ms,
        expires_ms: ttl_ms.map(|ttl| now_ms.saturating_add(ttl)),
    };
    let view = LockdownView::of(Some(&state));
    lockdown.begin(state).await.map_err(unavailable)?;
    Ok(json!(view))
}
