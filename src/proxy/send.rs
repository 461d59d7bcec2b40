//! One request to a service: choose an address, find or open a connection, send, and give back the response.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;

use super::answer::Fault;
use super::download::{Flow, UpstreamBody};
use super::link::{Link, NoHead};
use super::pool::Pool;
use super::upload::{BoxError, Progress, Tracked, Upload};
use super::upstreams::{Endpoint, PAUSE, Service};
use crate::base::media_type::is_endless;

/// Most addresses of a service that are tried for one request.
const TRIES_MAX: usize = 3;

/// Why there is no response. None of the sentences names an address.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Refused, reset, or unreadable before the response head: 502.
    #[error("the upstream {0}")]
    Unreachable(&'static str),
    /// No connection or no response head in time: 504.
    #[error("the upstream took too long {0}")]
    Timeout(&'static str),
    /// The request body failed first; the error is the one that the body gave.
    #[error("the request body failed before the upstream answered")]
    Upload(#[source] BoxError),
}

/// How long one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest silence inside the response body.
    pub silence_max: Duration,
    /// The longest wait for the response head.
    pub head_max: Duration,
}

/// Sends a request and gives back the response, its body streaming.
///
/// The target must be in origin form and the headers those of [`super::hops::forward_request`]; the framing of the body is set here.
/// Another address is tried only where no connection could be made, for then nothing was sent.
/// A request whose method is safe and which has no body is sent again once when a kept connection turns out to be dead
/// and not one byte of an answer came; any other only if nothing of it was sent.
///
/// # Errors
/// [`SendError`], when no response head came. A 101 comes only where the request has an `Upgrade`, and its body is then the
/// connection: [`UpstreamBody::into_tunnel`]. A failure after that is an error of the body.
pub async fn send(
    pool: &Pool,
    service: &Arc<Service>,
    mut request: Request<Upload>,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    frame(&mut request);
    *request.version_mut() = Version::HTTP_11;
    let mut failure = SendError::Unreachable("has no address");
    for endpoint in service.in_turn(pool.clock().now()).into_iter().take(TRIES_MAX) {
        let attempt = Attempt { pool, service, endpoint, limits };
        if let Some(link) = kept_for(&request, pool, endpoint) {
            match attempt.over_kept(link, request).await {
                Outcome::Done(result) => return result,
                Outcome::Again(same) => request = same,
            }
        }
        match attempt.connect().await {
            Ok(link) => return attempt.over_new(link, request).await,
            Err(e) => failure = e,
        }
    }
    Err(failure)
}

/// An unused connection; a request that asks for another protocol has one of its own.
fn kept_for(request: &Request<Upload>, pool: &Pool, endpoint: &Endpoint) -> Option<Box<Link>> {
    if request.headers().contains_key(header::UPGRADE) { None } else { pool.take(endpoint) }
}

/// One address, one request.
struct Attempt<'a> {
    pool: &'a Pool,
    service: &'a Arc<Service>,
    endpoint: &'a Arc<Endpoint>,
    limits: Limits,
}

/// What came of a kept connection.
enum Outcome {
    Done(Result<Response<UpstreamBody>, SendError>),
    /// The connection was dead: the request may be sent again.
    Again(Request<Upload>),
}

impl Attempt<'_> {
    async fn connect(&self) -> Result<Box<Link>, SendError> {
        let Some(peer) = self.endpoint.peer() else {
            return Err(SendError::Unreachable("has an address that cannot be read"));
        };
        Link::open(peer, self.service.config().connect_timeout).await.map_err(|e| {
            self.failed();
            match e.kind() {
                std::io::ErrorKind::TimedOut => SendError::Timeout("to accept a connection"),
                _ => SendError::Unreachable("refused the connection"),
            }
        })
    }

    async fn over_kept(&self, mut link: Box<Link>, request: Request<Upload>) -> Outcome {
        let spare = spare(&request);
        let (request, progress) = track(request);
        match self.exchange(&mut link, request, &progress).await {
            Ok(head) => Outcome::Done(self.receive(link, head, progress).await),
            Err(NoHead::Broken { unsent, silent, fault }) => {
                let again = unsent.and_then(|r| untrack(*r)).or_else(|| spare.filter(|_| silent));
                let failed = || Outcome::Done(Err(broken(silent, fault, &progress)));
                again.map_or_else(failed, Outcome::Again)
            }
            Err(NoHead::Timeout) => Outcome::Done(Err(SendError::Timeout("to answer"))),
        }
    }

    async fn over_new(
        &self,
        mut link: Box<Link>,
        request: Request<Upload>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let (request, progress) = track(request);
        match self.exchange(&mut link, request, &progress).await {
            Ok(head) => self.receive(link, head, progress).await,
            Err(NoHead::Broken { silent, fault, .. }) => {
                let error = broken(silent, fault, &progress);
                if matches!(error, SendError::Unreachable(_)) {
                    self.failed();
                }
                Err(error)
            }
            Err(NoHead::Timeout) => Err(SendError::Timeout("to answer")),
        }
    }

    async fn exchange(
        &self,
        link: &mut Link,
        request: Request<Tracked>,
        progress: &Rc<Progress>,
    ) -> Result<Response<Incoming>, NoHead> {
        link.exchange(request, progress, self.limits.head_max).await
    }

    async fn receive(
        &self,
        link: Box<Link>,
        response: Response<Incoming>,
        progress: Rc<Progress>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        self.endpoint.answered(self.service.config());
        if response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(SendError::Unreachable(Fault::Switch.sentence()));
        }
        let (mut head, incoming) = response.into_parts();
        tidy_length(&mut head.headers);
        head.version = Version::HTTP_11;
        // An upstream's reason phrase and any other note of the parser are not passed on.
        head.extensions = http::Extensions::new();
        let flow = Flow {
            link,
            progress,
            pool: self.pool.clone(),
            service: Arc::clone(self.service),
            endpoint: Arc::clone(self.endpoint),
        };
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Response::from_parts(head, UpstreamBody::switched(incoming, flow)));
        }
        let silence_max = self.silence_max(&head.headers);
        let mut parts = Some((incoming, flow));
        let body = std::future::poll_fn(|cx| {
            let (incoming, flow) = parts.take().expect("a future that was ready is not polled again");
            std::task::Poll::Ready(UpstreamBody::new(incoming, flow, silence_max, cx))
        });
        Ok(Response::from_parts(head, body.await))
    }

    /// A stream without end is quiet when there is nothing to tell.
    fn silence_max(&self, headers: &HeaderMap) -> Duration {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let usual = self.limits.silence_max;
        if is_endless(kind) { usual.max(self.service.config().stream_idle_timeout) } else { usual }
    }

    fn failed(&self) {
        self.endpoint.failed(self.service.config(), self.pool.clock().now(), PAUSE);
    }
}

fn broken(silent: bool, fault: Option<Fault>, progress: &Progress) -> SendError {
    match (progress.take_error(), fault) {
        (Some(error), _) => SendError::Upload(error),
        (None, Some(fault)) => SendError::Unreachable(fault.sentence()),
        (None, None) if silent => SendError::Unreachable("closed the connection without an answer"),
        (None, None) => SendError::Unreachable("broke off inside its answer"),
    }
}

/// Writes a length as everybody writes it: `0005` is a number to some and not to others.
fn tidy_length(headers: &mut HeaderMap) {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return };
    if length.as_bytes().starts_with(b"0") && length.len() > 1 {
        let length = length.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0_u64);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Sets the framing of the request from its body: nothing that a client wrote about it goes on unchecked.
fn frame(request: &mut Request<Upload>) {
    let declared = declared_length(request.headers());
    let headers = request.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    let length = request.body().length().or(declared);
    let has_body = !request.body().is_none();
    let takes_bodies = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let headers = request.headers_mut();
    match length {
        Some(length) if has_body || takes_bodies => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Some(_) => {}
        None => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next()?.to_str().ok()?.parse().ok()?;
    lengths.next().is_none().then_some(length)
}

/// A copy of a request that may be sent twice.
fn spare(request: &Request<Upload>) -> Option<Request<Upload>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe || !request.body().is_none() {
        return None;
    }
    let mut copy = Request::new(Upload::none());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    *copy.version_mut() = request.version();
    Some(copy)
}

fn track(request: Request<Upload>) -> (Request<Tracked>, Rc<Progress>) {
    let (head, upload) = request.into_parts();
    let (tracked, progress) = Tracked::new(upload);
    (Request::from_parts(head, tracked), progress)
}

fn untrack(request: Request<Tracked>) -> Option<Request<Upload>> {
    let (head, tracked) = request.into_parts();
    tracked.into_untouched().map(|upload| Request::from_parts(head, upload))
}
