//! `[tracing]`: which traces are begun and followed, and where the gateway's own spans go.

use crate::base::document::Table;
use crate::base::target::Host;

use super::count;

/// Where a collector takes traces in JSON or protobuf, below its address.
///
/// # Source
/// OTLP specification 1.9, section "OTLP/HTTP Request".
const TRACES_PATH: &str = "/v1/traces";

/// Traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// The address that spans are posted to; nobody where absent.
    pub otlp: Option<String>,
    /// The share of traces begun here that are sampled, 0 to 1.
    pub sample: f64,
    /// Whose `traceparent` is followed.
    pub trust: TraceTrust,
    /// Most requests whose spans wait to be sent; what comes then is dropped and counted.
    pub queue_max: usize,
}

/// Whose `traceparent` is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceTrust {
    /// Everybody's.
    All,
    /// That of `server.trusted_proxies`; of anybody else's request a trace begins here.
    TrustedProxies,
}

impl Tracing {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let doc = "The address of an OpenTelemetry collector that takes OTLP over HTTP, as \
                   \"http://127.0.0.1:4318\"; spans go to its `/v1/traces`. Off where it is empty.";
        let otlp = table.parsed("otlp", "an address such as \"http://127.0.0.1:4318\"", "", doc, collector);
        let doc = "The share of traces begun here that are marked as sampled, for the services too; of a trace \
                   that is followed its beginning has decided.";
        let sample = table.fraction("sample", "1.0", doc).unwrap_or(1.0);
        let whose = [("all", TraceTrust::All), ("trusted_proxies", TraceTrust::TrustedProxies)];
        let doc = "Whose `traceparent` is followed: `all`, or `trusted_proxies` alone.";
        let trust = table.choice("trust", &whose, "all", doc).unwrap_or(TraceTrust::All);
        let queue_max = table.integer(
            "queue_max",
            2_048,
            (1, 100_000),
            "Most requests whose spans wait to be sent; what comes then is dropped and counted.",
        );
        table.finish();
        Self { otlp: otlp.flatten(), sample, trust, queue_max: count(queue_max) }
    }
}

/// The whole address that is posted to. A path that ends as a collector's does is kept as it is.
fn collector(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains('@') {
        return Err("the address of a collector holds no user name and no password".to_owned());
    }
    let wrong = || format!("`{text}` is not an address such as \"http://127.0.0.1:4318\"");
    let is_printable = text.bytes().all(|b| (0x21..=0x7e).contains(&b) && !matches!(b, b'\\' | b'#' | b'?'));
    let (scheme, rest) = text.split_once("://").filter(|_| is_printable).ok_or_else(wrong)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !matches!(scheme, "http" | "https") || Host::parse(authority).is_err() {
        return Err(wrong());
    }
    let path = path.trim_end_matches('/');
    let end = if path.ends_with(TRACES_PATH) { "" } else { TRACES_PATH };
    Ok(Some(format!("{scheme}://{authority}{path}{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_with_or_without_the_path_of_traces() {
        for (written, posted) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("https://c.example/otlp", "https://c.example/otlp/v1/traces"),
            ("https://c.example/v1/traces", "https://c.example/v1/traces"),
        ] {
            assert_eq!(collector(written), Ok(Some(posted.to_owned())), "{written}");
        }
        assert_eq!(collector(""), Ok(None));
        for bad in
            ["4318", "grpc://x:4317", "http://", "http://a b", "http://u:p@x", "http://x?y", "http://x#y"]
        {
            assert!(collector(bad).is_err(), "{bad}");
        }
    }
}
