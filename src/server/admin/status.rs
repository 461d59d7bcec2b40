//! What the gateway says about itself: probes in detail and the status document. No secret, no address, no person.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::problems::Problems;
use crate::live::tls::Expiry;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::readiness::{Readiness, readiness};
use crate::proxy::Status as ServiceStatus;
use crate::script::PluginInfo;
use crate::server::reload::Report;
use crate::telemetry::timestamp::push_rfc3339;

/// A probe in detail.
#[derive(Debug, Serialize)]
pub(super) struct Probe {
    status: &'static str,
    policy: &'static str,
    /// Whether only what `[lockdown]` lists passes.
    lockdown: bool,
    /// Why not; empty where all is well.
    pub(super) reasons: Vec<String>,
    generation: u64,
    uptime_seconds: u64,
    services: Vec<ServiceView>,
}

/// A service and whether it answers.
#[derive(Debug, Serialize)]
pub struct ServiceView {
    name: String,
    status: &'static str,
    required: bool,
    addresses: usize,
    /// Those that answer.
    addresses_up: usize,
}

/// A certificate and when it ends.
#[derive(Debug, Serialize)]
pub struct CertificateView {
    name: String,
    expires: String,
}

/// A plugin in force.
#[derive(Debug, Serialize)]
pub struct PluginView {
    name: Arc<str>,
    version: String,
    mode: &'static str,
    priority: u16,
    hooks: Vec<&'static str>,
    on_error: &'static str,
    hash: String,
}

/// `/admin/api/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    generation: u64,
    /// `current`, or `stale` while the last good policy stands in for a bad edit.
    policy: &'static str,
    /// What the last look at the files found.
    problems: Arc<Problems>,
    /// When the policy in force went live.
    loaded: String,
    /// When the files were last looked at.
    tried: String,
    needs_restart: Vec<&'static str>,
    ready: bool,
    reasons: Vec<String>,
    plugins: Vec<PluginView>,
    services: Vec<ServiceView>,
    /// Certificates of the public listener; empty where it speaks plain HTTP.
    certificates: Vec<CertificateView>,
    /// Bans of networks and users that hold.
    bans: usize,
    /// Whether only what `[lockdown]` lists passes.
    lockdown: bool,
    /// When lockdown ends by itself.
    lockdown_expires: Option<String>,
    sessions: usize,
    connections: i64,
    usage_rows_dropped: u64,
    storage: &'static str,
    uptime_seconds: u64,
}

pub(super) fn live(uptime: Duration) -> Value {
    json!({ "status": "ok", "uptime_seconds": uptime.as_secs() })
}

pub(super) fn version() -> Value {
    json!({ "name": "pluginmind", "version": env!("CARGO_PKG_VERSION") })
}

pub(super) fn ready(gateway: &Gateway, uptime: Duration) -> Probe {
    probe(gateway, uptime, "ready", "unready")
}

pub(super) fn health(gateway: &Gateway, uptime: Duration) -> Probe {
    probe(gateway, uptime, "ok", "unhealthy")
}

/// The whole document.
pub(super) fn status(gateway: &Gateway, uptime: Duration) -> Status {
    let policy = gateway.policy.read();
    let Readiness { policy: word, reasons, lockdown } = readiness(gateway);
    let now_ms = gateway.clock.unix_ms();
    let (networks, users) = gateway.bans.counts(now_ms);
    Status {
        version: env!("CARGO_PKG_VERSION"),
        generation: policy.generation,
        policy: word,
        problems: Arc::clone(&policy.problems),
        loaded: rfc3339(policy.loaded_ms),
        tried: rfc3339(policy.tried_ms),
        needs_restart: policy.needs_restart.clone(),
        ready: reasons.is_empty(),
        reasons,
        plugins: gateway.live.current().rules.plugins().into_iter().map(plugin_view).collect(),
        services: service_views(gateway),
        certificates: certificate_views(gateway),
        bans: networks + users,
        lockdown,
        lockdown_expires: gateway.bans.lockdown.state(now_ms).and_then(|state| state.expires_ms).map(rfc3339),
        sessions: gateway.auth.sessions.count(),
        connections: gateway.metrics.connections.get(),
        usage_rows_dropped: gateway.store.usage_rows_dropped(),
        storage: if gateway.store.is_healthy() { "healthy" } else { "unhealthy" },
        uptime_seconds: uptime.as_secs(),
    }
}

/// What a reload gave.
pub(super) fn reloaded(report: &Report) -> Value {
    json!({
        "applied": report.applied,
        "generation": report.generation,
        "problems": &*report.problems,
        "needs_restart": report.needs_restart,
    })
}

fn probe(gateway: &Gateway, uptime: Duration, good: &'static str, bad: &'static str) -> Probe {
    let Readiness { policy, reasons, lockdown } = readiness(gateway);
    Probe {
        status: if reasons.is_empty() { good } else { bad },
        policy,
        lockdown,
        reasons,
        generation: gateway.policy.read().generation,
        uptime_seconds: uptime.as_secs(),
        services: service_views(gateway),
    }
}

fn service_views(gateway: &Gateway) -> Vec<ServiceView> {
    gateway.upstreams.status().into_iter().map(service_view).collect()
}

fn service_view(service: ServiceStatus) -> ServiceView {
    ServiceView {
        name: service.name,
        status: service.state.word(),
        required: service.required,
        addresses: service.addresses,
        addresses_up: service.addresses_up,
    }
}

fn certificate_views(gateway: &Gateway) -> Vec<CertificateView> {
    let tls = gateway.live.current().tls.clone();
    let expiries = tls.iter().flat_map(|tls| tls.expiries());
    let view =
        |e: Expiry| CertificateView { name: e.name, expires: rfc3339(e.not_after.saturating_mul(1_000)) };
    expiries.map(view).collect()
}

fn plugin_view(plugin: PluginInfo) -> PluginView {
    let PluginInfo { name, version, mode, priority, hooks, on_error, hash, .. } = plugin;
    PluginView { name, version, mode, priority, hooks, on_error, hash }
}

/// Milliseconds since 1970-01-01 UTC as RFC 3339.
pub fn rfc3339(unix_ms: i64) -> String {
    let mut text = String::new();
    push_rfc3339(&mut text, unix_ms);
    text
}
