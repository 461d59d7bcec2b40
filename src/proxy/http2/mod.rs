//! HTTP/2 to upstreams: one connection for each worker and address, which all its requests share. A request's upload and
//! its response run inside the task of the request, as over HTTP/1.1; only the connection itself has a task of its own.
//!
//! The `h2` crate is used as it is: what hyper makes of its errors does not say whether a request was processed.
//!
//! # Source
//! RFC 9113; decision 0014.

mod body;
mod exchange;
mod session;

use std::rc::Rc;
use std::sync::Arc;

use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version, header};

pub use body::Http2Body;
pub use session::Sessions;

use super::send::{self, Limits, SendError};
use super::upload::{Progress, Tracked, Upload};
use super::upstreams::{Endpoint, Service};
use exchange::{Exchange, NoHead};
use session::{OpenError, Session};

/// What came of one address.
pub enum Outcome {
    /// An answer, or a failure that another address would not mend.
    Done(Result<Response<Http2Body>, SendError>),
    /// There was no connection, so nothing was sent: another address may be asked.
    NoConnection(SendError, Request<Upload>),
}

/// Sends a request to one address and waits for the response head. It is sent again once where the upstream says that it
/// was not processed, and, if it is safe and has no body, where a connection that was there already ended without a word.
pub async fn send(
    sessions: &Sessions,
    service: &Arc<Service>,
    endpoint: &Arc<Endpoint>,
    mut request: Request<Upload>,
    limits: Limits,
) -> Outcome {
    for last in [false, true] {
        let (session, kept) = match sessions.get(service, endpoint).await {
            Ok(found) => found,
            Err(e) => return Outcome::NoConnection(e.into(), request),
        };
        let Some(head) = head(&request, session.is_tls(), endpoint) else {
            return Outcome::Done(Err(SendError::Unreachable("cannot be asked for this target")));
        };
        let harmless = send::is_harmless(&request);
        let (parts, upload) = request.into_parts();
        let copy = upload.copy();
        let failed = match attempt(&session, head, upload, limits).await {
            Ok(response) => return Outcome::Done(Ok(response)),
            Err(failed) => failed,
        };
        let unprocessed = matches!(failed.why, NoHead::Unsent | NoHead::Refused);
        let may_repeat = unprocessed || (harmless && kept && failed.why == NoHead::Closed);
        match failed.untouched.or(copy).filter(|_| may_repeat && !last) {
            Some(upload) => request = Request::from_parts(parts, upload),
            None => return Outcome::Done(Err(failed.error)),
        }
    }
    Outcome::Done(Err(SendError::Unreachable("refused the request")))
}

/// A request without a response head.
struct Failed {
    why: NoHead,
    error: SendError,
    /// The upload, if nothing of it was taken.
    untouched: Option<Upload>,
}

async fn attempt(
    session: &Rc<Session>,
    head: Request<()>,
    upload: Upload,
    limits: Limits,
) -> Result<Response<Http2Body>, Failed> {
    let (upload, progress) = Tracked::new(upload);
    let mut exchange = match Exchange::begin(session, head, upload) {
        Ok(exchange) => exchange,
        Err((why, upload)) => {
            return Err(Failed { why, error: error(why, &progress), untouched: upload.into_untouched() });
        }
    };
    match exchange.head(&progress, limits.head_max).await {
        Ok(response) => {
            let broken = |error| Failed { why: NoHead::Broken, error, untouched: None };
            send::check_head(response.status(), response.headers()).map_err(broken)?;
            let (mut parts, incoming) = response.into_parts();
            parts.version = Version::HTTP_11;
            parts.extensions = http::Extensions::new();
            let body = Http2Body::new(incoming, exchange, progress, limits.silence_max);
            Ok(Response::from_parts(parts, body))
        }
        Err(why) => {
            let untouched = exchange.take_upload().into_untouched();
            Err(Failed { why, error: error(why, &progress), untouched })
        }
    }
}

fn error(why: NoHead, progress: &Progress) -> SendError {
    if let Some(error) = progress.take_error() {
        return SendError::Upload(error);
    }
    match why {
        NoHead::Timeout => SendError::Timeout("to answer"),
        NoHead::Unsent | NoHead::Refused => SendError::Unreachable("refused the request"),
        NoHead::Closed => SendError::Unreachable("closed the connection without an answer"),
        NoHead::Broken => SendError::Unreachable("sent what is no response"),
    }
}

impl From<OpenError> for SendError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Timeout => Self::Timeout("to accept a connection"),
            OpenError::Refused => Self::Unreachable("refused the connection"),
            OpenError::NotHttp2 => Self::Unreachable("does not speak HTTP/2"),
            OpenError::NoAddress => Self::Unreachable("has an address that cannot be read"),
        }
    }
}

/// The head as HTTP/2 has it: the host is the authority, and how the message is framed is the frames' to say.
fn head(request: &Request<Upload>, tls: bool, endpoint: &Endpoint) -> Option<Request<()>> {
    let mut headers = request.headers().clone();
    let host = headers.remove(header::HOST);
    headers.remove(header::TRANSFER_ENCODING);
    let named = host.and_then(|h| Authority::try_from(h.as_bytes()).ok());
    let mut parts = Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(named.or_else(|| endpoint.authority())?);
    parts.path_and_query =
        Some(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    *head.uri_mut() = Uri::from_parts(parts).ok()?;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = headers;
    Some(head)
}
