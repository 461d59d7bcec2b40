//! The words of `[[alerts]]`: what is watched for, for whom, how bad it is, and in which words it is told.

use std::time::Duration;

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum When {
    /// Requests answered with 429.
    RateLimited,
    /// Requests answered with 401.
    Unauthorized,
    /// Requests answered with 403.
    Forbidden,
    /// A service none of whose addresses answers.
    UpstreamDown,
    /// A plugin that failed, or that failed so often that it was taken out.
    PluginFault,
    /// An edit that was refused.
    ReloadFailed,
    /// The database takes no writes.
    Storage,
    /// Rows of the usage log were lost.
    RowsDropped,
    /// A rule says so: `alert::send`.
    RuleAlert,
}

impl When {
    /// All of them, with their words.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("rate_limited", Self::RateLimited),
        ("unauthorized", Self::Unauthorized),
        ("forbidden", Self::Forbidden),
        ("upstream_down", Self::UpstreamDown),
        ("plugin_fault", Self::PluginFault),
        ("reload_failed", Self::ReloadFailed),
        ("storage", Self::Storage),
        ("rows_dropped", Self::RowsDropped),
        ("rule_alert", Self::RuleAlert),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, when)| *when == self).map_or("", |(word, _)| word)
    }

    /// Whether it counts requests, which have a route, an address and perhaps a user.
    pub fn counts_requests(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unauthorized | Self::Forbidden)
    }

    /// Whether it is a state that lasts until it is over, and not a number of events.
    pub fn is_state(self) -> bool {
        matches!(self, Self::UpstreamDown | Self::ReloadFailed | Self::Storage)
    }

    /// How often it must happen where nobody says.
    pub(super) fn count(self) -> i64 {
        if self.counts_requests() { 20 } else { 1 }
    }

    /// How bad it is where nobody says; of rules' alerts the least that is told.
    pub(super) fn severity(self) -> Severity {
        match self {
            Self::RateLimited | Self::Unauthorized | Self::Forbidden => Severity::Medium,
            Self::UpstreamDown | Self::PluginFault | Self::ReloadFailed | Self::RowsDropped => Severity::High,
            Self::Storage => Severity::Critical,
            Self::RuleAlert => Severity::Low,
        }
    }
}

/// For whom is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Everything together.
    #[default]
    All,
    /// Each user; requests without one do not count.
    User,
    /// Each address.
    Ip,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Something is lost already.
    Critical,
}

impl Severity {
    /// All of them, with their words.
    pub const WORDS: [(&'static str, Self); 4] =
        [("low", Self::Low), ("medium", Self::Medium), ("high", Self::High), ("critical", Self::Critical)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, severity)| *severity == self).map_or("", |(word, _)| word)
    }
}

/// In which words a receiver is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// A document of the gateway's own.
    #[default]
    Json,
    /// An incoming webhook of Slack, and of what speaks like it (Mattermost, Rocket.Chat).
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A topic of ntfy.
    Ntfy,
}

impl Shape {
    /// All of them, with their words.
    pub const WORDS: [(&'static str, Self); 4] =
        [("json", Self::Json), ("slack", Self::Slack), ("discord", Self::Discord), ("ntfy", Self::Ntfy)];
}

/// How often must it happen, and in what time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// So often; with a factor, so often at least.
    pub count: u64,
    /// In so long a time.
    pub within: Duration,
    /// So many times the median of a day.
    pub factor: Option<f64>,
}
