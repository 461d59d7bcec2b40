//! What became of a stored request, and why: the document of `explain ID`.

use serde::{Deserialize, Serialize};

use super::view::{RequestView, milliseconds};
use crate::pipeline::again::Today;
use crate::pipeline::recall::Recalled;
use crate::script::RuleBook;
use crate::server::admin::status::rfc3339;
use crate::store::{OpenError, Reader, RuleTrace, Trace, UsageListed};

/// Every request of one correlation id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The correlation id.
    pub id: String,
    /// The requests, newest first: clients choose their ids, and may choose one twice.
    pub requests: Vec<Past>,
}

/// One request of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// What the usage log says.
    pub request: RequestView,
    /// What refused it; absent where nothing did.
    pub decided_by: Option<Decided>,
    /// What every stage and every rule decided.
    pub trace: Option<Trace>,
    /// Why there is no trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_trace: Option<String>,
    /// What the policy in force would decide.
    pub today: Option<Today>,
}

/// What refused a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The stage.
    pub stage: String,
    /// The refusal's code.
    pub code: Option<String>,
    /// The rule, `plugin/main.rhai:LINE`; absent where the gateway itself refused.
    pub rule: Option<String>,
}

/// Looks up every request of an id. Blocks: not for a worker. No request is no error.
///
/// # Errors
/// The database cannot be read.
pub fn explain(reader: &Reader, id: &str) -> Result<Explained, OpenError> {
    let rows = reader.request(id)?;
    let requests = rows.into_iter().map(|(row, trace)| Past::of(row, trace)).collect();
    Ok(Explained { id: id.to_owned(), requests })
}

impl Past {
    /// Whether it is a request that is in memory: the same id at the same time.
    pub fn is(&self, recalled: &Recalled) -> bool {
        self.request.time == rfc3339(recalled.row.time_ms)
            && self.request.duration_ms.to_bits() == milliseconds(recalled.row.duration_us).to_bits()
    }

    /// Gives a rule that called no verb the line of its function, which is not kept. Only where these rules are those of then.
    pub fn place_rules(&mut self, rules: &RuleBook) {
        for rule in self.trace.iter_mut().flat_map(|trace| &mut trace.rules) {
            if rule.rule == rule.plugin
                && let Some(place) = rules.place_of(&rule.plugin, &rule.hook)
            {
                rule.rule = place;
            }
        }
    }

    /// The first 8 bytes of the hash of the policy that decided.
    pub fn policy(&self) -> Option<[u8; 8]> {
        u64::from_str_radix(self.request.policy.as_deref()?, 16).ok().map(u64::to_be_bytes)
    }

    /// A row and its trace.
    pub fn of(row: UsageListed, trace: Option<Trace>) -> Self {
        let without_trace = trace.is_none().then(|| why_without(&row).to_owned());
        let request = RequestView::of(row);
        let decided_by = request.stage.clone().map(|stage| Decided {
            stage,
            code: request.code.clone(),
            rule: rule(&request, trace.as_ref()),
        });
        Self { request, decided_by, trace, without_trace, today: None }
    }
}

/// The rule that refused: the trace names its file, which the row does not.
fn rule(request: &RequestView, trace: Option<&Trace>) -> Option<String> {
    let plugin = request.plugin.as_deref()?;
    let ended = |rule: &&RuleTrace| {
        rule.plugin == plugin
            && rule.mode == "enforce"
            && !matches!(rule.outcome.as_str(), "pass" | "allow" | "score" | "tag")
    };
    let in_trace = trace.and_then(|trace| trace.rules.iter().rev().find(ended)).map(|rule| rule.rule.clone());
    in_trace.or_else(|| request.rule.clone())
}

fn why_without(row: &UsageListed) -> &'static str {
    match row.policy {
        None => "it was written by a version that kept no traces",
        Some(_) => "no trace was kept with it, or it cannot be read",
    }
}
