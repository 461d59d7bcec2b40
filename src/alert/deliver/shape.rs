//! The words of each kind of receiver.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderName;
use http::header::HeaderValue;
use serde_json::json;

use crate::alert::Notice;
use crate::config::AlertShape;

/// Longest text that Discord takes, in characters.
const DISCORD_CHARACTERS_MAX: usize = 2_000;

/// A message as it is sent.
pub(super) struct Rendered {
    pub(super) content_type: HeaderValue,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// The message in the receiver's words.
pub(super) fn render(notice: &Notice, shape: AlertShape) -> Rendered {
    let json = |body: Vec<u8>| Rendered {
        content_type: HeaderValue::from_static("application/json"),
        headers: Vec::new(),
        body: Bytes::from(body),
    };
    let words = |value: serde_json::Value| json(value.to_string().into_bytes());
    match shape {
        AlertShape::Json => json(serde_json::to_vec(notice).unwrap_or_default()),
        AlertShape::Slack => words(json!({ "text": escaped(&text(notice)) })),
        AlertShape::Discord => {
            let content: String = text(notice).chars().take(DISCORD_CHARACTERS_MAX).collect();
            // What rules say must wake nobody up by naming `@everyone`.
            words(json!({ "content": content, "allowed_mentions": { "parse": [] } }))
        }
        AlertShape::Ntfy => ntfy(notice),
    }
}

fn ntfy(notice: &Notice) -> Rendered {
    let (priority, tag) = match (&*notice.event, &*notice.severity) {
        ("raised", "critical") => ("5", "rotating_light"),
        ("raised", "high") => ("4", "warning"),
        ("raised", _) => ("3", "warning"),
        _ => ("2", "white_check_mark"),
    };
    let headers = [("title", head(notice)), ("priority", priority.to_owned()), ("tags", tag.to_owned())];
    Rendered {
        content_type: HeaderValue::from_static("text/plain; charset=utf-8"),
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
            })
            .collect(),
        body: Bytes::from(details(notice)),
    }
}

/// `[high] upstream_down raised`: printable ASCII, for it stands in a header too.
fn head(notice: &Notice) -> String {
    format!("[{}] {} {}", notice.severity, notice.name, notice.event)
}

fn text(notice: &Notice) -> String {
    format!("{}\n{}", head(notice), details(notice))
}

fn details(notice: &Notice) -> String {
    let mut text = notice.title.clone();
    for (name, value) in [("subject", notice.subject.as_deref()), ("detail", Some(&*notice.detail))] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(text, "\n{name}: {value}");
        }
    }
    let _ = write!(text, "\n{} · generation {}", notice.time, notice.generation);
    text
}

/// What Slack would take for a link or a mention.
///
/// # Source
/// Slack, "Formatting text for app surfaces", escaping.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
