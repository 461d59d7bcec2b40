//! Traces: whose are followed, what the upstream and the log hear of them, and the spans that a collector is sent.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use serde_json::Value;

use crate::harness::{Gateway, Setup, Upstream};

const THEIRS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// The trace, the span and the flags that an upstream was told.
fn told(request: &str) -> (String, String, String) {
    let lines: Vec<&str> = request.lines().filter_map(|l| l.strip_prefix("traceparent: ")).collect();
    let parts: Vec<&str> = lines[0].split('-').collect();
    assert_eq!((lines.len(), parts.len(), parts[0]), (1, 4, "00"), "{request}");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

fn line_of(gateway: &mut Gateway, id: &str) -> Value {
    let wanted = format!("\"correlation.id\":\"{id}\"");
    let line = gateway.wait_for_log(|l| l.contains("\"message\":\"request\"") && l.contains(&wanted));
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_clients_trace_goes_on_under_a_span_of_the_gateways() {
    let upstream = Upstream::hello();
    let mut gateway = Setup::new(&upstream.config()).start();
    for id in ["first", "second"] {
        let headers = [("traceparent", THEIRS), ("tracestate", "a=1"), ("X-Request-ID", id)];
        assert_eq!(gateway.send("GET /up/x", &headers, b"").status, 200);
        assert_eq!(line_of(&mut gateway, id)["trace.id"], "0af7651916cd43dd8448eb211c80319c");
    }
    let spans: Vec<String> = upstream
        .seen()
        .iter()
        .map(|request| {
            assert!(request.contains("tracestate: a=1\r\n"), "{request}");
            let (trace, span, flags) = told(request);
            assert_eq!((trace.as_str(), flags.as_str()), ("0af7651916cd43dd8448eb211c80319c", "01"));
            span
        })
        .collect();
    assert!(spans[0] != spans[1] && !spans.contains(&"b7ad6b7169203331".to_owned()), "{spans:?}");
}

#[test]
fn a_correlation_id_that_a_client_chose_does_not_name_the_trace() {
    const CHOSEN: &str = "0190163d-8694-739b-aea5-966c00000000";
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).start();
    for _ in 0..2 {
        let answer = gateway.send("GET /up/x", &[("X-Request-ID", CHOSEN)], b"");
        assert_eq!(answer.header("x-request-id"), Some(CHOSEN));
    }
    let traces: Vec<String> = upstream.seen().iter().map(|request| told(request).0).collect();
    assert_ne!(traces[0], traces[1]);
    assert!(!traces.contains(&CHOSEN.replace('-', "")), "{traces:?}");
}

#[test]
fn a_trace_that_begins_here_is_named_like_the_answers_correlation_id() {
    let upstream = Upstream::hello();
    let mut gateway = Setup::new(&upstream.config()).start();
    let answer = gateway.get("/up/x");
    let id = answer.header("x-request-id").unwrap().to_owned();
    let (trace, _, flags) = told(&upstream.only());
    assert_eq!((trace, flags.as_str()), (id.replace('-', ""), "01"));
    assert_eq!(line_of(&mut gateway, &id)["trace.id"], id.replace('-', ""));
}

#[test]
fn an_operator_may_believe_proxies_alone() {
    let upstream = Upstream::hello();
    let strict = "[tracing]\ntrust = \"trusted_proxies\"\nsample = 0.0\n";
    let gateway = Setup::new(&format!("{strict}{}", upstream.config())).start();
    gateway.send("GET /up/x", &[("traceparent", THEIRS), ("tracestate", "a=1")], b"");
    let (trace, _, flags) = told(&upstream.only());
    assert!(
        trace != "0af7651916cd43dd8448eb211c80319c"
            && flags == "00"
            && !upstream.only().contains("tracestate")
    );
    let trusted = format!("[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\n{strict}{}", upstream.config());
    let gateway = Setup::new(&trusted).start();
    gateway.send("GET /up/x", &[("traceparent", THEIRS)], b"");
    assert_eq!(told(&upstream.seen()[1]).0, "0af7651916cd43dd8448eb211c80319c");
}

/// The spans of a collector's request, each with its attributes as texts.
fn spans(request: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let found = span["attributes"].as_array().unwrap().iter().find(|a| a["key"] == key);
    found.map_or(&Value::Null, |a| a["value"].as_object().unwrap().values().next().unwrap())
}

#[test]
fn a_collector_is_sent_the_spans_of_sampled_requests_and_nothing_personal() {
    let upstream = Upstream::hello();
    let collector = Upstream::with(|_, stream| stream.write_all(OK).is_ok());
    let config = format!("[tracing]\notlp = \"http://{}\"\n{}", collector.address, upstream.config());
    let gateway = Setup::new(&config).start();
    let headers = [
        ("traceparent", THEIRS),
        ("X-Request-ID", "mine-1"),
        ("User-Agent", "canary/1"),
        ("Cookie", "a=canary"),
    ];
    gateway.send("GET /up/canary?canary=1", &headers, b"");
    // Whoever began this trace does not want it recorded.
    let unsampled = THEIRS.replace("-01", "-00");
    gateway.send("GET /up/x", &[("traceparent", &unsampled), ("X-Request-ID", "mine-2")], b"");
    gateway.send("GET /nothing", &[("X-Request-ID", "mine-3")], b"");
    gateway.until("both are sent", |g| g.metric("pluginmind_traces_exported_total ") == 2.0);
    let seen = collector.seen();
    assert!(seen.iter().all(|r| r.starts_with("POST /v1/traces HTTP/1.1\r\n")), "{seen:?}");
    assert!(seen.iter().all(|r| r.to_lowercase().contains("content-type: application/json")), "{seen:?}");
    let sent = |r: &String| r.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("a body");
    let wrong = ["canary", "127.0.0.1", "mine-2"];
    assert!(seen.iter().map(sent).all(|body| wrong.iter().all(|w| !body.contains(w))), "{seen:?}");
    let all: Vec<Value> = seen.iter().flat_map(|r| spans(r)).collect();
    let own = all.iter().find(|s| attribute(s, "pluginmind.correlation_id") == "mine-1").unwrap();
    assert_eq!((&own["name"], &own["kind"]), (&"GET up".into(), &2.into()));
    assert_eq!(
        (&own["traceId"], &own["parentSpanId"]),
        (&"0af7651916cd43dd8448eb211c80319c".into(), &"b7ad6b7169203331".into())
    );
    assert_eq!(attribute(own, "http.response.status_code"), "200");
    let below: Vec<&Value> = all.iter().filter(|s| s["parentSpanId"] == own["spanId"]).collect();
    let names: Vec<&str> = below.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["checks", "GET", "answer"]);
    assert_eq!(below[1]["spanId"], told(&upstream.seen()[0]).1, "the upstream is asked under this span");
    assert_eq!(attribute(below[1], "peer.service"), "up");
    let lost = all.iter().find(|s| attribute(s, "pluginmind.correlation_id") == "mine-3").unwrap();
    assert_eq!(
        (attribute(lost, "pluginmind.code"), &lost["status"]["code"]),
        (&"NOT_FOUND".into(), &Value::Null)
    );
}

#[test]
fn a_collector_that_refuses_costs_spans_and_no_requests() {
    let status = Arc::new(AtomicU16::new(503));
    let (says, tries) = (Arc::clone(&status), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&tries);
    let collector = Upstream::with(move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        let head = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", says.load(Ordering::SeqCst));
        stream.write_all(head.as_bytes()).is_ok()
    });
    let config = format!(
        "[tracing]\notlp = \"http://{}\"\n[[routes]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\nrespond = {{ status = 200 }}\n",
        collector.address
    );
    let mut gateway = Setup::new(&config).start();
    assert_eq!(gateway.get("/open").status, 200);
    gateway.until("it is given up", |g| g.metric("pluginmind_traces_dropped_total ") == 1.0);
    assert_eq!(tries.load(Ordering::SeqCst), 3, "a busy collector is tried again, twice");
    gateway.wait_for_log(|l| l.contains("the collector takes no traces") && l.contains("503"));
    status.store(400, Ordering::SeqCst);
    assert_eq!(gateway.get("/open").status, 200);
    gateway.until("it is given up at once", |g| g.metric("pluginmind_traces_dropped_total ") == 2.0);
    assert_eq!(tries.load(Ordering::SeqCst), 4, "what it does not understand is not sent again");
    status.store(200, Ordering::SeqCst);
    assert_eq!(gateway.get("/open").status, 200);
    gateway.wait_for_log(|l| l.contains("the collector takes traces again"));
    assert_eq!(gateway.metric("pluginmind_traces_exported_total "), 1.0);
    assert_eq!(gateway.log().iter().filter(|l| l.contains("the collector takes no traces")).count(), 1);
}

#[test]
fn a_collector_that_hangs_holds_nobody_up_and_the_queue_is_bounded() {
    let (come, came) = channel();
    let collector = Upstream::with(move |_, stream| {
        come.send(()).ok();
        // Until the gateway gives up: there is never an answer.
        std::io::Read::read(stream, &mut [0]).ok();
        false
    });
    let config = format!(
        "[tracing]\notlp = \"http://{}\"\nqueue_max = 5\n[[routes]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\nrespond = {{ status = 200 }}\n",
        collector.address
    );
    let gateway = Setup::new(&config).start();
    assert_eq!(gateway.get("/open").status, 200);
    came.recv().unwrap();
    for _ in 0..12 {
        assert_eq!(gateway.get("/open").status, 200);
    }
    gateway.until("seven of twelve fell off", |g| g.metric("pluginmind_traces_dropped_total ") >= 7.0);
    let began = std::time::Instant::now();
    assert_eq!(gateway.stop(), Some(0));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "the end does not wait for the collector");
}
