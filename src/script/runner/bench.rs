//! The bench of one test: the plugin, a clock that the test moves, and everything that the plugin logged.

use std::fmt::Write as _;
use std::sync::Arc;

use http::StatusCode;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use rhai::{Array, Dynamic, Module, NativeCallContext, export_module, exported_module};

use super::builder::TestRequest;
use super::outcome::TestOutcome;
use crate::base::clock::Clock;
use crate::base::refusal::Refusal;
use crate::base::units::parse_duration;
use crate::script::ask::ask;
use crate::script::book::Decision;
use crate::script::budget;
use crate::script::call::{Raised, error};
use crate::script::denial::DenialFacts;
use crate::script::effect::Effect;
use crate::script::facts::RequestFacts;
use crate::script::hook::Hook;
use crate::script::ledger::{Ledger, Outcome};
use crate::script::occasion;
use crate::script::plugin::Plugin;
use crate::script::response::ResponseFacts;
use crate::script::settings::from_script;
use crate::script::state::{ListValue, View};

/// Where the clock of every test stands at first: Monday, 2026-01-05, 12:00 UTC, in milliseconds.
const START_UNIX_MS: i64 = 1_767_614_400_000;
/// The same alert counts once in this time.
const ALERT_QUIET_MS: i64 = 600_000;
/// Log lines kept for `logs()`.
const LOGS_MAX: usize = 256;

/// What one test works with.
pub(super) struct Bench {
    plugin: Arc<Mutex<Plugin>>,
    clock: Mutex<Clock>,
    logs: Mutex<Vec<String>>,
    /// Alerts that the plugin sent; the same title once in ten minutes, as in a running gateway.
    alerts: Mutex<Vec<(String, i64)>>,
    trace: Mutex<String>,
}

/// The tag of a test's calls.
#[derive(Clone)]
pub(super) struct Handle(pub Arc<Bench>);

impl Bench {
    pub fn new(plugin: Arc<Mutex<Plugin>>) -> Self {
        Self {
            plugin,
            clock: Mutex::new(Clock::manual(START_UNIX_MS)),
            logs: Mutex::default(),
            alerts: Mutex::default(),
            trace: Mutex::default(),
        }
    }

    /// What every hook decided for the last request.
    pub fn last_trace(&self) -> String {
        self.trace.lock().clone()
    }

    /// What the plugin remembers, and the moment.
    fn state(&self) -> (View, i64) {
        (self.plugin.lock().state(true), self.clock.lock().unix_ms())
    }

    /// Remembers the alerts of one call.
    fn hear_alerts(&self, effects: Vec<Effect>, now_ms: i64) {
        let mut alerts = self.alerts.lock();
        for effect in effects {
            let Effect::Alert(alert) = effect else { continue };
            if !alerts.iter().any(|(title, at)| *title == alert.title && now_ms - at < ALERT_QUIET_MS) {
                alerts.push((alert.title, now_ms));
            }
        }
    }

    /// Calls a scheduled function of the plugin. A fault is the test's.
    fn run_schedule(&self, name: &str) -> Result<(), String> {
        let clock = self.clock.lock().clone();
        let mut ledger = Ledger::of_test();
        let plugin = self.plugin.lock();
        let schedule = plugin.manifest.schedules.iter().find(|s| s.call == name);
        let schedule = schedule.ok_or_else(|| format!("there is no schedule that calls `{name}`"))?;
        budget::apart(|| occasion::scheduled(&plugin, name, schedule.time, &mut ledger, &clock));
        self.hear_alerts(ledger.take_effects(), clock.unix_ms());
        let mut logs = self.logs.lock();
        logs.extend(ledger.kept_logs.take().into_iter().flatten());
        logs.truncate(LOGS_MAX);
        let failed = ledger.notes().iter().any(|note| matches!(note.outcome, Outcome::Fault(_)));
        match logs.last().filter(|_| failed) {
            Some(words) => Err(words.clone()),
            None => Ok(()),
        }
    }

    /// Sends one request through every hook of the plugin.
    fn run(&self, request: &TestRequest) -> TestOutcome {
        let clock = self.clock.lock().clone();
        let facts = Arc::new(request.facts(clock.unix_ms()));
        let mut ledger = Ledger::of_test();
        let mut response = request.response();
        let mut plugin = self.plugin.lock();
        let routes = request.has_route().then(|| plugin.manifest.filter.clone());
        let filter = std::mem::take(&mut plugin.manifest.filter);
        plugin.manifest.filter = routes.unwrap_or_else(|| filter.clone().on_any_route());
        let decision = judge(&plugin, &facts, request, &mut response, &mut ledger, &clock);
        plugin.manifest.filter = filter;
        let mut logs = self.logs.lock();
        logs.extend(ledger.kept_logs.take().into_iter().flatten());
        logs.truncate(LOGS_MAX);
        self.hear_alerts(ledger.take_effects(), clock.unix_ms());
        let trace = trace(&facts, &ledger);
        self.trace.lock().clone_from(&trace);
        TestOutcome::new(decision, &facts, response, &mut ledger, trace)
    }
}

/// The moments of the pipeline in their order.
fn judge(
    plugin: &Plugin,
    facts: &Arc<RequestFacts>,
    request: &TestRequest,
    response: &mut ResponseFacts,
    ledger: &mut Ledger,
    clock: &Clock,
) -> Decision {
    let at = |hook: Hook, response: Option<&mut ResponseFacts>, ledger: &mut Ledger| {
        let asked = Some(plugin).filter(|p| p.has(hook) && p.manifest.filter.takes(facts)).into_iter();
        budget::apart(|| ask(asked, hook, facts, response, ledger, clock))
    };
    let mut decision = at(Hook::Request, None, ledger);
    if matches!(decision, Decision::Pass) {
        facts.identify(request.identity());
        decision = at(Hook::Auth, None, ledger);
    }
    if matches!(decision, Decision::Pass) {
        facts.give_body(request.body_facts());
        decision = at(Hook::Body, None, ledger);
    }
    if matches!(decision, Decision::Pass) {
        decision = at(Hook::Upstream, None, ledger);
    }
    if matches!(decision, Decision::Pass) {
        decision = at(Hook::Response, Some(response), ledger);
    }
    if matches!(decision, Decision::Pass) {
        response.body = Some(request.answer());
        decision = at(Hook::ResponseBody, Some(response), ledger);
    }
    if let Some(denial) = denial_of(&decision) {
        response.status = StatusCode::from_u16(denial.status).unwrap_or(StatusCode::FORBIDDEN);
        ledger.refuse(denial);
        at(Hook::Deny, None, ledger);
    }
    at(Hook::Log, Some(&mut ResponseFacts { body: None, ..response.clone() }), ledger);
    decision
}

/// A refusal as `on_deny` sees it.
fn denial_of(decision: &Decision) -> Option<DenialFacts> {
    let (refusal, plugin) = match decision {
        Decision::Pass => return None,
        Decision::Refuse { refusal, plugin, .. } => (Refusal::Rule(refusal.clone()), plugin),
        Decision::Fault { plugin } => (Refusal::PluginFault, plugin),
    };
    Some(DenialFacts {
        plugin: plugin.clone(),
        code: refusal.code().to_owned(),
        status: refusal.status().as_u16(),
        message: refusal.message().into_owned(),
    })
}

/// One line a decision: hook, rule, what, code.
fn trace(facts: &RequestFacts, ledger: &Ledger) -> String {
    let mut text = format!("  trace of {} {}", facts.method, facts.path);
    for note in ledger.notes() {
        let _ = write!(text, "\n    {:<12} {:<32} {}", note.hook.name(), note.rule, note.outcome.word());
        let _ = match note.outcome {
            Outcome::Score(points) => write!(text, " {points} {}", note.code),
            Outcome::Fault(kind) => write!(text, " ({})", kind.word()),
            _ => write!(text, " {}", note.code),
        };
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn bench(ctx: &NativeCallContext<'_>) -> Raised<Arc<Bench>> {
    let handle = ctx.tag().and_then(|tag| tag.clone().try_cast::<Handle>());
    handle.map(|h| h.0).ok_or_else(|| error("this function works only in tests"))
}

pub(super) fn register(module: &mut Module) {
    module.combine_flatten(exported_module!(api));
}

#[export_module]
mod api {
    /// Sends a request through the plugin.
    #[rhai_fn(return_raw, volatile)]
    pub fn run(ctx: NativeCallContext<'_>, request: TestRequest) -> Raised<TestOutcome> {
        Ok(bench(&ctx)?.run(&request))
    }

    /// Sets the clock to a moment in UTC: `"2026-03-03T10:00"`.
    #[rhai_fn(return_raw, volatile)]
    pub fn clock_set(ctx: NativeCallContext<'_>, moment: &str) -> Raised<()> {
        let bench = bench(&ctx)?;
        let civil = moment
            .parse::<DateTime>()
            .map_err(|_| error("this is not a moment such as \"2026-03-03T10:00\""))?;
        let zoned =
            civil.to_zoned_datetime(TimeZone::UTC).map_err(|_| error("this moment is out of range"))?;
        *bench.clock.lock() = Clock::manual(zoned.timestamp().as_millisecond());
        Ok(())
    }

    /// Moves the clock forward: `"10m"`.
    #[rhai_fn(return_raw, volatile)]
    pub fn clock_advance(ctx: NativeCallContext<'_>, by: &str) -> Raised<()> {
        let by = parse_duration(by).map_err(error)?;
        bench(&ctx)?.clock.lock().advance(by);
        Ok(())
    }

    /// Gives a setting another value for the rest of this test.
    #[rhai_fn(return_raw, volatile)]
    pub fn set_setting(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<()> {
        bench(&ctx)?.plugin.lock().set(name, &from_script(&value)).map_err(error)
    }

    /// Puts an entry into a list of the plugin.
    #[rhai_fn(return_raw, volatile)]
    pub fn list_add(ctx: NativeCallContext<'_>, name: &str, value: &str) -> Raised<()> {
        let bench = bench(&ctx)?;
        let (state, now_ms) = bench.state();
        state.add(name, &ListValue::Text(value), None, "", now_ms).map_err(error)
    }

    /// Whether an address, a text or a host name is in a list of the plugin, or in `gateway/ban`.
    #[rhai_fn(return_raw, volatile)]
    pub fn list_has(ctx: NativeCallContext<'_>, name: &str, value: &str) -> Raised<bool> {
        let bench = bench(&ctx)?;
        let (state, now_ms) = bench.state();
        state.listed(name, &ListValue::Text(value), now_ms).map(|note| note.is_some()).map_err(error)
    }

    /// Keeps a value under a key of the plugin.
    #[rhai_fn(return_raw, volatile)]
    pub fn kv_set(ctx: NativeCallContext<'_>, key: &str, value: Dynamic) -> Raised<()> {
        let bench = bench(&ctx)?;
        let (state, now_ms) = bench.state();
        state.set(key, value, None, now_ms).map_err(error)
    }

    /// Calls a scheduled function of the plugin now.
    #[rhai_fn(return_raw, volatile)]
    pub fn run_schedule(ctx: NativeCallContext<'_>, name: &str) -> Raised<()> {
        bench(&ctx)?.run_schedule(name).map_err(error)
    }

    /// Every line that the plugin logged in this test.
    #[rhai_fn(return_raw, volatile)]
    pub fn logs(ctx: NativeCallContext<'_>) -> Raised<Array> {
        Ok(bench(&ctx)?.logs.lock().iter().map(|l| Dynamic::from(l.clone())).collect())
    }

    /// How many alerts the plugin sent in this test; the same title counts once in ten minutes.
    #[rhai_fn(return_raw, volatile)]
    pub fn alerts(ctx: NativeCallContext<'_>) -> Raised<i64> {
        Ok(i64::try_from(bench(&ctx)?.alerts.lock().len()).unwrap_or(i64::MAX))
    }
}
