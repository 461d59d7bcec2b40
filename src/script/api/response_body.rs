//! `res.body`: the body of an answer, in `on_response_body`. Changes are a draft until the hook has ended well.

use std::borrow::Cow;
use std::sync::Arc;

use rhai::{ImmutableString, Module, export_module, exported_module};

use super::patterns;
use super::text::pay;
use crate::base::text::cut;
use crate::script::buffering::BODY_BYTES_MAX;
use crate::script::call::{Call, Raised, Response, error};
use crate::script::engine::STRING_BYTES_MAX;
use crate::script::hook::Hook;

/// The handle of `res.body`.
#[derive(Clone)]
pub(super) struct ResponseBody(pub Arc<Call>);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<ResponseBody>("ResponseBody");
    module.combine_flatten(exported_module!(body));
}

/// Looks at the body as this script sees it: with its own changes. What is no UTF-8 in it reads as U+FFFD, and goes out so
/// only where the script changes something: one such byte must not keep a secret from being masked.
fn look<T>(body: &ResponseBody, read: impl FnOnce(&str) -> T) -> T {
    let said = body.0.said.lock();
    match &said.body {
        Some(draft) => read(draft),
        None => {
            let bytes = body.0.response.as_ref().and_then(|r| r.body.as_deref());
            read(&String::from_utf8_lossy(bytes.unwrap_or_default()))
        }
    }
}

fn put(body: &ResponseBody, text: String) -> Raised<()> {
    body.0.still_open()?;
    if body.0.hook != Hook::ResponseBody {
        return Err(error(format!("the body of the answer cannot be changed in {}", body.0.hook)));
    }
    if u64::try_from(text.len()).is_ok_and(|n| n > BODY_BYTES_MAX) {
        return Err(error("the body would be too long"));
    }
    body.0.said.lock().body = Some(text);
    Ok(())
}

/// Every match masked, and how many there were; measured before it is made.
fn masked(text: &str, pattern: &regex::Regex, mask: &str) -> Raised<(String, i64)> {
    let mut out = String::new();
    let (mut count, mut from) = (0_i64, 0);
    for found in pattern.find_iter(text).filter(|m| !m.is_empty()) {
        out.push_str(&text[from..found.start()]);
        out.push_str(mask);
        from = found.end();
        count += 1;
        if u64::try_from(out.len()).is_ok_and(|n| n > BODY_BYTES_MAX) {
            return Err(error("the body would be too long"));
        }
    }
    out.push_str(&text[from..]);
    Ok((out, count))
}

#[expect(clippy::cast_possible_wrap, reason = "lengths are far below 2^63")]
#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod body {
    /// The body of the answer; empty in every hook but `on_response_body`.
    #[rhai_fn(get = "body", pure)]
    pub fn body_of(res: &mut Response) -> ResponseBody {
        ResponseBody(res.0.clone())
    }

    /// Bytes of the body.
    #[rhai_fn(get = "size", pure)]
    pub fn size(body: &mut ResponseBody) -> i64 {
        look(body, |text| text.len() as i64)
    }

    /// The body as text, its first 64 KiB; what is no UTF-8 in it reads as U+FFFD.
    #[rhai_fn(get = "text", return_raw, pure)]
    pub fn text(body: &mut ResponseBody) -> Raised<ImmutableString> {
        look(body, |text| {
            pay(text.len())?;
            Ok(cut(text, STRING_BYTES_MAX).into())
        })
    }

    /// Whether a text stands in the body.
    #[rhai_fn(return_raw, pure)]
    pub fn contains(body: &mut ResponseBody, s: &str) -> Raised<bool> {
        look(body, |text| {
            pay(text.len())?;
            Ok(text.contains(s))
        })
    }

    /// Whether a regular expression matches somewhere in the body.
    #[rhai_fn(return_raw, pure)]
    pub fn matches(body: &mut ResponseBody, pattern: &str) -> Raised<bool> {
        let pattern = patterns::pattern(pattern).map_err(error)?;
        look(body, |text| {
            pay(text.len() * 8)?;
            Ok(pattern.is_match(text))
        })
    }

    /// Puts a mask in place of every match of a regular expression; how many there were.
    #[rhai_fn(return_raw)]
    pub fn redact(body: &mut ResponseBody, pattern: &str, mask: &str) -> Raised<i64> {
        let pattern = patterns::pattern(pattern).map_err(error)?;
        let found: Option<(String, i64)> = look(body, |text| {
            pay(text.len() * 8)?;
            if pattern.is_match(text) { masked(text, &pattern, mask).map(Some) } else { Ok(None) }
        })?;
        let Some((text, count)) = found else { return Ok(0) };
        put(body, text)?;
        Ok(count)
    }

    /// Puts another text in place of the body.
    #[rhai_fn(return_raw)]
    pub fn replace(body: &mut ResponseBody, text: &str) -> Raised<()> {
        put(body, Cow::Borrowed(text).into_owned())
    }
}
