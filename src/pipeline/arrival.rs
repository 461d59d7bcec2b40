//! Stages 1 and 2: a request head within its limits, and the id that it keeps to the end.

use std::net::SocketAddr;

use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Uri, Version};

use super::forwarded::Asked;
use super::http2;
use super::step::Step;
use super::transport::Transport;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::base::target::Ambiguous;
use crate::config::Server;
use crate::proxy::hops::check_request;

/// The correlation header, lower case.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request head whose size and framing headers are acceptable.
pub struct Arrival {
    parts: Parts,
    transport: Transport,
    has_body: bool,
    asked: Option<Asked>,
}

/// The id of a request: the client's where it has the allowed form and stands once, a new one otherwise.
pub fn correlate(headers: &HeaderMap) -> CorrelationId {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(one), None) => CorrelationId::accept(one.as_bytes()).unwrap_or_else(CorrelationId::generate),
        _ => CorrelationId::generate(),
    }
}

/// Takes in a request head; the body is judged later and travels apart.
///
/// # Errors
/// The refusal of this stage.
pub fn receive(mut parts: Parts, has_body: bool, transport: Transport, limits: &Server) -> Step<Arrival> {
    if parts.version == Version::HTTP_2 {
        http2::translate(&mut parts)?;
    }
    let target = parts.uri.path_and_query().map_or(0, |pq| pq.as_str().len());
    if u64::try_from(target).unwrap_or(u64::MAX) > limits.target_max {
        return Err(Refusal::UriTooLong.into());
    }
    let size: usize = parts.headers.iter().map(|(n, v)| n.as_str().len() + v.len()).sum();
    if parts.headers.len() > limits.headers_max || u64::try_from(size).unwrap_or(u64::MAX) > limits.header_max
    {
        return Err(Refusal::HeadersTooLarge.into());
    }
    check_framing(&parts.headers).map_err(Refusal::BadRequest)?;
    check_request(&parts.headers).map_err(Refusal::BadRequest)?;
    if !expects_what_is_known(&parts.headers) {
        return Err(Refusal::ExpectationFailed.into());
    }
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Refusal::MethodNotAllowed { allow: crate::live::routes::USUAL_METHODS.join(", ") }.into());
    }
    Ok(Arrival { parts, transport, has_body, asked: None })
}

/// `100-continue` in one line, or nothing.
///
/// # Source
/// RFC 9110 section 10.1.1; THREATS row SM-26.
fn expects_what_is_known(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(EXPECT).iter();
    let first = lines.next().is_none_or(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    first && lines.next().is_none()
}

/// Any coding but `chunked`, once, is read differently by different servers. A length beside it never comes here: hyper
/// drops it and closes after the answer.
///
/// # Source
/// RFC 9112 sections 6.1 and 6.3; THREATS rows SM-03, SM-04, SM-06, SM-07.
fn check_framing(headers: &HeaderMap) -> Result<(), Ambiguous> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if plain { Ok(()) } else { Err("The transfer coding is not one that is read here.") }
}

impl Arrival {
    /// The same, with the request in its place that a proxy asks about.
    pub(super) fn about(mut self, method: Method, uri: Uri, asked: Asked) -> Self {
        self.parts.method = method;
        self.parts.uri = uri;
        self.asked = Some(asked);
        self
    }

    /// Whether this is a request that a proxy asks about, which goes nowhere from here.
    pub fn asked(&self) -> Option<Asked> {
        self.asked
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The headers as they came.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The other end of the connection.
    pub fn peer(&self) -> SocketAddr {
        self.transport.peer
    }

    /// The connection that it came over.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The head as it came.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The declared length of the body, in bytes.
    pub fn declared_length(&self) -> Option<u64> {
        self.parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Whether a body comes at all.
    pub fn has_body(&self) -> bool {
        self.has_body
    }

    /// The value of a header where it is one text.
    pub fn text_header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (X_REQUEST_ID, http::HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn hb_11_a_clients_id_is_kept_only_in_the_allowed_form_and_only_once() {
        assert_eq!(correlate(&headers(&["abc-1"])).as_str(), "abc-1");
        for bad in [&["<script>"][..], &["a b"], &["a", "b"], &[]] {
            assert_eq!(correlate(&headers(bad)).as_str().len(), 36, "{bad:?}");
        }
    }
}
