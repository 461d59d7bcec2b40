//! What somebody is told: one message, without a person in it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::watch::{Subject, Turn};
use crate::base::ids::CorrelationId;
use crate::base::text::cut;
use crate::base::units::show_duration;
use crate::config::{Alert, AlertPer, AlertSeverity, When};
use crate::telemetry::timestamp::push_rfc3339;

/// Longest title, in bytes.
const TITLE_BYTES_MAX: usize = 256;
/// Longest detail, in bytes.
const DETAIL_BYTES_MAX: usize = 1_024;

/// One message. People and addresses stand in it as keyed hashes, the same that the usage log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Its own id, the same at every try.
    pub id: String,
    /// The alert's name.
    pub name: String,
    /// What the alert is about.
    pub when: Cow<'static, str>,
    /// `raised`, `recovered` or `test`.
    pub event: Cow<'static, str>,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: Cow<'static, str>,
    /// What happened, in a sentence.
    pub title: String,
    /// More of it, as `name=value`; of rules' alerts only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// When, RFC 3339.
    pub time: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    #[serde(skip)]
    pub unix_ms: i64,
    /// How often it happened in the window; when it is over, the most that it came to.
    pub count: u64,
    /// The window, as `1m`; absent where nothing is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The keyed hash of a user or an address, or the name of a service or a plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The generation of the policy in force.
    pub generation: u64,
}

/// What a notice is made of.
pub(super) struct Draft<'a> {
    pub(super) alert: &'a Alert,
    pub(super) event: &'static str,
    pub(super) severity: AlertSeverity,
    pub(super) title: &'a str,
    pub(super) detail: &'a str,
    pub(super) count: u64,
    /// Messages that were held back before it.
    pub(super) more: u64,
    pub(super) subject: Option<String>,
    pub(super) unix_ms: i64,
    pub(super) generation: u64,
}

impl Notice {
    pub(super) fn new(draft: Draft<'_>) -> Arc<Self> {
        let alert = draft.alert;
        let mut time = String::new();
        push_rfc3339(&mut time, draft.unix_ms);
        let counts = !alert.when.is_state() && alert.when != When::RuleAlert;
        Arc::new(Self {
            id: CorrelationId::generate().as_str().to_owned(),
            name: alert.name.clone(),
            when: alert.when.word().into(),
            event: draft.event.into(),
            severity: draft.severity.word().into(),
            title: titled(draft.title, draft.more),
            detail: cut(draft.detail, DETAIL_BYTES_MAX).to_owned(),
            time,
            unix_ms: draft.unix_ms,
            count: draft.count,
            window: counts.then(|| show_duration(alert.measure.within)),
            subject: draft.subject,
            generation: draft.generation,
        })
    }
}

/// The title, with how many messages were held back; that is never cut off.
fn titled(title: &str, more: u64) -> String {
    let suffix = if more == 0 { String::new() } else { format!(" ({more} more)") };
    format!("{}{suffix}", cut(title, TITLE_BYTES_MAX - suffix.len()))
}

/// A message that tests an alert; `unix_ms` is now, in milliseconds since 1970-01-01 UTC.
pub fn test_notice(alert: &Alert, unix_ms: i64, generation: u64) -> Arc<Notice> {
    let title = format!("a test of the alert {}", alert.name);
    Notice::new(Draft {
        alert,
        event: "test",
        severity: alert.severity,
        title: &title,
        detail: "",
        count: 0,
        more: 0,
        subject: None,
        unix_ms,
        generation,
    })
}

impl Turn {
    /// The word of messages and rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Recovered => "recovered",
        }
    }
}

impl Subject {
    /// As it is told; nothing where it is everybody.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Hash(pseudonym) => Some(pseudonym.to_string()),
            Self::Thing(name) => Some(name.to_string()),
            Self::Others => Some("others".to_owned()),
        }
    }
}

/// The sentence of an alert.
pub(super) fn title(alert: &Alert, turn: Turn, subject: &Subject, count: u64) -> String {
    let thing = subject.text().unwrap_or_default();
    let requests = |status: u16| {
        let of = match (alert.per, subject) {
            (AlertPer::All, _) => "",
            (_, Subject::Others) => " of users or addresses that are too many to tell apart",
            (AlertPer::User, _) => " of one user",
            (AlertPer::Ip, _) => " of one address",
        };
        let requests = if count == 1 { "request" } else { "requests" };
        format!("{count} {requests}{of} answered {status} within {}", show_duration(alert.measure.within))
    };
    let sentence = match alert.when {
        When::RateLimited => requests(429),
        When::Unauthorized => requests(401),
        When::Forbidden => requests(403),
        When::UpstreamDown => format!("service {thing} does not answer"),
        When::PluginFault => match thing.strip_suffix(TRIPPED) {
            Some(plugin) => format!("plugin {plugin} failed or was slow too often and was taken out"),
            None => format!("plugin {thing} failed"),
        },
        When::ReloadFailed => "an edit was refused, the last good policy stays in force".to_owned(),
        When::Storage => "the database takes no writes".to_owned(),
        When::RowsDropped => format!("{count} rows of the usage log were lost"),
        When::RuleAlert => "a rule raised an alert".to_owned(),
    };
    match turn {
        Turn::Raised => sentence,
        Turn::Recovered => format!("over: {sentence}"),
    }
}

/// What is added to the name of a plugin that was taken out.
pub(super) const TRIPPED: &str = " (tripped)";
