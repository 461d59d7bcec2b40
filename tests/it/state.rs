//! What rules remember: across edits, ends, crashes, and a database that does not answer.

use rusqlite::Connection as Database;

use crate::harness::{Gateway, Setup, gateway::manifest};

const CONFIG: &str = r#"
[rate_limit]
ip_per_minute = 1000000
ip_burst = 1000000

[[routes]]
name = "open"
path = "/*"
auth = "none"
respond = { status = 200, text = "ok" }
"#;

const MAIN: &str = r#"
fn on_request(req) {
    switch req.path {
        "/hit" => { counter::hit("hits", "k", "1h"); list::add("seen", req.ip, "1h", "hit"); }
        "/see" => deny(400 + counter::count("hits", "k", "1h"), "mine.seen", `${list::size("seen")}`),
        "/in" => if list::has("seen", req.query("ip")) { deny(403, "mine.listed", ""); }
    }
}
"#;

const LISTS: &str = "[lists]\nseen = { type = \"ip\", file = \"lists/seen.txt\" }\n";

fn setup() -> Setup {
    Setup::new(CONFIG)
        .file("plugins/mine/plugin.toml", &format!("{}{LISTS}", manifest("mine", "enforce")))
        .file("plugins/mine/main.rhai", MAIN)
        .file("plugins/mine/lists/seen.txt", "203.0.113.0/24\n")
}

fn hit(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        assert_eq!(gateway.get("/hit").status, 200);
    }
}

/// The count of hits, as the rule sees it.
fn hits(gateway: &Gateway) -> u16 {
    gateway.get("/see").status - 400
}

fn database(gateway: &Gateway) -> Database {
    Database::open(gateway.at("data/pluginmind.db")).expect("the database is there")
}

/// Everything that is saved of rules, as one text.
fn saved(gateway: &Gateway) -> String {
    let database = database(gateway);
    let mut statement = database.prepare("SELECT list || ' ' || key || ' ' || value FROM kv").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_rule_remembers_outlives_an_edit() {
    let gateway = setup().start();
    hit(&gateway, 3);
    gateway.save("plugins/mine/main.rhai", &format!("{MAIN}\n// edited\n"));
    gateway.until("the next generation", |g| g.generation() == 2);
    assert_eq!(hits(&gateway), 3);
    assert_eq!(gateway.get("/in?ip=127.0.0.1").status, 403);
}

#[test]
fn what_was_saved_outlives_a_kill_and_names_nobody() {
    let gateway = setup().start();
    hit(&gateway, 4);
    gateway.until("four hits on disk", |g| saved(g).contains(",4]") && saved(g).contains("seen ip-"));
    let rows = saved(&gateway);
    assert!(!rows.contains("127.0.0.1"), "{rows}");
    let gateway = gateway.kill_and_restart();
    assert_eq!(hits(&gateway), 4);
    assert_eq!(gateway.get("/in?ip=127.0.0.1").status, 403);
    assert_eq!(gateway.get("/in?ip=192.0.2.1").status, 200);
    assert_eq!(gateway.metric("pluginmind_state_keys{plugin=\"mine\"}"), 2.0);
}

#[test]
fn an_orderly_end_saves_what_came_last() {
    let mut gateway = setup().start();
    hit(&gateway, 2);
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let gateway = gateway.kill_and_restart();
    assert_eq!(hits(&gateway), 2);
}

#[test]
fn a_list_file_that_is_edited_keeps_what_rules_added() {
    let gateway = setup().start();
    hit(&gateway, 1);
    assert_eq!(gateway.get("/in?ip=203.0.113.9").status, 403);
    gateway.save("plugins/mine/lists/seen.txt", "# others now\n192.0.2.0/24\n2001:db8::/32 ; 24h ; a test\n");
    gateway.until("the new file", |g| g.get("/in?ip=192.0.2.1").status == 403);
    assert_eq!(gateway.get("/in?ip=203.0.113.9").status, 200);
    assert_eq!(gateway.get("/in?ip=2001:db8::1").status, 403);
    assert_eq!(gateway.get("/in?ip=127.0.0.1").status, 403, "what a rule added");
    gateway.save("plugins/mine/lists/seen.txt", "nonsense\n");
    gateway.until("the refusal", |g| g.metric("pluginmind_config_reloads_total{outcome=\"rejected\"}") > 0.0);
    assert_eq!(gateway.get("/in?ip=192.0.2.1").status, 403, "the last good list stays");
}

#[test]
fn a_locked_database_holds_no_request_up_and_gets_everything_afterwards() {
    let gateway = setup().start();
    let database = database(&gateway);
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    hit(&gateway, 5);
    let began = std::time::Instant::now();
    assert_eq!(hits(&gateway), 5);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "a request waited for the database");
    gateway.until("a refused write", |g| g.log().iter().any(|l| l.contains("refuses writes")));
    hit(&gateway, 1);
    database.execute_batch("ROLLBACK").unwrap();
    gateway.until("six hits on disk", |g| saved(g).contains(",6]"));
}

#[test]
fn a_schedule_runs_without_a_request_and_not_while_its_plugin_is_off() {
    let main = "fn tick() { kv::incr(\"ticks\", 1); }\n\
                fn on_request(req) { deny(400 + kv::get(\"ticks\", 0), \"mine.ticks\", \"\"); }";
    let timed = |mode| format!("{}[[schedule]]\nevery = \"1s\"\ncall = \"tick\"\n", manifest("mine", mode));
    let gateway = Setup::new(CONFIG)
        .file("plugins/mine/plugin.toml", &timed("enforce"))
        .file("plugins/mine/main.rhai", main)
        .start();
    let runs = |g: &Gateway| {
        g.metric("pluginmind_plugin_decisions_total{decision=\"pass\",mode=\"enforce\",plugin=\"mine\"")
    };
    gateway.until("two runs", |g| runs(g) >= 2.0);
    assert!(gateway.get("/").status >= 402);
    gateway.save("plugins/mine/plugin.toml", &timed("off"));
    gateway.until("the plugin off", |g| g.get("/").status == 200);
}

#[test]
fn on_start_sees_the_version_before_also_after_a_kill() {
    let main = "fn on_start(info) { kv::set(\"why\", `${info.reason} ${info.previous_version}`); }\n\
                fn on_request(req) { deny(403, \"mine.why\", kv::get(\"why\", \"never\")); }";
    let gateway = setup().plugin("mine", main).start();
    let why = |g: &Gateway| g.get("/").json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(why(&gateway), "boot ");
    gateway.save("plugins/mine/plugin.toml", &manifest("mine", "enforce").replace("1.0.0", "1.1.0"));
    gateway.until("the new version", |g| why(g) == "reload 1.0.0");
    gateway.until("the version on disk", |g| saved(g).contains("* version 1.1.0"));
    let gateway = gateway.kill_and_restart();
    assert_eq!(why(&gateway), "boot 1.1.0");
}
