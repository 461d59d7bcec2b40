//! One log line for everything that was asked to change something, whatever came of it (AD-08).

use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;

/// Whom an action was about, as a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum About {
    /// An account.
    User(String),
    /// An address.
    Client(String),
}

/// Writes the line: what was asked, what came of it, and about whom.
pub(super) fn line(
    action: &'static str,
    outcome: Result<(), &Refusal>,
    about: Option<About>,
    id: &CorrelationId,
) {
    let outcome = match outcome {
        Ok(()) => "ok",
        Err(refusal) => refusal.code(),
    };
    let (user, client) = split(about);
    tracing::info!(action, outcome, user.hash = user, client.hash = client, correlation.id = %id, "admin action");
}

/// As [`line`], for the console, where it is known who acts: `by` is `token`, or the pseudonym of an account.
pub(in crate::server) fn by(
    action: &'static str,
    outcome: Result<(), &Refusal>,
    about: Option<About>,
    by: &str,
    id: &CorrelationId,
) {
    let outcome = match outcome {
        Ok(()) => "ok",
        Err(refusal) => refusal.code(),
    };
    let (user, client) = split(about);
    tracing::info!(action, outcome, by, user.hash = user, client.hash = client, correlation.id = %id, "admin action");
}

fn split(about: Option<About>) -> (String, Option<String>) {
    match about {
        None => (String::new(), None),
        Some(About::User(user)) => (user, None),
        Some(About::Client(client)) => (String::new(), Some(client)),
    }
}
