//! What a reload and a restart read is whole: shared files are read anew, and a draft is never a policy.

use std::fs;

use crate::harness::{Gateway, Setup, gateway::manifest};

const MAIN: &str = "fn on_request(req) { deny(403, \"mine.word\", words::word()); }\n";

fn shared(word: &str) -> String {
    format!("fn word() {{ \"{word}\" }}\n")
}

fn gateway() -> Gateway {
    Setup::new("")
        .file("plugins/mine/plugin.toml", &manifest("mine", "enforce"))
        .file("plugins/mine/main.rhai", MAIN)
        .file("scripts/words.rhai", &shared("first"))
        .start()
}

fn word(gateway: &Gateway) -> String {
    gateway.get("/").json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn hr_15_a_shared_script_is_read_anew_with_each_edit() {
    let gateway = gateway();
    for edition in ["second", "third", "fourth"] {
        gateway.save("scripts/words.rhai", &shared(edition));
        gateway.until(edition, |g| word(g) == edition);
    }
}

#[test]
fn hr_16_a_restart_after_a_kill_reads_a_whole_version_and_no_draft() {
    let mut gateway = gateway();
    for round in 0..5 {
        let edition = format!("edition{round}");
        gateway.save("scripts/words.rhai", &shared(&edition));
        // What an editor that was killed with the process leaves behind.
        fs::write(gateway.at("scripts/.words.rhai.swp"), "fn word() { \"dra").expect("a file");
        fs::write(gateway.at("data/session.secret.draft"), "half").expect("a file");
        gateway = gateway.kill_and_restart();
        assert_eq!(word(&gateway), edition);
    }
}
