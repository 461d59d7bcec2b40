//! What is counted, told, remembered, and in which words.

use std::time::Duration;

use super::*;
use crate::base::address::Pseudonymiser;
use crate::config::{AlertMeasure, AlertShape, Webhook};

const MINUTE: Duration = Duration::from_secs(60);

fn alert(when: When, per: AlertPer, count: u64) -> Alert {
    Alert {
        name: when.word().to_owned(),
        when,
        per,
        measure: AlertMeasure { count, within: MINUTE, factor: None },
        cooldown: MINUTE * 10,
        severity: AlertSeverity::Medium,
        routes: Vec::new(),
        webhook: None,
    }
}

fn scene(alerts: &[Alert]) -> (Clock, Alerts) {
    let clock = Clock::manual(1_700_000_000_000);
    let all = Alerts::new(clock.clone(), Arc::new(Metrics::new("test")));
    all.apply(alerts, 7);
    (clock, all)
}

fn person(name: &str) -> Pseudonym {
    Pseudonymiser::new(&[7; 32]).user(name)
}

fn refuse(alerts: &Alerts, status: u16, route: &str, user: Option<&str>) {
    alerts.refused(Refused { status, route, user: user.map(person) }, || Some(person("address")));
}

fn told(alerts: &Alerts) -> Vec<(String, String)> {
    let recent = alerts.recent(usize::MAX);
    recent.iter().rev().map(|s| (s.notice.name.clone(), s.notice.event.to_string())).collect()
}

#[test]
fn a_request_counts_for_its_status_its_route_and_its_user_only() {
    let narrow = Alert { routes: vec!["api".to_owned()], ..alert(When::Unauthorized, AlertPer::All, 2) };
    let (_, alerts) = scene(&[alert(When::RateLimited, AlertPer::User, 2), narrow]);
    for status in [200, 404, 403, 500, 0] {
        refuse(&alerts, status, "api", Some("a"));
    }
    refuse(&alerts, 429, "api", Some("a"));
    refuse(&alerts, 429, "api", Some("b"));
    refuse(&alerts, 429, "api", None);
    refuse(&alerts, 429, "api", None);
    refuse(&alerts, 401, "other", None);
    refuse(&alerts, 401, "api", None);
    assert!(told(&alerts).is_empty());
    refuse(&alerts, 429, "", Some("a"));
    refuse(&alerts, 401, "api", None);
    let recent = alerts.recent(2);
    assert_eq!(recent[1].notice.subject, Some(person("a").to_string()));
    assert_eq!(recent[1].notice.title, "2 requests of one user answered 429 within 1m");
    assert_eq!((recent[0].notice.subject.as_deref(), recent[0].notice.generation), (None, 7));
    assert_eq!(recent[0].notice.time, "2023-11-14T22:13:20.000Z");
    assert_eq!(alerts.active().len(), 2);
}

#[test]
fn an_edit_keeps_the_windows_of_alerts_that_are_the_same_and_ends_those_that_are_gone() {
    let kept = alert(When::Forbidden, AlertPer::All, 2);
    let (_, alerts) = scene(&[kept.clone(), alert(When::Unauthorized, AlertPer::All, 2)]);
    refuse(&alerts, 403, "", None);
    refuse(&alerts, 401, "", None);
    alerts.apply(&[alert(When::Unauthorized, AlertPer::All, 3), kept], 8);
    refuse(&alerts, 403, "", None);
    refuse(&alerts, 401, "", None);
    assert_eq!(told(&alerts), [("forbidden".to_owned(), "raised".to_owned())]);
    alerts.apply(&[], 9);
    refuse(&alerts, 403, "", None);
    assert!(alerts.active().is_empty());
}

#[test]
fn services_plugins_and_edits_are_told_when_it_begins_and_when_it_is_over() {
    let (_, alerts) = scene(
        &[When::UpstreamDown, When::PluginFault, When::ReloadFailed, When::Storage, When::RowsDropped]
            .map(|when| alert(when, AlertPer::All, 1)),
    );
    alerts.upstream("app", true);
    alerts.upstream("app", false);
    alerts.upstream("gone", true);
    alerts.forget_things(When::UpstreamDown, |name| name == "app");
    alerts.plugin_tripped("honeypot", true);
    alerts.plugin_tripped("other", false);
    alerts.forget_things(When::PluginFault, |name| name == "honeypot");
    alerts.plugin_tripped("honeypot", false);
    alerts.reload_failed(true);
    alerts.storage_refuses(false);
    alerts.rows_dropped(12);
    let titles: Vec<_> = alerts.recent(20).iter().rev().map(|s| s.notice.title.clone()).collect();
    assert_eq!(
        titles,
        [
            "service app does not answer",
            "over: service app does not answer",
            "service gone does not answer",
            "over: service gone does not answer",
            "plugin honeypot failed or was slow too often and was taken out",
            "over: plugin honeypot failed or was slow too often and was taken out",
            "an edit was refused, the last good policy stays in force",
            "12 rows of the usage log were lost",
        ]
    );
}

#[test]
fn what_a_rule_says_is_told_to_those_who_want_it_that_bad_and_once_in_the_cooldown() {
    let wants = |severity| Alert { severity, ..alert(When::RuleAlert, AlertPer::All, 1) };
    let (clock, alerts) = scene(&[wants(AlertSeverity::Low), wants(AlertSeverity::High)]);
    let plugin: Arc<str> = "honeypot".into();
    let say = |severity| {
        alerts.raise(Raised { plugin: &plugin, severity, title: severity, fields: "n=1" });
        alerts.recent(usize::MAX).len()
    };
    assert_eq!(say("medium"), 1);
    assert_eq!(say("medium"), 1);
    assert_eq!(say("critical"), 3);
    clock.advance(MINUTE * 10);
    assert_eq!(say("medium"), 4);
    let last = alerts.recent(1).remove(0).notice;
    assert_eq!((&*last.severity, &*last.detail, last.window.as_deref()), ("medium", "n=1", None));
}

#[test]
fn a_rule_whose_words_are_always_new_is_told_once_in_the_cooldown_and_with_how_many_there_were() {
    let other =
        Alert { name: "other".to_owned(), cooldown: MINUTE, ..alert(When::RuleAlert, AlertPer::All, 1) };
    let (clock, alerts) = scene(&[alert(When::RuleAlert, AlertPer::All, 1), other]);
    let say = |plugin: &str, title: &str| {
        alerts.raise(Raised { plugin: &plugin.into(), severity: "high", title, fields: "" });
    };
    for n in 0..700 {
        say("honeypot", &format!("hit /{n}"));
    }
    assert_eq!(alerts.recent(usize::MAX).len(), 2, "one of each alert");
    say("lockout", "locked");
    assert_eq!(alerts.recent(usize::MAX).len(), 4, "another plugin has its own cooldown");
    clock.advance(MINUTE);
    say("honeypot", "hit /0");
    let recent = alerts.recent(usize::MAX);
    assert_eq!((recent.len(), &*recent[0].notice.name), (5, "other"));
    assert_eq!(recent[0].notice.title, "hit /0 (699 more)");
    clock.advance(MINUTE * 9);
    say("honeypot", &"x".repeat(500));
    let title = alerts.recent(2).remove(1).notice.title.clone();
    assert!(title.ends_with("x (700 more)") && title.len() == 256, "{title}");
}

#[test]
fn one_alert_leaves_room_for_the_others_and_tells_what_it_held_back() {
    let flood = Alert { cooldown: Duration::ZERO, ..alert(When::RuleAlert, AlertPer::All, 1) };
    let (clock, alerts) = scene(&[flood, alert(When::Storage, AlertPer::All, 1)]);
    for n in 0..WAITING_MAX * 2 {
        alerts.raise(Raised { plugin: &"p".into(), severity: "high", title: &n.to_string(), fields: "" });
    }
    alerts.storage_refuses(true);
    let waiting: Vec<_> = std::iter::from_fn(|| alerts.try_next()).collect();
    assert_eq!(waiting.len(), PER_MINUTE_MAX + 1);
    assert_eq!(waiting[PER_MINUTE_MAX].notice.name, "storage");
    alerts.tick();
    assert!(alerts.try_next().is_none(), "not within the minute");
    clock.advance(MINUTE);
    alerts.tick();
    let held = WAITING_MAX * 2 - PER_MINUTE_MAX;
    let title = alerts.try_next().unwrap().notice.title.clone();
    assert_eq!(title, format!("{held} more of the alert rule_alert were held back"));
    alerts.tick();
    assert!(alerts.try_next().is_none(), "once");
}

#[test]
fn what_waits_and_what_is_remembered_have_an_end_and_what_falls_off_is_counted() {
    let url = crate::base::secret::Secret::new("https://hooks.example".to_owned());
    let webhook = Some(Webhook { url, shape: AlertShape::Json, secret: None });
    let one = |n: usize| Alert {
        name: n.to_string(),
        webhook: webhook.clone(),
        ..alert(When::UpstreamDown, AlertPer::All, 1)
    };
    let many = RECENT_MAX / PER_MINUTE_MAX + 3;
    let (clock, alerts) = scene(&(0..many).map(one).collect::<Vec<_>>());
    for n in 0..PER_MINUTE_MAX {
        alerts.upstream(&n.to_string(), true);
    }
    assert_eq!(alerts.recent(usize::MAX).len(), RECENT_MAX);
    assert_eq!(alerts.recent(1)[0].delivered, "dropped");
    assert_eq!(std::iter::from_fn(|| alerts.try_next()).count(), WAITING_MAX);
    let dropped = u64::try_from(many * PER_MINUTE_MAX - WAITING_MAX).unwrap();
    assert_eq!(alerts.metrics.alerts_dropped.get(), dropped);
    clock.advance(MINUTE);
    alerts.upstream("last", true);
    let letter = alerts.try_next().unwrap();
    alerts.became(&letter.notice.id, "delivered");
    assert_eq!(alerts.recent(many)[many - 1].delivered, "delivered");
}
