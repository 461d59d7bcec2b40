//! Alerts: raised, told to the right one, signed, tried again, over; and never in anybody's way.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use crate::harness::webhook::{HANG, Message, Webhook};
use crate::harness::{Gateway, Setup, free_port};

const ROUTES: &str = r#"
[server]
trusted_proxies = ["127.0.0.1"]

[rate_limit]
user_per_minute = 1
user_burst = 2

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }

[[routes]]
name = "staff"
path = "/staff"
roles = ["staff"]
respond = { status = 200, text = "ok" }
"#;

const SECRET: &str = "a-secret-of-the-test-4711";
const PASSWORD: &str = "correct horse battery staple";

fn alert(when: &str, webhook: &Webhook, more: &str) -> String {
    format!(
        "\n[[alerts]]\nwhen = \"{when}\"\nwebhook = \"{}\"\nsecret = \"{SECRET}\"\n{more}\n",
        webhook.url()
    )
}

/// What a receiver does to see that a message is the gateway's.
fn is_signed(message: &Message, secret: &[u8]) -> bool {
    let header = message.header("x-pluginmind-signature").expect("a signature");
    let (time, signature) = header.strip_prefix("t=").and_then(|h| h.split_once(",v1=")).expect("its form");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let expected = hmac::sign(&key, format!("{time}.{}", message.body).as_bytes());
    pluginmind::base::text::hex(expected.as_ref()) == signature
}

fn listed(gateway: &Gateway) -> Vec<serde_json::Value> {
    let output = gateway.verb(&["alerts", "list", "--limit", "1000", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a list")
}

#[test]
fn the_alert_of_the_contract_tells_of_the_user_who_is_rate_limited_signed_and_once() {
    let webhook = Webhook::answering(204);
    let config =
        format!("{ROUTES}{}", alert("rate_limited", &webhook, "per = \"user\"\ncount = 20\nwithin = \"1m\""));
    let gateway = Setup::new(&config).user("canary@person.example", PASSWORD, &[]).start();
    let cookie = gateway.sign_in("canary@person.example", PASSWORD);
    let headers =
        [("Cookie", cookie.as_str()), ("X-Forwarded-For", "203.0.113.77"), ("User-Agent", "ua-canary")];
    let refused =
        (0..40).filter(|_| gateway.send("GET /private?q=query-canary", &headers, b"").status == 429);
    assert!(refused.count() >= 30);
    let message = webhook.wait_for(1).remove(0);
    assert!(is_signed(&message, SECRET.as_bytes()) && !is_signed(&message, b"another"));
    let body = message.json();
    assert_eq!((&body["event"], &body["name"]), (&"raised".into(), &"rate_limited".into()));
    assert_eq!((&body["count"], &body["window"], &body["generation"]), (&20.into(), &"1m".into(), &1.into()));
    assert_eq!(message.header("x-pluginmind-event-id"), body["id"].as_str());
    assert_eq!(body["subject"].as_str().map(str::len), Some(32), "a keyed hash");
    let everything = format!("{}{}{}", message.head, message.body, gateway.log().join("\n"));
    for canary in ["canary@person", "203.0.113.77", "ua-canary", "query-canary", &cookie, SECRET] {
        assert!(!everything.contains(canary), "{canary} in {everything}");
    }
    assert!(
        !gateway.log().join("\n").contains("hook-key-canary"),
        "the receiver's address is shown to nobody"
    );
    gateway.until("it is written down", |gateway| {
        listed(gateway).first().is_some_and(|row| row["delivered"] == "delivered")
    });
    assert_eq!((webhook.messages().len(), listed(&gateway).len()), (1, 1), "once");
    assert_eq!(listed(&gateway)[0]["id"], body["id"]);
    assert_eq!(gateway.metric("pluginmind_alert_deliveries_total{outcome=\"delivered\"}"), 1.0);
    let active = gateway.ask_admin("GET /admin/api/alerts?active=true", &[], b"").json();
    assert_eq!(active[0]["subject"], body["subject"]);
}

#[test]
fn unauthorized_and_forbidden_answers_are_counted_by_route_and_by_address() {
    let webhook = Webhook::answering(200);
    let config = format!(
        "{ROUTES}{}{}",
        alert("unauthorized", &webhook, "per = \"ip\"\ncount = 3\nroutes = [\"private\"]"),
        alert("forbidden", &webhook, "count = 2"),
    );
    let gateway = Setup::new(&config).user("u", PASSWORD, &[]).start();
    let from = |path: &str, address: &str| {
        gateway.send(&format!("GET {path}"), &[("X-Forwarded-For", address)], b"").status
    };
    for n in 0..6 {
        assert_eq!(from("/private", &format!("203.0.113.{n}")), 401, "each from elsewhere");
        assert_eq!(from("/staff", "203.0.113.1"), 401, "on another route");
    }
    // An address of version 6 is its /64.
    for n in 0..3 {
        assert_eq!(from("/private", &format!("2001:db8::{n}")), 401);
    }
    let first = webhook.wait_for(1).remove(0).json();
    assert_eq!((&first["when"], &first["count"]), (&"unauthorized".into(), &3.into()));
    let cookie = gateway.sign_in("u", PASSWORD);
    for _ in 0..2 {
        assert_eq!(gateway.send("GET /staff", &[("Cookie", &cookie)], b"").status, 403);
    }
    let second = webhook.wait_for(2).remove(1).json();
    assert_eq!((&second["when"], &second["subject"]), (&"forbidden".into(), &serde_json::Value::Null));
    assert_eq!(webhook.messages().len(), 2);
}

#[test]
fn a_receiver_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let (failing, refusing) = (Webhook::answering(503), Webhook::answering(404));
    let config = format!(
        "{ROUTES}{}{}",
        alert("unauthorized", &failing, "name = \"fails\"\ncount = 1"),
        alert("unauthorized", &refusing, "name = \"refuses\"\ncount = 1"),
    );
    let gateway = Setup::new(&config).start();
    gateway.get("/private");
    let first = failing.wait_for(1).remove(0);
    failing.answer(200);
    let again = failing.wait_for(2).remove(1);
    assert_eq!(first.body, again.body, "the same message");
    assert_eq!(first.header("x-pluginmind-event-id"), again.header("x-pluginmind-event-id"));
    assert!(is_signed(&again, SECRET.as_bytes()));
    let fate = |name: &str| {
        let rows = listed(&gateway);
        rows.iter().find(|row| row["name"] == name).map(|row| row["delivered"].clone())
    };
    gateway.until("both are settled", |_| {
        fate("fails") == Some("delivered".into()) && fate("refuses") == Some("failed".into())
    });
    assert_eq!(refusing.messages().len(), 1);
    for (outcome, times) in [("delivered", 1.0), ("retried", 1.0), ("failed", 1.0)] {
        assert_eq!(
            gateway.metric(&format!("pluginmind_alert_deliveries_total{{outcome=\"{outcome}\"}}")),
            times
        );
    }
}

#[test]
fn a_receiver_that_hangs_delays_no_request_and_no_other_receiver() {
    let (hanging, fine) = (Webhook::answering(HANG), Webhook::answering(200));
    // One alert tells 20 a minute: five of each receiver tell 100.
    let five = |receiver: &Webhook, name: &str| -> String {
        let one = |n| format!("name = \"{name}-{n}\"\ncount = 1\nper = \"ip\"");
        (0..5).map(|n| alert("unauthorized", receiver, &one(n))).collect()
    };
    let config = format!("{ROUTES}{}{}", five(&hanging, "hangs"), five(&fine, "fine"));
    let gateway = Setup::new(&config).start();
    let begun = Instant::now();
    for n in 0..20 {
        let address = format!("203.0.113.{n}");
        assert_eq!(gateway.send("GET /private", &[("X-Forwarded-For", &address)], b"").status, 401);
        // Its queue holds 64: what comes faster than it is taken would be dropped for it too.
        fine.wait_for(5 * (n + 1));
    }
    assert_eq!(fine.messages().len(), 100);
    assert_eq!(hanging.messages().len(), 1, "one at a time");
    assert!(begun.elapsed() < Duration::from_secs(10), "nobody waited for the one that hangs");
    gateway.until("what does not fit is dropped and counted", |gateway| {
        gateway.metric("pluginmind_alerts_dropped_total") >= 30.0
    });
    gateway.until("it is written down: 64 wait for it, one is on its way", |gateway| {
        (30..=36).contains(&listed(gateway).iter().filter(|row| row["delivered"] == "dropped").count())
    });
}

#[test]
fn a_service_that_goes_and_comes_back_is_told_both_times() {
    let webhook = Webhook::answering(200);
    let address = free_port();
    let config = format!(
        "{ROUTES}[[services]]\nname = \"app\"\nurls = [\"http://{address}\"]\nhealth = \"/\"\nhealth_interval = \"100ms\"\nhealthy_after = 1\nunhealthy_after = 1\n{}",
        alert("upstream_down", &webhook, ""),
    );
    let gateway = Setup::new(&config).start();
    let raised = webhook.wait_for(1).remove(0).json();
    assert_eq!((&raised["event"], &raised["subject"]), (&"raised".into(), &"app".into()));
    assert_eq!(raised["title"], "service app does not answer");
    let listener = std::net::TcpListener::bind(address).expect("the port");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::io::Read::read(&mut stream, &mut [0; 4_096]).ok();
            std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )
            .ok();
        }
    });
    let over = webhook.wait_for(2).remove(1).json();
    assert_eq!((&over["event"], &over["subject"]), (&"recovered".into(), &"app".into()));
    assert_ne!(over["id"], raised["id"]);
    drop(gateway);
}

#[test]
fn a_bad_edit_a_failing_plugin_and_what_a_rule_says_are_told() {
    let webhook = Webhook::answering(200);
    let config = format!(
        "{ROUTES}{}{}{}",
        alert("reload_failed", &webhook, ""),
        alert("plugin_fault", &webhook, ""),
        alert("rule_alert", &webhook, "severity = \"high\""),
    );
    let rule = r#"fn on_request(req) {
        if req.path == "/open" && req.query("x") == "fail" { throw "no"; }
        if req.query("x") == "tell" { alert::send("critical", "mail canary@person.example", #{ n: 3 }); }
        if req.query("x") == "mumble" { alert::send("low", "not worth it"); }
    }"#;
    let gateway = Setup::new(&config).plugin("rule", rule).start();
    gateway.get("/open?x=fail");
    let fault = webhook.wait_for(1).remove(0).json();
    assert_eq!((&fault["when"], &fault["subject"]), (&"plugin_fault".into(), &"rule".into()));
    gateway.get("/open?x=mumble");
    gateway.get("/open?x=tell");
    gateway.get("/open?x=tell");
    let told = webhook.wait_for(2).remove(1);
    assert_eq!((&told.json()["severity"], &told.json()["detail"]), (&"critical".into(), &"n=3".into()));
    assert!(!told.body.contains("canary"), "{}", told.body);
    let good = gateway.config();
    gateway.save("config.toml", &format!("{good}\n[nonsense]\n"));
    let refused = webhook.wait_for(3).remove(2).json();
    assert_eq!((&refused["when"], &refused["event"]), (&"reload_failed".into(), &"raised".into()));
    gateway.save("config.toml", &format!("# mended\n{good}"));
    let over = webhook.wait_for(4).remove(3).json();
    assert_eq!((&over["when"], &over["event"]), (&"reload_failed".into(), &"recovered".into()));
    assert_eq!(webhook.messages().len(), 4, "the same words of a rule are told once, and the low ones not");
}

#[test]
fn a_rule_that_tells_of_every_request_in_new_words_is_told_once_in_the_cooldown() {
    let webhook = Webhook::answering(200);
    let config =
        format!("{ROUTES}{}{}", alert("rule_alert", &webhook, ""), alert("forbidden", &webhook, "count = 1"));
    let rule = r#"fn on_request(req) { alert::send("high", "hit " + req.path, #{}); }"#;
    let gateway = Setup::new(&config).user("u", PASSWORD, &[]).plugin("rule", rule).start();
    for n in 0..60 {
        gateway.get(&format!("/open/{n}"));
    }
    let cookie = gateway.sign_in("u", PASSWORD);
    assert_eq!(gateway.send("GET /staff", &[("Cookie", &cookie)], b"").status, 403);
    let messages = webhook.wait_for(2);
    let whens: Vec<_> = messages.iter().map(|message| message.json()["when"].clone()).collect();
    assert_eq!(whens, ["rule_alert", "forbidden"]);
    let log = gateway.log();
    let lines = log.iter().filter(|line| line.contains("a rule raises an alert")).count();
    assert!((1..=20).contains(&lines), "{lines}");
}

#[test]
fn an_edit_changes_alerts_at_once_and_keeps_the_windows_of_those_it_leaves() {
    let (webhook, other) = (Webhook::answering(200), Webhook::answering(200));
    let kept = alert("unauthorized", &webhook, "name = \"kept\"\ncount = 3\nwithin = \"1h\"");
    let gateway = Setup::new(&format!("{ROUTES}{kept}")).start();
    gateway.get("/private");
    gateway.get("/private");
    let added = alert("unauthorized", &other, "name = \"added\"\ncount = 1");
    gateway.save("config.toml", &format!("{}{added}", gateway.config()));
    gateway.until("it is taken over", |gateway| gateway.generation() == 2);
    gateway.get("/private");
    assert_eq!(webhook.wait_for(1)[0].json()["count"], 3, "two before the edit and one after it");
    assert_eq!(other.wait_for(1)[0].json()["generation"], 2);
}

#[test]
fn a_test_tells_every_receiver_and_says_which_did_not_take_it() {
    let (fine, bad) = (Webhook::answering(200), Webhook::answering(500));
    let shapes = ["slack", "discord", "ntfy"].map(|shape| {
        let hook = Webhook::answering(200);
        let more = format!("name = \"{shape}\"\nshape = \"{shape}\"");
        (alert("storage", &hook, &more), hook)
    });
    let shaped: String = shapes.iter().map(|(text, _)| text.as_str()).collect();
    let own = format!("\n[[alerts]]\nname = \"own\"\nwhen = \"storage\"\nwebhook = \"{}\"\n", fine.url());
    let config = format!("{ROUTES}{own}{shaped}[[alerts]]\nname = \"quiet\"\nwhen = \"storage\"\n");
    let setup = Setup::new(&config);
    let mut gateway = setup.start();
    let test = |gateway: &Gateway, more: &[&str]| {
        let output = gateway.verb(&[&["alerts", "test", "--format", "json"], more].concat());
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), list)
    };
    let (code, list) = test(&gateway, &[]);
    assert_eq!(code, Some(0), "{list}");
    let outcomes: Vec<_> =
        list.as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["delivered", "delivered", "delivered", "delivered", "log"]);
    let message = fine.wait_for(1).remove(0);
    assert_eq!(message.json()["event"], "test");
    let kept = std::fs::read_to_string(gateway.at("data/alerts.secret")).expect("it was made");
    assert!(is_signed(&message, kept.trim().as_bytes()));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(gateway.at("data/alerts.secret")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let [slack, discord, ntfy] = shapes.each_ref().map(|(_, hook)| hook.wait_for(1).remove(0));
    assert!(
        slack.json()["text"]
            .as_str()
            .unwrap()
            .starts_with("[critical] slack test\na test of the alert slack")
    );
    assert!(discord.json()["content"].as_str().unwrap().contains("a test of the alert discord"));
    assert_eq!((ntfy.header("title"), ntfy.header("priority")), (Some("[critical] ntfy test"), Some("2")));
    assert!(ntfy.body.starts_with("a test of the alert ntfy"));
    assert!(listed(&gateway).is_empty(), "a test is no alert");
    assert_eq!(test(&gateway, &["nobody"]).0, Some(1));
    gateway.save("config.toml", &format!("{}{}", gateway.config(), alert("storage", &bad, "name = \"bad\"")));
    gateway.until("it is taken over", |gateway| gateway.generation() == 2);
    let (code, list) = test(&gateway, &["bad"]);
    assert_eq!((code, &list[0]["reason"]), (Some(1), &"the receiver answered 500".into()));
    let asked =
        gateway.ask_admin("POST /admin/api/alerts/test", &[("Content-Type", "application/json")], b"{}");
    assert_eq!(asked.status, 401, "a test needs the token");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let (code, list) = test(&gateway, &["own"]);
    assert_eq!((code, &list[0]["outcome"]), (Some(0), &"delivered".into()), "without a running gateway too");
    assert!(is_signed(&fine.wait_for(2)[1], kept.trim().as_bytes()));
}

#[test]
fn what_waits_at_the_end_is_tried_once_more() {
    let webhook = Webhook::answering(503);
    let config = format!("{ROUTES}{}", alert("unauthorized", &webhook, "count = 1"));
    let mut gateway = Setup::new(&config).start();
    gateway.get("/private");
    webhook.wait_for(1);
    webhook.answer(200);
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let messages = webhook.messages();
    assert_eq!(messages.last().expect("one").body, messages[0].body);
    assert!(messages.len() == 2);
    assert_eq!(listed(&gateway)[0]["delivered"], "delivered");
}

#[test]
fn the_timeline_shows_the_last_seconds_and_minutes() {
    let gateway = Setup::new(ROUTES).start();
    for path in ["/open", "/open", "/private", "/nowhere"] {
        gateway.get(path);
    }
    let minutes = gateway.ask_admin("GET /admin/api/timeline?minutes=2", &[], b"").json();
    let sum = |name: &str| -> i64 {
        minutes["points"].as_array().unwrap().iter().map(|point| point[name].as_i64().unwrap()).sum()
    };
    assert_eq!((sum("requests"), sum("success"), sum("unauthorized"), sum("client_error")), (4, 2, 1, 2));
    let seconds = gateway.ask_admin("GET /admin/api/timeline", &[], b"").json();
    assert_eq!((&seconds["step_s"], seconds["points"].as_array().unwrap().len()), (&1.into(), 120));
    assert_eq!(gateway.ask_admin("GET /admin/api/timeline?hours=1", &[], b"").status, 400);
}
