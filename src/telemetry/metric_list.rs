//! Every metric there is, in one list: the registry, the reference and the tests are made from it.

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations of requests, in seconds: 5 ms to 10 s.
    RequestSeconds,
    /// Durations of plugins, in seconds: 10 µs to 100 ms.
    PluginSeconds,
}

impl Kind {
    /// The word of the exposition format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::RequestSeconds | Self::PluginSeconds => "histogram",
        }
    }

    /// Upper bounds of the buckets, in seconds; empty for what is no histogram.
    pub fn buckets(self) -> &'static [f64] {
        match self {
            Self::Counter | Self::Gauge => &[],
            Self::RequestSeconds => {
                &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
            }
            Self::PluginSeconds => &[
                0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01,
                0.025, 0.05, 0.1,
            ],
        }
    }
}

/// One metric as the reference shows it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The name, with the prefix.
    pub name: &'static str,
    /// What kind of number.
    pub kind: Kind,
    /// The label names. Their values come from the configuration and the code, never from a client.
    pub labels: &'static [&'static str],
    /// A sentence.
    pub help: &'static str,
}

macro_rules! list {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $constant: Described =
            Described { name: concat!("pluginmind_", $name), kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// All metrics, in the order of the reference.
        pub const ALL: &[Described] = &[$($constant),*];
    };
}

list! {
    HTTP_REQUESTS = Counter "http_requests_total" ["method", "route", "status", "code"] "Requests answered. `code` is empty where nothing was refused.";
    HTTP_DURATION = RequestSeconds "http_request_duration_seconds" ["route"] "From the request's head to the end of the answer.";
    HTTP_IN_FLIGHT = Gauge "http_requests_in_flight" [] "Requests that are being answered.";
    STAGE_REFUSALS = Counter "stage_refusals_total" ["stage", "code"] "Refusals, by the stage of the pipeline that made them.";
    RATE_LIMIT = Counter "rate_limit_decisions_total" ["bucket", "decision"] "What the `user` and `ip` buckets decided: allow or deny.";
    PLUGIN_DECISIONS = Counter "plugin_decisions_total" ["plugin", "rule", "decision", "mode"] "What rules decided, in shadow and in enforce mode.";
    PLUGIN_STATE = Gauge "plugin_state" ["plugin"] "0 off, 1 shadow, 2 enforce, 3 tripped: it failed or was slow too often.";
    PLUGIN_DURATION = PluginSeconds "plugin_duration_seconds" ["plugin"] "Time in a plugin's hook.";
    STATE_KEYS = Gauge "state_keys" ["plugin"] "Entries that a plugin remembers, in its lists too.";
    STATE_BYTES = Gauge "state_bytes" ["plugin"] "Bytes that a plugin remembers, roughly.";
    STATE_EVICTED = Counter "state_evicted_total" ["plugin"] "Entries that gave way to others, because a quota was reached.";
    ALERTS = Counter "alerts_total" ["plugin", "severity"] "Alerts that rules raised, told or not.";
    ALERT_DELIVERIES = Counter "alert_deliveries_total" ["outcome"] "Messages of alerts to webhooks: delivered, retried (a try that gets another one), failed.";
    ALERTS_DROPPED = Counter "alerts_dropped_total" [] "Messages of alerts that fell off a queue; their line of the log was written.";
    STATE_LOST = Counter "state_changes_lost_total" ["plugin"] "Changes that could not be kept until the database took them.";
    SESSIONS_ACTIVE = Gauge "sessions_active" [] "Sessions that have not ended.";
    BANS_ACTIVE = Gauge "bans_active" ["kind"] "Bans that hold, of `network` and `user`.";
    LOCKDOWN_ACTIVE = Gauge "lockdown_active" [] "1 in lockdown, else 0.";
    RELOADS = Counter "config_reloads_total" ["outcome"] "Edits seen: applied, rejected (the last good policy stays) or unchanged.";
    GENERATION = Gauge "config_generation" [] "Generation of the policy in force.";
    CONFIG_STALE = Gauge "config_stale" [] "1 while an edit is refused and the last good policy stays in force, else 0.";
    RELOAD_SUCCESS = Gauge "config_last_reload_success_timestamp_seconds" [] "When the policy in force was loaded, in seconds since 1970.";
    UPSTREAM_UP = Gauge "upstream_up" ["service"] "1 when the service answers, 0 when it does not; absent while nobody has asked.";
    UPSTREAM_DURATION = RequestSeconds "upstream_duration_seconds" ["service"] "From sending the request's head to the upstream's response head.";
    UPSTREAM_ENDPOINT_UP = Gauge "upstream_endpoint_up" ["service", "endpoint"] "The same of one address of a service, by its place in `urls`, from 1.";
    UPSTREAM_CIRCUIT = Gauge "upstream_circuit" ["service", "endpoint"] "The circuit breaker of an address: 0 closed, 1 half open, 2 open.";
    UPSTREAM_IN_FLIGHT = Gauge "upstream_requests_in_flight" ["service", "endpoint"] "Requests that an address is answering.";
    UPSTREAM_UNUSED = Gauge "upstream_connections_unused" ["service", "endpoint"] "Connections to an address that are kept for the next request.";
    UPSTREAM_EJECTIONS = Counter "upstream_ejections_total" ["service", "endpoint"] "Times that the circuit breaker of an address was opened.";
    UPSTREAM_ERRORS = Counter "upstream_errors_total" ["service", "kind"] "Tries that gave no answer: refused, connect_timeout, name, certificate, handshake, reset, unreadable, timeout, status, slow, busy.";
    UPSTREAM_RETRIES = Counter "upstream_retries_total" ["service", "outcome"] "Requests that were sent again (answered, failed) or were not (over_budget).";
    USAGE_DROPPED = Counter "usage_rows_dropped_total" [] "Usage rows that fell off the queue.";
    TRACES_EXPORTED = Counter "traces_exported_total" [] "Requests whose spans a collector took.";
    TRACES_DROPPED = Counter "traces_dropped_total" [] "Requests whose spans fell off the queue, or that no collector took.";
    BUILD_INFO = Gauge "build_info" ["version"] "Always 1; the label is the version.";
    LOG_DROPPED = Counter "log_lines_dropped_total" [] "Log lines that fell off the queue or could not be written.";
    PANICS = Counter "panics_total" [] "Panics caught. Each is a defect.";
    CONNECTIONS = Gauge "connections" [] "Open client connections.";
    CONNECTIONS_REFUSED = Counter "connections_refused_total" ["reason"] "Connections closed at once: too many in all, too many of one address (`address`), all workers busy, memory short, or no readable PROXY header.";
    MEMORY_PRESSURE = Gauge "memory_pressure" [] "How short memory is: 0 not, 1 requests are shed, 2 connections are refused too.";
    TLS_HANDSHAKES = Counter "tls_handshakes_total" ["kind"] "TLS handshakes finished: full, or resumed from an earlier session.";
    TLS_FAILURES = Counter "tls_handshake_failures_total" ["reason"] "TLS handshakes that failed: timeout, plain_http, closed, version, incompatible, client_certificate, alert or malformed.";
    TLS_EXPIRY = Gauge "tls_certificate_expiry_timestamp_seconds" ["name"] "When a certificate ends, in seconds since 1970; the name is its first one.";
    WATCH_LOST = Counter "reload_watch_lost_total" [] "Times that the watch on a folder was lost; polling carries on.";
    WEBSOCKETS_OPEN = Gauge "websockets_open" [] "Open WebSockets.";
    WEBSOCKETS_CLOSED = Counter "websockets_closed_total" ["reason"] "WebSockets closed: by client or upstream, idle, lifetime, session, message_too_big, malformed, drain.";
    WEBSOCKET_BYTES = Counter "websocket_bytes_total" ["direction"] "Bytes through WebSockets: up from clients, down from upstreams.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for metric in ALL {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(
                !metric.kind.buckets().is_empty(),
                metric.name.ends_with("duration_seconds"),
                "{}",
                metric.name
            );
            assert!(metric.kind.buckets().is_sorted(), "{}", metric.name);
        }
    }

    #[test]
    fn the_names_do_not_change_silently() {
        let names: Vec<String> =
            ALL.iter().map(|m| format!("{}{{{}}}", m.name, m.labels.join(","))).collect();
        insta::assert_snapshot!(names.join("\n"), @r"
        pluginmind_http_requests_total{method,route,status,code}
        pluginmind_http_request_duration_seconds{route}
        pluginmind_http_requests_in_flight{}
        pluginmind_stage_refusals_total{stage,code}
        pluginmind_rate_limit_decisions_total{bucket,decision}
        pluginmind_plugin_decisions_total{plugin,rule,decision,mode}
        pluginmind_plugin_state{plugin}
        pluginmind_plugin_duration_seconds{plugin}
        pluginmind_state_keys{plugin}
        pluginmind_state_bytes{plugin}
        pluginmind_state_evicted_total{plugin}
        pluginmind_alerts_total{plugin,severity}
        pluginmind_alert_deliveries_total{outcome}
        pluginmind_alerts_dropped_total{}
        pluginmind_state_changes_lost_total{plugin}
        pluginmind_sessions_active{}
        pluginmind_bans_active{kind}
        pluginmind_lockdown_active{}
        pluginmind_config_reloads_total{outcome}
        pluginmind_config_generation{}
        pluginmind_config_stale{}
        pluginmind_config_last_reload_success_timestamp_seconds{}
        pluginmind_upstream_up{service}
        pluginmind_upstream_duration_seconds{service}
        pluginmind_upstream_endpoint_up{service,endpoint}
        pluginmind_upstream_circuit{service,endpoint}
        pluginmind_upstream_requests_in_flight{service,endpoint}
        pluginmind_upstream_connections_unused{service,endpoint}
        pluginmind_upstream_ejections_total{service,endpoint}
        pluginmind_upstream_errors_total{service,kind}
        pluginmind_upstream_retries_total{service,outcome}
        pluginmind_usage_rows_dropped_total{}
        pluginmind_traces_exported_total{}
        pluginmind_traces_dropped_total{}
        pluginmind_build_info{version}
        pluginmind_log_lines_dropped_total{}
        pluginmind_panics_total{}
        pluginmind_connections{}
        pluginmind_connections_refused_total{reason}
        pluginmind_memory_pressure{}
        pluginmind_tls_handshakes_total{kind}
        pluginmind_tls_handshake_failures_total{reason}
        pluginmind_tls_certificate_expiry_timestamp_seconds{name}
        pluginmind_reload_watch_lost_total{}
        pluginmind_websockets_open{}
        pluginmind_websockets_closed_total{reason}
        pluginmind_websocket_bytes_total{direction}
        ");
    }
}
