//! The reference page of metrics, made of the list that the registry is made of.

use std::fmt::Write as _;

use super::metric_list::ALL;

/// The page `docs/reference/metrics.md`.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for metric in ALL {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| `{}` | {} | {labels} | {} |", metric.name, metric.kind.word(), metric.help);
    }
    page.push_str(RULES);
    page
}

const INTRODUCTION: &str = "\
# Metrics

<!-- Made from the code by `UPDATE_DOCS=1 cargo test --lib metric_reference`; edit the code, not this page. -->

`GET /metrics` on the admin listener: the text format of Prometheus, or OpenMetrics 1.0.0 for who asks for it, as Prometheus
does. In OpenMetrics each bucket of `pluginmind_http_request_duration_seconds` shows the `trace_id` of a request that fell into
it not long ago; it is the `trace.id` of the access line, and of a trace that began here the correlation id without its hyphens.

No label takes its values from a client: unknown methods are `OTHER`, statuses that are none are `other`, `route` is the name of
a route and never a path. Series of routes, plugins and services go away with the edit that takes those out. Alert rules and a
dashboard stand in [docs/observability](../observability/README.md).

| metric | kind | labels | meaning |
|---|---|---|---|
";

const RULES: &str = "
A rule may have numbers of its own: `metric::` in a script makes `pluginmind_rule_PLUGIN_NAME`, with at most 100 values of a
label; what comes then is `other`.
";

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/metrics.md");

    #[test]
    fn the_page_in_docs_is_the_one_that_the_code_makes() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, reference()).unwrap();
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/reference/metrics.md is stale: run `UPDATE_DOCS=1 cargo test --lib metric_reference` and commit it"
        );
    }
}
