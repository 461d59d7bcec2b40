//! What a stage may say: go on with stronger evidence, or stop with an answer or a refusal.

use http::Response;

use super::answer::Body;
use crate::base::refusal::Refusal;

/// Why a stage did not go on.
pub enum Stop {
    /// The gateway answers by itself: a preflight, an own endpoint.
    Answered(Box<Response<Body>>),
    /// The request is refused.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Stronger evidence, or a stop.
pub type Step<T> = Result<T, Stop>;
