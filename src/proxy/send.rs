//! One request to a service: choose an address, find or open a connection, send, and give back the response.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;

use super::download::{Flow, UpstreamBody as Http1Body};
use super::http2;
use super::link::{Link, NoHead};
use super::pool::Pool;
use super::response_body::UpstreamBody;
use super::upload::{BoxError, Progress, Tracked, Upload};
use super::upstreams::{Endpoint, PAUSE, Service};
use crate::config::Protocol;

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
/// [`SendError`], when no response head came. A failure after that is an error of the body.
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
        if service.config().protocol == Protocol::Http2 {
            match attempt.over_http2(request).await {
                http2::Outcome::Done(result) => return result.map(|r| r.map(UpstreamBody::http2)),
                http2::Outcome::NoConnection(e, same) => (failure, request) = (e, same),
            }
            continue;
        }
        if let Some(link) = pool.take(endpoint) {
            match attempt.over_kept(link, request).await {
                Outcome::Done(result) => return result.map(|r| r.map(UpstreamBody::Http1)),
                Outcome::Again(same) => request = same,
            }
        }
        match attempt.connect().await {
            Ok(link) => {
                let result = attempt.over_new(link, request).await;
                return result.map(|r| r.map(UpstreamBody::Http1));
            }
            Err(e) => failure = e,
        }
    }
    Err(failure)
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
    Done(Result<Response<Http1Body>, SendError>),
    /// The connection was dead: the request may be sent again.
    Again(Request<Upload>),
}

impl Attempt<'_> {
    async fn over_http2(&self, request: Request<Upload>) -> http2::Outcome {
        let outcome =
            http2::send(self.pool.sessions(), self.service, self.endpoint, request, self.limits).await;
        match &outcome {
            http2::Outcome::Done(Ok(_)) => self.endpoint.answered(self.service.config()),
            http2::Outcome::Done(Err(SendError::Unreachable(_))) | http2::Outcome::NoConnection(..) => {
                self.failed();
            }
            http2::Outcome::Done(Err(_)) => {}
        }
        outcome
    }

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
            Err(NoHead::Broken { unsent, silent }) => {
                let again = unsent.and_then(|r| untrack(*r)).or_else(|| spare.filter(|_| silent));
                again.map_or_else(|| Outcome::Done(Err(broken(silent, &progress))), Outcome::Again)
            }
            Err(NoHead::Timeout) => Outcome::Done(Err(SendError::Timeout("to answer"))),
        }
    }

    async fn over_new(
        &self,
        mut link: Box<Link>,
        request: Request<Upload>,
    ) -> Result<Response<Http1Body>, SendError> {
        let (request, progress) = track(request);
        match self.exchange(&mut link, request, &progress).await {
            Ok(head) => self.receive(link, head, progress).await,
            Err(NoHead::Broken { silent, .. }) => {
                let error = broken(silent, &progress);
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
    ) -> Result<Response<Http1Body>, SendError> {
        self.endpoint.answered(self.service.config());
        check_head(response.status(), response.headers())?;
        let (mut head, incoming) = response.into_parts();
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
        let mut parts = Some((incoming, flow));
        let body = std::future::poll_fn(|cx| {
            let (incoming, flow) = parts.take().expect("a future that was ready is not polled again");
            std::task::Poll::Ready(Http1Body::new(incoming, flow, self.limits.silence_max, cx))
        });
        Ok(Response::from_parts(head, body.await))
    }

    fn failed(&self) {
        self.endpoint.failed(self.service.config(), self.pool.clock().now(), PAUSE);
    }
}

fn broken(silent: bool, progress: &Progress) -> SendError {
    match progress.take_error() {
        Some(error) => SendError::Upload(error),
        None if silent => SendError::Unreachable("closed the connection without an answer"),
        None => SendError::Unreachable("sent what is no response"),
    }
}

/// Refuses a response head whose body could be read in two ways, or which changes the protocol without being asked.
///
/// # Source
/// RFC 9112 section 6.3; THREATS UP-07, SM-29.
pub(super) fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<(), SendError> {
    if status.is_informational() {
        return Err(SendError::Unreachable("changed the protocol unasked"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (coding, length) = (codings.next(), lengths.next());
    let doubled =
        codings.next().is_some() || lengths.next().is_some() || (coding.is_some() && length.is_some());
    let foreign = coding.is_some_and(|c| !c.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let odd = length.is_some_and(|l| l.is_empty() || !l.as_bytes().iter().all(u8::is_ascii_digit));
    if doubled || foreign || odd {
        return Err(SendError::Unreachable("framed its answer ambiguously"));
    }
    Ok(())
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

/// Whether nothing happens if it is sent twice: its method is safe and it has no body.
pub(super) fn is_harmless(request: &Request<Upload>) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    safe && request.body().is_none()
}

/// A copy of a request that may be sent twice.
fn spare(request: &Request<Upload>) -> Option<Request<Upload>> {
    if !is_harmless(request) {
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
