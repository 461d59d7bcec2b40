//! `[[rules]]`: rules of one line, from the configuration to a verdict.

use super::*;
use crate::base::problems::{Place, Source};
use crate::config::{InlineRule, Mode, Then};

/// A rule as it is read from that text.
fn rule(when: &str, hook: &str, then: Then) -> InlineRule {
    let text = format!("[[rules]]\ncode = \"shop.abroad\"\nwhen = '{when}'\n");
    let source = Source::new("config.toml", text);
    InlineRule {
        code: "shop.abroad".to_owned(),
        hook: hook.to_owned(),
        when: when.to_owned(),
        then,
        message: "Not \"here\".".to_owned(),
        mode: Mode::Enforce,
        priority: 500,
        fails_closed: true,
        routes: Vec::new(),
        methods: Vec::new(),
        place: Place { file: "config.toml".into(), line: 1, column: 1, width: 9, excerpt: None },
        when_at: (3, 9),
        source,
    }
}

fn load(rule: InlineRule) -> (RuleBook, String) {
    let ground = Ground::new();
    let root = ground.0.path();
    let folders = Folders { plugins: &root.join("plugins"), scripts: &root.join("scripts"), root };
    let (book, problems) = RuleBook::load_with(folders, &BTreeMap::new(), &[rule]);
    (book, short(&problems))
}

#[test]
fn a_rule_of_one_line_refuses_and_is_named_by_its_place_in_the_configuration() {
    let (book, problems) = load(rule("req.path.starts_with(\"/checkout\")", "on_request", Then::Deny(451)));
    assert_eq!(problems, "");
    let (decision, other) = on_worker(move || {
        let decision = decide(&book, Hook::Request, plain_facts("GET", "/checkout")).0;
        (decision, decide(&book, Hook::Request, plain_facts("GET", "/")).0)
    });
    assert_eq!((&*decision, &*other), ("451 shop.abroad config.toml:1", "pass"));
}

#[test]
fn every_kind_of_rule_compiles() {
    for then in [
        Then::Deny(403),
        Then::Throttle("30s".to_owned()),
        Then::Redirect("/x".to_owned()),
        Then::Challenge("login".to_owned()),
        Then::Drop,
        Then::Allow,
        Then::Score(20),
        Then::Tag("x".to_owned()),
    ] {
        assert_eq!(load(rule("req.geo.country != \"CH\"", "on_request", then)).1, "");
    }
    assert_eq!(load(rule("res.status == 500", "on_response", Then::Deny(503))).1, "");
    assert_eq!(load(rule("req.body.contains(\"x\")", "on_body", Then::Deny(403))).1, "");
}

#[test]
fn what_is_wrong_inside_an_expression_is_shown_at_its_place_in_the_configuration() {
    for (when, wanted) in [
        (
            "req.geo.contry == \"CH\"",
            "PM022 config.toml:3:17: unknown property `contry` [did you mean `country`?]",
        ),
        ("reqq.path == \"/\"", "PM020 config.toml:3:9: unknown variable `reqq`"),
        ("req.ip in \"10.0.0.0/99\"", "PM053 config.toml:3:19:"),
        ("req.path == ", "PM001 config.toml:3:"),
        ("let x = 1", "PM001 config.toml:3:"),
        ("true) { } fn on_auth(req) { (true", "PM001 config.toml:3:"),
    ] {
        let problems = load(rule(when, "on_request", Then::Drop)).1;
        assert!(problems.starts_with(wanted), "{when}: {problems}");
    }
}

#[test]
fn a_verb_that_the_moment_does_not_allow_is_found_at_the_rule() {
    let problems = load(rule("true", "on_log", Then::Drop)).1;
    assert!(problems.starts_with("PM040 config.toml:1:1"), "{problems}");
}
