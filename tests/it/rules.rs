//! Stages 7, 11, 15, 16: the operator's rules in the real pipeline.

use crate::harness::{Connection, Setup, Upstream, client::compose, gateway::manifest};

const CONFIG: &str = r#"
[[routes]]
name = "open"
path = "/open"
auth = "none"
tags = ["public"]
respond = { status = 200, text = "ok" }

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "secret" }
"#;

fn setup(main: &str) -> Setup {
    Setup::new(CONFIG).plugin("mine", main)
}

#[test]
fn every_verb_does_what_it_says() {
    let gateway = setup(
        r#"fn on_request(req) {
            switch req.query("do") {
                "deny" => deny(418, "mine.tea", "Short and stout."),
                "throttle" => throttle("90s", "mine.slow", "Slow down."),
                "redirect" => redirect("/open?x=1", "mine.moved"),
                "drop" => drop("mine.gone"),
                "allow" => allow("mine.fine"),
                "score" => score(60, "mine.odd"),
                "scores" => { score(60, "mine.odd"); score(50, "mine.odder"); }
            }
        }"#,
    )
    .start();
    let deny = gateway.get("/open?do=deny");
    assert_eq!((deny.status, deny.code().as_str()), (418, "mine.tea"));
    assert_eq!(deny.json()["error"]["message"], "Short and stout.");
    let throttle = gateway.get("/open?do=throttle");
    assert_eq!((throttle.status, throttle.header("retry-after")), (429, Some("90")));
    let redirect = gateway.get("/open?do=redirect");
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("/open?x=1")));
    let mut dropped = Connection::open(gateway.public);
    dropped.send(compose("GET /open?do=drop", &[], b"")).unwrap();
    assert!(dropped.read().is_none());
    assert_eq!(gateway.get("/open?do=allow").status, 200);
    assert_eq!(gateway.get("/open?do=score").status, 200);
    let scores = gateway.get("/open?do=scores");
    assert_eq!((scores.status, scores.code().as_str()), (403, "FORBIDDEN"));
}

#[test]
fn rules_run_for_paths_without_a_route_before_they_are_not_found() {
    let gateway =
        setup(r#"fn on_request(req) { if req.route.name == "" { deny(410, "mine.nowhere", "Nowhere."); } }"#)
            .start();
    assert_eq!(gateway.get("/nothing").code(), "mine.nowhere");
    assert_eq!(gateway.get("/open").status, 200);
}

#[test]
fn on_auth_knows_the_user_and_on_request_does_not() {
    let gateway = setup(
        r#"fn on_request(req) { if req.user.authenticated { deny(500, "mine.early", "Too early."); } }
           fn on_auth(req) { if req.user.has_role("intern") { deny(403, "mine.intern", `Not you, ${req.user.name}.`); } }"#,
    )
    .user("ivy", "a long password", &["intern"])
    .user("sam", "a long password", &["staff"])
    .start();
    let ivy = gateway.sign_in("ivy", "a long password");
    let sam = gateway.sign_in("sam", "a long password");
    let refused = gateway.send("GET /private", &[("Cookie", &ivy)], b"");
    assert_eq!((refused.status, refused.code().as_str()), (403, "mine.intern"));
    assert_eq!(gateway.send("GET /private", &[("Cookie", &sam)], b"").status, 200);
}

#[test]
fn on_response_changes_headers_and_may_refuse() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nX-Powered-By: magic\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = Setup::new(&upstream.config())
        .plugin(
            "mine",
            r#"fn on_response(req, res) {
                res.remove_header("X-Powered-By");
                res.set_header("X-Rule", "on");
                if res.header("x-secret") != "" && req.path.ends_with("/secret") { deny(502, "mine.leak", "Withheld."); }
            }"#,
        )
        .start();
    let answer = gateway.get("/up/a");
    assert_eq!((answer.header("x-powered-by"), answer.header("x-rule")), (None, Some("on")));
    let refused = gateway.get("/up/secret");
    assert_eq!((refused.status, refused.code().as_str()), (502, "mine.leak"));
    assert_eq!(refused.header("x-secret"), None);
}

#[test]
fn a_fault_closes_or_opens_as_the_manifest_says_and_tells_the_client_nothing() {
    let broken = r#"fn on_request(req) { throw "nothing_there"; }"#;
    let closed = setup(broken).start();
    let refused = closed.get("/open");
    assert_eq!((refused.status, refused.code().as_str()), (503, "PLUGIN_FAULT"));
    assert!(!refused.text().contains("nothing_there") && !refused.text().contains("mine"));
    let open = Setup::new(CONFIG)
        .file("plugins/mine/plugin.toml", &manifest("mine", "enforce").replace("deny", "allow"))
        .file("plugins/mine/main.rhai", broken)
        .start();
    assert_eq!(open.get("/open").status, 200);
}

#[test]
fn rh_01_an_endless_rule_costs_one_request_and_not_the_server() {
    let gateway = setup(r#"fn on_request(req) { if req.path == "/open" { loop {} } }"#).start();
    assert_eq!(gateway.get("/open").code(), "PLUGIN_FAULT");
    assert_eq!(gateway.get("/live").status, 200);
}

#[test]
fn a_shadow_plugin_decides_nothing_and_is_counted() {
    let gateway = Setup::new(CONFIG)
        .file("plugins/mine/plugin.toml", &manifest("mine", "shadow"))
        .file(
            "plugins/mine/main.rhai",
            r#"fn on_request(req) { score(1000, "mine.much"); deny(403, "mine.no", "No."); }"#,
        )
        .start();
    assert_eq!(gateway.get("/open").status, 200);
    let denied = "pluginmind_plugin_decisions_total{decision=\"deny\",mode=\"shadow\",plugin=\"mine\"";
    assert_eq!(gateway.metric(denied), 1.0);
}

#[test]
fn scripts_are_shared_namespaces_and_settings_obey_the_operator() {
    let config = format!("{CONFIG}\n[plugins.mine]\nsettings = {{ word = \"operator\" }}\n");
    let toml = format!(
        "{}\n[settings.word]\ntype = \"string\"\ndefault = \"manifest\"\n",
        manifest("mine", "enforce")
    );
    let gateway = Setup::new(&config)
        .file("plugins/mine/plugin.toml", &toml)
        .file(
            "plugins/mine/main.rhai",
            r#"fn on_request(req) { deny(403, "mine.word", words::shout(settings::word)); }"#,
        )
        .file("scripts/words.rhai", r#"fn shout(w) { w + "!" }"#)
        .start();
    assert_eq!(gateway.get("/open").json()["error"]["message"], "operator!");
}

#[test]
fn rh_12_a_rule_sees_no_credential() {
    let gateway = setup(
        r#"fn on_request(req) {
            deny(403, "mine.seen", `[${req.header("authorization")}][${req.header("cookie")}][${req.cookie("pm_session")}][${req.cookie("other")}]`);
        }"#,
    )
    .start();
    let headers = [("Authorization", "Bearer canary"), ("Cookie", "pm_session=canary; other=fine")];
    assert_eq!(gateway.send("GET /open", &headers, b"").json()["error"]["message"], "[][][][fine]");
}
