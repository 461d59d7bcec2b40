//! The moments of the pipeline at which a rule may look and speak.

use std::fmt;

/// A moment of the pipeline (CONTRACT section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// `on_request(req)`: client, route and headers are known.
    Request,
    /// `on_auth(req)`: user and session are known.
    Auth,
    /// `on_response(req, res)`: the head of the answer is known and may be changed.
    Response,
    /// `on_log(req, res)`: everything is over; nothing can be decided.
    Log,
}

/// The names that CONTRACT section 9 gives to moments that this version does not have yet.
pub(super) const LATER: [&str; 5] = ["on_start", "on_body", "on_upstream", "on_response_body", "on_deny"];

impl Hook {
    /// Every moment, in the order of the pipeline.
    pub const ALL: [Self; 4] = [Self::Request, Self::Auth, Self::Response, Self::Log];

    /// The name of the script function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "on_request",
            Self::Auth => "on_auth",
            Self::Response => "on_response",
            Self::Log => "on_log",
        }
    }

    /// The parameters of the script function, as a person writes them.
    pub fn signature(self) -> &'static str {
        match self {
            Self::Request | Self::Auth => "req",
            Self::Response | Self::Log => "req, res",
        }
    }

    /// How many parameters the script function takes.
    pub fn arity(self) -> usize {
        match self {
            Self::Request | Self::Auth => 1,
            Self::Response | Self::Log => 2,
        }
    }

    /// Whether a verdict is possible at this moment.
    pub fn decides(self) -> bool {
        self != Self::Log
    }

    /// Whether `score` counts at this moment: the thresholds are still to come.
    pub fn scores(self) -> bool {
        matches!(self, Self::Request | Self::Auth)
    }

    /// The hook of that function name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.name() == name)
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Request => 0,
            Self::Auth => 1,
            Self::Response => 2,
            Self::Log => 3,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
