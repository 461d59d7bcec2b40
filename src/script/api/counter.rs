//! `counter::`: how often something happened lately, by a name and a key.

use rhai::{Dynamic, Module, NativeCallContext, export_module, exported_module};

use super::kv::{key as read_key, look, window as read_window, write};
use crate::script::call::Raised;

pub(super) fn module() -> Module {
    exported_module!(counter)
}

#[export_module]
mod counter {
    /// Counts one more; how many there were in the last window, this one included. A counter has one window: another one
    /// begins anew. A hit is forgotten after seven eighths of the window at the earliest.
    #[rhai_fn(return_raw, volatile)]
    pub fn hit(ctx: NativeCallContext<'_>, name: &str, key: Dynamic, window: Dynamic) -> Raised<i64> {
        let call = write(&ctx)?;
        Ok(call.state.hit(name, &read_key(&key)?, read_window(&window)?, call.clock.unix_ms()))
    }

    /// How many there were in the last window.
    #[rhai_fn(return_raw, volatile)]
    pub fn count(ctx: NativeCallContext<'_>, name: &str, key: Dynamic, window: Dynamic) -> Raised<i64> {
        let call = look(&ctx)?;
        Ok(call.state.count(name, &read_key(&key)?, read_window(&window)?, call.clock.unix_ms()))
    }

    /// Forgets them.
    #[rhai_fn(return_raw, volatile)]
    pub fn reset(ctx: NativeCallContext<'_>, name: &str, key: Dynamic) -> Raised<()> {
        let call = write(&ctx)?;
        call.state.reset(name, &read_key(&key)?, call.clock.unix_ms());
        Ok(())
    }

    /// Adds a member; how many different ones came since the first of them, exactly, up to 1,024. After the window it
    /// begins anew.
    #[rhai_fn(return_raw, volatile)]
    pub fn distinct(
        ctx: NativeCallContext<'_>,
        name: &str,
        key: Dynamic,
        member: Dynamic,
        window: Dynamic,
    ) -> Raised<i64> {
        let call = write(&ctx)?;
        let (key, member, window) = (read_key(&key)?, read_key(&member)?, read_window(&window)?);
        Ok(call.state.distinct(name, &key, &member, window, call.clock.unix_ms()))
    }
}
