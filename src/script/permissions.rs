//! `[permissions]` of a manifest: what a plugin may do that others see. What is not listed is refused.

use std::sync::Arc;

use globset::GlobMatcher;

use super::gateway_list::BANS;
use crate::base::document::Table;

/// What a plugin may do beyond its own affairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Permissions {
    /// Keys of `req.facts` that it may write.
    facts: Vec<Arc<GlobMatcher>>,
    /// Whether it may write the gateway's list of banned addresses.
    pub bans: bool,
}

/// Permissions of later versions.
const LATER: [&str; 3] = ["http", "bypass", "override_deny"];

/// Reads `[permissions]`.
pub(super) fn read(root: &mut Table<'_>) -> Permissions {
    let mut table = root.table("permissions");
    let facts = table.list(
        "facts",
        "list of globs",
        &[],
        "Keys of `req.facts` that the plugin may write.",
        super::api::glob,
    );
    let lists = table.list(
        "lists_write",
        "list of names",
        &[],
        "Lists of the gateway that the plugin may write: `gateway/ban`.",
        |name| {
            if name == BANS {
                Ok(())
            } else {
                Err(format!("there is no list `{name}` of the gateway: `{BANS}` is one"))
            }
        },
    );
    for key in LATER {
        if table.value(key, "", "Not in this version.").is_some() {
            let message = format!("`permissions.{key}` is not supported by this version");
            table.report(table.problem(key, message).code("PM043"));
        }
    }
    table.finish();
    Permissions { facts, bans: !lists.is_empty() }
}

impl Permissions {
    /// Whether the plugin may write that key of `req.facts`.
    pub fn writes_fact(&self, key: &str) -> bool {
        self.facts.iter().any(|glob| glob.is_match(key))
    }
}
