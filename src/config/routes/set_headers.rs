//! `set_headers`: what a route adds to the request that goes upstream.

use toml::de::DeValue;

use crate::base::document::Table;
use crate::base::problems::Problem;

use crate::config::headers::parse_header_value;
use crate::config::token::is_token;

/// Hop-by-hop fields and those that frame a message (RFC 9110 section 7.6.1, RFC 9112 section 6).
const FRAMING: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that say who a caller is, with what they begin: an upstream believes them.
const IDENTITY: [&str; 6] =
    ["x-auth-request-", "x-forwarded-", "forwarded", "x-real-ip", "x-request-id", "traceparent"];

/// Most headers of one route.
const HEADERS_MAX: usize = 32;

/// Reads the table of names and values. A value may be a credential and is never repeated.
pub(super) fn read(table: &mut Table<'_>) -> Vec<(String, String)> {
    let doc = "Headers set on the request that goes upstream, by name.";
    let Some((value, _)) = table.value("set_headers", "table of texts", doc) else { return Vec::new() };
    let DeValue::Table(headers) = value else {
        table.report(
            table.problem("set_headers", "`routes[].set_headers` must be a table of names and texts"),
        );
        return Vec::new();
    };
    if headers.len() > HEADERS_MAX {
        let message =
            format!("`routes[].set_headers` has {} headers, more than {HEADERS_MAX}", headers.len());
        table.report(table.problem("set_headers", message));
    }
    let mut read = Vec::new();
    for (name, value) in headers {
        let header = name.get_ref().to_ascii_lowercase();
        let checked = check_name(&header).and_then(|()| match value.get_ref() {
            DeValue::String(text) => parse_header_value(text),
            _ => Err("must be a text in quotes".to_owned()),
        });
        match checked {
            Ok(text) => read.push((header, text)),
            Err(why) => {
                let message = format!("`routes[].set_headers`: `{}` {why}", name.get_ref().escape_default());
                table.report(Problem::at(table.place(name.span()), message));
            }
        }
    }
    read
}

fn check_name(header: &str) -> Result<(), String> {
    let folded = header.replace('_', "-");
    if !is_token(header) {
        Err("is not a header name".to_owned())
    } else if FRAMING.contains(&folded.as_str()) {
        Err("is the connection's own and set by the gateway".to_owned())
    } else if IDENTITY.iter().any(|p| folded.starts_with(p)) {
        Err("says who the caller is and is set by the gateway".to_owned())
    } else {
        Ok(())
    }
}
