//! Stage 15, for refusals: `on_deny` may find other words for one, whoever made it. The verdict stays, and what goes out
//! is the envelope, or for a challenge of a person who opens a page the way to the sign-in page.

use http::Response;
use http::header::{ACCEPT, HeaderValue, RETRY_AFTER};

use super::answer::Body;
use super::gateway::Gateway;
use super::rules::ask;
use super::trail::Trail;
use super::{envelope, forwarded, identity};
use crate::base::refusal::{Refusal, retry_after};
use crate::config::Mode;
use crate::live::snapshot::Snapshot;
use crate::script::{DenialFacts, DenialWords, Hook};

/// Asks `on_deny` and writes the answer. The refusal is the one that was given, unless a rule that must not fail open
/// failed over it.
pub fn render(
    refusal: Refusal,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> (Refusal, Response<Body>) {
    let (refusal, words) = consult(refusal, gateway, snapshot, trail);
    let message = words.message.as_deref();
    let mut answer = match sign_in(&refusal, snapshot, trail) {
        Some(location) => forwarded::found(location),
        None => envelope::render_with(&refusal, message, &trail.id),
    };
    let headers = answer.headers_mut();
    for (name, value) in words.headers {
        headers.insert(name, value);
    }
    if let Some(wait) = words.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after(wait)));
    }
    (refusal, answer)
}

/// Asks the rules. Where nothing is known of the request yet, there is nothing to ask about.
fn consult(
    refusal: Refusal,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> (Refusal, DenialWords) {
    if !snapshot.rules.interested(Hook::Deny) || trail.facts.is_none() {
        return (refusal, DenialWords::default());
    }
    let denial = DenialFacts {
        plugin: refused_by(&refusal, trail),
        code: refusal.code().to_owned(),
        status: refusal.status().as_u16(),
        message: refusal.message().into_owned(),
    };
    trail.ledger.refuse(denial);
    match ask(Hook::Deny, None, gateway, snapshot, trail) {
        Ok(()) => (refusal, trail.ledger.take_words()),
        Err(fault) => (fault, DenialWords::default()),
    }
}

/// The plugin that refused; empty where the gateway itself did.
fn refused_by(refusal: &Refusal, trail: &Trail) -> std::sync::Arc<str> {
    let by_rule = matches!(refusal, Refusal::Rule(_) | Refusal::PluginFault);
    let notes = trail.ledger.notes().iter().rev().filter(|_| by_rule);
    let mut enforcing = notes.filter(|n| n.mode == Mode::Enforce && n.outcome.ends_call());
    enforcing.next().map_or_else(|| "".into(), |note| note.plugin.clone())
}

/// Where a challenge sends a person who opens a page. Anybody else is told 401.
fn sign_in(refusal: &Refusal, snapshot: &Snapshot, trail: &Trail) -> Option<HeaderValue> {
    let Refusal::Rule(rule) = refusal else { return None };
    let facts = trail.facts.as_deref().filter(|_| rule.sign_in && trail.asked.is_none())?;
    let accept = facts.headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    identity::opens_page(&facts.method, accept)
        .then(|| identity::way_in(snapshot, &facts.path, &facts.query_string))
        .flatten()
}
