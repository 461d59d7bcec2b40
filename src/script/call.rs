//! One call of one hook: what the script can reach, and what it said.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};

use super::budget;
use super::denial::{DenialFacts, DenialWords};
use super::effect::Effect;
use super::facts::RequestFacts;
use super::gateway_list::RuleBan;
use super::hook::Hook;
use super::ledger::TAGS_MAX;
use super::outgoing::Outgoing;
use super::permissions::Permissions;
use super::response::ResponseFacts;
use super::state::View;
use super::verdict::Verdict;
use crate::base::clock::Clock;

/// The result of a native function.
pub(super) type Raised<T> = Result<T, Box<EvalAltResult>>;

/// `score` calls kept per call of a hook.
pub(super) const SCORES_MAX: usize = 32;
/// Log lines kept per call of a hook.
pub(super) const LOGS_MAX: usize = 16;

/// What the native functions of one call share. Scripts hold it as an opaque handle.
pub(super) struct Call {
    pub hook: Hook,
    pub plugin: Arc<str>,
    pub facts: Arc<RequestFacts>,
    pub clock: Clock,
    /// The ledger's score and tags when the call began.
    pub score_before: i64,
    pub tags_before: Vec<String>,
    /// The codes that stand in the plugin's scripts.
    pub codes: Arc<BTreeSet<String>>,
    /// The head of the answer, where the hook has one.
    pub response: Option<Arc<ResponseFacts>>,
    /// The refusal, in `on_deny`.
    pub denial: Option<Arc<DenialFacts>>,
    /// What plugins told each other before this call.
    pub facts_before: rhai::Map,
    /// What the plugin may do that others see.
    pub permissions: Permissions,
    /// The function that is called where there is no request: `on_start`, or a scheduled one.
    pub occasion: Option<Arc<str>>,
    /// What the plugin remembers.
    pub state: View,
    pub said: Mutex<Said>,
}

/// What the script said so far.
#[derive(Default)]
pub(super) struct Said {
    pub verdict: Option<Verdict>,
    pub scores: Vec<(i64, Arc<str>, String)>,
    pub tags: Vec<(String, String)>,
    pub logs: Vec<LogLine>,
    pub vars: rhai::Map,
    /// What the plugin tells others about this request.
    pub facts: rhai::Map,
    pub effects: Vec<Effect>,
    /// Who is to be kept out, and who no longer.
    pub bans: Vec<RuleBan>,
    /// The changed head, once the script has changed something.
    pub draft: Option<Draft>,
    /// The changed body of the answer, once the script has changed it.
    pub body: Option<String>,
    /// What is to be changed of the request that goes upstream.
    pub outgoing: Outgoing,
    /// Other words for the refusal.
    pub words: Option<DenialWords>,
}

/// A head that a script is changing. It becomes the answer's only when the call ends well and the plugin enforces.
pub(super) struct Draft {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// One line that a script wants to log, already clean.
pub(super) struct LogLine {
    pub level: LogLevel,
    pub text: String,
}

/// The levels of `log::`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// The handle that scripts hold as `req`, and that native functions find as the tag of the call.
#[derive(Clone)]
pub(super) struct Request(pub Arc<Call>);

/// The handle that scripts hold as `res`.
#[derive(Clone)]
pub(super) struct Response(pub Arc<Call>);

impl Call {
    /// The call that a native function belongs to.
    pub fn of(ctx: &NativeCallContext<'_>) -> Raised<Arc<Self>> {
        let call = ctx.tag().and_then(|tag| tag.read_lock::<Request>().map(|request| Arc::clone(&request.0)));
        call.ok_or_else(|| error("this function works only inside a hook"))
    }

    /// Ends the script if a verdict has already fallen: what swallowed it cannot go on.
    pub fn still_open(&self) -> Raised<()> {
        if self.said.lock().verdict.is_some() { Err(exit(Position::NONE)) } else { Ok(()) }
    }

    /// Records a verdict, the first one only, and ends the script.
    #[expect(clippy::unnecessary_box_returns, reason = "rhai's errors travel in a box")]
    pub fn decide(&self, verdict: Verdict, position: Position) -> Box<EvalAltResult> {
        self.said.lock().verdict.get_or_insert(verdict);
        budget::decided();
        exit(position)
    }

    /// The function that runs, as a person knows it.
    pub fn place(&self) -> &str {
        self.occasion.as_deref().unwrap_or(self.hook.name())
    }

    /// `plugin/main.rhai:LINE` of a native call.
    pub fn rule(&self, ctx: &NativeCallContext<'_>) -> String {
        let line = ctx.call_position().line().unwrap_or(0);
        // The source is not always known inside a helper; the plugin's main file is the honest default.
        let file = ctx.call_source().filter(|s| !s.is_empty()).unwrap_or("main.rhai");
        // A rule of one line stands in the configuration, and its plugin is no folder.
        if std::path::Path::new(file).extension().is_some_and(|end| end == "toml") {
            format!("{file}:{line}")
        } else {
            format!("{}/{file}:{line}", self.plugin)
        }
    }

    /// Whether the request carries a tag, from before this call or from this plugin in it.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags_before.iter().any(|t| t == tag) || self.said.lock().tags.iter().any(|(t, _)| t == tag)
    }

    /// Every tag that this plugin can see.
    pub fn tags(&self) -> Vec<String> {
        let mut tags = self.tags_before.clone();
        tags.extend(self.said.lock().tags.iter().map(|(t, _)| t.clone()));
        tags.sort();
        tags.dedup();
        tags.truncate(TAGS_MAX);
        tags
    }

    /// The score that this plugin can see.
    pub fn score(&self) -> i64 {
        self.said.lock().scores.iter().fold(self.score_before, |sum, (n, ..)| sum.saturating_add(*n))
    }
}

/// A script error with our words.
#[expect(clippy::unnecessary_box_returns, reason = "rhai's errors travel in a box")]
pub(super) fn error(message: impl Into<String>) -> Box<EvalAltResult> {
    let message: String = message.into();
    EvalAltResult::ErrorRuntime(Dynamic::from(message), Position::NONE).into()
}

/// The end of a script that no `catch` can hold.
#[expect(clippy::unnecessary_box_returns, reason = "rhai's errors travel in a box")]
fn exit(position: Position) -> Box<EvalAltResult> {
    EvalAltResult::Exit(Dynamic::UNIT, position).into()
}
