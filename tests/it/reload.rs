//! Section 8 of the contract: an edit that is saved is in force at once, and a bad one never is.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose, gateway::manifest};

const CONFIG: &str = r#"
[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "first" }
"#;

/// A rule that denies with a word as its message.
fn says(word: &str) -> String {
    format!("fn on_request(req) {{ if req.path == \"/rule\" {{ deny(403, \"mine.word\", \"{word}\"); }} }}\n")
}

fn word(gateway: &Gateway) -> String {
    let answer = gateway.get("/rule");
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn outcome(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.metric(&format!("pluginmind_config_reloads_total{{outcome=\"{outcome}\"}}"))
}

fn policy(gateway: &Gateway) -> String {
    let answer = gateway.ask_admin("GET /ready", &[], b"");
    assert_eq!(answer.status, 200);
    answer.json()["policy"].as_str().expect("a word").to_owned()
}

fn until_open_says(gateway: &Gateway, text: &str) {
    gateway.until(&format!("/open says {text}"), |g| g.get("/open").text() == text);
}

#[test]
fn hr_02_every_way_to_save_the_config_is_seen() {
    let gateway = Setup::new(CONFIG).start();
    let text = gateway.config();
    let path = gateway.at("config.toml");
    assert_eq!(gateway.get("/open").text(), "first");

    gateway.save("config.toml", &text.replace("first", "renamed"));
    until_open_says(&gateway, "renamed");

    fs::write(&path, text.replace("first", "written")).unwrap();
    until_open_says(&gateway, "written");

    fs::remove_file(&path).unwrap();
    gateway.until("the absence is told", |g| policy(g) == "stale");
    assert_eq!(gateway.get("/open").text(), "written", "the last good policy stays");
    fs::write(&path, text.replace("first", "created")).unwrap();
    until_open_says(&gateway, "created");
    gateway.until("it is current again", |g| policy(g) == "current");

    // As vim does: the old file becomes a backup, a new one is written.
    fs::rename(&path, gateway.at("config.toml~")).unwrap();
    fs::write(&path, text.replace("first", "backed up")).unwrap();
    until_open_says(&gateway, "backed up");

    fs::write(gateway.at("other"), text.replace("first", "copied")).unwrap();
    fs::copy(gateway.at("other"), &path).unwrap();
    until_open_says(&gateway, "copied");
}

#[test]
fn every_file_of_a_plugin_is_watched() {
    let main = "fn on_request(req) { deny(403, \"mine.word\", `${words::first()} ${greek::second()} ${settings::third}`); }";
    let toml = |third: &str| {
        format!(
            "{}\n[settings.third]\ntype = \"string\"\ndefault = \"{third}\"\n",
            manifest("mine", "enforce")
        )
    };
    let gateway = Setup::new(CONFIG)
        .file("plugins/mine/plugin.toml", &toml("c"))
        .file("plugins/mine/main.rhai", main)
        .file("plugins/mine/lib/words.rhai", "fn first() { \"a\" }")
        .file("scripts/greek.rhai", "fn second() { \"b\" }")
        .start();
    assert_eq!(word(&gateway), "a b c");
    gateway.save("plugins/mine/lib/words.rhai", "fn first() { \"A\" }");
    gateway.until("lib", |g| word(g) == "A b c");
    gateway.save("scripts/greek.rhai", "fn second() { \"B\" }");
    gateway.until("scripts", |g| word(g) == "A B c");
    gateway.save("plugins/mine/plugin.toml", &toml("C"));
    gateway.until("plugin.toml", |g| word(g) == "A B C");
    gateway.save("plugins/mine/main.rhai", &main.replace("${words::first()} ", ""));
    gateway.until("main.rhai", |g| word(g) == "B C");
    gateway.save("plugins/mine/plugin.toml", &toml("C").replace("enforce", "shadow"));
    gateway.until("mode", |g| g.get("/open").status == 200);
}

#[test]
fn schemas_are_watched_inline_and_as_files() {
    let schema =
        |kind: &str| format!("{{\"type\":\"object\",\"properties\":{{\"x\":{{\"type\":\"{kind}\"}}}}}}");
    let config = format!(
        "{CONFIG}\n[[routes]]\npath = \"/file\"\nauth = \"none\"\nbody_schema = \"schemas/x.json\"\nrespond = {{ status = 200, text = \"ok\" }}\n\
         [[routes]]\npath = \"/inline\"\nauth = \"none\"\nbody_schema = {{ type = \"object\", required = [\"x\"] }}\nrespond = {{ status = 200, text = \"ok\" }}\n"
    );
    let gateway = Setup::new(&config).file("schemas/x.json", &schema("string")).start();
    let post = |path: &str, body: &str| {
        let line = format!("POST {path}");
        gateway.send(&line, &[("Content-Type", "application/json")], body.as_bytes()).status
    };
    assert_eq!((post("/file", r#"{"x":"1"}"#), post("/file", r#"{"x":1}"#)), (200, 422));
    gateway.save("schemas/x.json", &schema("integer"));
    gateway.until("the schema's file", |_| post("/file", r#"{"x":1}"#) == 200);
    assert_eq!(post("/file", r#"{"x":"1"}"#), 422);
    assert_eq!(post("/inline", "{}"), 422);
    gateway.save("config.toml", &gateway.config().replace("required = [\"x\"]", "required = []"));
    gateway.until("the inline schema", |_| post("/inline", "{}") == 200);
    gateway.save("schemas/x.json", "{\"type\": 7}");
    gateway.until("a schema that is none", |g| policy(g) == "stale");
    assert_eq!(post("/file", r#"{"x":"1"}"#), 422, "the last good schema stays");
}

#[test]
fn a_secret_file_rotates_and_sessions_live_as_long_as_their_secret() {
    let config = "[session]\nsecret_file = \"secrets\"\n[[routes]]\npath = \"/private\"\nrespond = { status = 200, text = \"ok\" }\n";
    let (first, second) = (
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
        "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f",
    );
    let gateway = Setup::new(&format!("{config}{CONFIG}"))
        .file("secrets", &format!("{first}\n"))
        .user("ann", "a long password", &[])
        .start();
    let private = |cookie: &str| gateway.send("GET /private", &[("Cookie", cookie)], b"").status;
    let old = gateway.sign_in("ann", "a long password");
    let before = gateway.generation();
    gateway.save("secrets", &format!("{second}\n{first}\n"));
    gateway.until("both secrets", |g| g.generation() == before + 1);
    assert_eq!(private(&old), 200, "the old secret still verifies");
    let new = gateway.sign_in("ann", "a long password");
    gateway.save("secrets", &format!("{second}\n"));
    gateway.until("the old secret is gone", |_| private(&old) == 401);
    assert_eq!(private(&new), 200);
}

#[test]
fn hr_04_a_folder_that_is_removed_and_made_again_is_watched_again() {
    let gateway =
        Setup::new(CONFIG).plugin("mine", &says("one")).file("scripts/x.rhai", "fn x() { 1 }").start();
    assert_eq!(word(&gateway), "one");
    for round in ["two", "three"] {
        fs::remove_dir_all(gateway.at("plugins")).unwrap();
        gateway.until("a missing plugins folder is empty", |g| g.get("/rule").status == 404);
        gateway.save("plugins/mine/plugin.toml", &manifest("mine", "enforce"));
        gateway.save("plugins/mine/main.rhai", &says(round));
        gateway.until(round, |g| word(g) == round);
    }
    fs::rename(gateway.at("plugins"), gateway.at("elsewhere")).unwrap();
    gateway.until("renamed away", |g| g.get("/rule").status == 404);
    fs::rename(gateway.at("elsewhere"), gateway.at("plugins")).unwrap();
    gateway.until("renamed back", |g| word(g) == "three");
    fs::write(gateway.at("plugins/mine/main.rhai"), says("four")).unwrap();
    gateway.until("still watched", |g| word(g) == "four");
}

#[test]
fn hr_03_a_kubernetes_swap_of_the_data_link_is_seen_again_and_again() {
    let gateway = Setup::new(CONFIG).start();
    let text = gateway.config();
    let version = |n: &str| {
        fs::create_dir(gateway.at(&format!("..{n}"))).unwrap();
        fs::write(gateway.at(&format!("..{n}/config.toml")), text.replace("first", n)).unwrap();
        symlink(format!("..{n}"), gateway.at("..data_tmp")).unwrap();
        fs::rename(gateway.at("..data_tmp"), gateway.at("..data")).unwrap();
    };
    version("v1");
    symlink("..data/config.toml", gateway.at("link")).unwrap();
    fs::rename(gateway.at("link"), gateway.at("config.toml")).unwrap();
    until_open_says(&gateway, "v1");
    let mut before = "v1";
    for n in ["v2", "v3", "v4"] {
        version(n);
        fs::remove_dir_all(gateway.at(&format!("..{before}"))).unwrap();
        before = n;
        until_open_says(&gateway, n);
    }
}

#[test]
fn a_bad_edit_keeps_the_last_good_one_and_says_so_everywhere() {
    let mut gateway = Setup::new(CONFIG).start();
    let good = gateway.config();
    let generation = gateway.generation();
    gateway.save("config.toml", &good.replace("ip_burst", "ip_brust"));
    gateway.until("stale", |g| policy(g) == "stale");
    assert_eq!(gateway.get("/open").text(), "first");
    let public = gateway.get("/ready");
    assert_eq!((public.status, public.json()["policy"].as_str()), (200, Some("stale")));
    assert_eq!(outcome(&gateway, "rejected"), 1.0);
    assert_eq!(gateway.generation(), generation);
    gateway
        .wait_for_log(|l| l.contains("\"ERROR\"") && l.contains("config.toml:4:1") && l.contains("ip_brust"));

    let status = gateway.verb(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(0), "{text}");
    assert!(text.contains("config.toml:4:1"), "{text}");
    assert!(
        text.contains("ip_brust = 1_000_000") && text.contains("^^^^^^^^") && text.contains("ip_burst"),
        "{text}"
    );
    let json = gateway.verb(&["status", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one document");
    assert_eq!(json["policy"], "stale");
    assert_eq!(
        (json["problems"][0]["line"].as_u64(), json["problems"][0]["column"].as_u64()),
        (Some(4), Some(1))
    );

    gateway.save("config.toml", &good.replace("first", "two"));
    until_open_says(&gateway, "two");
    // It is in force a moment before it is told.
    gateway.until("current", |g| policy(g) == "current");
    assert_eq!(gateway.generation(), generation + 1);
}

#[test]
fn hr_07_good_then_bad_then_good_many_times_ends_with_the_last_good_one() {
    let gateway = Setup::new(CONFIG).plugin("mine", &says("0")).start();
    let bad =
        ["fn on_request(req) { ", "let top = 1;", "fn on_request(req) { nobody_wrote_this(1) }", "loop {}"];
    for round in 1..=24_usize {
        let rejected = outcome(&gateway, "rejected");
        gateway.save("plugins/mine/main.rhai", bad[round % bad.len()]);
        gateway.until("rejected", |g| outcome(g, "rejected") > rejected);
        assert_eq!(word(&gateway), (round - 1).to_string(), "the last good rule decides");
        gateway.save("plugins/mine/main.rhai", &says(&round.to_string()));
        gateway.until("the good one", |g| word(g) == round.to_string());
    }
    // It is in force a moment before it is told.
    gateway.until("current", |g| policy(g) == "current" && g.generation() >= 25);
    assert_eq!(gateway.generation(), 25);
}

#[test]
fn a_plugin_folder_appears_and_vanishes() {
    let gateway = Setup::new(CONFIG).start();
    assert_eq!(gateway.get("/rule").status, 404);
    gateway.save("plugins/mine/plugin.toml", &manifest("mine", "enforce"));
    gateway.save("plugins/mine/main.rhai", &says("here"));
    gateway.until("it came", |g| word(g) == "here");
    fs::remove_dir_all(gateway.at("plugins/mine")).unwrap();
    gateway.until("it went", |g| g.get("/rule").status == 404);
    assert_eq!(policy(&gateway), "current");
}

#[test]
fn hr_10_config_and_plugin_go_live_together_or_not_at_all() {
    let gateway = Setup::new(CONFIG).start();
    gateway.save(
        "config.toml",
        &format!("{}\n[plugins.mine]\nmode = \"enforce\"\n", gateway.config().replace("first", "two")),
    );
    gateway.until("a config for a plugin that is not there", |g| policy(g) == "stale");
    assert_eq!(gateway.get("/open").text(), "first");
    gateway.save("plugins/mine/plugin.toml", &manifest("mine", "shadow"));
    gateway.save("plugins/mine/main.rhai", &says("both"));
    until_open_says(&gateway, "two");
    gateway.until("the rule", |g| word(g) == "both");
    fs::remove_dir_all(gateway.at("plugins/mine")).unwrap();
    gateway.until("the plugin is gone, its config is not", |g| policy(g) == "stale");
    assert_eq!(word(&gateway), "both", "never half of it");
}

#[test]
fn hr_17_a_touch_makes_no_new_generation() {
    let gateway = Setup::new(CONFIG).plugin("mine", &says("one")).start();
    let (generation, config) = (gateway.generation(), gateway.config());
    let unchanged = outcome(&gateway, "unchanged");
    gateway.save("config.toml", &config);
    gateway.until("it was looked at", |g| outcome(g, "unchanged") > unchanged);
    let unchanged = outcome(&gateway, "unchanged");
    let rule = File::options().write(true).open(gateway.at("plugins/mine/main.rhai")).unwrap();
    rule.set_modified(std::time::SystemTime::now()).unwrap();
    drop(rule);
    gateway.until("it was looked at again", |g| outcome(g, "unchanged") > unchanged);
    assert_eq!(gateway.generation(), generation);
}

#[test]
fn pr_02_sighup_reloads_and_so_does_the_verb() {
    let mut gateway = Setup::new(CONFIG).start();
    let generation = gateway.generation();
    gateway.signal("HUP");
    gateway.until("a reload", |g| outcome(g, "applied") + outcome(g, "unchanged") >= 1.0);
    assert!(gateway.ended().is_none());

    let good = gateway.config();
    fs::write(gateway.at("config.toml"), good.replace("first", "two")).unwrap();
    let reload = gateway.verb(&["reload"]);
    assert_eq!(reload.status.code(), Some(0), "{reload:?}");
    assert_eq!(gateway.get("/open").text(), "two", "in force before the verb ends");
    assert!(gateway.generation() > generation);

    fs::write(gateway.at("config.toml"), good.replace("ip_burst", "ip_brust")).unwrap();
    let reload = gateway.verb(&["reload", "--format", "json"]);
    assert_eq!(reload.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&reload.stdout).expect("one document");
    assert_eq!(report["applied"], false);
    assert_eq!(
        report["problems"][0]["hint"].as_str().map(|h| h.contains("ip_burst")),
        Some(true),
        "{report}"
    );
    assert_eq!(gateway.get("/open").text(), "two");
}

#[test]
fn hr_09_a_request_in_flight_finishes_on_its_snapshot() {
    let (release, held) = channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Upstream::with(move |_, stream| {
        held.lock().unwrap().recv().ok();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let rule = |word: &str| format!("fn on_response(req, res) {{ res.set_header(\"X-Word\", \"{word}\"); }}");
    let gateway = Setup::new(&upstream.config()).plugin("mine", &rule("old")).start();
    let mut early = Connection::open(gateway.public);
    early.send(compose("GET /up/early", &[], b"")).unwrap();
    gateway.until("it is in flight", |_| upstream.seen().len() == 1);
    let generation = gateway.generation();
    gateway.save("plugins/mine/main.rhai", &rule("new"));
    gateway.until("the edit is in force", |g| g.generation() > generation);
    let mut late = Connection::open(gateway.public);
    late.send(compose("GET /up/late", &[], b"")).unwrap();
    gateway.until("both are in flight", |_| upstream.seen().len() == 2);
    release.send(()).unwrap();
    release.send(()).unwrap();
    assert_eq!(early.read().unwrap().header("x-word"), Some("old"));
    assert_eq!(late.read().unwrap().header("x-word"), Some("new"));
}

#[test]
fn buckets_and_sessions_outlive_a_reload() {
    let config = "[rate_limit]\nuser_per_minute = 1\nuser_burst = 3\n[[routes]]\npath = \"/private\"\nrespond = { status = 200, text = \"first\" }\n";
    let gateway = Setup::new(config).user("ann", "a long password", &[]).start();
    let cookie = gateway.sign_in("ann", "a long password");
    let private = || gateway.send("GET /private", &[("Cookie", &cookie)], b"");
    assert_eq!(private().header("x-ratelimit-remaining"), Some("2"));
    assert_eq!(private().header("x-ratelimit-remaining"), Some("1"));
    fs::write(gateway.at("config.toml"), gateway.config().replace("first", "two")).unwrap();
    assert_eq!(gateway.verb(&["reload"]).status.code(), Some(0));
    let after = private();
    assert_eq!(
        (after.status, after.text().as_str(), after.header("x-ratelimit-remaining")),
        (200, "two", Some("0"))
    );
    assert_eq!(private().status, 429);
}

#[test]
fn hr_08_connections_survive_fifty_reloads_without_a_failed_request() {
    let gateway = Setup::new(CONFIG).plugin("mine", &says("0")).start();
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (done, address) = (Arc::clone(&done), gateway.public);
            std::thread::spawn(move || {
                let mut connection = Connection::open(address);
                let mut asked = 0;
                while !done.load(Ordering::Relaxed) {
                    connection.send(compose("GET /open", &[], b"")).expect("the connection stays open");
                    let answer = connection.read().expect("an answer on the same connection");
                    assert_eq!((answer.status, answer.text().as_str()), (200, "first"));
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for round in 1..=50 {
        fs::write(gateway.at("plugins/mine/main.rhai"), says(&round.to_string())).unwrap();
        let report = gateway.change("/admin/api/reload", "").json();
        assert_eq!(report["applied"], true, "{report}");
        assert_eq!(word(&gateway), round.to_string());
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.join().expect("no request failed") > 50);
    }
}

#[test]
fn hr_12_what_a_reload_takes_away_is_gone_with_the_acknowledgement() {
    let config = format!(
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[cors]\norigins = [\"https://app.example\"]\n{CONFIG}\n\
         [[routes]]\nname = \"gone\"\npath = \"/gone\"\nauth = \"none\"\nrespond = {{ status = 200, text = \"client {{client.ip}}\" }}\n"
    );
    let gateway = Setup::new(&config.replace("{client.ip}", "x"))
        .plugin(
            "mine",
            "fn on_request(req) { if req.path == \"/ip\" { deny(403, \"mine.ip\", req.ip.hash); } }",
        )
        .start();
    let from = |address: &str| {
        gateway.send("GET /ip", &[("X-Forwarded-For", address)], b"").json()["error"]["message"].to_string()
    };
    let reload = |text: String| {
        fs::write(gateway.at("config.toml"), text).unwrap();
        assert_eq!(gateway.change("/admin/api/reload", "").json()["applied"], true);
    };
    assert_eq!(gateway.get("/gone").status, 200);
    reload(gateway.config().replace("path = \"/gone\"", "path = \"/other\""));
    assert_eq!(gateway.get("/gone").status, 404);

    assert_ne!(from("192.0.2.1"), from("192.0.2.2"), "the proxy is believed");
    reload(gateway.config().replace("[\"127.0.0.1\"]", "[]"));
    assert_eq!(from("192.0.2.1"), from("192.0.2.2"), "and then it is not");

    let preflight = || {
        let headers = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
        gateway.send("OPTIONS /open", &headers, b"").status
    };
    assert_eq!(preflight(), 204);
    reload(gateway.config().replace("https://app.example", "https://other.example"));
    assert_eq!(preflight(), 403);
}

#[test]
fn hr_13_a_key_that_needs_a_restart_says_so_and_changes_nothing_by_half() {
    let config = format!("[storage]\npath = \"data/pluginmind.db\"\n{CONFIG}");
    let gateway = Setup::new(&config).user("ann", "a long password", &[]).start();
    fs::write(
        gateway.at("config.toml"),
        gateway.config().replace("pluginmind.db", "other.db").replace("first", "two"),
    )
    .unwrap();
    let reload = gateway.verb(&["reload"]);
    let said = String::from_utf8_lossy(&reload.stdout).into_owned();
    assert!(said.contains("storage.path"), "{said}");
    let status = gateway.ask_admin("GET /admin/api/status", &[], b"").json();
    assert_eq!(status["needs_restart"], serde_json::json!(["storage.path"]));
    assert_eq!(gateway.get("/open").text(), "two", "the rest is in force");
    gateway.sign_in("ann", "a long password");
    assert!(!gateway.at("data/other.db").exists());
}

#[test]
fn hr_05_what_is_no_regular_file_is_refused_and_never_blocks() {
    let gateway = Setup::new(CONFIG).plugin("mine", &says("good")).start();
    let path = gateway.at("plugins/mine/main.rhai");
    let config = gateway.at("config.toml");
    let text = gateway.config();
    let refused = |what: &str| {
        let before = outcome(&gateway, "rejected");
        let reload = gateway.change("/admin/api/reload", "").json();
        assert_eq!(reload["applied"], false, "{what}: {reload}");
        assert!(outcome(&gateway, "rejected") > before, "{what}");
        assert_eq!(
            (word(&gateway).as_str(), gateway.get("/open").text().as_str()),
            ("good", "first"),
            "{what}"
        );
    };
    for file in [&path, &config] {
        fs::remove_file(file).unwrap();
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
        refused("a FIFO");
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
        refused("a folder");
        fs::remove_dir(file).unwrap();
        symlink("/dev/zero", file).unwrap();
        refused("a device");
        fs::remove_file(file).unwrap();
        symlink(file, file).unwrap();
        refused("a link to itself");
        fs::remove_file(file).unwrap();
        File::create(file).unwrap().set_len(1 << 30).unwrap();
        refused("a gigabyte of nothing");
        fs::remove_file(file).unwrap();
        let again = if file == &path { says("good") } else { text.clone() };
        fs::write(file, again).unwrap();
        assert_eq!(gateway.change("/admin/api/reload", "").json()["applied"], true);
    }
}

#[test]
fn hr_06_a_config_that_is_no_config_is_refused_with_its_place() {
    let gateway = Setup::new(CONFIG).start();
    let good = gateway.config();
    let bad: [(&str, Vec<u8>); 7] = [
        ("not UTF-8", [good.as_bytes(), b"\n# \xff\n"].concat()),
        ("NUL", [good.as_bytes(), b"\nx = \"\0\"\n"].concat()),
        ("cut off", good.as_bytes()[..good.len() - 3].to_vec()),
        (
            "a key twice",
            format!("environment = \"development\"\nenvironment = \"development\"\n{good}").into_bytes(),
        ),
        ("another kind", good.replace("ip_burst = 1_000_000", "ip_burst = \"canary\"").into_bytes()),
        ("out of range", good.replace("ip_burst = 1_000_000", "ip_burst = -1").into_bytes()),
        ("nested past reason", format!("{good}\nx = {}\n", "[".repeat(100_000)).into_bytes()),
    ];
    for (what, bytes) in bad {
        fs::write(gateway.at("config.toml"), bytes).unwrap();
        let reload = gateway.change("/admin/api/reload", "").json();
        assert_eq!(reload["applied"], false, "{what}");
        let problem = &reload["problems"][0];
        assert!(problem["message"].as_str().is_some_and(|m| !m.contains("canary")), "{what}: {problem}");
        assert_eq!(gateway.get("/open").text(), "first", "{what}");
    }
    fs::write(
        gateway.at("config.toml"),
        format!("\u{feff}{}", good.replace('\n', "\r\n").replace("first", "two")),
    )
    .unwrap();
    let reload = gateway.change("/admin/api/reload", "").json();
    assert_eq!(reload["applied"], true, "a mark at the start and other line ends are no fault: {reload}");
    assert_eq!(gateway.get("/open").text(), "two");
}

#[test]
fn hr_01_half_a_file_is_never_in_force() {
    let gateway = Setup::new(CONFIG).start();
    let next = gateway.config().replace("first", "two");
    // The first half is valid in itself, without any route: were it taken, /open would be 404.
    let (first, second) = next.split_at(next.find("[[routes]]").unwrap());
    let mut file = File::create(gateway.at("config.toml")).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    file.sync_all().unwrap();
    for _ in 0..200 {
        assert_eq!(gateway.get("/open").text(), "first");
    }
    for piece in second.as_bytes().chunks(16) {
        file.write_all(piece).unwrap();
        assert_eq!(gateway.get("/open").text(), "first");
    }
    drop(file);
    gateway.until("the whole file", |g| {
        let answer = g.get("/open");
        assert_eq!(answer.status, 200);
        answer.text() == "two"
    });
}

#[test]
fn hr_14_signal_edit_and_request_at_once_end_in_the_last_state() {
    let gateway = Setup::new(CONFIG).start();
    let text = gateway.config();
    for round in 0..10 {
        gateway.save("config.toml", &text.replace("first", &format!("r{round}")));
        gateway.signal("HUP");
        let report = gateway.change("/admin/api/reload", "").json();
        assert_eq!(report["applied"], true, "{report}");
        assert_eq!(gateway.get("/open").text(), format!("r{round}"), "in force when it is acknowledged");
    }
    assert_eq!(outcome(&gateway, "rejected"), 0.0);
}

#[test]
fn hr_18_old_generations_are_dropped() {
    let gateway = Setup::new(CONFIG).plugin("mine", &says("x")).start();
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let rounds = |count: usize| {
        for round in 0..count {
            fs::write(
                gateway.at("plugins/mine/main.rhai"),
                format!("{}// {}\n", says("x"), "x".repeat(50_000 + round % 7)),
            )
            .unwrap();
            assert_eq!(gateway.change("/admin/api/reload", "").json()["applied"], true);
        }
    };
    rounds(30);
    let before = memory();
    rounds(100);
    let after = memory();
    // A hundred generations that are kept would be more than 5 MB of sources alone.
    assert!(after < before + 4_000, "{before} kB became {after} kB");
}
