//! `limit::`: at most so many in a window, by a name and a key.

use rhai::{Dynamic, Module, NativeCallContext, export_module, exported_module};

use super::kv::{key as read_key, look, window as read_window, write};
use crate::script::call::{Raised, error};

/// The highest rate that a limit may name.
const MOST: i64 = 1_000_000_000;

pub(super) fn module() -> Module {
    exported_module!(limit)
}

fn checked(max: i64) -> Raised<i64> {
    if (1..=MOST).contains(&max) {
        Ok(max)
    } else {
        Err(error("a limit is at least 1 and at most 1,000,000,000"))
    }
}

#[export_module]
mod limit {
    /// Whether one more is within `max` in a window; if so it counts. All of them may come at once; after that one may
    /// come each time a window divided by `max` has passed.
    #[rhai_fn(return_raw, volatile)]
    pub fn allow(
        ctx: NativeCallContext<'_>,
        name: &str,
        key: Dynamic,
        max: i64,
        window: Dynamic,
    ) -> Raised<bool> {
        let call = write(&ctx)?;
        let (key, max, window) = (read_key(&key)?, checked(max)?, read_window(&window)?);
        Ok(call.state.allow(name, &key, max, window, call.clock.unix_ms()))
    }

    /// How many are left at this moment.
    #[rhai_fn(return_raw, volatile)]
    pub fn remaining(
        ctx: NativeCallContext<'_>,
        name: &str,
        key: Dynamic,
        max: i64,
        window: Dynamic,
    ) -> Raised<i64> {
        let call = look(&ctx)?;
        let (key, max, window) = (read_key(&key)?, checked(max)?, read_window(&window)?);
        Ok(call.state.remaining(name, &key, max, window, call.clock.unix_ms()))
    }
}
