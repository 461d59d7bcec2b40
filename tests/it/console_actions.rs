//! The console's buttons against the running gateway: what each does, and that nobody else can press it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::console::{post, unescape};
use crate::harness::gateway::manifest;
use crate::harness::{Console, Gateway, Setup, Upstream};

const PASSWORD: &str = "a long password";

const CONFIG: &str = r#"# The operator's own words.
[bans]
never = []

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }

[[routes]]
name = "open"      # tea
path = "/open/*"
auth = "none"
respond = { status = 200, text = "ok" }

[plugins.guard]    # on trial
priority = 7
"#;

const GUARD: &str = r#"fn on_request(req) {
    if req.query("x") == "bad" { deny(403, "guard.bad", "Bad."); }
    if req.query("x") == "fault" { let a = [1]; a[5]; }
}"#;

fn start() -> Gateway {
    Setup::new(CONFIG)
        .user("ann@example.org", PASSWORD, &["staff"])
        .user("bob", PASSWORD, &[])
        .file("plugins/guard/plugin.toml", &manifest("guard", "shadow"))
        .file("plugins/guard/main.rhai", GUARD)
        .start()
}

fn private(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

fn open(gateway: &Gateway, query: &str) -> u16 {
    gateway.get(&format!("/open/a{query}")).status
}

/// Every action, as a form that would change something.
const ACTIONS: [(&str, &[(&str, &str)]); 5] = [
    ("/sessions", &[("do", "end-all")]),
    ("/plugins", &[("name", "guard"), ("mode", "off")]),
    ("/bans", &[("do", "add"), ("kind", "address"), ("target", "203.0.113.7")]),
    ("/lockdown", &[("do", "on"), ("ttl", "30m")]),
    ("/playground", &[("request", "GET / HTTP/1.1\nHost: localhost\n")]),
];

#[test]
fn ad_02_nothing_changes_without_the_sign_in_the_field_of_the_form_and_the_own_site() {
    let gateway = start();
    let console = Console::enter(&gateway);
    let before = gateway.config();
    let ann = gateway.sign_in("ann@example.org", PASSWORD);
    for (path, fields) in ACTIONS {
        let bare = post(&gateway, path, &[], fields);
        assert_eq!(bare.status, 401, "{path} without a sign-in: {}", bare.text());
        let cookie = ("Cookie", console.cookie.as_str());
        let wrong = "0".repeat(console.csrf.len());
        for csrf in ["", wrong.as_str()] {
            let mut all = vec![("csrf", csrf)];
            all.extend_from_slice(fields);
            assert_eq!(post(&gateway, path, &[cookie], &all).status, 403, "{path} with a wrong field");
        }
        let mut own = vec![("csrf", console.csrf.as_str())];
        own.extend_from_slice(fields);
        for other in
            [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
        {
            assert_eq!(post(&gateway, path, &[cookie, other], &own).status, 403, "{path} from another site");
        }
        let host = [cookie, ("Host", "evil.example")];
        assert_eq!(post(&gateway, path, &host, &own).status, 421, "{path} by another name");
    }
    assert_eq!(private(&gateway, &ann), 200, "no session ended");
    assert_eq!(gateway.config(), before);
    assert_eq!(gateway.ask_admin("GET /admin/api/bans", &[], b"").json(), json!([]));
    assert_eq!(gateway.ask_admin("GET /admin/api/lockdown", &[], b"").json()["on"], false);
}

#[test]
fn without_a_sign_in_pages_are_read_and_have_no_button() {
    let gateway = start();
    for (path, _) in ACTIONS {
        let page = gateway.ask_admin(&format!("GET {path}"), &[], b"");
        assert_eq!(page.status, 200, "{path}");
        let text = page.text();
        assert!(text.contains("href=\"/sign-in?return_to="), "{path}: {text}");
        assert!(!text.contains("name=\"csrf\""), "{path}: {text}");
    }
    let confirm = gateway.ask_admin("GET /plugins?name=guard&to=enforce", &[], b"").text();
    assert!(confirm.contains("id=\"impact\"") && !confirm.contains("id=\"switch-mode\""), "{confirm}");
}

#[test]
fn sessions_are_listed_and_end_one_by_one_by_account_and_all() {
    let mut gateway = start();
    let (one, two) =
        (gateway.sign_in("ann@example.org", PASSWORD), gateway.sign_in("ann@example.org", PASSWORD));
    let bob = gateway.sign_in("bob", PASSWORD);
    {
        let console = Console::enter(&gateway);
        let page = console.page("/sessions");
        assert_eq!(page.matches("<tr data-id=").count(), 3, "{page}");
        assert!(
            page.contains("data-user=\"ann@example.org\"") && page.contains("<td>password</td>"),
            "{page}"
        );
        assert_eq!(console.page("/sessions?user=bob").matches("<tr data-id=").count(), 1);
        assert!(console.page("/sessions?user=nobody").contains("There is no account of this name or id."));

        let newest = gateway.ask_admin("GET /admin/api/sessions?user=bob", &[], b"").json()[0]["id"].clone();
        let id = newest.as_str().unwrap();
        let after = console.act("/sessions", &[("do", "end"), ("id", id)]);
        assert!(after.contains("The session has ended."), "{after}");
        assert_eq!([&one, &two, &bob].map(|cookie| private(&gateway, cookie)), [200, 200, 401]);
        let again = console.send("/sessions", &[("do", "end"), ("id", id)]);
        assert!(again.text().contains("ended already"), "{}", again.text());
        let nonsense = console.send("/sessions", &[("do", "end"), ("id", "<b>")]);
        assert!(nonsense.text().contains("not the id of a session") && !nonsense.text().contains("<b>"));

        let after = console.act("/sessions", &[("do", "end-user"), ("user", "ann@example.org")]);
        assert!(after.contains("2 sessions of ann@example.org ended."), "{after}");
        assert_eq!([&one, &two].map(|cookie| private(&gateway, cookie)), [401, 401]);

        let again = gateway.sign_in("bob", PASSWORD);
        assert!(console.page("/sessions?confirm=all").contains("id=\"confirm-end-all\""));
        let after = console.act("/sessions", &[("do", "end-all")]);
        assert!(after.contains("1 session ended: everybody is signed out."), "{after}");
        assert_eq!(private(&gateway, &again), 401);
    }
    let line =
        gateway.wait_for_log(|line| line.contains("sessions.revoke") && !line.contains("\"user.hash\":\"\""));
    assert!(line.contains("\"by\":\"token\"") && line.contains("\"outcome\":\"ok\""), "{line}");
    assert!(!line.contains("ann@"), "{line}");
}

#[test]
fn a_plugin_is_promoted_with_its_impact_shown_and_the_file_keeps_its_words() {
    let gateway = start();
    let console = Console::enter(&gateway);
    let before = gateway.config();
    for query in ["?x=bad", "?x=bad", "", "?x=fault"] {
        assert_eq!(open(&gateway, query), 200);
    }
    let page = console.page("/plugins");
    assert!(page.contains("data-plugin=\"guard\" data-mode=\"shadow\" data-state=\"shadow\""), "{page}");
    assert!(page.contains("data-code=\"guard.bad\""), "{page}");
    let told = unescape(&page);
    assert!(told.contains("script in on_request: a list has no such place"), "{told}");
    assert!(told.contains("guard/main.rhai:3:") && told.contains('^'), "the caret: {told}");

    let mut confirm = String::new();
    gateway.until("the decisions are written", |_| {
        confirm = console.page("/plugins?name=guard&to=enforce");
        confirm.contains("2 of 4 requests")
    });
    assert!(
        confirm.contains("<code>guard.bad</code>") && confirm.contains("id=\"switch-mode\""),
        "{confirm}"
    );
    assert_eq!(gateway.config(), before, "a look changes nothing");

    let after = console.act("/plugins", &[("name", "guard"), ("mode", "enforce")]);
    assert!(after.contains("guard is now enforce (it was shadow); config.toml says so in line"), "{after}");
    assert!(after.contains("data-mode=\"enforce\""), "{after}");
    assert_eq!(gateway.config(), before.replace("# on trial\n", "# on trial\nmode = \"enforce\"\n"));
    assert_eq!(open(&gateway, "?x=bad"), 403);

    let done = gateway.change("/admin/api/plugins/mode", r#"{"name":"guard","mode":"off"}"#);
    let report = done.json();
    assert_eq!((done.status, &report["changed"], &report["in_force"]), (200, &json!(true), &json!(true)));
    assert_eq!((&report["from"], &report["to"]), (&json!("enforce"), &json!("off")));
    assert_eq!(open(&gateway, "?x=bad"), 200);
    let again = gateway.change("/admin/api/plugins/mode", r#"{"name":"guard","mode":"off"}"#).json();
    assert_eq!((&again["changed"], &again["in_force"]), (&json!(false), &Value::Null));
    let impact = gateway.ask_admin("GET /admin/api/plugins/impact?name=guard", &[], b"").json();
    assert_eq!(impact["by_code"], json!([["guard.bad", 2]]));
}

#[test]
fn a_mode_is_not_switched_where_the_file_cannot_say_it() {
    let gateway = start();
    let console = Console::enter(&gateway);
    let refused = |body: &str| {
        let answer = gateway.change("/admin/api/plugins/mode", body);
        assert_eq!((answer.status, answer.code().as_str()), (422, "INVALID_INPUT"), "{}", answer.text());
        answer.json()["error"]["details"].to_string()
    };
    assert!(refused(r#"{"name":"gaurd","mode":"off"}"#).contains("did you mean `guard`?"));
    assert!(refused(r#"{"name":"guard","mode":"on"}"#).contains("/mode"));
    assert!(refused(r#"{"name":"guard"}"#).contains("/mode"));

    // Somebody's editor left a draft where ours would be.
    fs::write(gateway.at(".config.toml.new"), "").unwrap();
    assert!(refused(r#"{"name":"guard","mode":"off"}"#).contains("cannot be replaced"));
    let page = console.send("/plugins", &[("name", "guard"), ("mode", "off")]);
    assert_eq!(page.status, 422);
    assert!(page.text().contains("Nothing was changed: ") && page.text().contains("id=\"switch-mode\""));
    fs::remove_file(gateway.at(".config.toml.new")).unwrap();

    let before = gateway.config();
    gateway.save("config.toml", &format!("{before}\nnonsense = 1\n"));
    assert!(refused(r#"{"name":"guard","mode":"off"}"#).contains("nonsense"));
    assert_eq!(console.send("/plugins", &[("name", "guard"), ("mode", "off")]).status, 422);
    assert_eq!(gateway.config(), format!("{before}\nnonsense = 1\n"));
    gateway.save("config.toml", &before);

    assert_eq!(console.send("/plugins", &[("name", "none"), ("mode", "off")]).status, 404);
    assert_eq!(console.send("/plugins", &[("name", "guard"), ("mode", "on")]).status, 400);
}

#[test]
fn a_ban_is_added_shown_and_ended_and_what_was_typed_stays_where_it_is_refused() {
    let mut gateway = start();
    {
        let console = Console::enter(&gateway);
        let own = [
            ("do", "add"),
            ("kind", "address"),
            ("target", "127.0.0.0/8"),
            ("ttl", "1h"),
            ("reason", "<i>x"),
        ];
        let slip = console.send("/bans", &own);
        assert_eq!(slip.status, 422, "the address that one comes from");
        let text = slip.text();
        assert!(text.contains("value=\"127.0.0.0/8\"") && text.contains("value=\"&lt;i&gt;x\""), "{text}");
        assert_eq!(open(&gateway, ""), 200);

        let mut forced = own.to_vec();
        forced.push(("force", "yes"));
        let page = console.act("/bans", &forced);
        assert!(
            page.contains("127.0.0.0/8 is kept out.") && page.contains("data-target=\"127.0.0.0/8\""),
            "{page}"
        );
        assert_eq!(open(&gateway, ""), 403, "at once");
        let listed = gateway.ask_admin("GET /admin/api/bans", &[], b"").json();
        assert_eq!((&listed[0]["made_by"], &listed[0]["reason"]), (&json!("console"), &json!("<i>x")));
        let page = console.act("/bans", &[("do", "revoke"), ("kind", "address"), ("target", "127.0.0.0/8")]);
        assert!(
            page.contains("127.0.0.0/8 may come in again.") && page.contains("Nobody is banned."),
            "{page}"
        );
        assert_eq!(open(&gateway, ""), 200);

        let ann = gateway.sign_in("ann@example.org", PASSWORD);
        console.act("/bans", &[("do", "add"), ("kind", "user"), ("target", "ann@example.org")]);
        assert_eq!(private(&gateway, &ann), 403);
        assert!(console.page("/bans").contains("data-target=\"ann@example.org\""));
        assert!(console.page("/bans?confirm=all").contains("id=\"confirm-revoke-all\""));
        console.act("/bans", &[("do", "revoke-all")]);
        assert_eq!(private(&gateway, &ann), 200);

        for (kind, target, ttl) in
            [("user", "nobody", ""), ("address", "here", ""), ("address", "203.0.113.7", "soon")]
        {
            let fields = [("do", "add"), ("kind", kind), ("target", target), ("ttl", ttl)];
            let refused = console.send("/bans", &fields);
            assert!([404, 422].contains(&refused.status), "{target}: {}", refused.status);
            assert!(refused.text().contains(&format!("value=\"{target}\"")), "{}", refused.text());
        }
    }
    let line = gateway
        .wait_for_log(|line| line.contains("bans.add") && line.contains("\"outcome\":\"INVALID_INPUT\""));
    assert!(line.contains("\"by\":\"token\""), "{line}");
    let line = gateway.wait_for_log(|line| line.contains("bans.add") && line.contains("\"client.hash\":\""));
    assert!(!line.contains("127.0.0.0/8"), "{line}");
}

#[test]
fn lockdown_begins_and_ends_at_once() {
    let gateway = start();
    let console = Console::enter(&gateway);
    assert!(console.page("/lockdown").contains("data-on=\"false\""));
    let wrong = console.send("/lockdown", &[("do", "on"), ("ttl", "soon"), ("reason", "leak")]);
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("value=\"soon\"") && wrong.text().contains("value=\"leak\""));
    let page = console.act("/lockdown", &[("do", "on"), ("ttl", "30m"), ("reason", "leak")]);
    assert!(page.contains("data-on=\"true\"") && page.contains("id=\"lockdown-off\""), "{page}");
    let refused = gateway.get("/open/a");
    assert_eq!((refused.status, refused.code().as_str()), (403, "LOCKDOWN"));
    let page = console.act("/lockdown", &[("do", "off")]);
    assert!(page.contains("data-on=\"false\""), "{page}");
    assert_eq!(open(&gateway, ""), 200);
}

/// Everything below a folder, by content; the database apart, whose files the running gateway writes.
fn files(gateway: &Gateway) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![gateway.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().contains(".db") {
                found.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

const REMEMBERS: &str = r#"fn on_request(req) {
    kv::set("seen", 1);
    metric::inc("plays");
    log::warn("played");
    alert::send("high", "played", #{ a: 1 });
    if kv::get("seen", ()) == () { deny(403, "guard.never", "Never."); }
    deny(403, "guard.edited", "Edited.");
}"#;

/// What must be the same after a play.
fn counts(gateway: &Gateway) -> Value {
    let plugins = gateway.ask_admin("GET /admin/api/plugins", &[], b"").json();
    let requests = gateway.ask_admin("GET /admin/api/requests", &[], b"").json();
    let series = gateway.ask_admin("GET /metrics", &[], b"").text();
    let own = ["pluginmind_requests_total", "pluginmind_plugin", "pluginmind_rule", "pluginmind_state"];
    let series: Vec<_> =
        series.lines().filter(|line| own.iter().any(|name| line.starts_with(name))).collect();
    json!([plugins, requests, series])
}

#[test]
fn an_edit_is_judged_and_nothing_of_it_stays() {
    let upstream = Upstream::hello();
    let config = format!("{CONFIG}\n{}", upstream.config());
    let gateway = Setup::new(&config)
        .user("ann@example.org", PASSWORD, &["staff"])
        .file("plugins/guard/plugin.toml", &manifest("guard", "off"))
        .file("plugins/guard/main.rhai", GUARD)
        .start();
    let console = Console::enter(&gateway);
    assert_eq!(open(&gateway, ""), 200);
    gateway.until("the row is written", |gateway| {
        gateway.ask_admin("GET /admin/api/requests", &[], b"").text().contains("open")
    });
    let (files_before, before) = (files(&gateway), counts(&gateway));

    // As it is: forwarded, and the upstream hears nothing.
    let fields =
        [("request", "GET /up/a?b=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"), ("upstream_status", "204")];
    let page = console.send("/playground", &fields).text();
    assert!(page.contains("data-verdict=\"forwarded\" data-status=\"204\""), "{page}");
    assert!(page.contains("GET /up/a?b=1") && upstream.seen().is_empty(), "{page}");

    // Edited: what is typed decides, with the line of the verb.
    let edit = [
        ("request", "GET /up/a HTTP/1.1\r\nHost: localhost\r\n"),
        ("plugin", "guard"),
        ("script", &REMEMBERS.replace('\n', "\r\n")),
        ("ip", "203.0.113.7"),
        ("user", "ann@example.org"),
    ];
    let page = console.send("/playground", &edit).text();
    assert!(
        page.contains("data-verdict=\"refused\" data-status=\"403\" data-code=\"guard.edited\""),
        "{page}"
    );
    assert!(page.contains("data-rule=\"guard/main.rhai:7\" data-verdict=\"deny\""), "{page}");
    assert!(page.contains("data-stage=\"on_request\""), "{page}");
    assert!(unescape(&page).contains(REMEMBERS), "what was typed stays: {page}");
    assert!(page.contains("value=\"203.0.113.7\"") && page.contains("id=\"saves-nothing\""), "{page}");

    assert!(unescape(&page).contains("`guard` was judged as if it enforced: its mode is off"), "{page}");

    assert_eq!(open(&gateway, "?x=bad"), 200, "what is in force is what it was");
    let answer = gateway.get("/up/a");
    assert_eq!(answer.status, 200, "the edit is not in force");
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(files(&gateway), files_before);
    let after = counts(&gateway);
    let calls = |plugins: &Value| plugins[0]["calls"].as_u64().unwrap();
    assert_eq!(calls(&after[0]), calls(&before[0]), "it is off, and the play is not counted");
    assert!(!after[2].to_string().contains("guard.edited") && !after[2].to_string().contains("plays"));
    let state = gateway.ask_admin("GET /admin/api/plugins", &[], b"").text();
    assert!(!state.contains("guard.edited"), "{state}");
    let rows = |gateway: &Gateway| {
        gateway.ask_admin("GET /admin/api/requests", &[], b"").text().matches("\"route\":").count()
    };
    gateway.until("the rows of the real requests are written", |gateway| rows(gateway) >= 3);
    assert_eq!(rows(&gateway), 3, "one each of the real requests");
    let log = gateway.log();
    assert!(log.iter().all(|line| !line.contains("guard.edited") && !line.contains("\"played\"")), "{log:?}");
    assert_eq!(log.iter().filter(|line| line.contains("\"http.route\":\"up\"")).count(), 1, "{log:?}");
    assert!(log.iter().any(|line| line.contains("\"action\":\"playground\"")), "{log:?}");
}

#[test]
fn problems_of_an_edit_come_back_with_line_column_and_caret() {
    let gateway = start();
    let console = Console::enter(&gateway);
    let script = "fn on_request(req) {\n    dney(403, \"guard.x\", \"X.\");\n}\n";
    let body = json!({ "request": { "target": "/open/a" }, "plugin": "guard", "script": script });
    let judged = gateway.change("/admin/api/playground", &body.to_string()).json();
    assert_eq!((&judged["told"], &judged["saved"]), (&Value::Null, &json!(false)));
    let found = &judged["problems"][0];
    assert_eq!((&found["line"], &found["column"]), (&json!(2), &json!(5)), "{found}");
    assert!(found["text"].as_str().unwrap().contains("^^^^"), "{found}");

    let fields = [("request", "GET / HTTP/1.1\nHost: localhost\n"), ("plugin", "guard"), ("script", script)];
    let page = unescape(&console.send("/playground", &fields).text());
    assert!(
        page.contains("could not go live") && page.contains("main.rhai:2:5") && page.contains("^^^^"),
        "{page}"
    );
    assert!(page.contains(script), "{page}");
    assert!(!gateway.ask_admin("GET /admin/api/status", &[], b"").text().contains("stale"));
}

#[test]
fn a_question_that_makes_no_sense_is_told_and_the_typed_stays() {
    let gateway = start();
    let console = Console::enter(&gateway);
    let refused = |body: Value| {
        let answer = gateway.change("/admin/api/playground", &body.to_string());
        assert_eq!((answer.status, answer.code().as_str()), (422, "INVALID_INPUT"), "{}", answer.text());
        answer.json()["error"]["details"].to_string()
    };
    assert!(refused(json!({})).contains("/request"));
    assert!(refused(json!({ "request": "" })).contains("the request is empty"));
    assert!(refused(json!({ "request": "GET / HTTP/1.1\n", "ip": "here" })).contains("/ip"));
    assert!(refused(json!({ "request": { "headers": { "a": "b\r\nc: d" } } })).contains("no line of text"));
    assert!(refused(json!({ "request": { "target": 1 } })).contains("no text"));
    let nobody = json!({ "request": "GET / HTTP/1.1\n", "plugin": "../guard", "script": "" });
    assert!(refused(nobody).contains("there is no plugin"));
    let large =
        json!({ "request": "GET / HTTP/1.1\n", "plugin": "guard", "script": "a".repeat((64 << 10) + 1) });
    assert!(refused(large).contains("larger than 64 KiB"));
    let huge = json!({ "request": "a".repeat(600 << 10) });
    assert_eq!(gateway.change("/admin/api/playground", &huge.to_string()).status, 413);

    let page = console.send("/playground", &[("request", ""), ("ip", "here"), ("country", "CHE")]);
    assert_eq!(page.status, 422);
    assert!(page.text().contains("value=\"here\"") && page.text().contains("role=\"alert\""));
    let bytes = [("request", "no request at all")];
    let page = console.send("/playground", &bytes).text();
    assert!(page.contains("data-verdict=\"dropped\"") || page.contains("data-status=\"400\""), "{page}");
}

#[test]
fn a_script_without_end_or_measure_ends_within_its_budget_and_the_gateway_goes_on() {
    let gateway = start();
    let console = Console::enter(&gateway);
    let scripts = [
        "fn on_request(req) { let n = 0; while true { n += 1; } }",
        "fn on_request(req) { let a = \"aaaaaaaa\"; for i in 0..64 { a += a; } }",
        "fn on_request(req) { let a = []; for i in 0..40000 { a.push(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" + i); } }",
        "fn f(n) { f(n + 1) }\nfn on_request(req) { f(0); }",
        "fn on_start(info) { while true { } }\nfn on_request(req) { }",
    ];
    for script in scripts {
        let began = Instant::now();
        let fields =
            [("request", "GET /open/a HTTP/1.1\nHost: localhost\n"), ("plugin", "guard"), ("script", script)];
        let answer = console.send("/playground", &fields);
        assert_eq!(answer.status, 200, "{script}");
        let page = answer.text();
        let ended = page.contains("data-verdict=\"fault\"")
            || page.contains("id=\"problems\"")
            || script.contains("on_start");
        assert!(ended, "{script}: {page}");
        assert!(began.elapsed() < Duration::from_secs(15), "{script}: {:?}", began.elapsed());
        assert_eq!(open(&gateway, ""), 200);
    }
    let plugins = gateway.ask_admin("GET /admin/api/plugins", &[], b"").json();
    let faults: u64 = plugins[0]["faults"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(faults, 0, "{plugins}");
}
