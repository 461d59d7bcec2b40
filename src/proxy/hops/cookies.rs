//! The gateway's own cookies, which stay here in both directions.

use http::{HeaderMap, HeaderValue, header};
use memchr::memchr;

use crate::base::cookies::pairs;

/// The cookie that holds a sign-in at a provider together while it lasts: over https, and without. The gateway's own, as the
/// session cookie is.
pub const LOGIN_COOKIES: [&str; 2] = ["__Host-pm_login", "pm_login"];

/// The cookie of the console. Cookies know no ports: a browser on the gateway's machine sends it to the sites as well.
pub const CONSOLE_COOKIE: &str = "pm_console";

/// Whether a cookie is the gateway's own, whatever the session's is called: no upstream sees or sets it.
pub(super) fn is_own_cookie(name: &[u8]) -> bool {
    name == CONSOLE_COOKIE.as_bytes() || LOGIN_COOKIES.iter().any(|login| name == login.as_bytes())
}

/// Passes on the cookies of one line without the gateway's; an untouched line stays as it is.
pub(super) fn append_cookies(headers: &mut HeaderMap, line: &HeaderValue, session: &str) {
    let is_own = |pair: &&[u8]| {
        let name = pair[..memchr(b'=', pair).unwrap_or(pair.len())].trim_ascii();
        name == session.as_bytes() || is_own_cookie(name)
    };
    if !pairs(line.as_bytes()).any(|pair| is_own(&pair)) {
        headers.append(header::COOKIE, line.clone());
        return;
    }
    let mut kept = Vec::new();
    for pair in
        pairs(line.as_bytes()).filter(|pair| !is_own(pair)).map(<[u8]>::trim_ascii).filter(|p| !p.is_empty())
    {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    if !kept.is_empty()
        && let Ok(line) = HeaderValue::try_from(kept)
    {
        headers.append(header::COOKIE, line);
    }
}
