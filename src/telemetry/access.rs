//! The one line per request, written by hand: no serialiser, no `tracing` event. Its words go through the last net one by
//! one, so that the writer need not look at the whole line again.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::escape::{push_json, push_text};
use super::redact::{clean, is_plain_word};
use super::timestamp::push_rfc3339;
use crate::base::address::Pseudonym;
use crate::base::digits::{push_fixed, push_hex, push_number};
use crate::base::trace_context::TraceId;
use crate::config::Level;

/// What the identity stage found, whether or not the route asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AuthState {
    /// No credential came.
    #[default]
    None,
    /// A session that holds.
    Session,
    /// An API key that holds.
    Key,
    /// A session that has ended.
    Expired,
    /// A credential that does not hold.
    Invalid,
}

impl AuthState {
    /// The word of the access line.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::Key => "key",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
        }
    }
}

/// One request, as it is told afterwards. Nothing in it comes from the client but the correlation id, whose form is checked,
/// and the method, which is cut to a known one.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    /// Milliseconds since 1970-01-01 UTC, at the end of the request.
    pub unix_ms: i64,
    /// `correlation.id`.
    pub correlation_id: &'a str,
    /// `trace.id`.
    pub trace: TraceId,
    /// `http.request.method`; an unknown one is written as `OTHER`.
    pub method: &'a str,
    /// `http.route`: the route's name; empty where no route took the request.
    pub route: &'a str,
    /// `http.response.status_code`; absent when the connection ended without an answer.
    pub status: Option<u16>,
    /// The code of a refusal.
    pub code: Option<&'a str>,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// `client.hash`.
    pub client: Option<Pseudonym>,
    /// `user.hash`.
    pub user: Option<Pseudonym>,
    /// `auth.state`.
    pub auth_state: AuthState,
    /// The plugin that decided.
    pub plugin: Option<&'a str>,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// Generation of the snapshot that the request ran under.
    pub generation: u64,
}

impl AccessLine<'_> {
    /// How much it matters: an answer of 500 or more is an error, everything else is information.
    pub fn level(&self) -> Level {
        if self.status.is_some_and(|s| s >= 500) { Level::Error } else { Level::Info }
    }

    /// Appends the line as one JSON object, without a line end.
    pub fn push_json(&self, out: &mut String) {
        out.push_str("{\"timestamp\":\"");
        push_rfc3339(out, self.unix_ms);
        out.push_str("\",\"level\":\"");
        out.push_str(level_word(self.level()));
        out.push_str("\",\"message\":\"request\",\"correlation.id\":");
        text(out, self.correlation_id);
        // Hexadecimal digits of a fixed number: nothing that the net would look for.
        out.push_str(",\"trace.id\":\"");
        push_hex(out, &self.trace.bytes());
        // The program's own words need no look either.
        out.push_str("\",\"http.request.method\":\"");
        out.push_str(known_method(self.method));
        out.push_str("\",\"http.route\":");
        text(out, self.route);
        if let Some(status) = self.status {
            out.push_str(",\"http.response.status_code\":");
            push_number(out, u64::from(status));
        }
        optional(out, ",\"code\":", self.code);
        out.push_str(",\"duration_ms\":");
        push_ms(out, self.duration);
        pseudonym(out, ",\"client.hash\":\"", self.client);
        pseudonym(out, ",\"user.hash\":\"", self.user);
        out.push_str(",\"auth.state\":\"");
        out.push_str(self.auth_state.word());
        out.push('"');
        optional(out, ",\"plugin\":", self.plugin);
        optional(out, ",\"rule\":", self.rule);
        out.push_str(",\"generation\":");
        push_number(out, self.generation);
        out.push('}');
    }

    /// Appends the line for a reader at a terminal, without a line end.
    pub fn push_text(&self, out: &mut String) {
        push_rfc3339(out, self.unix_ms);
        put(out, format_args!(" {:<5} ", level_word(self.level())));
        out.push_str(known_method(self.method));
        out.push(' ');
        push_text(out, &clean(if self.route.is_empty() { "-" } else { self.route }));
        match self.status {
            Some(status) => put(out, format_args!(" {status} ")),
            None => out.push_str(" - "),
        }
        push_ms(out, self.duration);
        out.push_str("ms");
        for (name, value) in [("code", self.code), ("plugin", self.plugin), ("rule", self.rule)] {
            if let Some(value) = value {
                word(out, name, value);
            }
        }
        word(out, "auth.state", self.auth_state.word());
        for (name, value) in [("client.hash", self.client), ("user.hash", self.user)] {
            if let Some(value) = value {
                put(out, format_args!(" {name}={value}"));
            }
        }
        put(out, format_args!(" generation={}", self.generation));
        word(out, "correlation.id", self.correlation_id);
        put(out, format_args!(" trace.id={}", self.trace));
    }
}

/// The level as it stands in every line.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Trace => "TRACE",
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    }
}

/// The method if it is one of the registered ones, else `OTHER`: no log field and no label takes its values from a client.
///
/// # Source
/// RFC 9110 section 9.3, RFC 5789.
pub fn known_method(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "OTHER",
    }
}

fn put(out: &mut String, args: fmt::Arguments<'_>) {
    out.write_fmt(args).expect("writing to a String cannot fail");
}

/// Appends a word as a JSON string, as the net lets it through.
fn text(out: &mut String, value: &str) {
    if is_plain_word(value) {
        out.push('"');
        out.push_str(value);
        out.push('"');
    } else {
        push_json(out, &clean(value));
    }
}

/// Appends a field that may be absent; `before` is what stands before its value.
fn optional(out: &mut String, before: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push_str(before);
        text(out, value);
    }
}

fn pseudonym(out: &mut String, before: &str, value: Option<Pseudonym>) {
    if let Some(value) = value {
        out.push_str(before);
        push_hex(out, value.bytes());
        out.push('"');
    }
}

fn word(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push('=');
    push_text(out, &clean(value));
}

/// Appends a duration in milliseconds with three decimals.
fn push_ms(out: &mut String, duration: Duration) {
    push_number(
        out,
        duration.as_secs().saturating_mul(1_000).saturating_add(duration.subsec_millis().into()),
    );
    out.push('.');
    push_fixed::<3>(out, duration.subsec_micros() % 1_000);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Pseudonymiser;
    use crate::base::trace_context::TraceContext;

    fn full<'a>() -> AccessLine<'a> {
        let hashes = Pseudonymiser::new(&[1; 32]);
        AccessLine {
            unix_ms: 1_700_000_000_123,
            correlation_id: "abc-1",
            trace: TraceContext::begin("0190163d-8694-739b-aea5-966c26f8ad90", 1.0).trace,
            method: "POST",
            route: "api",
            status: Some(403),
            code: Some("honeypot.touched"),
            duration: Duration::from_micros(1_234),
            client: Some(hashes.address("192.0.2.1".parse().unwrap())),
            user: Some(hashes.user("u1")),
            auth_state: AuthState::Session,
            plugin: Some("honeypot"),
            rule: Some("honeypot/main.rhai:12"),
            generation: 7,
        }
    }

    #[test]
    fn the_access_line_has_the_fields_of_the_contract() {
        let mut out = String::new();
        full().push_json(&mut out);
        insta::assert_snapshot!(out, @r#"{"timestamp":"2023-11-14T22:13:20.123Z","level":"INFO","message":"request","correlation.id":"abc-1","trace.id":"0190163d8694739baea5966c26f8ad90","http.request.method":"POST","http.route":"api","http.response.status_code":403,"code":"honeypot.touched","duration_ms":1.234,"client.hash":"35df6877071473787ec69d19b4cf9119","user.hash":"016aab8682220ee646f21b36368d39a4","auth.state":"session","plugin":"honeypot","rule":"honeypot/main.rhai:12","generation":7}"#);
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read["http.response.status_code"], 403);
    }

    #[test]
    fn absent_fields_are_left_out() {
        let line = AccessLine {
            status: None,
            code: None,
            client: None,
            user: None,
            plugin: None,
            rule: None,
            ..full()
        };
        let mut out = String::new();
        line.push_json(&mut out);
        for name in ["status_code", "\"code\"", "client", "user", "plugin", "rule", "null"] {
            assert!(!out.contains(name), "{name} in {out}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    }

    #[test]
    fn at_a_terminal_the_line_reads_from_left_to_right() {
        let mut out = String::new();
        full().push_text(&mut out);
        insta::assert_snapshot!(out, @"2023-11-14T22:13:20.123Z INFO  POST api 403 1.234ms code=honeypot.touched plugin=honeypot rule=honeypot/main.rhai:12 auth.state=session client.hash=35df6877071473787ec69d19b4cf9119 user.hash=016aab8682220ee646f21b36368d39a4 generation=7 correlation.id=abc-1 trace.id=0190163d8694739baea5966c26f8ad90");
    }

    #[test]
    fn lg_02_a_client_cannot_bring_an_address_into_the_log_as_its_correlation_id() {
        for push in [AccessLine::push_json, AccessLine::push_text] {
            let mut out = String::new();
            push(
                &AccessLine { correlation_id: "203.0.113.7", route: "/u/bob@example.com", ..full() },
                &mut out,
            );
            assert!(!out.contains("203.0.113.7") && !out.contains("bob@"), "{out}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_passed_unseen_is_what_the_net_lets_through(
            value in "[a-zA-Z0-9_.:@ \\-]{0,48}|(eyJ|ewo|pm_|Bearer )[a-z0-9.\\-]{0,48}|[0-9a-f.:]{0,16}"
        ) {
            let (mut short, mut whole) = (String::new(), String::new());
            text(&mut short, &value);
            push_json(&mut whole, &clean(&value));
            assert_eq!(short, whole);
        }
    }

    #[test]
    fn lg_01_nothing_in_the_line_can_break_it() {
        let line = AccessLine { route: "a\"\n\u{2028}", method: "G\u{1b}", ..full() };
        for push in [AccessLine::push_json, AccessLine::push_text] {
            let mut out = String::new();
            push(&line, &mut out);
            assert!(!out.contains(super::super::escape::is_hazard), "{out}");
            assert!(out.contains("OTHER"));
        }
    }
}
