//! What is wrong with what came of a case; nothing, as a rule.

use super::case::Case;
use super::client::{Answer, Outcome};
use crate::harness::strict::{Message, Stop, canonical_target};

/// How a gateway says no to a request.
const REFUSALS: [u16; 12] = [400, 404, 405, 408, 413, 414, 415, 417, 421, 426, 431, 501];

/// The first thing that is wrong. What begins with `form:` is wrong with how it was said alone: nothing arrived that should not, and
/// nobody was answered who did not ask. `arrived` is what the upstream got from the case's address.
pub fn fault(case: &Case, outcome: &Outcome, arrived: &[Message]) -> Option<String> {
    if !outcome.closed {
        return Some("the connection stays open".to_owned());
    }
    if !outcome.rest.is_empty() {
        return Some(format!("half an answer: {:?}", String::from_utf8_lossy(&outcome.rest)));
    }
    upstream(&outcome.reading.requests, &outcome.answers, arrived).or_else(|| answers(case, outcome))
}

/// Each request that arrived is one that the bytes hold, in their order, judged as it is; each that was answered by the
/// upstream arrived.
fn upstream(sent: &[Message], answers: &[Answer], arrived: &[Message]) -> Option<String> {
    let mut sent = sent.iter().enumerate();
    for got in arrived {
        let fits = |asked: &Message| {
            asked.method == got.method
                && asked.body == got.body
                && canonical_target(asked).as_ref() == Some(&got.target)
        };
        let Some((at, _)) = sent.by_ref().find(|(_, asked)| fits(asked)) else {
            return Some(format!(
                "nobody asked for {} {} with {} bytes",
                got.method,
                got.target,
                got.body.len()
            ));
        };
        if answers.get(at).is_some_and(|a| !a.body.starts_with(b"mark ") && got.method != "HEAD") {
            return Some(format!("{} {} arrived and was refused", got.method, got.target));
        }
        if let Some(fault) = misjudged(got) {
            return Some(fault);
        }
    }
    let marks = answers.iter().filter(|a| a.body.starts_with(b"mark ")).count();
    let heads = arrived.iter().filter(|m| m.method == "HEAD").count();
    (marks != arrived.len() - heads).then(|| format!("{marks} answers of {} requests", arrived.len()))
}

/// The rule wrote down what it judged; the request line and Host must say the same.
fn misjudged(got: &Message) -> Option<String> {
    let path = got.target.split('?').next().unwrap_or_default();
    let host = got.header("host").unwrap_or_default();
    let name =
        host.rfind(']').map_or_else(|| host.split(':').next().unwrap_or_default(), |end| &host[..=end]);
    // Who named no host is judged as such, and forwarded under the upstream's own name.
    let name = if got.header("x-forwarded-host").is_some() { name } else { "" };
    let is = format!("{} {path} {name}", got.method);
    let judged = got.header("x-judged").unwrap_or_default();
    (is.trim_end() != judged).then(|| format!("judged was {judged:?}, and {is:?} arrived"))
}

fn answers(case: &Case, outcome: &Outcome) -> Option<String> {
    let (requests, answers) = (outcome.reading.requests.len(), &outcome.answers);
    if answers.len() > requests + 1 {
        return Some(format!("{} answers to {requests} requests", answers.len()));
    }
    for (at, answer) in answers.iter().enumerate() {
        let is_own = at < requests;
        if !(is_own && matches!(answer.status, 200 | 204)
            || REFUSALS.contains(&answer.status)
            || answer.status == 505)
        {
            return Some(format!("{} to request {at} of {requests}", answer.status));
        }
        if case.is_good && answer.status != 200 {
            return Some(format!("{} to a good request", answer.status));
        }
        if let Some(fault) = envelope(case, answer, at, outcome) {
            return Some(fault);
        }
        if answer.header("connection") == Some("close") && at + 1 < answers.len() {
            return Some("an answer after the last".to_owned());
        }
    }
    let was_last = answers.last().is_some_and(|a| a.header("connection") == Some("close"));
    if answers.len() < requests && !was_last {
        return Some(format!("{} answers to {requests} requests", answers.len()));
    }
    let unheard = answers.is_empty() && matches!(outcome.reading.stop, Stop::Malformed(_));
    if unheard {
        return Some("form: hung up without a word".to_owned());
    }
    (case.is_good && !outcome.followed && !was_last).then(|| "closed after a good request".to_owned())
}

/// A refusal wears the envelope; one of what could not be read is the connection's last.
fn envelope(case: &Case, answer: &Answer, at: usize, outcome: &Outcome) -> Option<String> {
    if answer.status < 400 {
        return None;
    }
    let is_head = match outcome.reading.requests.get(at) {
        Some(message) => message.method == "HEAD",
        None => case.bytes.starts_with(b"HEAD "),
    };
    let id = answer.header("x-request-id").unwrap_or_default();
    let body = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
    let is_whole = !id.is_empty() && (is_head || body["error"]["correlation_id"] == id);
    if !is_whole || answer.header("cache-control") != Some("no-store") {
        return Some(format!("form: a bare {}", answer.status));
    }
    let is_unread = at >= outcome.reading.requests.len();
    (is_unread && answer.header("connection") != Some("close"))
        .then(|| format!("form: {} keeps the connection", answer.status))
}
