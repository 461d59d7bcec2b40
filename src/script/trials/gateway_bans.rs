//! `gateway/ban`: what rules ask of the gateway, and what they see of it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::*;
use crate::script::{BanChange, GatewayBans, RuleBan};

const MAY: &str = "on_error = \"deny\"\npermissions = { lists_write = [\"gateway/ban\"] }\n";

/// One address is banned, by the plugin `rule`.
struct OneBan;

impl GatewayBans for OneBan {
    fn reason(&self, address: IpAddr, _: i64) -> Option<Arc<str>> {
        (address.to_string() == "203.0.113.1").then(|| "before".into())
    }

    fn banned_by(&self, network: IpNet, _: i64) -> Option<Arc<str>> {
        match network.to_string().as_str() {
            "203.0.113.1/32" => Some("rule".into()),
            "203.0.113.2/32" => Some("another".into()),
            _ => None,
        }
    }

    fn size(&self, _: i64) -> usize {
        7
    }
}

/// What one plugin decides and asks for, beside a gateway.
fn asked(mode: &str, main: &str) -> (String, Vec<RuleBan>) {
    let ground = Ground::new().plugin("rule", &format!("mode = \"{mode}\"\n{MAY}"), main);
    let mut book = ground.book();
    book.remember_in(&State::default().with_bans(Arc::new(OneBan)));
    on_worker(move || {
        let (decision, mut ledger) = decide(&book, Hook::Request, plain_facts("GET", "/"));
        (decision, ledger.take_bans())
    })
}

#[test]
fn a_rule_asks_for_a_ban_and_sees_it_at_once() {
    let main = r#"fn on_request(req) {
        list::add("gateway/ban", "203.0.113.5", "1h", "scans ann@example.com");
        list::add("gateway/ban", "2001:db8:1:2:3::4");
        if list::has("gateway/ban", "203.0.113.5") && list::has("gateway/ban", "2001:db8:1:2::9")
            && !list::has("gateway/ban", "203.0.113.6") && list::note("gateway/ban", "203.0.113.1") == "before"
            && list::size("gateway/ban") == 7 {
            deny(403, "seen.all", "");
        }
    }"#;
    let (decision, bans) = asked("enforce", main);
    assert!(decision.starts_with("403 seen.all"), "{decision}");
    assert_eq!(bans.len(), 2);
    assert_eq!((&*bans[0].plugin, bans[0].network.to_string().as_str()), ("rule", "203.0.113.5/32"));
    let BanChange::Begin { expires_ms, reason } = &bans[0].change else { panic!("{bans:?}") };
    assert_eq!(*expires_ms, Some(1_767_614_400_000 + 3_600_000));
    assert!(reason.starts_with("scans ") && !reason.contains("example.com"), "{reason}");
    assert_eq!(bans[1].network.to_string(), "2001:db8:1:2::/64");
    assert!(matches!(bans[1].change, BanChange::Begin { expires_ms: None, .. }));
}

#[test]
fn a_rule_ends_only_its_own_bans() {
    let main = r#"fn on_request(req) {
        if list::remove("gateway/ban", "203.0.113.1") && !list::remove("gateway/ban", "203.0.113.2")
            && !list::has("gateway/ban", "203.0.113.1") && !list::remove("gateway/ban", "203.0.113.1") {
            deny(403, "own.only", "");
        }
    }"#;
    let (decision, bans) = asked("enforce", main);
    assert!(decision.starts_with("403 own.only"), "{decision}");
    let ends: Vec<_> =
        bans.iter().map(|ban| (ban.network.to_string(), ban.change == BanChange::End)).collect();
    assert_eq!(ends, [("203.0.113.1/32".to_owned(), true)]);
}

#[test]
fn a_plugin_in_shadow_bans_nobody_and_sees_its_own_copy() {
    let main = r#"fn on_request(req) {
        list::add("gateway/ban", "203.0.113.5", "1h");
        if list::has("gateway/ban", "203.0.113.5") && list::has("gateway/ban", "203.0.113.1") {
            tag("both");
        }
    }"#;
    let ground = Ground::new().plugin("rule", &format!("mode = \"shadow\"\n{MAY}"), main);
    let mut book = ground.book();
    book.remember_in(&State::default().with_bans(Arc::new(OneBan)));
    let (tagged, bans) = on_worker(move || {
        let (_, mut ledger) = decide(&book, Hook::Request, plain_facts("GET", "/"));
        (ledger.notes().iter().any(|note| note.outcome == Outcome::Tag), ledger.take_bans())
    });
    assert!(tagged && bans.is_empty(), "{bans:?}");
}

#[test]
fn without_the_permission_the_list_is_an_error_that_says_what_to_write() {
    let main = r#"fn on_request(req) { list::add("gateway/ban", req.ip, "1h"); }"#;
    let found = Ground::with(main).problems();
    assert!(found.contains("PM044") && found.contains("lists_write = [\"gateway/ban\"]"), "{found}");
    assert_eq!(
        request(r#"fn on_request(req) { let l = "gateway/" + "ban"; list::add(l, req.ip, "1h"); }"#),
        "fault rule"
    );
    let manifest = "on_error = \"deny\"\npermissions = { lists_write = [\"gateway/bans\"] }\n";
    let found = Ground::new().plugin("rule", manifest, "fn on_request(req) {}").problems();
    assert!(
        found.contains("there is no list `gateway/bans` of the gateway: `gateway/ban` is one"),
        "{found}"
    );
}

#[test]
fn one_call_asks_for_a_bounded_number_of_bans_and_for_no_large_network() {
    let main =
        r#"fn on_request(req) { for i in 0..100 { list::add("gateway/ban", `203.0.113.${i}`, "1h"); } }"#;
    assert_eq!(asked("enforce", main).1.len(), 16);
    let (decision, bans) =
        asked("enforce", r#"fn on_request(req) { list::add("gateway/ban", "10.0.0.0/8", "1h"); }"#);
    assert_eq!((decision.as_str(), bans.len()), ("fault rule", 0));
}

#[test]
fn in_tests_of_a_plugin_the_list_is_there_to_be_asserted() {
    let ground = Ground::new()
        .plugin(
            "rule",
            &format!("mode = \"enforce\"\n{MAY}"),
            r#"fn on_request(req) { if req.path == "/trap" { list::add("gateway/ban", req.ip, "1h", "trap"); } if req.path == "/ask" && list::has("gateway/ban", req.ip) { deny(403, "a.banned", ""); } }"#,
        )
        .file(
            "plugins/rule/tests/ban.rhai",
            r#"fn test_a_trap_bans_for_an_hour() {
                assert_passed(run(request("GET", "/ask").ip("2001:db8::1")));
                run(request("GET", "/trap").ip("2001:db8::1"));
                assert(list_has("gateway/ban", "2001:db8::2"));
                assert_denied(run(request("GET", "/ask").ip("2001:db8::1")), "a.banned");
                clock_advance("61m");
                assert(!list_has("gateway/ban", "2001:db8::2"));
            }"#,
        );
    let (report, problems) = ground.tests(&[]);
    assert!(report.is_ok() && report.cases.len() == 1, "{report:?} {}", problems.render());
}
