//! What is told about a request, for a person.

use std::fmt::Write as _;

use crate::server::explain::{RuleTold, StageTold, Told};

/// The whole text.
pub(super) fn human(told: &Told) -> String {
    let mut text = format!("{} from {}\n", told.request.line, told.request.client);
    headline(&mut text, told);
    let _ = writeln!(text, "  policy: generation {}, {}", told.policy.generation, told.policy.hash);
    text.push('\n');
    for stage in &told.stages {
        push_stage(&mut text, stage);
    }
    text.push('\n');
    push_forwarded(&mut text, told);
    push_answer(&mut text, told);
    for remark in &told.remarks {
        let _ = writeln!(text, "note: {remark}");
    }
    text.trim_end().to_owned()
}

fn headline(text: &mut String, told: &Told) {
    let outcome = &told.outcome;
    let status = outcome.status.map(|status| format!(" {status}")).unwrap_or_default();
    let code = outcome.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
    let _ = write!(text, "  {}{status}{code}", outcome.verdict);
    match &outcome.rule {
        Some(rule) => _ = write!(text, " by {rule}"),
        None if outcome.verdict != "forwarded" => _ = write!(text, " at {}", outcome.stage),
        None => {}
    }
    let route = if outcome.route.is_empty() { "none" } else { &outcome.route };
    let _ = write!(text, "\n  route: {route}   identity: {}   score: {}", outcome.auth, outcome.score);
    if !outcome.tags.is_empty() {
        let _ = write!(text, "   tags: {}", outcome.tags.join(" "));
    }
    if let Some(bucket) = &outcome.bucket {
        let _ = write!(text, "   bucket: {} {}/{}", bucket.bucket, bucket.remaining, bucket.limit);
    }
    text.push('\n');
}

fn push_stage(text: &mut String, stage: &StageTold) {
    let verdict = match &stage.code {
        Some(code) => format!("{} {code}", stage.verdict),
        None => stage.verdict.to_owned(),
    };
    line(text, &format!("  {:<12}  {verdict}", stage.stage), stage.duration_us);
    for rule in &stage.rules {
        push_rule(text, rule);
    }
}

fn push_rule(text: &mut String, rule: &RuleTold) {
    let points = rule.points.map(|points| format!(" {points}")).unwrap_or_default();
    let said = format!("{}{points} {}", rule.verdict, rule.code);
    let shadow = if rule.mode == "shadow" { "  (shadow)" } else { "" };
    line(text, &format!("    {:<36}  {}{shadow}", rule.rule, said.trim_end()), rule.duration_us);
}

/// A line with its time in a column at its end.
fn line(text: &mut String, words: &str, duration_us: Option<u64>) {
    let _ = match duration_us {
        Some(us) => writeln!(text, "{words:<72}  {us:>6} µs"),
        None => writeln!(text, "{words}"),
    };
}

fn push_forwarded(text: &mut String, told: &Told) {
    let Some(forwarded) = &told.forwarded else {
        text.push_str("forwarded: nothing\n");
        return;
    };
    let sent = &forwarded.sent;
    let _ = writeln!(
        text,
        "forwarded: {} {} to {} ({})",
        sent.method,
        sent.target,
        sent.service,
        forwarded.urls.join(", ")
    );
    let _ = writeln!(text, "  body: {} bytes", sent.body_bytes);
    let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let _ = writeln!(text, "  headers set: {}", names(&sent.set));
    let _ = writeln!(text, "  headers removed: {}", names(&sent.removed));
}

fn push_answer(text: &mut String, told: &Told) {
    let Some(answer) = &told.answer else {
        text.push_str("answer: none, the connection is closed\n");
        return;
    };
    let _ = writeln!(text, "answer: {}", answer.status);
    for (name, value) in &answer.headers {
        let _ = writeln!(text, "  {name}: {value}");
    }
    if !answer.body.is_empty() {
        let _ = writeln!(text, "\n  {}", answer.body.trim_end().replace('\n', "\n  "));
    }
}
