//! What `[[alerts]]` takes, and what it refuses.

use std::time::Duration;

use crate::config::check::{config, dev, finds};
use crate::config::{AlertPer, AlertSeverity, AlertShape, When};

const CONTRACT: &str = r#"
[[alerts]]
when    = "rate_limited"
per     = "user"
count   = 20
within  = "1m"
webhook = "http://127.0.0.1:9/hook"
"#;

#[test]
fn the_alert_of_the_contract_is_taken() {
    let alerts = config(CONTRACT).alerts;
    let alert = &alerts[0];
    assert_eq!(
        (alert.name.as_str(), alert.when, alert.per),
        ("rate_limited", When::RateLimited, AlertPer::User)
    );
    assert_eq!((alert.measure.count, alert.measure.within), (20, Duration::from_secs(60)));
    assert_eq!((alert.cooldown, alert.severity), (Duration::from_secs(600), AlertSeverity::Medium));
    let webhook = alert.webhook.as_ref().unwrap();
    assert_eq!((webhook.url.expose().as_str(), webhook.shape), ("http://127.0.0.1:9/hook", AlertShape::Json));
}

#[test]
fn every_word_of_when_is_taken_alone() {
    for (word, when) in When::WORDS {
        let alerts = config(&format!("[[alerts]]\nwhen = \"{word}\"\n")).alerts;
        assert_eq!(alerts[0].when, when);
        assert_eq!(alerts[0].measure.count, if when.counts_requests() { 20 } else { 1 }, "{word}");
    }
}

#[test]
fn every_problem_has_its_place() {
    for (text, found) in [
        ("[[alerts]]\n", "config.toml:1:1: `alerts[].when` is required"),
        ("[[alerts]]\nwhen = \"rate_limit\"\n", "2:8: `alerts[].when`: `rate_limit` is not one of"),
        (
            "[[alerts]]\nwhen = \"storage\"\nper = \"user\"\n",
            "3:7: `alerts[].per` is for what counts requests",
        ),
        ("[[alerts]]\nwhen = \"storage\"\ncount = 2\n", "3:9: `alerts[].count` is for what is counted"),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nfactor = 1\n",
            "3:10: `alerts[].factor`: `1` is not between 1.1 and 1000",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nfactor = 3\nper = \"ip\"\n",
            "3:10: `alerts[].factor` compares all",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nfactor = 3\nwithin = \"5s\"\n",
            "4:10: `alerts[].within` is `1m` to `6h`",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nwithin = \"2d\"\n",
            "3:10: `alerts[].within`: `2d` is not between",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nwithn = \"2m\"\n",
            "3:1: unknown key `withn` in `[alerts[]]` [did you mean `within`?]",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nwebhook = \"http://192.0.2.1\"\n",
            "3:11: `alerts[].webhook`: `http` is for the own network",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nroutes = [\"api\"]\n",
            "3:11: `alerts[].routes`: there is no route `api`",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nshape = \"slack\"\n",
            "warning config.toml:3:9: `alerts[].shape`: there is no `webhook`",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nsecret_file = \"x\"\nwebhook = \"https://a\"\n",
            "`alerts[].secret_file`",
        ),
        (
            "[[alerts]]\nwhen = \"forbidden\"\nname = \"a\"\n[[alerts]]\nwhen = \"storage\"\nname = \"a\"\n",
            "6:8: there is already an alert `a`",
        ),
    ] {
        finds(&dev(text), found);
    }
}

#[test]
fn alerts_without_a_name_get_one_of_their_own() {
    let alerts = config(&"[[alerts]]\nwhen = \"forbidden\"\n".repeat(3)).alerts;
    let names: Vec<_> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names, ["forbidden", "forbidden-2", "forbidden-3"]);
}

#[test]
fn a_receivers_address_is_shown_to_nobody() {
    let report = dev("[[alerts]]\nwhen = \"forbidden\"\nwebhook = \"htps://hooks.example/hunter2\"\n");
    assert!(report.contains("`alerts[].webhook`") && !report.contains("hunter2"), "{report}");
    assert!(!format!("{:?}", config(CONTRACT).alerts).contains("hook\""));
}

#[test]
fn there_are_only_so_many_alerts() {
    finds(&dev(&"[[alerts]]\nwhen = \"forbidden\"\n".repeat(101)), "there are more than 100 alerts");
}
