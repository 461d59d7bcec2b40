//! The end of a request, however it ends: sent, cut, refused, or left by its client. Whoever holds the [`Closing`] holds
//! the end; when it is dropped the request is logged, counted and written down, once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::decided;
use super::gateway::Gateway;
use super::stage::Stage;
use super::trail::Trail;
use super::{recording, sampling, spans};
use crate::alert::Refused;
use crate::base::address::{Pseudonym, bucket_network};
use crate::base::refusal::Refusal;
use crate::config::Mode;
use crate::live::snapshot::Snapshot;
use crate::script::{Hook, Note, Outcome, ResponseFacts};
use crate::store::{Label, UsageRow};
use crate::telemetry::access::AccessLine;
use crate::telemetry::exemplars::Exemplar;

/// The code of a request whose client went away before it was answered.
const CLIENT_CLOSED: &str = "CLIENT_CLOSED_REQUEST";
/// The code of an answer that broke off after its head had gone out.
const RESPONSE_CUT: &str = "RESPONSE_CUT";

/// The first status that says no; what is refused is never left out of the usage log.
const REFUSED_FROM: u16 = 400;

/// Holds a request until its end.
pub struct Closing {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    trail: Trail,
    status: Option<StatusCode>,
    code: Option<Arc<str>>,
    refused_at: Option<Stage>,
    bytes_in: u64,
    bytes_out: u64,
    cut: bool,
    /// Why it ended, where that was for another reason than that all was said.
    ended_as: Option<&'static str>,
    /// When a tunnel was opened: its life is not the time that its answer took.
    opened: Option<Instant>,
}

impl Closing {
    /// Begins to hold a request.
    pub fn begin(gateway: Arc<Gateway>, snapshot: Arc<Snapshot>, trail: Trail) -> Box<Self> {
        gateway.metrics.in_flight.inc();
        let closing = Self {
            gateway,
            snapshot,
            trail,
            status: None,
            code: None,
            refused_at: None,
            bytes_in: 0,
            bytes_out: 0,
            cut: false,
            ended_as: None,
            opened: None,
        };
        Box::new(closing)
    }

    /// The trail, to be written on.
    pub fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// The request was refused.
    pub fn refused(&mut self, refusal: &Refusal) {
        self.refused_at = Some(self.trail.stage);
        self.code = Some(Arc::from(refusal.code()));
    }

    /// The head of the answer is known.
    pub fn answered(&mut self, status: StatusCode) {
        self.trail.times.answered();
        self.status = Some(status);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            self.opened = Some(self.gateway.clock.now());
        }
    }

    /// Bytes of the answer's body went out.
    pub fn count(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// The answer's body broke off.
    pub fn was_cut(&mut self) {
        self.cut = true;
    }

    /// Bytes that a tunnel carried from the client and from the upstream.
    pub fn carried(&mut self, up: u64, down: u64) {
        self.bytes_in += up;
        self.bytes_out += down;
    }

    /// Why what had no end of its own was ended; a code of a closed set.
    pub fn ended_as(&mut self, code: &'static str) {
        self.ended_as = Some(code);
    }

    /// The gateway.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// The policy that the request began with.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    fn settle_code(&mut self) {
        if let Some(code) = self.ended_as {
            self.code = Some(Arc::from(code));
        } else if self.code.is_none() && self.status.is_none() {
            self.code = Some(Arc::from(CLIENT_CLOSED));
        } else if self.cut {
            self.code = Some(Arc::from(RESPONSE_CUT));
        }
    }

    fn count_metrics(&self, now_ms: i64, duration: Duration) {
        let metrics = &self.gateway.metrics;
        let code = self.code.as_deref().unwrap_or_default();
        let status = self.status.map_or(0, |s| s.as_u16());
        metrics.request(self.trail.method, &self.trail.route, status, code);
        let answering = self.opened.map_or(duration, |at| at.saturating_duration_since(self.trail.started));
        let exemplar =
            Exemplar { trace: self.trail.trace.trace, seconds: answering.as_secs_f64(), unix_ms: now_ms };
        metrics.request_took(&self.trail.route, exemplar);
        if let Some(stage) = self.refused_at {
            metrics.refusal(stage.label(), code);
        }
        for note in self.trail.ledger.notes() {
            if !note.duration.is_zero() {
                metrics.plugin_seconds(&note.plugin).observe(note.duration.as_secs_f64());
            }
            let mode = if note.mode == Mode::Shadow { "shadow" } else { "enforce" };
            // The code, not the line: lines move with every edit, and each would leave a series behind.
            // Nor a tag's name: a rule may have it from the request, and there is no end to such names.
            let code = if note.outcome == Outcome::Tag { "" } else { &*note.code };
            metrics.plugin_decision(&note.plugin, code, note.outcome.word(), mode);
            if let Outcome::Fault(_) = note.outcome {
                self.gateway.alerts.plugin_failed(&note.plugin);
            }
        }
    }

    fn write_down(&mut self, now_ms: i64, duration: Duration) {
        let client = self.trail.client_pseudonym(&self.gateway.pseudonyms);
        let user = self.trail.user_hash;
        self.alert_if_refused(user);
        let decider = self.decider();
        self.gateway.logs.access(&AccessLine {
            unix_ms: now_ms,
            correlation_id: self.trail.id.as_str(),
            trace: self.trail.trace.trace,
            method: self.trail.method,
            route: &self.trail.route,
            status: self.status.map(|s| s.as_u16()),
            code: self.code.as_deref(),
            duration,
            client,
            user,
            auth_state: self.trail.auth,
            plugin: decider.map(|n| &*n.plugin),
            rule: decider.map(|n| n.rule.as_str()),
            generation: self.snapshot.generation,
        });
        let mut row = UsageRow {
            time_ms: self.trail.unix_ms,
            correlation_id: self.trail.id.clone(),
            method: Label::from(self.trail.method),
            route: Label::from(Arc::clone(&self.trail.route)),
            status: self.status.map_or(0, |s| s.as_u16()),
            code: self.code.clone().map(Label::from),
            stage: self.refused_at.map(|s| Label::from(s.label())),
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            bytes_in: self.trail.bytes_in() + self.bytes_in,
            bytes_out: self.bytes_out,
            client_hash: client.map(|c| *c.bytes()).unwrap_or_default(),
            user_hash: user.map(|u| *u.bytes()),
            plugin: decider.map(|n| Label::from(Arc::clone(&n.plugin))),
            rule_line: decider.and_then(|n| n.rule.rsplit_once(':')?.1.parse().ok()),
            generation: self.snapshot.generation,
            service: self.trail.service.clone().map(Label::from),
            policy: self.snapshot.policy,
            trace: None,
        };
        if self.trail.rehearsal.is_none() {
            // What a proxy asks about is another request than its own, and so is judged by other rules.
            let facts = self.trail.facts.as_ref().filter(|_| self.trail.asked.is_none());
            self.gateway.recall.push(&row, facts);
        }
        let refused = row.code.is_some() || row.status >= REFUSED_FROM;
        if refused || sampling::keeps(self.snapshot.config.storage.usage_sample) {
            row.trace = Some(recording::written(&self.trail, duration));
            self.gateway.store.add_usage(row);
        }
        for row in decided::rows(&self.trail, client, user) {
            self.gateway.store.add_decision(row);
        }
    }

    /// Counts it against the alerts, where it was answered with 401, 403 or 429.
    fn alert_if_refused(&self, user: Option<Pseudonym>) {
        let Some(status) = self.status.map(|status| status.as_u16()) else { return };
        let network = || Some(self.gateway.pseudonyms.address(bucket_network(self.trail.client?)));
        self.gateway.alerts.refused(Refused { status, route: &self.trail.route, user }, network);
    }

    /// The rule that refused the request, if one did.
    fn decider(&self) -> Option<&Note> {
        let refused = self.refused_at?;
        let by_fault = self.code.as_deref() == Some(Refusal::PluginFault.code());
        let rule_stage = refused.asks_rules() || by_fault;
        let decides = |n: &&Note| {
            // What is asked after the refusal did not make it, unless it failed and must not.
            let asked_in_time = by_fault || !matches!(n.hook, Hook::Deny | Hook::Log);
            let stops = n.outcome.refuses() || matches!(n.outcome, Outcome::Fault(_));
            n.mode == Mode::Enforce && asked_in_time && stops
        };
        self.trail.ledger.notes().iter().rev().find(decides).filter(|_| rule_stage)
    }

    /// Keeps the spans of a sampled request, where somebody collects them.
    fn tell_trace(&self, duration: Duration) {
        let tracing = &self.snapshot.config.tracing;
        if tracing.otlp.is_none() || !self.trail.trace.is_sampled() || self.trail.rehearsal.is_some() {
            return;
        }
        let span = spans::of(
            &self.trail,
            self.snapshot.generation,
            duration,
            self.status,
            self.code.clone(),
            self.refused_at,
        );
        self.gateway.spans.push(span, tracing.queue_max);
    }

    fn ask_on_log(&mut self, duration: Duration) {
        let Some(facts) = self.trail.facts.clone().filter(|_| self.snapshot.rules.interested(Hook::Log))
        else {
            return;
        };
        let mut response = ResponseFacts {
            status: self.status.unwrap_or(StatusCode::BAD_REQUEST),
            headers: http::HeaderMap::new(),
            size: self.bytes_out,
            latency_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            body: None,
        };
        // `on_log` decides nothing: the request is over.
        let _ = self.snapshot.rules.run(
            Hook::Log,
            &facts,
            Some(&mut response),
            &mut self.trail.ledger,
            &self.gateway.clock,
        );
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let duration = self.gateway.clock.now().saturating_duration_since(self.trail.started);
        self.settle_code();
        self.ask_on_log(duration);
        let now_ms = self.gateway.clock.unix_ms();
        self.count_metrics(now_ms, duration);
        // The answer has gone out: nobody waits for the disk.
        drop(self.gateway.keep_out(self.trail.ledger.take_bans()));
        let effects = self.trail.ledger.take_effects();
        self.gateway.deliver(effects);
        let status = self.status.map_or(0, |s| s.as_u16());
        let answering = self.opened.map_or(duration, |at| at.saturating_duration_since(self.trail.started));
        self.gateway.timeline.count(now_ms, status, answering);
        self.write_down(now_ms, duration);
        self.tell_trace(duration);
        self.gateway.metrics.in_flight.dec();
        if let Some(rehearsal) = self.trail.rehearsal.take() {
            rehearsal.end(&self.trail, self.status, self.code.clone(), self.refused_at);
        }
    }
}
