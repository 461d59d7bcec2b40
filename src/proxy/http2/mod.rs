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
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version, header};

pub use body::Http2Body;
pub use exchange::NoHead;
pub use session::Sessions;

use super::dial::DialError;
use super::endpoint::Endpoint;
use super::journey::is_safe;
use super::pool::Pool;
use super::send::Limits;
use super::service::Service;
use super::upload::{BoxError, Tracked, Upload};
use exchange::Exchange;
use session::Session;

/// Why there is no response.
pub enum Why {
    /// There was no connection, so nothing was sent.
    NoConnection(DialError),
    /// The request body failed first.
    Upload(BoxError),
    /// HTTP/2 has no way to say what is asked for.
    Target,
    /// No response head came.
    NoHead(NoHead),
}

/// A request without a response.
pub struct Failed {
    /// Why.
    pub why: Why,
    /// The request, where nothing of it was processed.
    pub unsent: Option<Request<Upload>>,
    /// Whether the connection was there already.
    pub kept: bool,
}

/// Sends a request to one address and waits for the response head. It is sent again once where the upstream says that it
/// was not processed, and, if it is safe and has no body, where a connection that was there already ended without a word.
pub async fn send(
    pool: &Pool,
    service: &Arc<Service>,
    endpoint: &Arc<Endpoint>,
    mut request: Request<Upload>,
    limits: Limits,
) -> Result<Response<Box<Http2Body>>, Failed> {
    let mut last = false;
    loop {
        let (session, kept) = match pool.sessions().get(service, endpoint, pool.clock()).await {
            Ok(found) => found,
            Err(e) => {
                return Err(Failed { why: Why::NoConnection(e), unsent: Some(request), kept: false });
            }
        };
        let Some(head) = head(&request, session.is_tls(), endpoint) else {
            return Err(Failed { why: Why::Target, unsent: None, kept });
        };
        let safe = is_safe(&request);
        let (parts, upload) = request.into_parts();
        let copy = upload.copy();
        let (no_head, untouched, error) = match attempt(&session, head, upload, limits).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        let unprocessed = matches!(no_head, NoHead::Unsent | NoHead::Refused);
        let whole = untouched.or(copy).filter(|_| unprocessed);
        let may_go_again = safe && kept && no_head == NoHead::Closed;
        let again = whole.or_else(|| may_go_again.then(Upload::none)).map(|u| Request::from_parts(parts, u));
        match again {
            Some(same) if !last => request = same,
            left => {
                let unsent = left.filter(|_| unprocessed);
                let why = error.map_or(Why::NoHead(no_head), Why::Upload);
                return Err(Failed { why, unsent, kept });
            }
        }
        last = true;
    }
}

/// Why no head came, the upload if nothing of it was taken, and its own error.
type Ended = (NoHead, Option<Upload>, Option<BoxError>);

async fn attempt(
    session: &Rc<Session>,
    head: Request<()>,
    upload: Upload,
    limits: Limits,
) -> Result<Response<Box<Http2Body>>, Ended> {
    let (upload, progress) = Tracked::new(upload);
    let mut exchange = match Exchange::begin(session, head, upload) {
        Ok(exchange) => exchange,
        Err((why, upload)) => return Err((why, upload.into_untouched(), None)),
    };
    match exchange.head(&progress, limits.head_max).await {
        Ok(response) if !is_final(response.status()) || is_ambiguous(response.headers()) => {
            Err((NoHead::Broken, None, None))
        }
        Ok(response) => {
            let (mut parts, incoming) = response.into_parts();
            parts.version = Version::HTTP_11;
            parts.extensions = http::Extensions::new();
            let body = Http2Body::new(incoming, exchange, progress, limits.silence_max);
            Ok(Response::from_parts(parts, Box::new(body)))
        }
        Err(why) => {
            let untouched = exchange.take_upload().into_untouched();
            Err((why, untouched, progress.take_error()))
        }
    }
}

/// Whether a status ends an exchange (RFC 9110 section 15): what is outside of its classes says nothing to a client.
fn is_final(status: StatusCode) -> bool {
    (200..600).contains(&status.as_u16())
}

/// Whether a client of HTTP/1.1 could read the length in two ways. h2 compares what comes with the first that is declared.
fn is_ambiguous(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lengths.next();
    let odd = first.is_some_and(|l| l.is_empty() || !l.as_bytes().iter().all(u8::is_ascii_digit));
    odd || lengths.next().is_some()
}

/// The head as HTTP/2 has it: the host is the authority, and how the message is framed is the frames' to say.
fn head(request: &Request<Upload>, tls: bool, endpoint: &Endpoint) -> Option<Request<()>> {
    if request.headers().contains_key(header::UPGRADE) {
        return None;
    }
    let mut headers = request.headers().clone();
    let host = headers.remove(header::HOST);
    headers.remove(header::TRANSFER_ENCODING);
    let named = host.and_then(|h| Authority::try_from(h.as_bytes()).ok());
    let mut parts = Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(named.unwrap_or_else(|| authority(endpoint)));
    parts.path_and_query =
        Some(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    *head.uri_mut() = Uri::from_parts(parts).ok()?;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = headers;
    Some(head)
}

/// What an address is called where the client named no host.
fn authority(endpoint: &Endpoint) -> Authority {
    let written = endpoint.url().split_once("://").map(|(_, rest)| rest.trim_end_matches('/'));
    let named = written.and_then(|authority| authority.parse().ok());
    named.unwrap_or_else(|| Authority::from_static("localhost"))
}
