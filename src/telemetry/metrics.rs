//! The numbers: one registry, every metric of [`super::metric_list`], closed labels only.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::proto::Metric;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use super::access::known_method;
use super::exemplars::{Exemplar, RequestTimes};
use super::exposition::Exposition;
use super::metric_list as list;
use super::metric_list::Described;
use super::openmetrics;
pub use super::retained::Configured;
use super::retained::retain;
use super::upstream_metrics::UpstreamMetrics;

/// What a bucket decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// `user:`.
    User,
    /// `ip:`.
    Ip,
}

/// How an edit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The new policy is in force.
    Applied,
    /// It was bad; the last good one stays.
    Rejected,
    /// Nothing that counts had changed.
    Unchanged,
}

/// Something that brings numbers up to date just before they are read.
type Refresh = Box<dyn Fn(&Metrics) + Send + Sync>;

/// What becomes of a message of an alert.
const DELIVERED: [&str; 3] = ["delivered", "retried", "failed"];

/// Why connections are closed at once.
const REFUSED: [&str; 5] = ["too_many", "address", "busy", "memory", "proxy_header"];

/// All metrics. Shared by all threads; handles of hot ones are kept by those who count.
pub struct Metrics {
    registry: Registry,
    refresh: Mutex<Vec<Refresh>>,
    requests: IntCounterVec,
    request_times: RequestTimes,
    refusals: IntCounterVec,
    limits: [[IntCounter; 2]; 2],
    decisions: IntCounterVec,
    plugin_state: IntGaugeVec,
    plugin_seconds: HistogramVec,
    alerts: IntCounterVec,
    alert_deliveries: IntCounterVec,
    /// Messages of alerts that fell off a queue.
    pub alerts_dropped: IntCounter,
    state_keys: IntGaugeVec,
    state_bytes: IntGaugeVec,
    state_evicted: IntCounterVec,
    state_lost: IntCounterVec,
    reloads: [IntCounter; 3],
    upstream_seconds: HistogramVec,
    usage_dropped: IntCounter,
    traces_exported: IntCounter,
    traces_dropped: IntCounter,
    log_dropped: IntCounter,
    /// Requests that are being answered.
    pub in_flight: IntGauge,
    bans: IntGaugeVec,
    lockdown: IntGauge,
    /// Sessions that have not ended.
    pub sessions_active: IntGauge,
    /// Generation of the policy in force.
    pub generation: IntGauge,
    /// Whether what is on the disk is not what is in force: 0 or 1.
    pub config_stale: IntGauge,
    /// When the policy in force was loaded, in seconds since 1970-01-01 UTC.
    pub reload_success: IntGauge,
    /// Panics caught.
    pub panics: IntCounter,
    /// Open client connections.
    pub connections: IntGauge,
    connections_refused: IntCounterVec,
    /// How short memory is: 0 not, 1 requests are shed, 2 connections too.
    pub memory_pressure: IntGauge,
    /// Open WebSockets.
    pub websockets: super::websocket_metrics::WebSocketMetrics,
    /// Numbers of rules' own.
    pub rules: super::rule_metrics::RuleMetrics,
    /// Handshakes and certificates.
    pub tls: super::tls_metrics::TlsMetrics,
    /// Numbers of services.
    pub upstreams: UpstreamMetrics,
    /// Times that the watch on a folder was lost.
    pub watch_lost: IntCounter,
}

impl Metrics {
    /// A registry with every metric, those without labels and with known label values at zero.
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let r = &registry;
        let limits = counters(r, list::RATE_LIMIT);
        let reloads = counters(r, list::RELOADS);
        let connections_refused = counters(r, list::CONNECTIONS_REFUSED);
        for reason in REFUSED {
            connections_refused.with_label_values(&[reason]);
        }
        let alert_deliveries = counters(r, list::ALERT_DELIVERIES);
        for outcome in DELIVERED {
            alert_deliveries.with_label_values(&[outcome]);
        }
        gauges(r, list::BUILD_INFO).with_label_values(&[version]).set(1);
        Self {
            refresh: Mutex::default(),
            rules: super::rule_metrics::RuleMetrics::default(),
            alerts: counters(r, list::ALERTS),
            alert_deliveries,
            alerts_dropped: counter(r, list::ALERTS_DROPPED),
            requests: counters(r, list::HTTP_REQUESTS),
            request_times: RequestTimes::new(
                histograms(r, list::HTTP_DURATION),
                list::HTTP_DURATION.kind.buckets(),
            ),
            refusals: counters(r, list::STAGE_REFUSALS),
            limits: ["user", "ip"].map(|b| ["deny", "allow"].map(|d| limits.with_label_values(&[b, d]))),
            decisions: counters(r, list::PLUGIN_DECISIONS),
            plugin_state: gauges(r, list::PLUGIN_STATE),
            plugin_seconds: histograms(r, list::PLUGIN_DURATION),
            state_keys: gauges(r, list::STATE_KEYS),
            state_bytes: gauges(r, list::STATE_BYTES),
            state_evicted: counters(r, list::STATE_EVICTED),
            state_lost: counters(r, list::STATE_LOST),
            reloads: ["applied", "rejected", "unchanged"].map(|o| reloads.with_label_values(&[o])),
            upstreams: UpstreamMetrics {
                up: gauges(r, list::UPSTREAM_UP),
                endpoint_up: gauges(r, list::UPSTREAM_ENDPOINT_UP),
                circuit: gauges(r, list::UPSTREAM_CIRCUIT),
                in_flight: gauges(r, list::UPSTREAM_IN_FLIGHT),
                unused: gauges(r, list::UPSTREAM_UNUSED),
                ejections: counters(r, list::UPSTREAM_EJECTIONS),
                errors: counters(r, list::UPSTREAM_ERRORS),
                retries: counters(r, list::UPSTREAM_RETRIES),
            },
            upstream_seconds: histograms(r, list::UPSTREAM_DURATION),
            usage_dropped: counter(r, list::USAGE_DROPPED),
            traces_exported: counter(r, list::TRACES_EXPORTED),
            traces_dropped: counter(r, list::TRACES_DROPPED),
            log_dropped: counter(r, list::LOG_DROPPED),
            in_flight: gauge(r, list::HTTP_IN_FLIGHT),
            bans: gauges(r, list::BANS_ACTIVE),
            lockdown: gauge(r, list::LOCKDOWN_ACTIVE),
            sessions_active: gauge(r, list::SESSIONS_ACTIVE),
            generation: gauge(r, list::GENERATION),
            config_stale: gauge(r, list::CONFIG_STALE),
            reload_success: gauge(r, list::RELOAD_SUCCESS),
            panics: counter(r, list::PANICS),
            connections: gauge(r, list::CONNECTIONS),
            connections_refused,
            memory_pressure: gauge(r, list::MEMORY_PRESSURE),
            tls: super::tls_metrics::TlsMetrics::new(r),
            watch_lost: counter(r, list::WATCH_LOST),
            websockets: super::websocket_metrics::WebSocketMetrics::new(
                gauge(r, list::WEBSOCKETS_OPEN),
                counters(r, list::WEBSOCKETS_CLOSED),
                &counters(r, list::WEBSOCKET_BYTES),
            ),
            registry,
        }
    }

    /// Counts a request that was answered. `method` is cut to a known one; `route` and `code` are words of the configuration
    /// and the code, `code` empty where nothing was refused.
    pub fn request(&self, method: &str, route: &str, status: u16, code: &str) {
        let mut digits = [0; 3];
        let status = status_label(status, &mut digits);
        self.requests.with_label_values(&[known_method(method), route, status, code]).inc();
    }

    /// Counts how long a request took; `exemplar` may stand for it.
    pub fn request_took(&self, route: &Arc<str>, exemplar: Exemplar) {
        self.request_times.observe(route, exemplar);
    }

    /// Counts a connection that was closed at once, by the reason.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.with_label_values(&[reason]).inc();
    }

    /// Connections closed at once so far, for that reason.
    pub fn connections_refused(&self, reason: &'static str) -> u64 {
        self.connections_refused.with_label_values(&[reason]).get()
    }

    /// Counts a refusal by the stage that made it.
    pub fn refusal(&self, stage: &'static str, code: &str) {
        self.refusals.with_label_values(&[stage, code]).inc();
    }

    /// Counts what a bucket decided.
    pub fn rate_limit(&self, bucket: Bucket, allowed: bool) {
        self.limits[bucket as usize][usize::from(allowed)].inc();
    }

    /// Counts what a rule decided.
    pub fn plugin_decision(&self, plugin: &str, rule: &str, decision: &'static str, mode: &'static str) {
        self.decisions.with_label_values(&[plugin, rule, decision, mode]).inc();
    }

    /// Counts an alert that a rule raised, told or not.
    pub fn alert(&self, plugin: &str, severity: &'static str) {
        self.alerts.with_label_values(&[plugin, severity]).inc();
    }

    /// Counts what became of a message of an alert: `delivered`, `retried` or `failed`.
    pub fn alert_delivery(&self, outcome: &'static str) {
        self.alert_deliveries.with_label_values(&[outcome]).inc();
    }

    /// The histogram of one plugin, to be kept: `observe` takes seconds.
    pub fn plugin_seconds(&self, plugin: &str) -> Histogram {
        self.plugin_seconds.with_label_values(&[plugin])
    }

    /// Says how a plugin stands: 0 off, 1 shadow, 2 enforce, 3 tripped.
    pub fn plugin_state(&self, plugin: &str, state: i64) {
        self.plugin_state.with_label_values(&[plugin]).set(state);
    }

    /// Counts an edit that was seen.
    pub fn reload(&self, outcome: ReloadOutcome) {
        self.reloads[outcome as usize].inc();
    }

    /// Takes every series out whose route, plugin or service is not there. What is still running under a configuration
    /// before may bring one back, until this is called again.
    pub fn keep(&self, configured: &Configured<'_>) {
        retain(&self.requests, list::HTTP_REQUESTS.labels, "route", configured.route);
        self.request_times.retain(configured.route);
        retain(&self.upstream_seconds, list::UPSTREAM_DURATION.labels, "service", configured.service);
        let plugin = configured.plugin;
        retain(&self.decisions, list::PLUGIN_DECISIONS.labels, "plugin", plugin);
        retain(&self.plugin_seconds, list::PLUGIN_DURATION.labels, "plugin", plugin);
        retain(&self.alerts, list::ALERTS.labels, "plugin", plugin);
        for gauge in [&self.plugin_state, &self.state_keys, &self.state_bytes] {
            retain(gauge, &["plugin"], "plugin", plugin);
        }
        for counter in [&self.state_evicted, &self.state_lost] {
            retain(counter, &["plugin"], "plugin", plugin);
        }
        self.rules.keep(plugin);
    }

    /// The histogram of one service, to be kept: `observe` takes seconds.
    pub fn upstream_seconds(&self, service: &str) -> Histogram {
        self.upstream_seconds.with_label_values(&[service])
    }

    /// Says what a plugin remembers: entries, bytes, and the totals of entries that gave way and of changes that were lost.
    pub fn state(&self, plugin: &str, keys: u64, bytes: u64, evicted: u64, lost: u64) {
        self.state_keys.with_label_values(&[plugin]).set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.state_bytes.with_label_values(&[plugin]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        raise(&self.state_evicted.with_label_values(&[plugin]), evicted);
        raise(&self.state_lost.with_label_values(&[plugin]), lost);
    }

    /// Says how many networks and users are banned, and whether lockdown is on.
    pub fn bans(&self, networks: usize, users: usize, lockdown: bool) {
        for (kind, count) in [("network", networks), ("user", users)] {
            self.bans.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.lockdown.set(i64::from(lockdown));
    }

    /// Brings `usage_rows_dropped_total` up to a total that is counted elsewhere.
    pub fn usage_rows_dropped(&self, total: u64) {
        raise(&self.usage_dropped, total);
    }

    /// Brings `traces_exported_total` and `traces_dropped_total` up to totals that are counted elsewhere.
    pub fn traces(&self, exported: u64, dropped: u64) {
        raise(&self.traces_exported, exported);
        raise(&self.traces_dropped, dropped);
    }

    /// Brings `log_lines_dropped_total` up to a total that is counted elsewhere.
    pub fn log_lines_dropped(&self, total: u64) {
        raise(&self.log_dropped, total);
    }

    /// Has `refresh` called before each rendering, for numbers that live elsewhere. It must not call `on_render` or `render`.
    pub fn on_render(&self, refresh: impl Fn(&Self) + Send + Sync + 'static) {
        self.refresh.lock().push(Box::new(refresh));
    }

    /// All metrics in that form.
    pub fn render(&self, exposition: Exposition) -> String {
        let refresh = self.refresh.lock();
        refresh.iter().for_each(|refresh| refresh(self));
        match exposition {
            Exposition::Text => self.text(),
            Exposition::OpenMetrics => self.openmetrics(),
        }
    }

    fn openmetrics(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        let exemplars = |family: &str, series: &Metric| {
            let route = series.get_label().first().filter(|_| family == list::HTTP_DURATION.name);
            route.map_or_else(Vec::new, |route| self.request_times.exemplars(route.value()))
        };
        openmetrics::encode(&self.registry.gather(), exemplars, &mut out);
        self.rules.render(Exposition::OpenMetrics, &mut out);
        openmetrics::end(&mut out);
        out
    }

    fn text(&self) -> String {
        let mut out = Vec::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "the metrics cannot be rendered");
        }
        let mut text = String::from_utf8(out).unwrap_or_default();
        self.rules.render(Exposition::Text, &mut text);
        text
    }
}

/// Raises a counter to a total; two renderings at a time are kept apart by the lock on the refreshers.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// The status as a label; what is no status code is `other`.
fn status_label(status: u16, digits: &mut [u8; 3]) -> &str {
    if !(100..600).contains(&status) {
        return "other";
    }
    let digit = |n: u16| b'0' + u8::try_from(n % 10).unwrap_or(0);
    *digits = [digit(status / 100), digit(status / 10), digit(status)];
    std::str::from_utf8(digits).unwrap_or("other")
}

fn opts(d: Described) -> Opts {
    Opts::new(d.name, d.help)
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    registry.register(Box::new(metric.clone())).expect("each name of the list is there once");
    metric
}

const VALID: &str = "the list holds valid names only";

fn counter(registry: &Registry, d: Described) -> IntCounter {
    register(registry, IntCounter::with_opts(opts(d)).expect(VALID))
}

fn gauge(registry: &Registry, d: Described) -> IntGauge {
    register(registry, IntGauge::with_opts(opts(d)).expect(VALID))
}

pub(super) fn counters(registry: &Registry, d: Described) -> IntCounterVec {
    register(registry, IntCounterVec::new(opts(d), d.labels).expect(VALID))
}

pub(super) fn gauges(registry: &Registry, d: Described) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(opts(d), d.labels).expect(VALID))
}

fn histograms(registry: &Registry, d: Described) -> HistogramVec {
    let opts = HistogramOpts { common_opts: opts(d), buckets: d.kind.buckets().to_vec() };
    register(registry, HistogramVec::new(opts, d.labels).expect(VALID))
}

#[cfg(test)]
mod tests {
    use super::super::upstream_metrics::{EndpointNumbers, ServiceNumbers};
    use super::*;

    fn took(seconds: f64) -> Exemplar {
        let trace = crate::base::trace_context::TraceContext::begin("a", 1.0).trace;
        Exemplar { trace, seconds, unix_ms: 1_700_000_000_007 }
    }

    fn series(text: &str) -> usize {
        text.lines().filter(|line| !line.starts_with('#')).count()
    }

    fn value(text: &str, series: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    #[test]
    fn what_is_counted_is_rendered() {
        let m = Metrics::new("1.2.3");
        m.request("GET", "api", 200, "");
        m.request("BREW", "api", 403, "FORBIDDEN");
        m.request_took(&Arc::from("api"), took(0.02));
        m.rate_limit(Bucket::Ip, false);
        m.reload(ReloadOutcome::Rejected);
        m.plugin_decision("honeypot", "honeypot.touched", "deny", "enforce");
        m.refusal("bans", "BANNED");
        let up = |name, up| ServiceNumbers { name, up, errors: &[], retries: &[], endpoints: Vec::new() };
        m.upstreams.set(&[up("gone", Some(true))]);
        m.upstreams.set(&[up("app", Some(true)), up("unasked", None)]);
        let text = m.render(Exposition::Text);
        let is =
            |series: &str, expect: f64| assert_eq!(value(&text, series), Some(expect), "{series} in\n{text}");
        is(r#"pluginmind_http_requests_total{code="",method="GET",route="api",status="200"}"#, 1.0);
        is(
            r#"pluginmind_http_requests_total{code="FORBIDDEN",method="OTHER",route="api",status="403"}"#,
            1.0,
        );
        is(r#"pluginmind_http_request_duration_seconds_bucket{route="api",le="0.025"}"#, 1.0);
        is(r#"pluginmind_http_request_duration_seconds_bucket{route="api",le="0.01"}"#, 0.0);
        is(r#"pluginmind_rate_limit_decisions_total{bucket="ip",decision="deny"}"#, 1.0);
        is(r#"pluginmind_rate_limit_decisions_total{bucket="user",decision="allow"}"#, 0.0);
        is(r#"pluginmind_config_reloads_total{outcome="rejected"}"#, 1.0);
        is(r#"pluginmind_build_info{version="1.2.3"}"#, 1.0);
        is(r#"pluginmind_upstream_up{service="app"}"#, 1.0);
        assert!(!text.contains("gone") && !text.contains("unasked"));
    }

    #[test]
    fn every_metric_of_the_list_is_registered_and_no_other() {
        let m = Metrics::new("x");
        m.request("GET", "r", 200, "");
        m.refusal("s", "c");
        m.plugin_decision("p", "r", "deny", "enforce");
        let endpoint = EndpointNumbers { up: Some(true), circuit: 0, in_flight: 0, unused: 0, ejections: 0 };
        m.upstreams.set(&[ServiceNumbers {
            name: "s",
            up: Some(true),
            errors: &[("refused", 1)],
            retries: &[("answered", 1)],
            endpoints: vec![endpoint],
        }]);
        m.plugin_state("p", 2);
        m.state("p", 1, 2, 0, 0);
        m.alert("p", "high");
        m.bans(1, 0, true);
        m.tls.failed("timeout");
        m.tls.expiries([("app.example".to_owned(), 1)]);
        m.request_took(&Arc::from("r"), took(0.0));
        for histogram in [m.plugin_seconds("p"), m.upstream_seconds("s")] {
            histogram.observe(0.0);
        }
        let text = m.render(Exposition::Text);
        let mut seen: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
        let all: Vec<String> = list::ALL.iter().map(|d| format!("{} {}", d.name, d.kind.word())).collect();
        let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
        seen.sort_unstable();
        all.sort_unstable();
        assert_eq!(seen, all);
    }

    #[test]
    fn numbers_that_live_elsewhere_are_fetched_when_they_are_read() {
        let m = Metrics::new("x");
        m.on_render(|m| {
            m.usage_rows_dropped(7);
            m.log_lines_dropped(3);
            m.sessions_active.set(5);
        });
        for _ in 0..2 {
            let text = m.render(Exposition::Text);
            assert_eq!(value(&text, "pluginmind_usage_rows_dropped_total"), Some(7.0));
            assert_eq!(value(&text, "pluginmind_log_lines_dropped_total"), Some(3.0));
            assert_eq!(value(&text, "pluginmind_sessions_active"), Some(5.0));
        }
    }

    #[test]
    fn lg_04_methods_and_statuses_of_clients_and_upstreams_make_a_bounded_number_of_series() {
        let m = Metrics::new("x");
        for i in 0..100_000_u32 {
            m.request(&format!("M{i}"), "", u16::try_from(i % 65_536).unwrap(), "");
        }
        assert!(series(&m.render(Exposition::Text)) < 600);
    }

    #[test]
    fn lg_07_labels_are_escaped() {
        let m = Metrics::new("x");
        m.request("GET", "a\"b\\c\nd", 200, "");
        assert!(m.render(Exposition::Text).contains(r#"route="a\"b\\c\nd""#));
    }
}
