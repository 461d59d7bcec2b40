//! `req.facts`: what plugins tell each other about one request. Each key is written once, by a plugin that may.

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString, Module, export_module, exported_module};

use crate::script::call::{Call, Raised, Request, error};
use crate::script::plain::weight;

/// Keys of one request.
const KEYS_MAX: usize = 64;
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 64;
/// The weight of one value: characters of texts, and one for everything else.
const WEIGHT_MAX: usize = 1_024;

/// The handle of `req.facts`.
#[derive(Clone)]
pub(super) struct SharedFacts(pub Arc<Call>);

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<SharedFacts>("Facts");
    module.combine_flatten(exported_module!(facts));
}

fn find(facts: &SharedFacts, key: &str) -> Option<Dynamic> {
    let before = facts.0.facts_before.get(key).cloned();
    before.or_else(|| facts.0.said.lock().facts.get(key).cloned())
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod facts {
    /// What plugins told each other about this request.
    #[rhai_fn(get = "facts", pure)]
    pub fn facts_of(req: &mut Request) -> SharedFacts {
        SharedFacts(req.0.clone())
    }

    /// Whether a plugin wrote that key.
    #[rhai_fn(pure)]
    pub fn has(facts: &mut SharedFacts, key: &str) -> bool {
        find(facts, key).is_some()
    }

    /// What a plugin wrote under that key; `default` where none did.
    #[rhai_fn(pure)]
    pub fn get(facts: &mut SharedFacts, key: &str, default: Dynamic) -> Dynamic {
        find(facts, key).unwrap_or(default)
    }

    /// Writes a key such as `"risk.level"`, once. `[permissions] facts` of the manifest must allow it.
    #[rhai_fn(return_raw)]
    pub fn set(facts: &mut SharedFacts, key: ImmutableString, value: Dynamic) -> Raised<()> {
        facts.0.still_open()?;
        if !facts.0.permissions.writes_fact(&key) {
            return Err(error("`[permissions] facts` of the manifest does not allow this key"));
        }
        if !key.contains('.') || key.len() > KEY_BYTES_MAX {
            return Err(error("a key of `req.facts` is `plugin.key`, at most 64 characters"));
        }
        let value = value.flatten();
        if weight(&value).is_none_or(|w| w > WEIGHT_MAX) {
            return Err(error("`req.facts` keeps numbers, texts, and small lists and maps of them"));
        }
        if find(facts, &key).is_some() {
            return Err(error(format!("`req.facts` has `{key}` already; a fact is written once")));
        }
        let mut said = facts.0.said.lock();
        if said.facts.len() + facts.0.facts_before.len() >= KEYS_MAX {
            return Err(error(format!("`req.facts` keeps at most {KEYS_MAX} keys")));
        }
        said.facts.insert(key.as_str().into(), value);
        Ok(())
    }
}
