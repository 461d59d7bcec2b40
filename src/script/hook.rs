//! The moments of the pipeline at which a rule may look and speak.

use std::fmt;

/// A moment of the pipeline (CONTRACT section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// `on_request(req)`: client, route and headers are known.
    Request,
    /// `on_auth(req)`: user and session are known.
    Auth,
    /// `on_body(req)`: the body is there, for plugins whose `[body]` asks for it.
    Body,
    /// `on_upstream(req, up)`: nothing stands against the request, and what goes upstream may be changed.
    Upstream,
    /// `on_response(req, res)`: the head of the answer is known and may be changed.
    Response,
    /// `on_response_body(req, res)`: the body of the answer is there, for plugins whose `[body]` asks for it.
    ResponseBody,
    /// `on_deny(req, verdict)`: the request was refused, and the words of the refusal may be changed.
    Deny,
    /// `on_log(req, res)`: everything is over; nothing can be decided.
    Log,
}

/// What a hook is given beside the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Second {
    Nothing,
    Upstream,
    Response,
    Verdict,
}

impl Hook {
    /// Every moment, in the order of the pipeline.
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::Auth,
        Self::Body,
        Self::Upstream,
        Self::Response,
        Self::ResponseBody,
        Self::Deny,
        Self::Log,
    ];

    /// The name of the script function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "on_request",
            Self::Auth => "on_auth",
            Self::Body => "on_body",
            Self::Upstream => "on_upstream",
            Self::Response => "on_response",
            Self::ResponseBody => "on_response_body",
            Self::Deny => "on_deny",
            Self::Log => "on_log",
        }
    }

    /// The parameters of the script function, as a person writes them.
    pub fn signature(self) -> &'static str {
        match self.second() {
            Second::Nothing => "req",
            Second::Upstream => "req, up",
            Second::Response => "req, res",
            Second::Verdict => "req, verdict",
        }
    }

    /// How many parameters the script function takes.
    pub fn arity(self) -> usize {
        if self.second() == Second::Nothing { 1 } else { 2 }
    }

    pub(super) fn second(self) -> Second {
        match self {
            Self::Request | Self::Auth | Self::Body => Second::Nothing,
            Self::Upstream => Second::Upstream,
            Self::Response | Self::ResponseBody | Self::Log => Second::Response,
            Self::Deny => Second::Verdict,
        }
    }

    /// Whether a verdict is possible at this moment.
    pub fn decides(self) -> bool {
        !matches!(self, Self::Deny | Self::Log)
    }

    /// Whether `score` counts at this moment: the thresholds are still to come.
    pub fn scores(self) -> bool {
        matches!(self, Self::Request | Self::Auth | Self::Body)
    }

    /// Whether a verb may be said at this moment.
    pub(super) fn allows(self, verb: &str) -> bool {
        if verb == "score" { self.scores() } else { self.decides() }
    }

    /// The hook of that function name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.name() == name)
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Request => 0,
            Self::Auth => 1,
            Self::Body => 2,
            Self::Upstream => 3,
            Self::Response => 4,
            Self::ResponseBody => 5,
            Self::Deny => 6,
            Self::Log => 7,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
