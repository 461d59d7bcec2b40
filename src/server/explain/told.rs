//! What is told about a request: the document of `explain --format json` and of the playground, and what the text for a
//! person is made of.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Answer, Played};
use crate::config::Mode;
use crate::limiter::Kind;
use crate::live::snapshot::Snapshot;
use crate::pipeline::rehearsal::{Ended, Forwarded};
use crate::pipeline::stage::Stage;
use crate::script::{Note, Outcome};

/// Everything that is told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Which policy decided.
    pub policy: PolicyTold,
    /// The request.
    pub request: RequestTold,
    /// Every stage that it came to, in order.
    pub stages: Vec<StageTold>,
    /// How it ended.
    pub outcome: OutcomeTold,
    /// What would have gone upstream.
    pub forwarded: Option<ForwardedTold>,
    /// What the client would have got; absent where the connection is closed without an answer.
    pub answer: Option<Answer>,
    /// What the reader must know beside.
    pub remarks: Vec<String>,
}

/// Which policy decided.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyTold {
    /// The generation that a gateway begins with which starts with these files.
    pub generation: u64,
    /// SHA-256 over its files, in hex.
    pub hash: String,
}

/// The request.
#[derive(Debug, Serialize)]
pub struct RequestTold {
    /// The method and the target as they were sent.
    pub line: String,
    /// Where it comes from.
    pub client: IpAddr,
}

/// A stage that the request came to.
#[derive(Debug, Serialize)]
pub struct StageTold {
    /// The stage's name.
    pub stage: &'static str,
    /// `passed`, `refused`, `answered` or `dropped`.
    pub verdict: &'static str,
    /// The code of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In microseconds; absent for what comes after the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What the rules said there, in the order in which they were asked.
    pub rules: Vec<RuleTold>,
}

/// What one rule said.
#[derive(Debug, Serialize)]
pub struct RuleTold {
    /// The plugin.
    pub plugin: String,
    /// The hook.
    pub hook: &'static str,
    /// `plugin/main.rhai:LINE`.
    pub rule: String,
    /// What it said, as the name of the verb, or `fault`.
    pub verdict: &'static str,
    /// The code of the verb.
    pub code: String,
    /// Of a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// `enforce`, or `shadow`: it would have been so.
    pub mode: &'static str,
    /// In microseconds; of the whole call, so only where the call ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
}

/// How it ended.
#[derive(Debug, Default, Serialize)]
pub struct OutcomeTold {
    /// `forwarded`, `answered`, `refused` or `dropped`.
    pub verdict: &'static str,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The code of the refusal.
    pub code: Option<String>,
    /// The stage that decided.
    pub stage: &'static str,
    /// The rule that refused.
    pub rule: Option<String>,
    /// The route's name; empty where there is none.
    pub route: String,
    /// What identified the request.
    pub auth: &'static str,
    /// The sum of the scores that count.
    pub score: i64,
    /// The tags that count.
    pub tags: Vec<String>,
    /// The bucket with the least left.
    pub bucket: Option<BucketTold>,
    /// In microseconds.
    pub duration_us: u64,
}

/// The bucket with the least left, counted from a full one.
#[derive(Debug, Serialize)]
pub struct BucketTold {
    /// `user` or `ip`.
    pub bucket: &'static str,
    /// What fits in it.
    pub limit: u32,
    /// What is left.
    pub remaining: u32,
}

/// What would have gone upstream.
#[derive(Debug, Serialize)]
pub struct ForwardedTold {
    /// The request, as it would go.
    #[serde(flatten)]
    pub sent: Forwarded,
    /// Where the service is.
    pub urls: Vec<String>,
}

/// What must be kept of the snapshot before it is played.
pub struct Policy {
    told: PolicyTold,
    services: BTreeMap<String, Vec<String>>,
    /// Each plugin's `main.rhai`, as it was read.
    plugins: BTreeMap<String, Arc<str>>,
}

impl Policy {
    /// That of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let services = &snapshot.config.services;
        let plugins = snapshot.rules.plugins().into_iter();
        let main = |name: Arc<str>| Some((name.to_string(), snapshot.rules.main_of(&name)?));
        Self {
            told: PolicyTold { generation: snapshot.generation, hash: snapshot.hash.clone() },
            services: services.iter().map(|s| (s.name.clone(), urls(s))).collect(),
            plugins: plugins.filter_map(|plugin| main(plugin.name)).collect(),
        }
    }

    /// Where a rule stands that called no verb: the line of its function.
    fn rule(&self, note: &Note) -> String {
        if note.rule.contains(':') {
            return note.rule.clone();
        }
        let head = format!("fn {}(", note.hook.name());
        let line =
            self.plugins.get(&*note.plugin).and_then(|text| text.lines().position(|l| l.contains(&head)));
        line.map_or_else(|| note.rule.clone(), |line| format!("{}/main.rhai:{}", note.plugin, line + 1))
    }
}

impl Told {
    /// What came of a request of that line from that client.
    pub fn new(line: &str, client: IpAddr, policy: Policy, played: Played) -> Self {
        let Played { stages, ended, forwarded, answer, remarks } = played;
        let request = RequestTold { line: line.to_owned(), client };
        let Some(ended) = ended else {
            let outcome = unanswered();
            let stage = StageTold {
                stage: Stage::Connection.label(),
                verdict: outcome.verdict,
                code: outcome.code.clone(),
                duration_us: None,
                rules: Vec::new(),
            };
            let (policy, stages) = (policy.told, vec![stage]);
            return Self { policy, request, stages, outcome, forwarded: None, answer, remarks };
        };
        let mut rules: Vec<_> = ended.notes.iter().map(|note| rule(note, &policy)).collect();
        let outcome = outcome(&ended, forwarded.is_some(), &rules);
        let mut told: Vec<_> = stages
            .iter()
            .map(|spent| StageTold {
                stage: spent.stage.label(),
                verdict: if spent.stage == ended.reached { last_verdict(&ended) } else { "passed" },
                code: ended
                    .code
                    .as_deref()
                    .filter(|_| ended.refused_at == Some(spent.stage))
                    .map(str::to_owned),
                duration_us: Some(micros(spent.time)),
                rules: rules.extract_if(.., |rule| stage_of(rule.hook) == spent.stage.label()).collect(),
            })
            .collect();
        while let Some(hook) = rules.first().map(|rule| rule.hook) {
            let rules = rules.extract_if(.., |rule| rule.hook == hook).collect();
            told.push(StageTold { stage: hook, verdict: "passed", code: None, duration_us: None, rules });
        }
        let forwarded = forwarded.map(|sent| {
            let urls = policy.services.get(&sent.service).cloned().unwrap_or_default();
            ForwardedTold { sent, urls }
        });
        Self { policy: policy.told, request, stages: told, outcome, forwarded, answer, remarks }
    }
}

/// The stage at which a hook is asked.
fn stage_of(hook: &'static str) -> &'static str {
    match hook {
        "on_auth" => Stage::Authorise.label(),
        other => other,
    }
}

fn rule(note: &Note, policy: &Policy) -> RuleTold {
    let points = match note.outcome {
        Outcome::Score(points) => Some(points),
        _ => None,
    };
    RuleTold {
        plugin: note.plugin.to_string(),
        hook: note.hook.name(),
        rule: policy.rule(note),
        verdict: note.outcome.word(),
        code: note.code.to_string(),
        points,
        mode: if note.mode == Mode::Enforce { "enforce" } else { "shadow" },
        duration_us: note.outcome.ends_call().then(|| micros(note.duration)),
    }
}

fn last_verdict(ended: &Ended) -> &'static str {
    match (ended.status, ended.refused_at) {
        (None, _) => "dropped",
        (_, Some(_)) => "refused",
        (_, None) if ended.reached >= Stage::OnResponse => "passed",
        (_, None) => "answered",
    }
}

fn outcome(ended: &Ended, is_forwarded: bool, rules: &[RuleTold]) -> OutcomeTold {
    let verdict = match last_verdict(ended) {
        "passed" if is_forwarded => "forwarded",
        "passed" => "answered",
        other => other,
    };
    let by_rule = |rule: &&RuleTold| {
        rule.mode == "enforce"
            && match ended.code.as_deref().filter(|_| ended.refused_at.is_some()) {
                Some("PLUGIN_FAULT") => rule.verdict == "fault",
                Some(code) => rule.code == code,
                None => false,
            }
    };
    OutcomeTold {
        verdict,
        status: ended.status.map(|s| s.as_u16()),
        code: ended.code.as_deref().map(str::to_owned),
        stage: ended.reached.label(),
        rule: rules.iter().rev().find(by_rule).map(|rule| rule.rule.clone()),
        route: ended.route.to_string(),
        auth: ended.auth.word(),
        score: ended.score,
        tags: ended.tags.clone(),
        bucket: ended.level.map(|level| BucketTold {
            bucket: if level.kind == Kind::User { "user" } else { "ip" },
            limit: level.limit,
            remaining: level.remaining,
        }),
        duration_us: micros(ended.took),
    }
}

/// What never became a request: the connection closed before anything was refused or answered.
fn unanswered() -> OutcomeTold {
    OutcomeTold {
        verdict: "dropped",
        stage: Stage::Connection.label(),
        auth: "none",
        ..OutcomeTold::default()
    }
}

fn urls(service: &crate::config::Service) -> Vec<String> {
    service.urls.iter().map(ToString::to_string).collect()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
