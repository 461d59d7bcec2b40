//! Spans as a collector takes them: OTLP in JSON. The schema is small and stable; the crates that have it bring a runtime
//! and a queue of their own (docs/decisions/0022).
//!
//! # Source
//! OTLP specification 1.9, section "JSON Protobuf Encoding" (ids in hexadecimal, 64-bit numbers as texts, kinds as numbers);
//! opentelemetry-proto 1.9, `trace.proto`; OpenTelemetry semantic conventions 1.37, "HTTP spans".

use std::time::Duration;

use serde::Serialize;

use super::spans::{CallSpan, RequestSpan};
use crate::base::trace_context::SpanId;

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;
/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `SPAN_KIND_CLIENT`.
const CLIENT: u8 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// `ExportTraceServiceRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    resource_spans: [ResourceSpans; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    status: Status,
}

#[derive(Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
}

#[derive(Serialize)]
struct Attribute {
    key: &'static str,
    value: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    StringValue(String),
    /// A text, as all 64-bit numbers.
    IntValue(String),
}

/// The document that tells of these requests.
pub fn encode(requests: &[RequestSpan], version: &'static str) -> Vec<u8> {
    let attributes = vec![text("service.name", "pluginmind"), text("service.version", version)];
    let spans = requests.iter().flat_map(spans_of).collect();
    let scope_spans = [ScopeSpans { scope: Scope { name: "pluginmind", version }, spans }];
    let export =
        Export { resource_spans: [ResourceSpans { resource: Resource { attributes }, scope_spans }] };
    // Names, texts and numbers always become JSON.
    serde_json::to_vec(&export).unwrap_or_default()
}

/// The request's own span, and below it what it was spent with.
fn spans_of(request: &RequestSpan) -> Vec<Span> {
    let part = |name: &str, from: Duration, to: Duration| Span {
        parent_span_id: Some(request.context.span.to_string()),
        ..span(request, SpanId::fresh(), name.to_owned(), INTERNAL, from, to)
    };
    let mut spans = vec![server(request), part("checks", Duration::ZERO, request.checks)];
    spans.extend(request.call.as_ref().map(|call| client(request, call)));
    spans.extend(request.answered.map(|at| part("answer", at, request.took)));
    spans
}

fn server(request: &RequestSpan) -> Span {
    let mut attributes = vec![
        text("http.request.method", http_method(request.method)),
        text("url.scheme", if request.secure { "https" } else { "http" }),
        text("network.protocol.version", request.protocol),
        text("pluginmind.correlation_id", request.correlation_id.as_str()),
        number("pluginmind.generation", request.generation),
    ];
    if !request.route.is_empty() {
        attributes.push(text("http.route", &request.route));
    }
    attributes.extend(request.status.map(status_code));
    attributes.extend(request.code.as_deref().map(|code| text("pluginmind.code", code)));
    attributes.extend(request.stage.map(|stage| text("pluginmind.stage", stage)));
    // A client's mistake is no error of the server's (semantic conventions, "Status").
    let failed = request.status.is_none_or(|status| status >= 500);
    if failed {
        attributes.push(text("error.type", &error_type(request.status, request.code.as_deref())));
    }
    let name = format!("{} {}", request.method, request.route);
    Span {
        parent_span_id: request.context.parent.map(|parent| parent.to_string()),
        attributes,
        status: status(failed),
        ..span(
            request,
            request.context.span,
            name.trim_end().to_owned(),
            SERVER,
            Duration::ZERO,
            request.took,
        )
    }
}

fn client(request: &RequestSpan, call: &CallSpan) -> Span {
    let method = http_method(request.method);
    let mut attributes = vec![text("http.request.method", method), text("peer.service", &call.service)];
    attributes.extend(call.status.map(status_code));
    let failed = call.status.is_none_or(|status| status >= 400);
    if failed {
        attributes.push(text("error.type", &error_type(call.status, request.code.as_deref())));
    }
    Span {
        parent_span_id: Some(request.context.span.to_string()),
        attributes,
        status: status(failed),
        ..span(request, call.span, request.method.to_owned(), CLIENT, call.began, call.began + call.took)
    }
}

/// A span between two moments after the request's start.
fn span(request: &RequestSpan, id: SpanId, name: String, kind: u8, from: Duration, to: Duration) -> Span {
    let start = u128::try_from(request.unix_ms).unwrap_or(0) * 1_000_000;
    Span {
        trace_id: request.context.trace.to_string(),
        span_id: id.to_string(),
        parent_span_id: None,
        name,
        kind,
        start_time_unix_nano: (start + from.as_nanos()).to_string(),
        end_time_unix_nano: (start + to.max(from).as_nanos()).to_string(),
        attributes: Vec::new(),
        status: Status::default(),
    }
}

/// An unknown method is `_OTHER` in the semantic conventions.
fn http_method(method: &'static str) -> &'static str {
    if method == "OTHER" { "_OTHER" } else { method }
}

fn error_type(status: Option<u16>, code: Option<&str>) -> String {
    code.map(str::to_owned).or_else(|| status.map(|s| s.to_string())).unwrap_or_else(|| "_OTHER".to_owned())
}

fn status(failed: bool) -> Status {
    Status { code: failed.then_some(ERROR) }
}

fn status_code(status: u16) -> Attribute {
    number("http.response.status_code", u64::from(status))
}

fn text(key: &'static str, value: &str) -> Attribute {
    Attribute { key, value: Value::StringValue(value.to_owned()) }
}

fn number(key: &'static str, value: u64) -> Attribute {
    Attribute { key, value: Value::IntValue(value.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::super::spans::tests::answered;
    use super::*;

    fn spans(request: &RequestSpan) -> Vec<serde_json::Value> {
        let document = encode(std::slice::from_ref(request), "1.2.3");
        let read: serde_json::Value = serde_json::from_slice(&document).unwrap();
        let resource = &read["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "pluginmind");
        resource["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    }

    #[test]
    fn a_request_is_a_tree_of_spans_in_the_schema() {
        let request = answered();
        let spans = spans(&request);
        let names: Vec<_> = spans.iter().map(|s| (s["name"].as_str().unwrap(), &s["kind"])).collect();
        assert_eq!(
            names,
            [("POST api", &2.into()), ("checks", &1.into()), ("POST", &3.into()), ("answer", &1.into())]
        );
        let own = request.context.span.to_string();
        assert_eq!(spans[0]["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            (spans[0]["spanId"].as_str().unwrap(), &spans[0]["parentSpanId"]),
            (&*own, &"b7ad6b7169203331".into())
        );
        for child in &spans[1..] {
            assert_eq!(
                (&child["traceId"], &child["parentSpanId"]),
                (&spans[0]["traceId"], &own.as_str().into())
            );
        }
        assert_eq!(spans[2]["spanId"], request.call.as_ref().unwrap().span.to_string());
        let times = |at: usize| {
            (spans[at]["startTimeUnixNano"].as_str().unwrap(), spans[at]["endTimeUnixNano"].as_str().unwrap())
        };
        assert_eq!(times(0), ("1700000000123000000", "1700000000173000000"));
        assert_eq!(times(2), ("1700000000124000000", "1700000000164000000"));
        assert_eq!(times(3), ("1700000000165000000", "1700000000173000000"));
    }

    #[test]
    fn attributes_are_those_of_the_semantic_conventions() {
        let spans = spans(&RequestSpan { method: "OTHER", ..answered() });
        let attributes = spans[0]["attributes"].as_array().unwrap();
        let value = |key: &str| {
            let found = attributes.iter().find(|a| a["key"] == key).unwrap_or_else(|| panic!("{key}"));
            found["value"].clone()
        };
        assert_eq!(value("http.request.method")["stringValue"], "_OTHER");
        assert_eq!(value("http.route")["stringValue"], "api");
        assert_eq!(value("http.response.status_code")["intValue"], "502");
        assert_eq!(value("error.type")["stringValue"], "UPSTREAM_UNREACHABLE");
        assert_eq!(value("url.scheme")["stringValue"], "https");
        assert_eq!(value("network.protocol.version")["stringValue"], "2");
        assert_eq!(value("pluginmind.correlation_id")["stringValue"], "abc-1");
        assert_eq!(spans[0]["status"]["code"], 2);
    }

    #[test]
    fn a_refused_client_is_no_error_and_a_request_without_an_answer_is_one() {
        let refused = RequestSpan {
            status: Some(403),
            code: Some("FORBIDDEN".into()),
            route: "".into(),
            call: None,
            answered: None,
            ..answered()
        };
        let spans_of_refused = spans(&refused);
        assert_eq!(spans_of_refused.len(), 2);
        assert!(spans_of_refused[0]["status"]["code"].is_null());
        assert_eq!(spans_of_refused[0]["name"], "POST");
        let gone = RequestSpan { status: None, ..refused };
        assert_eq!(spans(&gone)[0]["status"]["code"], 2);
    }
}
