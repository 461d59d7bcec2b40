//! `up`: the request that goes upstream, in `on_upstream`. What frames it and what says who asks is the gateway's alone.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use rhai::{ImmutableString, Module, export_module, exported_module};

use super::response::{FRAMING, check_value};
use crate::base::units::parse_duration;
use crate::script::call::{Call, Raised, error};
use crate::script::outgoing::{EDITS_MAX, HeaderEdit, Outgoing};

/// The longest that a rule may let an upstream take.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Headers of a request that hold the session, or say where it comes from.
const FORBIDDEN: [&str; 4] = ["expect", "cookie", "forwarded", "traceparent"];

/// The handle that scripts hold as `up`.
#[derive(Clone)]
pub(in crate::script) struct Up(pub Arc<Call>);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Up>("Up");
    module.combine_flatten(exported_module!(up));
}

/// Reads the name of a header that a rule may change.
fn check_name(name: &str) -> Raised<HeaderName> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error("this is not a header name"))?;
    // A `_` is a `-` to many upstreams.
    let plain = parsed.as_str().replace('_', "-");
    let identity = plain.starts_with("x-auth-") || plain.starts_with("x-forwarded-") || plain == "x-real-ip";
    if identity
        || plain.starts_with("x-pluginmind-")
        || FRAMING.contains(&plain.as_str())
        || FORBIDDEN.contains(&plain.as_str())
    {
        return Err(error(format!("the header `{plain}` is the gateway's own")));
    }
    Ok(parsed)
}

fn change(up: &Up, edit: impl FnOnce(&mut Outgoing) -> Raised<()>) -> Raised<()> {
    up.0.still_open()?;
    edit(&mut up.0.said.lock().outgoing)
}

fn push(up: &Up, edit: HeaderEdit) -> Raised<()> {
    change(up, |outgoing| {
        if outgoing.edits.len() >= EDITS_MAX {
            return Err(error(format!("a request takes at most {EDITS_MAX} changes of headers")));
        }
        outgoing.edits.push(edit);
        Ok(())
    })
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod up {
    /// The name of the service.
    #[rhai_fn(get = "target", pure)]
    pub fn target(up: &mut Up) -> ImmutableString {
        (&*up.0.facts.route.service).into()
    }

    /// Sets a header in place of what stands there.
    #[rhai_fn(return_raw)]
    pub fn set_header(up: &mut Up, name: &str, value: &str) -> Raised<()> {
        push(up, HeaderEdit::Set(check_name(name)?, check_value(value).map_err(error)?))
    }

    /// Adds a header beside what stands there.
    #[rhai_fn(return_raw)]
    pub fn add_header(up: &mut Up, name: &str, value: &str) -> Raised<()> {
        push(up, HeaderEdit::Add(check_name(name)?, check_value(value).map_err(error)?))
    }

    /// Removes a header.
    #[rhai_fn(return_raw)]
    pub fn remove_header(up: &mut Up, name: &str) -> Raised<()> {
        push(up, HeaderEdit::Remove(check_name(name)?))
    }

    /// How long the head of the answer may take, at most ten minutes: `"5s"`.
    #[rhai_fn(return_raw)]
    pub fn set_timeout(up: &mut Up, after: &str) -> Raised<()> {
        let after = parse_duration(after).map_err(error)?;
        if after.is_zero() || after > TIMEOUT_MAX {
            return Err(error("the time for an answer is between 1ms and 10m"));
        }
        change(up, |outgoing| {
            outgoing.timeout = Some(after);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rh_12_what_frames_a_request_or_says_who_asks_is_not_a_rules_to_change() {
        for name in [
            "Host",
            "connection",
            "Content-Length",
            "transfer-encoding",
            "Cookie",
            "X-Auth-Request-User",
            "x_auth_request_user",
            "X-Forwarded-For",
            "X-Real-IP",
            "X-Request-ID",
            "bad name",
            "a\r\nb",
            "",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["X-Api-Key", "x-tenant", "Authorization"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
