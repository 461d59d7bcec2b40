//! Floor 3: rules. Plugins written in Rhai are checked and compiled once, and asked at named moments of the pipeline.
//!
//! Operators are trusted but make mistakes: the sandbox is robustness, not isolation against a hostile author.

mod api;
mod ask;
mod asks_geo;
mod attack;
mod body;
mod book;
mod braces;
mod budget;
mod buffering;
mod call;
mod check;
mod compile;
mod declared;
mod denial;
mod effect;
mod engine;
mod facts;
mod filter;
mod geo_facts;
mod hook;
mod inline;
mod ledger;
mod library;
mod manifest;
mod meter;
mod occasion;
mod outgoing;
mod permissions;
mod plugin;
mod reference;
mod response;
mod run;
mod runner;
mod scaffold;
mod schedule;
mod settings;
mod shown;
mod source;
mod standing;
mod state;
mod strict;
#[cfg(test)]
mod trials;
mod verdict;

pub use body::BodyFacts;
pub use book::{BodyWish, Decision, Folders, PluginInfo, RuleBook};
pub use budget::REQUEST_TIME_MAX;
pub use denial::{DenialFacts, DenialWords};
pub use effect::{Alert, Change, Effect, RuleMetric, Severity};
pub use facts::{ApiKeyFacts, IdentityFacts, RequestFacts, RouteFacts, SessionFacts, UserFacts};
pub use geo_facts::GeoFacts;
pub use hook::Hook;
pub use ledger::{FaultKind, Ledger, NOTES_MAX, Note, Occasions, Outcome, SCORE_MAX, TAGS_MAX};
pub use occasion::Reason;
pub use outgoing::Outgoing;
pub use reference::{definitions, reference};
pub use response::ResponseFacts;
pub use runner::{Missed, PluginCoverage, Share, TestCase, TestPlan, TestReport, check_tests, run_tests};
pub use scaffold::{Scaffold, ScaffoldError, scaffold};
pub use schedule::{Job, Timetable};
pub use shown::Shown;
pub use standing::{Alarm, Board, Counts, Trip};
pub use state::{CHANGES_MAX as STATE_CHANGES_MAX, State, StateRow, StateSize};
