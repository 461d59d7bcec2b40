//! One request to a service: choose an address, find or open a connection, send, and give back the response.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;

use super::answer::Fault;
use super::books::Trouble;
use super::circuit::Blow;
use super::dial::DialError;
use super::download::{Flow, Held, UpstreamBody as Http1Body};
use super::endpoint::Endpoint;
use super::http2::{self, Http2Body, NoHead as NoHttp2Head, Why};
use super::journey::{Journey, Left, is_safe};
use super::link::{Link, NoHead};
use super::pool::Pool;
use super::response_body::UpstreamBody;
use super::service::Service;
use super::upload::{BoxError, Progress, Tracked, Upload};
use crate::base::media_type::is_endless;
use crate::config::Protocol;

/// Why there is no response. None of the sentences names an address.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Refused, reset, or unreadable before the response head: 502.
    #[error("the upstream {0}")]
    Unreachable(&'static str),
    /// No connection or no response head in time: 504.
    #[error("the upstream took too long {0}")]
    Timeout(&'static str),
    /// So many requests are in flight, or so much has failed, that this one was not tried: 503.
    #[error("the upstream has enough to do")]
    Busy,
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

/// Makes the head of a request once more, for one that is sent again; none where it cannot.
pub type Again<'a> = dyn Fn() -> Option<Request<()>> + 'a;

/// Sends a request and gives back the response, its body streaming.
///
/// The target must be in origin form and the headers those of [`super::hops::forward_request`]; the framing of the body is set here.
/// Another address is tried where nothing was sent, for there was no connection; and, within the service's budget, where
/// the method is safe, there is no body, and not one byte of an answer came.
/// Such a request is also sent again once to the same address when a kept connection turns out to be dead; any other
/// only if nothing of it was sent. Whoever sends it has handed it over by then, so `again` makes the head of the same request anew.
///
/// # Errors
/// [`SendError`], when no response head came. A 101 comes only where the request has an `Upgrade`, and its body is then the
/// connection: [`UpstreamBody::into_tunnel`]. A failure after that is an error of the body.
pub async fn send(
    pool: &Pool,
    service: &Arc<Service>,
    mut request: Request<Upload>,
    limits: Limits,
    again: &Again<'_>,
) -> Result<Response<UpstreamBody>, SendError> {
    frame(&mut request);
    let admitted = service.books().admit(service.config().breaker.requests_max).ok_or(SendError::Busy)?;
    let mut journey = Journey::new(pool, service, limits.head_max);
    let mut choice = journey.begin().ok_or(SendError::Busy)?;
    loop {
        let attempt = Attempt { pool, service, endpoint: &choice.endpoint, limits: &limits, again };
        let (error, left) = match attempt.ask(request, journey.may_send_again()).await {
            Ok(heard) if !attempt.is_unwelcome(&heard) => {
                journey.ended(true);
                // The head has told whether the address is back; its body may take for ever.
                drop(choice.trial);
                return Ok(attempt.receive(heard, (choice.in_flight, admitted)).await);
            }
            Ok(heard) => {
                let left = if heard.is_safe { Left::Safe } else { Left::Nothing };
                (Ok(heard), left)
            }
            Err(Failed { error, left }) => (Err(error), left),
        };
        match (journey.next(choice.endpoint.id(), left, || anew(again)), error) {
            (Some((next, again)), _) => (choice, request) = (next, again),
            (None, Ok(heard)) => {
                journey.ended(false);
                let attempt = Attempt { pool, service, endpoint: &choice.endpoint, limits: &limits, again };
                return Ok(attempt.receive(heard, (choice.in_flight, admitted)).await);
            }
            (None, Err(error)) => {
                journey.ended(false);
                return Err(error);
            }
        }
    }
}

/// One address, one request.
struct Attempt<'a> {
    pool: &'a Pool,
    service: &'a Arc<Service>,
    endpoint: &'a Arc<Endpoint>,
    limits: &'a Limits,
    again: &'a Again<'a>,
}

/// A response head, and whether the request may be sent again.
struct Heard {
    answer: Answer,
    is_safe: bool,
}

/// A response whose body is still on the connection that it came on.
enum Answer {
    Http1 { link: Box<Link>, response: Response<Incoming>, progress: Rc<Progress> },
    Http2(Box<Response<Box<Http2Body>>>),
}

impl Answer {
    fn status(&self) -> StatusCode {
        match self {
            Self::Http1 { response, .. } => response.status(),
            Self::Http2(response) => response.status(),
        }
    }
}

/// No response head, and what is left of the request.
struct Failed {
    error: SendError,
    left: Left,
}

impl Attempt<'_> {
    /// Over a kept connection if there is one, and over a new one if there is none or it turns out to be dead.
    async fn ask(&self, mut request: Request<Upload>, may_send_again: bool) -> Result<Heard, Failed> {
        if self.service.config().protocol == Protocol::Http2 {
            // What it needs would make every request's task larger.
            return Box::pin(self.over_http2(request, may_send_again)).await;
        }
        if let Some(link) = self.kept_for(&request) {
            match self.over(link, request, true, true).await {
                Err(Failed { left: Left::Unsent(same), .. }) => request = *same,
                Err(Failed { left: Left::Safe, error }) => match anew(self.again) {
                    Some(same) => request = same,
                    None => return Err(Failed { error, left: Left::Nothing }),
                },
                ended => return ended,
            }
        }
        // In a box, for it is the largest part of all this, and mostly there is a connection.
        match Box::pin(self.connect()).await {
            Ok(link) => self.over(link, request, may_send_again, false).await,
            Err(error) => Err(Failed { error, left: Left::Unsent(Box::new(request)) }),
        }
    }

    /// An unused connection; a request that asks for another protocol has one of its own.
    fn kept_for(&self, request: &Request<Upload>) -> Option<Box<Link>> {
        if request.headers().contains_key(header::UPGRADE) { None } else { self.pool.take(self.endpoint) }
    }

    async fn connect(&self) -> Result<Box<Link>, SendError> {
        let Some(peer) = self.endpoint.peer() else {
            return Err(SendError::Unreachable("has an address that cannot be read"));
        };
        let config = self.service.config();
        match Link::open(peer, config).await {
            Ok(link) => {
                self.endpoint.connected(config, self.pool.clock().now());
                Ok(link)
            }
            Err(why) => Err(self.no_connection(why)),
        }
    }

    fn no_connection(&self, why: DialError) -> SendError {
        self.service.books().count(Trouble::of(why));
        if why != DialError::NoSocket {
            let now = self.pool.clock().now();
            self.endpoint.failed(self.service.config(), now, Blow::Connect, why.reason());
        }
        match why {
            DialError::Timeout => SendError::Timeout("to accept a connection"),
            _ => SendError::Unreachable(why.reason()),
        }
    }

    /// Over the one connection that all requests to this address share.
    async fn over_http2(&self, request: Request<Upload>, may_send_again: bool) -> Result<Heard, Failed> {
        let is_safe = may_send_again && is_safe(&request);
        let began = self.pool.clock().now();
        let sent = http2::send(self.pool, self.service, self.endpoint, request, *self.limits).await;
        let http2::Failed { why, unsent, kept } = match sent {
            Ok(response) => {
                self.praise(response.status(), began);
                return Ok(Heard { answer: Answer::Http2(Box::new(response)), is_safe });
            }
            Err(failed) => failed,
        };
        let silent = matches!(why, Why::NoHead(NoHttp2Head::Closed));
        let left = unsent
            .map(|same| Left::Unsent(Box::new(same)))
            .or_else(|| (is_safe && silent).then_some(Left::Safe));
        Err(Failed { error: self.told_over_http2(why, kept), left: left.unwrap_or(Left::Nothing) })
    }

    fn told_over_http2(&self, why: Why, kept: bool) -> SendError {
        let (trouble, reason) = match why {
            Why::NoConnection(why) => return self.no_connection(why),
            Why::Upload(error) => return SendError::Upload(error),
            Why::Target => return SendError::Unreachable("cannot be asked for this target"),
            Why::NoHead(NoHttp2Head::Timeout) => {
                self.blame(Trouble::Timeout, "took too long to answer");
                return SendError::Timeout("to answer");
            }
            Why::NoHead(NoHttp2Head::Unsent | NoHttp2Head::Refused) => {
                (Trouble::Reset, "refused the request")
            }
            Why::NoHead(NoHttp2Head::Closed) => (Trouble::Reset, "closed the connection without an answer"),
            Why::NoHead(NoHttp2Head::Broken) => (Trouble::Unreadable, "sent what is no response"),
        };
        // A kept connection that was closed in the meantime says nothing about the upstream.
        if !(kept && reason.starts_with("closed")) {
            self.blame(trouble, reason);
        }
        SendError::Unreachable(reason)
    }

    async fn over(
        &self,
        mut link: Box<Link>,
        request: Request<Upload>,
        may_send_again: bool,
        kept: bool,
    ) -> Result<Heard, Failed> {
        let is_safe = may_send_again && is_safe(&request);
        let (request, progress) = track(request);
        let began = self.pool.clock().now();
        match link.exchange(request, &progress, self.limits.head_max).await {
            Ok(response) if is_switch(&response) => {
                self.blame(Trouble::Unreadable, Fault::Switch.sentence());
                let error = SendError::Unreachable(Fault::Switch.sentence());
                Err(Failed { error, left: Left::Nothing })
            }
            Ok(response) => {
                self.praise(response.status(), began);
                Ok(Heard { answer: Answer::Http1 { link, response, progress }, is_safe })
            }
            Err(NoHead::Broken { unsent, silent, fault }) => {
                let error = self.broken(silent, fault, &progress);
                // A kept connection that was closed in the meantime says nothing about the upstream.
                if let SendError::Unreachable(reason) = error
                    && !(kept && silent)
                {
                    self.blame(if silent { Trouble::Reset } else { Trouble::Unreadable }, reason);
                }
                let unsent = unsent.and_then(|r| untrack(*r)).map(|same| Left::Unsent(Box::new(same)));
                let left = unsent.or_else(|| (is_safe && silent).then_some(Left::Safe));
                Err(Failed { error, left: left.unwrap_or(Left::Nothing) })
            }
            Err(NoHead::Timeout) => {
                self.blame(Trouble::Timeout, "took too long to answer");
                Err(Failed { error: SendError::Timeout("to answer"), left: Left::Nothing })
            }
        }
    }

    /// No answer came, and the upstream is to blame.
    fn blame(&self, trouble: Trouble, reason: &str) {
        let config = self.service.config();
        self.service.books().count(trouble);
        // A rule may have asked for more haste than the operator did.
        if trouble != Trouble::Timeout || self.limits.head_max >= config.response_timeout {
            self.endpoint.failed(config, self.pool.clock().now(), Blow::Answer, reason);
        }
    }

    /// An answer came; one that the operator does not count, or that came too late, is as bad as none.
    fn praise(&self, status: StatusCode, began: Instant) {
        let (config, now) = (self.service.config(), self.pool.clock().now());
        let slow = config.breaker.slow;
        if config.retry.statuses.contains(&status.as_u16()) {
            self.blame(Trouble::Status, "answers with a status that counts as none");
        } else if !slow.is_zero() && now.saturating_duration_since(began) >= slow {
            self.blame(Trouble::Slow, "answers slowly");
        } else {
            self.endpoint.answered(config, now);
        }
    }

    fn broken(&self, silent: bool, fault: Option<Fault>, progress: &Progress) -> SendError {
        match (progress.take_error(), fault) {
            (Some(error), _) => SendError::Upload(error),
            (None, Some(fault)) => {
                fault.tell(self.service.name());
                SendError::Unreachable(fault.sentence())
            }
            (None, None) if silent => SendError::Unreachable("closed the connection without an answer"),
            (None, None) => SendError::Unreachable("broke off inside its answer"),
        }
    }

    fn is_unwelcome(&self, heard: &Heard) -> bool {
        self.service.config().retry.statuses.contains(&heard.answer.status().as_u16())
    }

    async fn receive(&self, heard: Heard, held: Held) -> Response<UpstreamBody> {
        let (link, response, progress) = match heard.answer {
            Answer::Http1 { link, response, progress } => (link, response, progress),
            Answer::Http2(response) => {
                let silence_max = self.silence_max(response.headers());
                return response.map(|body| UpstreamBody::Http2(body.begin(held, silence_max)));
            }
        };
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
            held,
        };
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Response::from_parts(
                head,
                UpstreamBody::Http1(Box::new(Http1Body::switched(incoming, flow))),
            );
        }
        let silence_max = self.silence_max(&head.headers);
        let mut parts = Some((incoming, flow));
        let body = std::future::poll_fn(|cx| {
            let (incoming, flow) = parts.take().expect("a future that was ready is not polled again");
            std::task::Poll::Ready(Box::new(Http1Body::new(incoming, flow, silence_max, cx)))
        });
        Response::from_parts(head, UpstreamBody::Http1(body.await))
    }

    /// A stream without end is quiet when there is nothing to tell.
    fn silence_max(&self, headers: &HeaderMap) -> Duration {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let usual = self.limits.silence_max;
        if is_endless(kind) { usual.max(self.service.config().stream_idle_timeout) } else { usual }
    }
}

/// Whether the protocol was changed unasked; the guard lets no 101 through that nobody asked for.
fn is_switch(response: &Response<Incoming>) -> bool {
    response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS
}

/// Sets the version, and the framing of the request from its body: nothing that a client wrote about it goes on unchecked.
fn frame(request: &mut Request<Upload>) {
    *request.version_mut() = Version::HTTP_11;
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

/// The same request again; what is sent again has no body.
fn anew(again: &Again<'_>) -> Option<Request<Upload>> {
    let mut request = again()?.map(|()| Upload::none());
    frame(&mut request);
    Some(request)
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next()?.to_str().ok()?.parse().ok()?;
    lengths.next().is_none().then_some(length)
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
