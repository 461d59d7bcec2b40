//! Active health checks: a GET of the service's health path, again and again, on a connection of its own.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, header};
use tokio::task::{AbortHandle, JoinSet};

use super::endpoint::Endpoint;
use super::http2;
use super::link::Link;
use super::pool::Pool;
use super::send::Limits;
use super::service::Service;
use super::upload::{Tracked, Upload};
use super::upstreams::Upstreams;
use crate::base::clock::Clock;
use crate::config::Protocol;

/// The shortest time between two checks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Checks every address of every service that has a health path, for ever, and follows reloads. Runs once in the
/// process, inside a `LocalSet`.
pub async fn watch(upstreams: Arc<Upstreams>) {
    let mut changes = upstreams.changes();
    let mut checks = JoinSet::new();
    let mut running: HashMap<u64, (Arc<Service>, AbortHandle)> = HashMap::new();
    loop {
        changes.mark_unchanged();
        let wanted = wanted(&upstreams);
        running.retain(|id, (service, check)| {
            let stays = wanted.get(id).is_some_and(|(now, _)| Arc::ptr_eq(now, service));
            if !stays {
                check.abort();
            }
            stays
        });
        for (id, (service, endpoint)) in wanted {
            running.entry(id).or_insert_with(|| {
                let check = check_for_ever(Arc::clone(&upstreams), Arc::clone(&service), endpoint);
                let handle = checks.spawn_local(check);
                (service, handle)
            });
        }
        while checks.try_join_next().is_some() {}
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn wanted(upstreams: &Upstreams) -> HashMap<u64, (Arc<Service>, Arc<Endpoint>)> {
    let mut wanted = HashMap::new();
    for service in upstreams.all().into_iter().filter(|s| s.config().health.path.is_some()) {
        for endpoint in service.endpoints() {
            wanted.insert(endpoint.id(), (Arc::clone(&service), Arc::clone(endpoint)));
        }
    }
    wanted
}

async fn check_for_ever(upstreams: Arc<Upstreams>, service: Arc<Service>, endpoint: Arc<Endpoint>) {
    let interval = service.config().health.interval.max(INTERVAL_MIN);
    loop {
        let healthy = check(&service, &endpoint, upstreams.clock()).await;
        endpoint.checked_as(healthy, service.config(), upstreams.clock());
        tokio::time::sleep(about(interval)).await;
    }
}

/// The interval, a tenth of it more or less: the checks of many addresses begin together at the start.
fn about(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 201;
    // Of 900 to 1,100 thousandths.
    interval * (900 + u32::try_from(random).unwrap_or(100)) / 1_000
}

/// Whether the health path answers with a status below 400, on a connection of its own.
async fn check(service: &Arc<Service>, endpoint: &Arc<Endpoint>, clock: &Clock) -> bool {
    let config = service.config();
    let (Some(path), Some(peer)) = (&config.health.path, endpoint.peer()) else { return false };
    let host = match endpoint.url().split_once("://") {
        Some(("http" | "https", authority)) => authority.trim_end_matches('/'),
        _ => "localhost",
    };
    let request = Request::get(path.as_str())
        .header(header::HOST, host)
        .header(header::USER_AGENT, "PluginMind-health");
    let status = match config.protocol {
        Protocol::Http1 => {
            let (tracked, progress) = Tracked::new(Upload::none());
            let request = request.header(header::CONNECTION, "close").body(tracked);
            let (Ok(request), Ok(mut link)) = (request, Link::open(peer, config).await) else { return false };
            let answer = link.exchange(request, &progress, config.health.timeout).await;
            answer.ok().map(|head| head.status())
        }
        Protocol::Http2 => {
            let Ok(request) = request.body(Upload::none()) else { return false };
            let limits = Limits { silence_max: config.health.timeout, head_max: config.health.timeout };
            let own = Pool::new(clock.clone());
            http2::send(&own, service, endpoint, request, limits).await.ok().map(|head| head.status())
        }
    };
    status.is_some_and(|status| status.is_success() || status.is_redirection())
}
