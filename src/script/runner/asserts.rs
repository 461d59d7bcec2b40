//! What tests claim.

use std::cell::Cell;

use rhai::{Dynamic, Module, NativeCallContext, export_module, exported_module};

use super::outcome::TestOutcome;
use crate::script::call::{Raised, error};

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

/// Forgets what was claimed on this thread so far.
pub(super) fn forget() {
    MADE.set(0);
}

/// How many claims were made on this thread since.
pub(super) fn made() -> u32 {
    MADE.get()
}

fn claim() {
    MADE.set(MADE.get().saturating_add(1));
}

pub(super) fn register(module: &mut Module) {
    module.combine_flatten(exported_module!(api));
}

/// A value as a test writes it.
fn shown(value: &Dynamic) -> String {
    if value.is_string() { format!("{:?}", value.to_string()) } else { value.to_string() }
}

#[export_module]
mod api {
    /// Fails unless it is true.
    #[rhai_fn(return_raw, volatile)]
    pub fn assert(holds: bool) -> Raised<()> {
        claim();
        if holds { Ok(()) } else { Err(error("assert failed")) }
    }

    /// Fails with a message unless it is true.
    #[rhai_fn(name = "assert", return_raw, volatile)]
    pub fn assert_with(holds: bool, message: &str) -> Raised<()> {
        claim();
        if holds { Ok(()) } else { Err(error(format!("assert failed: {message}"))) }
    }

    /// Fails unless both are equal.
    #[rhai_fn(return_raw, volatile)]
    pub fn assert_eq(ctx: NativeCallContext<'_>, got: Dynamic, expected: Dynamic) -> Raised<()> {
        claim();
        let (left, right) = (shown(&got), shown(&expected));
        if ctx.call_native_fn::<bool>("==", (got, expected))? {
            Ok(())
        } else {
            Err(error(format!("assert_eq failed: got {left}, expected {right}")))
        }
    }

    /// Fails unless the request was refused with that code.
    #[rhai_fn(return_raw, volatile)]
    pub fn assert_denied(out: TestOutcome, code: &str) -> Raised<()> {
        claim();
        if out.action == "pass" {
            Err(error(format!("assert_denied failed: expected `{code}`, but the request passed")))
        } else if out.code == code {
            Ok(())
        } else {
            Err(error(format!("assert_denied failed: expected `{code}`, got {} `{}`", out.action, out.code)))
        }
    }

    /// Fails unless the request passed.
    #[rhai_fn(return_raw, volatile)]
    pub fn assert_passed(out: TestOutcome) -> Raised<()> {
        claim();
        if out.action == "pass" {
            Ok(())
        } else {
            Err(error(format!("assert_passed failed: got {} {} `{}`", out.action, out.status, out.code)))
        }
    }
}
