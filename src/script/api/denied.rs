//! `verdict`: a refusal, in `on_deny`. Its words may be changed; the verdict, its status and its code stay.

use std::sync::Arc;

use rhai::{ImmutableString, Module, export_module, exported_module};

use super::response::{Change, check_name, check_value};
use crate::base::units::parse_duration;
use crate::script::call::{Call, Raised, error};
use crate::script::denial::{DenialFacts, DenialWords};
use crate::script::verdict::{THROTTLE_MAX, public_text};

/// Headers that one plugin may add to one refusal.
const HEADERS_MAX: usize = 16;

/// The handle that scripts hold as `verdict`.
#[derive(Clone)]
pub(in crate::script) struct Denied(pub Arc<Call>);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Denied>("Verdict");
    module.combine_flatten(exported_module!(denied));
}

fn facts<T: Default>(denied: &Denied, read: impl FnOnce(&DenialFacts) -> T) -> T {
    denied.0.denial.as_deref().map(read).unwrap_or_default()
}

fn change(denied: &Denied, edit: impl FnOnce(&mut DenialWords) -> Raised<()>) -> Raised<()> {
    edit(denied.0.said.lock().words.get_or_insert_with(DenialWords::default))
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod denied {
    /// The plugin that refused; `""` where the gateway itself did.
    #[rhai_fn(get = "plugin", pure)]
    pub fn plugin(verdict: &mut Denied) -> ImmutableString {
        facts(verdict, |d| (&*d.plugin).into())
    }

    /// The code of the refusal.
    #[rhai_fn(get = "code", pure)]
    pub fn code(verdict: &mut Denied) -> ImmutableString {
        facts(verdict, |d| d.code.as_str().into())
    }

    /// The status of the refusal.
    #[rhai_fn(get = "status", pure)]
    pub fn status(verdict: &mut Denied) -> i64 {
        facts(verdict, |d| i64::from(d.status))
    }

    /// The sentence for the client.
    #[rhai_fn(get = "message", pure)]
    pub fn message(verdict: &mut Denied) -> ImmutableString {
        facts(verdict, |d| d.message.as_str().into())
    }

    /// The score of the request.
    #[rhai_fn(get = "score", pure)]
    pub fn score(verdict: &mut Denied) -> i64 {
        verdict.0.score_before
    }

    /// Puts another sentence for the client in place of the refusal's own.
    #[rhai_fn(return_raw)]
    pub fn set_message(verdict: &mut Denied, message: &str) -> Raised<()> {
        let message = public_text(message);
        change(verdict, |words| {
            words.message = Some(message);
            Ok(())
        })
    }

    /// Sets a header of the refusal.
    #[rhai_fn(return_raw)]
    pub fn set_header(verdict: &mut Denied, name: &str, value: &str) -> Raised<()> {
        let name = check_name(name, Change::Set).map_err(error)?;
        if name == http::header::SET_COOKIE || name == http::header::LOCATION {
            return Err(error(format!("a refusal has no `{name}` of a rule")));
        }
        let value = check_value(value).map_err(error)?;
        change(verdict, |words| {
            if words.headers.len() >= HEADERS_MAX {
                return Err(error(format!("a refusal takes at most {HEADERS_MAX} headers of a plugin")));
            }
            words.headers.push((name, value));
            Ok(())
        })
    }

    /// Sets `Retry-After`: a duration such as `"30s"`.
    #[rhai_fn(return_raw)]
    pub fn set_retry_after(verdict: &mut Denied, after: &str) -> Raised<()> {
        let after = parse_duration(after).map_err(error)?;
        if after > THROTTLE_MAX {
            return Err(error("`Retry-After` is at most 24 hours"));
        }
        change(verdict, |words| {
            words.retry_after = Some(after);
            Ok(())
        })
    }
}
