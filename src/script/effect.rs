//! What rules ask for beyond the request at hand: numbers to count and people to tell. The pipeline sees to it.

use std::sync::Arc;

/// Effects kept of one request; what comes after is dropped, like log lines.
pub(super) const EFFECTS_MAX: usize = 64;

/// Something that a rule asked for.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A number of the rule's own.
    Metric(RuleMetric),
    /// Somebody is to be told.
    Alert(Alert),
}

/// One change of a number of a rule's own.
#[derive(Clone, Debug)]
pub struct RuleMetric {
    /// The plugin.
    pub plugin: Arc<str>,
    /// The name, without prefix.
    pub name: String,
    /// Labels in alphabetical order; addresses and e-mails are gone from the values.
    pub labels: Vec<(String, String)>,
    /// What changes.
    pub change: Change,
}

/// What happens to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A counter grows.
    Add(u64),
    /// A gauge is set.
    Set(f64),
    /// A histogram takes a value.
    Observe(f64),
}

/// Something that somebody should know.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The plugin.
    pub plugin: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What happened; addresses and e-mails are gone.
    pub title: String,
    /// The fields as `name=value`; addresses and e-mails are gone.
    pub fields: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The severity of that word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical].into_iter().find(|s| s.word() == word)
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
