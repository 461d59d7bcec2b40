//! `[cors]`: which other sites' pages may read answers.

use std::time::Duration;

use crate::base::document::Table;

use super::context::Context;
use super::methods::{self, parse_method};
use super::origin::parse_origin;
use super::token::is_token;

/// The origins and what they may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Serialised origins (`https://app.example`), compared byte by byte.
    pub origins: Vec<String>,
    /// Methods that a preflight may ask for.
    pub methods: Vec<String>,
    /// Headers that a preflight may ask for.
    pub headers: Vec<String>,
    /// How long a preflight may be cached.
    pub max_age: Duration,
}

impl Cors {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>, context: &Context) -> Self {
        let origins = table.list(
            "origins",
            "list of origins",
            &[],
            "Other sites whose pages may read answers, exactly as browsers send them.",
            |text| {
                let origin = parse_origin(text)?;
                if context.is_production() && origin.starts_with("http:") {
                    return Err(format!("`{origin}` is plain http, which production refuses: use https"));
                }
                Ok(origin)
            },
        );
        let methods = table.list(
            "methods",
            "list of methods",
            &methods::USUAL,
            "Methods that a preflight may ask for.",
            parse_method,
        );
        let headers = table.list(
            "headers",
            "list of header names",
            &["Content-Type", "X-Request-ID", "Authorization", "X-Api-Key", "X-Requested-With"],
            "Headers that a preflight may ask for.",
            |text| {
                if is_token(text) {
                    Ok(text.to_owned())
                } else {
                    Err(format!("`{text}` is not a header name"))
                }
            },
        );
        let max_age = table.duration("max_age", "10m", Duration::ZERO, "How long a preflight may be cached.");
        table.finish();
        Self { origins, methods, headers, max_age }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check::{dev, finds, production};

    #[test]
    fn a_wildcard_origin_is_refused_everywhere() {
        finds(
            &dev("[cors]\norigins = [\"*\"]\n"),
            "config.toml:2:12: `cors.origins`: `*` never goes with cookies",
        );
        finds(&production("[cors]\norigins = [\"*\"]\n"), "`*` never goes with cookies");
    }

    #[test]
    fn production_refuses_a_plain_http_origin() {
        let text = "[cors]\norigins = [\"https://a.example\", \"http://localhost:3000\"]\n";
        assert_eq!(dev(text), "");
        finds(&production(text), "config.toml:2:33: `cors.origins`: `http://localhost:3000` is plain http");
    }
}
