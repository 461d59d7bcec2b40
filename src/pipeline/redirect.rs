//! A route that sends its callers elsewhere.

use std::fmt::Write as _;

use http::header::{HeaderValue, LOCATION};
use http::{Response, StatusCode};

use super::answer::Body;
use crate::config::{REDIRECT_PATH, REDIRECT_QUERY, Redirect};

/// Writes the answer; none where what was asked for cannot stand in a header.
pub fn render(redirect: &Redirect, path: &str, query: Option<&str>) -> Option<Response<Body>> {
    let query = query.map_or_else(String::new, |query| format!("?{}", visible(query)));
    // The path first: nothing that the query holds is a placeholder.
    let (before, after) = redirect.to.split_once(REDIRECT_QUERY).unwrap_or((&redirect.to, ""));
    let fill = |text: &str| text.replace(REDIRECT_PATH, path);
    let has_query = redirect.to.contains(REDIRECT_QUERY);
    let to = format!("{}{}{}", fill(before), if has_query { &query } else { "" }, fill(after));
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::from_u16(redirect.status).ok()?;
    answer.headers_mut().insert(LOCATION, HeaderValue::try_from(to).ok()?);
    Some(answer)
}

/// What is no visible ASCII is percent-encoded (RFC 3986 section 2.1).
fn visible(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for byte in query.bytes() {
        if (0x21..=0x7e).contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(to: &str, path: &str, query: Option<&str>) -> String {
        let answer = render(&Redirect { status: 308, to: to.to_owned() }, path, query).unwrap();
        assert_eq!(answer.status(), 308);
        answer.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn path_and_query_stand_where_the_operator_wrote_them() {
        assert_eq!(location("/new{path}{query}", "/a", Some("b=1")), "/new/a?b=1");
        assert_eq!(location("/new{path}{query}", "/a", None), "/new/a");
        assert_eq!(location("https://a.example", "/a", Some("b")), "https://a.example");
    }

    #[test]
    fn or_01_a_query_is_no_placeholder_and_cannot_break_out_of_the_header() {
        assert_eq!(location("/n{path}{query}", "/a", Some("x={path}{query}")), "/n/a?x={path}{query}");
        assert_eq!(location("{path}{query}", "/a", Some("é")), "/a?%C3%A9");
    }
}
