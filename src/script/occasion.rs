//! Calls for which there is no request: `on_start(info)` and scheduled functions.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, Method};
use parking_lot::Mutex;
use rhai::Dynamic;

use super::api::Info;
use super::ask::{Answer, enter};
use super::budget::{CALL_MEMORY_MAX, Limits};
use super::call::{Call, Said};
use super::facts::{RequestFacts, RouteFacts};
use super::geo_facts::GeoFacts;
use super::hook::Hook;
use super::ledger::Ledger;
use super::plugin::Plugin;
use super::run;
use crate::base::clock::Clock;
use crate::base::ids::CorrelationId;
use crate::base::location::Location;
use crate::config::Mode;

/// The longest run of a scheduled function.
pub(super) const SCHEDULE_TIME_MAX: Duration = Duration::from_secs(10);
/// What `on_start` may use.
const START: Limits = Limits { time: Duration::from_secs(1), ops: 1_000_000, memory: CALL_MEMORY_MAX };
/// Operations of one run of a scheduled function.
const SCHEDULE_OPS_MAX: u64 = 10_000_000;
/// The moment that these calls stand for: nothing can be decided in it.
const MOMENT: Hook = Hook::Log;

/// The name of the function that is called when a plugin goes live.
pub(super) const ON_START: &str = "on_start";

/// Why a plugin goes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The process has started.
    Boot,
    /// Its files are others.
    Reload,
    /// Its settings are others.
    Settings,
}

impl Reason {
    /// The word for scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Reload => "reload",
            Self::Settings => "settings",
        }
    }
}

/// Calls `on_start(info)`.
pub(super) fn start(plugin: &Plugin, info: Info, ledger: &mut Ledger, clock: &Clock) {
    run(plugin, ON_START, vec![Dynamic::from(info)], START, ledger, clock);
}

/// Calls a scheduled function.
pub(super) fn scheduled(plugin: &Plugin, function: &str, time: Duration, ledger: &mut Ledger, clock: &Clock) {
    let limits = Limits { time: time.min(SCHEDULE_TIME_MAX), ops: SCHEDULE_OPS_MAX, memory: CALL_MEMORY_MAX };
    run(plugin, function, Vec::new(), limits, ledger, clock);
}

fn run(
    plugin: &Plugin,
    function: &str,
    args: Vec<Dynamic>,
    limits: Limits,
    ledger: &mut Ledger,
    clock: &Clock,
) {
    let facts = Arc::new(nobody(clock.unix_ms()));
    let call = Arc::new(Call {
        hook: MOMENT,
        plugin: plugin.name.clone(),
        facts: facts.clone(),
        clock: clock.clone(),
        score_before: 0,
        tags_before: Vec::new(),
        codes: plugin.codes.clone(),
        response: None,
        denial: None,
        facts_before: rhai::Map::new(),
        permissions: plugin.manifest.permissions.clone(),
        occasion: Some(function.into()),
        state: plugin.state(plugin.manifest.mode == Mode::Enforce),
        said: Mutex::new(Said::default()),
    });
    let heard = run::invoke(plugin, &call, function, args, limits);
    drop(call);
    // Nothing can be refused here; what was said is noted and logged like in a hook.
    let _ = enter(plugin, MOMENT, heard, &facts, &mut Answer::borrow(None), ledger, clock);
}

/// The facts of no request. No script gets a handle to them.
fn nobody(unix_ms: i64) -> RequestFacts {
    RequestFacts {
        id: CorrelationId::generate(),
        method: Method::GET,
        scheme: "http",
        host: String::new(),
        path: String::new(),
        raw_path: String::new(),
        query_string: String::new(),
        upgrade: "",
        http_version: "1.1",
        client_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        client_port: 0,
        tls: None,
        client_hash: "".into(),
        headers: HeaderMap::new(),
        session_cookie: "".into(),
        route: RouteFacts::default(),
        content_length: 0,
        unix_ms,
        geo: GeoFacts::known(Location::default()),
        identity: OnceLock::new(),
        body: OnceLock::new(),
    }
}
