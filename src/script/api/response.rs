//! `res`: the head of the answer. Changes are a draft until the hook has ended well.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{StatusCode, header};
use rhai::{ImmutableString, Module, export_module, exported_module};

use crate::script::call::{Call, Draft, Raised, Response, error};
use crate::script::hook::Hook;

/// The longest header value that a script may set, in bytes.
const VALUE_BYTES_MAX: usize = 8 << 10;
/// Headers of an answer, beyond which a script cannot add more.
const HEADERS_MAX: usize = 128;

/// Headers of an answer that are the gateway's word alone.
const FORBIDDEN: [&str; 1] = ["strict-transport-security"];

/// Headers that frame a message or name the request, in either direction: no rule changes them.
pub(super) const FRAMING: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
    "x-request-id",
];

/// What a script wants to do with a header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::script) enum Change {
    Set,
    Remove,
}

/// Reads a header name that a script may change.
///
/// # Errors
/// A sentence that says why not.
pub(in crate::script) fn check_name(name: &str, change: Change) -> Result<HeaderName, String> {
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| "this is not a header name".to_owned())?;
    let name = parsed.as_str();
    if FRAMING.contains(&name) || FORBIDDEN.contains(&name) || name.starts_with("access-control-") {
        return Err(format!("the header `{name}` is the gateway's own"));
    }
    if change == Change::Remove && name == header::X_CONTENT_TYPE_OPTIONS {
        return Err(format!("the header `{name}` cannot be removed"));
    }
    Ok(parsed)
}

/// Reads a header value that a script may set.
///
/// # Errors
/// A sentence that says why not.
pub(in crate::script) fn check_value(value: &str) -> Result<HeaderValue, String> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("a header value has at most {VALUE_BYTES_MAX} bytes"));
    }
    HeaderValue::from_str(value)
        .map_err(|_| "a header value has no line breaks and no control characters".to_owned())
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Response>("Response");
    module.combine_flatten(exported_module!(res));
}

/// Reads the head as this script sees it: with its own changes.
fn look<T>(call: &Call, read: impl FnOnce(StatusCode, &HeaderMap) -> T) -> Raised<T> {
    let base = call.response.as_ref().ok_or_else(|| error("there is no answer at this moment"))?;
    let said = call.said.lock();
    let (status, headers) =
        said.draft.as_ref().map_or((base.status, &base.headers), |d| (d.status, &d.headers));
    Ok(read(status, headers))
}

/// Changes the script's draft of the head.
fn change(call: &Arc<Call>, edit: impl FnOnce(&mut Draft) -> Raised<()>) -> Raised<()> {
    call.still_open()?;
    if call.hook != Hook::Response {
        return Err(error(format!("the answer cannot be changed in {}", call.hook)));
    }
    let base = call.response.as_ref().ok_or_else(|| error("there is no answer at this moment"))?;
    let mut said = call.said.lock();
    let fresh = || Draft { status: base.status, headers: base.headers.clone() };
    edit(said.draft.get_or_insert_with(fresh))
}

/// Whether a `Set-Cookie` line sets the session's cookie.
fn is_session_line(line: &HeaderValue, cookie: &str) -> bool {
    let name = line.as_bytes().split(|b| *b == b'=').next().unwrap_or_default();
    name.trim_ascii() == cookie.as_bytes()
}

/// Removes a header; lines of the session's cookie stay.
fn remove(draft: &mut Draft, name: &HeaderName, cookie: &str) {
    if name == SET_COOKIE {
        let kept: Vec<_> = draft
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter(|l| is_session_line(l, cookie))
            .cloned()
            .collect();
        draft.headers.remove(SET_COOKIE);
        for line in kept {
            draft.headers.append(SET_COOKIE, line);
        }
    } else {
        draft.headers.remove(name);
    }
}

/// A `Set-Cookie` line with `Secure` and `HttpOnly`.
fn secured(line: &HeaderValue) -> HeaderValue {
    let has = |word: &str| {
        let attributes = line.as_bytes().split(|b| *b == b';').skip(1);
        attributes.map(<[u8]>::trim_ascii).any(|a| a.eq_ignore_ascii_case(word.as_bytes()))
    };
    let mut bytes = line.as_bytes().to_vec();
    for word in ["Secure", "HttpOnly"] {
        if !has(word) {
            bytes.extend_from_slice(b"; ");
            bytes.extend_from_slice(word.as_bytes());
        }
    }
    HeaderValue::from_bytes(&bytes).unwrap_or_else(|_| line.clone())
}

/// Sets a header in place of what stands there.
fn put(call: &Call, draft: &mut Draft, name: HeaderName, value: HeaderValue) -> Raised<()> {
    let cookie = &call.facts.session_cookie;
    if name == SET_COOKIE && is_session_line(&value, cookie) {
        return Err(error("the session's cookie is the gateway's own"));
    }
    remove(draft, &name, cookie);
    if draft.headers.len() >= HEADERS_MAX {
        return Err(error(format!("an answer has at most {HEADERS_MAX} headers")));
    }
    draft.headers.append(name, value);
    Ok(())
}

#[expect(clippy::cast_possible_wrap, reason = "sizes and times are far below 2^63")]
#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod res {
    /// The status.
    #[rhai_fn(get = "status", return_raw, pure)]
    pub fn status(res: &mut Response) -> Raised<i64> {
        look(&res.0, |status, _| i64::from(status.as_u16()))
    }

    /// `Content-Type`.
    #[rhai_fn(get = "content_type", return_raw, pure)]
    pub fn content_type(res: &mut Response) -> Raised<ImmutableString> {
        header(res, "content-type")
    }

    /// Bytes of the body, as far as known.
    #[rhai_fn(get = "size", pure)]
    pub fn size(res: &mut Response) -> i64 {
        res.0.response.as_ref().map_or(0, |r| r.size as i64)
    }

    /// Milliseconds since the request came.
    #[rhai_fn(get = "latency_ms", pure)]
    pub fn latency_ms(res: &mut Response) -> i64 {
        res.0.response.as_ref().map_or(0, |r| r.latency_ms as i64)
    }

    /// A header of the answer; cookies that it sets read as `""`.
    #[rhai_fn(return_raw, pure)]
    pub fn header(res: &mut Response, name: &str) -> Raised<ImmutableString> {
        if name.eq_ignore_ascii_case("set-cookie") {
            return Ok(ImmutableString::new());
        }
        look(&res.0, |_, headers| {
            headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok()).unwrap_or_default().into()
        })
    }

    /// Whether a header of the answer is there.
    #[rhai_fn(return_raw, pure)]
    pub fn has_header(res: &mut Response, name: &str) -> Raised<bool> {
        look(&res.0, |_, headers| headers.contains_key(name))
    }

    /// Sets a header in place of what stands there.
    #[rhai_fn(return_raw)]
    pub fn set_header(res: &mut Response, name: &str, value: &str) -> Raised<()> {
        let name = check_name(name, Change::Set).map_err(error)?;
        let value = check_value(value).map_err(error)?;
        change(&res.0, |draft| put(&res.0, draft, name, value))
    }

    /// Sets a header where none stands.
    #[rhai_fn(return_raw)]
    pub fn default_header(res: &mut Response, name: &str, value: &str) -> Raised<()> {
        let name = check_name(name, Change::Set).map_err(error)?;
        let value = check_value(value).map_err(error)?;
        if look(&res.0, |_, headers| headers.contains_key(&name))? {
            return Ok(());
        }
        change(&res.0, |draft| put(&res.0, draft, name, value))
    }

    /// Removes a header.
    #[rhai_fn(return_raw)]
    pub fn remove_header(res: &mut Response, name: &str) -> Raised<()> {
        let name = check_name(name, Change::Remove).map_err(error)?;
        if !look(&res.0, |_, headers| headers.contains_key(&name))? {
            return res.0.still_open();
        }
        let cookie = res.0.facts.session_cookie.clone();
        change(&res.0, |draft| {
            remove(draft, &name, &cookie);
            Ok(())
        })
    }

    /// Adds `Secure` and `HttpOnly` to every cookie that the answer sets and that lacks them.
    #[rhai_fn(return_raw)]
    pub fn secure_cookies(res: &mut Response) -> Raised<()> {
        if !look(&res.0, |_, headers| headers.contains_key(SET_COOKIE))? {
            return res.0.still_open();
        }
        change(&res.0, |draft| {
            let lines: Vec<_> = draft.headers.get_all(SET_COOKIE).iter().map(secured).collect();
            draft.headers.remove(SET_COOKIE);
            for line in lines {
                draft.headers.append(SET_COOKIE, line);
            }
            Ok(())
        })
    }

    /// Sets the status, 200 to 599.
    #[rhai_fn(return_raw)]
    pub fn set_status(res: &mut Response, status: i64) -> Raised<()> {
        let status = u16::try_from(status).ok().filter(|s| (200..=599).contains(s));
        let status = status.and_then(|s| StatusCode::from_u16(s).ok());
        let status = status.ok_or_else(|| error("the status of an answer is 200 to 599"))?;
        change(&res.0, |draft| {
            draft.status = status;
            Ok(())
        })
    }
}
