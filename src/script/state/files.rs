//! Reads the files of a plugin's lists.

use std::collections::BTreeMap;
use std::path::Path;

use super::fixed::Fixed;
use super::table::Quota;
use super::view::List;
use crate::script::manifest::Manifest;
use crate::script::source::Reader;

/// The lists of a manifest, each with the entries of its file.
pub(in crate::script) fn load_lists(
    folder: &Path,
    manifest: &Manifest,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, List> {
    let mut lists = BTreeMap::new();
    for (name, spec) in &manifest.lists {
        let read = spec.file.as_ref().and_then(|file| reader.read_list(&folder.join(file)));
        let fixed = read.map(|(source, since_ms)| {
            let (fixed, problems) = Fixed::read(&source, spec.kind, spec.max, since_ms);
            reader.problems.append(problems);
            fixed
        });
        let quota = Quota { keys: spec.max, bytes: manifest.quota.bytes, persist: spec.persist };
        lists.insert(name.clone(), List { kind: spec.kind, quota, fixed: fixed.unwrap_or_default() });
    }
    lists
}
