//! `[permissions]` of a manifest: what a plugin may do that others see. What is not listed is refused.

use std::sync::Arc;

use globset::GlobMatcher;

use crate::base::document::Table;

/// What a plugin may do beyond its own affairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Permissions {
    /// Keys of `req.facts` that it may write.
    facts: Vec<Arc<GlobMatcher>>,
}

/// Permissions of later versions.
const LATER: [&str; 4] = ["http", "bypass", "lists_write", "override_deny"];

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
    for key in LATER {
        if table.value(key, "", "Not in this version.").is_some() {
            let message = format!("`permissions.{key}` is not supported by this version");
            table.report(table.problem(key, message).code("PM043"));
        }
    }
    table.finish();
    Permissions { facts }
}

impl Permissions {
    /// Whether the plugin may write that key of `req.facts`.
    pub fn writes_fact(&self, key: &str) -> bool {
        self.facts.iter().any(|glob| glob.is_match(key))
    }
}
