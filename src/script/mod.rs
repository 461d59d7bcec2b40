//! Floor 3: rules. Plugins written in Rhai are checked and compiled once, and asked at named moments of the pipeline.
//!
//! Operators are trusted but make mistakes: the sandbox is robustness, not isolation against a hostile author.

mod book;
mod facts;
mod hook;
mod ledger;
mod response;

pub use book::{Decision, Folders, PluginInfo, RuleBook};
pub use facts::{ApiKeyFacts, IdentityFacts, RequestFacts, RouteFacts, SessionFacts, UserFacts};
pub use hook::Hook;
pub use ledger::{FaultKind, Ledger, Note, Outcome};
pub use response::ResponseFacts;
