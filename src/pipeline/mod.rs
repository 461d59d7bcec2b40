//! Floor 5: one request, start to end. The order of the stages is written once, in `decide`, and each stage takes the
//! proof that the stage before it ran: a forgotten stage does not compile.

pub mod admission;
pub mod again;
pub mod answer;
pub mod api_key;
pub mod arrival;
pub mod assertion;
pub mod authorise;
pub mod body;
pub mod client;
pub mod closing;
pub mod codes;
pub mod cors;
pub mod decided;
pub mod durable;
mod effects;
pub mod endpoints;
pub mod envelope;
pub mod finish;
pub mod forward;
pub mod forwarded;
pub mod gateway;
pub mod http2;
pub mod https;
pub mod identity;
pub mod on_body;
pub mod on_deny;
pub mod on_response_body;
pub mod on_upstream;
pub mod origin;
pub mod panic_guard;
pub mod pressure;
pub mod rate_limit;
pub mod readiness;
pub mod recall;
pub mod recording;
pub mod redirect;
pub mod rehearsal;
pub mod renewal;
pub mod request_body;
pub mod respond;
pub mod route;
pub mod rule_bans;
pub mod rules;
pub mod sampling;
pub mod spans;
pub mod stage;
pub mod standing;
pub mod step;
pub mod thresholds;
pub mod trail;
pub mod trailers;
pub mod transport;
pub mod unparsed;
pub mod vigil;
pub mod websocket;

use std::rc::Rc;

use http::request::Parts;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use answer::Body;
use closing::Closing;
use gateway::Worker;

use panic_guard::catch;
use route::Way;
use stage::Stage;
use step::{Step, Stop};
use trail::Trail;
use transport::Transport;
use unparsed::Unparsed;
use websocket::Switch;

use crate::base::address::canonical;
use crate::base::refusal::Refusal;
use crate::live::hardening::Author;
use crate::live::snapshot::Snapshot;

/// An answer, and who wrote it.
pub struct Answer {
    /// The answer.
    pub response: Response<Body>,
    /// Who wrote it.
    pub author: Author,
}

/// What becomes of one request: an answer, or silence where a rule said `drop`. It is held from here on, before its
/// future is polled: a client that is gone by then has its line too.
///
/// # Errors
/// [`Dropped`] when the connection is to be closed without an answer.
pub fn handle(
    worker: Rc<Worker>,
    request: Request<Incoming>,
    transport: Transport,
) -> impl Future<Output = Result<Response<Body>, Dropped>> {
    let gateway = &worker.gateway;
    let snapshot = gateway.live.current();
    let (mut parts, body) = request.into_parts();
    let unparsed = parts.extensions.remove::<Unparsed>();
    let id = unparsed.as_ref().map_or_else(|| arrival::correlate(&parts.headers), |it| it.id.clone());
    let trace = spans::place(&parts.headers, &id, transport.peer.ip(), &snapshot.config);
    let mut trail = Trail::open(id, trace, &parts.method, &gateway.clock);
    // Known before any stage may refuse: who the log line is about, and whether a page may read the refusal.
    trail.client = Some(canonical(transport.peer.ip()));
    trail.cors_origin = cors::listed(&parts.headers, &snapshot.config.cors).cloned();
    trail.rehearsal.clone_from(&worker.rehearsal);
    trail.version = parts.version;
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    trail.switch = upgrade.map(|upgrade| Switch::new(upgrade, transport.handoff.clone()));
    trail.enter(Stage::Connection);
    if let Some(unparsed) = &unparsed {
        unparsed.describe(&mut trail, transport.is_tls());
    }
    let mut closing = Closing::begin(gateway.clone(), snapshot.clone(), trail);
    async move {
        let outcome = match unparsed {
            Some(unparsed) => Err(unparsed.refusal.into()),
            // In a box: hyper keeps room for a future of this size in each connection, idle ones too, and whoever wraps it
            // moves it. Of a panic, the hook has counted and logged it.
            None => catch(Box::pin(decide(&worker, &snapshot, parts, body, transport, closing.trail())))
                .await
                .unwrap_or_else(|| Err(Refusal::Internal.into())),
        };
        for written in std::mem::take(&mut closing.trail().bans) {
            // Where the disk does not take it, the store says so, and the ban is in force without it.
            let _ = written.await;
        }
        finish::finish(outcome, closing, &worker.gateway, &snapshot)
    }
}

/// The connection is to be closed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule dropped the request")]
pub struct Dropped;

/// The pipeline, read aloud. Stages 2 and 16 stand around it, in [`handle`].
async fn decide(
    worker: &Worker,
    snapshot: &Snapshot,
    parts: Parts,
    incoming: Incoming,
    transport: Transport,
    trail: &mut Trail,
) -> Step<Answer> {
    let gateway = &*worker.gateway;
    let config = &snapshot.config;
    let now = trail.started;

    trail.unread = !incoming.is_end_stream();
    let arrival = arrival::receive(parts, trail.unread, transport, &config.server)?;
    trail.enter(Stage::Client);
    let arrival = forwarded::adopt(arrival, config, trail)?;
    let located = client::locate(arrival, &config.server.trusted_proxies, trail)?;
    https::check(&located, snapshot, trail)?;
    client::require_https(&located, config)?;
    trail.enter(Stage::Bans);
    let admitted = admission::admit(located, config, gateway, now, trail)?;
    trail.enter(Stage::Cors);
    let screened = cors::screen(admitted, &config.cors, trail)?;
    trail.enter(Stage::Route);
    let routed = route::find(screened, &snapshot.routes, trail)?;
    trail.enter(Stage::OnRequest);
    let examined = rules::on_request(routed, gateway, snapshot, trail)?;
    trail.enter(Stage::Identity);
    let identified = identity::identify(examined, gateway, snapshot, trail)?;
    trail.enter(Stage::Origin);
    let same_site = origin::check(identified, &config.cors)?;
    trail.enter(Stage::RateLimit);
    let metered = rate_limit::meter(same_site, &config.rate_limit, gateway, now, trail)?;
    trail.enter(Stage::Authorise);
    let authorised = authorise::authorise(metered, gateway, snapshot, trail)?;
    trail.enter(Stage::Body);
    let vetted = body::vet(authorised, incoming, snapshot, trail).await?;
    trail.enter(Stage::OnBody);
    let inspected = on_body::on_body(vetted, gateway, snapshot, trail)?;
    trail.enter(Stage::Thresholds);
    let mut cleared = thresholds::clear(inspected, config.thresholds, trail)?;
    trail.enter(Stage::OnUpstream);
    let changes = on_upstream::on_upstream(&cleared, gateway, snapshot, trail)?;
    renewal::renew(&cleared, gateway, snapshot, trail).await;
    trail.enter(Stage::Upstream);
    let answer = match cleared.way().clone() {
        Way::Own(own) => endpoints::answer(own, cleared, gateway, snapshot).await?,
        Way::Route(route) => forward::answer(&route, &mut cleared, &changes, worker, snapshot, trail).await?,
    };
    trail.enter(Stage::OnResponse);
    let answer = finish::on_response(answer, gateway, snapshot, trail)?;
    trail.enter(Stage::OnResponseBody);
    on_response_body::on_response_body(answer, gateway, snapshot, trail).await.map_err(Stop::from)
}
