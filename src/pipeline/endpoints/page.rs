//! The sign-in page: works without JavaScript, loads nothing, and names every field.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::base::target::percent_encode;
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
.providers{list-style:none;padding:0}\
.providers a{display:block;margin-top:1rem;padding:.6rem;border:1px solid #767676;border-radius:.25rem;text-align:center;\
color:inherit;text-decoration:none}\
.providers a:focus-visible{outline:3px solid #1a73e8;outline-offset:2px}\
[role=alert]{border-left:.3rem solid #b3261e;padding-left:.7rem}";

/// What the page may load: its own style, by hash; and where its form may go: here.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'; form-action 'self'"))
});

/// What the page offers.
pub struct Offer<'a> {
    /// The path of the sign-in endpoint; those of providers stand below it.
    pub action: &'a str,
    /// Whether local accounts may sign in.
    pub local: bool,
    /// The providers, by name.
    pub providers: &'a [&'a str],
    /// A local path.
    pub return_to: &'a str,
}

/// Writes the page.
pub fn sign_in(status: StatusCode, offer: &Offer<'_>, problem: Option<&str>) -> Response<Body> {
    let alert = problem.map_or_else(String::new, |text| format!("<p role=\"alert\">{}</p>", escape(text)));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Sign in</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Sign in</h1>\n{alert}\n\
         {}{}</main>\n</body>\n</html>\n",
        form(offer),
        buttons(offer),
    );
    let mut answer = Response::new(Body::full(page));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    answer
}

fn form(offer: &Offer<'_>) -> String {
    if !offer.local {
        return String::new();
    }
    format!(
        "<form method=\"post\" action=\"{action}\">\n\
         <input type=\"hidden\" name=\"return_to\" value=\"{return_to}\">\n\
         <label for=\"username\">Name or e-mail address</label>\n\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" required autofocus maxlength=\"254\">\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n\
         <button type=\"submit\">Sign in</button>\n</form>\n",
        action = escape(offer.action),
        return_to = escape(offer.return_to),
    )
}

/// One way to each provider: a plain link, because it changes nothing here.
fn buttons(offer: &Offer<'_>) -> String {
    if offer.providers.is_empty() {
        return String::new();
    }
    let back = escape(&percent_encode(offer.return_to));
    let action = escape(offer.action);
    let links = offer.providers.iter().map(|name| {
        let name = escape(name);
        format!("<li><a href=\"{action}/{name}?return_to={back}\">Sign in with {name}</a></li>\n")
    });
    format!(
        "<ul class=\"providers\" aria-label=\"Other ways to sign in\">\n{}</ul>\n",
        links.collect::<String>()
    )
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
        let offer = Offer {
            action: "/auth/login",
            local: true,
            providers: &["google"],
            return_to: "/x?a=\"><script>",
        };
        let answer = sign_in(StatusCode::OK, &offer, Some("No & no."));
        assert!(answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("style-src 'sha256-"));
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let page = std::str::from_utf8(&bytes).unwrap();
        assert!(page.contains("<label for=\"username\">") && page.contains("<label for=\"password\">"));
        assert!(page.contains("value=\"/x?a=&quot;&gt;&lt;script&gt;\""));
        assert!(page.contains("<p role=\"alert\">No &amp; no.</p>"));
        assert!(page.contains("<a href=\"/auth/login/google?return_to=/x%3Fa%3D%22%3E%3Cscript%3E\">"));
        assert!(!page.contains("<script"));
    }
}
