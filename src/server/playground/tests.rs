use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::config::Inputs;
use crate::geo::Geo;
use crate::live::snapshot::Before;
use crate::script::Edit;

const MANIFEST: &str = "name = \"guard\"\nversion = \"1.0.0\"\napi = 1\ndescription = \"A test.\"\nmode = \"shadow\"\non_error = \"deny\"\n";
const MAIN: &str = "fn on_request(req) { deny(403, \"guard.old\", \"Old.\"); }";

fn inputs(folder: &Path) -> Inputs {
    fs::create_dir_all(folder.join("plugins/guard")).unwrap();
    fs::write(folder.join("plugins/guard/plugin.toml"), MANIFEST).unwrap();
    fs::write(folder.join("plugins/guard/main.rhai"), MAIN).unwrap();
    fs::write(folder.join("config.toml"), "").unwrap();
    let secret = crate::config::new_secret().unwrap().expose().clone();
    let environment = BTreeMap::from([("PLUGINMIND_SESSION__SECRET".to_owned(), secret)]);
    Inputs::from_file(&folder.join("config.toml"), environment).unwrap()
}

fn built(inputs: &Inputs, edit: Option<&Edit>) -> Built {
    snapshot::build_edited(inputs, 1, Before { geo: &Geo::default(), tls: None }, edit)
}

fn edit(plugin: &str, main: &str) -> Edit {
    Edit { plugin: plugin.to_owned(), main: main.to_owned() }
}

#[test]
fn an_edit_stands_in_for_the_file_and_the_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let new = MAIN.replace("old", "new");
    let as_it_is = built(&inputs, None).snapshot.unwrap();
    let edited = built(&inputs, Some(&edit("guard", &new))).snapshot.unwrap();
    assert_eq!(edited.rules.main_of("guard").as_deref(), Some(new.as_str()));
    assert_eq!(as_it_is.rules.main_of("guard").as_deref(), Some(MAIN));
    assert_ne!(edited.hash, as_it_is.hash, "it is another policy");
    assert_eq!((as_it_is.rules.plugins()[0].mode, edited.rules.plugins()[0].mode), ("shadow", "enforce"));
    assert_eq!(fs::read_to_string(folder.path().join("plugins/guard/main.rhai")).unwrap(), MAIN);
    assert_eq!(built(&inputs, None).snapshot.unwrap().hash, as_it_is.hash);
}

#[test]
fn an_edit_reaches_no_file_but_the_main_script_of_its_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let before = built(&inputs, None).snapshot.unwrap().hash;
    for plugin in ["", ".", "guard/../guard2", "..", "/", "other", "guard/lib"] {
        let edited = built(&inputs, Some(&edit(plugin, "nonsense"))).snapshot.unwrap();
        assert_eq!(edited.hash, before, "{plugin}");
    }
}

#[test]
fn an_edit_is_checked_and_bounded_as_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let wrong = built(&inputs, Some(&edit("guard", "fn on_request(req) {\n  dney(1);\n}")));
    assert!(wrong.snapshot.is_none());
    let problem = wrong.problems.iter().find(|problem| problem.severity == Severity::Error).unwrap();
    let place = problem.place.as_ref().unwrap();
    assert_eq!((&*place.file, place.line, place.column), ("plugins/guard/main.rhai", 2, 3));
    let large = built(&inputs, Some(&edit("guard", &" ".repeat((64 << 10) + 1))));
    assert!(large.snapshot.is_none() && large.problems.render().contains("larger than 64 KiB"));
}
