//! Stage 15, second half: rules on the body of an answer, for plugins whose `[body]` asks for its type. Anything else
//! streams through.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::Answer;
use super::answer::{Body, Read};
use super::finish::{declared_length, latency_ms};
use super::gateway::Gateway;
use super::rules::ask;
use super::trail::Trail;
use crate::base::media_type::{is_encoded, is_endless};
use crate::base::refusal::Refusal;
use crate::live::snapshot::Snapshot;
use crate::proxy::UpstreamBodyError;
use crate::script::{Hook, ResponseFacts};

/// Headers that vouch for bytes which are not sent any more once a rule has changed them.
const VOUCHERS: [&str; 4] = ["content-md5", "digest", "content-digest", "repr-digest"];

/// Asks `on_response_body`, which may change the body of the answer or refuse it.
///
/// # Errors
/// The refusal of a rule; 502 or 504 where the upstream broke off, for no head has gone out yet.
pub async fn on_response_body(
    answer: Answer,
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Result<Answer, Refusal> {
    let Some(most) = asked_for(&answer.response, snapshot, trail) else { return Ok(answer) };
    let Answer { response, author } = answer;
    let (mut parts, body) = response.into_parts();
    let body = match body.read_up_to(most).await.map_err(refusal)? {
        // Longer than anybody wants to see.
        Read::Longer(body) => return Ok(Answer { response: Response::from_parts(parts, body), author }),
        Read::Whole(bytes) => bytes,
    };
    let mut facts = ResponseFacts {
        status: parts.status,
        headers: std::mem::take(&mut parts.headers),
        size: u64::try_from(body.len()).unwrap_or(u64::MAX),
        latency_ms: latency_ms(gateway, trail),
        body: Some(body.clone()),
    };
    ask(Hook::ResponseBody, Some(&mut facts), gateway, snapshot, trail)?;
    parts.headers = facts.headers;
    let sent = facts.body.unwrap_or_default();
    if sent != body {
        disown(&mut parts.headers);
    }
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(sent.len()));
    Ok(Answer { response: Response::from_parts(parts, Body::full(sent)), author })
}

/// Up to how many bytes of the answer somebody wants to see; `None` where nobody does, or where there is nothing to see:
/// no body, a compressed one, a part of one, or one that has no end, such as a stream of events.
fn asked_for(response: &Response<Body>, snapshot: &Snapshot, trail: &Trail) -> Option<u64> {
    let facts = trail.facts.as_deref().filter(|_| snapshot.rules.interested(Hook::ResponseBody))?;
    let headers = response.headers();
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let most = snapshot.rules.answer_wish(facts, kind)?;
    let has_body = facts.method != http::Method::HEAD
        && !matches!(
            response.status(),
            StatusCode::SWITCHING_PROTOCOLS
                | StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    let fits = declared_length(headers) <= most;
    (has_body && !is_encoded(headers) && !is_endless(kind) && fits).then_some(most)
}

/// What vouched for the upstream's bytes says nothing of these (RFC 9110 section 8.8.1).
fn disown(headers: &mut HeaderMap) {
    for name in VOUCHERS {
        headers.remove(HeaderName::from_static(name));
    }
    let weak = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    let weak = weak.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

fn refusal(error: UpstreamBodyError) -> Refusal {
    match error {
        UpstreamBodyError::Silent => Refusal::UpstreamTimeout,
        UpstreamBodyError::Broken => Refusal::UpstreamUnreachable,
        UpstreamBodyError::Upload => Refusal::BadRequest("The request body is malformed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vouched_for_other_bytes_is_taken_back() {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, HeaderValue::from_static("\"v1\""));
        headers.insert("content-digest", HeaderValue::from_static("sha-256=:x:"));
        disown(&mut headers);
        assert_eq!(headers.get(ETAG).unwrap(), "W/\"v1\"");
        assert!(!headers.contains_key("content-digest"));
        disown(&mut headers);
        assert_eq!(headers.get(ETAG).unwrap(), "W/\"v1\"", "a weak tag stays as it is");
    }
}
