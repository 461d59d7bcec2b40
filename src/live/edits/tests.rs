use std::fs;
use std::path::Path;

use super::*;

fn places(root: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    (root.join("plugins"), root.join("scripts"))
}

fn read(before: &Texts, root: &Path, config: &str) -> Texts {
    let (plugins, scripts) = places(root);
    let files = vec![root.join("schema.json")];
    before.read(("config.toml", config), &Places { root, folders: [&plugins, &scripts], files })
}

fn write(root: &Path, file: &str, text: &str) {
    fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
    fs::write(root.join(file), text).unwrap();
}

#[test]
fn a_difference_names_each_file_and_shows_its_lines_as_diff_does() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "plugins/a/main.rhai", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    write(root, "plugins/gone/main.rhai", "x\n");
    write(root, "schema.json", "{}");
    let before = read(&Texts::default(), root, "a = 1\n");
    write(root, "plugins/a/main.rhai", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n");
    fs::remove_dir_all(root.join("plugins/gone")).unwrap();
    write(root, "scripts/clock.rhai", "fn f() {}\n");
    write(root, "plugins/a/main.rhai.swp", "an editor's");
    let found = difference(&before, &read(&before, root, "a = 1\n"));
    let change = |file: &str, added, removed| FileChange { file: file.to_owned(), added, removed };
    let expected = [
        change("plugins/a/main.rhai", 1, 1),
        change("plugins/gone/main.rhai", 0, 1),
        change("scripts/clock.rhai", 1, 0),
    ];
    assert_eq!(found.changes, expected);
    let text = "--- plugins/a/main.rhai\n+++ plugins/a/main.rhai\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\
                --- plugins/gone/main.rhai\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n\
                --- /dev/null\n+++ scripts/clock.rhai\n@@ -0,0 +1,1 @@\n+fn f() {}\n";
    assert_eq!(found.text, text);
}

#[test]
fn an_edit_of_a_secret_shows_that_it_was_edited_and_not_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let before = read(&Texts::default(), folder.path(), "[session]\nsecret = \"CANARY-OLD\"\n");
    let after = read(&before, folder.path(), "[session]\nsecret = \"CANARY-NEW\"\n");
    let found = difference(&before, &after);
    assert_eq!(found.text.lines().skip(3).collect::<Vec<_>>(), [" [session]", "-secret = …", "+secret = …"]);
    assert!(!format!("{before:?}{after:?}{found:?}").contains("CANARY"), "nor is it kept");
}

#[test]
fn a_file_that_is_too_large_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "plugins/a/lists/big.txt", &"x\n".repeat(FILE_BYTES_MAX));
    let before = read(&Texts::default(), folder.path(), "");
    write(folder.path(), "plugins/a/lists/big.txt", &"y\n".repeat(FILE_BYTES_MAX + 1));
    let found = difference(&before, &read(&before, folder.path(), ""));
    assert_eq!(found.changes.len(), 1);
    assert!(found.text.ends_with("(too large to be shown)\n"), "{}", found.text);
}

#[test]
fn a_difference_ends_where_it_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let config = "a_key = 1\n".repeat(20_000);
    let found = difference(&Texts::default(), &read(&Texts::default(), folder.path(), &config));
    assert!(found.text.len() <= DIFF_BYTES_MAX + 40 && found.text.ends_with("(the rest is left out)\n"));
    assert_eq!(found.changes[0].added, 20_000, "the numbers are those of the whole file");
}

#[test]
fn only_the_last_edits_are_kept() {
    let edits = Edits::default();
    for time_ms in 0..=i64::try_from(EDITS_MAX).unwrap() {
        edits.push(Edit { time_ms, diff: String::new(), problems: String::new() });
    }
    assert!(edits.at(0).is_none() && edits.at(1).is_some() && edits.at(20).is_some());
}
