//! Stage 14, between thresholds and upstream: rules on what goes upstream.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};

use super::gateway::Gateway;
use super::rules::ask;
use super::step::Step;
use super::thresholds::Cleared;
use super::trail::Trail;
use crate::config::Destination;
use crate::live::snapshot::Snapshot;
use crate::script::{HeaderEdit, Hook, Outgoing};

/// What is to be changed of a request that goes upstream. Only asking the rules makes one.
pub struct Changes {
    outgoing: Outgoing,
    plain_answer: bool,
}

/// Asks `on_upstream`, for requests that have an upstream.
///
/// # Errors
/// The refusal of this stage.
pub fn on_upstream(
    request: &Cleared,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Step<Changes> {
    let goes_upstream = request.route().is_some_and(|r| matches!(r.route.to, Destination::Service(_)));
    if goes_upstream {
        ask(Hook::Upstream, None, gateway, snapshot, trail)?;
    }
    let outgoing = trail.ledger.take_outgoing();
    let plain_answer = trail.facts.as_deref().is_some_and(|facts| snapshot.rules.asks_for_answers(facts));
    Ok(Changes { outgoing, plain_answer })
}

impl Changes {
    /// What rules change of the headers.
    pub fn edits(&self) -> &[HeaderEdit] {
        &self.outgoing.edits
    }

    /// How long the head of the answer may take, where a rule says so.
    pub fn timeout(&self) -> Option<std::time::Duration> {
        self.outgoing.timeout
    }

    /// Makes the changes. Where a plugin asks for the bodies of answers, the upstream is asked for them whole and not
    /// compressed: the gateway decompresses nothing, and piece by piece anything would get past a rule (RFC 9110
    /// sections 12.5.3 and 14.2).
    pub fn apply(&self, headers: &mut HeaderMap) {
        self.outgoing.apply(headers);
        if self.plain_answer {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            headers.remove(RANGE);
            headers.remove(IF_RANGE);
        }
    }
}
