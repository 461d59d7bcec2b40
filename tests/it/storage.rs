//! Section 6 of the contract: what is acknowledged is on disk, and what is not on disk is not acknowledged.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection as Database;

use crate::harness::{Gateway, Setup, Upstream, client::compose, gateway::verb};

const PASSWORD: &str = "a long password";

const CONFIG: &str = r#"
[session]
per_user_max = 10_000

[rate_limit]
user_per_minute = 1_000_000
user_burst = 1_000_000
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[routes]]
name = "private"
path = "/private"
respond = { status = 200, text = "ok" }
"#;

fn setup() -> Setup {
    Setup::new(CONFIG).user("ann", PASSWORD, &[])
}

fn database(gateway: &Gateway) -> Database {
    Database::open(gateway.at("data/pluginmind.db")).expect("a database")
}

fn log_in(gateway: &Gateway) -> crate::harness::Answer {
    let body = format!("{{\"username\":\"ann\",\"password\":\"{PASSWORD}\"}}");
    gateway.send("POST /auth/login", &[("Content-Type", "application/json")], body.as_bytes())
}

fn log_out(gateway: &Gateway, cookie: &str) -> u16 {
    let headers = [("Cookie", cookie), ("Origin", "http://localhost"), ("Sec-Fetch-Site", "same-origin")];
    gateway.send("POST /auth/logout", &headers, b"").status
}

fn private(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

/// Lets no file of the process grow past this many bytes, as a full disk does.
fn limit_files(gateway: &Gateway, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let status = Command::new("prlimit").args(["--pid", &gateway.pid().to_string(), &limit]).status();
    assert!(status.expect("prlimit runs").success());
}

/// `serve` in a folder where it must not start: exit 2 and one sentence.
fn refuses(folder: &Path, environment: &[(&str, &str)], words: &str) {
    let environment: Vec<_> = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let output: Output = verb(folder, &["serve"], &environment, None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(words), "`{words}` in {said}");
}

#[test]
fn db_01_a_full_disk_refuses_what_it_cannot_keep_and_recovers() {
    let gateway = setup().start();
    let (first, second) = (gateway.sign_in("ann", PASSWORD), gateway.sign_in("ann", PASSWORD));
    limit_files(&gateway, "1");
    let refused = log_in(&gateway);
    assert_eq!((refused.status, refused.code().as_str()), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(refused.cookie(), None);
    assert_eq!(log_out(&gateway, &first), 503, "not done is not reported as done");
    assert_eq!(private(&gateway, &second), 200, "sessions can still be read");
    let ready = gateway.ask_admin("GET /ready", &[], b"");
    assert_eq!((ready.status, ready.json()["reasons"].to_string().as_str()), (503, "[\"storage\"]"));
    assert_eq!(gateway.get("/ready").status, 503);

    limit_files(&gateway, "unlimited");
    gateway.until("it recovers by itself", |g| log_in(g).status == 200);
    gateway.until("and is ready", |g| g.get("/ready").status == 200);
    assert_eq!(log_out(&gateway, &first), 204);
    let gateway = gateway.kill_and_restart();
    assert_eq!((private(&gateway, &first), private(&gateway, &second)), (401, 200));
}

#[test]
fn db_03_another_writer_costs_a_request_a_moment_and_then_a_503() {
    let gateway = setup().start();
    let cookie = gateway.sign_in("ann", PASSWORD);
    let other = database(&gateway);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    assert_eq!(log_in(&gateway).status, 503);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(log_out(&gateway, &cookie), 503);
    assert_eq!(gateway.get("/live").status, 200);
    other.execute_batch("COMMIT").unwrap();
    gateway.until("the other is done", |g| log_in(g).status == 200);
    assert_eq!(log_out(&gateway, &cookie), 204);
    assert_eq!(private(&gateway, &cookie), 401);
}

#[test]
fn db_04_a_database_that_is_damaged_or_not_ours_is_never_taken_for_an_empty_one() {
    let good = {
        let gateway = setup().start();
        gateway.sign_in("ann", PASSWORD);
        let path = gateway.at("data/pluginmind.db");
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        database(&gateway).execute("VACUUM INTO ?1", [kept.to_str()]).unwrap();
        assert!(path.exists());
        fs::read(kept).unwrap()
    };
    let flipped = {
        let mut bytes = good.clone();
        for page in bytes.chunks_mut(4096).skip(1) {
            page[..64].fill(0x55);
        }
        bytes
    };
    let changed = |pragma: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        fs::write(&path, &good).unwrap();
        Database::open(&path).unwrap().execute_batch(pragma).unwrap();
        fs::read(path).unwrap()
    };
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("a text", b"this is a text and no database at all ".repeat(100), "not a SQLite database"),
        ("a stump", good[..100].to_vec(), "not a SQLite database"),
        ("cut off inside a page", good[..good.len() - 1000].to_vec(), "damaged"),
        ("flipped", flipped, "damaged"),
        ("of another application", changed("PRAGMA application_id = 77"), "another application"),
        ("of a newer version", changed("PRAGMA user_version = 999"), "newer"),
    ];
    for (what, bytes, words) in cases {
        let folder = Setup::new(CONFIG).folder();
        fs::create_dir(folder.path().join("data")).unwrap();
        let path = folder.path().join("data/pluginmind.db");
        fs::write(&path, &bytes).unwrap();
        refuses(folder.path(), &[], words);
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}: it is left as it was");
    }
}

/// One request whose answer may not come: the process is being killed.
fn try_ask(address: SocketAddr, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.contains("\r\n\r\n").then_some(text)
}

#[derive(Default)]
struct Acknowledged {
    alive: Vec<String>,
    dead: Vec<String>,
}

/// Signs in and out until there is no answer any more; notes only what was acknowledged.
fn storm(address: SocketAddr, noted: &Mutex<Acknowledged>, count: &AtomicUsize, over: &AtomicBool) {
    let body = format!("{{\"username\":\"ann\",\"password\":\"{PASSWORD}\"}}");
    let login = compose(
        "POST /auth/login",
        &[("Content-Type", "application/json"), ("Connection", "close")],
        body.as_bytes(),
    );
    while !over.load(Ordering::Relaxed) {
        let Some(answer) = try_ask(address, &login) else { return };
        let cookie = answer.lines().find_map(|l| l.strip_prefix("set-cookie: ")).expect("a session cookie");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let turn = count.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(2) {
            noted.lock().unwrap().alive.push(cookie);
            continue;
        }
        let headers = [("Cookie", cookie.as_str()), ("Origin", "http://localhost"), ("Connection", "close")];
        let Some(answer) = try_ask(address, &compose("POST /auth/logout", &headers, b"")) else { return };
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        noted.lock().unwrap().dead.push(cookie);
    }
}

#[test]
fn db_05_what_was_acknowledged_survives_kill_9_in_a_storm() {
    let mut gateway = setup().start();
    let noted = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..20_usize {
        let (count, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (noted, count, over) = (Arc::clone(&noted), Arc::clone(&count), Arc::clone(&over));
                let address = gateway.public;
                std::thread::spawn(move || storm(address, &noted, &count, &over))
            })
            .collect();
        gateway.until("a few sign-ins", |_| count.load(Ordering::Relaxed) > round % 5);
        gateway.signal("KILL");
        over.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().expect("every answer was right"));
        gateway = gateway.kill_and_restart();
    }
    let noted = noted.lock().unwrap();
    assert!(noted.alive.len() > 10 && noted.dead.len() > 10, "{} {}", noted.alive.len(), noted.dead.len());
    for cookie in &noted.dead {
        assert_eq!(private(&gateway, cookie), 401, "an acknowledged sign-out came back");
    }
    for cookie in &noted.alive {
        assert_eq!(private(&gateway, cookie), 200, "an acknowledged sign-in is lost");
    }
    let integrity: String = database(&gateway).query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(integrity, "ok");
}

#[test]
fn db_07_a_database_that_was_taken_away_takes_no_more_writes() {
    for replaced in [false, true] {
        let gateway = setup().start();
        let cookie = gateway.sign_in("ann", PASSWORD);
        let path = gateway.at("data/pluginmind.db");
        fs::rename(&path, gateway.at("data/elsewhere.db")).unwrap();
        if replaced {
            fs::write(&path, b"").unwrap();
        }
        assert_eq!(log_in(&gateway).status, 503, "a file that nobody will find again is no storage");
        assert_eq!(log_out(&gateway, &cookie), 503);
        gateway.until("it is told", |g| g.get("/ready").status == 503);
        assert_eq!(gateway.get("/live").status, 200);
    }
}

#[test]
fn db_14_and_pr_07_a_second_gateway_and_a_taken_port_are_refused() {
    let gateway = setup().start();
    let ports = [("PLUGINMIND_SERVER__LISTEN", "127.0.0.1:0"), ("PLUGINMIND_ADMIN__LISTEN", "127.0.0.1:0")];
    refuses(gateway.path(), &ports, "in use by another pluginmind process");
    let elsewhere = [("PLUGINMIND_STORAGE__PATH", "other/other.db")];
    refuses(gateway.path(), &elsewhere, &gateway.public.port().to_string());
    let admin = gateway.admin.to_string();
    let admin_only = [elsewhere[0], ports[0], ("PLUGINMIND_ADMIN__LISTEN", admin.as_str())];
    refuses(gateway.path(), &admin_only, &gateway.admin.port().to_string());
    assert_eq!(gateway.get("/live").status, 200);
    gateway.sign_in("ann", PASSWORD);
}

#[test]
fn pr_07_what_holds_secrets_is_for_its_owner_alone_whatever_the_umask() {
    let gateway = setup().shell("umask 000").start();
    gateway.sign_in("ann", PASSWORD);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let data = gateway.at("data");
    assert_eq!(mode(&data), 0o700);
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for wanted in ["admin.token", "pluginmind.db", "pluginmind.db-wal", "session.secret"] {
        assert!(names.iter().any(|n| n == wanted), "{wanted} in {names:?}");
    }
}

type Row =
    (String, String, u16, Option<String>, Option<String>, i64, i64, Option<String>, Option<u32>, bool, bool);

fn rows(gateway: &Gateway, wanted: usize) -> Vec<Row> {
    let database = database(gateway);
    let sql = "SELECT method, route, status, code, stage, bytes_in, bytes_out, plugin, rule_line, \
               user_hash IS NOT NULL, length(client_hash) = 16 AND duration_us > 0 AND generation = 1 FROM query_logs ORDER BY id";
    let mut found: Vec<Row> = Vec::new();
    gateway.until("the rows", |_| {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |r| {
            Ok((
                r.get(0)?,
                r.get(1)?,
                r.get(2)?,
                r.get(3)?,
                r.get(4)?,
                r.get(5)?,
                r.get(6)?,
                r.get(7)?,
                r.get(8)?,
                r.get(9)?,
                r.get(10)?,
            ))
        });
        found = rows.unwrap().map(Result::unwrap).collect();
        found.len() >= wanted
    });
    found
}

#[test]
fn a_usage_row_tells_what_happened() {
    let upstream = Upstream::hello();
    let rule = "fn on_request(req) {\n    if req.path == \"/private/denied\" {\n        deny(418, \"mine.tea\", \"No.\");\n    }\n}\n";
    let config = format!("{CONFIG}\n{}", upstream.config());
    let gateway = Setup::new(&config).user("ann", PASSWORD, &[]).plugin("mine", rule).start();
    let cookie = gateway.sign_in("ann", PASSWORD);
    assert_eq!(private(&gateway, &cookie), 200);
    assert_eq!(gateway.send("POST /up/x?secret=1", &[], b"four").text(), "hello");
    assert_eq!(gateway.get("/private").status, 401);
    assert_eq!(gateway.get("/nothing").status, 404);
    assert_eq!(gateway.get("/private/denied").status, 418);
    assert_eq!(gateway.send("BREW /private", &[], b"").status, 405);
    let rows = rows(&gateway, 7);
    assert_eq!(rows.len(), 7, "one a request");
    assert!(rows.iter().all(|row| row.10), "{rows:?}");
    let short: Vec<_> = rows
        .iter()
        .map(|r| {
            (r.0.as_str(), r.1.as_str(), r.2, r.3.as_deref().unwrap_or(""), r.4.as_deref().unwrap_or(""))
        })
        .collect();
    assert_eq!(short[1], ("GET", "private", 200, "", ""));
    assert_eq!(short[2], ("POST", "up", 200, "", ""));
    assert_eq!(short[3], ("GET", "private", 401, "AUTHENTICATION_REQUIRED", "identity"));
    assert_eq!((short[4].2, short[4].3), (404, "NOT_FOUND"));
    assert_eq!(short[5], ("GET", "", 418, "mine.tea", "on_request"));
    assert_eq!((short[6].0, short[6].2, short[6].3), ("OTHER", 405, "METHOD_NOT_ALLOWED"));
    assert_eq!((rows[2].5, rows[2].6), (4, 5), "bytes of both bodies");
    assert_eq!((rows[5].7.as_deref(), rows[5].8), (Some("mine"), Some(3)), "the rule by its line");
    assert!(rows[1].9 && !rows[2].9, "a user only where one is known");
}

#[test]
fn usage_rows_and_sessions_outlive_a_clean_end_and_a_kill() {
    let gateway = setup().start();
    let cookie = gateway.sign_in("ann", PASSWORD);
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &cookie), 200);
    let path = gateway.at("data/pluginmind.db");
    let kept = tempfile::tempdir().unwrap();
    for round in 0..20 {
        gateway.get(&format!("/nothing/{round}"));
    }
    // The last rows are still queued here; a clean end writes them.
    let copy = kept.path().join("db");
    let folder = gateway.path().to_owned();
    fs::create_dir(kept.path().join("data")).unwrap();
    fs::hard_link(&path, &copy).unwrap();
    assert_eq!(gateway.stop(), Some(0));
    assert!(!folder.exists());
    let count: i64 = Database::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM query_logs WHERE status = 404", [], |r| r.get(0))
        .unwrap();
    assert_eq!(count, 20);
}

#[test]
fn a_plugins_folder_may_be_missing_or_empty_and_a_broken_plugin_is_not_served_without() {
    let gateway = Setup::new(CONFIG).start();
    assert_eq!(gateway.get("/live").status, 200);
    let folder = Setup::new(CONFIG).file("plugins/.keep", "").start();
    assert_eq!(folder.get("/live").status, 200);
    let broken = Setup::new(CONFIG).plugin("mine", "fn on_request(req) {").folder();
    let output = verb(broken.path(), &["serve"], &[], None);
    assert_eq!(output.status.code(), Some(1), "there is no last good policy at the start");
}
