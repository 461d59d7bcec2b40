//! The reference page of codes: what a refusal says, and what the access line says of an end that nobody refused.

use std::fmt::Write as _;

use crate::base::refusal::Refusal;

/// Codes of requests that ended otherwise than with their answer. They stand in logs, metrics and the usage log, never in an
/// envelope: its client is gone or has its answer.
pub const ENDS: [(&str, &str); 8] = [
    ("CLIENT_CLOSED_REQUEST", "The client went away before it was answered."),
    (
        "RESPONSE_CUT",
        "The answer, or what an upstream sent through a WebSocket, broke off after its head had gone out.",
    ),
    ("SESSION_ENDED", "A stream or a WebSocket was cut: whoever opened it may not go on."),
    ("IDLE_TIMEOUT", "A WebSocket on which no byte went either way for too long."),
    ("LIFETIME_OVER", "A WebSocket that was open for as long as any may be."),
    ("MESSAGE_TOO_BIG", "A client sent a WebSocket message that is too long."),
    ("MALFORMED_FRAME", "A client sent what is no WebSocket frame."),
    ("DRAINED", "A WebSocket that was open when the process ended."),
];

/// The page `docs/reference/codes.md`.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for refusal in Refusal::every() {
        let status = refusal.status();
        let message = refusal.message();
        let _ = writeln!(page, "| {} | `{}` | {message} |", status.as_u16(), refusal.code());
    }
    page.push_str(ENDINGS);
    for (code, meaning) in ENDS {
        let _ = writeln!(page, "| `{code}` | {meaning} |");
    }
    page
}

const INTRODUCTION: &str = "\
# Codes

<!-- Made from the code by `UPDATE_DOCS=1 cargo test --lib pipeline::codes`; edit the code, not this page. -->

A refusal is `{\"error\":{\"message\":…,\"code\":…,\"correlation_id\":…}}`. The code also stands in the access line, in the usage
log, and as the label `code` of `pluginmind_http_requests_total` and `pluginmind_stage_refusals_total`. A rule refuses with a
status and a code of its own, such as `geo.country_blocked`: a literal of its script, in lower case.

## Refusals of the gateway

| status | code | sentence |
|---|---|---|
";

const ENDINGS: &str = "
## Requests that ended without a refusal

These stand in logs, metrics and the usage log alone.

| code | meaning |
|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/codes.md");

    #[test]
    fn the_page_in_docs_is_the_one_that_the_code_makes() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, reference()).unwrap();
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/reference/codes.md is stale: run `UPDATE_DOCS=1 cargo test --lib pipeline::codes` and commit it"
        );
    }

    #[test]
    fn every_code_that_the_pipeline_ends_a_request_with_is_in_the_list() {
        let sources =
            [include_str!("closing.rs"), include_str!("websocket/tunnel.rs"), include_str!("answer.rs")];
        let quoted = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
        let is_code =
            |text: &&str| text.contains('_') && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let mut seen = 0;
        for code in quoted.filter(is_code) {
            assert!(ENDS.iter().any(|(known, _)| *known == code), "{code}");
            seen += 1;
        }
        assert!(seen >= 7, "{seen}");
    }
}
