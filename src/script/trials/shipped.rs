//! The plugins that come with the gateway.

use std::path::Path;

use super::*;

fn folder(root: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    (root.join("plugins"), root.join("scripts"))
}

#[test]
fn every_shipped_plugin_loads_without_a_finding() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (plugins, scripts) = folder(root);
    let (book, problems) =
        RuleBook::load(Folders { plugins: &plugins, scripts: &scripts, root }, &BTreeMap::new());
    assert!(problems.is_empty(), "{}", problems.render());
    let shown: Vec<String> =
        book.plugins().iter().map(|p| format!("{} {} {:?}", p.name, p.mode, p.hooks)).collect();
    assert_eq!(
        shown,
        [
            "honeypot enforce [\"on_request\"]",
            "geo-block enforce [\"on_request\"]",
            "client-score shadow [\"on_request\"]",
            "login-lockout shadow [\"on_body\", \"on_response\"]",
            "admin-hours shadow [\"on_auth\"]",
            "api-tiers shadow [\"on_auth\", \"on_upstream\", \"on_response\"]",
            "attack-guard shadow [\"on_request\", \"on_body\"]",
            "json-guard shadow [\"on_body\"]",
            "response-scrub enforce [\"on_response\", \"on_response_body\"]",
        ]
    );
    for plugin in book.plugins() {
        assert!(plugin.folder.join("README.md").exists(), "{} has no README", plugin.name);
    }
}

#[test]
fn every_shipped_plugins_own_tests_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (plugins, scripts) = folder(root);
    let (report, problems) =
        run_tests(Folders { plugins: &plugins, scripts: &scripts, root }, TestPlan::default());
    assert!(problems.is_empty(), "{}", problems.render());
    let failed: Vec<_> = report.cases.iter().filter_map(|c| c.message.clone()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for plugin in [
        "honeypot",
        "geo-block",
        "client-score",
        "login-lockout",
        "admin-hours",
        "api-tiers",
        "json-guard",
        "response-scrub",
    ] {
        assert!(report.cases.iter().any(|c| &*c.plugin == plugin), "{plugin} has no tests");
    }
}
