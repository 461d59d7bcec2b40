//! Asks plugin after plugin: what each said goes into the ledger, and the first refusal that counts ends it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;

use super::book::Decision;
use super::budget::{Limits, REQUEST_TIME_MAX};
use super::buffering::Wish;
use super::call::{Call, LogLevel, LogLine, Said};
use super::facts::RequestFacts;
use super::hook::Hook;
use super::ledger::{FaultKind, Ledger, Note, Outcome};
use super::manifest::OnError;
use super::meter::Pass;
use super::personal::without_people;
use super::plugin::Plugin;
use super::response::ResponseFacts;
use super::run::{self, Fault, Heard};
use super::standing::{self, Turn};
use crate::base::clock::Clock;
use crate::config::Mode;

/// Asks these plugins in order.
pub(super) fn ask<'a>(
    plugins: impl Iterator<Item = &'a Plugin>,
    hook: Hook,
    facts: &Arc<RequestFacts>,
    response: Option<&mut ResponseFacts>,
    ledger: &mut Ledger,
    clock: &Clock,
) -> Decision {
    let mut answer = Answer::borrow(response);
    let mut decision = Decision::Pass;
    for plugin in plugins {
        if !sees(plugin, hook, facts, answer.shared.as_deref()) {
            continue;
        }
        let layer = ledger.layer(&plugin.name);
        let turn = match layer {
            None => standing::turn(plugin, hook, facts, clock),
            Some(_) => standing::turn_without_probe(plugin, hook, facts),
        };
        let (mode, probe) = match turn {
            Turn::Ask { mode, probe } => (mode, probe),
            Turn::Skip => continue,
            Turn::Refuse => {
                note_down(plugin, left_out(plugin, hook), ledger);
                decision = Decision::Fault { plugin: plugin.name.clone() };
                break;
            }
        };
        let call = Arc::new(Call {
            hook,
            plugin: plugin.name.clone(),
            facts: facts.clone(),
            clock: clock.clone(),
            score_before: ledger.score,
            tags_before: ledger.tags.iter().cloned().collect(),
            codes: plugin.codes.clone(),
            response: answer.shared.clone(),
            denial: ledger.denial.clone(),
            facts_before: ledger.facts.clone(),
            permissions: plugin.manifest.permissions.clone(),
            occasion: None,
            state: match &layer {
                None => plugin.state(mode == Mode::Enforce),
                Some(layer) => plugin.scratch_state(layer),
            },
            said: Mutex::new(Said {
                vars: ledger.vars.remove(&plugin.name).unwrap_or_default(),
                ..Said::default()
            }),
        });
        let mut heard = hear(plugin, &call, ledger);
        heard.mode = mode;
        drop(call);
        if layer.is_none() {
            standing::settle(plugin, &heard, probe, clock);
        }
        decision = enter(plugin, hook, heard, facts, &mut answer, ledger, clock);
        if !matches!(decision, Decision::Pass) {
            break;
        }
    }
    answer.give_back();
    decision
}

/// The note of a plugin that is tripped, where nothing passes without it.
fn left_out(plugin: &Plugin, hook: Hook) -> Note {
    Note {
        plugin: plugin.name.clone(),
        hook,
        rule: plugin.name.to_string(),
        outcome: Outcome::Fault(FaultKind::Tripped),
        code: "".into(),
        mode: Mode::Enforce,
        duration: Duration::ZERO,
    }
}

/// Whether the plugin asked for the body that this moment is about.
fn sees(plugin: &Plugin, hook: Hook, facts: &RequestFacts, answer: Option<&ResponseFacts>) -> bool {
    let wish = &plugin.manifest.body;
    let fits = |length: usize, max: u64| u64::try_from(length).is_ok_and(|n| n <= max);
    match hook {
        Hook::Body => {
            let length = facts.body.get().map_or(0, super::body::BodyFacts::size);
            wish.request != Wish::None && fits(length, wish.max)
        }
        Hook::ResponseBody => answer.is_some_and(|answer| {
            let kind = answer.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let length = answer.body.as_ref().map_or(0, Bytes::len);
            wish.wants_answer(kind) && fits(length, wish.response_max)
        }),
        _ => true,
    }
}

/// Runs the hook within what is left of the request's time.
fn hear(plugin: &Plugin, call: &Arc<Call>, ledger: &mut Ledger) -> Heard {
    let counts = plugin.manifest.mode == Mode::Enforce;
    let left = REQUEST_TIME_MAX.saturating_sub(ledger.spent(counts));
    if left.is_zero() {
        let fault = Fault::nowhere(FaultKind::Time, "no time is left for this request");
        return Heard {
            outcome: Err(fault),
            said: Said::default(),
            time: Duration::ZERO,
            mode: plugin.manifest.mode,
        };
    }
    let limits = plugin.manifest.limits;
    let heard = run::call(plugin, call, Limits { time: limits.time.min(left), ..limits });
    ledger.spend(counts, heard.time);
    heard
}

/// Writes down what one plugin said, and decides whether it counts.
pub(super) fn enter(
    plugin: &Plugin,
    hook: Hook,
    heard: Heard,
    facts: &RequestFacts,
    answer: &mut Answer<'_>,
    ledger: &mut Ledger,
    clock: &Clock,
) -> Decision {
    let Heard { outcome, said, time, mode } = heard;
    let enforces = mode == Mode::Enforce;
    let note = |rule: String, outcome, code: Arc<str>, duration| Note {
        plugin: plugin.name.clone(),
        hook,
        rule,
        outcome,
        code,
        mode,
        duration,
    };
    for (points, code, rule) in said.scores {
        note_down(plugin, note(rule, Outcome::Score(points), code, Duration::ZERO), ledger);
        if enforces {
            ledger.add_score(points);
        }
    }
    for (tag, rule) in said.tags {
        // Rules read it as it is; whoever reads what rules said does not.
        let told = without_people(&tag, &plugin.space.people);
        note_down(plugin, note(rule, Outcome::Tag, (&*told).into(), Duration::ZERO), ledger);
        if enforces {
            ledger.add_tag(&tag, &told);
        }
    }
    if !said.vars.is_empty() {
        ledger.vars.insert(plugin.name.clone(), said.vars);
    }
    if enforces {
        ledger.facts.extend(said.facts);
    }
    if enforces {
        ledger.add_bans(said.bans);
    }
    for effect in said.effects {
        ledger.add_effect(effect, enforces);
    }
    log(plugin, &said.logs, facts, ledger, clock);
    match outcome {
        Ok(verdict) => {
            let (word, code, rule) = match &verdict {
                Some(v) => (v.outcome(), v.code.clone(), v.rule.clone()),
                None => (Outcome::Pass, Arc::default(), plugin.name.to_string()),
            };
            note_down(plugin, note(rule, word, code, time), ledger);
            if !enforces {
                return Decision::Pass;
            }
            if let Some(verdict) = verdict {
                let rule = verdict.rule.clone();
                if let Some(refusal) = verdict.refusal() {
                    return Decision::Refuse { refusal, plugin: plugin.name.clone(), rule };
                }
            }
            if let Some(draft) = said.draft {
                answer.change(draft.status, draft.headers);
            }
            if let Some(body) = said.body {
                answer.change_body(body);
            }
            ledger.outgoing.overlay(said.outgoing);
            if let Some(words) = said.words {
                ledger.words.get_or_insert_default().overlay(words);
            }
            Decision::Pass
        }
        Err(fault) => {
            let rule = format!("{}/main.rhai:{}", plugin.name, fault.line);
            report(plugin, hook, &fault, &rule, facts, ledger, clock);
            if ledger.scratch.is_none() {
                plugin.record.failed(&fault, hook, clock.unix_ms());
            }
            note_down(plugin, note(rule, Outcome::Fault(fault.kind), "".into(), time), ledger);
            // After the answer nothing can be refused any more.
            if enforces && hook != Hook::Log && plugin.manifest.on_error == OnError::Deny {
                Decision::Fault { plugin: plugin.name.clone() }
            } else {
                Decision::Pass
            }
        }
    }
}

/// Takes a note into the ledger, and into the plugin's record where the request is a real one.
fn note_down(plugin: &Plugin, note: Note, ledger: &mut Ledger) {
    let note = if ledger.scratch.is_none() { plugin.record.counted(note) } else { note };
    ledger.note(note);
}

/// Says that a plugin failed. Rhai's words may quote what the script threw, and so stay out of the log.
fn report(
    plugin: &Plugin,
    hook: Hook,
    fault: &Fault,
    rule: &str,
    facts: &RequestFacts,
    ledger: &mut Ledger,
    clock: &Clock,
) {
    if let Some(kept) = &mut ledger.kept_logs {
        kept.push(format!("fault: {rule}: {}", fault.words));
        return;
    }
    if plugin.log_meter.lock().admit(clock.now()) == Pass::Hold {
        return;
    }
    let (plugin, hook, kind) = (&*plugin.name, hook.name(), fault.kind.word());
    tracing::warn!(plugin, hook, kind, rule, correlation.id = facts.id.as_str(), "a plugin failed");
}

fn log(plugin: &Plugin, lines: &[LogLine], facts: &RequestFacts, ledger: &mut Ledger, clock: &Clock) {
    for line in lines {
        if let Some(kept) = &mut ledger.kept_logs {
            kept.push(line.text.clone());
            continue;
        }
        let held_back = match plugin.log_meter.lock().admit(clock.now()) {
            Pass::Hold => continue,
            Pass::Write => 0,
            Pass::WriteAfter(n) => n,
        };
        let (plugin, text, id) = (&*plugin.name, &line.text, facts.id.as_str());
        match line.level {
            LogLevel::Debug => tracing::debug!(plugin, correlation.id = id, held_back, "{text}"),
            LogLevel::Info => tracing::info!(plugin, correlation.id = id, held_back, "{text}"),
            LogLevel::Warn => tracing::warn!(plugin, correlation.id = id, held_back, "{text}"),
            LogLevel::Error => tracing::error!(plugin, correlation.id = id, held_back, "{text}"),
        }
    }
}

/// The head of the answer, lent to scripts while they run.
pub(super) struct Answer<'a> {
    home: Option<&'a mut ResponseFacts>,
    shared: Option<Arc<ResponseFacts>>,
}

impl<'a> Answer<'a> {
    pub fn borrow(home: Option<&'a mut ResponseFacts>) -> Self {
        let mut home = home;
        let shared = home.as_deref_mut().map(|home| {
            let headers = std::mem::take(&mut home.headers);
            Arc::new(ResponseFacts {
                headers,
                status: home.status,
                size: home.size,
                latency_ms: home.latency_ms,
                body: home.body.take(),
            })
        });
        Self { home, shared }
    }

    fn change(&mut self, status: http::StatusCode, headers: HeaderMap) {
        if let Some(old) = &self.shared {
            let changed = ResponseFacts { status, headers, body: old.body.clone(), ..**old };
            self.shared = Some(Arc::new(changed));
        }
    }

    fn change_body(&mut self, text: String) {
        if let Some(old) = &self.shared {
            let body = Some(Bytes::from(text));
            let changed = ResponseFacts { headers: old.headers.clone(), body, ..**old };
            self.shared = Some(Arc::new(changed));
        }
    }

    fn give_back(self) {
        if let (Some(home), Some(shared)) = (self.home, self.shared) {
            // No script holds the head any more: each call ended, and nothing of it can be kept in `req.vars`.
            *home = Arc::try_unwrap(shared).unwrap_or_else(|shared| (*shared).clone());
        }
    }
}
