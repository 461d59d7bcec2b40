//! How things look on every page: times, statuses, durations, pseudonyms, findings.

use maud::{Markup, html};

use super::layout::sign_in_path;
use super::place::Place;
use super::visit::Visit;
use crate::base::problems::Problem;
use crate::base::refusal::Refusal;
use crate::base::target::percent_encode;
use crate::base::text::hex;
use crate::server::admin::status::rfc3339;

/// A moment, in milliseconds since 1970-01-01 UTC: to the second, with the whole of it for machines.
pub(super) fn time(unix_ms: i64) -> Markup {
    at(&rfc3339(unix_ms))
}

/// A moment that is RFC 3339 already.
pub(super) fn at(rfc3339: &str) -> Markup {
    let short = rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " ");
    html! { time datetime=(rfc3339) { (short) } }
}

/// How long ago a moment was, in the one unit that matters.
pub(super) fn ago(unix_ms: i64, now_ms: i64) -> String {
    match now_ms.saturating_sub(unix_ms) / 1_000 {
        ..5 => "just now".to_owned(),
        s @ 5..120 => format!("{s} s ago"),
        s @ 120..7_200 => format!("{} min ago", s / 60),
        s @ 7_200..172_800 => format!("{} h ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}

/// A status, with its class for the eye; 0 is a request without an answer.
pub(super) fn status(status: u16) -> Markup {
    let class = format!("status s{}", status / 100);
    html! { span class=(class) { @if status == 0 { "none" } @else { (status) } } }
}

/// Microseconds, in milliseconds.
pub(super) fn duration(us: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a duration that is shown with three digits")]
    let ms = us as f64 / 1_000.0;
    milliseconds(ms)
}

/// Milliseconds with the digits that matter.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// The pseudonym of a person or an address; nothing where there is none.
pub(super) fn pseudonym(hash: Option<&[u8]>) -> Markup {
    html! { @if let Some(hash) = hash { (short(&hex(hash))) } }
}

/// The first digits of a pseudonym, with all of them for who points at it.
pub(super) fn short(hash: &str) -> Markup {
    html! { code.pseudonym title=(hash) { (hash.get(..8).unwrap_or(hash)) } }
}

/// A link to what was decided about a request.
pub(super) fn explain_link(id: &str) -> Markup {
    html! { a href={ (Place::Explain.path()) "?id=" (percent_encode(id)) } { code { (id) } } }
}

/// What was found in a file, with the line and the caret.
pub(super) fn problem(problem: &Problem) -> Markup {
    html! { pre.finding { (problem.render()) } }
}

/// Why nothing was done, beside what was typed.
pub(super) fn refused(refusal: &Refusal) -> Markup {
    let sentence = match refusal {
        Refusal::NotFound => "There is none of this name.".into(),
        // The details say it.
        Refusal::InvalidInput(_) => "Nothing was changed.".into(),
        other => other.message(),
    };
    html! {
        div.problem role="alert" {
            p { (sentence) }
            @if !refusal.details().is_empty() {
                ul { @for detail in refusal.details() { li { code { (detail.path.trim_start_matches('/')) } " " (detail.message) } } }
            }
        }
    }
}

/// A word that says how something stands: `good`, `bad`, `warn` or `plain`, which shows as a sign too, not as a colour alone.
pub(super) fn badge(kind: &'static str, word: &str) -> Markup {
    let class = format!("badge {kind}");
    html! { span class=(class) { (word) } }
}

/// What stands where a button would, for who has not signed in.
pub(super) fn sign_in_to_act(visit: &Visit<'_>) -> Markup {
    html! {
        @if !visit.is_signed_in() {
            p.hint { a href=(sign_in_path(visit)) { "Sign in" } " to change something here." }
        }
    }
}

/// What stands where a table would have no row.
pub(super) fn nothing(sentence: &str) -> Markup {
    html! { p.nothing { (sentence) } }
}
