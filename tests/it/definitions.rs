//! `pluginmind docs api` and `pluginmind definitions DIR`: the vocabulary of rules, for people and for editors.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::gateway::BINARY;

/// Runs the binary in a folder where there is no configuration.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().current_dir(folder).args(arguments);
    command.stdin(Stdio::null()).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_api_reference_is_the_page_in_docs() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(folder.path(), &["docs", "api"]);
    assert_eq!(printed.status.code(), Some(0));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/api.md");
    assert_eq!(text(&printed.stdout), fs::read_to_string(page).unwrap());
}

#[test]
fn definitions_are_written_into_a_folder_that_is_made_and_again_over_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let written = run(folder.path(), &["definitions", "a/b", "--format", "json"]);
        assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
        let told: Value = serde_json::from_slice(&written.stdout).unwrap();
        let files: Vec<&str> =
            told["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        for file in &files {
            assert!(fs::read_to_string(folder.path().join("a/b").join(file)).unwrap().starts_with("module "));
        }
        assert!(files.contains(&"kv.d.rhai") && files.contains(&"__static__.d.rhai"), "{files:?}");
        fs::write(folder.path().join("a/b/kv.d.rhai"), "old").unwrap();
    }
}

#[test]
fn definitions_that_cannot_be_written_end_with_2_and_say_which_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/kv.d.rhai")).unwrap();
    let written = run(folder.path(), &["definitions", "a"]);
    assert_eq!(written.status.code(), Some(2));
    assert!(text(&written.stderr).contains("a/kv.d.rhai cannot be written"), "{}", text(&written.stderr));
}
