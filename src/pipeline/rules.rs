//! Stages 7, 11, 15 and 16: the operator's rules, asked at their moments.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use http::Version;

use super::gateway::Gateway;
use super::route::{Routed, Way};
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::base::upgrade::asks_websocket;
use crate::live::snapshot::Snapshot;
use crate::script::{Decision, GeoFacts, Hook, RequestFacts, ResponseFacts, RouteFacts};

/// Proof that the rules saw the request, and that it goes somewhere.
pub struct Examined {
    routed: Routed,
    way: Way,
}

/// Stage 7: asks `on_request`, also for paths without a route; only then is a path not found.
///
/// # Errors
/// The refusal of this stage.
pub fn on_request(
    routed: Routed,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Step<Examined> {
    if !snapshot.rules.is_empty() {
        let route = route_facts(&routed, snapshot);
        // Where no rule looks at the request, nothing is gathered for rules.
        if snapshot.rules.looks_at(&route, routed.method(), routed.path().as_str()) {
            trail.facts = Some(Arc::new(facts(&routed, route, gateway, snapshot, trail)));
        }
    }
    ask(Hook::Request, None, gateway, snapshot, trail)?;
    let way = routed.way()?;
    Ok(Examined { routed, way })
}

/// Asks one hook. A refusal is the rule's own; a fault of a rule that must not fail open is ours.
///
/// # Errors
/// The refusal of this stage.
pub fn ask(
    hook: Hook,
    response: Option<&mut ResponseFacts>,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Result<(), Refusal> {
    if !snapshot.rules.interested(hook) {
        return Ok(());
    }
    let Some(facts) = trail.facts.clone() else { return Ok(()) };
    let decision = snapshot.rules.run(hook, &facts, response, &mut trail.ledger, &gateway.clock);
    trail.bans.extend(gateway.keep_out(trail.ledger.take_bans()));
    match decision {
        Decision::Pass => Ok(()),
        Decision::Refuse { refusal, .. } => Err(Refusal::Rule(refusal)),
        Decision::Fault { .. } => Err(Refusal::PluginFault),
    }
}

/// The route as rules see it. A route of the operator's is the same for every request of its snapshot.
fn route_facts(routed: &Routed, snapshot: &Snapshot) -> RouteFacts {
    let gather = |service| {
        let route = RouteFacts::new(routed.name(), service, routed.tags().into());
        snapshot.rules.on_route(route)
    };
    match routed.route() {
        Some(route) => route.facts.get_or_init(|| gather(route.service.clone().unwrap_or_default())).clone(),
        None => gather(Arc::default()),
    }
}

fn facts(
    routed: &Routed,
    route: RouteFacts,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> RequestFacts {
    let client_hash = trail.client_pseudonym(&gateway.pseudonyms).map(|p| p.to_string()).unwrap_or_default();
    RequestFacts {
        id: trail.id.clone(),
        method: routed.method().clone(),
        scheme: routed.scheme(),
        host: routed.host_name().to_owned(),
        path: routed.path().as_str().to_owned(),
        raw_path: routed.parts().uri.path().to_owned(),
        query_string: routed.query().unwrap_or_default().to_owned(),
        http_version: if routed.parts().version == Version::HTTP_10 { "1.0" } else { "1.1" },
        upgrade: if asks_websocket(routed.headers()) { "websocket" } else { "" },
        client_ip: routed.address(),
        client_port: if routed.via_proxy() { 0 } else { routed.peer().port() },
        tls: routed.transport().tls.clone(),
        client_hash: client_hash.into(),
        headers: routed.headers().clone(),
        session_cookie: Arc::clone(&snapshot.session_cookie),
        route,
        content_length: routed.declared_length().unwrap_or_default(),
        unix_ms: trail.unix_ms,
        geo: GeoFacts::new(snapshot.geo.clone(), routed.address()),
        identity: OnceLock::new(),
        body: OnceLock::new(),
    }
}

impl Examined {
    /// Where the request goes.
    pub fn way(&self) -> &Way {
        &self.way
    }
}

impl Deref for Examined {
    type Target = Routed;

    fn deref(&self) -> &Routed {
        &self.routed
    }
}
