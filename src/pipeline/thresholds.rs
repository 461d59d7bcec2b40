//! Stage 14, first half: the sum of all scores, judged once.

use std::ops::Deref;

use super::on_body::Inspected;
use super::request_body::{RequestBody, Watch};
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::config::Thresholds;

/// Proof that nothing stands against the request: the upstream takes nothing less.
pub struct Cleared(Inspected);

/// Judges the sum of scores.
///
/// # Errors
/// The refusal of this stage.
pub fn clear(inspected: Inspected, thresholds: Thresholds, trail: &Trail) -> Step<Cleared> {
    if thresholds.deny > 0 && trail.ledger.score() >= thresholds.deny {
        return Err(Refusal::Forbidden("The request was refused.").into());
    }
    Ok(Cleared(inspected))
}

impl Deref for Cleared {
    type Target = Inspected;

    fn deref(&self) -> &Inspected {
        &self.0
    }
}

impl Cleared {
    /// The body, to be forwarded; it is there once.
    pub fn take_body(&mut self) -> (RequestBody, Watch) {
        self.0.take_body()
    }
}
