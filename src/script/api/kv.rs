//! `kv::`: what a plugin remembers under keys of its own, from request to request and from start to start.

use std::time::Duration;

use rhai::{Dynamic, ImmutableString, Module, NativeCallContext, export_module, exported_module};

use super::address::Ip;
use crate::base::units::parse_duration;
use crate::script::budget;
use crate::script::call::{Call, Raised, error};

/// Operations that one call into the state costs.
const CALL_OPS: u64 = 4;
/// The longest window or time to live.
const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);

pub(super) fn module() -> Module {
    exported_module!(kv)
}

/// A key as scripts write it: a text, a whole number, or an address.
pub(super) fn key(value: &Dynamic) -> Raised<String> {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(text.to_string());
    }
    if let Some(ip) = value.read_lock::<Ip>() {
        return Ok(ip.address.to_string());
    }
    value.as_int().map(|n| n.to_string()).map_err(|_| error("a key is a text, a whole number or an address"))
}

/// A duration such as `"10m"`, or whole seconds.
pub(super) fn duration(value: &Dynamic) -> Raised<Duration> {
    let parsed = match (value.as_int(), value.read_lock::<ImmutableString>()) {
        (Ok(seconds), _) => u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| error("a duration is not negative"))?,
        (_, Some(text)) => parse_duration(&text).map_err(error)?,
        _ => return Err(error("a duration is a text such as \"10m\", or seconds")),
    };
    if parsed > DURATION_MAX {
        Err(error("state is kept for at most 366 days at a time"))
    } else {
        Ok(parsed)
    }
}

/// A duration in milliseconds, at least one.
pub(super) fn window(value: &Dynamic) -> Raised<i64> {
    let window = duration(value)?;
    if window.is_zero() {
        return Err(error("a window is longer than nothing"));
    }
    Ok(i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
}

/// The call, for a look at its plugin's state.
pub(super) fn look(ctx: &NativeCallContext<'_>) -> Raised<std::sync::Arc<Call>> {
    let call = Call::of(ctx)?;
    if budget::charge(CALL_OPS) {
        return Err(error("the budget is spent"));
    }
    Ok(call)
}

/// The call, to change its plugin's state: not after a verdict, whatever a script caught.
pub(super) fn write(ctx: &NativeCallContext<'_>) -> Raised<std::sync::Arc<Call>> {
    let call = Call::of(ctx)?;
    call.still_open()?;
    look(ctx)
}

#[export_module]
mod kv {
    /// The value of a key; `default` where there is none.
    #[rhai_fn(return_raw, volatile)]
    pub fn get(ctx: NativeCallContext<'_>, key: Dynamic, default: Dynamic) -> Raised<Dynamic> {
        let call = look(&ctx)?;
        Ok(call.state.get(&super::key(&key)?, call.clock.unix_ms()).unwrap_or(default))
    }

    /// Whether there is a value.
    #[rhai_fn(return_raw, volatile)]
    pub fn has(ctx: NativeCallContext<'_>, key: Dynamic) -> Raised<bool> {
        let call = look(&ctx)?;
        Ok(call.state.get(&super::key(&key)?, call.clock.unix_ms()).is_some())
    }

    /// Seconds until the value ends: -1 for one that does not end, 0 where there is none.
    #[rhai_fn(return_raw, volatile)]
    pub fn ttl(ctx: NativeCallContext<'_>, key: Dynamic) -> Raised<i64> {
        let call = look(&ctx)?;
        let ms = call.state.ttl_ms(&super::key(&key)?, call.clock.unix_ms());
        Ok(if ms > 0 { (ms - 1) / 1_000 + 1 } else { ms })
    }

    /// Keeps a value: numbers, texts, and lists and maps of them. It stays until it is deleted or gives way to others.
    #[rhai_fn(return_raw, volatile)]
    pub fn set(ctx: NativeCallContext<'_>, key: Dynamic, value: Dynamic) -> Raised<()> {
        let call = write(&ctx)?;
        call.state.set(&super::key(&key)?, value, None, call.clock.unix_ms()).map_err(error)
    }

    /// Keeps a value for a while: `"10m"`.
    #[rhai_fn(name = "set", return_raw, volatile)]
    pub fn set_for(ctx: NativeCallContext<'_>, key: Dynamic, value: Dynamic, ttl: Dynamic) -> Raised<()> {
        let call = write(&ctx)?;
        let ttl = duration(&ttl)?;
        call.state.set(&super::key(&key)?, value, Some(ttl), call.clock.unix_ms()).map_err(error)
    }

    /// Adds to a whole number, which begins at 0; the sum.
    #[rhai_fn(return_raw, volatile)]
    pub fn incr(ctx: NativeCallContext<'_>, key: Dynamic, n: i64) -> Raised<i64> {
        let call = write(&ctx)?;
        call.state.incr(&super::key(&key)?, n, None, call.clock.unix_ms()).map_err(error)
    }

    /// Adds to a whole number that ends a while after the first call.
    #[rhai_fn(name = "incr", return_raw, volatile)]
    pub fn incr_for(ctx: NativeCallContext<'_>, key: Dynamic, n: i64, ttl: Dynamic) -> Raised<i64> {
        let call = write(&ctx)?;
        let ttl = duration(&ttl)?;
        call.state.incr(&super::key(&key)?, n, Some(ttl), call.clock.unix_ms()).map_err(error)
    }

    /// Puts a value in place of `old`, if that is what stands there; whether it did. No other request comes in between.
    #[rhai_fn(return_raw, volatile)]
    pub fn swap(ctx: NativeCallContext<'_>, key: Dynamic, old: Dynamic, new: Dynamic) -> Raised<bool> {
        let call = write(&ctx)?;
        call.state.swap(&super::key(&key)?, &old, new, call.clock.unix_ms()).map_err(error)
    }

    /// Deletes a value; whether there was one.
    #[rhai_fn(return_raw, volatile)]
    pub fn delete(ctx: NativeCallContext<'_>, key: Dynamic) -> Raised<bool> {
        let call = write(&ctx)?;
        Ok(call.state.delete(&super::key(&key)?, call.clock.unix_ms()))
    }
}
