//! Stage 14, second half: the operator's route. A fixed answer is written here; anything else goes upstream as a
//! canonical request with headers that are the gateway's own, and streams in both directions.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TE};
use http::{Request, Response, StatusCode, Uri};

use super::answer::Body;
use super::gateway::{Gateway, Worker};
use super::http2::is_grpc;
use super::on_upstream::Changes;
use super::recording::Handed;
use super::request_body::{Fault, Watch};
use super::spans::Call;
use super::step::Step;
use super::thresholds::Cleared;
use super::trail::Trail;
use super::trailers::Trailers;
use super::vigil::Vigil;
use super::websocket::Plan;
use super::{Answer, assertion, redirect, respond};
use crate::base::media_type::is_endless;
use crate::base::refusal::Refusal;
use crate::base::target::Host;
use crate::base::trace_context::SpanId;
use crate::config::{Destination, Protocol};
use crate::live::hardening::Author;
use crate::live::routes::CompiledRoute;
use crate::live::snapshot::Snapshot;
use crate::proxy::{self, SendError, hops};

/// When it is worth trying a service again that has too much to do, or whose circuits are open.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Answers a request that nothing stands against.
///
/// # Errors
/// The refusal of this stage.
pub async fn answer(
    route: &CompiledRoute,
    request: Cleared,
    changes: &Changes,
    worker: &Worker,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Step<Answer> {
    match &route.route.to {
        Destination::Respond(fixed) => {
            let seen = respond::Seen {
                request_id: trail.id.as_str(),
                method: trail.method,
                route: &route.name,
                auth_state: trail.auth.word(),
                user_id: trail.user.as_deref().unwrap_or_default(),
                generation: snapshot.generation,
            };
            Ok(Answer { response: respond::render(fixed, &seen), author: Author::Gateway })
        }
        Destination::Redirect(elsewhere) => {
            let path = stripped(&request, route);
            let path = if path.is_empty() { "/" } else { path };
            let response = redirect::render(elsewhere, path, request.query())
                .ok_or(Refusal::BadRequest("The request target is not a path."))?;
            Ok(Answer { response, author: Author::Gateway })
        }
        Destination::Service(name) => {
            let response = upstream(name, route, request, changes, worker, snapshot, trail).await?;
            Ok(Answer { response, author: Author::Upstream })
        }
    }
}

async fn upstream(
    name: &str,
    route: &CompiledRoute,
    mut request: Cleared,
    changes: &Changes,
    worker: &Worker,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Result<Response<Body>, Refusal> {
    let gateway = &worker.gateway;
    let service = gateway.upstreams.get(name).ok_or(Refusal::Unavailable { retry_after: None })?;
    let (body, watch) = request.take_body();
    let span = SpanId::fresh();
    let trace = trail.trace.parent_of(span);
    let trace = hops::Trace { parent: &trace, follows: trail.trace.parent.is_some() };
    let outgoing = outgoing(&request, name, route, gateway, snapshot, trail, trace)?;
    let mut outgoing = outgoing.map(|()| body.into_upload());
    name_host(outgoing.headers_mut(), &service.config().urls);
    changes.apply(outgoing.headers_mut());
    if service.config().protocol == Protocol::Http2 {
        ask_for_trailers(outgoing.headers_mut());
    }
    let plan = Plan::of(&request, gateway, snapshot, trail)?;
    if let Some(rehearsal) = &worker.rehearsal {
        let heard = rehearsal.forward(name, request.headers(), outgoing).await;
        return heard.map_err(|e| refusal(&e, &watch));
    }
    if let Some(plan) = &plan {
        plan.tell(outgoing.headers_mut());
    }
    trail.service.clone_from(&route.service);
    trail.handed = Some(Handed::compare(
        request.headers(),
        outgoing.headers(),
        &route.route.set_headers,
        changes.edits(),
    ));
    let began = gateway.clock.now();
    let limits = proxy::Limits {
        silence_max: snapshot.config.server.body_timeout,
        head_max: changes.timeout().unwrap_or(service.config().response_timeout),
    };
    let sent = proxy::send(&worker.pool, &service, outgoing, limits).await;
    let took = gateway.clock.now().saturating_duration_since(began);
    gateway.metrics.upstream_seconds(name).observe(took.as_secs_f64());
    let status = sent.as_ref().ok().map(|answer| answer.status().as_u16());
    trail.call = Some(Call { span, began, took, status });
    if sent.is_ok() {
        trail.upstream_ms = u32::try_from(took.as_millis()).ok();
    }
    trail.unread |= watch.fault().is_some();
    let (mut parts, body) = sent.map_err(|e| refusal(&e, &watch))?.into_parts();
    if let Some(plan) = plan.filter(|_| parts.status == StatusCode::SWITCHING_PROTOCOLS) {
        let opened = plan.opened(&mut parts, body, &snapshot.session_cookie)?;
        return Ok(Response::from_parts(parts, Body::opened(opened)));
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let vigil = is_endless(kind).then(|| Vigil::over(&request, gateway));
    let body = Body::upstream(body, Trailers::of(request.parts(), &parts.headers));
    let body = match vigil {
        Some(vigil) => body.watched(vigil),
        None => body,
    };
    hops::clean_response(parts.status, &mut parts.headers, &snapshot.session_cookie);
    Ok(Response::from_parts(parts, body))
}

fn outgoing(
    request: &Cleared,
    service: &str,
    route: &CompiledRoute,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &Trail,
    trace: hops::Trace<'_>,
) -> Result<Request<()>, Refusal> {
    let groups = request.identity().roles();
    let person = request.identity().person(gateway);
    let identity = person.as_ref().map(|(user, email)| hops::Identity {
        user,
        email: email.as_deref(),
        groups: &groups,
    });
    let host = request.host().map(Host::authority).unwrap_or_default();
    let forward = hops::Forward {
        request_id: &trail.id,
        client: request.address(),
        https: request.secure(),
        host: &host,
        identity,
        certificate: request.transport().tls.as_ref().and_then(|tls| tls.client.as_ref()),
        session_cookie: &snapshot.session_cookie,
        credentials: request.withheld(),
        trace,
        set: &route.route.set_headers,
    };
    let mut outgoing = Request::new(());
    *outgoing.method_mut() = request.method().clone();
    *outgoing.uri_mut() =
        target(request, route).ok_or(Refusal::BadRequest("The request target is not a path."))?;
    let mut headers = hops::forward_request(request.headers().clone(), &forward);
    assertion::set(&mut headers, service, request, gateway)?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// What a client says of trailers ends at this hop; a gRPC server wants to hear that its own will be read.
fn ask_for_trailers(headers: &mut HeaderMap) {
    if headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Names the upstream itself where the client named no host, as HTTP/1.0 allows: an empty `Host` is refused by many.
fn name_host(headers: &mut HeaderMap, urls: &[String]) {
    if headers.contains_key(HOST) {
        return;
    }
    let own = urls.first().and_then(|url| url.split_once("://")).map(|(_, authority)| authority);
    let own = own.filter(|authority| Host::parse(authority).is_ok()).unwrap_or("localhost");
    if let Ok(own) = HeaderValue::from_str(own) {
        headers.insert(HOST, own);
    }
}

/// The canonical path, without the prefix that the route strips, and the query as it came.
fn target(request: &Cleared, route: &CompiledRoute) -> Option<Uri> {
    let stripped = stripped(request, route);
    let slash = if stripped.starts_with('/') { "" } else { "/" };
    let query = request.query().map_or_else(String::new, |q| format!("?{q}"));
    format!("{slash}{stripped}{query}").parse().ok()
}

fn stripped<'a>(request: &'a Cleared, route: &CompiledRoute) -> &'a str {
    let path = request.path().as_str();
    route.route.strip_prefix.as_deref().and_then(|prefix| path.strip_prefix(prefix)).unwrap_or(path)
}

fn refusal(error: &SendError, watch: &Watch) -> Refusal {
    if let Some(fault) = watch.fault() {
        return fault.refusal();
    }
    match error {
        SendError::Unreachable(_) => Refusal::UpstreamUnreachable,
        SendError::Timeout(_) => Refusal::UpstreamTimeout,
        SendError::Busy => Refusal::Unavailable { retry_after: Some(BUSY_RETRY_AFTER) },
        SendError::Upload(_) => Fault::Malformed.refusal(),
    }
}
