//! Proves the house: imports go down only, neighbours do not know each other, and what must be absent is absent.

use std::fs;
use std::path::{Path, PathBuf};

/// Every module with its floor. A module that is not here fails the test: decide where it lives.
const FLOORS: &[(&str, u8)] = &[
    ("base", 0),
    ("config", 1),
    ("telemetry", 2),
    ("outbound", 2),
    ("auth", 3),
    ("bans", 3),
    ("geo", 3),
    ("limiter", 3),
    ("proxy", 3),
    ("schema", 3),
    ("alert", 3),
    ("script", 3),
    ("store", 3),
    ("live", 4),
    ("pipeline", 5),
    ("server", 6),
    ("cli", 7),
];

struct Source {
    path: PathBuf,
    module: String,
    /// The text before the tests of the file.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(found.len() > 50, "the walk finds the sources");
    found
        .into_iter()
        .filter(|path| !is_test_file(path))
        .map(|path| {
            let relative = path.strip_prefix(&root).expect("below src").to_owned();
            let module =
                relative.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("readable");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            Source { path: relative, module, code }
        })
        .collect()
}

/// Files that hold nothing but tests: `tests.rs`, `x_tests.rs`, and folders of them.
fn is_test_file(path: &Path) -> bool {
    let stem = |p: &Path| {
        p.file_stem().is_some_and(|s| {
            let s = s.to_string_lossy();
            s == "tests" || s.ends_with("_tests") || s == "trials" || s == "fake_log"
        })
    };
    path.ancestors().any(|a| a.extension().is_none_or(|e| e == "rs") && a.starts_with(root()) && stem(a))
        && !path.ends_with("script/tests.rs")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The modules that a text names after `crate::`, groups included.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines().filter(|l| !l.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let inside = group.split('}').next().unwrap_or_default();
                found.extend(inside.split(',').map(|part| first_word(part.trim())));
            } else {
                found.push(first_word(rest));
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_go_down_only_and_neighbours_do_not_know_each_other() {
    let mut wrong = Vec::new();
    for source in sources() {
        if matches!(source.module.as_str(), "main.rs" | "lib.rs") {
            continue;
        }
        let own = floor_of(&source.module).unwrap_or_else(|| panic!("{} has no floor", source.module));
        for name in imports(&source.code) {
            let Some(other) = floor_of(&name) else { continue };
            if name != source.module && other >= own {
                wrong.push(format!("{} (floor {own}) imports {name} (floor {other})", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_one_file_reads_a_clock() {
    let clocks = ["Instant::now(", "SystemTime::now(", "Utc::now(", "Timestamp::now(", "Zoned::now("];
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|s| s.path != Path::new("base/clock.rs"))
        .filter(|s| clocks.iter().any(|c| s.code.contains(c)))
        .map(|s| s.path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "a clock is read outside base/clock.rs: {wrong:?}");
}

#[test]
fn unsafe_code_stands_in_the_counting_allocator_alone() {
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|s| s.path != Path::new("base/memory.rs"))
        .filter(|s| s.code.lines().any(|l| !l.trim_start().starts_with("//") && l.contains("unsafe ")))
        .map(|s| s.path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_lint_is_expected_with_a_reason_and_never_allowed() {
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|s| s.code.contains("#[allow(") || s.code.contains("#![allow("))
        .map(|s| s.path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    let drawers = ["utils", "util", "common", "helpers", "helper", "manager", "misc"];
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|s| {
            s.path.components().any(|c| {
                let name = c.as_os_str().to_string_lossy();
                drawers.contains(&name.trim_end_matches(".rs"))
            })
        })
        .map(|s| s.path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_import_reader_sees_groups_and_paths() {
    assert_eq!(
        imports("use crate::{base::x, store};\nlet a = crate::auth::y();\n// crate::cli"),
        ["base", "store", "auth"]
    );
}
