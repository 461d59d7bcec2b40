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
use crate::base::ids::CorrelationId;
use crate::base::media_type::is_endless;
use crate::base::refusal::Refusal;
use crate::base::target::Host;
use crate::base::trace_context::{SpanId, TRACEPARENT_BYTES};
use crate::config::{self, Destination, Protocol};
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
    request: &mut Cleared,
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
            let path = stripped(request, route);
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
    request: &mut Cleared,
    changes: &Changes,
    worker: &Worker,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Result<Response<Body>, Refusal> {
    let gateway = &worker.gateway;
    let service = gateway.upstreams.get(name).ok_or(Refusal::Unavailable { retry_after: None })?;
    let (body, watch) = request.take_body();
    let request = &*request;
    let plan = Plan::of(request, gateway, snapshot, trail)?;
    let span = SpanId::fresh();
    let source = Source {
        request,
        route,
        service: service.config(),
        changes,
        plan: plan.as_ref(),
        gateway,
        snapshot,
        id: trail.id.clone(),
        trace: trail.trace.parent_of(span),
        follows: trail.trace.parent.is_some(),
    };
    let outgoing = source.head()?.map(|()| body.into_upload());
    if let Some(rehearsal) = &worker.rehearsal {
        let heard = rehearsal.forward(name, request.headers(), outgoing).await;
        return heard.map_err(|e| refusal(&e, &watch));
    }
    trail.service.clone_from(&route.service);
    trail.handed =
        Some(Handed::compare(request.headers(), outgoing.headers(), &route.set_headers, changes.edits()));
    let began = gateway.clock.now();
    let limits = proxy::Limits {
        silence_max: snapshot.config.server.body_timeout,
        head_max: changes.timeout().unwrap_or(service.config().response_timeout),
    };
    let again = || source.head().ok();
    let sent = proxy::send(&worker.pool, &service, outgoing, limits, &again).await;
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
    let vigil = is_endless(kind).then(|| Vigil::over(request, gateway));
    let body = Body::upstream(body, Trailers::of(request.parts(), &parts.headers));
    let body = match vigil {
        Some(vigil) => body.watched(vigil),
        None => body,
    };
    hops::clean_response(parts.status, &mut parts.headers, &snapshot.session_cookie);
    Ok(Response::from_parts(parts, body))
}

/// What the head of the upstream's request is made of. It is made anew, and not kept, for the few that are sent again.
struct Source<'a> {
    request: &'a Cleared,
    route: &'a CompiledRoute,
    service: &'a config::Service,
    changes: &'a Changes,
    plan: Option<&'a Plan>,
    gateway: &'a Gateway,
    snapshot: &'a Snapshot,
    id: CorrelationId,
    /// `traceparent`.
    trace: [u8; TRACEPARENT_BYTES],
    /// Whether it is the client's trace.
    follows: bool,
}

impl Source<'_> {
    fn head(&self) -> Result<Request<()>, Refusal> {
        let mut head = Request::new(());
        *head.method_mut() = self.request.method().clone();
        *head.uri_mut() = target(self.request, self.route)
            .ok_or(Refusal::BadRequest("The request target is not a path."))?;
        let mut headers = self.headers();
        assertion::set(&mut headers, self.service, self.request, self.gateway)?;
        name_host(&mut headers, &self.service.urls);
        self.changes.apply(&mut headers);
        if self.service.protocol == Protocol::Http2 {
            ask_for_trailers(&mut headers);
        }
        if let Some(plan) = self.plan {
            plan.tell(&mut headers);
        }
        *head.headers_mut() = headers;
        Ok(head)
    }

    fn headers(&self) -> HeaderMap {
        let request = self.request;
        let person = request.identity().person(self.gateway);
        let groups = if person.is_some() { request.identity().roles() } else { Vec::new() };
        let identity = person.as_ref().map(|(user, email)| hops::Identity {
            user,
            email: email.as_deref(),
            groups: &groups,
        });
        let forward = hops::Forward {
            request_id: &self.id,
            client: request.address(),
            https: request.secure(),
            host: request.host().map(Host::authority).unwrap_or_default(),
            identity,
            certificate: request.transport().tls.as_ref().and_then(|tls| tls.client.as_ref()),
            session_cookie: &self.snapshot.session_cookie,
            credentials: request.withheld(),
            trace: hops::Trace { parent: &self.trace, follows: self.follows },
            set: &self.route.set_headers,
        };
        hops::forward_request(request.headers(), &forward)
    }
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
    let came = request.parts().uri.path_and_query();
    // Mostly the client wrote it as it goes on.
    if let Some(same) = came.filter(|came| came.path() == stripped && came.query() == request.query()) {
        return Some(Uri::from(same.clone()));
    }
    let query = request.query();
    let mut target = String::with_capacity(stripped.len() + query.map_or(0, str::len) + 2);
    if !stripped.starts_with('/') {
        target.push('/');
    }
    target.push_str(stripped);
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Uri::try_from(target).ok()
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
