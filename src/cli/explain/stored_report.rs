//! What is told about a request of the past, for a person.

use std::fmt::Write as _;

use crate::pipeline::again::Today;
use crate::server::requests::{Explained, Past, RequestView};
use crate::store::{RuleTrace, Trace};

/// The whole text: every request of the id, the newest first.
pub(super) fn human(found: &Explained) -> String {
    let mut text = String::new();
    if found.requests.len() > 1 {
        let _ = writeln!(
            text,
            "{} requests came with the id {}; the newest first",
            found.requests.len(),
            found.id
        );
    }
    for (n, past) in found.requests.iter().enumerate() {
        if n > 0 || found.requests.len() > 1 {
            text.push('\n');
        }
        push(&mut text, past);
    }
    text.trim_end().to_owned()
}

fn push(text: &mut String, past: &Past) {
    let request = &past.request;
    let _ = writeln!(text, "{} {}  {}", request.method, or_none(&request.route), request.id);
    headline(text, past);
    let service =
        request.service.as_deref().map(|service| format!("   service: {service}")).unwrap_or_default();
    let _ = writeln!(text, "  at {}   took {} ms{service}", request.time, request.duration_ms);
    let user = request.user_hash.as_deref().unwrap_or("nobody");
    let _ = writeln!(text, "  client: {}   user: {user}", request.client_hash);
    let _ = writeln!(text, "  body bytes: {} in, {} out", request.bytes_in, request.bytes_out);
    let policy = request.policy.as_deref().unwrap_or("not kept");
    let _ = writeln!(text, "  policy: generation {}, {policy}\n", request.generation);
    match &past.trace {
        Some(trace) => push_trace(text, trace, past),
        None => {
            let why = past.without_trace.as_deref().unwrap_or("none was kept");
            let _ = writeln!(text, "there is no trace: {why}");
        }
    }
    if let Some(today) = &past.today {
        push_today(text, today, request);
    }
}

fn headline(text: &mut String, past: &Past) {
    let request = &past.request;
    let status = request.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let code = request.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
    let _ = match &past.decided_by {
        Some(decided) => {
            let rule = decided.rule.as_deref().map(|rule| format!(" by {rule}")).unwrap_or_default();
            writeln!(text, "  refused {status}{code} at {}{rule}", decided.stage)
        }
        None => writeln!(text, "  {status}{code}"),
    };
}

fn push_trace(text: &mut String, trace: &Trace, past: &Past) {
    let tags =
        if trace.tags.is_empty() { String::new() } else { format!("   tags: {}", trace.tags.join(" ")) };
    let _ = writeln!(text, "  identity: {}   score: {}{tags}", or_none(&trace.auth), trace.score);
    let refused_at = past.decided_by.as_ref().map(|decided| decided.stage.as_str());
    let mut rules: Vec<&RuleTrace> = trace.rules.iter().collect();
    for stage in &trace.stages {
        let verdict = match refused_at {
            Some(at) if at == stage.stage => {
                format!("refused {}", past.request.code.as_deref().unwrap_or_default())
            }
            _ => "passed".to_owned(),
        };
        line(text, &format!("  {:<16}  {}", stage.stage, verdict.trim_end()), stage.us);
        for rule in rules.extract_if(.., |rule| stage_of(&rule.hook) == stage.stage) {
            push_rule(text, rule);
        }
    }
    let mut hook = "";
    for rule in rules {
        if rule.hook != hook {
            hook = &rule.hook;
            let _ = writeln!(text, "  {hook}");
        }
        push_rule(text, rule);
    }
    if trace.rules_dropped > 0 {
        let _ = writeln!(text, "  ({} more verdicts were not kept)", trace.rules_dropped);
    }
    text.push('\n');
    for bucket in &trace.buckets {
        let full = f64::from(bucket.reset_ms) / 1_000.0;
        let _ = writeln!(
            text,
            "bucket {}: {} of {} left, full in {full} s",
            bucket.bucket, bucket.remaining, bucket.limit
        );
    }
    if let Some(ms) = trace.upstream_ms {
        let _ = writeln!(text, "the upstream answered after {ms} ms");
    }
    for (what, names) in [("headers set", &trace.set), ("headers removed", &trace.removed)] {
        if !names.is_empty() {
            let _ = writeln!(text, "{what}: {}", names.join(", "));
        }
    }
}

fn push_rule(text: &mut String, rule: &RuleTrace) {
    let said = format!("{} {}", rule.outcome, rule.code);
    let shadow = if rule.mode == "shadow" { "  (shadow)" } else { "" };
    line(text, &format!("    {:<36}  {}{shadow}", rule.rule, said.trim_end()), rule.us);
}

/// A line with its time in a column at its end.
fn line(text: &mut String, words: &str, us: u32) {
    let _ = writeln!(text, "{words:<72}  {us:>6} µs");
}

/// The stage at which a hook is asked.
fn stage_of(hook: &str) -> &str {
    if hook == "on_auth" { "authorise" } else { hook }
}

fn push_today(text: &mut String, today: &Today, request: &RequestView) {
    let generation = today.generation.map(|n| format!("generation {n}, ")).unwrap_or_default();
    let _ = write!(
        text,
        "\ntoday ({generation}{}): ",
        if today.policy.is_empty() { "no policy" } else { &today.policy }
    );
    let decision = today.decision.as_ref().map(|decision| {
        let status = decision.status.map(|status| format!(" {status}")).unwrap_or_default();
        let code = decision.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
        let by = match (&decision.rule, &decision.stage) {
            (Some(rule), _) => format!(" by {rule}"),
            (None, Some(stage)) => format!(" at {stage}"),
            (None, None) => String::new(),
        };
        let what = if decision.verdict == "passes" { "it would pass" } else { &decision.verdict };
        format!("{what}{status}{code}{by}")
    });
    let _ = match (today.verdict.as_str(), decision) {
        ("same", Some(decision)) if request.is_refused() => writeln!(text, "the same, {decision}"),
        ("same", _) => writeln!(text, "the same"),
        ("same_policy", _) => writeln!(text, "the policy is the same as then"),
        ("differs", Some(decision)) => writeln!(text, "another decision: {decision}"),
        _ => writeln!(text, "unknown: {}", today.why.as_deref().unwrap_or("nothing is known of then")),
    };
    if !today.changed_plugins.is_empty() {
        let _ = writeln!(
            text,
            "  changed since, of the plugins that were asked: {}",
            today.changed_plugins.join(", ")
        );
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
