//! `redirect`: a route that sends its callers elsewhere.

use crate::base::document::Table;
use crate::base::target::Host;

/// Where callers are sent. `{path}` stands for the canonical path without what `strip_prefix` removes, `{query}` for `?` and
/// the query, or for nothing where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// A path of this site, or an absolute `http` or `https` address; may hold the placeholders.
    pub to: String,
}

/// What stands for the path.
pub const PATH: &str = "{path}";
/// What stands for the query.
pub const QUERY: &str = "{query}";

/// The statuses that browsers follow (RFC 9110 section 15.4).
const STATUSES: [i64; 5] = [301, 302, 303, 307, 308];

impl Redirect {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let exists = table.exists();
        let to = table.parsed(
            "to",
            "path or address, required",
            "",
            "Where callers are sent: a path of this site or an absolute address; `{path}` stands for the path, `{query}` for `?` and the query.",
            parse_to,
        );
        if exists && !table.has("to") {
            table.report(table.problem("to", "a redirect needs `to`"));
        }
        let status =
            table.integer("status", 308, (301, 308), "301, 302, 303, 307 or 308, which keeps the method.");
        if !STATUSES.contains(&status) {
            table.report(
                table.problem("status", format!("{status} is no redirect: write 301, 302, 303, 307 or 308")),
            );
        }
        table.finish();
        Self { status: u16::try_from(status).unwrap_or(308), to: to.unwrap_or_else(|| "/".to_owned()) }
    }
}

/// No part of a request may become part of the host: what the operator wrote decides where callers go.
fn parse_to(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{text}` is not a path such as \"/new{{path}}\" or an address such as \"https://app.example{{path}}\""
        )
    };
    if !text.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\') {
        return Err(wrong());
    }
    let rest = match text.split_once("://") {
        Some(("http" | "https", rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or_else(|| rest.find(PATH).unwrap_or(rest.len()));
            let end = rest.find(PATH).map_or(end, |at| end.min(at));
            Host::parse(&rest[..end]).map_err(|_| wrong())?;
            &rest[end..]
        }
        _ if text.starts_with(PATH) || (text.starts_with('/') && !text.starts_with("//")) => text,
        _ => return Err(wrong()),
    };
    if rest.starts_with("/{path}") {
        return Err(format!("`{text}`: `{{path}}` begins with `/`: write it without the one before it"));
    }
    match rest.replacen(PATH, "", 1).replacen(QUERY, "", 1).find(['{', '}']) {
        Some(_) => Err(format!("`{text}`: only `{{path}}` and `{{query}}` stand for something, once each")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::{dev, finds};

    #[test]
    fn a_redirect_leads_to_a_path_or_to_a_host_that_the_operator_wrote() {
        for good in [
            "/new",
            "/new{path}{query}",
            "{path}",
            "https://a.example",
            "https://a.example:8443{path}?x=1",
            "http://[::1]/a",
        ] {
            assert_eq!(parse_to(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "new",
            "//evil.example",
            "/\\evil",
            "https://",
            "https:///x",
            "https://u@a.example/",
            "https://{path}",
            "ftp://a.example",
            "javascript:alert(1)",
            "/a b",
            "/{path}",
            "https://a.example/{path}",
            "/{other}",
            "{path}{path}",
        ] {
            assert!(parse_to(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_missing_or_no_redirect_is_told() {
        finds(&dev("[[routes]]\npath = \"/a\"\nredirect = {}\n"), "a redirect needs `to`");
        finds(
            &dev("[[routes]]\npath = \"/a\"\nredirect = { to = \"/b\", status = 304 }\n"),
            "304 is no redirect",
        );
        finds(
            &dev("[[routes]]\npath = \"/a\"\nredirect = { to = \"/b\" }\nrespond = {}\n"),
            "a route has one of `service`, `respond` and `redirect`",
        );
        assert_eq!(dev("[[routes]]\npath = \"/a\"\nredirect = { to = \"/b\" }\n"), "");
    }
}
