//! One log line for everything that was asked to change something, whatever came of it (AD-08).

use http::Response;

use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::pipeline::answer::Body;

/// Writes the line: what was asked, what came of it, and about whom, as a pseudonym.
pub(super) fn line(
    action: &'static str,
    outcome: &Result<Response<Body>, Refusal>,
    user: Option<String>,
    id: &CorrelationId,
) {
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(refusal) => refusal.code(),
    };
    tracing::info!(action, outcome, user.hash = user.unwrap_or_default(), correlation.id = %id, "admin action");
}
