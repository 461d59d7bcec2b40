//! The sign-in page: works without JavaScript, loads nothing, and names every field.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::pipeline::answer::Body;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center}\
main{width:min(22rem,calc(100vw - 2rem))}\
h1{font-size:1.4rem}\
label{display:block;margin-top:1rem}\
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #767676;border-radius:.25rem}\
button{font:inherit;margin-top:1.5rem;width:100%;padding:.6rem;border:0;border-radius:.25rem;background:#0b57d0;color:#fff}\
input:focus-visible,button:focus-visible{outline:3px solid #1a73e8;outline-offset:2px}\
[role=alert]{border-left:.3rem solid #b3261e;padding-left:.7rem}";

/// What the page may load: its own style, by hash; and where its form may go: here.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'; form-action 'self'"))
});

/// Writes the page. `action` is the path of the sign-in endpoint, `return_to` a local path.
pub fn sign_in(status: StatusCode, action: &str, return_to: &str, problem: Option<&str>) -> Response<Body> {
    let alert = problem.map_or_else(String::new, |text| format!("<p role=\"alert\">{}</p>", escape(text)));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Sign in</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Sign in</h1>\n{alert}\n\
         <form method=\"post\" action=\"{action}\">\n\
         <input type=\"hidden\" name=\"return_to\" value=\"{return_to}\">\n\
         <label for=\"username\">Name or e-mail address</label>\n\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" required autofocus maxlength=\"254\">\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n\
         <button type=\"submit\">Sign in</button>\n</form>\n</main>\n</body>\n</html>\n",
        action = escape(action),
        return_to = escape(return_to),
    );
    let mut answer = Response::new(Body::full(page));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    answer
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn the_page_labels_its_fields_and_escapes_what_it_was_given() {
        let answer = sign_in(StatusCode::OK, "/auth/login", "/x?a=\"><script>", Some("No & no."));
        assert!(answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("style-src 'sha256-"));
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let page = std::str::from_utf8(&bytes).unwrap();
        assert!(page.contains("<label for=\"username\">") && page.contains("<label for=\"password\">"));
        assert!(page.contains("value=\"/x?a=&quot;&gt;&lt;script&gt;\""));
        assert!(page.contains("<p role=\"alert\">No &amp; no.</p>"));
        assert!(!page.contains("<script"));
    }
}
