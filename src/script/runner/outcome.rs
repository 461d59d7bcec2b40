//! What `run` gives back: the decision, and the answer that the client would have got.

use http::HeaderMap;
use rhai::{ImmutableString, Module, export_module, exported_module};

use crate::base::refusal::Refusal;
use crate::script::book::Decision;
use crate::script::facts::RequestFacts;
use crate::script::ledger::{Ledger, Outcome};
use crate::script::response::ResponseFacts;

/// The result of one request in a test.
#[derive(Clone)]
pub(super) struct TestOutcome {
    pub action: &'static str,
    pub status: u16,
    pub code: String,
    pub score: i64,
    pub trace: String,
    body: String,
    headers: HeaderMap,
    upstream_headers: HeaderMap,
    tags: Vec<String>,
}

impl TestOutcome {
    pub fn new(
        decision: Decision,
        facts: &RequestFacts,
        response: ResponseFacts,
        ledger: &mut Ledger,
        trace: String,
    ) -> Self {
        let body = response.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let (outgoing, words) = (ledger.take_outgoing(), ledger.take_words());
        let refused = |r: &Refusal, action| {
            (action, r.status().as_u16(), r.code().to_owned(), r.message().into_owned())
        };
        let refusals = ledger.notes().iter().rev().find(|n| n.outcome.refuses());
        let (action, status, code, text) = match decision {
            Decision::Pass => {
                let code = ledger.notes().iter().rev().find(|n| n.outcome == Outcome::Allow);
                ("pass", response.status.as_u16(), code.map(|n| n.code.to_string()).unwrap_or_default(), body)
            }
            Decision::Refuse { refusal, .. } => {
                refused(&Refusal::Rule(refusal), refusals.map_or("deny", |n| n.outcome.word()))
            }
            Decision::Fault { .. } => refused(&Refusal::PluginFault, "deny"),
        };
        Self {
            action,
            status,
            code,
            score: ledger.score(),
            trace,
            body: if action == "pass" { text } else { words.message.unwrap_or(text) },
            headers: if action == "pass" { response.headers } else { words.headers.into_iter().collect() },
            upstream_headers: {
                let mut headers = facts.headers.clone();
                outgoing.apply(&mut headers);
                headers
            },
            tags: ledger.tags.iter().cloned().collect(),
        }
    }
}

fn first(headers: &HeaderMap, name: &str) -> ImmutableString {
    headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok()).unwrap_or_default().into()
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<TestOutcome>("TestOutcome");
    module.combine_flatten(exported_module!(api));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod api {
    /// `"pass"`, `"deny"`, `"throttle"`, `"redirect"` or `"drop"`.
    #[rhai_fn(get = "action", pure)]
    pub fn action(out: &mut TestOutcome) -> ImmutableString {
        out.action.into()
    }

    /// The status of the answer.
    #[rhai_fn(get = "status", pure)]
    pub fn status(out: &mut TestOutcome) -> i64 {
        i64::from(out.status)
    }

    /// The code of the verdict; `""` where there is none.
    #[rhai_fn(get = "code", pure)]
    pub fn code(out: &mut TestOutcome) -> ImmutableString {
        out.code.as_str().into()
    }

    /// The score of the request.
    #[rhai_fn(get = "score", pure)]
    pub fn score(out: &mut TestOutcome) -> i64 {
        out.score
    }

    /// What every hook decided, as text.
    #[rhai_fn(get = "trace", pure)]
    pub fn trace(out: &mut TestOutcome) -> ImmutableString {
        out.trace.as_str().into()
    }

    /// The body of the upstream's answer, or the message of the refusal.
    #[rhai_fn(get = "body", pure)]
    pub fn body(out: &mut TestOutcome) -> ImmutableString {
        out.body.as_str().into()
    }

    /// A header of the answer, as the plugin left it; `""` where it is absent.
    #[rhai_fn(pure)]
    pub fn header(out: &mut TestOutcome, name: &str) -> ImmutableString {
        first(&out.headers, name)
    }

    /// A header of the request as it would go upstream.
    #[rhai_fn(pure)]
    pub fn upstream_header(out: &mut TestOutcome, name: &str) -> ImmutableString {
        first(&out.upstream_headers, name)
    }

    /// Whether the request has a tag.
    #[rhai_fn(pure)]
    pub fn has_tag(out: &mut TestOutcome, tag: &str) -> bool {
        out.tags.iter().any(|t| t == tag)
    }
}
