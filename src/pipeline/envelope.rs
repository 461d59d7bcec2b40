//! The one form of every refusal: `{"error":{"message","code","correlation_id"}}`, `details` with 422 only.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_VERSION,
};
use http::{Response, StatusCode};
use serde::Serialize;

use super::answer::Body;
use crate::base::ids::CorrelationId;
use crate::base::refusal::{Detail, Refusal};
use crate::proxy::websocket::{VERSION, change_protocol};

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    code: &'a str,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    details: &'a [Detail],
}

/// The answer that a refusal becomes.
pub fn render(refusal: &Refusal, id: &CorrelationId) -> Response<Body> {
    render_with(refusal, None, id)
}

/// The answer that a refusal becomes, with another sentence in place of its own where there is one.
pub fn render_with(refusal: &Refusal, message: Option<&str>, id: &CorrelationId) -> Response<Body> {
    let own = refusal.message();
    let error = Error {
        message: message.unwrap_or(&own),
        code: refusal.code(),
        correlation_id: id.as_str(),
        details: refusal.details(),
    };
    let bytes = serde_json::to_vec(&Envelope { error }).unwrap_or_default();
    let mut answer = Response::new(Body::full(bytes));
    *answer.status_mut() = refusal.status();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = refusal.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal {
        Refusal::MethodNotAllowed { allow } => {
            if let Ok(allow) = HeaderValue::try_from(allow.as_str()) {
                headers.insert(ALLOW, allow);
            }
        }
        // RFC 9110 section 15.5.22, RFC 6455 section 4.4.
        Refusal::UpgradeRequired => {
            change_protocol(headers);
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        }
        Refusal::Rule(rule) => {
            if let Some(location) = rule.location.as_deref().and_then(|l| HeaderValue::try_from(l).ok()) {
                headers.insert(LOCATION, location);
            }
        }
        _ => {}
    }
    if refusal.status() == StatusCode::UNAUTHORIZED {
        headers
            .insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie realm=\"pluginmind\""));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn text(refusal: &Refusal) -> String {
        let id = CorrelationId::accept(b"id-1").unwrap();
        let bytes = render(refusal, &id).into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_refusal_wears_the_same_envelope() {
        assert_eq!(
            text(&Refusal::NotFound).await,
            r#"{"error":{"message":"There is nothing here.","code":"NOT_FOUND","correlation_id":"id-1"}}"#
        );
        let detail = Detail { path: "/a".into(), message: "is required".into() };
        assert_eq!(
            text(&Refusal::InvalidInput(vec![detail])).await,
            r#"{"error":{"message":"The body does not have the expected shape.","code":"INVALID_INPUT","correlation_id":"id-1","details":[{"path":"/a","message":"is required"}]}}"#
        );
    }
}
