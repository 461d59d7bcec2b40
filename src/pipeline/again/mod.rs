//! Whether the policy in force would decide about a request of the past as it was decided then. Where what it held is still
//! in memory, the stages and rules are asked again, without a side effect; else the policies are compared. What cannot be
//! known is said to be unknown.

mod destination;
mod judge;
mod way;
mod who;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::destination::Went;
use self::judge::{Judged, judge};
use self::way::Way;
use super::gateway::Gateway;
use super::recall::Recalled;
use super::stage::Stage;
use crate::base::text::hex;
use crate::script::Hook;
use crate::store::Label;

/// What the policy in force says of a request of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Today {
    /// `same`; `differs`; `same_policy`: what the request held is gone, and the policy is the one that decided then; or `unknown`.
    pub verdict: String,
    /// Why it is not known, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What would be decided now, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The generation in force; absent where no gateway runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The first 16 digits of the hash of the policy in force.
    pub policy: String,
    /// Plugins that were asked then and whose files are others now, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_plugins: Vec<String>,
}

/// A decision about a request, as far as its answer is not needed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `passes`, `refused`, or `dropped`: the connection is closed without an answer.
    pub verdict: String,
    /// The status of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The stage that refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The rule that refuses, `plugin/main.rhai:LINE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What was decided then, as the usage log has it.
#[derive(Clone, Copy, Debug)]
pub struct Then<'a> {
    /// The status; `None` where there was no answer.
    pub status: Option<u16>,
    /// The refusal's code.
    pub code: Option<&'a str>,
    /// The stage that refused.
    pub stage: Option<&'a str>,
    /// The first 8 bytes of the policy's hash.
    pub policy: Option<[u8; 8]>,
    /// The plugins that were asked.
    pub asked: &'a [&'a str],
}

impl Today {
    /// What the running gateway would decide now.
    pub fn of(gateway: &Gateway, then: Then<'_>, recalled: Option<&Recalled>) -> Self {
        let snapshot = gateway.live.current();
        let same_policy = then.policy.map(|policy| policy == snapshot.policy);
        let mut today = Self::by_policy(then.policy, snapshot.policy, Some(snapshot.generation));
        if same_policy == Some(false) {
            today.changed_plugins = gateway.policies.changed(then.policy, snapshot.policy, then.asked);
        }
        let Some((recalled, facts)) = recalled.and_then(|r| Some((r, r.facts.as_ref()?))) else {
            return today;
        };
        match judge(gateway, &snapshot, facts, recalled.row.bytes_in, then.stage) {
            // The policy is the same, and so is its decision, as far as it was one of the policy.
            Judged::Unknown(_) if same_policy == Some(true) => today,
            Judged::Unknown(why) => {
                Self { verdict: "unknown".to_owned(), why: Some(why.to_owned()), ..today }
            }
            Judged::Decided(decision) => {
                let asks_answers = snapshot.rules.interested(Hook::Response)
                    || snapshot.rules.interested(Hook::ResponseBody);
                let (verdict, why) = compare(&decision, then, same_policy == Some(true), asks_answers);
                let (verdict, why) =
                    if verdict == "same" && decision.verdict == "passes" && same_policy != Some(true) {
                        let row = &recalled.row;
                        let went = Went {
                            service: row.service.as_ref().map(Label::as_str),
                            status: row.status,
                            stage: then.stage,
                            had_body: row.bytes_in > 0 || facts.content_length > 0,
                        };
                        destination::compare(&Way::find(facts, &snapshot), went)
                    } else {
                        (verdict, why)
                    };
                let why = why.map(str::to_owned);
                Self { verdict: verdict.to_owned(), why, decision: Some(decision), ..today }
            }
        }
    }

    /// What can be said where all that is left of then is the hash of the policy.
    pub fn by_policy(then: Option<[u8; 8]>, now: [u8; 8], generation: Option<u64>) -> Self {
        let (verdict, why) = match then {
            Some(then) if then == now => ("same_policy", None),
            Some(_) => {
                ("unknown", Some("the policy has changed since, and what the request held is not kept"))
            }
            None => ("unknown", Some("it is not known which policy decided then")),
        };
        Self {
            verdict: verdict.to_owned(),
            why: why.map(str::to_owned),
            decision: None,
            generation,
            policy: hex(&now),
            changed_plugins: Vec::new(),
        }
    }

    /// Nothing is known of the policy of today.
    pub fn unknown(why: String) -> Self {
        Self {
            verdict: "unknown".to_owned(),
            why: Some(why),
            decision: None,
            generation: None,
            policy: String::new(),
            changed_plugins: Vec::new(),
        }
    }
}

/// Stages that judge the answer, or wait for it: what came before them let the request pass.
fn is_past_the_rules(stage: &str) -> bool {
    stage == Stage::Upstream.label() || judges_the_answer(stage)
}

fn judges_the_answer(stage: &str) -> bool {
    stage == Stage::OnResponse.label() || stage == Stage::OnResponseBody.label()
}

fn compare(
    now: &Decision,
    then: Then<'_>,
    same_policy: bool,
    asks_answers: bool,
) -> (&'static str, Option<&'static str>) {
    let passed_then = then.stage.is_none_or(is_past_the_rules);
    let passes_now = now.verdict == "passes";
    if then.stage.is_none() && then.status.is_none() {
        return ("unknown", Some("the client had left before anything was decided"));
    }
    match (passed_then, passes_now) {
        (true, true) if same_policy => ("same", None),
        (true, true) if then.stage.is_some_and(judges_the_answer) => {
            ("unknown", Some("it was refused for its answer, which is not kept"))
        }
        (true, true) if asks_answers => (
            "unknown",
            Some("it would be let through as it was; rules on answers need the answer, which is not kept"),
        ),
        (true, true) => ("same", None),
        (false, false) if now.status == then.status && now.code.as_deref() == then.code => ("same", None),
        _ => ("differs", None),
    }
}
