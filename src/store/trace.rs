//! The trace of one request: what every stage and every rule decided, as it is kept beside the usage row. Names, lines and
//! numbers only; nothing that a client sent.

mod bytes;
mod read;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use self::bytes::TraceBytes;
pub use self::words::{ANSWER, HeaderNames, OTHER_NAME, STAGES};
pub use self::write::{RuleAsked, TraceWriter};

use serde::{Deserialize, Serialize};

/// The trace of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The stages that the request came to, in order.
    pub stages: Vec<StageTrace>,
    /// The rules that were asked, in order.
    pub rules: Vec<RuleTrace>,
    /// Rules that were asked and not kept.
    pub rules_dropped: u32,
    /// The buckets that were charged, or that refused.
    pub buckets: Vec<BucketTrace>,
    /// The sum of the scores of enforcing plugins.
    pub score: i64,
    /// The tags of enforcing plugins.
    pub tags: Vec<String>,
    /// What identified the request: `none`, `session`, `key`, `expired`, `invalid`.
    pub auth: String,
    /// From sending to the upstream to the head of its answer, in milliseconds.
    pub upstream_ms: Option<u32>,
    /// Names of headers that the gateway set or changed for the upstream.
    pub set: Vec<String>,
    /// Names of headers that went no further.
    pub removed: Vec<String>,
}

/// A stage, and how long the request was in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTrace {
    /// The stage's label.
    pub stage: String,
    /// Microseconds.
    pub us: u32,
}

/// A rule that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrace {
    /// The plugin.
    pub plugin: String,
    /// The hook.
    pub hook: String,
    /// `plugin/main.rhai:LINE`; the plugin alone where no verb was called.
    pub rule: String,
    /// `pass`, `allow`, `deny`, `throttle`, `redirect`, `challenge`, `drop`, `score`, `tag` or `fault`.
    pub outcome: String,
    /// The code of the verb; empty where there is none.
    pub code: String,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// Microseconds inside the script.
    pub us: u32,
}

/// A bucket after the request was charged to it, or refused by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketTrace {
    /// `user` or `ip`.
    pub bucket: String,
    /// Tokens that it holds when full.
    pub limit: u32,
    /// Whole tokens that were left.
    pub remaining: u32,
    /// Time until it was full, in milliseconds.
    pub reset_ms: u32,
}

/// Stands between a plugin and the line of its verb.
const MAIN: &str = "/main.rhai:";

impl Trace {
    /// The bytes that are kept.
    pub fn encode(&self) -> TraceBytes {
        write::whole(self)
    }

    /// The trace of such bytes; `None` where they are of another form, or broken.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        read::whole(bytes)
    }
}
