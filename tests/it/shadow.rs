//! Shares: some clients are refused, the rest would have been.

use crate::harness::{Setup, gateway::manifest};

const CONFIG: &str = r#"
[server]
trusted_proxies = ["127.0.0.0/8"]

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[plugins.all]
enforce_share = 0.5
"#;

#[test]
fn a_share_of_addresses_is_refused_the_same_ones_every_time_and_the_rest_is_counted_as_shadow() {
    let gateway = Setup::new(CONFIG)
        .file("plugins/all/plugin.toml", &manifest("all", "enforce"))
        .file("plugins/all/main.rhai", r#"fn on_request(req) { deny(403, "all.no", "No."); }"#)
        .start();
    let ask = |n: u8| {
        let from = format!("198.51.{n}.1");
        gateway.send("GET /open", &[("X-Forwarded-For", &from)], b"").status
    };
    let first: Vec<u16> = (0..40).map(ask).collect();
    let again: Vec<u16> = (0..40).map(ask).collect();
    assert_eq!(first, again);
    let refused = first.iter().filter(|status| **status == 403).count();
    assert!((5..=35).contains(&refused), "{first:?}");
    assert!(first.iter().all(|status| matches!(status, 200 | 403)), "{first:?}");
    let count = |mode: &str| {
        let labels = format!("{{decision=\"deny\",mode=\"{mode}\",plugin=\"all\",rule=\"all.no\"}}");
        gateway.metric(&format!("pluginmind_plugin_decisions_total{labels}"))
    };
    let refused = u32::try_from(refused * 2).unwrap();
    assert_eq!((count("enforce"), count("shadow")), (f64::from(refused), f64::from(80 - refused)));
}

#[test]
fn a_plugin_whose_manifest_says_nothing_is_in_shadow() {
    let silent = manifest("all", "enforce").replace("mode = \"enforce\"\n", "");
    let gateway = Setup::new(&CONFIG.replace("enforce_share = 0.5\n", ""))
        .file("plugins/all/plugin.toml", &silent)
        .file("plugins/all/main.rhai", r#"fn on_request(req) { deny(403, "all.no", "No."); }"#)
        .start();
    assert_eq!(gateway.get("/open").status, 200);
    let plugins = gateway.ask_admin("GET /admin/api/plugins", &[], b"").json();
    assert_eq!((&plugins[0]["state"], &plugins[0]["would"]["all.no"]), (&"shadow".into(), &1.into()));
}
