//! `req.vars`: a plugin's own notes on one request: `req.vars.seen = 1`, `req.vars.has("seen")`. Plain data only.

use std::sync::Arc;

use rhai::{Dynamic, Module, export_module, exported_module};

use crate::script::call::{Call, Raised, error};
use crate::script::plain::weight;

/// Names per plugin and request.
const NAMES_MAX: usize = 32;
/// The weight of one value: characters of texts, and one for everything else.
const WEIGHT_MAX: usize = 4_096;

/// The handle of `req.vars`.
#[derive(Clone)]
pub(super) struct Vars(pub Arc<Call>);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Vars>("Vars");
    module.combine_flatten(exported_module!(vars));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod vars {
    /// A value that this plugin kept; asking for one that it did not keep is an error.
    #[rhai_fn(index_get, return_raw, pure)]
    pub fn get(vars: &mut Vars, name: &str) -> Raised<Dynamic> {
        let said = vars.0.said.lock();
        said.vars
            .get(name)
            .cloned()
            .ok_or_else(|| error(format!("there is no `req.vars.{name}`; ask `req.vars.has` first")))
    }

    /// Keeps a value for the later hooks of this plugin.
    #[rhai_fn(index_set, return_raw, pure)]
    pub fn set(vars: &mut Vars, name: &str, value: Dynamic) -> Raised<()> {
        vars.0.still_open()?;
        let value = value.flatten();
        match weight(&value) {
            None => return Err(error("`req.vars` keeps numbers, texts, and lists and maps of them")),
            Some(w) if w > WEIGHT_MAX => return Err(error("this value is too large for `req.vars`")),
            Some(_) => {}
        }
        let mut said = vars.0.said.lock();
        if said.vars.len() >= NAMES_MAX && !said.vars.contains_key(name) {
            return Err(error(format!("`req.vars` keeps at most {NAMES_MAX} names")));
        }
        said.vars.insert(name.into(), value);
        Ok(())
    }

    /// Whether this plugin kept a value of that name.
    #[rhai_fn(pure)]
    pub fn has(vars: &mut Vars, name: &str) -> bool {
        vars.0.said.lock().vars.contains_key(name)
    }
}
