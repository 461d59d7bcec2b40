//! `[lists]` and `[state]` of a manifest.

use std::collections::BTreeMap;

use super::list::ListKind;
use super::space::QUOTA_DEFAULT;
use super::table::Quota;
use crate::base::document::Table;
use crate::base::problems::Problem;

/// Lists of one plugin.
const LISTS_MAX: usize = 32;
/// Entries of one list, where the manifest does not say.
const ENTRIES_DEFAULT: i64 = 10_000;
/// The most entries of one list that a manifest may ask for.
const ENTRIES_MAX: i64 = 1_000_000;
/// The most entries of a list of globs: each look goes through all of them.
const GLOBS_MAX: i64 = 500;
/// The most keys that a manifest may ask for.
const KEYS_MAX: i64 = 1_000_000;
/// The least and the most bytes of state that a manifest may ask for.
const BYTES: (u64, u64) = (64 << 10, 256 << 20);

/// A declared list.
#[derive(Clone, Debug)]
pub(in crate::script) struct ListSpec {
    pub kind: ListKind,
    /// Below the plugin's folder.
    pub file: Option<String>,
    /// Entries, those of the file and those of rules each.
    pub max: usize,
    pub persist: bool,
}

impl ListSpec {
    /// A list that is the gateway's, as the plugin's own copy of it is kept in shadow and in tests.
    pub fn of_gateway() -> Self {
        Self {
            kind: ListKind::Ip,
            file: None,
            max: usize::try_from(ENTRIES_DEFAULT).unwrap_or(1),
            persist: false,
        }
    }
}

/// Reads `[lists]`.
pub(in crate::script) fn read_lists(root: &mut Table<'_>) -> BTreeMap<String, ListSpec> {
    let mut table = root.table("lists");
    let named = table.named_tables();
    if named.len() > LISTS_MAX {
        table.report(Problem::at(table.place(table.span()), format!("at most {LISTS_MAX} lists")));
    }
    let mut lists = BTreeMap::new();
    for (name, mut table) in named.into_iter().take(LISTS_MAX) {
        let clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !clean || name.is_empty() || name.len() > 64 {
            let place = table.place(table.span());
            let problem = Problem::at(place, format!("`{name}` cannot be the name of a list"));
            table.report(problem.hint("use letters, digits, `_` and `-`"));
        }
        if let Some(spec) = read_list(&mut table) {
            lists.insert(name, spec);
        }
        table.finish();
    }
    table.finish();
    lists
}

fn read_list(table: &mut Table<'_>) -> Option<ListSpec> {
    let kind = table.choice("type", &ListKind::WORDS, "", "What the entries are.");
    if kind.is_none() && !table.has("type") {
        let place = table.place(table.span());
        let problem = Problem::at(place, format!("`{}.type` is required", table.path()));
        table.report(problem.hint("`ip`, `string`, `domain` or `glob`"));
    }
    let file = table.optional_text("file", "A file of entries, below the plugin's folder.");
    let most = if kind == Some(ListKind::Glob) { GLOBS_MAX } else { ENTRIES_MAX };
    let max =
        table.integer("max", ENTRIES_DEFAULT.min(most), (1, most), "The most entries that rules may add.");
    let persist = table.flag("persist", true, "Whether entries of rules outlive the process.");
    let file = file.and_then(|file| match below_lists(&file) {
        Some(file) => Some(file),
        None => {
            let problem =
                table.problem("file", format!("`{file}` is no file of the plugin's `lists` folder"));
            table.report(problem.hint("write `file = \"lists/NAME.txt\"`"));
            None
        }
    });
    Some(ListSpec { kind: kind?, file, max: usize::try_from(max).unwrap_or(1), persist })
}

/// `lists/NAME.txt`, however it was written.
fn below_lists(file: &str) -> Option<String> {
    let name = file.strip_prefix("lists/").unwrap_or(file);
    let clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    (clean && !name.starts_with('.') && name.strip_suffix(".txt").is_some()).then(|| format!("lists/{name}"))
}

/// Reads `[state]`.
pub(in crate::script) fn read_quota(root: &mut Table<'_>) -> Quota {
    let mut table = root.table("state");
    let default = i64::try_from(QUOTA_DEFAULT.keys).unwrap_or(KEYS_MAX);
    let keys = table.integer("max_keys", default, (1, KEYS_MAX), "The most keys that the plugin keeps.");
    let bytes = table.size("max_bytes", "16 MiB", "The most bytes that the plugin keeps.");
    let persist = table.flag("persist", true, "Whether keys and counters outlive the process.");
    if !(BYTES.0..=BYTES.1).contains(&bytes) {
        table.report(table.problem("max_bytes", "`state.max_bytes` is between 64 KiB and 256 MiB"));
    }
    table.finish();
    Quota {
        keys: usize::try_from(keys).unwrap_or(QUOTA_DEFAULT.keys),
        bytes: usize::try_from(bytes).unwrap_or(QUOTA_DEFAULT.bytes),
        persist,
    }
}
